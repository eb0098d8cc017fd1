"""Training runs by name."""

from dataclasses import dataclass, field, replace

from fullhead.heads.fields import DecoderConfig, PlanesConfig
from fullhead.models.presets import EG3D_FFHQ512, PANOHEAD_FFHQ512, PANOHEAD_SYNTH64
from fullhead.nn.discriminator import DiscriminatorConfig
from fullhead.training.loop import LoopConfig
from fullhead.training.panohead import PanoHeadTaskConfig


@dataclass(frozen=True)
class PhotoSetConfig:
    """How a set of photos is balanced."""

    min_yaw: float = 0.0  # degrees; photos with |yaw| outside the range are left out
    max_yaw: float = 180.0
    back_repeat: int = 1  # photos from behind (|yaw| >= 90) are shown this often [pano supp. A.2]
    mirror: bool = True


@dataclass(frozen=True)
class RunConfig:
    """A whole training run."""

    task: PanoHeadTaskConfig = field(default_factory=PanoHeadTaskConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    photos: PhotoSetConfig = field(default_factory=PhotoSetConfig)


# The published recipe: 8 GPUs, 25 million images.
_FFHQ512 = RunConfig(
    task=PanoHeadTaskConfig(generator=PANOHEAD_FFHQ512),
    photos=PhotoSetConfig(back_repeat=4),
)

_EG3D512 = RunConfig(
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
_SYNTH64 = RunConfig(
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
