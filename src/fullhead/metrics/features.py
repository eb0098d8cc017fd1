"""A small network that looks at heads, and a distance between images made of what it sees.

It was trained on procedural heads to tell camera, person and hair apart (training/head_features.py). Frechet and kernel
distances between its embeddings carry the name of this feature space, SPACE and version: they are NOT the Inception
distances of papers and cannot be compared with them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import as_file, files
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from fullhead.core.errors import FullheadError
from fullhead.io.files import existing_file
from fullhead.models.checkpoint import save_tensors
from fullhead.nn.superres import resized

SPACE = "fullhead-heads"  # name of the feature space
SIZE = 64  # pixels of the images the network sees
WIDTHS = (16, 32, 64, 96, 128)  # channels at 64, 32, 16, 8 and 4 pixels
EMBEDDING = 128
GROUPS = 8  # of the normalisation: it looks at one image alone, whatever else is in the batch
KEY = "fullhead"  # of the header entry
SHIPPED = "heads-features.safetensors"


class Stage(nn.Module):
    """Half the size, then a residual convolution."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels_in, channels, 3, stride=2, padding=1, bias=False)
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(GROUPS, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.down(x)))
        return F.relu(x + self.norm2(self.conv(x)))


class HeadFeatures(nn.Module):
    """`answers`: how many numbers each attribute's linear head gives, by the attribute's name."""

    def __init__(self, answers: dict[str, int]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTHS[0], 3, padding=1)
        self.stages = nn.ModuleList(Stage(a, b) for a, b in pairwise(WIDTHS))
        self.embed = nn.Linear(WIDTHS[-1], EMBEDDING)
        self.heads = nn.ModuleDict({name: nn.Linear(EMBEDDING, count) for name, count in answers.items()})
        self.about: dict[str, Any] = {}  # the header of the file it came from: version, vocabulary, accuracy, ...

    @property
    def name(self) -> str:
        """The feature space with its version, to be printed beside every number made in it."""
        return f"{SPACE}-v{self.about.get('version', '?')}"

    def forward(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Feature maps [B, C, h, w] of 64, 32, 16, 8 and 4 pixels, and embeddings [B, 128], of images [B, 3, H, W] in [-1, 1].

        Images of another size are resized to 64 x 64 (bilinear, antialiased) first. Differentiable in the images.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise FullheadError(f"images must be [B, 3, H, W], not {list(images.shape)}")
        maps = [F.relu(self.stem(resized(images, SIZE)))]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps, self.embed(maps[-1].mean(dim=(2, 3)))

    def attributes(self, embedding: Tensor) -> dict[str, Tensor]:
        """Raw answers [B, n] of every attribute's head for embeddings [B, 128]."""
        return {name: head(F.relu(embedding)) for name, head in self.heads.items()}


def feature_distance(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """Perceptual distance [B] of two images from their feature maps, as in LPIPS with unit weights.

    a, b: maps of `HeadFeatures.forward`. Per level: features of unit length over the channels, squared difference summed
    over channels, mean over pixels. The levels are summed; each lies in [0, 2] as the features are not negative.
    """
    levels = [(normalised(x) - normalised(y)).square().sum(dim=1).mean(dim=(1, 2)) for x, y in zip(a, b, strict=True)]
    return torch.stack(levels).sum(dim=0)


def normalised(features: Tensor) -> Tensor:
    """Features [B, C, h, w] of unit length over channels; the small number keeps the gradient at 0 finite."""
    return features * torch.rsqrt(features.square().sum(dim=1, keepdim=True) + 1e-6)


def save_features(network: HeadFeatures, path: str | Path, about: dict[str, Any]) -> None:
    """Write the network in half precision; `about` (version, vocabulary, training, accuracy) goes into the header."""
    header = {"space": SPACE, "answers": {name: head.out_features for name, head in network.heads.items()}, **about}
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in network.state_dict().items()}
    save_tensors(tensors, path, {"format": "pt", KEY: json.dumps(header)})


def load_features(path: str | Path | None = None) -> HeadFeatures:
    """The shipped network, or that of a file of `save_features`: float32, evaluation mode, weights without gradient."""
    if path is None:
        with as_file(files("fullhead.metrics") / "weights" / SHIPPED) as shipped:
            return load_features(shipped)
    path = existing_file(path, "a feature network (.safetensors)")
    with safe_open(path, framework="pt") as handle:
        header = json.loads((handle.metadata() or {}).get(KEY, "{}"))
        if header.get("space") != SPACE:
            raise FullheadError(f"{path} holds no feature network of the space {SPACE}")
        network = HeadFeatures(header["answers"])
        network.load_state_dict({key: handle.get_tensor(key).float() for key in handle.keys()})  # noqa: SIM118
    network.about = header
    return network.eval().requires_grad_(False)
