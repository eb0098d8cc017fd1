"""What all subjects share: the subdivided skin, its texture atlas, and where on the template things lie.

`rest` is the average adult; regions (scalp, beard, lips, collar) are drawn in its coordinates, so they follow any identity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components, dijkstra

from fullhead.core.meshes import area_vectors, vertex_normals
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
    operator, quads, used = _subdivided(template, "skin")
    quad_uv, uv = _subdivided_uv(template)
    faces, uv_faces = triangles_from_quads(quads), triangles_from_quads(quad_uv)
    lip, eye = (operator @ _rings(template, opening) for opening in (MOUTH, SOCKET))
    side = operator @ _lip_side(template)
    island = _islands(uv, quad_uv)
    island = np.concatenate([island, island])  # both halves of the quads
    uv = _packed(uv, uv_faces, island)
    rest = (operator @ identity_vertices(template, Phenotype(), {})).astype(np.float32)
    members = [np.isin(np.arange(len(used)), faces[island == k]) for k in (HEAD, TORSO, MOUTH, SOCKET)]
    cavity = _cavity(rest, faces)
    uv_vertex, seam_uv_row, uv_faces = _seams(faces, uv_faces)
    fields = np.stack([lip, side, eye, cavity], axis=1)[uv_vertex]  # [U, 3]
    eye_vertices = np.unique(template.part("eyes")[0])
    on_left = template.vertices[eye_vertices, 0] > 0
    return TemplateAssets(
        template=template,
        parameters=head_parameters(template),
        skin=SubdividedPart(operator, faces),
        teeth=_part(template, "teeth"),
        tongue=_part(template, "tongue"),
        lash_columns=_lash_columns(template, eye_vertices),
        eye_vertices=(eye_vertices[on_left], eye_vertices[~on_left]),
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
        uv=uv[seam_uv_row].astype(np.float32),
        uv_faces=uv_faces,
        atlas=_atlas(texture_size, rest[uv_vertex], uv[seam_uv_row], uv_faces, island, fields),
    )


def _subdivided(template: Template, name: str) -> tuple[sparse.csr_matrix, NDArray, NDArray]:
    """Operator [V, N], quads [F, 4] and the rows kept of one part after Catmull-Clark subdivision."""
    operator, quads = catmull_clark(len(template.vertices), template.part(name)[0])
    used, inverse = np.unique(quads, return_inverse=True)
    return sparse.csr_matrix(operator[used]), inverse.reshape(-1, 4), used


def _subdivided_uv(template: Template) -> tuple[NDArray, NDArray]:
    """Texture quads [F, 4] and coordinates [T, 2] of the skin, subdivided in step with it."""
    operator, quads = bilinear(len(template.uv), template.part("skin")[1])
    used, inverse = np.unique(quads, return_inverse=True)
    return inverse.reshape(-1, 4), (operator @ template.uv)[used]


def _part(template: Template, name: str) -> SubdividedPart:
    operator, quads, _ = _subdivided(template, name)
    return SubdividedPart(operator, triangles_from_quads(quads))


def _lash_columns(template: Template, eye_vertices: NDArray) -> NDArray:
    """The strips of the template's lashes as columns of rungs [C, 5, 2], leading away from the eyes."""
    points = template.vertices
    on_left = points[eye_vertices, 0] > 0
    centres = [points[eye_vertices[side]].mean(0) for side in (on_left, ~on_left)]
    following: dict[tuple[int, int], tuple[int, int]] = {}
    for quad in template.part("lashes")[0]:
        centre = centres[0 if points[quad[0], 0] > 0 else 1]
        a, b, c, d = (int(v) for v in quad)
        far = {v: float(np.linalg.norm(points[v] - centre)) for v in (a, b, c, d)}
        leads_away = abs(far[a] + far[b] - far[c] - far[d]) > abs(far[b] + far[c] - far[d] - far[a])
        rungs = ((a, b), (d, c)) if leads_away else ((b, c), (a, d))
        near, beyond = sorted(rungs, key=lambda rung: far[rung[0]] + far[rung[1]])
        turned = near[0] > near[1]
        following[(near[1], near[0]) if turned else near] = (beyond[1], beyond[0]) if turned else beyond
    ends = {tuple(sorted(rung)) for rung in following.values()}
    columns = []
    for start in sorted(rung for rung in following if rung not in ends):
        column = [start]
        while (next_rung := following.get((min(column[-1]), max(column[-1])))) is not None:
            column.append(next_rung if column[-1][0] < column[-1][1] else (next_rung[1], next_rung[0]))
        columns.append(column)
    return np.array([column for column in columns if len(column) == 5])


def _islands(uv: NDArray, quads: NDArray) -> NDArray:
    """HEAD, TORSO, MOUTH or SOCKET of each quad, by where its connected piece lies in the template's own texture."""
    links = sparse.coo_matrix((np.ones(3 * len(quads)), (np.repeat(quads[:, 0], 3), quads[:, 1:].ravel())), (len(uv),) * 2)
    piece = connected_components(links, directed=False)[1][quads[:, 0]]
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


def _edge_graph(vertices: NDArray, faces: NDArray) -> sparse.csr_matrix:
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    lengths = np.linalg.norm(vertices[pairs[:, 0]] - vertices[pairs[:, 1]], axis=1)
    return sparse.csr_matrix((lengths, (pairs[:, 0], pairs[:, 1])), (len(vertices),) * 2)


def _rings(template: Template, opening: int) -> NDArray:
    """Steps along edges of the head's skin from the border of its MOUTH or SOCKET, for template vertices [N] float32."""
    quads, quad_uv = template.part("skin")
    island = _islands(template.uv, quad_uv)
    return _steps(template, np.intersect1d(quads[island == HEAD], quads[island == opening]))


def _lip_side(template: Template) -> NDArray:
    """1 for template vertices [N] that are nearer, along edges, to the upper lip's red edge, -1 to the lower one's."""
    edge = np.flatnonzero(_rings(template, MOUTH) == round(regions.LIP_EDGE))
    corner = template.vertices[edge[np.argmax(template.vertices[edge, 0])], 1]
    above = template.vertices[edge, 1] > corner
    return np.clip(_steps(template, edge[~above]) - _steps(template, edge[above]), -1, 1)


def _steps(template: Template, start: NDArray, far: float = 40.0) -> NDArray:
    """Steps along edges of the head's skin from the vertices `start`, for template vertices [N] float32."""
    quads, quad_uv = template.part("skin")
    head = quads[_islands(template.uv, quad_uv) == HEAD]
    edges = np.stack([head, np.roll(head, -1, 1)], axis=-1).reshape(-1, 2)
    graph = sparse.csr_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (len(template.vertices),) * 2)
    steps = dijkstra(graph, directed=False, indices=start, min_only=True, unweighted=True)
    return np.minimum(steps, far).astype(np.float32)


def _seams(faces: NDArray, uv_faces: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Unique (vertex, texture row) pairs, and faces over them."""
    pairs = np.stack([faces.ravel(), uv_faces.ravel()], axis=1)
    unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
    return unique[:, 0], unique[:, 1], inverse.reshape(-1, 3).astype(np.int32)


def _cavity(vertices: NDArray, faces: NDArray) -> NDArray:
    """How far the neighbours' mean lies above each vertex along its normal, relative to the fold of an eyelid [V]."""
    graph = _edge_graph(vertices, faces)
    graph = ((graph + graph.T) > 0).astype(float)
    mean = sparse.diags(1 / np.maximum(np.asarray(graph.sum(1)).ravel(), 1)) @ graph
    height = ((mean @ vertices - vertices) * vertex_normals(vertices, faces)).sum(1)
    return np.clip((mean @ height + height) / 0.02, -1, 1)


def _atlas(size: int, rest: NDArray, uv: NDArray, faces: NDArray, island: NDArray, fields: NDArray) -> SkinAtlas:
    """Rasterise the skin into its texture; fields [U, 4] are lip_ring, lip_side, eye_ring and cavity."""
    found, b, c, _ = rasterize_arrays(uv[:, 0] * size, (1 - uv[:, 1]) * size, np.ones(len(uv)), faces, size, size)
    covered = found >= 0
    corners, weights = faces[found[covered]], np.stack([1 - b - c, b, c], axis=-1)[covered]  # [M, 3]
    numbers = np.full((size, size), -1)
    numbers[covered] = np.arange(len(corners))
    nearest = np.asarray(ndimage.distance_transform_edt(~covered, return_distances=False, return_indices=True))  # [2, R, R]
    position = np.einsum("mk,mkd->md", weights, rest[corners])
    lip, side, eye, cavity = (np.einsum("mk,mk->m", weights, fields[corners, i]) for i in range(4))
    on_head = island[found[covered]] == HEAD
    noise = Noise(stream(0, "atlas"))
    waves = np.array([[noise(position, rate, 3 * i + j) for j in range(3)] for i, rate in enumerate(NOISE_RATES)])
    return SkinAtlas(
        texel=numbers[nearest[0], nearest[1]],
        covered=covered,
        position=position,
        island=island[found[covered]],
        lip_ring=lip,
        eye_ring=eye,
        zones=regions.skin_zones(position, lip, side, eye, cavity, on_head),
        noise=(waves / waves.std(-1, keepdims=True)).astype(np.float32),
    )
