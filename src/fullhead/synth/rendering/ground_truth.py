"""What is known exactly about a picture, and the files that hold it.

Fields, by name: `seg` soft alpha, `mask` where alpha > 0.5, `rgba` the head alone with straight alpha, `parts` semantic
labels, `depth` camera z, `normal` camera-space normals. FIELDS says what their values mean; a set's set.json repeats it.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fullhead.core.cameras import Cameras
from fullhead.core.colour import srgb_from_linear
from fullhead.core.errors import FullheadError
from fullhead.core.random import stream
from fullhead.synth.anatomy.regions import LABELS
from fullhead.synth.rendering.render import Photo, project_to_pixels

DEPTH_STEP = 2e-4  # metres per step of the 16-bit depth
FIELDS = {
    "seg": "opacity of the head with hair and clothes, 0 to 255",
    "mask": "255 where the opacity is above a half, else 0",
    "rgba": "the head alone, 8-bit sRGB and opacity, colours not multiplied by it",
    "parts": "number of the part that is nearest in the pixel (see `parts`), 0 where nothing is",
    "depth": f"distance along the camera's axis of the nearest thing in the pixel, in steps of {DEPTH_STEP} metres; 0 where "
    "nothing is",
    "normal": "its normal as (n + 1) / 2 * 255 with x to the right, y up, z towards the camera; 0 where nothing is",
}
VISIBLE_WITHIN = 0.01  # metres that a landmark may lie behind what is seen and still count as visible


def parse_fields(text: str) -> tuple[str, ...]:
    """The fields named in a list such as "seg,depth"; "all" and "none" are short for all and none of them."""
    if text in ("all", "none"):
        return tuple(FIELDS) if text == "all" else ()
    names = tuple(name for name in text.replace(" ", "").split(",") if name)
    if unknown := [name for name in names if name not in FIELDS]:
        raise FullheadError(f"--truth {text!r}: there is no {unknown[0]!r}, but {', '.join(FIELDS)}, all and none")
    return tuple(name for name in FIELDS if name in names)


def ground_truth_files(photo: Photo, camera: Cameras, fields: Sequence[str], metres_per_unit: float) -> dict[str, bytes]:
    """PNG files of the fields, by "field.png". metres_per_unit: of the world of the photo."""
    return {f"{name}.png": png_bytes(_picture(photo, camera, name, metres_per_unit)) for name in fields}


def png_bytes(picture: NDArray | Image.Image) -> bytes:
    """A picture as a PNG file; compressing only runs needs half the time, for 3 % more bytes."""
    buffer = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(buffer, "png", compress_type=zlib.Z_RLE)
    return buffer.getvalue()


def rgba(photo: Photo) -> NDArray:
    """uint8 sRGB and alpha [n, n, 4]; colours are not multiplied by alpha."""
    colour = photo.colour / np.maximum(photo.alpha, 1e-6)[..., None]
    return (np.concatenate([srgb_from_linear(colour), photo.alpha[..., None]], axis=2) * 255 + 0.5).astype(np.uint8)


def camera_normals(photo: Photo, camera: Cameras) -> NDArray:
    """Unit normals [n, n, 3]: x to the right, y up, z towards the camera; 0 where nothing is."""
    return photo.normal @ (camera.c2w[0, :3, :3].double().numpy() * [1, -1, -1])


def label_palette() -> NDArray:
    """A colour for each part, uint8 [256, 3]; black for none."""
    return np.where(np.arange(256)[:, None] > 0, stream(5, "palette").uniform(40, 255, (256, 3)), 0).astype(np.uint8)


def _picture(photo: Photo, camera: Cameras, field: str, metres_per_unit: float) -> NDArray | Image.Image:
    match field:
        case "seg":
            return (photo.alpha * 255 + 0.5).astype(np.uint8)
        case "mask":
            return np.where(photo.alpha > 0.5, 255, 0).astype(np.uint8)
        case "rgba":
            return rgba(photo)
        case "parts":
            image = Image.fromarray(photo.label, "P")
            image.putpalette(label_palette().ravel().tolist())
            return image
        case "depth":
            return np.round(photo.depth * (metres_per_unit / DEPTH_STEP)).astype(np.uint16)
        case _:
            seen = (photo.alpha > 0)[..., None]
            return np.where(seen, np.round((camera_normals(photo, camera) + 1) * 127.5), 0).astype(np.uint8)


def visible_landmarks(landmarks: NDArray, photo: Photo, camera: Cameras, metres_per_unit: float) -> tuple[NDArray, NDArray]:
    """Where landmarks [L, 3] of the world lie in a photo, in pixels [L, 2], and which of them it shows [L].

    A landmark is seen if nothing in its pixel or the next ones lies more than VISIBLE_WITHIN in front of it.
    """
    size = len(photo.alpha)
    pixels, z = project_to_pixels(landmarks, camera, size)
    place = np.floor(pixels).astype(int)[:, ::-1]  # row and column
    inside = ((place >= 0) & (place < size)).all(axis=1)
    around = place[:, None] + np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1], indexing="ij"), axis=-1).reshape(9, 2)  # [L, 9, 2]
    row, column = np.moveaxis(around.clip(0, size - 1), -1, 0)
    behind = z - photo.depth[row, column].max(axis=1)  # the farthest of the pixel and its neighbours
    return pixels, inside & (behind * metres_per_unit < VISIBLE_WITHIN)


def describe_fields(fields: Sequence[str]) -> dict[str, Any]:
    """What set.json says of the fields of a set."""
    found: dict[str, Any] = {"fields": {name: FIELDS[name] for name in fields}}
    if "parts" in fields:
        found["parts"] = LABELS
    if "depth" in fields:
        found["depth_metres_per_step"] = DEPTH_STEP
    return found
