"""How PanoHead learns [pano §3]:

    L = L_EG3D + lambda_R1mask L_R1mask + lambda_cam L_cam                                        [pano supp. A.3]

L_EG3D: the non-saturating losses of generator G and discriminator D, R1 on image and raw image, and EG3D's smoothness of
density, which PanoHead leaves out. Beside the paper, an encoder E may find the heads of photos: training/encoder.py.
"""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Annotated, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fullhead.core.cameras import cameras_from_labels, orbit
from fullhead.core.devices import CPU
from fullhead.data.photos import PhotoBatch as Photos
from fullhead.data.photos import PhotoSet
from fullhead.io.config import Limited, Number, Share, Weight
from fullhead.io.images import to_uint8
from fullhead.models.head import Batch, Latents, RenderOptions
from fullhead.models.panohead import PanoHead, PanoHeadConfig
from fullhead.nn.discriminator import Discriminator, DiscriminatorConfig
from fullhead.nn.encoder import Encoder, EncoderConfig
from fullhead.nn.module import ConfiguredModule
from fullhead.nn.superres import resized
from fullhead.training import gan
from fullhead.training.distributed import local_shard, mean_over_processes
from fullhead.training.encoder import EncoderTaskConfig, feature_loss, l1_loss
from fullhead.training.gan import AdversarialConfig
from fullhead.training.loop import Clock, Phase, StepState, Terms
from fullhead.training.schedules import linear_ramp

PANOHEAD_GAN = AdversarialConfig(swap_end=0.7, density_weight=0.0)  # where it differs from EG3D [pano supp. A.3]
PREVIEW_HEADS, PREVIEW_VIEWS = 8, 8


@dataclass(frozen=True)
class PanoHeadTaskConfig(Limited):
    """Losses and schedules. `..._images` are counts of real images shown."""

    generator: PanoHeadConfig = field(default_factory=PanoHeadConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    gan: AdversarialConfig = field(default_factory=lambda: PANOHEAD_GAN)  # L_EG3D
    r1_gamma_mask: Weight = 1.0  # lambda_R1mask [pano supp. A.3]
    camera_weight: Weight = 10.0  # lambda_cam [pano supp. A.3]
    camera_mean_first: bool = False  # penalise the batch's mean correction, as the published weights were trained
    background_swap: Share = 0.2  # chance that the background takes another image's style
    density_noise_fade_images: Number = 200_000  # noise of deviation 1 on densities fades to 0; 0: never any
    neural_size_start: Annotated[int, (1, 512)] = 64  # pixels of the raw image at first; it grows to the model's own
    neural_size_fade_images: Number = 1_000_000
    noise: bool = True  # random noise and ray jitter; off to compare runs
    bf16: bool = False  # convolutions in bfloat16
    reuse_fakes: bool = False  # the discriminator learns from the heads that the generator just learnt from: one render less
    encoder: EncoderTaskConfig | None = None  # with one, the generator also learns from drawing photos; null: none


class Draw(NamedTuple):
    """Which heads to render, by which cameras. The mapping may see another camera, the background another head's style."""

    z: Tensor  # [B, z_dim]
    label: Tensor  # [B, 25]
    mapping_label: Tensor  # [B, 25]
    z_bcg: Tensor  # [B, z_dim]
    mapping_label_bcg: Tensor  # [B, 25]


@dataclass(frozen=True)
class Views(Batch):
    """What the discriminator judges, real or fake: `image` [B, 3, H, H] and `image_raw` [B, 3, R, R] about [-1, 1], `mask`
    [B, 1, R, R] in [0, 1], and `label` [B, 25], the camera that was asked for, not the corrected one."""

    image: Tensor
    image_raw: Tensor
    mask: Tensor
    label: Tensor


PhotoStep = StepState[Photos, Views]
"""A step on photos. The generator's phase may leave its fakes to the discriminator's."""


def camera_penalty(shift: Tensor, mean_first: bool = False) -> Tensor:
    """L_cam, the squared correction of cameras [pano supp. A.3]: shift [B, 3] -> scalar. The published code squares the
    batch's mean."""
    return (shift.mean(dim=0) if mean_first else shift).square().sum(dim=-1).mean()


class PanoHeadTask:
    """Generator and discriminator, their phases, and the averaged generator."""

    def __init__(self, config: PanoHeadTaskConfig, photos: PhotoSet, device: torch.device = CPU) -> None:
        self.config, self.photos, self.device = config, photos, device
        c, e, g = config, config.encoder, config.gan
        self.G = PanoHead(c.generator).to(device)
        self.D = Discriminator(c.discriminator).to(device)
        self.G_ema = deepcopy(self.G).eval().requires_grad_(False)
        self.modules: dict[str, ConfiguredModule] = {"G": self.G, "D": self.D, "G_ema": self.G_ema}
        self.results: dict[str, ConfiguredModule] = {"model": self.G_ema, "discriminator": self.D}
        self.options = RenderOptions(precision="bf16" if c.bf16 else "fp32")
        self.phases: list[Phase] = []
        learner, loss, begin = self.G, self.generator_loss, 0  # what the generator's phases move, by what, from when on
        if e:
            sizes = c.discriminator.channel_base, c.discriminator.channel_max
            self.E = Encoder(EncoderConfig(c.generator.z_dim, c.generator.image_size, *sizes)).to(device)
            self.modules["E"] = self.results["encoder"] = self.E
            learner, loss, begin = nn.ModuleList([self.G, self.E]), self.generator_loss_with_photos, e.alone_images
        if e and begin:
            adam_photo = torch.optim.Adam(learner.parameters(), lr=e.alone_lr, betas=(0.9, 0.99))
            self.phases += [Phase("photo", learner, adam_photo, 1, self.photo_loss, end=begin)]
        adam_G = gan.lazy_adam(learner.parameters(), g.generator_lr, g.density_every if g.density_weight else 0)
        adam_D = gan.lazy_adam(self.D.parameters(), g.discriminator_lr, g.r1_every)
        self.phases += [Phase("G", learner, adam_G, 1, loss, begin)]
        if g.density_weight:
            self.phases += [Phase("G_density", learner, adam_G, g.density_every, self.density_loss, begin)]
        self.phases += [Phase("D", self.D, adam_D, 1, self.discriminator_loss, begin)]
        self.phases += [Phase("D_r1", self.D, adam_D, g.r1_every, self.r1_loss, begin)]

    # -- what the loop asks for

    def __len__(self) -> int:
        return len(self.photos)

    def batch(self, positions: Tensor) -> Photos:
        return Photos(**{name: value.to(self.device) for name, value in vars(self.photos.batch(positions)).items()})

    def after_step(self, clock: Clock) -> None:
        gan.update_ema(self.G_ema, self.G, self.config.gan.ema_beta(clock.images_seen, clock.batch))

    # -- fakes

    def draw(self, step: PhotoStep, first: tuple[Tensor, Tensor] | None = None) -> Draw:
        """Random heads and cameras. `first`, z [n, z_dim] and labels [n, 25], takes the place of the first n, before their own
        background.

        Drawn for the whole batch of all processes, of which each takes its part: so the number of processes does not matter.
        """
        c, n, rng = self.config, step.clock.batch, step.random.common
        z = torch.randn(n, c.generator.z_dim, generator=rng)
        label = self.photos.random_labels(n, rng)
        (mapping_label,) = gan.swapped(c.gan.swap_chance(step.clock.images_seen), rng, label)
        of_background = gan.swapped(c.background_swap, rng, z, mapping_label)
        draw = Draw(*(local_shard(x).to(self.device) for x in (z, label, mapping_label, *of_background)))
        if first is not None:
            n = len(first[0])
            draw.z[:n], draw.label[:n] = first
            draw.z_bcg[:n], draw.mapping_label_bcg[:n] = draw.z[:n], draw.mapping_label[:n]
        return draw

    def fakes(self, step: PhotoStep, draw: Draw, *, update_w_avg: bool = False) -> tuple[Views, Tensor]:
        """Rendered heads, and the corrections [B, 3] of their cameras [pano §3.4]."""
        noise = step.random.own if self.config.noise else None
        w = self.G.style(draw.z, cameras_from_labels(draw.mapping_label))
        if update_w_avg:
            self.G.backbone.mapping.update_w_avg(mean_over_processes(w.mean(dim=0)))
        w_bcg = self.G.style(draw.z_bcg, cameras_from_labels(draw.mapping_label_bcg))
        cameras, shift = cameras_from_labels(draw.label), draw.z.new_zeros(len(draw.z), 3)
        if self.config.generator.camera_adaptation:
            cameras, shift = self.G.adapted(draw.z, cameras)
            if update_w_avg:
                self.G.t_mapping.update_w_avg(mean_over_processes(shift.mean(dim=0)))
        head = self.G.decode(Latents(self.each_layer(w), self.each_layer(w_bcg)), None, self.options, generator=noise)
        size, seen = self.neural_size(step.clock), step.clock.images_seen
        fade = linear_ramp(1.0, 0.0, seen, self.config.density_noise_fade_images)
        render = self.G.render(head, cameras, self.options, neural_size=size, generator=noise, density_noise=fade)
        return Views(render.image, render.image_raw, render.mask, draw.label), shift

    def each_layer(self, w: Tensor) -> Tensor:
        """One style [B, w_dim] for all layers [B, L, w_dim]."""
        return w[:, None].expand(-1, self.G.num_ws, -1)

    # -- what the discriminator sees [pano §3.2]

    def neural_size(self, clock: Clock) -> int:
        c = self.config
        return round(linear_ramp(c.neural_size_start, c.generator.neural_size, clock.images_seen, c.neural_size_fade_images))

    def real(self, step: PhotoStep) -> Views:
        """Photos; their raw images are blurred at first."""
        photos, size = step.batch, self.neural_size(step.clock)
        raw = self.blurred(resized(photos.image, size), step.clock)
        return Views(photos.image, raw, resized(photos.mask, size), photos.label)

    def blurred(self, image: Tensor, clock: Clock) -> Tensor:
        return gan.blurred(image, self.config.gan.blur_sigma(clock.images_seen))

    def features(self, step: PhotoStep, views: Views) -> list[Tensor]:
        """What each block of the discriminator makes of views, whose final images are blurred at first."""
        image, mask = self.blurred(views.image, step.clock), views.mask if self.config.discriminator.mask else None
        return self.D.features(image, views.image_raw, mask, precision=self.options.dtype)

    def logits(self, step: PhotoStep, views: Views) -> Tensor:
        return self.D.logits(self.features(step, views)[-1], views.label)

    # -- losses: named terms, summed by the loop

    def generator_loss(self, step: PhotoStep) -> Terms:
        """G: the discriminator should take fakes for real, and cameras should not wander."""
        fake, shift = self.fakes(step, self.draw(step), update_w_avg=self.config.reuse_fakes)
        return self.adversarial_term(step, fake, self.features(step, fake)) | self.camera_term(shift)

    def adversarial_term(self, step: PhotoStep, fake: Views, features: list[Tensor]) -> Terms:
        """That of L_EG3D. The fakes may be left to the discriminator's phase."""
        if self.config.reuse_fakes:
            step.carry = fake.each(Tensor.detach)
        return {"G/adversarial": gan.generator_loss(self.D.logits(features[-1], fake.label))}

    def camera_term(self, shift: Tensor) -> Terms:
        """lambda_cam L_cam [pano supp. A.3]."""
        c = self.config
        if not (c.generator.camera_adaptation and c.camera_weight):
            return {}
        return {"G/camera": c.camera_weight * camera_penalty(shift, c.camera_mean_first)}

    def density_loss(self, step: PhotoStep) -> Terms:
        """G: nearby points should have near densities [eg3d supp.], weighted for its rarity."""
        c, draw = self.config.gan, self.draw(step)
        w = self.G.style(draw.z, cameras_from_labels(draw.mapping_label))
        head = self.G.decode(Latents(self.each_layer(w)), None, replace(self.options, background=False))
        pairs = gan.point_pairs(step.clock.batch, self.G.box_size, c.density_distance, draw.z, step.random.common)
        raw, _ = self.G.point_values(head, pairs)
        return {"G/density": c.density_weight * c.density_every * gan.pair_difference(raw)}

    def discriminator_loss(self, step: PhotoStep) -> Terms:
        """D: fakes, those that the generator's phase left or new ones, should be told from photos."""
        fake = step.carry
        if fake is None:
            with torch.no_grad():
                fake, _ = self.fakes(step, self.draw(step), update_w_avg=True)
        return gan.discriminator_losses(self.logits(step, fake), self.logits(step, self.real(step)))

    def r1_loss(self, step: PhotoStep) -> Terms:
        """D: R1 at what it sees of photos, on the mask with lambda_R1mask [pano supp. A.3], weighted for its rarity."""
        c, real = self.config, self.real(step)
        inputs = {"image": self.blurred(real.image, step.clock), "image_raw": real.image_raw}
        if c.discriminator.mask:
            inputs["mask"] = real.mask
        inputs = {name: x.detach().requires_grad_() for name, x in inputs.items()}
        logits = self.D(**inputs, label=real.label, precision=self.options.dtype)
        image, raw, *mask = gan.r1_penalties(logits, list(inputs.values()))
        terms = {"D/r1_image": c.gan.r1_gamma / 2 * c.gan.r1_every * (image + raw)}
        if mask:
            terms["D/r1_mask"] = c.r1_gamma_mask / 2 * c.gan.r1_every * mask[0]
        return terms

    # -- beside the paper: drawing photos [vae-gan]

    def drawn_photos(self, step: PhotoStep, n: int, *, update_w_avg: bool) -> tuple[Views, Tensor, Terms]:
        """Fakes, the first n of them drawn after photos of the batch; the corrections [B, 3] of their cameras; and the losses
        of reconstruction and of z."""
        c, photos, size = self.config.encoder, step.batch, self.neural_size(step.clock)
        assert c is not None
        noise = step.random.own if self.config.noise else None
        z, kl = self.E.sample(photos.image[:n], photos.mask[:n], noise, self.options.dtype)
        fake, shift = self.fakes(step, self.draw(step, (z, photos.label[:n])), update_w_avg=update_w_avg)
        true = photos.image, resized(photos.image, size), resized(photos.mask, size)
        off = l1_loss([x[:n] for x in (fake.image, fake.image_raw, fake.mask)], [x[:n] for x in true])
        return fake, shift, {"G/kl": c.weight * c.kl * kl, "G/photo": c.weight * off}

    def photo_loss(self, step: PhotoStep) -> Terms:
        """G and E, before there is a discriminator: all heads are drawn after photos."""
        _, shift, terms = self.drawn_photos(step, len(step.batch.image), update_w_avg=True)
        return terms | self.camera_term(shift)

    def generator_loss_with_photos(self, step: PhotoStep) -> Terms:
        """G and E: `generator_loss`, but a part of the heads is drawn after photos [vae-gan §3]."""
        c = self.config.encoder
        assert c is not None
        n = round(len(step.batch.image) * c.share)
        if not n:
            return self.generator_loss(step)
        fake, shift, terms = self.drawn_photos(step, n, update_w_avg=self.config.reuse_fakes)
        terms |= self.camera_term(shift)
        features = self.features(step, fake)
        if c.features:
            with torch.no_grad():
                true = self.features(step, self.real(step)[:n])
            terms["G/features"] = c.features * feature_loss([x[:n] for x in features], true)
        return terms | self.adversarial_term(step, fake, features)

    @torch.no_grad()
    def preview(self) -> np.ndarray:
        """Fixed heads by the averaged generator, a row each, turned once around."""
        yaws = torch.arange(PREVIEW_VIEWS) * (2 * math.pi / PREVIEW_VIEWS)
        rows = []
        for seed in range(PREVIEW_HEADS):
            head = self.G_ema.decode(self.G_ema.seed_latents([seed], truncation=0.8)).expand(PREVIEW_VIEWS)
            rows.append(torch.cat(list(self.G_ema.render(head, orbit(yaws)).image), dim=2))
        return to_uint8(torch.cat(rows, dim=1)[None])[0]
