"""How the parts of a procedural person become layers of a rigged head: names, materials, the line of the bust, hair.

Layers are bound to anchors, the places [P, 3] in metres of all vertices of the person's surfaces and then of the points of its
strands (see ribbons.BoundMesh).
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
    BoundMesh,
    away_from_axis,
    away_from_middle,
    resampling,
    ribbons,
    strand_texture,
    under_layer,
)
from fullhead.io.images import filled
from fullhead.kernels.raster import rasterize_arrays
from fullhead.rig.template import LEFT_EYE, NECK
from fullhead.synth.anatomy import regions
from fullhead.synth.anatomy.textured_mesh import EYE, GLASS, SKIN, TexturedMesh
from fullhead.synth.hair.strands import Strands
from fullhead.synth.rendering.person import Person

LAYER_OF = {
    "l_eye": "eyes", "r_eye": "eyes", "l_brow": "brows", "r_brow": "brows", "lash": "lashes", "cloth": "clothes",
    "earring": "earrings",
}  # fmt: skip
VERTICES = {"hair": 75_000, "beard": 8_000, "brows": 1_500, "lashes": 3_000}  # of the ribbons of each kind, at most
MAX_POINTS, MAX_TIED_POINTS = 16, 40  # of a ribbon; of one in a bun, tail or braid, which winds
UNDER_HAT = 0.2  # of the usual straightness where a hat presses hair, or ribbons would cut through it
STRAIGHTNESS = {"hair": 2e-3, "beard": 1e-3}  # metres that half of the ribbons may leave their strands; 3e-4 of others
WIDEST = {"hair": 1.9}  # times that straight ribbons get wider because they are fewer; 1.4 of others
SHORTEST = 2.5e-3  # metres: shorter hairs (stubble) are left to the skin's colour
OPEN = 0.3  # light of an even sky on the outermost hair: 1 in what follows
SEEN = 0.3  # light that a strand must get somewhere to be drawn
ABOUT, BRIGHT = 32, 0.9  # points of strands about a ribbon's, and the quantile of their light that it shows
BUST_CENTRE, BUST_RADII = 0.05, np.array([0.225, 0.135])  # metres below the neck's joint; half axes: see _bust
BOTTOM_LIGHT = 0.7  # factor of the clothes' colour on the bottom of the bust
SURFACE_SIZE = 512  # pixels of the skin's map of occlusion and roughness
DARKEST = 0.3  # occlusion under thick hair, whose colour the scalp has
LENS_ALPHA = 0.12
TIED_AXIS = 0.5  # how far ribbons of a bun, tail or braid also face away from the head, or its rim shows their backs
HAIR_GLOSS = 0.3  # 0.012 at right angles, as shading.shade_strands has it; with more, dark hair is grey against the light


BoundLayer = tuple[str, BoundMesh, Material]


def surface_layers(
    person: Person, surfaces: list[TexturedMesh], places: NDArray, normals: NDArray, joints: NDArray, ambient: NDArray
) -> list[BoundLayer]:
    """The surfaces as layers, those of one name and texture in one.

    places, normals [P, 3], ambient [P]: of all their vertices in turn, ambient light under an even sky.
    """
    found: dict[tuple[str, int], BoundLayer] = {}
    first = 0
    for surface in surfaces:
        anchor = first + np.arange(len(surface.vertices))
        first += len(anchor)
        name, light = _name(surface), np.ones(len(anchor)) if surface.openness is None else surface.openness
        light = light if name == "eyes" else light**2  # the mouth is darker still: most programs cast no shadows there
        bound = BoundMesh(anchor, np.zeros_like(surface.vertices), normals[anchor], surface.uv, light, surface.faces)
        if name == "skin":
            material = _skin_material(person, surface, ambient[anchor] / np.maximum(light, 0.1))
            bound = _bust(bound, places, joints[NECK], 0.97)
        else:
            material = _material(surface)
        if name == "clothes":
            bound = _bust(bound, places, joints[NECK], 1.0)
            bound = bound.joined(_bottom(bound, places, joints[NECK]))
        key = (name, id(surface.texture))
        found[key] = (name, found[key][1].joined(bound) if key in found else bound, material)
    return _numbered(list(found.values()))


def _name(surface: TexturedMesh) -> str:
    """The name of a surface's layer."""
    if surface.material == SKIN:
        return "skin"
    return "lenses" if surface.material == GLASS else _layer_of(int(surface.labels[0]))


def _layer_of(label: int) -> str:
    """The layer of one of regions.LABELS."""
    name = next(name for name, number in regions.LABELS.items() if number == label)
    return LAYER_OF.get(name, name)


def _numbered(drawn: list[BoundLayer]) -> list[BoundLayer]:
    """The same with different names: a second layer of a name gets a 2."""
    names = [name for name, *_ in drawn]
    seen = [names[:i].count(name) for i, name in enumerate(names)]
    return [(f"{n}_{k + 1}" if k else n, bound, material) for (n, bound, material), k in zip(drawn, seen, strict=True)]


def _material(surface: TexturedMesh) -> Material:
    return Material(
        colour=_bytes(surface.texture),
        roughness=float(np.mean(surface.roughness)),
        clearcoat=1.0 if surface.material == EYE else 0.0,
        alpha=LENS_ALPHA if surface.material == GLASS else 1.0,
        both_sides=_name(surface) not in ("eyes", "teeth", "tongue", "clothes"),  # a brim has an underside
    )


def _bytes(linear: NDArray) -> NDArray[np.uint8]:
    return (srgb_from_linear(linear) * 255 + 0.5).astype(np.uint8)


def _skin_material(person: Person, skin: TexturedMesh, ambient: NDArray) -> Material:
    """Colour, and a map of occlusion and roughness, interpolated over the atlas from vertices and faces."""
    n, assets = SURFACE_SIZE, person.assets
    occlusion = np.clip(ambient / (0.345 + 0.125 * skin.normals[:, 1]), DARKEST, 1)  # by what the even sky gives in the open
    rough = np.zeros(len(skin.vertices))
    for corner in skin.faces.T:
        rough[corner] = skin.roughness
    x, y = skin.uv[:, 0] * n, (1 - skin.uv[:, 1]) * n
    found, b, c, _ = rasterize_arrays(x, y, np.ones(len(x)), assets.uv_faces, n, n)
    corners, weights = assets.uv_faces[found], np.stack([1 - b - c, b, c], axis=-1)
    image = np.zeros((n, n, 3))
    for channel, values in enumerate((occlusion, rough)):
        image[..., channel] = (values[corners] * weights).sum(-1)
    surface = (filled(image, found >= 0).clip(0, 1) * 255 + 0.5).astype(np.uint8)
    return Material(_bytes(person.skin_texture), surface=surface)


def _bust(bound: BoundMesh, places: NDArray, neck: NDArray, share: float) -> BoundMesh:
    """What lies inside the line of a bust, `share` of an ellipse seen from the front, for the template's own edge is ragged.

    Vertices of faces across the line move along their edges onto it; they are those with an offset.
    """
    inside = _out(places[bound.anchor], neck)[1] < share
    bound = bound.keep_faces(bound.faces[inside[bound.faces].any(1)])
    vertices = places[bound.anchor]
    _, out = _out(vertices, neck)
    places_of, place = np.unique(vertices.round(6), axis=0, return_inverse=True)  # both sides of a seam move alike
    count, place = len(places_of), place.ravel()
    edges = np.concatenate([bound.faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0], [1, 0], [2, 1], [0, 2])])
    a, b = edges[(out[edges[:, 0]] < share) & (out[edges[:, 1]] >= share)].T  # from inside to beyond
    crossing = vertices[a] + ((share - out[a]) / (out[b] - out[a]))[:, None] * (vertices[b] - vertices[a])
    number = np.bincount(place[b], minlength=count)
    mean = np.stack([np.bincount(place[b], crossing[:, k], count) for k in range(3)], axis=1) / np.maximum(number, 1)[:, None]
    offset = np.where(number[place, None] > 0, mean[place] - vertices, 0)
    return replace(bound, offset=offset.astype(np.float32))


def _out(vertices: NDArray, neck: NDArray) -> tuple[NDArray, NDArray]:
    """From the centre of the bust's ellipse [V, 2], and how far out, in radii [V]; the line is upright beside the neck."""
    from_centre = vertices[:, :2] - neck[:2] + np.array([0, BUST_CENTRE])
    return from_centre, np.linalg.norm(np.minimum(from_centre, [np.inf, 0]) / BUST_RADII, axis=1)


def _bottom(bound: BoundMesh, places: NDArray, neck: NDArray) -> BoundMesh:
    """The surface that closes a bust below: from every edge of its line straight to the middle between front and back."""
    on_line, n = np.any(bound.offset, axis=1), len(bound.anchor)
    edges = np.concatenate([bound.faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    edges = edges[on_line[edges].all(1)].astype(np.int64)
    edges = edges[~np.isin(edges @ [n, 1], edges @ [1, n])]  # of one face only
    rim, ends = np.unique(edges, return_inverse=True)
    a, b = ends.reshape(-1, 2).T
    vertices = places[bound.anchor[rim]] + bound.offset[rim]
    inwards = np.zeros((len(rim), 3), np.float32)
    inwards[:, 2] = vertices[:, 2].mean() - vertices[:, 2]
    inwards[:, 2] += 1e-3 * np.sign(inwards[:, 2])  # front and back overlap
    normals = np.zeros((len(rim), 3))
    normals[:, :2] = np.minimum(_out(vertices, neck)[0], [np.inf, 0]) / BUST_RADII**2
    faces = np.concatenate([np.stack([b, a, a + len(rim)], 1), np.stack([b, a + len(rim), b + len(rim)], 1)])
    return BoundMesh(
        anchor=np.tile(bound.anchor[rim], 2),
        offset=np.concatenate([bound.offset[rim], bound.offset[rim] + inwards]),
        normals=np.tile(unit_vectors(normals), (2, 1)),
        uv=np.tile(bound.uv[rim[:1]], (2 * len(rim), 1)),
        light=np.full(2 * len(rim), BOTTOM_LIGHT),
        faces=faces.astype(np.int32),
    )


@dataclass(frozen=True)
class StrandSubset:
    """Which strands of a kind become ribbons, out of those that are seen, and how few points they keep."""

    kind: int  # its number
    tied: bool  # are they a bun, tails or braids
    rows: NDArray  # [S]
    resample: NDArray  # [k, K], see ribbons.resampling
    light: NDArray  # [S, k], that of the outermost strands about: fewer ribbons show what those hide
    wider: float

    def apply(self, strands: list[Strands]) -> NDArray:
        """Points [S, k, 3] out of all kinds of strands."""
        return self.resample @ strands[self.kind].points[self.rows]


def select_strands(
    strands: list[Strands], ambient: NDArray, metres: float, hair_detail: float, hat: bool
) -> list[StrandSubset]:
    """Which strands of each kind become ribbons: those that light reaches, as many as VERTICES allows.

    Those that are tied are selected apart, or the others, which are more and straighter, would leave it too few points to wind.
    ambient [P]: even light on all their points.  metres: of a unit of the strands' points.  hat: is one worn.
    """
    found, first = [], 0
    for number, kind in enumerate(strands):
        points, (count, k) = kind.points, kind.points.shape[:2]
        light = ambient[first : first + count * k].reshape(count, k) / OPEN
        first += count * k
        tree = KDTree(points.reshape(-1, 3))
        name = _layer_of(kind.label)
        is_tied = np.zeros(count, bool) if kind.tied is None else kind.tied
        tolerance = STRAIGHTNESS.get(name, 3e-4) * (UNDER_HAT if hat else 1)
        for tied in np.unique(is_tied):
            part = np.flatnonzero(is_tied == tied)
            own = points[part] * metres
            matrix = resampling(own, tolerance, MAX_TIED_POINTS if tied else MAX_POINTS)
            length = np.linalg.norm(np.diff(own, axis=1), axis=-1).sum(1).mean()
            curled = 1.0 if tied else length / np.linalg.norm(own[:, -1] - own[:, 0], axis=-1).mean()
            seen = part[light[part].max(1) > SEEN] if length > SHORTEST else part[:0]
            rows = seen[: int(VERTICES[name] * hair_detail * len(part) / count / (2 * len(matrix) - 1))]
            wider = min((len(seen) / max(len(rows), 1)) ** 0.85, max(WIDEST.get(name, 1.4) / curled, 1))
            about = np.asarray(tree.query(matrix @ points[rows], min(ABOUT, count * k))[1])
            shown = np.quantile(light.ravel()[about], BRIGHT, axis=-1)
            found.append(StrandSubset(number, bool(tied), rows, matrix, shown, wider))
    return found


def strand_layers(
    strands: list[Strands], subsets: list[StrandSubset], places: NDArray, joints: NDArray, metres: float,
    surfaces: list[TexturedMesh],
) -> list[BoundLayer]:  # fmt: skip
    """Ribbons of all kinds of strands, those of one name in one layer, and what lies under the hair."""
    centre = joints[LEFT_EYE:].mean(0) + np.array([0, 0.03, -0.075])  # of the head
    skin = next(surface for surface in surfaces if surface.material == SKIN)
    names = [_layer_of(kind.label) for kind in strands]
    found = []
    first = len(places) - sum(subset.light.size for subset in subsets)
    starts = first + np.cumsum([0, *(subset.light.size for subset in subsets)])
    for name in dict.fromkeys(names):
        own = [i for i, subset in enumerate(subsets) if names[subset.kind] == name and len(subset.rows)]
        if not own:
            continue
        colours = [strands[subsets[i].kind].colour[subsets[i].rows] for i in own]
        texture, tones = strand_texture(np.concatenate(colours))
        pieces, shades = [], []
        for i, tone in zip(own, np.split(tones, np.cumsum([len(c) for c in colours])[:-1]), strict=True):
            subset = subsets[i]
            n, k = subset.light.shape
            points, t = places[starts[i] : starts[i + 1]].reshape(n, k, 3), np.linspace(0, 1, k)
            half = strands[subset.kind].radius[subset.rows, None] * metres * subset.wider * (1 - 0.5 * t**2)
            shade = np.clip(subset.light * (0.78 + 0.35 * t) / BRIGHTEST, 0, 1)
            out = away_from_axis(points, centre)
            out = unit_vectors(away_from_middle(points) + TIED_AXIS * out) if subset.tied else out
            pieces.append(ribbons(points, half, tone, shade, out).shift_anchors(starts[i]))
            shades.append(shade.ravel())
        if name == "hair":
            hair = strands[subsets[own[0]].kind]
            anchors = slice(starts[own[0]], starts[own[-1] + 1])
            under = under_layer(
                hair.points * metres, hair.radius * metres, skin.vertices * metres, skin.normals, places[anchors],
                np.concatenate(shades),
            )  # fmt: skip
            pieces += [] if under is None else [under.shift_anchors(starts[own[0]])]
        found.append((name, reduce(BoundMesh.joined, pieces), Material(texture, 0.65, both_sides=True, gloss=HAIR_GLOSS)))
    return found
