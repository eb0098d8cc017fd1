"""The 52 facial expressions of Apple's ARKit, by its names and in its order; weights lie in [0, 1]."""

from collections.abc import Mapping

import torch
from torch import Tensor

from fullhead.core.errors import FullheadError

ARKIT = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft", "eyeWideLeft",
    "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight", "eyeSquintRight",
    "eyeWideRight",
    "jawForward", "jawLeft", "jawRight", "jawOpen",
    "mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight", "mouthSmileLeft", "mouthSmileRight",
    "mouthFrownLeft", "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft", "mouthPressRight",
    "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
BUILT_ON = {"mouthClose": "jawOpen"}  # an expression that is defined on top of another: it closes the lips of an open jaw


def alone(name: str) -> dict[str, float]:
    """The weights that show one expression: its own at 1, and that of what it is built on."""
    return {name: 1.0} | ({BUILT_ON[name]: 1.0} if name in BUILT_ON else {})


def arkit_weights(weights: Mapping[str, float]) -> Tensor:
    """[52] of weights by name; those left out are 0."""
    unknown = sorted(set(weights) - set(ARKIT))
    if unknown:
        raise FullheadError(f"no ARKit blendshape {unknown[0]!r}; names are spelt as in eyeBlinkLeft or jawOpen")
    return torch.tensor([float(weights.get(name, 0.0)) for name in ARKIT])
