"""How many photos of procedural heads a machine writes each second: python benchmarks/synth.py [--workers 2]

Writes benchmarks/results/synth.json: end to end (sample, grow, light, render, encode), start-up of the workers included,
at 64, 128 and 256 pixels with 4 views of each head. The compiled kernels are made before the clock starts.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from common import write_result
from fullhead.synth.photos import write_photos

SIZES = (64, 128, 256)
VIEWS = 4


def children_seconds() -> float:
    """CPU time of all ended child processes."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(size: int, images: int, workers: int) -> dict[str, float]:
    """Wall and CPU seconds of one set, and the bytes of its files per image."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        cpu, start = children_seconds(), time.perf_counter()
        write_photos(out, images, size, VIEWS, workers=workers, quiet=True)
        wall, cpu = time.perf_counter() - start, children_seconds() - cpu
        size_of = {kind: sum(p.stat().st_size for p in (out / kind).rglob("*.png")) for kind in ("img", "seg", "depth")}
    return {
        "images": images,
        "wall_s": round(wall, 2),
        "images_per_s": round(images / wall, 2),
        "cpu_s_per_image": round(cpu / images, 4),
        **{f"{kind}_bytes_per_image": round(size / images) for kind, size in size_of.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=160, help="photos of each size")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None  # others at work make the wall times worse
    measure(SIZES[0], VIEWS, 1)  # compile
    figures = {str(size): measure(size, options.images, options.workers) for size in SIZES}
    write_result("synth", figures, views_per_head=VIEWS, workers=options.workers, load_average_at_start=load)


if __name__ == "__main__":
    main()
