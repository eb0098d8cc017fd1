"""The 68 landmarks of a scan, found without a hand: pictures from all around are read, and what they show is brought together.

    coarse  views around each of some directions that may be up, until several readings agree on how the head stands
    fine    views of its face as training sets have them, from the front to both sides; twice, if the first moved it
    lift    rays through each landmark from all views, by robust least squares, weighted by how sure the reader is and by
            whether the surface hides the point; then onto the surface where that is near

Millimetres are those of a head of usual size: the reader says how large the head is in a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from fullhead.core.errors import FullheadError
from fullhead.core.similarity import Similarity, similarity
from fullhead.core.tri_mesh import TriMesh
from fullhead.data.scan_landmarks import COUNT
from fullhead.data.scan_views import ScanViews, cameras_around, views_of_scan
from fullhead.eyes.reading import Points, Reader, Reading, aimed_at
from fullhead.io.images import Bytes
from fullhead.kernels.tree import mesh_tree
from fullhead.rig.landmarks import ibug_points

MILLIMETRES = 680.0  # of a unit of the head's world
SIZE = 512  # pixels of a picture
UPS = (  # directions that may be up in the scan's file: along an axis, then between them
    (0, 1, 0), (0, 0, 1), (0, -1, 0), (0, 0, -1), (1, 0, 0), (-1, 0, 0), *product((1, -1), repeat=3),
)  # fmt: skip
QUARTERS = tuple(np.radians([0.0, 90.0, 180.0, 270.0]))
FINE = tuple((np.radians(yaw), np.radians(pitch)) for yaw, pitch in (
    (0, 0), (20, 0), (-20, 0), (45, 0), (-45, 0), (70, 0), (-70, 0), (95, 0), (-95, 0),
    (0, 20), (0, -20), (35, 18), (-35, 18), (35, -18), (-35, -18),
))  # fmt: skip
FILL = 0.29  # world units from the middle within which the standard cameras see everything
SURE = 1.9  # sum of the scores of readings that agree, from which on nothing else is looked for
LEAST = 0.5  # sum of the scores below which there is no head
ALIKE_TURN, ALIKE_SIZE, ALIKE_PLACE = np.radians(30), 0.35, 0.25  # radians, in logarithms, in heads' units: readings that agree
SETTLED_TURN, SETTLED_PLACE = np.radians(6), 0.03  # how far the fine views may move a head that stays where it is
DEPTH = 0.15  # world units from what a view shows at the head's origin to the origin
PIXELS = 3.0  # deviation of landmarks of which a reader does not say it, and at least
LEAST_PIXELS = 0.5
HIDDEN = 0.03  # weight of a landmark that the surface hides
HIDDEN_DEPTH = 0.02  # world units behind the surface, from which on a point is hidden
ON_SURFACE = 2.0  # millimetres: nearer landmarks are moved onto the surface
DISAGREE = 8.0  # millimetres between views, in the median over landmarks, at most
DOUBTFUL = 20.0  # of one landmark, beyond which it counts as unknown
FEWEST = 20  # landmarks
ROUNDS = 12


@dataclass(frozen=True)
class FoundLandmarks:
    """What a reader found on a scan, in the scan's frame and unit."""

    points: NDArray  # [68, 3]; NaN where unknown
    spread: NDArray  # [68] millimetres by which the views disagree
    scan_from_head: Similarity  # from the head's world, whose unit is 0.68 metres
    views: int  # pictures of the face that were read

    @property
    def millimetres(self) -> float:
        """By which the views disagree, in the median."""
        return float(np.nanmedian(self.spread))


def found_landmarks(mesh: TriMesh[NDArray], reader: Reader) -> FoundLandmarks:
    """The landmarks of a scan that lies in its file in any direction, place and unit. Raises FullheadError where no head is
    found, and where the views disagree."""
    before = coarse_head(mesh, reader)
    views, readings = read_views(mesh, reader, before)
    scan_from_head = agreed(views, readings)
    if not _settled(before, scan_from_head):
        views, readings = read_views(mesh, reader, scan_from_head)
        scan_from_head = agreed(views, readings)
    marked = {
        view: reading.landmarks
        for view, reading in enumerate(readings)
        if reading is not None and reading.landmarks is not None
        and (at := _of_reading(views, view, reading)) is not None and _alike([at, scan_from_head])[0, 1]
    }  # fmt: skip
    if len(marked) < 2:
        raise FullheadError(f"{len(marked)} of {len(views)} views of the head show landmarks: at least 2 are needed")
    millimetres = MILLIMETRES / scan_from_head.scale
    points, spread = lifted(views, list(marked), list(marked.values()), HIDDEN_DEPTH * scan_from_head.scale)
    spread = spread * millimetres
    points[~(spread < DOUBTFUL)] = np.nan
    known = np.isfinite(points).all(1)
    off = float(np.nanmedian(spread))
    if not off <= DISAGREE or known.sum() < FEWEST:
        raise FullheadError(
            f"the landmarks that {len(marked)} views show disagree by {off:.1f} mm ({known.sum()} of {COUNT} agree; at most "
            f"{DISAGREE:g} mm, at least {FEWEST})"
        )
    return FoundLandmarks(_onto(mesh, points, ON_SURFACE / millimetres), spread, scan_from_head, len(marked))


def coarse_head(mesh: TriMesh[NDArray], reader: Reader) -> Similarity:
    """How a head stands in a scan, about: scan from head."""
    used = mesh.vertices[np.unique(mesh.faces)]
    middle = np.quantile(used, [0.001, 0.999], axis=0).mean(0)
    radius = float(np.quantile(np.linalg.norm(used - middle, axis=1), 0.999))
    if not radius > 0:
        raise FullheadError("no head found in the scan: all of it lies in one place")
    placed: list[tuple[Similarity, float]] = []
    best, support = None, 0.0
    for up in UPS:
        views = views_of_scan(mesh, cameras_around(Similarity(radius / FILL, _upright(up), middle), QUARTERS), SIZE)
        placed += _placed(views, [surest(reader, picture) for picture in views.pictures])
        best, support = _consensus(placed)
        if support >= SURE:
            break
    if best is None or support < LEAST:
        raise FullheadError(
            f"no head found in the scan: of {len(UPS) * len(QUARTERS)} views from all around, {len(placed)} look like one, and "
            f"these do not agree"
        )
    return best


def read_views(
    mesh: TriMesh[NDArray], reader: Reader, scan_from_head: Similarity, around: Sequence[tuple[float, float]] = FINE
) -> tuple[ScanViews, list[Reading | None]]:
    """Views of the face, and what each shows of the head that stands there. around: yaws and pitches, radians."""
    yaw, pitch = zip(*around, strict=True)
    views = views_of_scan(mesh, cameras_around(scan_from_head, yaw, pitch), SIZE)
    return views, [surest(reader, picture) for picture in views.pictures]


def agreed(views: ScanViews, readings: Sequence[Reading | None]) -> Similarity:
    """How most readings say that the head stands. Raises FullheadError."""
    best, support = _consensus(_placed(views, readings))
    if best is None or support < LEAST:
        raise FullheadError("no head found in the scan: what looked like one from afar does not from near")
    return best


def lifted(views: ScanViews, rows: Sequence[int], marked: Sequence[Points], hidden_depth: float) -> tuple[NDArray, NDArray]:
    """Places [P, 3] in the scan's frame of points that the views `rows` show at `marked`, and in its unit how far the views'
    rays pass by them, in the median [P]. hidden_depth: by so much behind the surface a point is hidden. NaN where unknown."""
    c2w, K = views.cameras.c2w.numpy()[rows], views.cameras.K.numpy()[rows]
    xy = np.stack([points.xy for points in marked]).astype(np.float64)  # [V, P, 2]
    focal = K[:, 0, 0] * views.size
    ray = np.concatenate([xy / views.size, np.ones_like(xy[..., :1])], axis=-1)
    ray = np.einsum("vij,vpj->vpi", c2w[:, :3, :3] @ np.linalg.inv(K), ray)
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    count = xy.shape[1]
    deviation = np.stack([np.full(count, PIXELS) if p.deviation is None else p.deviation for p in marked])
    seen = np.stack([np.ones(count) if p.seen is None else p.seen for p in marked])
    known = np.isfinite(xy).all(-1) & np.isfinite(deviation)
    deviation = np.where(known, deviation, 1).clip(LEAST_PIXELS)
    sure = np.where(known, seen.clip(HIDDEN, 1), 0)
    ray = np.where(known[..., None], ray, 0)
    hits = np.stack([views.at(row, points.xy) for row, points in zip(rows, marked, strict=True)])  # [V, P, 3]
    place = np.stack([_middle(hits[:, p], sure[:, p] / deviation[:, p]) for p in range(count)])
    place = np.where(np.isfinite(place), place, _nearest_to_rays(c2w[:, :3, 3], ray, sure / deviation**2))
    visible, away = sure, np.full(xy.shape[:2], np.nan)
    for number in range(ROUNDS):
        visible = sure * np.where(_hidden(views, rows, place, hidden_depth), HIDDEN, 1)
        offset = place - c2w[:, None, :3, 3]
        depth = np.einsum("vpi,vi->vp", offset, c2w[:, :3, 2])
        away = np.linalg.norm(offset - (offset * ray).sum(-1, keepdims=True) * ray, axis=-1)  # [V, P]
        off = away * focal[:, None] / np.abs(depth).clip(1e-9) / deviation  # in deviations
        usual = max(1.0, _weighted_median(off[known], visible[known]) / 1.2)
        far = usual * max(2.5, 12 * 0.7**number)
        weight = visible * (far**2 / (far**2 + off**2)) ** 2 * (focal[:, None] / np.abs(depth).clip(1e-9) / deviation) ** 2
        place = _nearest_to_rays(c2w[:, :3, 3], ray, np.nan_to_num(weight))
    visible = np.where(known, visible, 0)
    spread = np.array([_weighted_median(away[:, p], visible[:, p]) for p in range(count)])
    few = (visible > 0.3).sum(0) < 2  # one ray tells no place
    return np.where(few[:, None], np.nan, place), np.where(few, np.nan, spread)


def _nearest_to_rays(origins: NDArray, rays: NDArray, weight: NDArray) -> NDArray:
    """Points [P, 3] closest to unit rays [V, P, 3] from origins [V, 3], by weights [V, P]."""
    across = np.eye(3) - rays[..., None] * rays[..., None, :]  # [V, P, 3, 3]
    across = across * weight[..., None, None]
    hessian, pull = across.sum(0), np.einsum("vpij,vj->pi", across, origins)
    scale = np.trace(hessian, axis1=1, axis2=2)
    hessian = hessian + (1e-9 * scale + 1e-300)[:, None, None] * np.eye(3)
    return np.linalg.solve(hessian, pull[..., None])[..., 0]


def _hidden(views: ScanViews, rows: Sequence[int], points: NDArray, depth: float) -> NDArray:
    """Whether [V, P] the surface hides points [P, 3] from the views `rows`, by more than `depth`."""
    xy, ahead = views.projected(points)
    c2w = views.cameras.c2w.numpy()
    found = []
    for row in rows:
        surface = (views.at(row, xy[row]) - c2w[row, :3, 3]) @ c2w[row, :3, 2]
        found.append(ahead[row] - surface > depth)
    return np.stack(found)


def _onto(mesh: TriMesh[NDArray], points: NDArray, reach: float) -> NDArray:
    """Points [P, 3] on the surface, where it is within reach."""
    known = np.isfinite(points).all(1)
    face, weights, away = mesh_tree(mesh.vertices, mesh.faces).closest(points[known], reach)
    on = (mesh.vertices[mesh.faces[face]] * weights[..., None]).sum(1)
    points = points.copy()
    points[known] = np.where(np.isfinite(away)[:, None], on, points[known])
    return points


def surest(reader: Reader, picture: Bytes) -> Reading | None:
    """The surest of what a reader sees in a picture uint8 [H, W, 3]. Raises FullheadError for what is no reading of a head."""
    found = reader(picture)
    if not isinstance(found, list) or not all(isinstance(reading, Reading) for reading in found):
        raise FullheadError(f"the reader gave {type(found).__name__}, not a list of fullhead.eyes.reading.Reading")
    reading = max(found, key=lambda reading: reading.score, default=None)
    if reading is not None and reading.landmarks is not None and np.shape(reading.landmarks.xy) != (COUNT, 2):
        raise FullheadError(f"the reader gave {list(np.shape(reading.landmarks.xy))} numbers for landmarks, not [68, 2]")
    return reading


def _placed(views: ScanViews, readings: Sequence[Reading | None]) -> list[tuple[Similarity, float]]:
    """How the head stands by each reading that can tell, with the reading's score."""
    found = []
    for view, reading in enumerate(readings):
        if reading is not None and (at := _of_reading(views, view, reading)) is not None:
            found.append((at, reading.score))
    return found


def _of_reading(views: ScanViews, view: int, reading: Reading) -> Similarity | None:
    """How the head stands in the scan by one view: scan from head."""
    if reading.rotation is None:
        return _of_landmarks(views.at(view, reading.landmarks.xy)) if reading.landmarks is not None else None
    c2w, focal = views.cameras.c2w[view].numpy(), float(views.cameras.K[view, 0, 0]) * views.size
    ray = np.array([*((reading.centre - views.size / 2) / focal), 1.0])
    shown = (views.at(view, reading.centre[None])[0] - c2w[:3, 3]) @ c2w[:3, 2]
    if not np.isfinite(shown):  # the scan has a hole there
        shown = float(np.nanmedian((views.places[view] + views.origin - c2w[:3, 3]) @ c2w[:3, 2]))
    depth = shown / max(1 - DEPTH * reading.unit / focal, 0.5)
    if not np.isfinite(depth):
        return None
    turn = c2w[:3, :3] @ aimed_at(ray).T @ reading.rotation
    return Similarity(reading.unit * depth / focal, turn, c2w[:3, :3] @ (ray * depth) + c2w[:3, 3])


def _of_landmarks(points: NDArray) -> Similarity | None:
    """How the head stands by landmarks [68, 3] in the scan, some of which may lie on something else; NaN where unknown."""
    usual = (ibug_points() - [0, 7.355, 1.181]) / 6.8 + [0, 0, 0.115]  # dm; the first: between the eyes
    known = np.isfinite(points).all(1)
    for share in (0.9, 0.8, 0.8):
        if known.sum() < 12:
            return None
        try:
            found = similarity(usual[known], points[known])
        except FullheadError:
            return None
        away = np.linalg.norm(found(usual) - points, axis=1)
        known = known & (away <= np.quantile(away[known], share))
    return similarity(usual[known], points[known]) if known.sum() >= 12 else None


def _alike(heads: Sequence[Similarity]) -> NDArray:
    """Which [N, N] of N heads stand alike."""
    turns, sizes = np.stack([at.turn for at in heads]), np.log([at.scale for at in heads])
    shifts = np.stack([at.shift for at in heads])
    angle = np.arccos(((np.einsum("aij,bij->ab", turns, turns) - 1) / 2).clip(-1, 1))
    apart = np.linalg.norm(shifts[:, None] - shifts, axis=-1) / np.exp(sizes)[:, None]
    return (angle < ALIKE_TURN) & (np.abs(sizes[:, None] - sizes) < ALIKE_SIZE) & (apart < ALIKE_PLACE)


def _consensus(placed: Sequence[tuple[Similarity, float]]) -> tuple[Similarity | None, float]:
    """The mean of those that agree, of the largest group by scores, and the sum of its scores."""
    if not placed:
        return None, 0.0
    alike, scores = _alike([at for at, _ in placed]), np.array([score for _, score in placed])
    support = alike @ scores
    chosen = alike[support.argmax()]
    group, weights = [at for (at, _), of_it in zip(placed, chosen, strict=True) if of_it], scores[chosen]
    u, _, vt = np.linalg.svd(np.tensordot(weights, [at.turn for at in group], 1))
    turn = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    scale = float(np.exp(np.average(np.log([at.scale for at in group]), weights=weights)))
    return Similarity(scale, turn, _middle(np.stack([at.shift for at in group]), weights)), float(support.max())


def _settled(before: Similarity, after: Similarity) -> bool:
    angle = np.arccos(np.clip((np.trace(before.turn.T @ after.turn) - 1) / 2, -1, 1))
    moved = np.linalg.norm(after.shift - before.shift) / after.scale + abs(np.log(after.scale / before.scale)) / 5
    return bool(angle < SETTLED_TURN and moved < SETTLED_PLACE)


def _upright(up: Sequence[float]) -> NDArray:
    """A turn [3, 3] that takes +y to `up`, and +z, if it can, to the side of the scan's +z."""
    y = np.array(up, float) / np.linalg.norm(up)
    forward = np.array([0, 0, 1.0]) if abs(y[2]) < 0.9 else np.array([0, -y[2], 0.0])
    z = forward - forward @ y * y
    z /= np.linalg.norm(z)
    return np.column_stack([np.cross(y, z), y, z])


def _middle(points: NDArray, weights: NDArray) -> NDArray:
    """The median [3] of points [N, 3] along each axis, by weights [N]; NaN if all are."""
    known = np.isfinite(points).all(1)
    if not known.any():
        return np.full(3, np.nan)
    return np.array([_weighted_median(points[known, axis], weights[known]) for axis in range(3)])


def _weighted_median(values: NDArray, weights: NDArray) -> float:
    """NaN where nothing has a weight."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    if not len(total) or not total[-1] > 0:
        return float("nan")
    return float(values[order[np.searchsorted(total, total[-1] / 2)]])
