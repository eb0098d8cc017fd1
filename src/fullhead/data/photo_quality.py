"""How good a picture of a head is, and which pictures look nearly the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from fullhead.eyes.reading import Reading
from fullhead.io.images import Bytes

HEAD = 0.2  # radius of a ball that a head without hair fits, world units: 27 cm across
BRIGHTEST = 95  # percent of a picture's pixels are darker than what counts as its light
STEP = 4  # of 255 that count as brighter: flat backgrounds are flat, however a file was saved
SAME = 12  # of 256 bits that may differ between pictures that look nearly the same
FINE, COARSE = 1.0, 4.0  # pixels: deviations of the blurs that tell what is fine, and what is not much coarser


def share_outside(reading: Reading, width: int, height: int) -> float:
    """The share of a head that lies beyond the edge of its photo."""
    y, x = np.mgrid[-1:1:41j, -1:1:41j]
    disc = np.stack([x, y], -1)[np.hypot(x, y) <= 1]
    pixels = reading.centre + disc * HEAD * reading.unit
    return 1 - float(((pixels >= 0) & (pixels <= [width, height])).all(1).mean())


def reach(reading: Reading, other: Reading) -> float:
    """How far another head reaches into a head, as a share of its width."""
    apart = float(np.hypot(*(reading.centre - other.centre)))
    return max(0.0, HEAD * (reading.unit + other.unit) - apart) / (2 * HEAD * reading.unit)


def light(picture: Bytes) -> float:
    """Brightness, 0 to 1, of the brightest twentieth of a picture: dark hair and skin do not count as bad light."""
    return float(np.percentile(_grey(picture), BRIGHTEST))


def sharpness(picture: Bytes) -> float:
    """Contrast of what is fine in the middle of a picture, as a share of the contrast of what is a little coarser: about 0.4 of
    a sharp picture, 0.15 where a blur has a deviation of two pixels. How much contrast there is does not count."""
    n, grey = len(picture), _grey(picture)
    softer, softest = (ndimage.gaussian_filter(grey, deviation) for deviation in (FINE, COARSE))
    y, x = np.mgrid[:n, :n] + 0.5 - n / 2
    middle = np.hypot(x, y) < 0.4 * n
    coarse = float((softer - softest)[middle].std())
    return float((grey - softer)[middle].std()) / coarse if coarse > 0 else 0.0


def look(picture: Bytes) -> str:
    """256 bits, as 64 hexadecimal digits, that say where a picture grows brighter to the right: nearly the same for nearly the
    same picture."""
    small = np.asarray(Image.fromarray(picture).convert("L").resize((17, 16), Image.Resampling.BOX), np.int16)
    return np.packbits(small[:, 1:] > small[:, :-1] + STEP).tobytes().hex()


def doubles(looks: Sequence[str]) -> set[int]:
    """Those that look nearly the same as one that comes before and is not among them."""
    kept: dict[tuple[int, int], list[int]] = defaultdict(list)  # by place and value of two bytes: some of 16 pairs are equal
    bits = [np.unpackbits(np.frombuffer(bytes.fromhex(look), np.uint8)) for look in looks]
    found = set[int]()
    for i, text in enumerate(looks):
        pairs = list(enumerate(np.frombuffer(bytes.fromhex(text), np.uint16).tolist()))
        near = {j for pair in pairs for j in kept[pair]}
        if any(int((bits[i] != bits[j]).sum()) <= SAME for j in near):
            found.add(i)
            continue
        for pair in pairs:
            kept[pair].append(i)
    return found


def _grey(picture: Bytes) -> NDArray:
    return np.asarray(Image.fromarray(picture).convert("L"), np.float32) / 255
