"""How unlike a picture is to the one it should become: pixels, edges at all scales, and what a network of heads sees."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from fullhead.fitting.align import face_place
from fullhead.metrics.features import feature_distance, load_features

FACE_GAIN = 3.0  # by how much more the pixels of the face count
FACE_HEIGHT = 1.2  # of its ellipse, beside the width
EDGES = 1.0  # weight of the edges beside the pixels
FEATURES = 0.2  # weight of what the network of heads sees, which lies between 0 and 10
SMALLEST = 8  # pixels of the last scale

Distance = Callable[[Tensor], Tensor]
"""Pictures [B, 3, H, W] to one number, 0 for the target itself."""


def reconstruction_loss(target: Tensor, metres_per_unit: float) -> Distance:
    """The distance to a portrait `target` [1, 3, H, W] in [-1, 1], aligned for a model with so many metres a unit."""
    weights = 1 + (FACE_GAIN - 1) * face_area(target, metres_per_unit)
    weights = weights / weights.mean()

    network = load_features().to(target.device)
    seen = network(target)[0]

    def unlike(image: Tensor) -> Tensor:
        pixels = (weights * (image - target).square()).mean()
        features = feature_distance(network(image)[0], seen).mean()
        return pixels + EDGES * edge_distance(image, target) + FEATURES * features

    return unlike


def edge_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference of the steps between neighbouring pixels, over halvings down to SMALLEST pixels."""
    total, levels = a.new_zeros(()), 0
    while a.shape[-1] >= SMALLEST:
        for step in (lambda x: x[..., 1:] - x[..., :-1], lambda x: x[..., 1:, :] - x[..., :-1, :]):
            total = total + (step(a) - step(b)).abs().mean()
        a, b, levels = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2), levels + 1
    return total / levels


def face_area(like: Tensor, metres_per_unit: float) -> Tensor:
    """[1, 1, H, W] for pictures [B, C, H, W]: 1 on the ellipse where aligned faces are, 0 elsewhere."""
    height, width = like.shape[-2:]
    place = face_place(metres_per_unit)
    y = (torch.arange(height, device=like.device) + 0.5)[:, None] / height - place.y
    x = (torch.arange(width, device=like.device) + 0.5) / width - place.x
    radius = place.side / 2
    return ((x / radius) ** 2 + (y / (FACE_HEIGHT * radius)) ** 2 < 1).to(like)[None, None]
