"""Training runs by name: for each family a config that builds its task, and presets of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import torch

from fullhead.core.errors import FullheadError
from fullhead.data.photos import PhotoSet
from fullhead.data.scan_set import ScanSet
from fullhead.data.view_set import ViewSet
from fullhead.io.config import Limited
from fullhead.models.ganhead import GANHeadConfig
from fullhead.models.i3dmm import I3DMMConfig
from fullhead.models.presets import EG3D_FFHQ512, PANOHEAD_FFHQ512, PANOHEAD_SYNTH64
from fullhead.nn.discriminator import DiscriminatorConfig
from fullhead.representations.canonical_field import CanonicalConfig
from fullhead.representations.deformer import DeformerConfig
from fullhead.representations.planes import DecoderConfig, PlanesConfig
from fullhead.rig.cube import flame_cube, template_in_cube
from fullhead.rig.flame import load_flame
from fullhead.rig.landmarks import EYES_AND_MOUTH
from fullhead.rig.template import load_template
from fullhead.training.distributed import world_size
from fullhead.training.encoder import EncoderTaskConfig
from fullhead.training.eyes import EyesTask, EyesTaskConfig, eyes_config
from fullhead.training.gan import AdversarialConfig
from fullhead.training.ganhead import GANHeadTask, GANHeadTaskConfig
from fullhead.training.i3dmm import I3DMMTask, I3DMMTaskConfig, LossConfig
from fullhead.training.loop import LoopConfig
from fullhead.training.panohead import PanoHeadTask, PanoHeadTaskConfig
from fullhead.training.run import RunConfig


@dataclass(frozen=True)
class PhotoSetConfig(Limited):
    """How a set of photos is balanced."""

    min_yaw: Annotated[float, (0, 180)] = 0.0  # degrees; photos with |yaw| outside the range are left out
    max_yaw: Annotated[float, (0, 180)] = 180.0
    front_repeat: Annotated[int, (0, 1000)] = 1  # photos from in front (|yaw| < 60) are shown this often
    back_repeat: Annotated[int, (0, 1000)] = 1  # and photos from behind (|yaw| >= 90) [pano supp. A.2]
    mirror: bool = True


@dataclass(frozen=True)
class PanoHeadRun:
    """PanoHead, or a relation of it, on photos."""

    task: PanoHeadTaskConfig = field(default_factory=PanoHeadTaskConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    photos: PhotoSetConfig = field(default_factory=PhotoSetConfig)

    def build(self, data: Path, device: torch.device) -> PanoHeadTask:
        c, size = self.photos, self.task.generator.image_size
        repeats = {"front_repeat": c.front_repeat, "back_repeat": c.back_repeat}
        photos = PhotoSet(data, yaw_range=(c.min_yaw, c.max_yaw), **repeats, mirror=c.mirror)
        if photos.size != size:
            hint = f"write a set with `fullhead synth photos OUT --size {size}`"
            raise FullheadError(f"{data} has images of {photos.size} pixels, the model makes {size}: {hint}")
        share, group = self.loop.batch // world_size(), self.task.discriminator.group
        if share % min(share, group):
            hint = "choose a multiple, or --set task.discriminator.group=1"
            raise FullheadError(
                f"loop.batch {self.loop.batch}: a process judges its {share} images in groups of {group}: {hint}"
            )
        return PanoHeadTask(self.task, photos, device)


@dataclass(frozen=True)
class GANHeadRun:
    """GANHead on prepared scans."""

    task: GANHeadTaskConfig = field(default_factory=GANHeadTaskConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    flame: str | None = None  # FLAME's file, for a set that was prepared with it

    def build(self, data: Path, device: torch.device) -> GANHeadTask:
        stages = self.task.coarse_images + self.task.fine_images
        if self.task.cosine_fraction and self.loop.images > stages:
            hint = "raise task.fine_images with it, or --set task.cosine_fraction=0"
            raise FullheadError(f"loop.images is {self.loop.images}, but rates have fallen to nothing after {stages}: {hint}")
        scans = ScanSet(data)
        shapes, name = scans.shape.shape[1], scans.about["rig"]
        if (name == "flame") != (self.flame is not None):
            hint = "--set flame=FILE says where FLAME is" if name == "flame" else "leave --set flame=... away"
            raise FullheadError(f"{data} was prepared with the rig {name!r}: {hint}")
        template = load_template()
        cube = flame_cube(load_flame(Path(self.flame)), template, shapes) if self.flame else template_in_cube(template, shapes)
        if self.task.feature_share:
            landmarks = cube.landmarks(cube.rig(*scans.parameters).vertices)
            scans.oversample(landmarks[:, EYES_AND_MOUTH], self.task.feature_radius, self.task.feature_share)
        return GANHeadTask(replace(self.task, model=replace(self.task.model, rig=name)), scans, cube.rig, device)


@dataclass(frozen=True)
class I3DMMRun:
    """i3DMM on a set of `fullhead prepare`."""

    task: I3DMMTaskConfig = field(default_factory=I3DMMTaskConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)

    def build(self, data: Path, device: torch.device) -> I3DMMTask:
        return I3DMMTask(self.task, ScanSet(data), device)


# Two CPU cores. Sizes are an eighth of the published ones, the fades a twentieth.
_SYNTH64 = PanoHeadRun(
    PanoHeadTaskConfig(
        generator=PANOHEAD_SYNTH64,
        discriminator=DiscriminatorConfig(image_size=64, channel_base=2048, channel_max=128, clamp=None),
        gan=AdversarialConfig(
            generator_lr=0.0006,
            discriminator_lr=0.0008,
            r1_gamma=0.02,
            density_weight=0.1,
            density_every=8,
            swap_end=0.7,
            swap_fade_images=20_000,
            blur_start=1.25,
            blur_fade_images=10_000,
        ),
        r1_gamma_mask=0.02,
        density_noise_fade_images=5_000,
        neural_size_start=32,
        neural_size_fade_images=0,
        reuse_fakes=True,
        encoder=EncoderTaskConfig(alone_images=40_000, share=0.125, weight=4.0, kl=1e-3, features=2.0),
    ),
    LoopConfig(batch=16, images=2_000_000, preview_every=4_000),
    PhotoSetConfig(front_repeat=3),
)

_TINY_PANOHEAD = replace(
    PANOHEAD_SYNTH64,
    z_dim=16,
    w_dim=16,
    neural_size=16,
    channel_max=16,
    planes=PlanesConfig(size=16, depth=2, channels=8),
    decoder=DecoderConfig(hidden=16),
    march=replace(PANOHEAD_SYNTH64.march, coarse=6, fine=4),
    superres=replace(PANOHEAD_SYNTH64.superres, channels=(8, 8)),
)
_TINY_DISCRIMINATOR = DiscriminatorConfig(image_size=64, channel_max=16, clamp=None)

PANOHEAD_RUNS: dict[str, RunConfig] = {
    # The published recipe: 8 GPUs, 25 million images.
    "panohead-ffhq512": PanoHeadRun(PanoHeadTaskConfig(PANOHEAD_FFHQ512), photos=PhotoSetConfig(back_repeat=4)),
    "eg3d-ffhq512": PanoHeadRun(
        PanoHeadTaskConfig(
            generator=EG3D_FFHQ512,
            discriminator=DiscriminatorConfig(mask=False),
            gan=AdversarialConfig(),
            camera_weight=0.0,
            background_swap=0.0,
            density_noise_fade_images=0,
        )
    ),
    "panohead-synth64": _SYNTH64,
    # Several steps in a second: for trying the machinery.
    "panohead-tiny": PanoHeadRun(
        replace(_SYNTH64.task, generator=_TINY_PANOHEAD, discriminator=_TINY_DISCRIMINATOR, neural_size_start=16, encoder=None),
        LoopConfig(batch=4, images=100, log_every=8, preview_every=50),
        _SYNTH64.photos,
    ),
}

# A CPU core with AVX-512 for an hour and a half, some 650 scans.
_FIELD = CanonicalConfig(32, 32, 32, generator_width=64, features=16, geometry_width=128, normal_width=128, texture_width=128)
_GANHEAD_DEMO = GANHeadRun(
    GANHeadTaskConfig(
        model=GANHeadConfig(canonical=_FIELD, deformer=DeformerConfig(width=64)),
        coarse_images=46_000,
        fine_images=42_000,
        first_epoch=3,
        coarse_lr=2e-3,
        fine_lr=3e-3,
        cosine_fraction=0.6,
        code_lr_scale=5.0,
        near=400,
        uniform=100,
        surface=300,
        feature_share=0.35,
        vertices=600,
        rig_vertices=800,
        rig_points=200,
        rig_images=8_000,
        coarse_steps=10,
        view_resolution=64,
        view_stride=7,
    ),
    LoopConfig(batch=8, images=88_000, log_every=400, preview_every=2_000),
)
_TINY_FIELD = CanonicalConfig(6, 4, 3, generator_width=8, features=4, geometry_width=48, normal_width=48, texture_width=48)

GANHEAD_RUNS: dict[str, RunConfig] = {
    # The published recipe: 32 scans a step (4 in stage two) on each of 4 GPUs; every scan of 2289 is shown 3000 times a stage.
    "ganhead": GANHeadRun(
        GANHeadTaskConfig(coarse_images=6_867_000, fine_images=6_867_000),
        LoopConfig(batch=128, images=13_734_000, seed=42, preview_every=100_000),
    ),
    "ganhead-demo": _GANHEAD_DEMO,
    "ganhead-tiny": GANHeadRun(
        replace(
            _GANHEAD_DEMO.task,
            model=GANHeadConfig(canonical=_TINY_FIELD, deformer=DeformerConfig(width=24), resolution=32),
            coarse_images=40,
            fine_images=20,
            near=150,
            uniform=50,
            surface=80,
            vertices=200,
            rig_vertices=100,
            rig_points=50,
            rig_images=2,
            view_resolution=32,
        ),
        LoopConfig(batch=2, images=60, log_every=10, preview_every=40),
    ),
}

I3DMM_RUNS: dict[str, RunConfig] = {
    # The published recipe: about 64 people in 13 scans each, for 1001 epochs.
    "i3dmm": I3DMMRun(loop=LoopConfig(batch=64, images=64_000 + 1001 * 832)),
    # A CPU core for a quarter of an hour, on some hundreds of procedural scans, each of which has an expression of its own.
    "i3dmm-demo": I3DMMRun(
        I3DMMTaskConfig(
            model=I3DMMConfig(code=64, deform_width=128, reference_width=128, colour_width=128, resolution=128),
            loss=LossConfig(points=256, near=0.75),
            shared_expressions=False,
            code_epochs=20,
            networks_lr=1e-3,
            codes_lr=2e-3,
            halving_epochs=40,
            reference_images=1_600,
        ),
        LoopConfig(batch=16, images=80_000, preview_every=8_000),
    ),
}


@dataclass(frozen=True)
class EyesRun:
    """Eyes on a set of views."""

    task: EyesTaskConfig = field(default_factory=EyesTaskConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)

    def build(self, data: Path, device: torch.device) -> EyesTask:
        return EyesTask(self.task, ViewSet(data), device)


EYES_RUNS: dict[str, RunConfig] = {
    # Two CPU cores for four hours, on some 30,000 views.
    "eyes": EyesRun(
        EyesTaskConfig(model=eyes_config(), images=480_000),
        LoopConfig(batch=32, images=480_000, log_every=1_600, preview_every=16_000),
    ),
    # Several steps in a second: for trying the machinery.
    "eyes-tiny": EyesRun(
        EyesTaskConfig(
            model=eyes_config(finder_widths=(4, 4, 4), window=32, widths=(4, 4, 4, 4, 4), decoder=4, hidden=8, identity=4),
            images=64,
            scene_size=64,
            backgrounds=8,
            bf16=False,
        ),
        LoopConfig(batch=4, images=64, log_every=16, preview_every=0),
    ),
}

RUNS = {**PANOHEAD_RUNS, **GANHEAD_RUNS, **I3DMM_RUNS, **EYES_RUNS}
