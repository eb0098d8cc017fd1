"""A very small Head360 with random weights, whose mesh is a ball that opens at the mouth."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from fullhead.models.head360 import Head360, Head360Config, HeadMesh, MeshConfig
from fullhead.nn.superres import SuperresConfig
from fullhead.representations.hex_planes import HexPlanesConfig
from fullhead.representations.volume import MarchConfig
from fullhead.rig.arkit import ARKIT, arkit_weights

ROWS, COLUMNS, SHAPES = 10, 16, 4
SMALL = Head360Config(
    shapes=SHAPES,
    z_dim=16,
    w_dim=16,
    image_size=64,
    neural_size=16,
    channel_base=256,
    channel_max=12,
    mesh=MeshConfig((ROWS + 1) * COLUMNS, 2 * ROWS * COLUMNS, (ROWS + 1) * (COLUMNS + 1), 8),
    planes=HexPlanesConfig(size=32, channels=8),
    march=MarchConfig(near=0, far=0, coarse=16, fine=12, crop=None, white_background=True, from_end_to_end=True),
    superres=SuperresConfig(input_size=32, channels=(8, 8), upsample_first=False, clamp=None),
)
RELEASED = replace(
    SMALL,
    z_dim=SHAPES,
    codes="shape",
    finish_dim=10,
    conditioned=True,
    planes=HexPlanesConfig(size=32, channels=8, pairing="concat", hair="alpha", as_released=True),
    march=replace(SMALL.march, near=20, far=25, radius=22.5),
)


def fill_mesh(mesh: HeadMesh) -> None:
    """A ball of radius 0.07, wound outwards; the first shape number makes it wider, jawOpen lowers its lower front."""
    angle = torch.arange(COLUMNS + 1) * (2 * math.pi / COLUMNS)
    height = torch.linspace(-1, 1, ROWS + 1)[:, None] * 0.999
    across = (1 - height.square()).sqrt()
    ball = torch.stack([across * angle[:-1].sin(), height.expand(-1, COLUMNS), across * angle[:-1].cos()], dim=-1)
    vertices = 0.07 * ball.flatten(0, 1)  # [V, 3]
    mesh.core[0, ..., 0] = vertices
    mesh.core[0, :, 0, 1] = 0.2 * vertices[:, 0]
    lower = (vertices[:, 1] < -0.01) & (vertices[:, 2] > 0)
    mesh.core[1 + ARKIT.index("jawOpen"), :, 1, 0] = -0.03 * lower
    row, column = (x.flatten() for x in torch.meshgrid(torch.arange(ROWS), torch.arange(COLUMNS), indexing="ij"))
    for rows, width in ((mesh.faces, COLUMNS), (mesh.uv_faces, COLUMNS + 1)):
        a, b = row * width + column % width, row * width + (column + 1) % width
        rows[:] = torch.cat([torch.stack([a, b, b + width], 1), torch.stack([a, b + width, a + width], 1)])
    u, v = torch.meshgrid(torch.linspace(0, 1, COLUMNS + 1), torch.linspace(0, 1, ROWS + 1), indexing="xy")
    mesh.uv[:] = torch.stack([u, v], dim=-1).flatten(0, 1)
    around = [(4, -2), (5, -1), (5, 0), (5, 1), (4, 2), (3, 1), (3, 0), (3, -1)]
    mesh.lips[:] = torch.tensor([row * COLUMNS + column % COLUMNS for row, column in around])
    mesh.shape_mean[0] = 1
    mesh.shape_spread[:] = 0.3 * torch.eye(SHAPES)
    mesh.shape_spread[0, 0] = 0


def small_head360(config: Head360Config = SMALL, seed: int = 0) -> Head360:
    torch.manual_seed(seed)
    model = Head360(config).eval().requires_grad_(False)
    fill_mesh(model.known_mesh)
    model.decoder.net[2].weight[0] *= 8  # so that space is full here and empty there
    return model


def arkit(**weights: float) -> Tensor:
    """ARKit weights [1, 52] by name."""
    return arkit_weights(weights)[None]
