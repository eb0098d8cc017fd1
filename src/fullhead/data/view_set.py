"""Pictures of heads from any side with all that they show, as `fullhead synth views` writes them (`synth.datasets.views`)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fullhead.core.cameras import cameras_from_labels
from fullhead.core.errors import FullheadError
from fullhead.eyes.reading import aimed_at
from fullhead.io.reading import reading
from fullhead.io.sets import read_records
from fullhead.io.stores import open_store
from fullhead.models.head import Batch
from fullhead.rig.arkit import ARKIT, arkit_weights
from fullhead.rig.template import LOOK
from fullhead.synth.people.population import Population
from fullhead.synth.people.subject import HAIR_COLOURS, HATS, STYLES

CHOICES: dict[str, tuple[str, ...]] = {
    "hair_style": STYLES, "hair_colour": tuple(HAIR_COLOURS), "beard": tuple(Population().face_hair.beard), "hat": HATS,
}  # fmt: skip
YES_OR_NO = ("glasses", "sunglasses", "male")
AMOUNTS = ("tone", "age")


@dataclass(frozen=True)
class ViewTruth(Batch):
    """What is true of V pictures; pixels are theirs."""

    person: Tensor  # [V] int64
    centre: Tensor  # [V, 2] pixels of the head's origin
    unit: Tensor  # [V] pixels of a unit of the world at the head's distance
    rotation: Tensor  # [V, 3, 3] as `eyes.reading.Reading` has it
    expression: Tensor  # [V, 52]
    gaze: Tensor  # [V, 2] yaw to the subject's left and pitch upwards, radians
    choice: Tensor  # [V, len(CHOICES)] int64
    yes_or_no: Tensor  # [V, len(YES_OR_NO)], 0 or 1
    amount: Tensor  # [V, len(AMOUNTS)]


@dataclass(frozen=True)
class ViewBatch:
    """B pictures and what is true of them."""

    rgba: Tensor  # [B, 4, n, n] in [0, 1], colours multiplied by opacity
    parts: Tensor  # [B, n, n] int64
    points: Tensor  # [B, P, 3] pixels x and y, and 1 where the point is seen
    truth: ViewTruth


class ViewSet:
    """The pictures of a set by index."""

    def __init__(self, root: Path) -> None:
        records = read_records(root)
        self.images, self.parts, self.points = (open_store(root, name) for name in ("img", "parts", "points"))
        with reading(root, "make the set again with `fullhead synth views`"):
            rows = [truth_of_view(record, view) for record in records for view in record["views"]]
            self.names = [view["key"] for record in records for view in record["views"]]
            columns = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
            self.truth = ViewTruth(**{n: x if x.dtype == torch.int64 else x.float() for n, x in columns.items()})
            self.size = int(records[0]["size"])
        self.next_of_person = _next_of_same(self.truth.person)
        if len(self.picture(0)[2]) < 68:
            raise FullheadError(f"{root} has no points: make a set with `fullhead synth views`")

    def __len__(self) -> int:
        return len(self.names)

    def picture(self, i: int) -> tuple[NDArray, NDArray, NDArray]:
        """RGBA uint8 [n, n, 4], numbers of parts uint8 [n, n], and points [P, 3]."""
        name = self.names[i]
        points = np.load(io.BytesIO(self.points.read(f"{name}.npy")), allow_pickle=False)
        return self.images.picture(f"{name}.png", "RGBA"), self.parts.picture(f"{name}.png", "P"), points

    def batch(self, positions: Tensor) -> ViewBatch:
        """The pictures at `positions` [B]."""
        rgba, parts, points = zip(*(self.picture(i) for i in positions.tolist()), strict=True)
        colours = torch.from_numpy(np.stack(rgba)).permute(0, 3, 1, 2).float() / 255
        colours[:, :3] *= colours[:, 3:]
        labels, places = torch.from_numpy(np.stack(parts)).long(), torch.from_numpy(np.stack(points))
        return ViewBatch(colours, labels, places, self.truth.each(lambda x: x[positions]))


def _next_of_same(person: Tensor) -> Tensor:
    """For each place of `person` [V], the next one with the same number; for the last one, the first."""
    order = torch.argsort(person, stable=True)
    _, counts = torch.unique_consecutive(person[order], return_counts=True)
    after = torch.arange(1, len(person) + 1)
    last = counts.cumsum(0) - 1
    after[last] = last - counts + 1
    found = torch.empty_like(order)
    found[order] = order[after]
    return found


def truth_of_view(record: Mapping[str, Any], view: Mapping[str, Any]) -> dict[str, Any]:
    """A row of ViewTruth of one view of a record."""
    camera, head, size = (
        cameras_from_labels(torch.tensor([view["label"]]).double()),
        np.array(record["world_from_head"]),
        record["size"],
    )
    c2w, focal = camera.c2w[0].numpy(), float(camera.K[0, 0, 0])
    origin = c2w[:3, :3].T @ (head[:3, 3] - c2w[:3, 3])
    ray = origin / origin[2]
    expression, attributes = arkit_weights(record["expression"]).numpy(), record["attributes"]
    return {
        "person": np.int64(record["person"]),
        "centre": size * (focal * ray[:2] + 0.5),
        "unit": np.float64(size * focal / origin[2]),
        "rotation": aimed_at(ray) @ c2w[:3, :3].T @ head[:3, :3],
        "expression": expression,
        "gaze": gaze_of(expression),
        "choice": np.array([names.index(attributes[name]) for name, names in CHOICES.items()]),
        "yes_or_no": np.array([float(attributes[name]) for name in YES_OR_NO]),
        "amount": np.array([attributes[name] for name in AMOUNTS]),
    }


def gaze_of(expression: NDArray) -> NDArray:
    """Yaw to the subject's left and pitch upwards [2], radians, that ARKit weights [52] turn the eyes by; the mean of both."""

    def weight(direction: str, side: str) -> float:
        return float(expression[ARKIT.index(f"eyeLook{direction}{side}")])

    to_the_left = weight("Out", "Left") - weight("In", "Left") + weight("In", "Right") - weight("Out", "Right")
    up = sum(weight("Up", side) - weight("Down", side) for side in ("Left", "Right"))
    return np.radians([LOOK["Out"][1] * to_the_left / 2, LOOK["Down"][0] * up / 2])
