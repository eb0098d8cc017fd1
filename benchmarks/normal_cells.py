"""What the feature space of normal maps feels: marks on the scale of `kid_normals`.

    python benchmarks/normal_cells.py --data out/prepared

Normal maps of all held-out scans of a set of `fullhead prepare` against those of as many training people, the latter as they
are or changed. Writes benchmarks/results/normal_cells.json; docs/metrics.md says what the figures mean.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from common import write_result
from fullhead.data.scan_set import ScanSet
from fullhead.metrics.frechet import kernel_interval
from fullhead.metrics.samples import NORMAL_SPACE, normal_cells, views_of_scan


def directions(change: Callable[[NDArray], NDArray]) -> Callable[[NDArray], NDArray]:
    """The change of unit normals [V, H, W, 3] as one of pictures; what is white stays so."""

    def changed(pictures: NDArray) -> NDArray:
        there = (pictures != 255).any(axis=-1, keepdims=True)
        n = change(np.where(there, pictures / 127.5 - 1, 0))
        n = n / np.linalg.norm(n, axis=-1, keepdims=True).clip(1e-9)
        return np.where(there, np.round((n + 1) * 127.5), 255).astype(np.uint8)

    return changed


def blurred(sigma: float) -> Callable[[NDArray], NDArray]:
    return directions(lambda n: ndimage.gaussian_filter(n, (0, sigma, sigma, 0)))


def noisy(sigma: float) -> Callable[[NDArray], NDArray]:
    return directions(lambda n: n + sigma * np.random.RandomState(0).normal(size=n.shape))


CHANGES: dict[str, Callable[[NDArray], NDArray]] = {
    "as they are (the floor)": lambda pictures: pictures,
    **{f"blurred, sigma {sigma} pixels": blurred(sigma) for sigma in (1, 2, 4, 8)},
    **{f"under noise of {sigma}": noisy(sigma) for sigma in (0.1, 0.2, 0.4)},
    **{f"{rows} pixels lower": lambda pictures, rows=rows: np.roll(pictures, rows, axis=1) for rows in (4, 8, 16)},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    held_out, training = ScanSet(arguments.data, "held_out"), ScanSet(arguments.data)
    people = sorted(set(training.identities))
    order = np.random.RandomState(0).permutation(len(people))[: len(set(held_out.identities))]
    rows = [i for i, person in enumerate(training.identities) if person in {people[k] for k in order}]
    random = np.random.RandomState(0)
    scans = [views_of_scan(held_out, scan, random).normals for scan in range(len(held_out))]
    others = [views_of_scan(training, scan, random).normals for scan in rows]
    truth, figures = torch.from_numpy(np.stack([normal_cells(n) for n in scans])), {}
    for name, change in CHANGES.items():
        cells = torch.from_numpy(np.stack([normal_cells(change(n)) for n in others]))
        found = kernel_interval(truth, cells, generator=torch.Generator().manual_seed(0))
        figures[name] = dict(zip(("kid_normals", "low", "high"), found, strict=True))
    write_result("normal_cells", figures, normal_space=NORMAL_SPACE, scans=len(scans), training_scans=len(others))


if __name__ == "__main__":
    main()
