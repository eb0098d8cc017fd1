"""Original snapshots of PanoHead, EG3D and SphereHead as models of ours [pano spec 6].

The published state dicts keep their names here; only constants are left out (FIR filters, statistics of the labels), and the
filters are checked first. Options that the originals read from two bags of keyword arguments become one config; one that we
cannot honour is refused in words.
"""

from typing import Any, Literal

from torch import Tensor

from fullhead.convert.networks import (
    Converted,
    check_only,
    integer,
    is_conditioned,
    number,
    sizes_of,
    superres_config,
)
from fullhead.convert.reader import Module
from fullhead.convert.tensors import shape_of
from fullhead.core.errors import FullheadError, with_article
from fullhead.io.pickles import show
from fullhead.models import checkpoint
from fullhead.models.panohead import LABEL, PanoHead, PanoHeadConfig
from fullhead.nn.discriminator import Discriminator, DiscriminatorConfig
from fullhead.nn.module import ConfiguredModule, unfilled
from fullhead.representations.planes import DecoderConfig, PlanesConfig
from fullhead.representations.volume import MarchConfig

Family = Literal["panohead", "eg3d", "spherehead"]

THIRD_AXES = {"panohead": [[0, 1, 0], [0, 0, 1], [1, 0, 0]], "eg3d": [[0, 0, 1], [1, 0, 0], [0, 1, 0]]}  # [pano spec 1.5]
PLANES: dict[str, Literal["tri-grid", "eg3d", "two-balls"]]
PLANES = {"panohead": "tri-grid", "eg3d": "eg3d", "spherehead": "two-balls"}
CROP = 0.1  # of the volume's sides, fixed in PanoHead's and SphereHead's renderers [pano spec 1.9]
FIELD = ("ConvA.", "ConvB.")  # SphereHead's heads, which belong to our field
DISCRIMINATORS = {"MaskDualDiscriminatorV2": 1, "DualDiscriminator": 0, "HoloDiscriminator": 1}  # mask channels


def find_family(generator: Module) -> Family:
    """The family of a generator, by its parts; its plane axes must agree."""
    if generator.class_name != "TriPlaneGenerator":
        raise FullheadError(
            f"the snapshot's generator is {with_article(generator.class_name)}: PanoHead, EG3D and SphereHead have a "
            "TriPlaneGenerator"
        )
    parts = {name for name, part in generator.modules.items() if part is not None}
    family: Family = "spherehead" if {"ConvA", "ConvB"} <= parts else "panohead" if "t_mapping" in parts else "eg3d"
    renderer = generator.modules.get("renderer")
    axes = renderer.attributes.get("plane_axes") if renderer is not None else None
    third = axes[2].tolist() if isinstance(axes, Tensor) and axes.shape == (3, 3, 3) else None
    if third is not None and third != THIRD_AXES.get(family, third):
        raise FullheadError(
            f"the snapshot is built as {family} but its third plane lies along {third} instead of {THIRD_AXES[family]}: "
            "a variant that this version cannot render"
        )
    return family


# -- into our model


def config_from_original(converted: Converted) -> PanoHeadConfig:
    """Our config of a generator. Sizes are read off the tensors, everything else off the arguments."""
    kwargs, rendering, tensors, family = converted.init_kwargs, converted.rendering_kwargs, converted.tensors, converted.family
    check_only(kwargs, {"c_dim": LABEL, "img_channels": 3, "conv_clamp": None, "architecture": "skip"})
    check_only(rendering, {"clamp_mode": "softplus"})
    hidden, channels = shape_of(tensors, "decoder.net.0.weight", 2)
    near, far = (rendering.get(key) for key in ("ray_start", "ray_end"))
    auto = near == far == "auto"
    return PanoHeadConfig(
        z_dim=integer(kwargs, "z_dim"),
        w_dim=shape_of(tensors, "backbone.mapping.w_avg", 1)[0],
        mapping_layers=sum(name.startswith("backbone.mapping.fc") and name.endswith(".weight") for name in tensors),
        image_size=integer(kwargs, "img_resolution"),
        neural_size=converted.neural_rendering_resolution,
        channel_base=integer(kwargs, "channel_base", 32768),
        channel_max=integer(kwargs, "channel_max", 512),
        planes=PlanesConfig(
            kind=PLANES[family],
            size=max(sizes_of(tensors, "backbone.synthesis.b")),
            depth=integer(rendering, "triplane_depth") if PLANES[family] == "tri-grid" else 1,
            channels=channels,
        ),
        decoder=DecoderConfig(
            hidden=hidden,
            lr_multiplier=number(rendering, "decoder_lr_mul", 1.0),
            activation="sigmoid" if family == "eg3d" else _activation(rendering),
        ),
        march=MarchConfig(
            near=0.0 if auto else number(rendering, "ray_start"),
            far=0.0 if auto else number(rendering, "ray_end"),
            coarse=integer(rendering, "depth_resolution", least=4),
            fine=integer(rendering, "depth_resolution_importance"),
            box_size=number(rendering, "box_warp", least=1e-6),
            crop=None if family == "eg3d" else CROP,
            in_disparity=bool(rendering.get("disparity_space_sampling", False)),
            white_background=bool(rendering.get("white_back", False)),
        ),
        superres=superres_config(converted),
        background=any(name.startswith("bcg_synthesis.") for name in tensors),
        raw_colours="torgb.weight" in tensors,
        camera_adaptation="t_mapping.w_avg" in tensors,
        conditioned=is_conditioned(rendering),
        parsing_classes=shape_of(tensors, "toparsing.weight", 4)[0] if "toparsing.weight" in tensors else 0,
    )


def discriminator_config(converted: Converted) -> DiscriminatorConfig:
    """Our config of a discriminator."""
    kwargs, name = converted.init_kwargs, converted.parts[""]
    if name not in DISCRIMINATORS:
        raise FullheadError(f"the discriminator is {with_article(name)}: known are {', '.join(DISCRIMINATORS)}")
    check_only(kwargs, {"c_dim": LABEL, "img_channels": 3, "architecture": "resnet"})
    size = integer(kwargs, "img_resolution")
    inputs = shape_of(converted.tensors, f"b{size}.fromrgb.weight", 4)[1]
    parsing_classes = inputs - 6 - DISCRIMINATORS[name]
    if parsing_classes < 0:
        raise FullheadError(f"the {name} judges images of {inputs} channels: at least {6 + DISCRIMINATORS[name]} are due")
    epilogue = kwargs.get("epilogue_kwargs") or {}
    return DiscriminatorConfig(
        image_size=size,
        mask=bool(DISCRIMINATORS[name]),
        parsing_classes=parsing_classes,
        channel_base=integer(kwargs, "channel_base", 32768),
        channel_max=integer(kwargs, "channel_max", 512),
        clamp=None if kwargs.get("conv_clamp") is None else number(kwargs, "conv_clamp"),
        group=integer(epilogue if isinstance(epilogue, dict) else {}, "mbstd_group_size", 4),
    )


def build(converted: Converted) -> ConfiguredModule:
    """Our module with the original's tensors, which must fit it one to one. For saving: constants are not filled in."""
    if converted.which == "D":
        module: ConfiguredModule = unfilled(Discriminator, discriminator_config(converted))
    else:
        module = unfilled(PanoHead, config_from_original(converted))
    theirs = {f"field.{name}" if name.startswith(FIELD) else name: tensor for name, tensor in converted.tensors.items()}
    return checkpoint.with_weights(module, theirs, f"the original {converted.family} {converted.which}")


def _activation(rendering: dict[str, Any]) -> Literal["none", "sigmoid", "leaky"]:
    known: dict[Any, Literal["none", "sigmoid", "leaky"]] = {"none": "none", "sigmoid": "sigmoid", "lrelu": "leaky"}
    value = rendering.get("decoder_activation")
    if not isinstance(value, str) or value not in known:
        raise FullheadError(f"decoder_activation is {show(value)}: known are {', '.join(known)}")
    return known[value]
