"""How near a generator's images come to photos: one pass that embeds them, and the figures made of the embeddings."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fullhead.core.cameras import Cameras, cameras_from_labels, yaw_pitch
from fullhead.data.photos import PhotoSet
from fullhead.io.images import from_uint8, to_uint8
from fullhead.metrics.features import HeadFeatures
from fullhead.metrics.frechet import frechet_distance, kernel_distance, moments
from fullhead.metrics.neighbours import precision_recall
from fullhead.models.panohead import PanoHead

BATCH = 32
SIDES = {"all": (0.0, 180.0), "front": (0.0, 90.0), "back": (90.0, 180.1)}  # |yaw| in degrees from, up to


@dataclass(frozen=True)
class Looks:
    """What the feature network sees: `embedding` [N, 128]; `yaw` [N] of the cameras and `yaw_seen` [N] read off the images,
    radians."""

    embedding: Tensor
    yaw: Tensor
    yaw_seen: Tensor

    def __len__(self) -> int:
        return len(self.yaw)

    def __getitem__(self, index: Tensor) -> Looks:
        return Looks(self.embedding[index], self.yaw[index], self.yaw_seen[index])


@torch.no_grad()
def looks(network: HeadFeatures, batches: Iterable[tuple[Tensor, Cameras]]) -> Looks:
    """Embed batches of images [B, 3, H, W] in [-1, 1], rounded to 256 levels as files are, with their cameras."""
    parts = []
    for images, cameras in batches:
        embedding = network(from_uint8(to_uint8(images)).to(images.device))[1]
        sine, cosine = network.attributes(embedding)["yaw"].unbind(dim=1)
        parts.append((embedding.cpu(), yaw_pitch(cameras)[0].cpu(), torch.atan2(sine, cosine).cpu()))
    return Looks(*(torch.cat(column) for column in zip(*parts, strict=True)))


def photo_batches(photos: PhotoSet, positions: Tensor, batch: int = BATCH) -> Iterable[tuple[Tensor, Cameras]]:
    """The photos at `positions` of a set."""
    for chosen in positions.split(batch):
        found = photos.batch(chosen)
        yield found.image, cameras_from_labels(found.label)


@torch.no_grad()
def generated_batches(
    model: PanoHead, cameras: Cameras, truncation: float, generator: torch.Generator, batch: int = BATCH
) -> Iterable[tuple[Tensor, Cameras]]:
    """One random head per camera, styled as at inference: conditioned on the frontal camera, seen from the given one."""
    device = model.backbone.mapping.w_avg.device
    for chosen in torch.arange(len(cameras)).split(batch):
        z = torch.randn(len(chosen), model.config.z_dim, generator=generator).to(device)
        views = cameras[chosen].to(device)
        yield model.render(model.decode(model.latents(z, truncation)), views).image, views


def halves(photos: PhotoSet, root: Path) -> tuple[Tensor, Tensor]:
    """Positions of the photos of even heads and of odd heads, in the order of the files: two sets that share no head.

    `root` is the set's folder with heads.json. Any first part of either half sees heads from all sides.
    """
    head = {entry["file"]: entry["head"] for entry in json.loads((root / "heads.json").read_text())}
    order = photos.index.argsort()
    odd = torch.tensor([head[photos.names[i]] % 2 == 1 for i in photos.index[order].tolist()])
    return order[~odd], order[odd]


def on_side(found: Looks, side: str) -> Looks:
    """Those whose cameras stand on a side of SIDES."""
    low, high = SIDES[side]
    yaw = torch.rad2deg(found.yaw).abs()
    return found[(yaw >= low) & (yaw < high)]


def figures(real: Looks, other: Looks) -> dict[str, dict[str, float]]:
    """The numbers of docs/metrics.md that compare `other` (generated) to `real`, for all cameras, front and back.

    A side with too few images for the kernel distance is left out.
    """
    result = {}
    for side in SIDES:
        a, b = on_side(real, side), on_side(other, side)
        if min(len(a), len(b)) < 16:
            continue
        kernel, kernel_error = kernel_distance(a.embedding, b.embedding, generator=torch.Generator().manual_seed(0))
        precision, recall = precision_recall(a.embedding, b.embedding)
        turn = b.yaw_seen - b.yaw
        wrong = torch.atan2(turn.sin(), turn.cos()).abs()
        result[side] = {
            "n": min(len(a), len(b)),
            "fid_heads": frechet_distance(moments(a.embedding), moments(b.embedding)),
            "kid_heads": kernel,
            "kid_heads_error": kernel_error,
            "precision": precision,
            "recall": recall,
            "yaw_error_deg": math.degrees(wrong.median()),
            "turned_away": float((wrong > math.pi / 2).double().mean()),
        }
    return result
