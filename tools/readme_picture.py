"""Makes the picture of the README: python tools/readme_picture.py. A row is a kind of head, a column a side or a face."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

import fullhead
from fullhead.rig.arkit import arkit_weights
from fullhead.rig.template import JOINTS
from fullhead.synth.datasets.shots import RenderContext, ShotSpec
from fullhead.synth.rendering.render import composite_over, render_photo

OUT = Path(__file__).resolve().parent.parent / "docs/img/overview.jpg"
SIZE, GREY = 176, (0.36, 0.39, 0.44)  # pixels a side; linear red, green and blue
TURNS = (-90, -45, 0, 45, 180)
SMILE = {"mouthSmileLeft": 0.85, "mouthSmileRight": 0.85, "cheekSquintLeft": 0.7, "cheekSquintRight": 0.7, "jawOpen": 0.12}
AH = {"jawOpen": 0.8, "browInnerUp": 0.7}
VIEWS = [(yaw, {}) for yaw in TURNS] + [(20, SMILE), (-20, AH)]


def procedural(seed: int) -> list[np.ndarray]:
    context = RenderContext(SIZE)
    row = []
    for yaw, face in VIEWS:
        _, scene = context.lit_scene(ShotSpec(context.subject(seed), SIZE, (), face))
        photo = render_photo(scene, fullhead.orbit(yaw=math.radians(yaw), focal=5.0), SIZE)
        row.append(composite_over(photo, np.array(GREY)))
    return row


def ganhead(seed: int) -> list[np.ndarray]:
    model, options = fullhead.load("ganhead-demo"), fullhead.RenderOptions(size=SIZE)
    head = model.decode(model.seed_latents([seed]))
    weights = torch.stack([arkit_weights(face) for _, face in VIEWS])
    poses = fullhead.HeadPose(weights, torch.zeros(len(VIEWS), len(JOINTS), 3))
    cameras = fullhead.orbit(yaw=torch.tensor([math.radians(yaw) for yaw, _ in VIEWS]))
    return list(fullhead.animate(model, head, poses, cameras, options))


def panohead(seed: int) -> list[np.ndarray]:
    model, options = fullhead.load("panohead-demo"), fullhead.RenderOptions(size=SIZE)
    head = model.decode(model.seed_latents([seed]))
    yaws = torch.tensor([math.radians(yaw) for yaw in (*TURNS, 20, -20)])
    return list(fullhead.to_uint8(model.render(head.expand(len(yaws)), fullhead.orbit(yaw=yaws), options).image))


if __name__ == "__main__":
    rows = [procedural(29), procedural(9), ganhead(5), panohead(8)]
    names = ["procedural head", "procedural head", "ganhead-demo", "panohead-demo"]
    columns = [f"{yaw}°" for yaw in TURNS] + ["smile", "ah"]
    print(fullhead.save_image(fullhead.contact_sheet(rows, row_labels=names, column_labels=columns), OUT))
