"""What all subjects share: the subdivided skin, its texture atlas, and where on the template things lie.

`rest` is the average adult; regions (scalp, beard, lips, collar) are drawn in its coordinates, so they follow any identity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import dijkstra

from fullhead.core.meshes import area_vectors, components, interpolate_vertices, vertex_normals
from fullhead.core.random import stream
from fullhead.core.smooth import Noise
from fullhead.kernels.raster import rasterize_arrays
from fullhead.kernels.tree import sorted_into_boxes
from fullhead.rig.identity import Parameters, Phenotype, head_parameters, identity_vertices
from fullhead.rig.subdivision import bilinear, catmull_clark, triangles_from_quads
from fullhead.rig.template import Template, load_template
from fullhead.synth.anatomy import regions
from fullhead.synth.anatomy.regions import HEAD, MOUTH, SOCKET, TORSO

NOISE_RATES = (2.2, 7.0, 24.0, 62.0)  # cells per dm of the atlas's noise


@dataclass(frozen=True)
class SubdividedPart:
    """A subdivided part of the template: `operator` maps template vertices [N, 3] to its own [V, 3]."""

    operator: sparse.csr_matrix
    faces: NDArray  # [F, 3]


@dataclass(frozen=True)
class SkinAtlas:
    """The skin's texture: what lies under each of M covered texels, and which of them fills each texel."""

    texel: NDArray  # [R, R], index in the M covered texels; in holes that of the nearest
    covered: NDArray  # [R, R] bool
    position: NDArray  # [M, 3], on `rest`, dm
    island: NDArray  # [M]
    lip_ring: NDArray  # [M], as in TemplateAssets
    eye_ring: NDArray  # [M]
    zones: dict[str, NDArray]  # [M] float32 each, of regions.skin_zones
    noise: NDArray  # [4, 3, M] float32: at each of NOISE_RATES three unrelated fields of deviation 1

    @property
    def size(self) -> int:
        return self.texel.shape[0]


@dataclass(frozen=True)
class TemplateAssets:
    """Everything that is the same for all subjects, built once (about a second) and passed around."""

    template: Template
    parameters: Parameters  # of its identities
    skin: SubdividedPart
    teeth: SubdividedPart
    tongue: SubdividedPart
    lash_columns: NDArray  # [C, 5, 2], template vertices of the rungs of each column of lashes, root first
    eye_vertices: tuple[NDArray, NDArray]  # of the template: left, right
    rest: NDArray  # [V, 3] skin of the average adult, dm
    rest_normals: NDArray  # [V, 3]
    tree_order: NDArray  # [V], the order of a tree of its vertices
    on_scalp: NDArray  # [V] bool
    island: NDArray  # [F], of each face of the skin
    head_areas: NDArray  # [F'], areas of those on the head
    in_head: NDArray  # [V] bool
    in_mouth: NDArray
    in_socket: NDArray
    lip_ring: NDArray  # [V], edge loops of the template from the mouth's opening; the red of the lips ends at regions.LIP_EDGE
    lip_side: NDArray  # [V], 1 on the upper lip, -1 on the lower one, between them at the corners
    eye_ring: NDArray  # [V], edge loops from the rims of the lids
    labels: NDArray  # [F] uint8, regions.LABELS of the skin's faces
    uv_vertex: NDArray  # [U], skin vertex of each textured vertex (seams double them)
    uv: NDArray  # [U, 2], v up
    uv_faces: NDArray  # [F, 3]
    atlas: SkinAtlas


def load_template_assets(texture_size: int) -> TemplateAssets:
    """Load the template and prepare everything that does not depend on the subject."""
    template = load_template()
    skin = _subdivided(template, "skin")
    uv_operator, quads = bilinear(len(template.uv), template.part("skin")[1])  # the texture's, in step with the skin's
    used, inverse = np.unique(quads, return_inverse=True)
    quad_uv, uv = inverse.reshape(-1, 4), (uv_operator @ template.uv)[used]
    faces, uv_faces = skin.faces, triangles_from_quads(quad_uv)
    lip, side, eye = (skin.operator @ field for field in _fields(template))
    island = np.tile(_islands(uv, quad_uv), 2)  # both halves of the quads
    uv = _packed(uv, uv_faces, island)
    rest = (skin.operator @ identity_vertices(template, Phenotype(), {})).astype(np.float32)
    members = [np.isin(np.arange(len(rest)), faces[island == k]) for k in (HEAD, TORSO, MOUTH, SOCKET)]
    cavity = _cavity(rest, faces)
    pairs, inverse = np.unique(np.stack([faces.ravel(), uv_faces.ravel()], axis=1), axis=0, return_inverse=True)
    uv_vertex, uv_row = pairs.T  # a vertex on a seam has several rows of the texture
    uv, uv_faces = uv[uv_row], inverse.reshape(-1, 3).astype(np.int32)
    fields = np.stack([lip, side, eye, cavity], axis=1)[uv_vertex]  # [U, 3]
    eyes = np.unique(template.part("eyes")[0])
    on_left = template.vertices[eyes, 0] > 0
    eyes = (eyes[on_left], eyes[~on_left])
    return TemplateAssets(
        template=template,
        parameters=head_parameters(template),
        skin=skin,
        teeth=_subdivided(template, "teeth"),
        tongue=_subdivided(template, "tongue"),
        lash_columns=_lash_columns(template, eyes),
        eye_vertices=eyes,
        rest=rest,
        rest_normals=vertex_normals(rest, faces),
        tree_order=sorted_into_boxes(rest),
        on_scalp=regions.scalp_mask(rest) > 0.5,
        island=island,
        head_areas=np.linalg.norm(area_vectors(rest, faces[island == HEAD]), axis=1),
        in_head=members[HEAD],
        in_mouth=members[MOUTH],
        in_socket=members[SOCKET],
        lip_ring=lip,
        lip_side=side,
        eye_ring=eye,
        labels=regions.skin_labels(rest[faces].mean(1), lip[faces].mean(1), side[faces].mean(1), island),
        uv_vertex=uv_vertex,
        uv=uv.astype(np.float32),
        uv_faces=uv_faces,
        atlas=_atlas(texture_size, rest[uv_vertex], uv, uv_faces, island, fields),
    )


def _subdivided(template: Template, name: str) -> SubdividedPart:
    """One part after Catmull-Clark subdivision."""
    operator, quads = catmull_clark(len(template.vertices), template.part(name)[0])
    used, inverse = np.unique(quads, return_inverse=True)
    return SubdividedPart(sparse.csr_matrix(operator[used]), triangles_from_quads(inverse.reshape(-1, 4)))


def _lash_columns(template: Template, eyes: tuple[NDArray, NDArray]) -> NDArray:
    """The strips of the template's lashes as columns of rungs [C, 5, 2], leading away from the eyes (left, right)."""
    points, quads = template.vertices, template.part("lashes")[0]
    centre = np.where(points[quads[:, :1], :1] > 0, *(points[eye].mean(0) for eye in eyes))  # [Q, 1, 3]
    far = np.linalg.norm(points[quads] - centre, axis=-1)
    leads_away = np.abs(far @ [1, 1, -1, -1]) > np.abs(far @ [-1, 1, 1, -1])
    rungs = np.where(leads_away[:, None, None], quads[:, [[0, 1], [3, 2]]], quads[:, [[1, 2], [0, 3]]])  # [Q, 2, 2]
    near, beyond = np.linalg.norm(points[rungs] - centre[:, None], axis=-1).sum(-1).T
    rungs[near > beyond] = rungs[near > beyond, ::-1]
    following: dict[tuple[int, ...], tuple[int, ...]] = {}
    for first, second in (*rungs.tolist(), *rungs[..., ::-1].tolist()):
        following[tuple(first)] = tuple(second)
    columns = []
    for start in sorted(rung for rung in set(following) - set(following.values()) if rung[0] < rung[1]):
        column = [start]
        while column[-1] in following:
            column.append(following[column[-1]])
        columns.append(column)
    return np.array([column for column in columns if len(column) == 5])


def _islands(uv: NDArray, quads: NDArray) -> NDArray:
    """HEAD, TORSO, MOUTH or SOCKET of each quad, by where its connected piece lies in the template's own texture."""
    piece = components(np.stack([np.repeat(quads[:, 0], 3), quads[:, 1:].ravel()], axis=1), len(uv))[quads[:, 0]]
    result = np.full(len(quads), TORSO)
    for k in np.unique(piece):
        u, v = uv[quads[piece == k]].mean((0, 1))
        if u > 0.7 and 0.2 < v < 0.8:
            result[piece == k] = HEAD
        elif u > 0.7 and v < 0.2:
            result[piece == k] = MOUTH
        elif u < 0.17 and 0.5 < v < 0.7:
            result[piece == k] = SOCKET
    return result


def _packed(uv: NDArray, faces: NDArray, island: NDArray) -> NDArray:
    """Texture coordinates with the head's island grown to most of the square."""
    packed = np.zeros_like(uv)
    grow = 1 / 0.675
    for k in (HEAD, TORSO, MOUTH, SOCKET):
        rows = np.unique(faces[island == k])
        old = uv[rows]
        if k == HEAD:  # turned by a quarter
            packed[rows] = np.stack([(old[:, 1] - 0.147) * grow, 1 - (1 - old[:, 0]) * grow], axis=1)
        elif k == MOUTH:
            packed[rows] = np.array([0.60, 0.02]) + (old - np.array([0.755, 0.01])) * 1.9
        elif k == SOCKET:
            packed[rows] = np.array([0.60, 0.28]) + (old - np.array([0.0, 0.54])) * 1.2
        else:
            low, high = old.min(0), old.max(0)
            packed[rows] = 0.01 + (old - low) * min(0.56 / (high[0] - low[0]), 0.42 / (high[1] - low[1]))
    return packed


def _fields(template: Template) -> tuple[NDArray, NDArray, NDArray]:
    """The lip_ring, lip_side and eye_ring of TemplateAssets, for template vertices [N] float32."""
    quads, quad_uv = template.part("skin")
    island = _islands(template.uv, quad_uv)
    head = quads[island == HEAD]
    edges = np.stack([head, np.roll(head, -1, 1)], axis=-1).reshape(-1, 2)
    graph = sparse.csr_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (len(template.vertices),) * 2)

    def steps(start: NDArray, far: float = 40.0) -> NDArray:
        found = dijkstra(graph, directed=False, indices=start, min_only=True, unweighted=True)
        return np.minimum(found, far).astype(np.float32)

    lip, eye = (steps(np.intersect1d(head, quads[island == opening])) for opening in (MOUTH, SOCKET))
    edge = np.flatnonzero(lip == round(regions.LIP_EDGE))  # of the red: its upper and its lower half meet at the corners
    corner = template.vertices[edge[np.argmax(template.vertices[edge, 0])], 1]
    above = template.vertices[edge, 1] > corner
    return lip, np.clip(steps(edge[~above]) - steps(edge[above]), -1, 1), eye


def _cavity(vertices: NDArray, faces: NDArray) -> NDArray:
    """How far the neighbours' mean lies above each vertex along its normal, relative to the fold of an eyelid [V]."""
    edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    graph = sparse.csr_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (len(vertices),) * 2)
    graph = ((graph + graph.T) > 0).astype(float)
    mean = sparse.diags(1 / np.maximum(np.asarray(graph.sum(1)).ravel(), 1)) @ graph
    height = ((mean @ vertices - vertices) * vertex_normals(vertices, faces)).sum(1)
    return np.clip((mean @ height + height) / 0.02, -1, 1)


def _atlas(size: int, rest: NDArray, uv: NDArray, faces: NDArray, island: NDArray, fields: NDArray) -> SkinAtlas:
    """Rasterise the skin into its texture; fields [U, 4] are lip_ring, lip_side, eye_ring and cavity."""
    found, b, c, _ = rasterize_arrays(uv[:, 0] * size, (1 - uv[:, 1]) * size, np.ones(len(uv)), faces, size, size)
    covered = found >= 0
    face, weights = found[covered], np.stack([1 - b - c, b, c], axis=-1)[covered]  # [M, 3]
    numbers = np.full((size, size), -1)
    numbers[covered] = np.arange(len(face))
    row, column = np.asarray(ndimage.distance_transform_edt(~covered, return_distances=False, return_indices=True))
    position = interpolate_vertices(rest, faces, face, weights)
    lip, side, eye, cavity = interpolate_vertices(fields, faces, face, weights).T
    noise = Noise(stream(0, "atlas"))
    waves = np.array([[noise(position, rate, 3 * i + j) for j in range(3)] for i, rate in enumerate(NOISE_RATES)])
    return SkinAtlas(
        texel=numbers[row, column],
        covered=covered,
        position=position,
        island=island[face],
        lip_ring=lip,
        eye_ring=eye,
        zones=regions.skin_zones(position, lip, side, eye, cavity, island[face] == HEAD),
        noise=(waves / waves.std(-1, keepdims=True)).astype(np.float32),
    )
