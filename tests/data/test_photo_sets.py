"""Photo sets: what is in them, how they are balanced, and what is wrong with bad ones."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fullhead.core.cameras import cameras_from_labels, yaw_pitch
from fullhead.core.errors import FullheadError
from fullhead.data.photos import PhotoSet


def everything(photos: PhotoSet):
    return photos.batch(torch.arange(len(photos)))


def yaws(labels: torch.Tensor) -> list[float]:
    return yaw_pitch(cameras_from_labels(labels))[0].tolist()


def test_a_batch_holds_the_files_values(photos: Path):
    batch = PhotoSet(photos).batch(torch.tensor([1, 0]))
    pixels = np.asarray(Image.open(photos / "img" / "00000" / "img00000001.png"))
    assert batch.image.shape == (2, 3, 64, 64) and batch.mask.shape == (2, 1, 64, 64) and batch.label.shape == (2, 25)
    np.testing.assert_allclose(batch.image[0].permute(1, 2, 0), pixels / 127.5 - 1, atol=1e-6)
    assert set(batch.mask.unique().tolist()) == {0.0, 1.0}
    assert yaws(batch.label) == pytest.approx([0.5, 0.0], abs=1e-5)


def test_photos_from_behind_come_more_often(photos: Path):
    balanced = PhotoSet(photos, back_repeat=4)
    assert len(balanced) == 3 + 4 * 3
    behind = [abs(yaw) > np.pi / 2 for yaw in yaws(everything(balanced).label)]
    assert sum(behind) == 12


def test_photos_from_in_front_come_more_often(photos: Path):
    balanced = np.abs(yaws(everything(PhotoSet(photos, front_repeat=3)).label))
    plain = np.abs(yaws(everything(PhotoSet(photos)).label))
    before = np.radians(60)
    assert (balanced < before).sum() == 3 * (plain < before).sum() > 0
    assert (balanced >= before).sum() == (plain >= before).sum()


def test_only_yaws_in_the_range_are_kept(photos: Path):
    assert yaws(everything(PhotoSet(photos, yaw_range=(0, 45))).label) == pytest.approx([0.0, 0.5], abs=1e-5)
    assert len(PhotoSet(photos, yaw_range=(100, 180))) == 3


def test_a_mirrored_photo_comes_with_the_mirrored_mask_and_camera(photos: Path):
    plain, both = PhotoSet(photos), PhotoSet(photos, mirror=True)
    assert len(both) == 2 * len(plain)
    a, b = both.batch(torch.arange(6)), both.batch(torch.arange(6, 12))
    assert torch.equal(b.image, a.image.flip(3))
    assert torch.equal(b.mask, a.mask.flip(3))
    assert yaws(b.label) == pytest.approx([-y for y in yaws(a.label)], abs=1e-5)


def test_random_labels_are_those_of_the_balanced_list_with_mirrors(photos: Path):
    drawn = PhotoSet(photos, mirror=True, yaw_range=(20, 180)).random_labels(400, torch.Generator().manual_seed(0))
    seen = {round(yaw, 2) for yaw in yaws(drawn)}
    assert seen == {0.5, -0.5, -1.0, 1.0, 2.0, -2.0, -2.8, 2.8, 3.0, -3.0}


def test_zips_are_read_like_folders(photos: Path, tmp_path: Path):
    expected = everything(PhotoSet(photos))
    zipped = tmp_path / "zipped"
    zipped.mkdir()
    for part in ("img", "seg"):
        with zipfile.ZipFile(zipped / f"{part}.zip", "w") as archive:
            for path in sorted((photos / part).rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(photos / part))
    ours = everything(PhotoSet(zipped))
    assert torch.equal(ours.image, expected.image) and torch.equal(ours.label, expected.label)


def test_a_photo_without_a_mask_is_left_out(photos: Path):
    (photos / "seg" / "00000" / "img00000002.png").unlink()
    assert len(PhotoSet(photos)) == 5


def test_masks_may_have_another_format(photos: Path):
    path = photos / "seg" / "00000" / "img00000000.png"
    Image.open(path).save(path.with_suffix(".bmp"))
    path.unlink()
    assert len(PhotoSet(photos)) == 6


def test_a_second_look_is_the_same(photos: Path):
    photo_set = PhotoSet(photos)
    assert torch.equal(everything(photo_set).image, everything(photo_set).image)


def test_no_folder_is_an_error_that_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(FullheadError, match="fullhead synth"):
        PhotoSet(tmp_path / "absent")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"labels": null}'])
def test_a_broken_list_of_labels_is_an_error_in_words(photos: Path, text: str):
    (photos / "img" / "dataset.json").write_text(text)
    with pytest.raises(FullheadError):
        PhotoSet(photos)


def test_a_set_without_masks_is_an_error_in_words(photos: Path):
    for path in (photos / "seg").rglob("*.png"):
        path.unlink()
    with pytest.raises(FullheadError, match="mask"):
        PhotoSet(photos)


def test_an_empty_range_of_yaws_is_an_error_that_names_it(photos: Path):
    with pytest.raises(FullheadError, match="60 to 90"):
        PhotoSet(photos, yaw_range=(60, 90))


def test_a_broken_picture_is_an_error_that_names_it(photos: Path):
    (photos / "img" / "00000" / "img00000003.png").write_bytes(b"not a picture")
    with pytest.raises(FullheadError, match="img00000003"):
        everything(PhotoSet(photos))


def test_a_mask_of_another_size_is_an_error_with_both_sizes(photos: Path):
    Image.new("L", (32, 32)).save(photos / "seg" / "00000" / "img00000003.png")
    with pytest.raises(FullheadError, match=r"64 x 64.*32 x 32"):
        everything(PhotoSet(photos))


def test_labels_name_files_by_their_path(make_photos: Callable[..., Path]):
    root = make_photos(yaws=(0.0, 1.0))
    entries = json.loads((root / "img" / "dataset.json").read_text())["labels"]
    (root / "img" / "dataset.json").write_text(json.dumps({"labels": entries[::-1]}))
    assert yaws(everything(PhotoSet(root)).label) == pytest.approx([1.0, 0.0], abs=1e-5)
