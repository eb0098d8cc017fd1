"""How the parts of a procedural person become layers of a rigged head: names, materials, the line of the bust, hair.

Layers hang on carriers, the places [P, 3] in metres of all vertices of the person's surfaces and then of the points of its
strands (see ribbons.Hung).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from fullhead.core.colour import srgb_from_linear
from fullhead.core.triangles import unit_vectors
from fullhead.export.posable import Material
from fullhead.export.ribbons import (
    BRIGHTEST,
    Hung,
    away_from_axis,
    away_from_middle,
    growth_texture,
    resampling,
    ribbons,
    under_layer,
)
from fullhead.io.images import filled
from fullhead.kernels.raster import rasterize_arrays
from fullhead.rig.template import LEFT_EYE, NECK
from fullhead.synth.anatomy import regions
from fullhead.synth.hair.strands import Strands
from fullhead.synth.rendering.scene import EYE, GLASS, SKIN, Person, Surface

LAYER_OF = {
    "l_eye": "eyes", "r_eye": "eyes", "l_brow": "brows", "r_brow": "brows", "lash": "lashes", "cloth": "clothes",
    "earring": "earrings",
}  # fmt: skip
VERTICES = {"hair": 75_000, "beard": 8_000, "brows": 1_500, "lashes": 3_000}  # of each growth's ribbons, at most
MOST_POINTS, MOST_KNOTTED = 16, 40  # of a ribbon; of one in a bun, tail or braid, which winds
UNDER_HAT = 0.2  # of the usual straightness where a hat presses hair, or ribbons would cut through it
STRAIGHTNESS = {"hair": 2e-3, "beard": 1e-3}  # metres that half of the ribbons may leave their strands; 3e-4 of others
WIDEST = {"hair": 1.9}  # times that straight ribbons get wider because they are fewer; 1.4 of other growths
SHORTEST = 2.5e-3  # metres: shorter hairs (stubble) are left to the skin's colour
OPEN = 0.3  # light of an even sky on the outermost hair: 1 in what follows
SEEN = 0.3  # light that a strand must get somewhere to be drawn
ABOUT, BRIGHT = 32, 0.9  # points of strands about a ribbon's, and the quantile of their light that it shows
BUST_CENTRE, BUST_RADII = 0.05, np.array([0.225, 0.135])  # metres below the neck's joint; half axes: see _bust
BOTTOM_LIGHT = 0.7  # factor of the clothes' colour on the bottom of the bust
SURFACE_SIZE = 512  # pixels of the skin's map of occlusion and roughness
DARKEST = 0.3  # occlusion under thick hair, whose colour the scalp has
LENS_ALPHA = 0.12
KNOT_AXIS = 0.5  # how far ribbons of a bun, tail or braid also face away from the head, or its rim shows their backs
HAIR_GLOSS = 0.3  # 0.012 at right angles, as shading.shade_strands has it; with more, dark hair is grey against the light


Drawn = tuple[str, Hung, Material]


def surface_layers(
    person: Person, surfaces: list[Surface], places: NDArray, normals: NDArray, joints: NDArray, ambient: NDArray
) -> list[Drawn]:
    """The surfaces as layers, those of one name and texture in one.

    places, normals [P, 3], ambient [P]: of all their vertices in turn, ambient light under an even sky.
    """
    found: dict[tuple[str, int], Drawn] = {}
    first = 0
    for surface in surfaces:
        carrier = first + np.arange(len(surface.vertices))
        first += len(carrier)
        name, light = _name(surface), np.ones(len(carrier)) if surface.open is None else surface.open
        light = light if name == "eyes" else light**2  # the mouth is darker still: most programs cast no shadows there
        hung = Hung(carrier, np.zeros_like(surface.vertices), normals[carrier], surface.uv, light, surface.triangles)
        if name == "skin":
            material = _skin_material(person, surface, ambient[carrier] / np.maximum(light, 0.1))
            hung = _bust(hung, places, joints[NECK], 0.97)
        else:
            material = _material(surface)
        if name == "clothes":
            hung = _bust(hung, places, joints[NECK], 1.0)
            hung = hung.joined(_bottom(hung, places, joints[NECK]))
        key = (name, id(surface.texture))
        found[key] = (name, found[key][1].joined(hung) if key in found else hung, material)
    return _numbered(list(found.values()))


def _name(surface: Surface) -> str:
    """The name of a surface's layer."""
    if surface.material == SKIN:
        return "skin"
    return "lenses" if surface.material == GLASS else _layer_of(int(surface.labels[0]))


def _layer_of(label: int) -> str:
    """The layer of what carries one of regions.LABELS."""
    name = next(name for name, number in regions.LABELS.items() if number == label)
    return LAYER_OF.get(name, name)


def _numbered(drawn: list[Drawn]) -> list[Drawn]:
    """The same with different names: a second layer of a name gets a 2."""
    names = [name for name, *_ in drawn]
    seen = [names[:i].count(name) for i, name in enumerate(names)]
    return [(f"{n}_{k + 1}" if k else n, hung, material) for (n, hung, material), k in zip(drawn, seen, strict=True)]


def _material(surface: Surface) -> Material:
    return Material(
        colour=_bytes(surface.texture),
        roughness=float(np.mean(surface.roughness)),
        coat=1.0 if surface.material == EYE else 0.0,
        alpha=LENS_ALPHA if surface.material == GLASS else 1.0,
        both_sides=_name(surface) not in ("eyes", "teeth", "tongue", "clothes"),  # a brim has an underside
    )


def _bytes(linear: NDArray) -> NDArray[np.uint8]:
    return (srgb_from_linear(linear) * 255 + 0.5).astype(np.uint8)


def _skin_material(person: Person, skin: Surface, ambient: NDArray) -> Material:
    """Colour, and a map of occlusion and roughness, interpolated over the atlas from vertices and faces."""
    n, studio = SURFACE_SIZE, person.studio
    occlusion = np.clip(ambient / (0.345 + 0.125 * skin.normals[:, 1]), DARKEST, 1)  # by what the even sky gives in the open
    rough = np.zeros(len(skin.vertices))
    for corner in skin.triangles.T:
        rough[corner] = skin.roughness
    x, y = skin.uv[:, 0] * n, (1 - skin.uv[:, 1]) * n
    found, b, c, _ = rasterize_arrays(x, y, np.ones(len(x)), studio.seam_triangles, n, n)
    corners, weights = studio.seam_triangles[found], np.stack([1 - b - c, b, c], axis=-1)
    image = np.zeros((n, n, 3))
    for channel, values in enumerate((occlusion, rough)):
        image[..., channel] = (values[corners] * weights).sum(-1)
    surface = (filled(image, found >= 0).clip(0, 1) * 255 + 0.5).astype(np.uint8)
    return Material(_bytes(person.skin_texture), surface=surface)


def _bust(hung: Hung, places: NDArray, neck: NDArray, share: float) -> Hung:
    """What lies inside the line of a bust, `share` of an ellipse seen from the front, for the template's own edge is ragged.

    Vertices of faces across the line move along their edges onto it; they are those with an offset.
    """
    inside = _out(places[hung.carrier], neck)[1] < share
    hung = hung.only(hung.faces[inside[hung.faces].any(1)])
    vertices = places[hung.carrier]
    _, out = _out(vertices, neck)
    places_of, place = np.unique(vertices.round(6), axis=0, return_inverse=True)  # both sides of a seam move alike
    count, place = len(places_of), place.ravel()
    edges = np.concatenate([hung.faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0], [1, 0], [2, 1], [0, 2])])
    a, b = edges[(out[edges[:, 0]] < share) & (out[edges[:, 1]] >= share)].T  # from inside to beyond
    crossing = vertices[a] + ((share - out[a]) / (out[b] - out[a]))[:, None] * (vertices[b] - vertices[a])
    number = np.bincount(place[b], minlength=count)
    mean = np.stack([np.bincount(place[b], crossing[:, k], count) for k in range(3)], axis=1) / np.maximum(number, 1)[:, None]
    offset = np.where(number[place, None] > 0, mean[place] - vertices, 0)
    return replace(hung, offset=offset.astype(np.float32))


def _out(vertices: NDArray, neck: NDArray) -> tuple[NDArray, NDArray]:
    """From the centre of the bust's ellipse [V, 2], and how far out, in radii [V]; the line is upright beside the neck."""
    from_centre = vertices[:, :2] - neck[:2] + np.array([0, BUST_CENTRE])
    return from_centre, np.linalg.norm(np.minimum(from_centre, [np.inf, 0]) / BUST_RADII, axis=1)


def _bottom(hung: Hung, places: NDArray, neck: NDArray) -> Hung:
    """The surface that closes a bust below: from every edge of its line straight to the middle between front and back."""
    on_line, n = np.any(hung.offset, axis=1), len(hung.carrier)
    edges = np.concatenate([hung.faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    edges = edges[on_line[edges].all(1)].astype(np.int64)
    edges = edges[~np.isin(edges @ [n, 1], edges @ [1, n])]  # of one face only
    rim, ends = np.unique(edges, return_inverse=True)
    a, b = ends.reshape(-1, 2).T
    vertices = places[hung.carrier[rim]] + hung.offset[rim]
    inwards = np.zeros((len(rim), 3), np.float32)
    inwards[:, 2] = vertices[:, 2].mean() - vertices[:, 2]
    inwards[:, 2] += 1e-3 * np.sign(inwards[:, 2])  # front and back overlap
    normals = np.zeros((len(rim), 3))
    normals[:, :2] = np.minimum(_out(vertices, neck)[0], [np.inf, 0]) / BUST_RADII**2
    faces = np.concatenate([np.stack([b, a, a + len(rim)], 1), np.stack([b, a + len(rim), b + len(rim)], 1)])
    return Hung(
        carrier=np.tile(hung.carrier[rim], 2),
        offset=np.concatenate([hung.offset[rim], hung.offset[rim] + inwards]),
        normals=np.tile(unit_vectors(normals), (2, 1)),
        uv=np.tile(hung.uv[rim[:1]], (2 * len(rim), 1)),
        light=np.full(2 * len(rim), BOTTOM_LIGHT),
        faces=faces.astype(np.int32),
    )


@dataclass(frozen=True)
class Cut:
    """Which strands of a growth become ribbons, out of those that are seen, and how few points they keep."""

    growth: int  # its number
    knotted: bool  # are they a bun, tails or braids
    rows: NDArray  # [S]
    points: NDArray  # [k, K], see ribbons.resampling
    light: NDArray  # [S, k], that of the outermost strands about: fewer ribbons show what those hide
    wider: float

    def apply(self, strands: list[tuple[Strands, NDArray]]) -> NDArray:
        """[S, k, 3] of all growths' strands."""
        return self.points @ strands[self.growth][1][self.rows]


def cut_strands(
    strands: list[tuple[Strands, NDArray]], ambient: NDArray, metres: float, hair_detail: float, hat: bool
) -> list[Cut]:
    """What of each growth becomes ribbons: the strands that light reaches, as many as VERTICES allows.

    What is knotted is cut on its own, or the others, which are more and straighter, would leave it too few points to wind.
    ambient [P]: even light on all their points.  metres: of a unit of the strands' points.  hat: is one worn.
    """
    found, first = [], 0
    for number, (growth, points) in enumerate(strands):
        count, k = points.shape[:2]
        light = ambient[first : first + count * k].reshape(count, k) / OPEN
        first += count * k
        tree = KDTree(points.reshape(-1, 3))
        name = _layer_of(growth.label)
        in_knot = np.zeros(count, bool) if growth.knotted is None else growth.knotted
        tolerance = STRAIGHTNESS.get(name, 3e-4) * (UNDER_HAT if hat else 1)
        for knotted in np.unique(in_knot):
            part = np.flatnonzero(in_knot == knotted)
            own = points[part] * metres
            matrix = resampling(own, tolerance, MOST_KNOTTED if knotted else MOST_POINTS)
            length = np.linalg.norm(np.diff(own, axis=1), axis=-1).sum(1).mean()
            curled = 1.0 if knotted else length / np.linalg.norm(own[:, -1] - own[:, 0], axis=-1).mean()
            seen = part[light[part].max(1) > SEEN] if length > SHORTEST else part[:0]
            rows = seen[: int(VERTICES[name] * hair_detail * len(part) / count / (2 * len(matrix) - 1))]
            wider = min((len(seen) / max(len(rows), 1)) ** 0.85, max(WIDEST.get(name, 1.4) / curled, 1))
            about = np.asarray(tree.query(matrix @ points[rows], min(ABOUT, count * k))[1])
            shown = np.quantile(light.ravel()[about], BRIGHT, axis=-1)
            found.append(Cut(number, bool(knotted), rows, matrix, shown, wider))
    return found


def strand_layers(
    strands: list[tuple[Strands, NDArray]], cuts: list[Cut], places: NDArray, joints: NDArray, metres: float,
    surfaces: list[Surface],
) -> list[Drawn]:  # fmt: skip
    """Ribbons of all growths, those of one name in one layer, and what lies under the hair."""
    centre = joints[LEFT_EYE:].mean(0) + np.array([0, 0.03, -0.075])  # of the head
    skin = next(surface for surface in surfaces if surface.material == SKIN)
    names = [_layer_of(growth.label) for growth, _ in strands]
    found = []
    first = len(places) - sum(cut.light.size for cut in cuts)
    starts = first + np.cumsum([0, *(cut.light.size for cut in cuts)])
    for name in dict.fromkeys(names):
        own = [i for i, cut in enumerate(cuts) if names[cut.growth] == name and len(cut.rows)]
        if not own:
            continue
        colours = [strands[cuts[i].growth][0].colour[cuts[i].rows] for i in own]
        texture, tones = growth_texture(np.concatenate(colours))
        pieces, shades = [], []
        for i, tone in zip(own, np.split(tones, np.cumsum([len(c) for c in colours])[:-1]), strict=True):
            cut = cuts[i]
            n, k = cut.light.shape
            points, t = places[starts[i] : starts[i + 1]].reshape(n, k, 3), np.linspace(0, 1, k)
            half = strands[cut.growth][0].radius[cut.rows, None] * metres * cut.wider * (1 - 0.5 * t**2)
            shade = np.clip(cut.light * (0.78 + 0.35 * t) / BRIGHTEST, 0, 1)
            out = away_from_axis(points, centre)
            out = unit_vectors(away_from_middle(points) + KNOT_AXIS * out) if cut.knotted else out
            pieces.append(ribbons(points, half, tone, shade, out).shifted(starts[i]))
            shades.append(shade.ravel())
        if name == "hair":
            growth, points = strands[cuts[own[0]].growth]
            carriers = slice(starts[own[0]], starts[own[-1] + 1])
            under = under_layer(
                points * metres, growth.radius * metres, skin.vertices * metres, skin.normals, places[carriers],
                np.concatenate(shades),
            )  # fmt: skip
            pieces += [] if under is None else [under.shifted(starts[own[0]])]
        found.append((name, reduce(Hung.joined, pieces), Material(texture, 0.65, both_sides=True, gloss=HAIR_GLOSS)))
    return found
