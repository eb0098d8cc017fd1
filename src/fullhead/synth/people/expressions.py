"""Facial expressions as ARKit weights: shapes of speech, whole faces, and the mild ones that people have in photos."""

from __future__ import annotations

from numpy.random import RandomState

Weights = dict[str, float]

VISEMES: tuple[Weights, ...] = (  # what lips do in speech
    {"jawOpen": 0.42, "mouthLowerDownLeft": 0.2, "mouthLowerDownRight": 0.2},
    {"jawOpen": 0.25, "mouthStretchLeft": 0.3, "mouthStretchRight": 0.3, "mouthUpperUpLeft": 0.15, "mouthUpperUpRight": 0.15},
    {"jawOpen": 0.18, "mouthFunnel": 0.6},
    {"jawOpen": 0.1, "mouthPucker": 0.7},
    {"mouthPressLeft": 0.4, "mouthPressRight": 0.4, "mouthRollLower": 0.2, "mouthRollUpper": 0.2},
    {"jawOpen": 0.08, "mouthRollLower": 0.45},
    {"jawOpen": 0.3, "mouthSmileLeft": 0.25, "mouthSmileRight": 0.25},
)
COMPOUND_EXPRESSIONS: tuple[Weights, ...] = (  # what faces do as a whole; weights at full strength
    {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9, "cheekSquintLeft": 0.6, "cheekSquintRight": 0.6},
    {"jawOpen": 0.8}, {"mouthPucker": 1.0},
    {"mouthFunnel": 0.9, "jawOpen": 0.15},
    {"mouthFrownLeft": 0.9, "mouthFrownRight": 0.9},
    {"browInnerUp": 1.0, "browOuterUpLeft": 0.8, "browOuterUpRight": 0.8, "eyeWideLeft": 0.6, "eyeWideRight": 0.6},
    {"browDownLeft": 1.0, "browDownRight": 1.0, "eyeSquintLeft": 0.5, "eyeSquintRight": 0.5},
    {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    {"eyeBlinkLeft": 1.0, "mouthSmileLeft": 0.5},
    {"noseSneerLeft": 0.9, "noseSneerRight": 0.9, "mouthUpperUpLeft": 0.6, "mouthUpperUpRight": 0.6},
    {"cheekPuff": 1.0}, {"jawLeft": 0.8}, {"jawRight": 0.8}, {"mouthLeft": 0.9}, {"mouthRight": 0.9},
    {"mouthStretchLeft": 0.9, "mouthStretchRight": 0.9, "mouthLowerDownLeft": 0.6, "mouthLowerDownRight": 0.6},
    {"mouthPressLeft": 0.8, "mouthPressRight": 0.8},
    {"jawOpen": 0.5, "tongueOut": 0.9},
)  # fmt: skip


def random_expression(random: RandomState, count: int, strength: tuple[float, float] = (0.5, 1.0)) -> Weights:
    """An expression of `count` of COMPOUND_EXPRESSIONS together."""
    found: Weights = {}
    for k in random.choice(len(COMPOUND_EXPRESSIONS), count, replace=False):
        add_weights(found, COMPOUND_EXPRESSIONS[k], float(random.uniform(*strength)))
    return found


def mild_expression(random: RandomState, strength: float = 1.0) -> Weights:
    """ARKit weights as people have them in photos: neutral to a smile, hardly an open mouth, eyes that wander a little."""
    weights: Weights = {}

    def both(name: str, value: float) -> None:
        lean = random.uniform(-0.1, 0.1) * value
        weights[f"{name}Left"], weights[f"{name}Right"] = value + lean, value - lean

    smile = max(0.0, random.uniform(-0.35, 0.65))
    both("mouthSmile", smile)
    both("cheekSquint", 0.5 * smile)
    both("eyeSquint", random.uniform(0, 0.2))
    both("eyeWide", max(0.0, random.uniform(-0.3, 0.2)))
    both("browDown", max(0.0, random.uniform(-0.6, 0.3)))
    weights["browInnerUp"] = max(0.0, random.uniform(-0.6, 0.4))
    weights["jawOpen"] = max(0.0, random.uniform(-0.5, 0.12)) * (1 + smile)
    both("mouthFrown", max(0.0, random.uniform(-0.7, 0.2)) * (smile < 0.05))
    both("mouthPress", max(0.0, random.uniform(-0.5, 0.3)) * (smile < 0.05))
    left, up = 0.25 * random.normal(), 0.15 * random.normal()
    weights["eyeLookOutLeft" if left > 0 else "eyeLookInLeft"] = min(abs(left), 0.5)
    weights["eyeLookInRight" if left > 0 else "eyeLookOutRight"] = min(abs(left), 0.5)
    for side in ("Left", "Right"):
        weights[f"eyeLook{'Up' if up > 0 else 'Down'}{side}"] = min(abs(up), 0.3)
    return {name: round(strength * value, 4) for name, value in weights.items() if value}


def add_weights(weights: Weights, more: Weights, strength: float) -> None:
    """Add `more` times `strength` to the weights, in place."""
    for name, value in more.items():
        weights[name] = weights.get(name, 0.0) + strength * value
