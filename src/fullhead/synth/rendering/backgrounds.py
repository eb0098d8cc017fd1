"""Backgrounds behind the heads: flat, gradients, soft noise, and rooms, streets and lights out of focus. Linear RGB."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from fullhead.core.colour import linear_from_srgb
from fullhead.core.smooth import smoothstep
from fullhead.synth.people.population import Shares

SHARPEST = 128  # pixels per side that show all of it, since all is out of focus; larger ones are enlarged from that


def random_background(random: RandomState, size: int, kinds: Shares) -> NDArray:
    """[size, size, 3] float32, linear, of one of the kinds by their shares; the same picture at any size, up to resampling."""
    scene = _scene(random, min(size, SHARPEST), kinds).astype(np.float32)
    if size <= SHARPEST:
        return scene
    channels = (Image.fromarray(scene[..., k]).resize((size, size), Image.Resampling.BILINEAR) for k in range(3))
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)


def _scene(random: RandomState, size: int, kinds: Shares) -> NDArray:
    """[size, size, 3], sample by sample."""
    shares = np.array(list(kinds.values()))
    kind = str(random.choice(list(kinds), p=shares / shares.sum()))
    first, second = _colour(random), _colour(random)
    rows, columns = np.mgrid[0:size, 0:size].astype(float) / size - 0.5 + 0.5 / size
    if kind in ("room", "outdoors"):
        return {"room": _room, "outdoors": _outdoors}[kind](random, rows, columns)
    if kind == "flat":
        return np.broadcast_to(first, (size, size, 3))
    angle = random.uniform(0, 2 * np.pi)
    along = np.clip(0.5 + (np.cos(angle) * columns + np.sin(angle) * rows), 0, 1)
    if kind == "gradient":
        vignette = 1 - random.uniform(0, 0.8) * (rows**2 + columns**2)
        return (first + along[..., None] * (second - first)) * vignette[..., None]
    scene = _soft(random, rows, columns, first, second)
    return scene if kind == "soft" else scene + _bokeh(random, rows, columns)


def _colour(random: RandomState) -> NDArray:
    """Mostly muted colours [3]."""
    grey, strength = random.uniform(0.08, 0.92), random.choice([0.04, 0.12, 0.3])
    return linear_from_srgb(np.clip(grey + random.uniform(-strength, strength, 3), 0.02, 0.98))


def _soft(random: RandomState, rows: NDArray, columns: NDArray, first: NDArray, second: NDArray) -> NDArray:
    """A blurred scene: random cells of three colours, smoothly enlarged."""
    third = _colour(random)
    cells = random.randint(3, 9)
    a, b = (_noise(random, len(rows), cells)[..., None] for _ in range(2))
    return np.clip(first * (1 - a) + second * a * (1 - b) + third * a * b, 0, 1)


def _room(random: RandomState, rows: NDArray, columns: NDArray) -> NDArray:
    """A wall and a floor, furniture before them, perhaps a window, all out of focus."""
    blur, fall = random.uniform(0.015, 0.07), random.uniform(-0.6, 0.6)
    scene = _muted(random, (0.2, 0.9)) * (1 + fall * columns + 0.3 * rows)[..., None]
    floor = smoothstep(-blur, blur, rows - random.uniform(0.15, 0.45))
    scene = scene + floor[..., None] * (_muted(random, (0.1, 0.6)) - scene)
    furniture = [_muted(random, (0.05, 0.85)) for _ in range(random.randint(2, 9))]
    if random.uniform() < 0.4:
        furniture[0] = np.array([0.9, 1.0, 1.1]) * random.uniform(0.7, 1.5)
    return _boxes(random, rows, columns, scene, furniture, (-0.35, 0.55), blur)


def _outdoors(random: RandomState, rows: NDArray, columns: NDArray) -> NDArray:
    """Sky over ground, with trees or houses along the horizon, all out of focus."""
    horizon, blur, light = random.uniform(-0.15, 0.3), random.uniform(0.01, 0.04), random.uniform(0.5, 1.1)
    height = np.clip((horizon - rows) / 0.6, 0, 1)[..., None]
    pale, blue = np.array([0.75, 0.78, 0.8]), np.array([0.22, 0.42, 0.85])
    sky = light * (pale + height * random.uniform(0.1, 1.0) * (blue - pale))
    green = random.uniform() < 0.6
    ground = light * np.array([0.09, 0.13, 0.04]) * random.uniform(0.6, 2.0) if green else light * _muted(random, (0.15, 0.6))
    scene = sky + smoothstep(-blur, blur, rows - horizon)[..., None] * (ground - sky)
    if not green:
        houses = [light * _muted(random, (0.1, 0.8)) for _ in range(random.randint(3, 9))]
        scene = _boxes(random, rows, columns, scene, houses, (horizon, horizon + 0.08), 1.5 * blur)
    for layer in range(random.randint(1, 4) if green else random.randint(0, 2)):
        cells, reach = random.randint(4, 12) * (1 + layer), random.uniform(0.1, 0.45)
        leaves = _noise(random, len(rows), cells) + 0.5 * _noise(random, len(rows), 3 * cells)
        above, below = np.clip(horizon - rows - reach, 0, None) / reach, np.clip(rows - horizon, 0, None)
        colour = light * np.array([0.07, 0.12, 0.03]) * random.uniform(0.4, 1.6)
        shade = 0.6 + 0.8 * _noise(random, len(rows), 2 * cells)
        cover = smoothstep(-0.2, 0.2, leaves - 0.75 - 2 * (above + below))
        scene = scene + cover[..., None] * (colour * shade[..., None] - scene)
    return np.clip(scene, 0, None)


def _boxes(
    random: RandomState, rows: NDArray, columns: NDArray, scene: NDArray, colours: list[NDArray], feet: tuple[float, float],
    blur: float,
) -> NDArray:  # fmt: skip
    """The scene with upright rectangles of the colours before it, whose lower edges lie within `feet`."""
    for colour in colours:
        half = random.uniform(0.02, 0.22, 2)
        y, x = random.uniform(*feet) - half[0], random.uniform(-0.5, 0.5)
        away = np.maximum(np.abs(rows - y) - half[0], np.abs(columns - x) - half[1])
        light = 1 + random.uniform(-0.5, 0.5) * (columns - x) + random.uniform(-0.5, 0.5) * (rows - y)
        scene = scene + smoothstep(blur, -blur, away)[..., None] * (colour * light[..., None] - scene)
    return scene


def _muted(random: RandomState, brightness: tuple[float, float]) -> NDArray:
    """Colours of walls, wood and stone [3]: greys, mostly warm."""
    warm = random.normal(0.03, 0.05)
    tint = np.array([warm, 0, -warm]) + 0.02 * random.normal(size=3)
    return linear_from_srgb(np.clip(random.uniform(*brightness) + tint, 0.02, 0.98))


def _noise(random: RandomState, size: int, cells: int) -> NDArray:
    """Smooth random values [size, size] in [0, 1] with `cells` cells along a side."""
    spline = _spline(size, cells)
    return np.clip(spline @ random.uniform(0, 1, (cells, cells)) @ spline.T, 0, 1)


@cache
def _spline(size: int, cells: int) -> NDArray:
    """What each of `cells` values in a row weighs in each of `size` pixels [size, cells], by cubic splines through them."""
    place = ((np.arange(size) + 0.5) / size - 0.5) * cells + (cells - 1) / 2
    return np.stack([ndimage.map_coordinates(one, [place], order=3, mode="nearest") for one in np.eye(cells)], axis=1)


def _bokeh(random: RandomState, rows: NDArray, columns: NDArray) -> NDArray:
    """Soft discs of light [n, n, 3]."""
    light = np.zeros((*rows.shape, 3))
    for _ in range(random.randint(5, 22)):
        y, x, radius = random.uniform(-0.5, 0.5), random.uniform(-0.5, 0.5), random.uniform(0.02, 0.09)
        distance = np.sqrt((rows - y) ** 2 + (columns - x) ** 2)
        disc = np.clip((radius - distance) / (0.25 * radius) + 0.5, 0, 1)
        light += disc[..., None] * _colour(random) * random.uniform(0.2, 0.9)
    return light
