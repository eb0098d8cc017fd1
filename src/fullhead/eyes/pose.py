"""How a head stands, from its 68 landmarks or from the camera that took the photo."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from fullhead.core.cameras import RADIUS, Cameras
from fullhead.core.errors import FullheadError
from fullhead.eyes.reading import Points, Reading, aimed_at
from fullhead.rig.landmarks import ibug_points

MIDDLE_OF_EYES = (0.0, 7.355, 1.181)  # of the average adult, dm
WORLD_EYES = (0.0, 0.0, 0.115)  # the same in the head's own axes, world units
WORLD_PER_DM = 0.154  # that brings it closest to the mean of 227 procedural heads, whose sizes are more alike than people's
LEAST_POINTS = 6
OUTLIER = 0.02  # world units by which a landmark may be elsewhere than on the average head before it counts less


def landmark_places() -> NDArray:
    """Where the 68 landmarks are on the average head [68, 3], in its own axes."""
    return (ibug_points() - MIDDLE_OF_EYES) * WORLD_PER_DM + WORLD_EYES


def reading_of_landmarks(xy: NDArray, score: float = 1.0) -> Reading:
    """A head with landmarks [68, 2], pixels; nan where one is not known.

    Rotation, centre and unit are those with which the average head, RADIUS away from the camera, comes closest to them. So does
    a landmark that is not known. Raises FullheadError for fewer than six, and for points in a line.
    """
    known, places = np.asarray(np.isfinite(xy).all(axis=1)), landmark_places()
    if known.sum() < LEAST_POINTS:
        raise FullheadError(f"{known.sum()} of the 68 landmarks are known: {LEAST_POINTS} are needed to see how a head stands")
    source, target = places[known], xy[known]
    affine = np.linalg.lstsq(np.column_stack([source, np.ones(len(source))]), target)[0].T  # [2, 4]
    u, s, vt = np.linalg.svd(affine[:, :3], full_matrices=False)
    if not s[1] > 1e-3 * s[0]:
        raise FullheadError("the landmarks lie in a line or in one place: they cannot tell how a head stands")
    rows, unit = u @ vt, float(s.mean())
    turn = Rotation.from_matrix(np.vstack([rows, np.cross(rows[0], rows[1])]))

    def seen(x: NDArray, points: NDArray) -> NDArray:
        posed = Rotation.from_rotvec(x[:3]).apply(points)
        return x[3:5] + np.exp(x[5]) * posed[:, :2] / (1 + posed[:, 2:] / RADIUS)

    aim = (target - affine[:, 3]) / unit
    start = [*turn.as_rotvec(), 0, 0, 0]
    best = least_squares(lambda x: (seen(x, source) - aim).ravel(), start, loss="soft_l1", f_scale=OUTLIER).x
    filled = np.where(known[:, None], xy, seen(best, places) * unit + affine[:, 3])
    return Reading(
        score=score,
        centre=best[3:5] * unit + affine[:, 3],
        unit=float(np.exp(best[5])) * unit,
        rotation=Rotation.from_rotvec(best[:3]).as_matrix(),
        landmarks=Points(filled, seen=None if known.all() else known.astype(float)),
    )


def reading_of_camera(camera: Cameras, width: int, height: int) -> Reading:
    """The head of a photo that a camera [1] took, which stands around it as in a training set: upright, at the origin."""
    K_px = camera.K[0].double().numpy() * np.array([[width], [height], [1]])
    w2c = np.linalg.inv(camera.c2w[0].double().numpy())
    origin = w2c[:3, 3]
    if not origin[2] > 0:
        raise FullheadError("the camera does not look at the head: its label is not c2w and K of an OpenCV camera")
    return Reading(
        score=1.0,
        centre=(K_px @ origin)[:2] / origin[2],
        unit=float(K_px[0, 0] / origin[2]),
        rotation=aimed_at(origin) @ w2c[:3, :3],
    )
