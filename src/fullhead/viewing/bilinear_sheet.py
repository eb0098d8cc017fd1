"""What the numbers of a bilinear head do: a row for each of the first ones, from -2 to 2 deviations, and there with a smile."""

from __future__ import annotations

import torch

from fullhead.core.cameras import orbit
from fullhead.core.tri_mesh import TriMesh
from fullhead.io.images import Bytes, contact_sheet
from fullhead.representations.bilinear import BilinearMesh
from fullhead.rig.arkit import arkit_weights
from fullhead.synth.datasets.heads360 import FOCAL, MESH_SCALE, RADIUS
from fullhead.viewing.draw_mesh import draw_mesh

DEVIATIONS = (-2, -1, 0, 1, 2)
ROWS = 3
SMILE = {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0, "jawOpen": 0.3}
LASHES = "lashes"  # sheets that a texture makes hairs of


def bilinear_sheet(mesh: BilinearMesh, size: int = 192) -> Bytes:
    """One picture. The first number of an identity is about the size of the mean head, so rows begin with the second."""
    shown = [i for i in range(mesh.config.identity) if i or mesh.config.identity == 1][:ROWS]
    rows = []
    for number in shown:
        white = torch.zeros(len(DEVIATIONS), mesh.config.identity)
        white[:, number] = torch.tensor(DEVIATIONS, dtype=torch.float32)
        identity = mesh.identity(white)
        heads = [*mesh.vertices(identity), *mesh.vertices(identity[-1:], arkit_weights(SMILE)[None])]
        rows.append([_drawn(mesh, vertices, size) for vertices in heads])
    labels = [f"{number + 1}." for number in shown]
    return contact_sheet(rows, row_labels=labels, column_labels=[*(f"{d:+d}" if d else "0" for d in DEVIATIONS), "+2, a smile"])


def _drawn(mesh: BilinearMesh, vertices: torch.Tensor, size: int) -> Bytes:
    faces = torch.cat([mesh.faces[mesh.part(name)] for name, _ in mesh.config.parts if name != LASHES]).numpy()
    drawn = TriMesh((MESH_SCALE * vertices).numpy(), faces)
    return draw_mesh(drawn, orbit(0.4, 0.05, radius=RADIUS, focal=FOCAL), size, "clay")[0]
