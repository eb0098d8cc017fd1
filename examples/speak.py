"""Make a GANHead speak.

A GANHead is a neural head that can be posed. Its mouth moves by ARKit weights, as in apps that follow a face. Here each sound
of a word is a few weights, and the film blends from sound to sound. The neck nods along.

The head is decoded once, which finds its surface. Each frame only moves that surface. The left picture shows its colours, the
right one its bare geometry. `ganhead-demo` is small and learnt from procedural scans, so its colours are blurred.
"""

import math
import sys
from pathlib import Path

import numpy as np
import torch

import fullhead
from fullhead import HeadPose, RenderOptions
from fullhead.rig.arkit import arkit_weights
from fullhead.rig.template import JOINTS

OUT = Path("out/examples/speak")
SIZE, FRAMES, CELLS = (32, 3, 64) if "--quick" in sys.argv else (192, 24, 128)  # pixels a side; cells along the surface's box
SOUNDS = {
    "-": {},
    "e": {"jawOpen": 0.3, "mouthStretchLeft": 0.5, "mouthStretchRight": 0.5},
    "l": {"jawOpen": 0.15, "mouthUpperUpLeft": 0.3, "mouthUpperUpRight": 0.3},
    "o": {"jawOpen": 0.5, "mouthFunnel": 0.7},
    "u": {"jawOpen": 0.1, "mouthPucker": 0.9},
}
WORD = "-eeloouu-"  # hello

keys = torch.stack([arkit_weights(SOUNDS[sound]) for sound in WORD])  # [9, 52]
time = torch.linspace(0, len(WORD) - 1.01, FRAMES)
sound, share = time.long(), 0.5 - 0.5 * torch.cos(math.pi * time.frac())
turns = torch.zeros(FRAMES, len(JOINTS), 3)  # axis-angle of each joint, radians
turns[:, JOINTS.index("neck"), 0] = 0.06 * torch.sin(2 * math.pi * time / len(WORD))
poses = HeadPose(torch.lerp(keys[sound], keys[sound + 1], share[:, None]), turns)

model = fullhead.load("ganhead-demo")
head = model.decode(model.seed_latents([0]), None, RenderOptions(resolution=CELLS))
camera = fullhead.orbit(yaw=-0.35, focal=6)
films = [fullhead.animate(model, head, poses, camera, RenderOptions(SIZE, shading)) for shading in ("colour", "clay")]
frames = [np.concatenate(pair, axis=1) for pair in zip(*films, strict=True)]
print(fullhead.save_video(frames, OUT / "speak.webp", fps=12))
