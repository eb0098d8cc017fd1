"""Make a mesh for Blender.

`extract_mesh` finds the surface of a head of any family. The mesh is closed and upright, has colours at its vertices, and is in
metres. Open the `.glb` in Blender (File, Import, glTF) or in a browser. Other endings write `.obj` and `.ply`.

The first row shows the bare geometry, the second row the colours. Both are drawn from the mesh in the file.
"""

import math
import sys
from pathlib import Path

import torch

import fullhead

OUT = Path("out/examples/mesh")
CELLS, SIZE = (64, 48) if "--quick" in sys.argv else (256, 256)  # cells along the head's box; pixels a side
YAWS = [0, -45, 90, 180]  # degrees around the head

model = fullhead.load("ganhead-demo")
head = model.decode(model.seed_latents([7]))
mesh = fullhead.extract_mesh(model, head, resolution=CELLS)
print(f"{len(mesh.vertices)} vertices, {len(mesh.faces)} faces")
print(fullhead.save_mesh(mesh, OUT / "head.glb"))

yaws = torch.tensor([math.radians(yaw) for yaw in YAWS])
cameras = fullhead.orbit(yaws, radius=2.7 * model.metres_per_unit, focal=4.6)  # around a mesh in metres
rows = [list(fullhead.draw_mesh(mesh, cameras, SIZE, shading)) for shading in ("clay", "colour")]
print(fullhead.save_image(fullhead.contact_sheet(rows), OUT / "mesh.jpg"))
