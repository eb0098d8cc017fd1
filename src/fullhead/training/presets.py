"""Training runs by name: for each family a config that builds its task, and presets of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch

from fullhead.core.errors import FullheadError
from fullhead.data.photos import PhotoSet
from fullhead.heads.fields import DecoderConfig, PlanesConfig
from fullhead.models.presets import EG3D_FFHQ512, PANOHEAD_FFHQ512, PANOHEAD_SYNTH64
from fullhead.nn.discriminator import DiscriminatorConfig
from fullhead.training.loop import LoopConfig, Task
from fullhead.training.panohead import PanoHeadTask, PanoHeadTaskConfig


class RunConfig(Protocol):
    """A whole training run: a frozen dataclass."""

    @property
    def loop(self) -> LoopConfig: ...

    def build(self, data: Path, device: torch.device) -> Task:
        """The task on the set in the folder `data`. FullheadError if the two do not fit."""
        ...


@dataclass(frozen=True)
class PhotoSetConfig:
    """How a set of photos is balanced."""

    min_yaw: float = 0.0  # degrees; photos with |yaw| outside the range are left out
    max_yaw: float = 180.0
    back_repeat: int = 1  # photos from behind (|yaw| >= 90) are shown this often [pano supp. A.2]
    mirror: bool = True


@dataclass(frozen=True)
class PanoHeadRun:
    """PanoHead, or a relation of it, on photos."""

    task: PanoHeadTaskConfig = field(default_factory=PanoHeadTaskConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    photos: PhotoSetConfig = field(default_factory=PhotoSetConfig)

    def build(self, data: Path, device: torch.device) -> PanoHeadTask:
        c = self.photos
        photos = PhotoSet(data, yaw_range=(c.min_yaw, c.max_yaw), back_repeat=c.back_repeat, mirror=c.mirror)
        size = self.task.generator.image_size
        if photos.size != size:
            raise FullheadError(
                f"{data} has images of {photos.size} pixels, the model makes {size}: write a set with "
                f"`fullhead synth photos OUT --size {size}`"
            )
        return PanoHeadTask(self.task, photos, device)


# The published recipe: 8 GPUs, 25 million images.
_FFHQ512 = PanoHeadRun(
    task=PanoHeadTaskConfig(generator=PANOHEAD_FFHQ512),
    photos=PhotoSetConfig(back_repeat=4),
)

_EG3D512 = PanoHeadRun(
    task=PanoHeadTaskConfig(
        generator=EG3D_FFHQ512,
        discriminator=DiscriminatorConfig(mask=False),
        camera_weight=0.0,
        density_weight=0.25,
        swap_end=0.5,
        background_swap=0.0,
        density_noise_fade_images=0,
    ),
)

# Two CPU cores. Sizes are an eighth of the published ones, the fades a twentieth.
_SYNTH64 = PanoHeadRun(
    task=PanoHeadTaskConfig(
        generator=PANOHEAD_SYNTH64,
        discriminator=DiscriminatorConfig(image_size=64, channel_base=2048, channel_max=128, clamp=None),
        generator_lr=0.0012,
        discriminator_lr=0.0016,
        r1_gamma=0.05,
        r1_gamma_mask=0.05,
        swap_fade_images=20_000,
        blur_start=1.25,
        blur_fade_images=10_000,
        density_noise_fade_images=5_000,
        neural_size_start=32,
        neural_size_fade_images=0,
        ema_images=5_000,
    ),
    loop=LoopConfig(batch=16, images=2_000_000, preview_every=4_000),
)

RUNS: dict[str, RunConfig] = {
    "panohead-ffhq512": _FFHQ512,
    "eg3d-ffhq512": _EG3D512,
    "panohead-synth64": _SYNTH64,
    # Several steps in a second: for trying the machinery.
    "panohead-tiny": replace(
        _SYNTH64,
        task=replace(
            _SYNTH64.task,
            generator=replace(
                PANOHEAD_SYNTH64,
                z_dim=16,
                w_dim=16,
                neural_size=16,
                channel_max=16,
                planes=PlanesConfig(size=16, depth=2, channels=8),
                decoder=DecoderConfig(hidden=16),
                march=replace(PANOHEAD_SYNTH64.march, coarse=6, fine=4),
                superres=replace(PANOHEAD_SYNTH64.superres, channels=(8, 8)),
            ),
            discriminator=DiscriminatorConfig(image_size=64, channel_max=16, clamp=None),
            neural_size_start=16,
        ),
        loop=LoopConfig(batch=4, images=100, log_every=8, preview_every=50),
    ),
}
