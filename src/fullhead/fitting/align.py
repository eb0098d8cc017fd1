"""A photo cut as the photos of a training set are: a face found, and a square laid so that it lands where faces are.

A square is a `Window` without a turn; `eyes.window.crop` cuts it out.
"""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fullhead.core.errors import FullheadError
from fullhead.eyes.window import Window
from fullhead.io.images import Bytes

# The square box in which `find_faces` sees frontal faces: its side, and how far its centre lies below the middle of pictures of
# our cameras, in parts of a picture's side where a unit of the world is a metre. Means over 24 heads of `fullhead synth photos
# --size 256 --yaw-limit 6 --pitch-spread 0.05` (0.68 metres a unit) and their mirror images, all found; from head to head the
# centre varies by 0.007 across and 0.010 down, the side by 0.020.
FACE_SIDE = 0.286
FACE_BELOW = 0.0286

SEARCH_SIZES = (320, 416)  # pixels of the photo's longer side while searching
SMALLEST_FACE = 0.1  # of the shorter side: what is smaller is rather a button than the sitter
SAME_FACE = 0.25  # boxes whose centres and sides differ by less than this part of the side are one face
VOTES = 3  # of the four searches (two sizes, two mirrorings) that must agree
LEAST_BOX = 8  # pixels


def find_faces(photo: Bytes) -> list[Window]:
    """The frontal faces of a photo uint8 [H, W, 3], from the middle of the forehead to the chin; large and central ones first.

    Local binary patterns, from scikit-image; the photo and its mirror image are searched at two sizes, and the searches vote.
    Raises FullheadError if there is none.
    """
    boxes = np.concatenate([_search(photo, size, mirrored) for size in SEARCH_SIZES for mirrored in (False, True)])
    same = np.abs(boxes[:, None] - boxes).max(-1) < SAME_FACE * boxes[:, None, 2]  # [N, N]
    height, width = photo.shape[:2]
    off_centre = np.hypot(boxes[:, 0] - width / 2, boxes[:, 1] - height / 2) / max(height, width)  # 0 to about 0.7 in a corner
    score = np.where(same.sum(1) >= VOTES, boxes[:, 2] * (1 - off_centre), 0)
    if not score.any():
        raise FullheadError(
            f"no frontal face found in the photo, which has {width} x {height} pixels: say where it is, from the middle of the "
            "forehead to the chin, with --box x,y,width,height; for a side view say --yaw too, about 90 for the left side of "
            "the face and -90 for its right"
        )
    found = []
    while score.any():
        face = boxes[same[score.argmax()]].mean(0)
        score[np.abs(boxes[:, :2] - face[:2]).max(1) < face[2] / 2] = 0
        found.append(Window(*face.tolist()))
    return found


def _search(photo: Bytes, size: int, mirrored: bool) -> NDArray:
    """Faces found, rows of x, y and side [N, 3]."""
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    height, width = photo.shape[:2]
    scale = size / max(height, width)
    small = Image.fromarray(photo).resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BOX)
    pixels = np.ascontiguousarray(np.asarray(small)[:, ::-1] if mirrored else np.asarray(small))
    least = max(24, round(SMALLEST_FACE * min(pixels.shape[:2])))  # the cascade looks at 24 x 24 pixels
    if least > min(pixels.shape[:2]):
        return np.empty((0, 3))
    hits = Cascade(lbp_frontal_face_cascade_filename()).detect_multi_scale(
        pixels, scale_factor=1.1, step_ratio=1, min_size=(least, least), max_size=pixels.shape[:2]
    )
    boxes = np.array([[h["c"] + h["width"] / 2, h["r"] + h["height"] / 2, h["width"]] for h in hits]).reshape(-1, 3) / scale
    boxes[:, 0] = width - boxes[:, 0] if mirrored else boxes[:, 0]
    return boxes


def parse_box(text: str, photo: Bytes) -> Window:
    """The square of a face box "x,y,width,height" in pixels of the photo uint8 [H, W, 3]."""
    number = r"\s*(-?\d+(?:\.\d+)?)\s*"
    match = re.fullmatch(",".join([number] * 4), text)
    if not match:
        raise FullheadError(f"--box {text!r}: write x,y,width,height in pixels of the photo, as in 120,80,200,200")
    x, y, width, height = map(float, match.groups())
    box = Window(x + width / 2, y + height / 2, math.sqrt(max(width, 0) * max(height, 0)))
    photo_height, photo_width = photo.shape[:2]
    if min(width, height) < LEAST_BOX:
        raise FullheadError(f"--box {text!r}: a face {width:g} x {height:g} pixels is too small; at least {LEAST_BOX} each way")
    if x < 0 or y < 0 or x + width > photo_width or y + height > photo_height:
        raise FullheadError(f"--box {text!r} reaches beyond the photo, which has {photo_width} x {photo_height} pixels")
    return box


def face_place(metres_per_unit: float) -> Window:
    """Where frontal faces are in pictures of a world whose unit is so many metres, in parts of the picture's side."""
    return Window(0.5, 0.5 + FACE_BELOW / metres_per_unit, FACE_SIDE / metres_per_unit)


def head_square(face: Window, metres_per_unit: float) -> Window:
    """The square of the photo that becomes the model's image, so that `face` lands where frontal faces do."""
    place = face_place(metres_per_unit)
    side = face.side / place.side
    return Window(face.x + (0.5 - place.x) * side, face.y + (0.5 - place.y) * side, side)
