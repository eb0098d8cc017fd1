"""How well a reader of heads that was made for photos finds the 68 landmarks of procedural heads.

Errors are mean distances over landmarks in units of the distance between the outer corners of the eyes (36 and 45), as in
the 300-W benchmark. `inner` leaves out the jaw (0-16): points of others slide along the outline there, ours stay on the skin.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fullhead.core.errors import FullheadError
from fullhead.data.scan_landmarks import COUNT
from fullhead.data.scan_reading import surest
from fullhead.eyes.reading import Reader
from fullhead.io.sets import read_records, read_set
from fullhead.io.stores import open_store

OUTER_CORNERS = (36, 45)  # of the eyes
INNER = slice(17, 68)  # all but the jaw
SAME_FACE = 0.5  # mean error of the inner landmarks from which on another place than the face was found


@dataclass(frozen=True)
class Agreement:
    """Of the `photos` looked at, in how many a face was found where it is, and its errors there [faces]."""

    photos: int
    elsewhere: int  # photos in which something else was taken for the face
    errors: NDArray  # all 68
    inner_errors: NDArray

    @property
    def faces(self) -> int:
        return len(self.errors)


def normalised_errors(found: NDArray, truth: NDArray) -> NDArray:
    """Distances [..., 68] of landmarks [..., 68, 2] from the truth, by that between the outer corners of the true eyes."""
    right, left = OUTER_CORNERS
    apart = np.linalg.norm(truth[..., right, :] - truth[..., left, :], axis=-1)
    return np.linalg.norm(found - truth, axis=-1) / apart[..., None]


def agreement(root: Path, reader: Reader, yaw_limit: float = 30) -> Agreement:
    """What a reader finds in the photos of a set whose |yaw| is within `yaw_limit` degrees.

    Raises FullheadError for another kind of set, and where no photo is frontal enough.
    """
    if (kind := read_set(root)["kind"]) != "photos":
        raise FullheadError(f"{root} holds a set of {kind}; a reader looks at one of `fullhead synth photos`")
    views = [view for record in read_records(root) for view in record["views"] if abs(np.degrees(view["yaw"])) <= yaw_limit]
    if not views:
        raise FullheadError(f"no photo of {root} has |yaw| within {yaw_limit:g} degrees")
    pictures, found = open_store(root, "img"), []
    for view in views:
        reading = surest(reader, pictures.picture(f"{view['key']}.png"))
        marks = None if reading is None else reading.landmarks
        found.append(np.full((COUNT, 2), np.nan) if marks is None else marks.xy)
    errors = normalised_errors(np.array(found), np.array([view["landmarks"] for view in views]))
    here = np.nan_to_num(errors[:, INNER].mean(1), nan=np.inf)
    there = here < SAME_FACE
    return Agreement(len(views), int((np.isfinite(here) & ~there).sum()), errors[there].mean(1), errors[there, INNER].mean(1))
