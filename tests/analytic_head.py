"""A head in closed form that fulfils HeadModel: an ellipsoid with a nose, hair and a neck that leaves the box."""

import numpy as np
import pytest
import torch
from torch import Tensor

from fullhead.core.cameras import Cameras
from fullhead.core.tri_mesh import TriMesh
from fullhead.export.mesh import extract_mesh
from fullhead.models.head import Head, HeadPose, Latents, Render, RenderOptions


class AnalyticHead:
    """w [B, 2, 3]: its first row is the colour of the hair in [-1, 1], the second one the background's. Counts its calls."""

    metres_per_unit = 0.55
    box_size = 1.0
    size, raw, steps = 64, 32, 48

    def __init__(self) -> None:
        self.decoded = self.rendered = 0

    def sample_latents(self, n: int, generator: torch.Generator | None = None) -> Latents:
        return Latents(torch.rand(n, 2, 3, generator=generator) * 1.6 - 0.8)

    @property
    def image_size(self) -> int:
        return self.size

    def seed_latents(self, seeds: list[int], truncation: float = 0.7) -> Latents:
        return Latents(torch.cat([self.sample_latents(1, torch.Generator().manual_seed(seed)).w for seed in seeds]))

    def decode(self, latents: Latents, pose: HeadPose | None = None, options: RenderOptions = RenderOptions()) -> Head:
        self.decoded += len(latents)
        background = latents.w if latents.background is None else latents.background
        return Head(latents.w[:, 0, :, None, None, None][:, None], background[:, 1, :, None, None], latents.w[:, 0])

    def density(self, head: Head, xyz: Tensor) -> Tensor:
        x, y, z = xyz.unbind(-1)
        skull = ((x / 0.15) ** 2 + (y / 0.21) ** 2 + (z / 0.18) ** 2).sqrt() - 1
        nose = ((x / 0.03) ** 2 + ((y + 0.02) / 0.05) ** 2 + ((z - 0.17) / 0.05) ** 2).sqrt() - 1
        neck = torch.maximum(((x / 0.09) ** 2 + ((z + 0.02) / 0.09) ** 2).sqrt() - 1, y)
        distance = torch.minimum(torch.minimum(skull * 0.15, nose * 0.03), neck * 0.09)
        inside_box = (xyz.abs() <= 0.5).all(-1)
        return (300 * torch.sigmoid(-distance / 0.004) * inside_box)[..., None]

    def colour(self, head: Head, xyz: Tensor) -> Tensor:
        x, y, z = xyz.unbind(-1)
        skin = xyz.new_tensor([0.7, 0.25, 0.0]).expand_as(xyz)
        hair = head.planes[:, 0, :, 0, 0, 0][:, None].expand_as(xyz)
        is_hair = (y - 0.8 * z.clamp_min(-0.14) > 0.02)[..., None]
        eyes = ((x.abs() - 0.055) ** 2 + (y - 0.03) ** 2 < 0.018**2) & (z > 0)
        return torch.where(eyes[..., None], xyz.new_tensor([-0.8, -0.7, -0.3]), torch.where(is_hair, hair, skin))

    def render(self, head: Head, cameras: Cameras, options: RenderOptions = RenderOptions()) -> Render:
        assert len(head) == len(cameras)
        self.rendered += len(cameras)
        R, S = self.raw, self.steps
        pixel = (torch.arange(R) + 0.5) / R
        v, u = torch.meshgrid(pixel, pixel, indexing="ij")
        rays = (
            torch.stack([u, v, torch.ones_like(u)], -1).reshape(-1, 3)
            @ torch.linalg.inv(cameras.K).mT
            @ cameras.c2w[:, :3, :3].mT
        )
        rays = torch.nn.functional.normalize(rays, dim=-1)  # [B, R R, 3]
        t = torch.linspace(2.2, 3.3, S)
        xyz = (cameras.origins[:, None, None] + t[:, None] * rays[:, :, None]).flatten(1, 2)  # [B, R R S, 3]
        alpha = 1 - torch.exp(-self.density(head, xyz).unflatten(1, (R * R, S))[..., 0] * (t[1] - t[0]))
        weights = alpha * torch.cumprod(torch.cat([torch.ones_like(alpha[..., :1]), 1 - alpha[..., :-1]], -1), -1)
        mask = weights.sum(-1)
        front = (weights[..., None] * self.colour(head, xyz).unflatten(1, (R * R, S))).sum(2)

        def picture(values: Tensor) -> Tensor:
            return values.mT.unflatten(-1, (R, R))

        mask, depth = picture(mask[..., None]), picture((weights * t).sum(-1, keepdim=True))
        raw = picture(front) + ((1 - mask) * head.background if options.background else 0)
        size = options.size or self.size
        image = torch.nn.functional.interpolate(raw, (size, size), mode="bilinear")
        return Render(image, raw, mask, depth)


@pytest.fixture
def model() -> AnalyticHead:
    return AnalyticHead()


@pytest.fixture
def latents(model: AnalyticHead) -> Latents:
    return model.sample_latents(3, torch.Generator().manual_seed(4))


@pytest.fixture
def head(model: AnalyticHead, latents: Latents) -> Head:
    return model.decode(latents[0])


@pytest.fixture(scope="session")
def mesh() -> TriMesh[np.ndarray]:
    """The mesh of `head`, made once."""
    model = AnalyticHead()
    return extract_mesh(
        model, model.decode(model.sample_latents(3, torch.Generator().manual_seed(4))[0]), resolution=64, coarse=32
    )
