"""Pictures of a mesh, to see what is in a file before another program opens it."""

from __future__ import annotations

from dataclasses import replace

import torch
from numpy.typing import NDArray

from fullhead.core.cameras import Cameras
from fullhead.core.tri_mesh import TriMesh
from fullhead.io.images import Bytes, to_uint8
from fullhead.models.head import Shading
from fullhead.representations.surface import SHADINGS, draw_surface


def draw_mesh(mesh: TriMesh[NDArray], cameras: Cameras, size: int = 256, shading: Shading = "colour") -> Bytes:
    """What each of the cameras sees of a mesh, on white: uint8 [V, size, size, 3].

    The cameras stand in the mesh's own frame. For a mesh in metres: `orbit(yaw, radius=2.7 * model.metres_per_unit)`.
    """
    drawn = mesh.tensors()
    drawn = replace(drawn, vertices=drawn.vertices.float())
    views = (draw_surface(drawn, cameras[i], size, SHADINGS[shading]) for i in range(len(cameras)))
    return to_uint8(torch.stack([mask * image + 1 - mask for image, mask, _ in views]))
