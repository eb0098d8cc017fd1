"""Draw heads from seeds.

A seed is a number that stands for a head: the same seed always gives the same head. `panohead-demo` is a small PanoHead that
comes with fullhead. It learnt from procedural heads, and its own pictures have 64 pixels a side; here they are enlarged.

Latents say who a head is. `decode` turns them into a head, which takes most of the time; `sheet` does so for each row. With
`truncation` at 1 heads are as varied as those that the model learnt from. Towards 0 all come closer to the average head.
"""

import math
import sys
from pathlib import Path

import fullhead

OUT = Path("out/examples/seeds")
SEEDS = [2, 3, 8, 12, 14]
YAWS = [0, 45, 90, 180, 270]  # degrees around the head; 0 is the front
SIZE = 32 if "--quick" in sys.argv else 128  # pixels a side

model = fullhead.load("panohead-demo")
latents = model.seed_latents(SEEDS, truncation=0.7)
picture = fullhead.sheet(
    model,
    latents,
    [math.radians(yaw) for yaw in YAWS],
    labels=[f"seed {seed}" for seed in SEEDS],
    options=fullhead.RenderOptions(size=SIZE),
)
print(fullhead.save_image(picture, OUT / "seeds.jpg"))
