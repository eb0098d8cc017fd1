"""PanoHead: a 3D-aware GAN of full heads [panohead]. Also EG3D and SphereHead, which differ in parts chosen in the config.

    z, camera --mapping--> w --backbone--> planes --march--> feature image + mask --raw colours, super-resolution--> image
                            \\--background generator--> what shows where the mask is 0

Module names are those of the published checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn

from fullhead.core.cameras import Cameras, labels_from_cameras, orbit
from fullhead.core.compositing import density_activation
from fullhead.core.devices import normal
from fullhead.core.errors import FullheadError
from fullhead.core.grids import inside_crop
from fullhead.core.random import seed_noise
from fullhead.io.config import Depth, Limited, Positive, Width
from fullhead.models.head import Head, HeadPose, Latents, Render, RenderOptions
from fullhead.models.hub import HubModel
from fullhead.nn.layers import ToRGB
from fullhead.nn.stylegan2 import Backbone, Mapping, Synthesis
from fullhead.nn.superres import Superres, SuperresConfig, resized
from fullhead.representations.planes import Decoder, DecoderConfig, PlanesConfig
from fullhead.representations.planes import field as build_field
from fullhead.representations.volume import MarchConfig, render_features

LABEL = 25  # numbers in a camera label: c2w and K
FIRST_SHIFT = 0.01  # scale of the camera corrections of an untrained model: training starts near the given cameras
TEMPLATE_SCALE = 10.0  # of the shared planes: they learn so much faster than other weights, which act through many
LEAST_OPACITY = 0.05  # rays stopped less than this fade out when a head is rendered alone
MASK_MARGIN = 0.001  # the opacity is widened by this on both sides, as the published discriminators saw it


@dataclass(frozen=True)
class PanoHeadConfig(Limited):
    """Sizes and parts of a PanoHead generator. The defaults are the published full-size model's."""

    z_dim: Width = 512
    w_dim: Width = 512
    mapping_layers: Depth = 2
    image_size: Annotated[int, (4, 1 << 14)] = 512  # pixels of the final image
    neural_size: Annotated[int, (1, 512)] = 64  # pixels of the volume-rendered image
    channel_base: Annotated[int, (1, 1 << 20)] = 32768  # backbone channels at size r: min(channel_base / r, channel_max)
    channel_max: Width = 512
    planes: PlanesConfig = field(default_factory=PlanesConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    march: MarchConfig = field(default_factory=MarchConfig)
    superres: SuperresConfig = field(default_factory=SuperresConfig)
    background: bool = True  # a 2D generator paints what the head does not cover [pano §3.2]
    raw_colours: bool = True  # a layer makes the raw colours; without it they are the first three features (EG3D)
    camera_adaptation: bool = True  # a network corrects the camera's position [pano §3.4]
    conditioned: bool = True  # the mapping sees the camera; without it, zeros
    template: bool = False  # planes of their own that all heads share, to which the backbone adds what each has of its own
    metres_per_unit: Positive = 0.55  # a head of 0.23 m spans about 0.42 units in the frame of the published models
    parsing_classes: Annotated[int, (0, 1024)] = 0  # class probabilities rendered beside the image (SphereHead: 20)


class PanoHead(HubModel):
    """The generator. Deterministic unless a generator (of random numbers) is passed."""

    model_type, config_class = "panohead", PanoHeadConfig
    config: PanoHeadConfig

    def __init__(self, config: PanoHeadConfig) -> None:
        super().__init__(config)
        self.field = build_field(config.planes)
        channels, w_dim, most = config.planes.channels, config.w_dim, config.channel_max
        synthesis = Synthesis(w_dim, config.planes.size, self.field.image_channels, config.channel_base, most)
        self.backbone = Backbone(Mapping(config.z_dim, LABEL, w_dim, layers=config.mapping_layers), synthesis)
        if config.template:
            self.template = nn.Parameter(torch.zeros(self.field.image_channels, config.planes.size, config.planes.size))
        self.superresolution = Superres(config.superres, channels, w_dim)
        self.decoder = Decoder(config.decoder, channels)
        if config.raw_colours:
            self.torgb = ToRGB(channels, 3, w_dim)
        if config.parsing_classes:
            self.toparsing = ToRGB(channels, config.parsing_classes, w_dim)
        if config.background:
            self.bcg_synthesis = Synthesis(w_dim, config.superres.input_size, channels, config.channel_base // 2, most)
        if config.camera_adaptation:
            self.t_mapping = Mapping(config.z_dim, LABEL, 3, lr_multiplier=1.0, last_leaky=False, last_scale=FIRST_SHIFT)
        self.box_size, self.metres_per_unit = config.march.box_size, config.metres_per_unit
        self.image_size, self.num_ws = config.image_size, synthesis.num_ws

    # -- latents

    def style(self, z: Tensor, cameras: Cameras | None = None) -> Tensor:
        """w [B, w_dim] of z [B, z_dim], conditioned on one camera per head; None is the frontal one."""
        label = labels_from_cameras(orbit(0.0) if cameras is None else cameras).to(z).expand(len(z), -1)
        return self.backbone.mapping(z, label if self.config.conditioned else torch.zeros_like(label))

    def latents(self, z: Tensor, truncation: float = 1.0, cutoff: int | None = None, cameras: Cameras | None = None) -> Latents:
        """Styles of z [B, z_dim] for every layer, the first `cutoff` of them (None: all) truncated towards the mean."""
        w = self.style(z, cameras)
        cutoff = self.num_ws if cutoff is None else cutoff
        truncated = self.backbone.mapping.truncated(w, truncation)
        layers = [truncated if i < cutoff else w for i in range(self.num_ws)]
        return Latents(torch.stack(layers, dim=1))

    def sample_latents(self, n: int, generator: torch.Generator | None = None) -> Latents:
        """n random heads, untruncated."""
        return self.latents(normal((n, self.config.z_dim), self.backbone.mapping.w_avg, generator))

    def seed_latents(self, seeds: list[int], truncation: float = 0.7) -> Latents:
        """The heads of seeds from 0 to 2^32 - 1, see `seed_noise`."""
        z = seed_noise(seeds, self.config.z_dim)
        return self.latents(torch.from_numpy(z).to(self.backbone.mapping.w_avg), truncation)

    def with_background(self, latents: Latents, seed: int, truncation: float = 0.7) -> Latents:
        """The same heads before the background of a seed."""
        return replace(latents, background=self.seed_latents([seed], truncation).w.to(latents.w).expand_as(latents.w))

    # -- heads

    def decode(
        self,
        latents: Latents,
        pose: HeadPose | None = None,
        options: RenderOptions = RenderOptions(),
        *,
        generator: torch.Generator | None = None,
    ) -> Head:
        """Planes of the heads and features of what stands behind them, if the options want it: the expensive part."""
        if pose is not None:
            raise FullheadError("the heads of a PanoHead do not move: leave the pose out")
        ws = latents.w
        image = self.backbone.synthesis(ws, generator=generator, dtype=options.dtype)
        if self.config.template:
            image = image + TEMPLATE_SCALE * self.template
        features = None
        if options.background and self.config.background:
            needed = self.bcg_synthesis.num_ws
            behind = ws if latents.background is None else latents.background
            if behind.shape[1] < needed:
                behind = torch.cat([behind, behind[:, -1:].expand(-1, needed - behind.shape[1], -1)], dim=1)
            features = self.bcg_synthesis(behind[:, :needed], generator=generator, dtype=options.dtype)
        return Head(self.field.planes(image), features, ws[:, -1])

    def point_values(self, head: Head, xyz: Tensor) -> tuple[Tensor, Tensor]:
        """Raw density [B, N] and colour features [B, N, C] of points xyz [B, N, 3] in world units."""
        return self.decoder(self.field.features(head.planes, xyz, self.box_size))

    def render(
        self,
        head: Head,
        cameras: Cameras,
        options: RenderOptions = RenderOptions(),
        *,
        neural_size: int | None = None,
        generator: torch.Generator | None = None,
        density_noise: float = 0.0,
    ) -> Render:
        """Images of heads, one camera each, on the heads' device. Without background features or the option, a head is
        rendered alone (use its mask). A `size` other than the model's own only resizes its picture."""
        options.refuse("a PanoHead", shading="colour")
        config, cameras, size = self.config, cameras.to(head.w_last), neural_size or self.config.neural_size
        values = partial(self.point_values, head)
        features, opacity, depth = render_features(values, config.march, cameras, size, generator, density_noise)
        if config.decoder.activation == "sigmoid":
            features = 2 * features - 1
        if head.background is not None and options.background:
            behind = resized(head.background, features.shape[-1], antialias=config.superres.antialias)
            features = features + (1 - opacity) * behind  # [pano Eq.3]
        elif config.background:  # alone: the head's own features, not darkened by what shows through
            features = features / opacity.clamp(min=LEAST_OPACITY)
        raw = self.torgb(features, head.w_last) if config.raw_colours else features[:, :3]
        parsing = self.toparsing(features, head.w_last).softmax(dim=1) if config.parsing_classes else None
        image = self.superresolution(raw, features, head.w_last, options.dtype)
        image = resized(image, options.size) if options.size else image
        return Render(image, raw, opacity * (1 + 2 * MASK_MARGIN) - MASK_MARGIN, depth, parsing)

    def density(self, head: Head, xyz: Tensor) -> Tensor:
        """sigma [B, N, 1] of points xyz [B, N, 3]; 0 in the cropped space, as in renders, and outside the box."""
        sigma = density_activation(self.point_values(head, xyz)[0])
        seen = (xyz.abs() <= self.box_size / 2).all(dim=-1)
        if self.config.march.crop is not None:
            seen &= inside_crop(xyz, self.box_size, self.config.march.crop)
        return (sigma * seen)[..., None]

    def colour(self, head: Head, xyz: Tensor) -> Tensor:
        """RGB [B, N, 3] in [-1, 1] of points xyz [B, N, 3], before super-resolution."""
        features = self.point_values(head, xyz)[1]
        if self.config.decoder.activation == "sigmoid":
            features = 2 * features - 1
        if self.config.raw_colours:
            return self.torgb(features.transpose(1, 2)[..., None], head.w_last)[..., 0].transpose(1, 2).clamp(-1, 1)
        return features[..., :3].clamp(-1, 1)

    # -- cameras

    def camera_shift(self, z: Tensor, cameras: Cameras, truncation: float = 1.0) -> Tensor:
        """Self-adapted correction of each camera's position in world space, [B, 3] [pano §3.4]."""
        return self.t_mapping.truncated(self.t_mapping(z, labels_from_cameras(cameras).to(z)), truncation)

    def adapted(self, z: Tensor, cameras: Cameras, truncation: float = 1.0) -> tuple[Cameras, Tensor]:
        """Cameras moved (not turned) by their correction, and the correction [B, 3]."""
        shift = self.camera_shift(z, cameras, truncation)
        cameras = cameras.to(z)
        c2w = cameras.c2w.clone()
        c2w[:, :3, 3] = c2w[:, :3, 3] + shift
        return replace(cameras, c2w=c2w), shift
