"""Original snapshots of PanoHead, EG3D and SphereHead as models of ours [pano spec 6].

The published state dicts keep their names here; only constants are left out (FIR filters, statistics of the labels), and the
filters are checked first. Options that the originals read from two bags of keyword arguments become one config; one that we
cannot honour is refused in words.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from fullhead.convert.reader import Module, read_snapshot, state_dict
from fullhead.convert.tensors import shape_of
from fullhead.core.errors import FullheadError, with_article
from fullhead.io.pickles import show
from fullhead.models import checkpoint
from fullhead.models.panohead import LABEL, PanoHead, PanoHeadConfig
from fullhead.nn.discriminator import Discriminator, DiscriminatorConfig
from fullhead.nn.module import ConfiguredModule, unfilled
from fullhead.nn.superres import SuperresConfig
from fullhead.representations.planes import DecoderConfig, PlanesConfig
from fullhead.representations.volume import MarchConfig

Which = Literal["G_ema", "G", "D"]
Family = Literal["panohead", "eg3d", "spherehead"]

FIR = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0])) / 64
THIRD_AXES = {"panohead": [[0, 1, 0], [0, 0, 1], [1, 0, 0]], "eg3d": [[0, 0, 1], [1, 0, 0], [0, 1, 0]]}  # [pano spec 1.5]
PLANES: dict[str, Literal["tri-grid", "eg3d", "two-balls"]]
PLANES = {"panohead": "tri-grid", "eg3d": "eg3d", "spherehead": "two-balls"}
ARGUMENTS = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels")  # that may be given by position
CROP = 0.1  # of the volume's sides, fixed in PanoHead's and SphereHead's renderers [pano spec 1.9]
FIELD = ("ConvA.", "ConvB.")  # SphereHead's heads, which belong to our field
MAX_VALUES = 10_000  # plain values among the arguments of a network

# Super-resolutions by class: input size, whether the first block doubles it, only ever enlarge, antialias [pano spec 1.11]
SUPERRES: dict[str, tuple[int, bool, bool, bool]] = {
    "SuperresolutionHybrid8XDC": (128, True, False, True),
    "SuperresolutionHybrid8X": (128, True, False, True),
    "SuperresolutionHybrid4X": (128, False, True, True),
    "SuperresolutionHybrid2X": (64, False, False, True),
    "SuperresolutionHybridDeepfp32": (128, False, True, False),
}
DISCRIMINATORS = {"MaskDualDiscriminatorV2": 1, "DualDiscriminator": 0, "HoloDiscriminator": 1}  # mask channels


@dataclass(frozen=True)
class Converted:
    """One network of a snapshot as plain values: constructor arguments, rendering options, named tensors.

    `parts`: class names of the network ("") and of its parts. `neural_rendering_resolution` in pixels, the generator's.
    """

    family: Family
    which: Which
    parts: dict[str, str]
    init_kwargs: dict[str, Any]
    rendering_kwargs: dict[str, Any]
    neural_rendering_resolution: int
    tensors: dict[str, Tensor]


def convert_checkpoint(path: str | Path, out: str | Path, which: Which = "G_ema") -> Converted:
    """Write network `which` of the original snapshot `path` as our model file `out`; returns what was found."""
    converted = extract(read_snapshot(path), which)
    said = {name: value for name, value in vars(converted).items() if name != "tensors"}  # what the original says of itself
    checkpoint.save(build(converted), out, about={"converted_from": Path(path).name, **said})
    return converted


# -- out of the snapshot


def extract(snapshot: dict[str, Any], which: Which = "G_ema") -> Converted:
    """One network of a snapshot. The family is told by the generator's structure."""
    network = _network(snapshot, which)
    generator = network if which != "D" else _network(snapshot, "G_ema" if snapshot.get("G_ema") is not None else "G")
    rendering = generator.attributes.get("rendering_kwargs", _init_kwargs(generator).get("rendering_kwargs", {}))
    parts = {"": network.class_name, **{name: part.class_name for name, part in network.modules.items() if part is not None}}
    return Converted(
        family=find_family(generator),
        which=which,
        parts=parts,
        init_kwargs=_plain(_init_kwargs(network), "constructor arguments"),
        rendering_kwargs=_plain(rendering, "rendering_kwargs"),
        neural_rendering_resolution=_integer(generator.attributes, "neural_rendering_resolution", 64),
        tensors=_tensors(network),
    )


def _network(snapshot: dict[str, Any], which: str) -> Module:
    network = snapshot.get(which)
    if not isinstance(network, Module):
        there = ", ".join(show(key) for key, value in snapshot.items() if isinstance(value, Module)) or "no network"
        raise FullheadError(f"the snapshot has no network {which}: there is {there}")
    return network


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


def _init_kwargs(network: Module) -> dict[str, Any]:
    """Constructor arguments by name, those given by position too."""
    args, kwargs = network.init_args, network.init_kwargs
    if len(args) > len(ARGUMENTS) or any(name in kwargs for name in ARGUMENTS[: len(args)]):
        raise FullheadError(f"{network.class_name} was made with {len(args)} arguments by position, which cannot be named")
    return {**dict(zip(ARGUMENTS, args, strict=False)), **kwargs}


def _tensors(network: Module) -> dict[str, Tensor]:
    """Copies of the state dict without the constants."""
    found = state_dict(network)
    stored = {x.untyped_storage().data_ptr(): x.untyped_storage().nbytes() for x in found.values()}
    if sum(x.nbytes for x in found.values()) > sum(stored.values()):
        raise FullheadError("damaged snapshot: its tensors overlap each other")
    tensors = {}
    for name, x in found.items():
        if name.rpartition(".")[2] == "resample_filter":
            if x.shape != FIR.shape or not torch.equal(x.float(), FIR):
                raise FullheadError(f"{show(name)} is another filter than [1, 3, 3, 1]: this network cannot be rebuilt")
        elif name != "dataset_label_std":
            if not x.is_floating_point() or not bool(x.isfinite().all()):
                raise FullheadError(
                    f"{show(name)} holds {x.dtype} values that are not all finite numbers: the snapshot is broken"
                )
            tensors[name] = x.clone(memory_format=torch.contiguous_format)
    return tensors


def _plain(values: Any, what: str) -> dict[str, Any]:
    """A dict as JSON can hold it: text keys, dicts, lists, text, finite numbers, None; tuples become lists."""
    left = MAX_VALUES
    if not isinstance(values, dict):
        raise FullheadError(f"damaged snapshot: its {what} are {show(values)}, not a dict")

    def copy(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or depth > 16:
            raise FullheadError(f"damaged snapshot: its {what} are nested deeper than 16 or more than {MAX_VALUES}")
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {key: copy(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [copy(item, depth + 1) for item in value]
        if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
            return value
        raise FullheadError(f"damaged snapshot: its {what} hold {show(value)}")

    return copy(values, 0)


# -- into our model


def config_from_original(converted: Converted) -> PanoHeadConfig:
    """Our config of a generator. Sizes are read off the tensors, everything else off the arguments."""
    kwargs, rendering, tensors, family = converted.init_kwargs, converted.rendering_kwargs, converted.tensors, converted.family
    _check_only(kwargs, {"c_dim": LABEL, "img_channels": 3, "conv_clamp": None, "architecture": "skip"})
    _check_only(rendering, {"clamp_mode": "softplus"})
    hidden, channels = shape_of(tensors, "decoder.net.0.weight", 2)
    near, far = (rendering.get(key) for key in ("ray_start", "ray_end"))
    auto = near == far == "auto"
    return PanoHeadConfig(
        z_dim=_integer(kwargs, "z_dim"),
        w_dim=shape_of(tensors, "backbone.mapping.w_avg", 1)[0],
        mapping_layers=sum(name.startswith("backbone.mapping.fc") and name.endswith(".weight") for name in tensors),
        image_size=_integer(kwargs, "img_resolution"),
        neural_size=converted.neural_rendering_resolution,
        channel_base=_integer(kwargs, "channel_base", 32768),
        channel_max=_integer(kwargs, "channel_max", 512),
        planes=PlanesConfig(
            kind=PLANES[family],
            size=max(_sizes(tensors, "backbone.synthesis.b")),
            depth=_integer(rendering, "triplane_depth") if PLANES[family] == "tri-grid" else 1,
            channels=channels,
        ),
        decoder=DecoderConfig(
            hidden=hidden,
            lr_multiplier=_number(rendering, "decoder_lr_mul", 1.0),
            activation="sigmoid" if family == "eg3d" else _activation(rendering),
        ),
        march=MarchConfig(
            near=0.0 if auto else _number(rendering, "ray_start"),
            far=0.0 if auto else _number(rendering, "ray_end"),
            coarse=_integer(rendering, "depth_resolution", least=4),
            fine=_integer(rendering, "depth_resolution_importance"),
            box_size=_number(rendering, "box_warp", least=1e-6),
            crop=None if family == "eg3d" else CROP,
            in_disparity=bool(rendering.get("disparity_space_sampling", False)),
            white_background=bool(rendering.get("white_back", False)),
        ),
        superres=_superres(converted),
        background=any(name.startswith("bcg_synthesis.") for name in tensors),
        raw_colours="torgb.weight" in tensors,
        camera_adaptation="t_mapping.w_avg" in tensors,
        conditioned=_conditioned(rendering),
        parsing_classes=shape_of(tensors, "toparsing.weight", 4)[0] if "toparsing.weight" in tensors else 0,
    )


def discriminator_config(converted: Converted) -> DiscriminatorConfig:
    """Our config of a discriminator."""
    kwargs, name = converted.init_kwargs, converted.parts[""]
    if name not in DISCRIMINATORS:
        raise FullheadError(f"the discriminator is {with_article(name)}: known are {', '.join(DISCRIMINATORS)}")
    _check_only(kwargs, {"c_dim": LABEL, "img_channels": 3, "architecture": "resnet"})
    size = _integer(kwargs, "img_resolution")
    inputs = shape_of(converted.tensors, f"b{size}.fromrgb.weight", 4)[1]
    parsing_classes = inputs - 6 - DISCRIMINATORS[name]
    if parsing_classes < 0:
        raise FullheadError(f"the {name} judges images of {inputs} channels: at least {6 + DISCRIMINATORS[name]} are due")
    epilogue = kwargs.get("epilogue_kwargs") or {}
    return DiscriminatorConfig(
        image_size=size,
        mask=bool(DISCRIMINATORS[name]),
        parsing_classes=parsing_classes,
        channel_base=_integer(kwargs, "channel_base", 32768),
        channel_max=_integer(kwargs, "channel_max", 512),
        clamp=None if kwargs.get("conv_clamp") is None else _number(kwargs, "conv_clamp"),
        group=_integer(epilogue if isinstance(epilogue, dict) else {}, "mbstd_group_size", 4),
    )


def build(converted: Converted) -> ConfiguredModule:
    """Our module with the original's tensors, which must fit it one to one. For saving: constants are not filled in."""
    if converted.which == "D":
        module: ConfiguredModule = unfilled(Discriminator, discriminator_config(converted))
    else:
        module = unfilled(PanoHead, config_from_original(converted))
    theirs = {f"field.{name}" if name.startswith(FIELD) else name: tensor for name, tensor in converted.tensors.items()}
    return checkpoint.with_weights(module, theirs, f"the original {converted.family} {converted.which}")


def _superres(converted: Converted) -> SuperresConfig:
    name = converted.parts.get("superresolution", "")
    if name not in SUPERRES:
        raise FullheadError(f"the super-resolution is {with_article(name or 'missing part')}: known are {', '.join(SUPERRES)}")
    size, doubles, enlarge_only, antialias = SUPERRES[name]
    first, second = (shape_of(converted.tensors, f"superresolution.block{i}.conv1.weight", 4)[0] for i in (0, 1))
    config = SuperresConfig(
        input_size=size,
        channels=(first, second),
        upsample_first=doubles,
        enlarge_only=enlarge_only,
        clamp=256.0 if _integer(converted.init_kwargs, "sr_num_fp16_res") > 0 else None,
        antialias=antialias and bool(converted.rendering_kwargs.get("sr_antialias", True)),
    )
    made = config.input_size * config.factor
    if made != _integer(converted.init_kwargs, "img_resolution"):
        raise FullheadError(f"{name} makes images of {made} px, not {show(converted.init_kwargs['img_resolution'])}")
    return config


def _activation(rendering: dict[str, Any]) -> Literal["none", "sigmoid", "leaky"]:
    known: dict[Any, Literal["none", "sigmoid", "leaky"]] = {"none": "none", "sigmoid": "sigmoid", "lrelu": "leaky"}
    value = rendering.get("decoder_activation")
    if not isinstance(value, str) or value not in known:
        raise FullheadError(f"decoder_activation is {show(value)}: known are {', '.join(known)}")
    return known[value]


def _conditioned(rendering: dict[str, Any]) -> bool:
    """Whether the mapping sees the camera. The originals multiply it by c_scale, which is 0 where it is missing."""
    scale = _number(rendering, "c_scale", 0.0)
    if scale not in (0.0, 1.0):
        raise FullheadError(f"c_scale is {scale}: only 0 (no camera) and 1 are known")
    return scale == 1.0 and not rendering.get("c_gen_conditioning_zero", False)


def _check_only(kwargs: dict[str, Any], allowed: dict[str, Any]) -> None:
    for name, value in allowed.items():
        if kwargs.get(name, value) != value:
            raise FullheadError(f"the original has {name} {show(kwargs[name])}: only {show(value)} can be rebuilt")


def _sizes(tensors: dict[str, Tensor], prefix: str) -> Iterator[int]:
    """The resolutions r of names `<prefix><r>.…`."""
    found = {name.removeprefix(prefix).partition(".")[0] for name in tensors if name.startswith(prefix)}
    if not found or not all(text.isascii() and text.isdigit() and 4 <= int(text[:6]) <= 1 << 14 for text in found):
        raise FullheadError(f"the original has no blocks {prefix}4, {prefix}8, ...: it cannot be rebuilt")
    return map(int, found)


def _integer(values: dict[str, Any], name: str, default: int | None = None, least: int = 0) -> int:
    value = values.get(name, default)
    if type(value) is not int or not least <= value <= 1 << 20:
        raise FullheadError(f"the original's {name} is {show(value)}: a whole number from {least} to {1 << 20} is due")
    return value


def _number(values: dict[str, Any], name: str, default: float | None = None, least: float = -math.inf) -> float:
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < math.inf:
        raise FullheadError(f"the original's {name} is {show(value)}: a number is due, at least {least}")
    return float(value)
