"""How near a generator's images come to held-out procedural photos, in the feature space of fullhead.metrics.

    python benchmarks/quality.py --model panohead-demo --photos out/heldout64

A thousand images per truncation, four CPU minutes with panohead-demo.

Writes benchmarks/results/quality.json; docs/metrics.md says what the figures mean. The photos are made first if the folder is
not there: heads of a seed that no training set uses. Half of the heads are the reference; the other half tells what the
figures are for photos themselves (the floor), and for photos blurred and made noisy. Distances are those of our own feature
network, not of Inception.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from common import write_result
from fullhead.core.cameras import cameras_from_labels
from fullhead.core.errors import FullheadError
from fullhead.data.photos import PhotoSet
from fullhead.metrics.features import load_features
from fullhead.metrics.quality import figures, generated_batches, halves, looks, photo_batches
from fullhead.models.panohead import PanoHead
from fullhead.models.presets import PANOHEADS
from fullhead.synth.datasets.options import PhotosOptions
from fullhead.synth.datasets.photos import write_photos
from fullhead.synth.people.population import population
from fullhead.training.head_features import blurred_photos

SEED = 900000  # of the held-out photos
VIEWS = 2  # of each head
CLOSER, BACKDROP = 1.3, "backdrop.kind=flat:3,gradient:4,soft:3"  # as panohead-demo's photos


def noisy(images: Tensor, sigma: float) -> Tensor:
    """Images in [-1, 1] under the same noise at each call."""
    return images + sigma * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))


# What the figures are for photos that something was done to: marks on the scale.
DAMAGES: dict[str, Callable[[Tensor], Tensor]] = {
    "photos (the floor)": lambda x: x,
    "photos blurred, sigma 0.5 pixels": lambda x: blurred_photos(x, torch.full((len(x),), 0.5)),
    "photos blurred, sigma 1 pixel": lambda x: blurred_photos(x, torch.full((len(x),), 1.0)),
    "photos under noise of 6 levels": lambda x: noisy(x, 0.05),
    "photos under noise of 26 levels": lambda x: noisy(x, 0.2),
}


def generator_of(name: str) -> tuple[PanoHead, dict[str, object]]:
    """The model of a file, name or hub id, or a preset with random weights ("random:panohead-synth64"), and what is known
    of it."""
    if name.startswith("random:"):
        torch.manual_seed(0)
        return PanoHead(PANOHEADS[name.removeprefix("random:")]).eval(), {"weights": "random"}
    model = PanoHead.from_pretrained(name)
    return model, model.about


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="panohead-demo")
    parser.add_argument("--photos", type=Path, default=Path("out/heldout64"))
    parser.add_argument("--n", type=int, default=1000, help="images of the generator, and of either half of the photos")
    parser.add_argument("--features", type=Path, help="another feature network than the shipped one")
    parser.add_argument("--truncations", type=float, nargs="+", default=[1.0, 0.7])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--name", default="quality", help="of the file in benchmarks/results")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if not (arguments.photos / "img").is_dir():
        write_photos(arguments.photos, PhotosOptions(2 * arguments.n, 64, VIEWS, SEED, zoom=CLOSER), population([BACKDROP]))
    photos, network = PhotoSet(arguments.photos), load_features(arguments.features)
    reference, other = (half[: arguments.n] for half in halves(photos, arguments.photos))
    if len(reference) < arguments.n or len(other) < arguments.n:
        raise FullheadError(f"{arguments.photos} has {len(reference)} and {len(other)} photos in its halves, not {arguments.n}")
    real = looks(network, photo_batches(photos, reference))
    result: dict[str, object] = {}
    for name, damage in DAMAGES.items():
        damaged = ((damage(images), cameras) for images, cameras in photo_batches(photos, other))
        result[name] = figures(real, looks(network, damaged))
    cameras = cameras_from_labels(photos.labels[photos.index[reference]])
    model, about = generator_of(arguments.model)
    model, network, seconds = model.to(arguments.device), network.to(arguments.device), {}
    for truncation in arguments.truncations:
        start = time.perf_counter()
        random = torch.Generator().manual_seed(0)
        found = looks(network, generated_batches(model, cameras, truncation, random))
        seconds[str(truncation)] = time.perf_counter() - start
        result[f"truncation {truncation}"] = figures(real, found)
    write_result(
        arguments.name,
        result,
        model=arguments.model,
        about=about,
        n=arguments.n,
        feature_space=network.name,
        photos=json.loads((arguments.photos / "set.json").read_text())["settings"],
        device=arguments.device,
        seconds=seconds,
    )


if __name__ == "__main__":
    main()
