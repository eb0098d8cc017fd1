"""Original checkpoints of GANHead as models of ours [ganhead].

All sizes are read off the tensors. The four copies of FLAME in such a file are left out (their licence forbids passing them
on): a converted model asks for the user's own FLAME file. Left out too: the optimiser, and a layer that nothing uses.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fullhead.convert.archives import read_archive
from fullhead.convert.tensors import shape_of
from fullhead.core.errors import FullheadError
from fullhead.io.pickles import show
from fullhead.models import checkpoint
from fullhead.models.ganhead import GANHead, GANHeadConfig
from fullhead.nn.implicit import encoded_size
from fullhead.nn.module import unfilled
from fullhead.representations.canonical_field import CanonicalConfig
from fullhead.representations.deformer import DeformerConfig

RENAMED = {  # the first that fits
    "generator.": "canonical.generator.",
    "network.": "canonical.geometry.",
    "norm_network.": "canonical.normal.",
    "tex_network.": "canonical.texture.",
    "deformer.disp_network.": "deformer.deshape.",
    "deformer.lbs_network.blendshapes.": "deformer.blendshapes.",
    "deformer.lbs_network.": "deformer.skinning.",
    "z_shapes.": "shape_codes.",
    "z_details.": "detail_codes.",
    "z_colors.": "colour_codes.",
}
FLAME = ("flame.", "deformer.flame.", "flame_server.", "flame_loss.")
UNUSED = ("generator.lin2.", "gan_loss.", "gan_loss_color.")  # a layer whose output is dropped; discriminators
LOOKS = ("canonical.normal.", "canonical.texture.")  # absent from checkpoints of the first stage


@dataclass(frozen=True)
class Converted:
    """An original's config and tensors under our names. `stage` 1: geometry and deformation only."""

    config: GANHeadConfig
    tensors: dict[str, Tensor]
    stage: int
    about: dict[str, Any]


def convert_ganhead(path: str | Path, out: str | Path) -> Converted:
    """Write the original checkpoint `path` (PyTorch Lightning's .ckpt) as our model file `out`; returns what was found."""
    converted = extract(read_archive(path))
    checkpoint.save(build(converted), out, about={"converted_from": Path(path).name, **converted.about})
    return converted


def extract(archive: dict[str, Any]) -> Converted:
    """The model in a checkpoint's top-level dict. FullheadError if it is none, or its parts do not fit each other."""
    state = archive.get("state_dict")
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise FullheadError("the checkpoint has no 'state_dict' of tensors: give a GANHead checkpoint (last.ckpt)")
    tensors = {}
    for name, tensor in state.items():
        if str(name).startswith(FLAME + UNUSED):
            continue
        if tensor.dtype != torch.float32 or not bool(tensor.isfinite().all()):
            raise FullheadError(f"{show(name)} holds {tensor.dtype} values that are not all finite numbers: it is broken")
        prefix = next((prefix for prefix in RENAMED if str(name).startswith(prefix)), "")
        tensors[RENAMED.get(prefix, "") + str(name).removeprefix(prefix)] = tensor.clone(memory_format=torch.contiguous_format)
    about = {key: archive[key] for key in ("epoch", "global_step") if isinstance(archive.get(key), int)}
    return Converted(_config(tensors), tensors, 2 if any(name.startswith(LOOKS) for name in tensors) else 1, about)


def build(converted: Converted) -> GANHead:
    """Our model with the original's tensors, which must fit it one to one; for saving.

    A model of the first stage gets normals and colours as training would begin with, the same ones each time.
    """
    tensors = converted.tensors
    if converted.stage == 1:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            fresh = GANHead(converted.config).state_dict()
        tensors = tensors | {name: tensor for name, tensor in fresh.items() if name.startswith(LOOKS)}
    return checkpoint.with_weights(unfilled(GANHead, converted.config), tensors, "the original GANHead")


def _config(tensors: dict[str, Tensor]) -> GANHeadConfig:
    """Every size, from the shapes of tensors under our names."""

    def matrix(name: str) -> tuple[int, ...]:
        return shape_of(tensors, name, 2)

    joints = matrix("deformer.skinning.lin4.weight_v")[0]
    bases, pose_features = matrix("deformer.blendshapes.weight")[0] // 3, 9 * (joints - 1)
    expressions = bases - pose_features
    if expressions < 1:
        raise FullheadError(f"the original has {bases} bases for {joints} joints: {pose_features} of poses and more are due")
    scans, shape_code = matrix("shape_codes.weight")
    detail_code, colour = (matrix(f"{kind}_codes.weight")[1] for kind in ("detail", "colour"))
    pose = 3 * joints + expressions
    widths = {"geometry_width": matrix("canonical.geometry.lin0.weight_v")[0]}
    if "canonical.texture.lin0.weight_v" in tensors:
        normal, _ = matrix("canonical.normal.lin0.weight_v")
        texture, sees = matrix("canonical.texture.lin0.weight_v")
        widths |= {"normal_width": normal, "texture_width": texture}
        seen = encoded_size(6) + matrix("canonical.geometry.lin3.weight_v")[0] + normal + pose
        if seen + colour != sees:
            raise FullheadError(
                f"the colour network takes {sees} numbers, of which {sees - seen} are the colour code's, but the codes in the "
                f"table have {colour}: the two were not trained together (the shipped settings do not fit each other)"
            )
    width, deformed = matrix("deformer.deshape.lin0.weight_v")
    return GANHeadConfig(
        scans=scans,
        rig="flame",
        canonical=CanonicalConfig(shape_code=shape_code, detail_code=detail_code, colour_code=colour, pose=pose, **widths),
        deformer=DeformerConfig(width, joints, deformed - encoded_size(0), expressions, pose_features),
    )
