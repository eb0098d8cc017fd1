"""What alignment leaves for camera self-adaptation to find: python benchmarks/align.py [--photos 96] [--reader module:function]

Writes benchmarks/results/align.json. Procedural photos show heads small, tilted and anywhere, from all sides. A reader that
knows the truth is given known errors, larger and one-sided from behind, as readers of real photos have them; or another reader
is measured as it is. The photos are aligned, and each aligned picture is compared with its true camera. By yaw: root mean
squares of yaw, pitch and roll in degrees; mean and deviation of the scale and of the centre (to the right, down) in percent of
a head of 27 cm. `back less front` are differences of the means: what is seen as another size or place of the same head from
behind. `planted` in the settings says what the errors were.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from common import write_result
from fullhead.core.random import stream
from fullhead.data.align import align_photos, aligned_window
from fullhead.data.options import AlignOptions
from fullhead.data.photo_quality import HEAD
from fullhead.eyes.readers import open_reader
from fullhead.eyes.reading import Reader, Reading
from fullhead.eyes.truth import Truth
from fullhead.eyes.window import Window
from fullhead.io.images import Bytes, read_image
from fullhead.synth.datasets.options import PhotosOptions
from fullhead.synth.datasets.photos import write_photos

RANGES = ((0, 60), (60, 120), (120, 180))  # degrees off the front
TURNS = (2.0, 4.0, 8.0)  # in each range: deviations of yaw, pitch and roll, degrees
SCALES, LARGER = (0.02, 0.04, 0.06), (0.0, 0.02, 0.04)  # deviation of the scale, and by how much the reader sees too large
SHIFTS, LOWER = (0.01, 0.02, 0.04), (0.0, 0.01, 0.03)  # deviation of the place, and by how much it is too low, in heads


def range_of(yaw: float) -> int:
    """Which of RANGES a yaw, in radians, is in."""
    return next((i for i, (_, high) in enumerate(RANGES) if abs(math.degrees(yaw)) < high), len(RANGES) - 1)


def turned(about: NDArray) -> NDArray:
    """The rotation [3, 3] about a vector [3] by its length in radians."""
    return Rotation.from_rotvec(about).as_matrix()


@dataclass(frozen=True)
class Erring:
    """A reader that knows the truth, and says it with errors."""

    truth: Truth

    def __call__(self, photo: Bytes) -> list[Reading]:
        return [self.erring(read) for read in self.truth(photo)]

    def erring(self, read: Reading) -> Reading:
        angles = read.yaw_pitch_roll
        assert angles is not None
        assert read.rotation is not None
        random, i = stream(0, "reader", *read.centre.tobytes()), range_of(angles[0])
        turn = turned(np.radians(TURNS[i]) * random.normal(size=3))
        unit = read.unit * math.exp(LARGER[i] + SCALES[i] * float(random.normal()))
        down = turned(np.array([0, 0, angles[2]]))[:2, 1]  # the head's own, in the photo
        shift = SHIFTS[i] * random.normal(size=2) + LOWER[i] * down
        return replace(read, rotation=turn @ read.rotation, unit=unit, centre=read.centre + shift * 2 * HEAD * read.unit)


def left(said: Reading, window: Window, yaw: float, pitch: float) -> list[float]:
    """How an aligned picture differs from the truth: degrees of yaw, pitch, roll; percent of scale, right, down."""
    angles = said.yaw_pitch_roll
    assert angles is not None
    turns = [math.degrees(math.remainder(a - b, 2 * math.pi)) for a, b in zip((yaw, pitch, window.turn), angles, strict=True)]
    true_side = aligned_window(said).side
    right, down = (window.to_window(said.centre) - 0.5) * window.side / (2 * HEAD * said.unit) * 100
    return [*turns, 100 * math.log(true_side / window.side), float(right), float(down)]


def figures(errors: NDArray, yaws: NDArray) -> dict[str, Any]:
    """Errors [N, 6] of heads by yaw [N]."""
    found: dict[str, Any] = {}
    which = np.array([range_of(float(yaw)) for yaw in yaws])
    for i, (low, high) in enumerate(RANGES):
        own = errors[which == i]
        turns = np.sqrt((own[:, :3] ** 2).mean(0))
        row: dict[str, Any] = {"heads": len(own)} | dict(zip(("yaw", "pitch", "roll"), turns.round(2).tolist(), strict=True))
        for name, column in zip(("scale", "right", "down"), own[:, 3:].T, strict=True):
            row |= {f"{name}_mean": round(float(column.mean()), 2), f"{name}_deviation": round(float(column.std()), 2)}
        found[f"yaw {low} to {high}"] = row
    front, back = (errors[which == i, 3:].mean(0) for i in (0, len(RANGES) - 1))
    found["back less front"] = dict(zip(("scale", "right", "down"), (back - front).round(2).tolist(), strict=True))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=int, default=96)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--reader", help="eyes, or module:function; by default the truth with planted errors")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        wild, out = Path(folder, "wild"), Path(folder, "aligned")
        asked = PhotosOptions(arguments.photos, arguments.size, 6, zoom=0.5, truth=("seg",))
        asked = replace(asked, scale_error=0.15, shift_error=0.08, angle_error=12.0)
        write_photos(wild, asked, workers=arguments.workers, quiet=True)
        truth = Truth(wild)
        reader: Reader = open_reader(arguments.reader) if arguments.reader else Erring(truth)
        options = AlignOptions(size=64, min_pixels=16, min_sharpness=0, max_outside=0.5)
        align_photos(wild / "img", out, options, reader=reader, workers=0, quiet=True)
        rows = json.loads((out / "heads.json").read_text())
        left_out = json.loads((out / "left_out.json").read_text())["left_out"]
        said = [truth(read_image(wild / "img" / row["photo"]))[0] for row in rows]
    errors = np.array(
        [left(true, Window(**row["window"]), row["yaw"], row["pitch"]) for true, row in zip(said, rows, strict=True)]
    )
    result = figures(errors, np.array([true.yaw_pitch_roll[0] for true in said if true.yaw_pitch_roll]))
    planted = {"turn": TURNS, "scale": SCALES, "larger": LARGER, "shift": SHIFTS, "lower": LOWER}
    settings = {"photos": arguments.photos, "planted": None if arguments.reader else planted}
    write_result("align", result | {"left out": left_out}, **settings)


if __name__ == "__main__":
    main()
