"""Colour spaces: sRGB, linear light and CIELAB; and bytes, which are at the borders."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fullhead.core.errors import FullheadError

NOT_FINITE = "colours that are not finite (NaN or infinity): the model's weights are broken"


def to_bytes(values: NDArray) -> NDArray[np.uint8]:
    """0 to 255 for colours, or components of normals, from -1 to 1 (clipped). FullheadError where they are not finite."""
    if not np.isfinite(values).all():
        raise FullheadError(NOT_FINITE)
    return np.round((values + 1) * 127.5).clip(0, 255).astype(np.uint8)


def from_bytes(values: NDArray[np.uint8]) -> NDArray[np.float64]:
    """-1 to 1 for 0 to 255."""
    return values / 127.5 - 1


def linear_from_srgb(colour: ArrayLike) -> NDArray:
    """Linear light of sRGB values in [0, 1]."""
    c = np.asarray(colour, float)
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def srgb_from_linear(colour: ArrayLike) -> NDArray:
    """sRGB values in [0, 1] of linear light, clipped."""
    c = np.clip(np.asarray(colour), 0, 1)
    root = np.exp(np.log(np.maximum(c, 0.0031308)) * (1 / 2.4))  # numpy's power takes four times as long
    return np.where(c <= 0.0031308, 12.92 * c, 1.055 * root - 0.055)


WHITE = np.array([0.95047, 1.0, 1.08883])  # D65
XYZ_FROM_RGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear_from_lab(lab: ArrayLike) -> NDArray:
    """Linear sRGB [..., 3] of CIELAB [..., 3] (D65), not clipped."""
    lightness, a, b = np.moveaxis(np.asarray(lab, float), -1, 0)
    middle = (lightness + 16) / 116
    f = np.stack([middle + a / 500, middle, middle - b / 200], axis=-1)
    t = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    return t * WHITE @ np.linalg.inv(XYZ_FROM_RGB).T
