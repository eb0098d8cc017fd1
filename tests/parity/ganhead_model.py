"""The small GANHead that the golden numbers were made with, on a rig that is no FLAME but has its sizes."""

from __future__ import annotations

import torch
from recipe import golden
from torch import Tensor

from fullhead.convert.ganhead import build, extract
from fullhead.heads.deformer import Motion
from fullhead.models.ganhead import GANHead


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
