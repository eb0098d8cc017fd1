"""A head fitted to one photo: first its latents and the camera, then, around them, the generator itself [pano §4.4] [pti].

Stage 1 looks for styles w+ of the head and of its background, and for the camera, whose render is the photo. Stage 2 (pivotal
tuning) holds them and adapts the weights, while the sides that the photo does not show are held where they were.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from scipy.spatial import KDTree
from torch import Tensor

from fullhead.core.cameras import Cameras, orbit, yaw_pitch
from fullhead.core.errors import FullheadError
from fullhead.eyes.window import Window, crop
from fullhead.fitting.align import find_faces, head_square
from fullhead.fitting.options import InvertConfig, OnStep
from fullhead.fitting.reconstruction_loss import Distance, reconstruction_loss
from fullhead.io.images import Bytes, contact_sheet, from_uint8, to_uint8
from fullhead.models.head import Latents, Render
from fullhead.models.panohead import PanoHead
from fullhead.training.schedules import rate_ramp
from fullhead.viewing.sheet import sheet_rows

STATISTICS = 1000  # z that are mapped for the mean and the spread of w
STARTS = 16  # random heads among which the fit begins
START_TRUNCATION = 0.5  # of those heads
STYLE_RATE = 0.05  # learning rate of w, in deviations of w
CAMERA_RATE = 0.01  # of the camera, in its own units below
TUNING_RATE = 1e-3  # of the weights in stage 2
NOISE, NOISE_END = 0.05, 0.75  # jitter of w in deviations, and the part of stage 1 after which there is none
PULL = 0.02  # weight of the squared distance of w to its mean, in deviations
TOGETHER = 0.02  # weight of the squared distances of the layers' w to each other
CAMERA_PULL = 1.0  # of the camera's squared distance from the given one
KEEP, KEEP_EVERY = 2.0, 2  # weight of the unseen sides in stage 2, and how often they are looked at
KEEP_FROM = math.radians(60)  # yaw from the photo's at which a side counts as unseen
SIDES = range(0, 360, 45)  # degrees, from which a fit is looked at

# What seems to be head outside the mask, in pictures of MATTE pixels: colours (0 to 1) that are nearer than ALIKE to some of
# the head within REACH pixels, and farther than UNLIKE from all at the photo's edges, of whose sides the upper EDGES count.
MATTE, REACH, ALIKE, UNLIKE, EDGES = 64, 6, 0.05, 0.12, 0.6
# The share of the head that may be so. With the true masks of 24 procedural photos before all kinds of backgrounds it is at
# most 0.04; with those of fits to scikit-image's astronaut, which leave out hair and shoulders, 0.09 to 0.13.
MOST_BEHIND = 0.06


@dataclass(frozen=True)
class Inversion:
    """`latents` of one head, the `model` tuned to it, the fitted `camera` and the `image` [1, 3, H, W] that it sees.

    PSNR in dB: `psnr_latents` of stage 1 and `psnr` of the end over all pixels, and `psnr_head` of the end over the pixels that
    the fitted head covers, by its own mask, without what its background shows. `behind` is the share of the photo's head that
    the background shows, see `share_behind`. `seconds` of both stages together; `losses` of every step.
    """

    latents: Latents
    model: PanoHead
    camera: Cameras
    image: Tensor
    psnr_latents: float
    psnr: float
    psnr_head: float
    behind: float
    seconds: float
    losses: list[float]

    @property
    def hidden(self) -> bool:
        """Whether the background seems to carry part of the head, which is then missing from other sides."""
        return self.behind > MOST_BEHIND


Report = Callable[[str, int, int, Tensor], None]  # as OnStep


def fit(
    model: PanoHead,
    target: Tensor,
    yaw: float = 0.0,
    pitch: float = 0.0,
    config: InvertConfig = InvertConfig(),
    on_step: OnStep | None = None,
) -> Inversion:
    """Fit one head of `model` (left as it is) to a picture `target` [1, 3, H, W] in [-1, 1], seen from about `yaw`, `pitch`
    (radians). The camera is refined with the latents. The same input and seed give the same result on the same machine, with
    the same number of threads.
    """
    size = model.image_size
    if target.shape != (1, 3, size, size):
        raise FullheadError(f"the photo must be cut to [1, 3, {size}, {size}], the model's image, not {list(target.shape)}")
    began = time.perf_counter()
    generator = torch.Generator().manual_seed(config.seed)
    target = target.to(model.backbone.mapping.w_avg)
    losses: list[float] = []
    unlike = reconstruction_loss(target, model.metres_per_unit)

    def report(stage: str, step: int, steps: int, loss: Tensor) -> None:
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise FullheadError(f"the fit broke down at step {step} of the {stage}: try another photo or --box")
        if on_step is not None:
            on_step(stage, step, steps, losses[-1])

    latents, camera = fit_latents(model, unlike, (yaw, pitch), config.steps, generator, report)
    reached = psnr(shown(model, latents, camera), target)
    tuned = tune(model, latents, unlike, camera, config.pivot_steps, generator, report)
    with torch.no_grad():
        found = _render(tuned, latents, camera)
    figures = (psnr(found.image, target), psnr(found.image, target, found.mask), share_behind(target, found.mask))
    return Inversion(latents, tuned, camera, found.image, reached, *figures, time.perf_counter() - began, losses)


def fit_latents(
    model: PanoHead, unlike: Distance, about: tuple[float, float], steps: int, generator: torch.Generator, report: Report
) -> tuple[Latents, Cameras]:
    """Stage 1: w+ of the head and of its background, pulled to the mean of w, and the camera near yaw and pitch `about`."""
    mean, spread = style_statistics(model, generator)
    w, behind = (x.requires_grad_(True) for x in start(model, unlike, orbit(*about), mean, generator))
    moves = torch.zeros(6, requires_grad=True)
    groups = [{"params": [w, behind], "rate": STYLE_RATE * float(spread)}, {"params": [moves], "rate": CAMERA_RATE}]
    optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99))
    for step in range(steps):
        t = step / steps
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * rate_ramp(t)
        jitter = NOISE * spread * max(0.0, 1 - t / NOISE_END) ** 2
        noisy = w + jitter * torch.randn(w.shape, generator=generator).to(w)
        image = _render(model, Latents(noisy, behind), moved(*about, moves)).image
        pull = sum(prior((x - mean) / spread) for x in (w, behind))
        loss = unlike(image) + pull + CAMERA_PULL * (moves**2).sum().to(image)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        report("latents", step + 1, steps, loss)
    return Latents(w.detach(), behind.detach()), moved(*about, moves.detach())


def tune(
    model: PanoHead,
    latents: Latents,
    unlike: Distance,
    camera: Cameras,
    steps: int,
    generator: torch.Generator,
    report: Report,
) -> PanoHead:
    """Stage 2: a copy of the model whose weights show the photo at `camera`; from unseen sides the head stays as it was."""
    tuned = copy.deepcopy(model).requires_grad_(True)
    tuned.backbone.mapping.requires_grad_(False)
    optimiser = torch.optim.Adam([p for p in tuned.parameters() if p.requires_grad], lr=TUNING_RATE)
    with torch.no_grad():
        before = model.decode(latents)
    for step in range(steps):
        head = tuned.decode(latents)
        loss = unlike(tuned.render(head, camera).image)
        if step % KEEP_EVERY == 0:
            side = yaw_pitch(camera)[0].cpu() + KEEP_FROM + (2 * math.pi - 2 * KEEP_FROM) * torch.rand(1, generator=generator)
            view = orbit(side, 0.4 * torch.rand(1, generator=generator) - 0.2).to(latents.w.device)
            with torch.no_grad():
                was = model.render(before, view)
            now = tuned.render(head, view)
            loss = loss + KEEP * (F.mse_loss(now.image, was.image) + F.mse_loss(now.mask, was.mask))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        report("weights", step + 1, steps, loss)
    return tuned.eval().requires_grad_(False)


def prior(w: Tensor) -> Tensor:
    """What styles w+ [1, L, w_dim], in deviations from the mean, pay for being unlike those that the model was trained on."""
    apart = w - w.mean(dim=1, keepdim=True)
    return PULL * w.square().mean() + TOGETHER * apart.square().mean()


def style_statistics(model: PanoHead, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mean w [w_dim] of random heads seen from the front, and the root mean square of what they differ by, one number."""
    z = torch.randn(STATISTICS, model.config.z_dim, generator=generator)
    with torch.no_grad():
        w = model.style(z.to(model.backbone.mapping.w_avg))
    mean = w.mean(dim=0)
    return mean, (w - mean).square().mean().sqrt()


def start(
    model: PanoHead, unlike: Distance, camera: Cameras, mean: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """w [1, L, w_dim] of the head and of its background to begin with: the nearest of some random heads and the mean."""
    z = torch.randn(STARTS, model.config.z_dim, generator=generator).to(mean)
    with torch.no_grad():
        candidates = torch.cat([mean[None], mean + START_TRUNCATION * (model.style(z) - mean)])
        found = [w.expand(1, model.num_ws, -1) for w in candidates[:, None]]
        distances = [float(unlike(_render(model, Latents(w), camera).image)) for w in found]
    best = found[distances.index(min(distances))]
    return best.clone(), best.clone()


def moved(yaw: float, pitch: float, moves: Tensor) -> Cameras:
    """The camera at yaw and pitch (radians) after moves [6]: yaw, pitch and roll (radians), zoom (log of the focal length's
    factor), shift of the picture to the right and down (parts of its side). Differentiable."""
    turn, rise, roll, zoom, right, down = moves.unbind()
    camera = orbit(yaw + turn, pitch + rise)
    zero, one = torch.zeros_like(roll), torch.ones_like(roll)
    rolled = torch.stack([roll.cos(), -roll.sin(), zero, zero, roll.sin(), roll.cos(), zero, zero, zero, zero, one, zero])
    rolled = torch.cat([rolled, torch.stack([zero, zero, zero, one])]).reshape(4, 4)
    shift = torch.stack([zero, zero, right, zero, zero, down, zero, zero, zero]).reshape(3, 3)
    zoomed = camera.K @ torch.diag(torch.stack([zoom.exp(), zoom.exp(), one]))
    return Cameras(camera.c2w @ rolled, zoomed + shift)


def psnr(image: Tensor, target: Tensor, mask: Tensor | None = None) -> float:
    """Peak signal-to-noise ratio in dB of pictures [B, 3, H, W] in [-1, 1], where a mask [B, 1, h, w] in [0, 1] shows them."""
    squared = (image.clamp(-1, 1) - target).square().mean(dim=1, keepdim=True)
    weights = torch.ones_like(squared) if mask is None else F.interpolate(mask.clamp(0, 1), squared.shape[-2:], mode="bilinear")
    return 10 * math.log10(4 / max(float((weights * squared).sum() / weights.sum().clamp(min=1e-6)), 1e-10))


def share_behind(photo: Tensor, mask: Tensor) -> float:
    """The share of the head of a photo [1, 3, H, W] in [-1, 1] that seems to lie outside a fitted head's mask [1, 1, h, w]:
    what is joined to it, looks like it there, and is unlike the photo's edges. An estimate: nothing is known but colours."""
    pixels = 0.5 * F.interpolate(photo, (MATTE, MATTE), mode="area")[0].permute(1, 2, 0).cpu().double().numpy()
    head = (F.interpolate(mask, (MATTE, MATTE), mode="area")[0, 0] > 0.5).cpu().numpy()
    if not head.any():
        return 1.0
    upper = pixels[: round(EDGES * MATTE)]
    edges = np.concatenate([part.reshape(-1, 3) for part in (pixels[:2], upper[:, :2], upper[:, -2:])])
    found = ~head & (KDTree(edges).query(pixels)[0] > UNLIKE)
    for y, x in np.argwhere(found):
        around = tuple(slice(max(at - REACH, 0), at + REACH + 1) for at in (y, x))
        apart = np.linalg.norm(pixels[around][head[around]] - pixels[y, x], axis=-1)
        found[y, x] = apart.min(initial=np.inf) < ALIKE
    found = ndimage.binary_opening(found | head) | head
    joined = ndimage.binary_propagation(head, mask=found)
    return float((joined & ~head).sum() / joined.sum())


def shown(model: PanoHead, latents: Latents, camera: Cameras) -> Tensor:
    """The picture [B, 3, H, W] of heads, without gradients."""
    with torch.no_grad():
        return _render(model, latents, camera).image


def _render(model: PanoHead, latents: Latents, camera: Cameras) -> Render:
    return model.render(model.decode(latents), camera.to(latents.w))


def invert_photo(
    photo: Bytes,
    model: PanoHead,
    face: Window | None = None,
    yaw: float = 0.0,
    pitch: float = 0.0,
    config: InvertConfig = InvertConfig(),
    on_step: OnStep | None = None,
) -> tuple[Bytes, Inversion]:
    """The part of a photo uint8 [H, W, 3] that was fitted, uint8 [h, w, 3] of the model's size, and the fit.

    `face` (None: found) is the square from the middle of the forehead to the chin; the rest as in `fit`.
    """
    aligned = crop(photo, head_square(face or find_faces(photo)[0], model.metres_per_unit), model.image_size)
    return aligned, fit(model, from_uint8(aligned[None]), yaw, pitch, config, on_step)


def fit_sheet(aligned: Bytes, inversion: Inversion) -> Bytes:
    """The photo, its fit, and the head from eight sides, in a row: uint8 [H, W, 3]."""
    rows = sheet_rows(inversion.model, inversion.latents, [math.radians(side) for side in SIDES])
    row = [aligned, to_uint8(inversion.image)[0], *next(rows)]
    return contact_sheet([row], column_labels=["photo", "fit", *(f"{side}°" for side in SIDES)])
