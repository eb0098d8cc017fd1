"""A very small Head360 with random weights, whose mesh is a ball that opens at the mouth."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from fullhead.models.head360 import Head360, Head360Config
from fullhead.nn.superres import SuperresConfig
from fullhead.representations.bilinear import FACES, BilinearMesh, fit_bilinear
from fullhead.representations.hex_planes import HexPlanesConfig
from fullhead.representations.volume import MarchConfig
from fullhead.rig.arkit import ARKIT, arkit_weights
from fullhead.rig.rigged_heads import RiggedHeads, SharedMesh, landmarks_of_vertices

ROWS, COLUMNS, HEADS, SHAPES = 10, 16, 6, 4
LIPS = [(4, -2), (4, -1), (5, -1), (5, 0), (5, 1), (4, 1), (4, 2), (4, 1), (3, 1), (3, 0), (3, -1), (4, -1)]  # rows, columns


def ball_mesh() -> BilinearMesh:
    """Balls of radius 0.07, wound outwards, of several widths; jawOpen lowers the lower front, more in wide ones."""
    angle = torch.arange(COLUMNS) * (2 * math.pi / COLUMNS)
    height = torch.linspace(-1, 1, ROWS + 1)[:, None] * 0.999
    across = (1 - height.square()).sqrt()
    ball = 0.07 * torch.stack([across * angle.sin(), height.expand(-1, COLUMNS), across * angle.cos()], dim=-1).flatten(0, 1)
    wide = torch.linspace(0.9, 1.1, HEADS)[:, None] ** torch.tensor([1, -0.5, 0.5])
    vertices = (wide[:, None, None] * ball).repeat(1, FACES, 1, 1)  # [N, 53, V, 3]
    lower = (ball[:, 1] < -0.01) & (ball[:, 2] > 0)
    for name in ("jawOpen", "mouthClose"):  # which is built on the other
        vertices[:, 1 + ARKIT.index(name), :, 1] -= 0.03 * lower * wide[:, :1]
    row, column = (x.flatten() for x in torch.meshgrid(torch.arange(ROWS), torch.arange(COLUMNS), indexing="ij"))
    triangles = []
    for width in (COLUMNS, COLUMNS + 1):  # of the ball, and of its texture, which is open
        a, b = row * width + column % width, row * width + (column + 1) % width
        triangles.append(torch.cat([torch.stack([a, b, b + width], 1), torch.stack([a, b + width, a + width], 1)]))
    u, v = torch.meshgrid(torch.linspace(0, 1, COLUMNS + 1), torch.linspace(0, 1, ROWS + 1), indexing="xy")
    lips = landmarks_of_vertices(torch.tensor([row * COLUMNS + column % COLUMNS for row, column in LIPS]))
    shared = SharedMesh(
        faces=triangles[0],
        uv=torch.stack([u, v], dim=-1).flatten(0, 1),
        uv_faces=triangles[1],
        parts=(("skin", len(triangles[0])),),
        landmark_vertices=lips[0],
        landmark_weights=lips[1],
        dense_vertices=torch.zeros(0, dtype=torch.int64),
        skin_weights=torch.zeros(len(ball), 0),
        pose_basis=torch.zeros(0, len(ball), 3),
        importance=torch.ones(len(ball)),
    )
    names = tuple(f"s{i:04d}" for i in range(HEADS))
    return fit_bilinear(RiggedHeads(shared, names, vertices, torch.zeros(HEADS, 0, 3), 1.0), SHAPES, 8)


MESH = ball_mesh()
SMALL = Head360Config(
    shapes=SHAPES,
    z_dim=16,
    w_dim=16,
    image_size=64,
    neural_size=16,
    channel_base=256,
    channel_max=12,
    mesh=MESH.config,
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


def small_head360(config: Head360Config = SMALL, seed: int = 0) -> Head360:
    torch.manual_seed(seed)
    model = Head360(config).eval().requires_grad_(False)
    model.known_mesh.load_state_dict(MESH.state_dict())
    model.decoder.net[2].weight[0] *= 8  # so that space is full here and empty there
    return model


def arkit(**weights: float) -> Tensor:
    """ARKit weights [1, 52] by name."""
    return arkit_weights(weights)[None]
