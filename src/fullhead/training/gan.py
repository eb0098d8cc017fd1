"""What the training of 3D-aware GANs shares: losses, regularisers, the averaged generator, and what fades in and out.

Logits [B, 1] are positive where the discriminator takes an image for real.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fullhead.core.devices import normal, uniform
from fullhead.io.config import Count, Limited, Number, Share, Weight
from fullhead.training.distributed import local_shard
from fullhead.training.schedules import linear_ramp


@dataclass(frozen=True)
class AdversarialConfig(Limited):
    """Weights and schedules of EG3D's training. `..._images` are counts of real images shown."""

    generator_lr: Weight = 0.0025
    discriminator_lr: Weight = 0.002
    r1_gamma: Weight = 1.0  # weight of R1 on the image and the raw image [stylegan2]
    r1_every: Count = 16  # steps
    density_weight: Weight = 0.25  # of the smoothness of density at random points; 0: none
    density_every: Count = 4  # steps
    density_distance: Weight = 0.004  # deviation between the two points compared, in box sides
    swap_end: Share = 0.5  # chance that the mapping sees another image's label, after the fade
    swap_fade_images: Number = 1_000_000  # it starts at 1
    blur_start: Weight = 10.0  # deviation of the blur on real and fake images at first, in pixels of the final image
    blur_fade_images: Number = 200_000
    ema_images: Number = 10_000  # half-life of the averaged weights
    ema_rampup: Weight = 0.05  # but at most this part of the images seen

    def swap_chance(self, images_seen: int) -> float:
        return linear_ramp(1.0, self.swap_end, images_seen, self.swap_fade_images)

    def blur_sigma(self, images_seen: int) -> float:
        return linear_ramp(self.blur_start, 0.0, images_seen, self.blur_fade_images)

    def ema_beta(self, images_seen: int, batch: int) -> float:
        """Share of the average that a step of `batch` images keeps."""
        half_life = max(min(self.ema_images, self.ema_rampup * images_seen), 1e-8)
        return 0.5 ** (batch / half_life)


# -- losses


def generator_loss(fake: Tensor) -> Tensor:
    """Non-saturating: logits of fakes should be high."""
    return F.softplus(-fake).mean()


def discriminator_losses(fake: Tensor, real: Tensor) -> dict[str, Tensor]:
    """Logits of fakes should be low, those of real images high."""
    return {"D/fake": F.softplus(fake).mean(), "D/real": F.softplus(-real).mean()}


def r1_penalties(logits: Tensor, inputs: Sequence[Tensor]) -> list[Tensor]:
    """R1: for each of the real inputs [B, ...], the squared gradient of the logits there, mean over the batch. Their weight is
    gamma / 2."""
    grads = torch.autograd.grad(logits.sum(), inputs, create_graph=True)
    return [g.square().sum(dim=tuple(range(1, g.ndim))).mean() for g in grads]


def point_pairs(
    batch: int, box_size: float, distance: float, like: Tensor, generator: torch.Generator, count: int = 1000
) -> Tensor:
    """`count` random points in the box of each head, then points at a deviation of `distance` from them: this process's part
    of a batch of heads, [B, 2 count, 3], on the device of `like`."""
    shape = (batch, count, 3)
    xyz = (local_shard(uniform(shape, like, generator)) - 0.5) * box_size
    return torch.cat([xyz, xyz + local_shard(normal(shape, like, generator)) * distance], dim=1)


def pair_difference(density: Tensor) -> Tensor:
    """Smoothness: mean difference of the raw densities [B, 2 N] of pairs of points [eg3d supp.]."""
    a, b = density.chunk(2, dim=1)
    return (a - b).abs().mean()


# -- what images and labels go through


def blurred(image: Tensor, sigma: float) -> Tensor:
    """image [B, C, H, W] under a Gaussian of deviation `sigma` whose taps are 2^-(x / sigma)^2; zeros outside."""
    half = int(3 * sigma)
    if half < 1:
        return image
    x = torch.arange(-half, half + 1, device=image.device)
    taps = torch.exp2(-((x / sigma) ** 2))
    taps = (taps / taps.sum()).to(image.dtype)
    C = image.shape[1]
    image = F.conv2d(image, taps[None, None, None].expand(C, 1, 1, -1), padding=(0, half), groups=C)
    return F.conv2d(image, taps[None, None, :, None].expand(C, 1, -1, 1), padding=(half, 0), groups=C)


def swapped(chance: float, generator: torch.Generator, *values: Tensor) -> tuple[Tensor, ...]:
    """Values [B, C] of a batch; each row is by this chance replaced by the row before it, the same rows in all of them."""
    swap = torch.rand(len(values[0]), 1, generator=generator) < chance
    return tuple(torch.where(swap, x.roll(1, dims=0), x) for x in values)


# -- optimisers and averages


def lazy_adam(parameters: Iterable[nn.Parameter], lr: float, regularised_every: int = 0) -> torch.optim.Adam:
    """Adam of a player. A regulariser every k steps is one step more: shorter steps and memory keep the pace as if it came
    every time [stylegan2 §B]. 0: there is none."""
    lazy = regularised_every / (regularised_every + 1) if regularised_every else 1.0
    return torch.optim.Adam(parameters, lr=lr * lazy, betas=(0.0, 0.99**lazy))


@torch.no_grad()
def update_ema(average: nn.Module, module: nn.Module, beta: float) -> None:
    """Move averaged weights towards the module's: they keep the share `beta`. Buffers are copied."""
    for mean, now in zip(average.parameters(), module.parameters(), strict=True):
        mean.lerp_(now, 1 - beta)
    for mean, now in zip(average.buffers(), module.buffers(), strict=True):
        mean.copy_(now)
