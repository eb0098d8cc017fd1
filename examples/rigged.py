"""Export a rigged head for Blender and three.js.

The file holds a procedural head with a skeleton of five joints, the 52 expressions of ARKit as morph targets (Blender: shape
keys), and an animation in which it talks. In Blender, play it; in three.js, `morphTargetInfluences` sets the expressions.

The picture is drawn from the meshes of the file in a plain light, with one expression each. Hair is made of ribbons; programs
that cut them out along their texture draw it finer than this.
"""

import math
import sys
from pathlib import Path

import numpy as np

import fullhead

OUT = Path("out/examples/rigged")
SIZE, TEXTURE, HAIR = (48, 512, 0.05) if "--quick" in sys.argv else (256, 1024, 1.0)  # pixels a side; hair as dense as usual
FACES = {  # expressions and from where each is seen, degrees
    "at rest": ({}, 0),
    "jawOpen": ({"jawOpen": 0.8}, -45),
    "mouthSmile": ({"mouthSmileLeft": 1, "mouthSmileRight": 1, "cheekSquintLeft": 1, "cheekSquintRight": 1}, 45),
    "mouthPucker": ({"mouthPucker": 1}, 90),
    "eyeBlinkLeft": ({"eyeBlinkLeft": 1}, 30),
    "browInnerUp": ({"browInnerUp": 1, "browOuterUpLeft": 1, "browOuterUpRight": 1}, -20),
    "cheekPuff": ({"cheekPuff": 1}, 0),
    "from behind": ({}, 180),
}

head = fullhead.rigged_head(33, texture_size=TEXTURE, hair_detail=HAIR)
print(fullhead.save_rigged(head, OUT / "person.glb", clip="talk"))

tiles = []
for weights, yaw in FACES.values():
    mesh = fullhead.posed_mesh(head, weights)
    camera = fullhead.orbit(math.radians(yaw), radius=2.7 * head.metres_per_unit, focal=4.8)
    colour, clay = (fullhead.draw_mesh(mesh, camera, SIZE, shading)[0] for shading in ("colour", "clay"))
    tiles.append((colour * (0.45 + 0.55 * clay / 255)).astype(np.uint8))
names = list(FACES)
rows = [fullhead.contact_sheet([tiles[i : i + 4]], column_labels=names[i : i + 4]) for i in (0, 4)]
print(fullhead.save_image(np.concatenate(rows), OUT / "rigged.jpg"))
