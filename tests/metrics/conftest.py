"""Eight photos of procedural heads that no network was trained on, and a set of photos made of them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from fullhead.core.cameras import labels_from_cameras, orbit
from fullhead.io.images import from_uint8

STRIP = Path(__file__).parent / "golden" / "heads.png"
YAWS = [-150.7, -100.3, -58.6, -24.0, 1.0, 30.8, 66.9, 119.1]  # degrees, of the pictures in the strip
MEN = [True, False, True, True, True, False, True, True]


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    """uint8 [8, 64, 64, 3]."""
    return np.asarray(Image.open(STRIP)).reshape(64, 8, 64, 3).transpose(1, 0, 2, 3)


@pytest.fixture(scope="session")
def heads(pictures: np.ndarray) -> Tensor:
    """[8, 3, 64, 64] in [-1, 1]."""
    return from_uint8(pictures)


@pytest.fixture(scope="session")
def photos(pictures: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of 40 photos of 20 heads: the eight pictures, again and again."""
    root = tmp_path_factory.mktemp("photos")
    labels, entries = [], []
    for i in range(40):
        name, yaw = f"img{i:08d}.png", math.radians(YAWS[i % 8])
        for folder, pixels in (("img", pictures[i % 8]), ("seg", pictures[i % 8][..., 0])):
            (root / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(root / folder / name)
        labels.append([name, labels_from_cameras(orbit(yaw))[0].tolist()])
        words = {"hair_style": "bob", "hair_colour": "red" if i % 4 else "grey", "beard": "none", "collar": "crew"}
        numbers = {"pitch": 0.0, "age": 0.7, "tone": 0.4, "male": MEN[i % 8], "glasses": False}
        entries.append({"file": name, "head": i // 2, "yaw": yaw, **numbers, **words})
    (root / "img" / "dataset.json").write_text(json.dumps({"labels": labels}))
    (root / "heads.json").write_text(json.dumps(entries))
    (root / "set.json").write_text(json.dumps({"settings": {"seed": 1}}))
    return root


@pytest.fixture(scope="session")
def yaws() -> list[float]:
    return YAWS


@pytest.fixture(scope="session")
def men() -> list[bool]:
    return MEN
