"""Configs by name. A preset is a Python value; `fullhead train` and `overridden` change single keys."""

from fullhead.models.head360 import RADIUS, Head360Config
from fullhead.models.panohead import PanoHeadConfig
from fullhead.nn.superres import SuperresConfig
from fullhead.representations.hex_planes import HexPlanesConfig
from fullhead.representations.planes import DecoderConfig, PlanesConfig
from fullhead.representations.volume import MarchConfig

PANOHEAD_FFHQ512 = PanoHeadConfig()

# The published EG3D: flat planes in their released order, no background, no mask, colours read from the features.
EG3D_FFHQ512 = PanoHeadConfig(
    planes=PlanesConfig(kind="eg3d", depth=1),
    decoder=DecoderConfig(activation="sigmoid"),
    march=MarchConfig(crop=None),
    background=False,
    raw_colours=False,
    camera_adaptation=False,
)

SPHEREHEAD512 = PanoHeadConfig(planes=PlanesConfig(kind="two-balls", depth=1))

# Small enough to train on a laptop's CPU; the shipped panohead-demo.
PANOHEAD_SYNTH64 = PanoHeadConfig(
    z_dim=128,
    w_dim=128,
    image_size=64,
    neural_size=32,
    channel_base=2048,
    channel_max=96,
    planes=PlanesConfig(size=64, depth=3, channels=16),
    decoder=DecoderConfig(hidden=32),
    march=MarchConfig(near=2.2, far=3.2, coarse=14, fine=14, crop=0.05),
    template=True,
    metres_per_unit=0.52,  # of photos with --closer 1.3: heads span about 0.44 units
    superres=SuperresConfig(input_size=32, channels=(32, 32), upsample_first=False, clamp=None),
)

PANOHEADS: dict[str, PanoHeadConfig] = {
    "panohead-ffhq512": PANOHEAD_FFHQ512,
    "eg3d-ffhq512": EG3D_FFHQ512,
    "spherehead512": SPHEREHEAD512,
    "panohead-synth64": PANOHEAD_SYNTH64,
}

HEAD360_512 = Head360Config()

# What the released program builds: texture and hair follow from the shape code, opposite views stand one after the other.
HEAD360_RELEASED512 = Head360Config(
    z_dim=50,
    codes="shape",
    finish_dim=512,
    conditioned=True,
    planes=HexPlanesConfig(pairing="concat", hair="alpha", as_released=True),
    march=MarchConfig(near=20, far=25, radius=RADIUS, crop=None, white_background=True, from_end_to_end=True),
)

HEAD360S: dict[str, Head360Config] = {"head360-512": HEAD360_512, "head360-released512": HEAD360_RELEASED512}
