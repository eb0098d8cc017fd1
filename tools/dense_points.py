"""Chooses the dense points that the eyes read: vertices of the template, spread over face, ears, skull and neck.

    python tools/dense_points.py

Writes src/fullhead/rig/assets/dense_points.json: for each point its vertex and the row of its mirror image. Points are taken
one after the other, each where it is farthest from those before it, on the subject's left half and its middle.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy.spatial import KDTree

from fullhead.core.smooth import blob, smoothstep
from fullhead.rig.identity import Phenotype, identity
from fullhead.synth.anatomy.template_assets import load_template_assets

OUT = Path(__file__).parent.parent / "src" / "fullhead" / "rig" / "assets" / "dense_points.json"
ON_THE_LEFT = 176  # points, with those of the middle
LOWEST = 5.75  # dm: above the shoulders
MIDDLE = 0.01  # dm: nearer to the plane of symmetry is on it
CLOSER = 1.8  # together are the points of face and ears


def main() -> None:
    assets = load_template_assets(192)
    template = assets.template
    average = template.rig(identity(template, Phenotype(), {})[None]).vertices[0].numpy()
    operator = assets.skin.operator
    weight = np.asarray(operator.max(axis=1).todense()).ravel()
    nearest = np.asarray(operator.argmax(axis=1)).ravel()  # the vertex that a point of the finer skin is nearest to
    outside = ~assets.in_mouth & ~assets.in_socket
    on_skin = np.unique(nearest[outside & (weight > 0.4)])
    candidates = on_skin[average[on_skin, 1] > LOWEST]
    tree = KDTree(average[candidates])
    away, twin = tree.query(average[candidates] * [-1, 1, 1])
    candidates, twin = candidates[away < 0.02], candidates[twin[away < 0.02]]
    left = average[candidates, 0] > -MIDDLE
    left &= (average[candidates, 0] > MIDDLE) | (candidates == twin)
    candidates, twin = candidates[left], twin[left]
    points = average[candidates]
    on_face = smoothstep(0.75, 1.0, points[:, 2]) * smoothstep(6.1, 6.3, points[:, 1]) * smoothstep(8.0, 7.7, points[:, 1])
    on_ear = blob(points, (0.8, 7.15, 0.5), (0.2, 0.35, 0.35))
    closer = 1 + (CLOSER - 1) * np.maximum(on_face, on_ear)
    chosen = [int(points[:, 2].argmax())]
    distance = np.full(len(points), np.inf)
    while len(chosen) < ON_THE_LEFT:
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
        chosen.append(int((distance * closer).argmax()))
    vertices, twins = candidates[chosen].tolist(), twin[chosen].tolist()
    right = [t for v, t in zip(vertices, twins, strict=True) if v != t]
    every = vertices + right
    mirror = [every.index(t) for t in twins] + [every.index(v) for v, t in zip(vertices, twins, strict=True) if v != t]
    OUT.write_text(json.dumps({"vertex": every, "mirror": mirror}) + "\n")
    print(f"{len(every)} points, {len(vertices) - len(right)} of them in the middle")


if __name__ == "__main__":
    main()
