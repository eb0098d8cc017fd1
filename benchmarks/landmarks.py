"""Whether faces of procedural heads have in common what faces have: python benchmarks/landmarks.py [--heads 200] [--steps 1500]

Writes benchmarks/results/landmarks.json. A small network learns to find the 68 landmarks in frontal photos of one half of the
identities; then it looks at the other half. Errors are mean distances by that between the outer corners of the eyes:
`seen` on photos of the identities it learnt from that were kept back, `unseen` on those of the other half, each beside what
one makes who always answers with the mean face of the photos learnt from. The settings were fixed before the unseen half was
looked at, and it chooses nothing.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn

from common import write_result
from fullhead.io.sets import read_records
from fullhead.io.stores import open_store
from fullhead.metrics.landmark_error import INNER, normalised_errors
from fullhead.synth.datasets.options import PhotosOptions
from fullhead.synth.datasets.photos import write_photos

SIZE, VIEWS, YAW = 64, 4, 30.0
BATCH, RATE, SHIFT = 32, 2e-3, 3  # SHIFT: pixels that photos learnt from are moved by, at most


def photos(heads: int, workers: int) -> tuple[Tensor, Tensor]:
    """Pictures [heads, VIEWS, 3, SIZE, SIZE] in [-1, 1] and landmarks [heads, VIEWS, 68, 2] in pixels."""
    with TemporaryDirectory() as folder:
        options = PhotosOptions(heads * VIEWS, SIZE, VIEWS, yaw_limit=YAW, truth=("none",))
        write_photos(Path(folder), options, workers=workers, quiet=True)
        views = [view for record in read_records(Path(folder)) for view in record["views"]]
        store = open_store(Path(folder), "img")
        pictures = np.stack([store.picture(f"{view['key']}.png").transpose(2, 0, 1) for view in views])
    landmarks = torch.tensor([view["landmarks"] for view in views])
    return (torch.from_numpy(pictures) / 127.5 - 1).unflatten(0, (heads, VIEWS)), landmarks.unflatten(0, (heads, VIEWS))


def network() -> nn.Sequential:
    """Five strided convolutions and a linear layer: pictures [B, 3, SIZE, SIZE] to offsets [B, 68, 2], in pixels."""
    widths = (3, 24, 48, 96, 128, 128)
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(8, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * (SIZE // 32) ** 2, 136), nn.Unflatten(1, (68, 2)))


def trained(pictures: Tensor, landmarks: Tensor, steps: int) -> nn.Sequential:
    """A network that has learnt from pictures [N, 3, SIZE, SIZE] the landmarks' offsets [N, 68, 2] from the mean face."""
    torch.manual_seed(0)
    net, generator = network(), torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(net.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        chosen = torch.randint(len(pictures), (BATCH,), generator=generator)
        across, down = torch.randint(-SHIFT, SHIFT + 1, (2,), generator=generator).tolist()
        moved = torch.roll(pictures[chosen], (down, across), (2, 3))
        wanted = landmarks[chosen] + torch.tensor([float(across), float(down)])
        loss = (net(moved) - wanted).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return net.eval()


def errors(found: Tensor, truth: Tensor) -> dict[str, float]:
    """Mean errors of landmarks [N, 68, 2]."""
    each = normalised_errors(found.numpy(), truth.numpy())
    return {"photos": len(each), "all_68": float(each.mean()), "without_jaw": float(each[:, INNER].mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=int, default=200, help="identities; every other one is learnt from")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    pictures, landmarks = photos(options.heads, options.workers)
    learnt, known = (values[::2, 1:].flatten(0, 1) for values in (pictures, landmarks))
    mean = known.mean(0)
    net = trained(learnt, known - mean, options.steps)
    figures: dict[str, object] = {}
    tests = {"seen": (slice(0, None, 2), slice(0, 1)), "unseen": (slice(1, None, 2), slice(None))}
    for name, place in tests.items():
        asked, truth = (values[place].flatten(0, 1) for values in (pictures, landmarks))
        with torch.no_grad():
            figures[name] = errors(mean + net(asked), truth)
        figures[f"{name}, mean face"] = errors(mean.expand_as(truth), truth)
    write_result("landmarks", figures, heads=options.heads, steps=options.steps, size=SIZE, yaw_limit=YAW)


if __name__ == "__main__":
    main()
