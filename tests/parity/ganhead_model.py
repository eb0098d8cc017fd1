"""The small GANHead that the golden numbers were made with, on a rig that is no FLAME but has its sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from recipe import golden
from safetensors.numpy import load_file
from torch import Tensor

from fullhead.convert.ganhead import build, extract
from fullhead.models.ganhead import GANHead
from fullhead.representations.deformer import Motion
from fullhead.rig.cube import flame_in_cube
from fullhead.rig.flame import flame_rig
from fullhead.rig.rig import Rig


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-4) -> None:
    """To 1e-4 of the larger of 1 and the greatest value."""
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance * max(1.0, float(theirs.abs().max())))


def numbers(name: str) -> dict[str, Tensor]:
    return golden(f"ganhead/{name}")


def small_model() -> GANHead:
    return build(extract({"state_dict": {name: tensor.float() for name, tensor in numbers("weights").items()}}))


def golden_motion() -> Motion:
    """Two posed heads."""
    n = numbers("motion")
    parameters = n["in.flame_params"]
    return Motion(
        shape=parameters[:, 19:119],
        expression=parameters[:, 119:],
        pose=n["out.flame_pose_feature"],
        bones=n["out.flame_tfs"][:, :, :3],
        canonical_pose=n["out.flame_pose_feature_cano"],
        canonical_bones=n["out.flame_tfs_cano"][:, :, :3],
    )


def golden_rig() -> Rig:
    """The synthetic rig of FLAME's form, in the cube."""
    arrays = {n: a for n, a in load_file(Path(__file__).parents[1] / "rig/golden/flame.safetensors").items() if "." not in n}
    basis = np.zeros((len(arrays["v_template"]), 3, 400))
    basis[..., :100], basis[..., 300:350] = arrays["shapedirs"][..., :100], arrays["shapedirs"][..., 100:]
    return flame_in_cube(flame_rig({**arrays, "shapedirs": basis}))
