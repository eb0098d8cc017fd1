"""Turn a procedural head and make it smile.

A procedural head is computed from its seed. No photo and no scan of a person is used. Its face has the 52 expressions of ARKit.
You give their weights by name, from 0 (at rest) to 1 (full strength).

The head is built once. For each frame of the film its face moves, then it is lit and drawn.
"""

import math
import sys
from pathlib import Path

import fullhead
from fullhead.synth.datasets.shots import RenderContext, ShotSpec
from fullhead.synth.rendering.render import composite_over, render_photo

OUT = Path("out/examples/smile")
SIZE, FRAMES = (64, 6) if "--quick" in sys.argv else (256, 32)  # pixels a side, frames of the film
BACKGROUND = (0.36, 0.39, 0.44)  # grey: linear red, green and blue
SMILE = {"mouthSmile": 0.85, "mouthUpperUp": 0.4, "mouthLowerDown": 0.15, "cheekSquint": 0.7, "eyeSquint": 0.2}  # both sides

context = RenderContext(SIZE)
person = context.subject(29)

frames = []
for i in range(FRAMES):
    turn = min(i / FRAMES / 0.6, 1)  # once around in the first part of the film
    smile = math.sin(math.pi * max(i / FRAMES - 0.5, 0) / 0.5) ** 2  # a smile in the second one
    expression = {name + side: smile * weight for name, weight in SMILE.items() for side in ("Left", "Right")}
    expression["jawOpen"] = 0.12 * smile
    _, scene = context.lit_scene(ShotSpec(person, SIZE, (), expression))
    photo = render_photo(scene, fullhead.orbit(yaw=2 * math.pi * turn, focal=5.4), SIZE)
    frames.append(composite_over(photo, BACKGROUND))

print(fullhead.save_video(frames, OUT / "smile.webp", fps=12))
