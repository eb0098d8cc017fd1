"""Measures how MediaPipe's 478 points lie to our 68 landmarks, and where those are on the average head.

    fullhead synth views views --images 1200 --views-per-sitting 4 --sittings 1 --size 256 --seed 5
    python tools/mediapipe_points.py views face_landmarker.task

Writes src/fullhead/eyes/mediapipe.json: for each landmark the numbers of a few points, their weights, and its place
in the head's own axes. Every third person is left out, and shows how large the errors are.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fullhead.core.cameras import cameras_from_labels
from fullhead.core.similarity import similarity
from fullhead.eyes.mediapipe import POINTS, Table, load_networks
from fullhead.eyes.pose import landmark_places, reading_of_landmarks
from fullhead.eyes.reading import aimed_at
from fullhead.io.images import read_image
from fullhead.io.sets import read_records

OUT = Path(__file__).parent.parent / "src" / "fullhead" / "eyes" / "mediapipe.json"
MOST_YAW, FRONTAL = 60.0, 50.0  # degrees: views that are learnt from, and of those where points are on the average head
NEAR = 6  # points that make a landmark
EVEN = 0.01  # how much even weights are preferred, in parts of the mean square of their distances
SAME_FACE = 0.08  # world units by which the tip of the nose may be off
NOSE, TIP = 1, 30  # the tip of the nose of MediaPipe, and ours
ROUNDS = 20


@dataclass(frozen=True)
class View:
    """A face that was found in a view, and the truth."""

    points: NDArray  # [478, 3] pixels
    landmarks: NDArray  # [68, 2] pixels
    seen: NDArray  # [68]
    turn: NDArray  # [3, 3] from the head to a camera aimed at it
    centre: NDArray  # [2]
    unit: float
    yaw: float  # degrees
    person: int


def views(root: Path, task: Path) -> list[View]:
    """The views of a set in which the face was found."""
    networks, found, looked = load_networks(task), [], 0
    for record in read_records(root):
        head = np.array(record["world_from_head"])
        for view in record["views"]:
            camera = cameras_from_labels(torch.tensor([view["label"]], dtype=torch.float64))
            w2c, K = np.linalg.inv(camera.c2w[0].numpy()), camera.K[0].numpy() * record["size"]
            origin = w2c @ head[:, 3]
            turn = aimed_at(origin[:3]) @ w2c[:3, :3] @ head[:3, :3]
            yaw = float(np.degrees(np.arctan2(-turn[2, 0], -turn[2, 2])))
            if abs(yaw) > MOST_YAW:
                continue
            looked += 1
            faces = networks.faces(read_image(root / "img" / f"{view['key']}.png"))
            centre, unit = (K @ origin[:3])[:2] / origin[2], K[0, 0] / origin[2]
            truth = np.load(root / "points" / f"{view['key']}.npy")[:68].astype(float)
            if faces and np.linalg.norm(faces[0].points[NOSE, :2] - truth[TIP, :2]) < SAME_FACE * unit:
                person = record["person"]
                found.append(View(faces[0].points, truth[:, :2], truth[:, 2] > 0.5, turn, centre, unit, yaw, person))
    print(f"{len(found)} faces found in {looked} views within {MOST_YAW:g} degrees")
    return found


def measured(found: list[View]) -> Table:
    """The table that fits the views best."""
    index, weight = [], []
    for j in range(68):
        shown = [view for view in found if view.seen[j]]
        apart = np.array([(view.points[:, :2] - view.landmarks[j]) / view.unit for view in shown])  # [N, 478, 2]
        near = np.argsort(np.median(np.linalg.norm(apart, axis=2), axis=0))[:NEAR]
        rows = apart[:, near].transpose(0, 2, 1).reshape(-1, NEAR)
        squares = rows.T @ rows / len(rows)
        squares += EVEN * np.trace(squares) / NEAR * np.eye(NEAR)
        even = np.linalg.solve(squares, np.ones(NEAR))  # the least squares whose weights sum to one
        index.append(near)
        weight.append(even / even.sum())
    table = Table(np.array(index), np.array(weight), np.zeros((68, 3)))
    return Table(table.index, table.weight, mean_places([v for v in found if abs(v.yaw) < FRONTAL], table))


def mean_places(found: list[View], table: Table) -> NDArray:
    """Where the landmarks [68, 3] are on the average head as MediaPipe sees it, in its own axes."""
    turns = np.array([view.turn for view in found])
    points = np.array([table.landmarks(v.points - [*v.centre, 0]) / v.unit for v in found])  # [N, 68, 3]
    place = landmark_places()
    for _ in range(ROUNDS):  # depths are known up to a shift
        shift = (place @ turns.transpose(0, 2, 1) - points)[..., 2].mean(1)
        place = np.median((points + shift[:, None, None] * [0, 0, 1]) @ turns, axis=0)
    return place


def report(found: list[View], table: Table) -> None:
    eyes = np.linalg.norm(landmark_places()[36] - landmark_places()[45])
    for limit in (30, MOST_YAW):
        chosen = [view for view in found if abs(view.yaw) <= limit]
        seen = np.array([view.seen for view in chosen])
        nearest = Table(table.index[:, :1], np.ones((68, 1)), table.place)
        for name, way in (("nearest", nearest), ("fitted", table)):
            off = [np.linalg.norm(way.landmarks(v.points[:, :2]) - v.landmarks, axis=1) / v.unit / eyes for v in chosen]
            inner, jaw = (np.array(off)[:, part][seen[:, part]].mean() for part in (slice(17, 68), slice(17)))
            print(f"|yaw| <= {limit:g}, {len(chosen)} views, {name}: {inner:.4f} of the eyes' distance, jaw {jaw:.4f}")
        poses = [similarity(table.place, table.landmarks(v.points)) for v in chosen]
        angles = [np.degrees(np.arccos((np.trace(p.turn @ v.turn.T) - 1) / 2)) for p, v in zip(poses, chosen, strict=True)]
        places = [np.linalg.norm(p.shift[:2] - v.centre) / v.unit for p, v in zip(poses, chosen, strict=True)]
        units = [abs(p.scale / v.unit - 1) for p, v in zip(poses, chosen, strict=True)]
        plain = [reading_of_landmarks(view.landmarks).rotation @ view.turn.T for view in chosen]
        truth = [np.degrees(np.arccos((np.trace(turn) - 1) / 2)) for turn in plain]
        print(f"  of the true landmarks alone: turned by {np.median(truth):.1f} degrees")
        print(f"  turned by {np.median(angles):.1f} degrees, centre {np.median(places):.3f} units, unit {np.median(units):.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("views", type=Path)
    parser.add_argument("task", type=Path)
    given = parser.parse_args()
    found = views(given.views, given.task)
    assert all(view.points.shape == (POINTS, 3) for view in found)
    table = measured([view for view in found if view.person % 3])
    report([view for view in found if view.person % 3 == 0], table)
    rows = {"index": table.index.tolist(), "weight": table.weight.round(4).tolist(), "place": table.place.round(5).tolist()}
    OUT.write_text(json.dumps(rows) + "\n")


if __name__ == "__main__":
    main()
