"""Sets of photos: the same seed writes the same bytes, in any order, in any number of runs."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fullhead.commands.synth.photos import photos as photos_command
from fullhead.core.cameras import FOCAL, RADIUS, cameras_from_labels, yaw_pitch
from fullhead.core.errors import FullheadError
from fullhead.synth.photos import DEPTH_UNIT, image_name, write_photos

SIZE, VIEWS, IMAGES = 20, 2, 5


def digests(folder: Path) -> dict[str, str]:
    """Content of every file of a set by its name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synth") / "set"
    assert write_photos(out, IMAGES, SIZE, VIEWS, seed=3, workers=0, quiet=True) == IMAGES
    return out


def test_stopping_and_sharding_write_the_same_files_as_one_go(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    write_photos(out, IMAGES, SIZE, VIEWS, seed=3, shard=(1, 2), workers=0, quiet=True)
    assert len(json.loads((out / "img/dataset.json").read_text())["labels"]) == VIEWS
    write_photos(out, 3, SIZE, VIEWS, seed=3, workers=0, quiet=True)  # the second shard's head is there; the first is not
    (out / "seg" / image_name(0)).unlink()  # a lost file is written again
    assert write_photos(out, IMAGES, SIZE, VIEWS, seed=3, workers=1, quiet=True) == VIEWS + 1
    assert digests(out) == digests(photos)
    assert write_photos(out, IMAGES, SIZE, VIEWS, seed=3, workers=0, quiet=True) == 0


def test_another_seed_shows_other_heads(photos: Path, tmp_path: Path) -> None:
    write_photos(tmp_path / "set", 1, SIZE, VIEWS, seed=4, workers=0, quiet=True)
    mine, other = (np.asarray(Image.open(folder / "img" / image_name(0)), float) for folder in (photos, tmp_path / "set"))
    assert np.abs(mine - other).mean() > 5


def test_labels_are_the_cameras_of_the_attributes(photos: Path) -> None:
    labels = dict(json.loads((photos / "img/dataset.json").read_text())["labels"])
    entries = json.loads((photos / "heads.json").read_text())
    assert [entry["file"] for entry in entries] == list(labels) == [image_name(i) for i in range(IMAGES)]
    cameras = cameras_from_labels(torch.tensor(list(labels.values())))
    yaw, pitch = yaw_pitch(cameras)
    np.testing.assert_allclose(yaw, [entry["yaw"] for entry in entries], atol=1e-4)
    np.testing.assert_allclose(pitch, [entry["pitch"] for entry in entries], atol=1e-4)
    np.testing.assert_allclose(cameras.origins.norm(dim=-1), RADIUS, rtol=1e-5)
    assert cameras.K[0, 0, 0] == pytest.approx(FOCAL, rel=1e-6)
    assert entries[0]["head"] == entries[1]["head"] == 0 and entries[0]["hair_style"] == entries[1]["hair_style"]


def test_masks_and_depths_show_the_same_head(photos: Path) -> None:
    for i in range(IMAGES):
        mask, depth = (np.asarray(Image.open(photos / folder / image_name(i))) for folder in ("seg", "depth"))
        assert mask.dtype == np.uint8 and depth.dtype == np.uint16 and mask.shape == (SIZE, SIZE)
        assert ((mask > 0) == (depth > 0)).all()
        metres = depth[depth > 0] * DEPTH_UNIT
        assert 0.2 < (mask > 127).mean() < 0.8
        assert metres.min() > RADIUS - 0.6 and metres.max() < RADIUS + 0.6


def test_a_folder_with_another_set_is_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(FullheadError, match=r"holds another set \(seed 3 there and 5 asked\)"):
        write_photos(photos, IMAGES, SIZE, VIEWS, seed=5, workers=0, quiet=True)
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(FullheadError, match="not empty"):
        write_photos(tmp_path, 1, SIZE, workers=0, quiet=True)


@pytest.mark.parametrize("shard", ["3", "a/b", "2/2", "0/0", "-1/2"])
def test_a_shard_that_makes_no_sense_is_refused(shard: str, tmp_path: Path) -> None:
    with pytest.raises(FullheadError, match="shard"):
        photos_command(tmp_path / "set", images=1, shard=shard, workers=0)
    assert not (tmp_path / "set").exists()
