"""Train the network of features.py on a set of procedural photos, with held-out heads to measure it on.

    python -m fullhead.training.head_features PHOTOS OUT.safetensors --steps 3000

PHOTOS is a folder of `fullhead synth photos`: img/ and heads.json. Every tenth head is never trained on. Besides what
heads.json tells, the network has to say how much an image was blurred, made noisy or bent: so that its embeddings notice what
goes wrong in generated images, instead of learning to ignore it.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fullhead.core.errors import FullheadError, in_words
from fullhead.io.images import read_pixels
from fullhead.metrics.features import SIZE, HeadFeatures, save_features
from fullhead.nn.superres import resized

VERSION = "1"  # of the feature space: raise it with any change of network, data or training
CLASSES = ("hair_style", "hair_colour", "beard", "collar")
FLAGS = ("male", "glasses")
CENTRES = {"pitch": (0.0, 0.18), "age": (0.77, 0.1), "tone": (0.43, 0.24)}  # about mean and deviation of the numbers
DEGRADED = ("blur", "noise", "warp")
FACIAL = ("beard", "glasses")  # asked only where they can be seen
FACE_SEEN = math.radians(100)  # greatest |yaw| from which a part of the face shows
HELD_OUT = 10  # every tenth head
LEARNING_RATE = 3e-3
DEGRADED_WEIGHT = 10.0  # their squared errors are small beside the entropies of the classes
LARGEST = {"blur": 2.0, "noise": 0.3, "warp": 0.1}  # sigma in pixels, sigma in units of [-1, 1], shift in half images


@dataclass(frozen=True)
class Examples:
    """Images uint8 [N, 3, 64, 64] and what is to be said about them.

    numbers: [N] per name of CENTRES, normalised, and yaw in radians; flags: [N] 0 or 1; classes: [N] indices; head: [N].
    """

    images: Tensor
    head: Tensor
    yaw: Tensor
    numbers: dict[str, Tensor]
    flags: dict[str, Tensor]
    classes: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Tensor) -> Examples:
        groups = [{k: v[index] for k, v in group.items()} for group in (self.numbers, self.flags, self.classes)]
        return Examples(self.images[index], self.head[index], self.yaw[index], *groups)


def read_examples(photos: Path, vocabulary: dict[str, list[str]] | None = None) -> tuple[Examples, dict[str, list[str]]]:
    """All photos of a set and the words of its classes (`vocabulary`: those of an earlier set)."""
    try:
        entries: list[dict[str, Any]] = json.loads((photos / "heads.json").read_text())
    except (OSError, ValueError) as error:
        hint = "make a set with `fullhead synth photos`"
        raise FullheadError(f"{photos} has no readable heads.json ({in_words(error)}): {hint}") from None
    vocabulary = vocabulary or {name: sorted({e[name] for e in entries}) for name in CLASSES}
    images = torch.empty(len(entries), 3, SIZE, SIZE, dtype=torch.uint8)
    for i, entry in enumerate(entries):
        path = photos / "img" / entry["file"]
        pixels = torch.from_numpy(read_pixels(path, str(path))).permute(2, 0, 1)
        images[i] = resized(pixels[None].float(), SIZE).round().byte()[0]

    def column(name: str) -> Tensor:
        return torch.tensor([float(e[name]) for e in entries])

    examples = Examples(
        images,
        torch.tensor([e["head"] for e in entries]),
        column("yaw"),
        {name: (column(name) - centre) / spread for name, (centre, spread) in CENTRES.items()},
        {name: column(name) for name in FLAGS},
        {name: torch.tensor([vocabulary[name].index(e[name]) for e in entries]) for name in CLASSES},
    )
    return examples, vocabulary


def answers(vocabulary: dict[str, list[str]]) -> dict[str, int]:
    """How many numbers the network gives per attribute; yaw as sine and cosine."""
    classes = {name: len(words) for name, words in vocabulary.items()}
    return {"yaw": 2, **dict.fromkeys([*CENTRES, *FLAGS, *DEGRADED], 1), **classes}


def augmented(examples: Examples, generator: torch.Generator) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Images [B, 3, 64, 64] in [-1, 1], yaw [B] after mirroring, and the amounts [B] of DEGRADED in [0, 1].

    Half of the images are scaled, shifted and recoloured, half mirrored; each degradation meets a quarter of them.
    """
    B = len(examples)
    uniform, normal = (partial(function, generator=generator) for function in (torch.rand, torch.randn))
    amounts = {name: uniform(B) * (uniform(B) < 0.25) for name in DEGRADED}
    x = examples.images.float() / 127.5 - 1
    mirror = uniform(B) < 0.5
    x = torch.where(mirror[:, None, None, None], x.flip(-1), x)
    moved = uniform(B) < 0.5  # the others keep their pixels unless they are bent
    scale = torch.where(moved, 0.1 * (2 * uniform(B) - 1), 0.0).exp()
    shift = torch.where(moved[:, None], 0.08 * (2 * uniform(B, 2) - 1), 0.0)
    theta = torch.cat([torch.eye(2).expand(B, 2, 2) * scale[:, None, None], shift[:, :, None]], dim=2)
    bend = F.interpolate(normal(B, 2, 8, 8), (SIZE, SIZE), mode="bicubic").permute(0, 2, 3, 1)
    bend = bend * (LARGEST["warp"] * amounts["warp"])[:, None, None, None]
    grid = F.affine_grid(theta, list(x.shape), align_corners=False) + bend
    resampled = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    x = torch.where((moved | (amounts["warp"] > 0))[:, None, None, None], resampled, x)
    gain = torch.where(moved[:, None], 0.08 * normal(B, 3) + 0.1 * normal(B, 1), 0.0).exp()[:, :, None, None]
    x = (x + 1) * gain - 1
    x = blurred_photos(x, LARGEST["blur"] * amounts["blur"])
    x = x + (LARGEST["noise"] * amounts["noise"])[:, None, None, None] * normal(*x.shape)
    return x.clamp(-1, 1), torch.where(mirror, -examples.yaw, examples.yaw), amounts


def blurred_photos(x: Tensor, sigma: Tensor) -> Tensor:
    """Images [B, C, H, W] under a Gaussian of sigma [B] pixels each; 0 changes nothing."""
    B, C = x.shape[:2]
    taps = torch.exp(-0.5 * (torch.arange(-4, 5) / sigma.clamp(min=0.05)[:, None]).square())
    taps = (taps / taps.sum(dim=1, keepdim=True)).repeat_interleave(C, dim=0)  # [B C, 9]
    flat = F.pad(x.reshape(1, B * C, *x.shape[2:]), (4, 4, 4, 4), mode="reflect")
    flat = F.conv2d(flat, taps[:, None, None, :], groups=B * C)
    return F.conv2d(flat, taps[:, None, :, None], groups=B * C).reshape(x.shape)


def losses(network: HeadFeatures, examples: Examples, generator: torch.Generator) -> dict[str, Tensor]:
    """One mean loss per attribute for a batch, freshly augmented."""
    images, yaw, amounts = augmented(examples, generator)
    with torch.autocast(images.device.type, torch.bfloat16):
        embedding = network(images)[1]
    said = network.attributes(embedding.float())
    seen = (yaw.abs() < FACE_SEEN).float()

    def mean(name: str, each: Tensor) -> Tensor:
        return (each * seen).sum() / seen.sum().clamp(min=1) if name in FACIAL else each.mean()

    found = {"yaw": (said["yaw"] - torch.stack([yaw.sin(), yaw.cos()], dim=1)).square().sum(dim=1).mean()}
    for name, target in {**examples.numbers, **amounts}.items():
        found[name] = (DEGRADED_WEIGHT if name in amounts else 1) * (said[name][:, 0] - target).square().mean()
    for name, target in examples.flags.items():
        found[name] = mean(name, F.binary_cross_entropy_with_logits(said[name][:, 0], target, reduction="none"))
    for name, target in examples.classes.items():
        found[name] = mean(name, F.cross_entropy(said[name], target, reduction="none"))
    return found


def embeddings(network: HeadFeatures, images: Tensor) -> Tensor:
    """[N, C] of images [N, 3, 64, 64] in [-1, 1], some at a time."""
    return torch.cat([network(some)[1] for some in images.split(256)])


@torch.no_grad()
def accuracy(network: HeadFeatures, examples: Examples) -> dict[str, float]:
    """How well the network answers about images as they are: shares of right answers, mean errors of numbers.

    yaw and pitch: degrees (yaw: median); age, tone: in units of their spread (guessing the mean gives about 0.8);
    blur, noise, warp: correlation with their true amounts in augmented copies.
    """
    said = network.attributes(embeddings(network, examples.images.float() / 127.5 - 1))
    seen = examples.yaw.abs() < FACE_SEEN
    turn = torch.atan2(said["yaw"][:, 0], said["yaw"][:, 1]) - examples.yaw
    result = {"yaw": torch.rad2deg(torch.atan2(turn.sin(), turn.cos()).abs().median())}
    for name, target in examples.numbers.items():
        result[name] = (said[name][:, 0] - target).abs().mean()
    result["pitch"] = torch.rad2deg(result["pitch"] * CENTRES["pitch"][1])
    right = {name: (said[name][:, 0] > 0) == (target > 0.5) for name, target in examples.flags.items()}
    right |= {name: said[name].argmax(dim=1) == target for name, target in examples.classes.items()}
    result |= {name: (hits[seen] if name in FACIAL else hits).float().mean() for name, hits in right.items()}
    images, _, amounts = augmented(examples, torch.Generator().manual_seed(0))
    said = network.attributes(embeddings(network, images))
    for name, amount in amounts.items():
        result[name] = torch.corrcoef(torch.stack([said[name][:, 0], amount]))[0, 1]
    return {name: round(float(value), 4) for name, value in result.items()}


def split(examples: Examples) -> tuple[Examples, Examples]:
    """Training and held-out examples; all views of a head fall on one side."""
    held = examples.head % HELD_OUT == HELD_OUT - 1
    return examples[~held], examples[held]


def train(examples: Examples, vocabulary: dict[str, list[str]], steps: int, batch: int = 64, seed: int = 0) -> HeadFeatures:
    """A network trained on `examples`; prints the mean losses of every 100 steps."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = HeadFeatures(answers(vocabulary))
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # a fifth faster on a CPU
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps, pct_start=0.1)
    sums: dict[str, float] = {}
    for step in range(1, steps + 1):
        chosen = torch.randint(len(examples), (batch,), generator=generator)
        found = losses(network, examples[chosen], generator)
        optimiser.zero_grad()
        torch.stack(list(found.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        for name, value in found.items():
            sums[name] = sums.get(name, 0.0) + value.item()
        if step % 100 == 0:
            print(step, {name: round(total / 100, 3) for name, total in sums.items()}, flush=True)
            sums.clear()
    return network.eval()


@torch.no_grad()
def standardised(network: HeadFeatures, examples: Examples) -> HeadFeatures:
    """The same network with every number of its embedding scaled to a variance of 1 over `examples`; its answers stay.

    Otherwise the scale of the distances, and which numbers weigh most in them, would be an accident of the training.
    """
    seen = embeddings(network, examples.images.float() / 127.5 - 1)
    spread = seen.std(dim=0).clamp(min=1e-3 * float(seen.std()))
    scaled = copy.deepcopy(network)
    scaled.embed.weight.div_(spread[:, None])
    scaled.embed.bias.div_(spread)
    for head in scaled.heads.values():
        assert isinstance(head, nn.Linear)
        head.weight.mul_(spread)  # an answer reads max(embedding, 0), which scales alike
    return scaled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=3000)
    arguments = parser.parse_args()
    examples, vocabulary = read_examples(arguments.photos)
    training, held_out = split(examples)
    network = standardised(train(training, vocabulary, arguments.steps), training)
    found = accuracy(network, held_out)
    about = {
        "version": VERSION,
        "vocabulary": vocabulary,
        "photos": json.loads((arguments.photos / "set.json").read_text())["settings"],
        "trained_on": len(training),
        "held_out": len(held_out),
        "steps": arguments.steps,
        "accuracy": found,
    }
    save_features(network, arguments.out, about)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
