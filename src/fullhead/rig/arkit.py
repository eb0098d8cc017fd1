"""The 52 facial expressions of Apple's ARKit, by its names and in its order; weights lie in [0, 1]."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

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
SPELT = {name.lower(): name for name in ARKIT}
BUILT_ON = {"mouthClose": "jawOpen"}  # an expression that is defined on top of another: it closes the lips of an open jaw


def alone(name: str) -> dict[str, float]:
    """The weights that show one expression: its own at 1, and that of what it is built on."""
    return {name: 1.0} | ({BUILT_ON[name]: 1.0} if name in BUILT_ON else {})


def check_names(names: Iterable[str]) -> None:
    """Raise FullheadError, with the nearest name, for one that ARKit does not have."""
    for name in sorted(set(names) - set(ARKIT)):
        near = get_close_matches(name.lower(), SPELT, 1)
        hint = f"did you mean {SPELT[near[0]]}?" if near else "names are as eyeBlinkLeft or jawOpen"
        raise FullheadError(f"no ARKit blendshape {name!r}: {hint}")


def arkit_weights(weights: Mapping[str, float]) -> Tensor:
    """[52] of weights by name, in any case; those left out are 0."""
    spelt = {SPELT.get(name.lower(), name): weight for name, weight in weights.items()}
    check_names(spelt)
    return torch.tensor([float(spelt.get(name, 0.0)) for name in ARKIT])


def named_weights(weights: Tensor) -> dict[str, float]:
    """Weights [52] by name."""
    return dict(zip(ARKIT, weights.tolist(), strict=True))
