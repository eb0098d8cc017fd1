"""How PanoHead learns: the losses of its two players and what fades in and out [pano §3] [pano supp. A.3]."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fullhead.core.cameras import Cameras, cameras_from_labels, orbit
from fullhead.core.devices import CPU, normal, uniform
from fullhead.data.photos import Batch, PhotoSet
from fullhead.models.head import Latents, Render, RenderOptions
from fullhead.models.panohead import PanoHead, PanoHeadConfig
from fullhead.nn.discriminator import Discriminator, DiscriminatorConfig
from fullhead.nn.encoder import Encoder, EncoderConfig
from fullhead.nn.module import ConfiguredModule
from fullhead.nn.superres import resized
from fullhead.training.loop import Clock, Phase, Terms, mean_over_processes

PREVIEW_HEADS, PREVIEW_VIEWS = 8, 8

Fakes = tuple[Tensor, Tensor, Tensor, Tensor]
"""Images, raw images, masks and labels of rendered heads."""


@dataclass(frozen=True)
class PanoHeadTaskConfig:
    """Losses and schedules. `..._images` are counts of real images shown."""

    generator: PanoHeadConfig = field(default_factory=PanoHeadConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    generator_lr: float = 0.0025
    discriminator_lr: float = 0.002
    r1_gamma: float = 1.0  # weight of R1 on the image and the raw image [stylegan2]
    r1_gamma_mask: float = 1.0  # and on the mask [pano supp. A.3]
    r1_every: int = 16  # steps
    camera_weight: float = 10.0  # of the camera self-adaptation [pano supp. A.3]
    camera_mean_first: bool = False  # penalise the batch's mean correction, as the published weights were trained
    density_weight: float = 0.0  # of the smoothness of density at random points (EG3D: 0.25, PanoHead: none)
    density_every: int = 4  # steps
    density_distance: float = 0.004  # deviation between the two points compared, in box sides
    swap_end: float = 0.7  # chance that the mapping sees another image's camera, after the fade [pano supp. A.3]
    swap_fade_images: int = 1_000_000  # it starts at 1
    background_swap: float = 0.2  # chance that the background takes another image's style
    blur_start: float = 10.0  # deviation of the blur on both players' images at first, in pixels of the final image
    blur_fade_images: int = 200_000
    density_noise_fade_images: int = 200_000  # noise of deviation 1 on densities fades to 0; 0: never any
    neural_size_start: int = 64  # pixels of the raw image at first; it grows to the model's own
    neural_size_fade_images: int = 1_000_000
    ema_images: int = 10_000  # half-life of the averaged weights
    ema_rampup: float = 0.05  # but at most this part of the images seen
    noise: bool = True  # random noise and ray jitter; off to compare runs
    bf16: bool = False  # convolutions in bfloat16
    encoder: bool = False  # an encoder finds the z of photos, and the generator learns from drawing them too [vae-gan]
    photo_images: int = 0  # until then it is all that the generator learns from, and the discriminator waits
    photo_lr: float = 0.003  # until then
    photo_share: float = 0.5  # afterwards, the part of the heads that are drawn after photos
    photo_weight: float = 10.0  # of the difference between photos and drawings
    photo_features: float = 0.0  # of the difference between what the discriminator sees in them
    divergence: float = 2e-4  # of the encoder's z from random ones, beside that difference
    reuse_fakes: bool = False  # the discriminator learns from the heads that the generator just learnt from: one render less


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


def camera_penalty(shift: Tensor, mean_first: bool = False) -> Tensor:
    """Squared camera correction [pano supp. A.3]: shift [B, 3] -> scalar. The published code squares the batch's mean."""
    return (shift.mean(dim=0) if mean_first else shift).square().sum(dim=-1).mean()


def unlike(drawn: list[Tensor], true: list[Tensor]) -> Tensor:
    """How far features of images lie apart, relative to each image's true ones, mean over images and blocks [vae-gan §3]."""
    off = [
        (a - b).abs().flatten(1).mean(1) / b.abs().flatten(1).mean(1).clamp(min=1e-8) for a, b in zip(drawn, true, strict=True)
    ]
    return torch.stack(off).mean()


def faded(images_seen: int, over: int) -> float:
    """1 at the start, 0 after `over` images (and always when `over` is 0)."""
    return max(1 - images_seen / over, 0.0) if over else 0.0


class PanoHeadTask:
    """Two players, their phases and their averaged copy."""

    def __init__(self, config: PanoHeadTaskConfig, photos: PhotoSet, device: torch.device = CPU) -> None:
        self.config, self.photos, self.device = config, photos, device
        self.G = PanoHead(config.generator).to(device)
        self.D = Discriminator(config.discriminator).to(device)
        self.G_ema = deepcopy(self.G).eval().requires_grad_(False)
        c = config
        self.E: Encoder | None = None
        self.options = RenderOptions(precision="bf16" if config.bf16 else "fp32")
        self.learner: nn.Module = self.G  # what the generator's phase moves
        if c.encoder:
            sizes = c.discriminator.channel_base, c.discriminator.channel_max
            self.E = Encoder(EncoderConfig(c.generator.z_dim, c.generator.image_size, *sizes)).to(device)
            self.learner = nn.ModuleList([self.G, self.E])
        if config.bf16:
            for network in (self.D, self.E):
                if network:
                    network.precision = torch.bfloat16
        # A rare phase is one step more: shorter steps and memory keep the pace as if it came every time [stylegan2 §B].
        lazy = c.density_every / (c.density_every + 1) if c.density_weight else 1.0
        self.adam_G = torch.optim.Adam(self.learner.parameters(), lr=c.generator_lr * lazy, betas=(0.0, 0.99**lazy))
        self.adam_photo = torch.optim.Adam(self.learner.parameters(), lr=c.photo_lr, betas=(0.9, 0.99))
        lazy = c.r1_every / (c.r1_every + 1)
        self.adam_D = torch.optim.Adam(self.D.parameters(), lr=c.discriminator_lr * lazy, betas=(0.0, 0.99**lazy))
        self._last: Fakes | None = None  # of the generator's phase, to be reused

    # -- what the loop asks for

    @property
    def modules(self) -> Mapping[str, ConfiguredModule]:
        encoder = {"E": self.E} if self.E else {}
        return {"G": self.G, "D": self.D, "G_ema": self.G_ema, **encoder}

    @property
    def phases(self) -> list[Phase]:
        c, alone = self.config, self.config.photo_images if self.E else 0
        phases = [
            Phase("photo", self.learner, self.adam_photo, 1, self.photo_loss, end=alone),
            Phase("G", self.learner, self.adam_G, 1, self.generator_loss, begin=alone),
            Phase("G_density", self.G, self.adam_G, c.density_every, self.density_loss, begin=alone),
            Phase("D", self.D, self.adam_D, 1, self.discriminator_loss, begin=alone),
            Phase("D_r1", self.D, self.adam_D, c.r1_every, self.r1_loss, begin=alone),
        ]
        unused = {"photo": not alone, "G_density": not c.density_weight}
        return [phase for phase in phases if not unused.get(phase.name)]

    @property
    def results(self) -> Mapping[str, ConfiguredModule]:
        encoder = {"encoder": self.E} if self.E else {}
        return {"model": self.G_ema, "discriminator": self.D, **encoder}

    def __len__(self) -> int:
        return len(self.photos)

    def batch(self, positions: Tensor) -> Batch:
        return Batch(**{name: value.to(self.device) for name, value in vars(self.photos.batch(positions)).items()})

    @torch.no_grad()
    def average(self, clock: Clock) -> None:
        """Move the averaged generator towards the generator; buffers are copied."""
        half_life = max(min(self.config.ema_images, self.config.ema_rampup * clock.images_seen), 1e-8)
        beta = 0.5 ** (clock.batch / half_life)
        for mean, now in zip(self.G_ema.parameters(), self.G.parameters(), strict=True):
            mean.lerp_(now, 1 - beta)
        for mean, now in zip(self.G_ema.buffers(), self.G.buffers(), strict=True):
            mean.copy_(now)

    # -- schedules

    def neural_size(self, clock: Clock) -> int:
        start, end = self.config.neural_size_start, self.config.generator.neural_size
        left = faded(clock.images_seen, self.config.neural_size_fade_images)
        return round(start * left + end * (1 - left))

    def blur_sigma(self, clock: Clock) -> float:
        return self.config.blur_start * faded(clock.images_seen, self.config.blur_fade_images)

    def swap_chance(self, clock: Clock) -> float:
        left = faded(clock.images_seen, self.config.swap_fade_images)
        return left + (1 - left) * self.config.swap_end

    # -- the players

    def draw(self, clock: Clock) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """z [B, z_dim], labels [B, 25] to render, labels for the mapping; z and mapping labels of what stands behind the heads,
        now and then that of another head.

        Drawn for the whole batch of all processes, of which each takes its part: so the number of processes does not matter.
        """
        n, rng = clock.batch, clock.generator
        z = torch.randn(n, self.config.generator.z_dim, generator=rng)
        label = self.photos.random_labels(n, rng)
        swap = torch.rand(n, 1, generator=rng) < self.swap_chance(clock)
        seen = torch.where(swap, label.roll(1, dims=0), label)
        other = torch.rand(n, 1, generator=rng) < self.config.background_swap
        z_behind, seen_behind = (torch.where(other, x.roll(1, dims=0), x) for x in (z, seen))
        z, label, seen, z_behind, seen_behind = (clock.mine(x).to(self.device) for x in (z, label, seen, z_behind, seen_behind))
        return z, label, seen, z_behind, seen_behind

    def fake(
        self, clock: Clock, track: bool = False, photos: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Render, Tensor, Tensor]:
        """Rendered heads, the labels that they were asked for, and their camera corrections [B, 3]. `photos`: z and labels of
        photos that the first heads are drawn after; the mapping sees another camera than theirs."""
        z, label, seen, z_behind, seen_behind = self.draw(clock)
        if photos is not None:
            n = len(photos[0])
            z[:n], label[:n] = photos
            z_behind[:n], seen_behind[:n] = z[:n], seen[:n]
        noise = clock.rank_generator if self.config.noise else None
        w = self.G.style(z, cameras_from_labels(seen))
        if track:
            self.G.backbone.mapping.track_average(mean_over_processes(w.mean(dim=0)))
        behind = self.G.style(z_behind, cameras_from_labels(seen_behind))
        ws, ws_behind = (x[:, None].expand(-1, self.G.num_ws, -1) for x in (w, behind))
        cameras: Cameras = cameras_from_labels(label)
        shift = z.new_zeros(len(z), 3)
        if self.config.generator.camera_adaptation:
            cameras, shift = self.G.adapted(z, cameras)
            if track:
                self.G.t_mapping.track_average(mean_over_processes(shift.mean(dim=0)))
        render = self.G.render(
            self.G.decode(Latents(ws, ws_behind), None, self.options, generator=noise),
            cameras,
            self.options,
            neural_size=self.neural_size(clock),
            generator=noise,
            density_noise=faded(clock.images_seen, self.config.density_noise_fade_images),
        )
        return render, label, shift

    def seen(self, clock: Clock, image: Tensor, raw: Tensor, mask: Tensor) -> list[Tensor]:
        """What each block of the discriminator sees."""
        mask_or_none = mask if self.config.discriminator.mask else None
        return self.D.features(blurred(image, self.blur_sigma(clock)), raw, mask_or_none)

    def judge(self, clock: Clock, image: Tensor, raw: Tensor, mask: Tensor, label: Tensor) -> Tensor:
        return self.D.verdict(self.seen(clock, image, raw, mask)[-1], label)

    def real(self, clock: Clock, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The real image, its raw version (blurred like the image) and its mask at the neural size."""
        size = self.neural_size(clock)
        return batch.image, blurred(resized(batch.image, size), self.blur_sigma(clock)), resized(batch.mask, size)

    # -- losses: named terms, summed by the loop

    def like_photos(self, batch: Batch, n: int, clock: Clock, track: bool) -> tuple[Render, Tensor, Terms]:
        """Rendered heads, the first n of them drawn after photos of the batch; the labels that they were asked for; and the
        terms for which no discriminator is needed: drawings should be like their photos, the z of photos like those of random
        heads, and cameras should not wander."""
        c, photos, terms = self.config, None, {}
        if self.E and n:
            z, apart = self.E.sample(batch.image[:n], batch.mask[:n], clock.rank_generator if c.noise else None)
            photos = z, batch.label[:n]
            terms["G/divergence"] = c.photo_weight * c.divergence * apart
        render, label, shift = self.fake(clock, track, photos)
        if photos is not None:
            size = self.neural_size(clock)
            pairs = [
                (render.image, batch.image),
                (render.image_raw, resized(batch.image, size)),
                (render.mask, resized(batch.mask, size)),
            ]
            off = [(drawn[:n] - photo[:n]).abs().mean() for drawn, photo in pairs]
            terms["G/photo"] = c.photo_weight * torch.stack(off).sum()
        if c.generator.camera_adaptation and c.camera_weight:
            terms["G/camera"] = c.camera_weight * camera_penalty(shift, c.camera_mean_first)
        return render, label, terms

    def photo_loss(self, batch: Batch, clock: Clock) -> Terms:
        """All heads drawn after photos."""
        return self.like_photos(batch, len(batch.image), clock, track=True)[2]

    def generator_loss(self, batch: Batch, clock: Clock) -> Terms:
        """Non-saturating: the discriminator should call fakes real. Some may be drawn after photos [vae-gan §3]."""
        n = round(len(batch.image) * self.config.photo_share)
        render, label, terms = self.like_photos(batch, n, clock, track=self.config.reuse_fakes)
        if self.config.reuse_fakes:
            self._last = (render.image.detach(), render.image_raw.detach(), render.mask.detach(), label)
        seen = self.seen(clock, render.image, render.image_raw, render.mask)
        if self.E and n and self.config.photo_features:
            with torch.no_grad():
                true = self.seen(clock, *(x[:n] for x in self.real(clock, batch)))
            terms["G/features"] = self.config.photo_features * unlike([x[:n] for x in seen], true)
        return {"G/adversarial": F.softplus(-self.D.verdict(seen[-1], label)).mean(), **terms}

    def discriminator_loss(self, batch: Batch, clock: Clock) -> Terms:
        fakes, self._last = self._last, None
        if fakes is None:
            with torch.no_grad():
                render, label, _ = self.fake(clock, track=True)
            fakes = (render.image, render.image_raw, render.mask, label)
        fake = self.judge(clock, *fakes)
        real = self.judge(clock, *self.real(clock, batch), batch.label)
        return {"D/fake": F.softplus(fake).mean(), "D/real": F.softplus(-real).mean()}

    def r1_loss(self, batch: Batch, clock: Clock) -> Terms:
        """Squared gradient of the discriminator at real images and masks [pano supp. A.3], weighted for its rarity."""
        c = self.config
        image, raw, mask = self.real(clock, batch)
        image = blurred(image, self.blur_sigma(clock))  # the gradient is taken at what the discriminator sees
        image, raw, mask = (x.detach().requires_grad_() for x in (image, raw, mask))
        logits = self.D(image, raw, batch.label, mask if c.discriminator.mask else None)
        inputs = [image, raw, mask] if c.discriminator.mask else [image, raw]
        grads = torch.autograd.grad(logits.sum(), inputs, create_graph=True)
        squared = [g.square().sum(dim=(1, 2, 3)).mean() for g in grads]
        terms = {"D/r1_image": c.r1_gamma / 2 * c.r1_every * (squared[0] + squared[1])}
        if c.discriminator.mask:
            terms["D/r1_mask"] = c.r1_gamma_mask / 2 * c.r1_every * squared[2]
        return terms

    def density_loss(self, batch: Batch, clock: Clock) -> Terms:
        """Nearby points should have near densities [eg3d supp.]."""
        c = self.config
        z, _, seen, _, _ = self.draw(clock)
        w = self.G.style(z, cameras_from_labels(seen))
        head = self.G.decode(Latents(w[:, None].expand(-1, self.G.num_ws, -1)), None, self.options)
        shape = (clock.batch, 1000, 3)
        xyz = (clock.mine(uniform(shape, z, clock.generator)) - 0.5) * self.G.box_size
        near = xyz + clock.mine(normal(shape, z, clock.generator)) * c.density_distance
        raw, _ = self.G.point_values(head, torch.cat([xyz, near], dim=1))
        a, b = raw.chunk(2, dim=1)
        return {"G/density": c.density_weight * c.density_every * (a - b).abs().mean()}

    @torch.no_grad()
    def preview(self) -> np.ndarray:
        """Fixed heads by the averaged generator, a row each, turned once around."""
        yaws = torch.arange(PREVIEW_VIEWS) * (2 * math.pi / PREVIEW_VIEWS)
        rows = []
        for seed in range(PREVIEW_HEADS):
            head = self.G_ema.decode(self.G_ema.seed_latents([seed], truncation=0.8)).expand(PREVIEW_VIEWS)
            rows.append(torch.cat(list(self.G_ema.render(head, orbit(yaws)).image), dim=2))
        sheet = torch.cat(rows, dim=1)
        return ((sheet + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
