"""Pictures without heads, for those who learn to find heads: backgrounds, and things that only look a little like one."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fullhead.core.colour import srgb_from_linear
from fullhead.core.random import stream
from fullhead.synth.people.population import BackdropKnobs
from fullhead.synth.rendering.backgrounds import random_background

SIZE = 192  # pixels a side


def backgrounds(count: int, seed: int) -> Tensor:
    """[count, 3, n, n] sRGB in [0, 1]: rooms, streets and lights, half of them under dead leaves."""
    kinds, found = BackdropKnobs().kind, []
    for k in range(count):
        random = stream(seed, "background of eyes", k)
        picture = srgb_from_linear(np.clip(random_background(random, SIZE, kinds), 0, 1))
        picture = dead_leaves(random, picture, random.randint(0, 12) if random.uniform() < 0.5 else random.randint(40, 260))
        found.append(picture.transpose(2, 0, 1).astype(np.float32))
    return torch.from_numpy(np.stack(found))


def things(count: int, seed: int) -> Tensor:
    """[count, 4, n, n]: objects of nothing in particular in the middle of a picture, colours multiplied by opacity, half of
    them alike on both sides. They are to be told from heads."""
    found = []
    for k in range(count):
        random = stream(seed, "thing of eyes", k)
        blank = np.zeros((SIZE, SIZE, 4))
        picture = dead_leaves(random, blank, random.randint(2, 30), spread=random.uniform(0.05, 0.2))
        if random.uniform() < 0.5:
            picture[:, SIZE // 2 :] = picture[:, SIZE // 2 - 1 :: -1]
        found.append(picture.transpose(2, 0, 1).astype(np.float32))
    return torch.from_numpy(np.stack(found))


def dead_leaves(random: np.random.RandomState, picture: np.ndarray, leaves: int, spread: float | None = None) -> np.ndarray:
    """Ellipses and bars of all sizes, one over the other, on a picture [n, n, C] whose further channels become 1: they leave
    edges and textures as natural pictures have them (Lee, Mumford and Huang 2001; Baradad et al. 2021). They lie anywhere, or
    about the middle with a deviation of `spread` of a side."""
    n, picture = len(picture), picture.copy()
    for _ in range(leaves):
        size = n * min(0.02 / random.uniform(0.02, 1) ** 0.7, 0.5) if spread is None else n * random.uniform(0.15, 0.5) ** 2
        x, y = random.uniform(0, n, 2) if spread is None else n * (0.5 + spread * random.normal(size=2))
        top, bottom = (int(np.clip(value, 0, n)) for value in (y - size, y + size + 1))
        left, right = (int(np.clip(value, 0, n)) for value in (x - size, x + size + 1))
        if bottom <= top or right <= left:
            continue
        rows, columns = np.mgrid[top:bottom, left:right]
        angle, squeeze = random.uniform(0, math.pi), random.uniform(0.2, 1)
        u = ((columns - x) * math.cos(angle) + (rows - y) * math.sin(angle)) / size
        v = ((rows - y) * math.cos(angle) - (columns - x) * math.sin(angle)) / size
        inside = u**2 + (v / squeeze) ** 2 < 1 if random.uniform() < 0.6 else (abs(u) < 0.7) & (abs(v) < 0.7 * squeeze)
        picture[top:bottom, left:right, :3][inside] = _leaf(random, u, v)[inside]
        picture[top:bottom, left:right, 3:][inside] = 1.0
    return picture


def _leaf(random: np.random.RandomState, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The colours [h, w, 3] of a leaf at its own places u, v: skin, hair, grey or any; plain, shaded, striped or rough."""
    kind = random.uniform()
    skin, hair = np.array([0.85, 0.65, 0.55]), np.array([0.35, 0.25, 0.18])
    colours = (skin, hair, random.uniform(0, 1) * np.ones(3), random.uniform(0, 1, 3))
    tint = colours[int(np.searchsorted((0.25, 0.45, 0.65), kind))]
    value = (tint * random.uniform(0.3, 1.15)) * np.ones((*u.shape, 3))
    value = value + (random.uniform(-0.4, 0.4) * u + random.uniform(-0.4, 0.4) * v)[..., None]
    if random.uniform() < 0.3:
        value = value + 0.2 * random.uniform() * np.sign(np.sin(random.uniform(5, 40) * u + random.uniform(0, 6)))[..., None]
    if random.uniform() < 0.4:
        value = value + random.uniform(0, 0.15) * random.normal(size=u.shape)[..., None]
    if random.uniform() < 0.4:  # clouds
        grid = random.uniform(-0.35, 0.35, (random.randint(2, 9), random.randint(2, 9))).astype(np.float32)
        value = value + np.asarray(Image.fromarray(grid).resize(u.shape[::-1], Image.Resampling.BICUBIC))[..., None]
    if random.uniform() < 0.3:  # a ball: dark towards its edge, with a highlight
        value = value * np.sqrt(np.clip(1 - 0.8 * (u**2 + v**2), 0, 1))[..., None]
        value = value + 0.4 * np.exp(-((u - 0.3) ** 2 + (v + 0.3) ** 2) / 0.02)[..., None]
    return np.clip(value, 0, 1)
