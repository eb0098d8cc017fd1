"""Pictures of meshes."""

import pytest
import torch
import trimesh

from fullhead.core.cameras import orbit
from fullhead.core.tri_mesh import TriMesh
from fullhead.representations import surface


def test_a_picture_in_bands_is_the_same_picture(monkeypatch: pytest.MonkeyPatch):
    ball = trimesh.creation.icosphere(3, 0.7)
    vertices = torch.tensor(ball.vertices, dtype=torch.float32)
    mesh = TriMesh(vertices, torch.tensor(ball.faces), colours=vertices)
    whole = surface.pictures([mesh], orbit(0.3), 50)
    monkeypatch.setattr(surface, "AT_ONCE", 50 * 7)  # seven rows at once, and one for the rest
    for drawn, expected in zip(surface.pictures([mesh], orbit(0.3), 50), whole, strict=True):
        torch.testing.assert_close(drawn, expected, rtol=0, atol=1e-4)
