"""Original snapshots of Head360 as models of ours [h360 spec 7].

A third of such a snapshot is never used when it draws a head: whole mappings, the lower blocks of the networks that redraw, a
second backbone of which only the mapping serves. That is left out, and so are the faces: the vertices are not in the file.
"""

from __future__ import annotations

import re
from dataclasses import replace

import torch
from torch import Tensor

from fullhead.convert.networks import Converted, check_only, integer, is_conditioned, number, sizes_of, superres_config
from fullhead.convert.reader import Module
from fullhead.convert.tensors import shape_of
from fullhead.core.errors import FullheadError
from fullhead.core.grids import HEX_AXES
from fullhead.models import checkpoint
from fullhead.models.head360 import LABEL, Head360, Head360Config
from fullhead.models.presets import HEAD360_RELEASED512
from fullhead.nn.module import unfilled
from fullhead.representations.planes import DecoderConfig
from fullhead.representations.volume import MarchConfig

NAME = Head360.model_type
PARTS = {"texture_backbone", "mouth_backbone", "neural_blending"}  # by which a generator is known
RENAMED = {
    "texture_backbone.synthesis.": "texture_synthesis.",
    "backbone.synthesis.": "hair_synthesis.",
    "backbone.mapping.": "mapping.",
    "backbone_sr.mapping.": "finish_mapping.",
    "mouth_backbone.synthesis.": "mouth.",
    "neural_blending.synthesis.": "blend.",
    "decoder.": "decoder.",
    "superresolution.": "superresolution.",
}
UNUSED = re.compile(
    r"(texture_backbone|mouth_backbone|neural_blending)\.mapping\.|backbone_sr\.synthesis\.|"
    r"(mouth_backbone|neural_blending)\.synthesis\.(b\d+|fusion)\."
)  # of blocks and fusions, those that our network lacks


def is_head360(generator: Module) -> bool:
    return PARTS.issubset(name for name, part in generator.modules.items() if part is not None)


def find_family(generator: Module) -> str:
    """The family's name. FullheadError if planes lie otherwise than those that the mesh is drawn onto."""
    renderer = generator.modules.get("renderer")
    axes = renderer.attributes.get("plane_axes") if renderer is not None else None
    if isinstance(axes, Tensor) and not (axes.shape == HEX_AXES.shape and torch.equal(axes.float(), HEX_AXES)):
        raise FullheadError("the snapshot is built as Head360 but its planes lie along other axes: it cannot be rendered")
    return NAME


def config_from_original(converted: Converted) -> Head360Config:
    """Our config of a generator. Sizes are read off the tensors, everything else off the arguments."""
    kwargs, rendering, tensors = converted.init_kwargs, converted.rendering_kwargs, converted.tensors
    check_only(kwargs, {"c_dim": LABEL, "img_channels": 3, "conv_clamp": None, "architecture": "skip"})
    check_only(rendering, {"clamp_mode": "softplus", "disparity_space_sampling": False})
    hidden, channels = shape_of(tensors, "decoder.net.0.weight", 2)
    views = shape_of(tensors, "texture_backbone.synthesis.b4.torgb.weight", 4)[0]
    if channels != 2 * views:
        raise FullheadError(f"the original draws views of {views} channels for planes of {channels}: half as many are due")
    code = integer(kwargs, "z_dim")
    return Head360Config(
        shapes=code,
        z_dim=code,
        w_dim=shape_of(tensors, "backbone.mapping.w_avg", 1)[0],
        codes="shape",
        finish_dim=shape_of(tensors, "backbone_sr.mapping.embed.weight", 2)[0],
        mapping_layers=sum(name.startswith("backbone.mapping.fc") and name.endswith(".weight") for name in tensors),
        conditioned=is_conditioned(rendering),
        image_size=integer(kwargs, "img_resolution"),
        neural_size=converted.neural_rendering_resolution,
        channel_base=integer(kwargs, "channel_base", 32768),
        channel_max=integer(kwargs, "channel_max", 512),
        mesh=None,
        planes=replace(HEAD360_RELEASED512.planes, size=max(sizes_of(tensors, "backbone.synthesis.b")), channels=channels),
        decoder=DecoderConfig(hidden=hidden, lr_multiplier=number(rendering, "decoder_lr_mul", 1.0), activation="sigmoid"),
        march=MarchConfig(
            near=number(rendering, "ray_start"),
            far=number(rendering, "ray_end"),
            radius=number(rendering, "avg_camera_radius"),
            coarse=integer(rendering, "depth_resolution", least=4),
            fine=integer(rendering, "depth_resolution_importance"),
            box_size=number(rendering, "box_warp", least=1e-6),
            crop=None,
            from_end_to_end=True,
            white_background=bool(rendering.get("white_back", False)),
        ),
        superres=superres_config(converted),
    )


def build(converted: Converted) -> Head360:
    """Our module with the original's tensors, which must fit it one to one, and no mesh."""
    if converted.which == "D":
        raise FullheadError("the discriminator of a Head360 is not converted: take G_ema or G")
    module = unfilled(Head360, config_from_original(converted))
    ours = module.state_dict()
    theirs = {}
    for name, tensor in converted.tensors.items():
        start = next((start for start in RENAMED if name.startswith(start)), "")
        renamed = RENAMED.get(start, "") + name.removeprefix(start)
        if renamed in ours or not UNUSED.match(name):
            theirs[renamed] = tensor
    theirs["uv_mask"] = torch.ones(ours["uv_mask"].shape)
    return checkpoint.with_weights(module, theirs, f"the original {converted.family} {converted.which}")
