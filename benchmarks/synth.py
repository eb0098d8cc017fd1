"""What sets of procedural heads cost: python benchmarks/synth.py [--workers 2] [--heads 24]

Writes benchmarks/results/synth.json: of each kind of set a part is written, end to end (sample, grow, light, render, encode),
start-up of the workers included: photos of 4 views a head at 64, 128, 256 and 512 pixels and of 8 views at 64, 128 and 256,
heads360 with hair at these, frames of a clip at 256, scans. The compiled kernels are made before the clock starts. What whole
sets would take is the part's CPU seconds and bytes times their number. CPU seconds count more than wall time where others use
the machine too.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from common import write_result
from fullhead.io.sets import Recipe, write_set
from fullhead.synth.datasets.heads360 import EXPRESSIONS, Heads360
from fullhead.synth.datasets.options import Heads360Options, PhotosOptions, ScansOptions, VideoOptions
from fullhead.synth.datasets.photos import Photos
from fullhead.synth.datasets.scans import Scans
from fullhead.synth.datasets.video import Video

SHOWN = EXPRESSIONS[::4]  # of heads360: thirteen of the 52
WHOLE = {"10000 photos 128": ("photos 128", 10_000), "100 x 52 x 72 at 128": ("heads360 128", 374_400)}  # pictures


def children_seconds() -> float:
    """CPU time of all ended child processes."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(recipe: Recipe, workers: int) -> dict[str, float]:
    """Wall and CPU seconds of one set, and the bytes of its files, per picture."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        cpu, start = children_seconds(), time.perf_counter()
        pictures = write_set(out, recipe, workers=workers, quiet=True)
        wall, cpu = time.perf_counter() - start, children_seconds() - cpu
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return {
        "pictures": pictures,
        "wall_s": round(wall, 2),
        "pictures_per_s": round(pictures / wall, 3),
        "cpu_s_per_picture": round(cpu / pictures, 4),
        "bytes_per_picture": round(size / pictures),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=int, default=24, help="heads of each set of photos")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None  # others at work make the wall times worse
    heads, subjects = options.heads, max(1, options.heads // 12)
    photos = {f"photos {size}": PhotosOptions(4 * heads, size) for size in (64, 128, 256, 512)}
    photos |= {f"photos {size}, 8 views a head": PhotosOptions(8 * heads, size, 8) for size in (64, 128, 256)}
    recipes: dict[str, Recipe] = {name: Photos(asked) for name, asked in photos.items()}
    for size in (64, 128, 256):
        recipes[f"heads360 {size}"] = Heads360(Heads360Options(subjects, size, hair="with", expressions=SHOWN))
    recipes |= {"video 256": Video(VideoOptions(frames=heads)), "scans": Scans(ScansOptions(subjects))}
    for recipe in (Photos(PhotosOptions(4, 64)), Scans(ScansOptions(1, 1, resolution=48))):  # compile
        measure(recipe, 1)
    figures: dict[str, object] = {name: measure(recipe, options.workers) for name, recipe in recipes.items()}
    for name, (part, pictures) in WHOLE.items():
        found = figures[part]
        assert isinstance(found, dict)
        hours, gigabytes = found["cpu_s_per_picture"] * pictures / 3600, found["bytes_per_picture"] * pictures / 1e9
        figures[name] = {"cpu_hours": round(hours, 2), "gigabytes": round(gigabytes, 2)}
    write_result("synth", figures, heads=options.heads, workers=options.workers, load_average_at_start=load)


if __name__ == "__main__":
    main()
