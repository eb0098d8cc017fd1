"""How well eyes read heads that they never learnt from: python benchmarks/eyes.py --set SET [--model eyes] [--heads 1200]

SET is a set of `fullhead synth views` with a seed of its own. Each of its pictures is laid into a photo of its own, at a random
place, size and tilt, and read as a user's photo is: found, then read. Writes benchmarks/results/eyes.json, by the yaw of the
camera around the head (30 degrees wide, both sides together) and by the height of the head in pixels.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from common import times, write_result
from fullhead.core.colour import srgb_from_linear
from fullhead.core.random import stream
from fullhead.data.view_scenes import _grid  # the geometry of training
from fullhead.data.view_set import CHOICES, ViewSet
from fullhead.eyes.eyes import HEAD_OF_WINDOW, Candidate, Eyes, load_eyes
from fullhead.eyes.reading import SIDE_OF_A_HEAD, Reading
from fullhead.eyes.window import Window
from fullhead.synth.anatomy.regions import LABELS
from fullhead.synth.people.population import BackdropKnobs
from fullhead.synth.rendering.backgrounds import random_background

YAWS = (0, 30, 60, 90, 120, 150, 180)
PHOTO = 480  # pixels a side
EYES = 0.88 * 0.148  # distance of the outer corners of the eyes of an average head, units of the world


@dataclass(frozen=True)
class Truth:
    """What is true of the head in a photo."""

    yaw: float  # degrees, without sign
    height: float  # of the head, pixels
    centre: np.ndarray
    unit: float
    rotation: np.ndarray
    points: np.ndarray  # [68 + P, 3]
    parts: np.ndarray
    alpha: np.ndarray
    window: Window


def photo_of(views: ViewSet, i: int) -> tuple[np.ndarray, Truth]:
    """A picture of the set in a photo, and what is true there."""
    random, one = stream(77, "photo", i), views.batch(torch.tensor([i]))
    truth, n = one.truth, views.size
    height = math.exp(random.uniform(math.log(24), math.log(220)))
    side = height / HEAD_OF_WINDOW  # of the window, in pixels of the photo
    place = np.array([random.uniform(0.5 * height, PHOTO - 0.5 * height) for _ in range(2)])
    turn = math.radians(12) * random.normal()
    ratio = float(truth.unit[0]) * SIDE_OF_A_HEAD / side  # pixels of the picture for each of the photo
    c, s = ratio * math.cos(turn), ratio * math.sin(turn)
    linear = np.array([[c, s], [-s, c]])
    shift = truth.centre[0].numpy() - linear @ place
    level = 1 if ratio < 1.6 else 2 if ratio < 3.2 else 4
    rgba = F.avg_pool2d(one.rgba, level) if level > 1 else one.rgba
    matrix = torch.from_numpy(np.column_stack([linear * PHOTO, shift])).float()[None]
    grid = _grid(matrix, PHOTO, n)
    shown = F.grid_sample(rgba, grid, align_corners=False)[0].permute(1, 2, 0).numpy()
    parts = F.grid_sample(one.parts[:, None].float(), grid, mode="nearest", align_corners=False)[0, 0].byte().numpy()
    behind = srgb_from_linear(np.clip(random_background(random, PHOTO, BackdropKnobs().kind), 0, 1))
    photo = shown[..., :3] + (1 - shown[..., 3:]) * behind
    points = one.points[0].numpy().copy()
    points[:, :2] = (points[:, :2] - shift) @ np.linalg.inv(linear).T
    back = np.array([[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
    rotation = back @ truth.rotation[0].double().numpy()
    towards = -rotation[2]
    yaw = abs(math.degrees(math.atan2(towards[0], towards[2])))
    unit = float(truth.unit[0]) / ratio
    known = Truth(yaw, height, place, unit, rotation, points, parts, shown[..., 3], Window(*place, side, turn))
    return (photo.clip(0, 1) * 255 + 0.5).astype(np.uint8), known


def errors(views: ViewSet, i: int, reading: Reading, true: Truth) -> dict[str, float]:
    """How far a reading is from the truth."""
    angle = math.degrees(math.acos(np.clip((np.trace(reading.rotation @ true.rotation.T) - 1) / 2, -1, 1)))
    landmarks, dense = true.points[:68], true.points[68:]
    eyes, head = EYES * true.unit, 2.32 * 0.148 * true.unit
    off = np.linalg.norm(reading.landmarks.xy - landmarks[:, :2], axis=1) / eyes
    off_dense = np.linalg.norm(reading.dense.xy - dense[:, :2], axis=1) / eyes
    seen, seen_dense = landmarks[:, 2] > 0, dense[:, 2] > 0
    squared = ((reading.landmarks.xy - landmarks[:, :2]) / reading.landmarks.deviation[:, None]) ** 2
    truth = views.truth[i : i + 1]
    found = {
        "rotation": angle,
        "landmarks": float(off[seen].mean()) if seen.any() else math.nan,
        "dense": float(off_dense[seen_dense].mean()) if seen_dense.any() else math.nan,
        "calibration": float(squared[seen].mean()) if seen.any() else math.nan,
        "seen_right": float(((reading.landmarks.seen > 0.5) == seen).mean()),
        "scale": math.log(reading.unit / true.unit),
        "centre_x": float((reading.centre - true.centre)[0] / head),
        "centre_y": float((reading.centre - true.centre)[1] / head),
        "weights": float(np.abs(reading.expression - truth.expression[0].numpy()).mean()),
        "gaze": math.degrees(float(np.linalg.norm(reading.gaze - truth.gaze[0].numpy()))),
        "tone": abs(reading.description.tone - float(truth.amount[0, 0])),
        "male": float((reading.description.male > 0.5) == bool(truth.yes_or_no[0, 2])),
        "glasses": float((reading.description.glasses > 0.5) == bool(truth.yes_or_no[0, 0])),
    }
    for k, (name, names) in enumerate(CHOICES.items()):
        found[name] = float(next(iter(getattr(reading.description, name))) == names[int(truth.choice[0, k])])
    return found


def layers(reading: Reading, true: Truth) -> tuple[np.ndarray, float, int]:
    """Confusion of parts [24, 24], sum of the matte's errors, pixels; in the window of the reading."""
    n = len(reading.parts)
    place = np.stack(np.meshgrid(*(2 * [(np.arange(n) + 0.5) / n])), -1)
    pixels = np.floor(reading.window.to_photo(place)).astype(int)
    inside = ((pixels >= 0) & (pixels < PHOTO)).all(-1)
    x, y = pixels[inside].T
    confusion = np.bincount(24 * true.parts[y, x].astype(int) + reading.parts[inside], minlength=576).reshape(24, 24)
    return confusion, float(np.abs(reading.matte[inside] - true.alpha[y, x]).sum()), int(inside.sum())


def evaluate(eyes: Eyes, views: ViewSet, count: int) -> dict[str, object]:
    """All figures on `count` heads."""
    rows, confusion, matte, pixels, false, seconds = [], np.zeros((24, 24)), 0.0, 0, 0, 0.0
    identities: dict[int, list[tuple[float, np.ndarray]]] = {}
    for i in np.linspace(0, len(views) - 1, count).astype(int).tolist():
        photo, true = photo_of(views, i)
        start = time.perf_counter()
        readings = eyes(photo)
        seconds += time.perf_counter() - start
        near = [
            r for r in readings if np.linalg.norm(r.centre - true.centre) < 0.35 * true.height and 0.5 < r.unit / true.unit < 2
        ]
        false += len(readings) - len(near[:1])
        row = {"yaw": true.yaw, "height": true.height, "found": float(bool(near))}
        if near:
            row |= errors(views, i, near[0], true)
            if true.height > 48:
                c, m, p = layers(near[0], true)
                confusion, matte, pixels = confusion + c, matte + m, pixels + p
                identities.setdefault(int(views.truth.person[i]), []).append((true.yaw, near[0].identity))
        rows.append(row)
    table = {key: np.array([row.get(key, np.nan) for row in rows]) for key in {k for row in rows for k in row}}
    whole = table["height"] > 48
    by_yaw = {}
    for low, high in pairwise(YAWS):
        chosen = (table["yaw"] >= low) & (table["yaw"] < high)
        by_yaw[f"{low} to {high}"] = summary({k: v[chosen & whole] for k, v in table.items()})
    by_size = {}
    for low, high in ((24, 32), (32, 64), (64, 128), (128, 220)):
        chosen = (table["height"] >= low) & (table["height"] < high)
        by_size[f"{low} to {high} pixels"] = summary({k: v[chosen] for k, v in table.items()})
    union = confusion.sum(0) + confusion.sum(1) - np.diag(confusion)
    iou = {name: round(float(confusion[k, k] / union[k]), 4) for name, k in LABELS.items() if confusion[k].sum() > 0}
    front, back = (whole & (table["yaw"] < 45)), (whole & (table["yaw"] > 135))
    agree = {k: float(np.nanmean(table[k][front]) - np.nanmean(table[k][back])) for k in ("scale", "centre_x", "centre_y")}
    return {
        "by_yaw": by_yaw,
        "by_size": by_size,
        "parts_iou": iou | {"mean": round(float(np.mean(list(iou.values()))), 4)},
        "matte_error": {"mean": matte / max(pixels, 1)},
        "front_against_back": agree,
        "false_per_photo": {"false": false / count},
        "identity": nearest(identities),
        "seconds_per_photo": {"seconds": seconds / count},
    }


def summary(table: dict[str, np.ndarray]) -> dict[str, float]:
    """Figures of some photos."""

    def mean(name: str) -> float:
        return round(float(np.nanmean(table[name])), 4) if np.isfinite(table[name]).any() else math.nan

    def median(name: str) -> float:
        return round(float(np.nanmedian(table[name])), 4) if np.isfinite(table[name]).any() else math.nan

    return {
        "heads": float(len(table["found"])), "found": mean("found"), "rotation_median": median("rotation"),
        "rotation_mean": mean("rotation"), "landmarks": mean("landmarks"), "landmarks_median": median("landmarks"),
        "dense": mean("dense"), "squared_error_over_variance": mean("calibration"), "seen_right": mean("seen_right"),
        "scale_spread": round(float(np.nanstd(table["scale"])), 4), "scale_bias": mean("scale"),
        "centre_error": round(float(np.nanmean(np.hypot(table["centre_x"], table["centre_y"]))), 4),
        "weights": mean("weights"), "gaze_degrees": median("gaze"),
        **{name: mean(name) for name in (*CHOICES, "glasses", "male", "tone")},
    }  # fmt: skip


def nearest(identities: dict[int, list[tuple[float, np.ndarray]]]) -> dict[str, float]:
    """How often the nearest of up to 100 persons is the right one, for two pictures whose yaws differ by 45 to 75 degrees."""
    pairs = []
    for person, seen in identities.items():
        fits = [(a, b) for a in seen for b in seen if 45 < b[0] - a[0] < 75 and a[0] < 60]
        pairs += [(person, *fits[0])] if fits else []
    pairs = pairs[:100]
    if not pairs:
        return {"persons": 0.0}
    one, other = (np.stack([pair[k][1] for pair in pairs]) for k in (1, 2))
    return {"persons": float(len(pairs)), "right": float(((one @ other.T).argmax(1) == np.arange(len(pairs))).mean())}


def faces_and_others(eyes: Eyes) -> dict[str, float]:
    """How well scores tell 100 faces from 100 other pictures of 25 pixels (scikit-image's lfw_subset): the area under the
    receiver's curve."""
    from skimage.data import lfw_subset

    careful = copy(eyes)
    careful.sure, careful.doubt, careful.smallest = 0.0, 0.01, 8.0
    pictures = (np.repeat(lfw_subset()[..., None], 3, axis=3) * 255).round().astype(np.uint8)
    scores = np.array([max((reading.score for reading in careful(picture)), default=0.0) for picture in pictures])
    faces, others = scores[:100, None], scores[None, 100:]
    return {"area": float(((faces > others) + 0.5 * (faces == others)).mean())}


def photos_without_heads(eyes: Eyes) -> dict[str, float]:
    """Heads that are found in scikit-image's photos of no head, and megapixels of them."""
    from skimage import data

    names = (
        "brick",
        "coffee",
        "coins",
        "grass",
        "gravel",
        "horse",
        "hubble_deep_field",
        "moon",
        "page",
        "retina",
        "rocket",
        "text",
    )
    found, pixels = {}, 0
    for name in names:
        photo = np.asarray(getattr(data, name)())
        photo = photo.astype(np.uint8) * (255 if photo.dtype == bool else 1)
        photo = np.repeat(photo[..., None], 3, axis=2) if photo.ndim == 2 else photo[..., :3]
        found[name], pixels = float(len(eyes(photo))), pixels + photo.shape[0] * photo.shape[1]
    return {"photos": float(len(names)), "megapixels": pixels / 1e6, "heads": sum(found.values())} | found


def speed(eyes: Eyes) -> dict[str, float]:
    """Seconds of a photo of 12 megapixels with one head, by all threads that PyTorch takes, and of one window on one."""
    from skimage.data import astronaut

    large = np.asarray(Image.fromarray(astronaut()).resize((4000, 3000), Image.Resampling.BICUBIC))
    window = np.asarray(Image.fromarray(astronaut()[:256, 100:356]))
    found = {}
    for name, threads, work in (
        ("12 megapixels", os.cpu_count() or 1, lambda: eyes(large)),
        ("window of 256 pixels", 1, lambda: eyes.read(window, [Candidate(1.0, Window(128, 128, 256))])),
    ):
        torch.set_num_threads(threads)
        found[name] = float(np.median(times(work, 5, time.perf_counter)))
    torch.set_num_threads(1)
    return found


def against_mediapipe(eyes: Eyes, task: Path) -> dict[str, float]:
    """Distance of the 68 points to those of a reader made for real photos, over the distance of the outer corners of the eyes,
    on scikit-image's photo of an astronaut."""
    from skimage.data import astronaut

    from fullhead.eyes.readers import open_reader

    ours, theirs = eyes(astronaut())[0].landmarks.xy, open_reader(str(task))(astronaut())[0].landmarks.xy
    away = np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs[36] - theirs[45])
    return {"all": float(away.mean()), "without_jaw": float(away[17:].mean()), "eyes": float(away[36:48].mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, required=True)
    parser.add_argument("--model", default="eyes")
    parser.add_argument("--heads", type=int, default=1200)
    parser.add_argument("--print", action="store_true", help="do not write, but print")
    parser.add_argument("--face-landmarker", type=Path, help="MediaPipe's face_landmarker.task, to compare with")
    options = parser.parse_args()
    torch.set_num_threads(1)
    eyes = load_eyes(options.model)
    figures = evaluate(eyes, ViewSet(options.set), options.heads) | {
        "lfw_subset": faces_and_others(eyes),
        "photos_without_heads": photos_without_heads(eyes),
    }
    if options.face_landmarker:
        figures["astronaut_against_mediapipe"] = against_mediapipe(eyes, options.face_landmarker)
    figures["seconds"] = speed(eyes)
    if options.print:
        print(json.dumps(figures, indent=1))
    else:
        write_result("eyes", figures, heads=options.heads)


if __name__ == "__main__":
    main()
