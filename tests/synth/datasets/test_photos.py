"""Sets of photos: the layout, where the cameras stand, and labels that are wrong on purpose."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fullhead.core.cameras import FOCAL, RADIUS, cameras_from_labels, yaw_pitch
from fullhead.fitting.align import face_place, find_faces
from fullhead.io.sets import read_records
from fullhead.synth.datasets.options import PhotosOptions
from fullhead.synth.datasets.photos import Photos, image_key, write_photos
from fullhead.synth.datasets.shots import replay
from fullhead.synth.people.population import population

SIZE, VIEWS, IMAGES = 20, 2, 6


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synth") / "set"
    assert write_photos(out, PhotosOptions(IMAGES, SIZE, VIEWS, seed=3), workers=0, quiet=True) == IMAGES
    return out


def test_another_seed_shows_other_heads(photos: Path, tmp_path: Path) -> None:
    write_photos(tmp_path / "set", PhotosOptions(1, SIZE, VIEWS, seed=4), workers=0, quiet=True)
    first = f"img/{image_key(0)}.png"
    mine, other = (np.asarray(Image.open(folder / first), float) for folder in (photos, tmp_path / "set"))
    assert np.abs(mine - other).mean() > 5


def test_labels_are_the_cameras_of_the_attributes(photos: Path) -> None:
    labels = dict(json.loads((photos / "img/dataset.json").read_text())["labels"])
    entries = json.loads((photos / "heads.json").read_text())
    assert [entry["file"] for entry in entries] == list(labels) == [f"{image_key(i)}.png" for i in range(IMAGES)]
    cameras = cameras_from_labels(torch.tensor(list(labels.values())))
    yaw, pitch = yaw_pitch(cameras)
    np.testing.assert_allclose(yaw, [entry["yaw"] for entry in entries], atol=1e-4)
    np.testing.assert_allclose(pitch, [entry["pitch"] for entry in entries], atol=1e-4)
    np.testing.assert_allclose(cameras.origins.norm(dim=-1), RADIUS, rtol=1e-5)
    assert cameras.K[0, 0, 0] == pytest.approx(FOCAL, rel=1e-6)
    assert entries[0]["head"] == entries[1]["head"] == 0 and entries[0]["hair_style"] == entries[1]["hair_style"]


def test_every_photo_has_its_mask(photos: Path) -> None:
    for i in range(IMAGES):
        image, mask = (np.asarray(Image.open(photos / folder / f"{image_key(i)}.png")) for folder in ("img", "seg"))
        assert image.shape == (SIZE, SIZE, 3) and mask.shape == (SIZE, SIZE)
        assert 0.2 < (mask > 127).mean() < 0.8


def yaws(options: PhotosOptions, count: int) -> np.ndarray:
    return np.degrees([Photos(options).view(head, 0).yaw for head in range(count)])


def test_cameras_stand_evenly_around_or_as_in_the_wild() -> None:
    even, wild = yaws(PhotosOptions(), 200), yaws(PhotosOptions(yaw_distribution="wild"), 200)
    assert np.histogram(even, 6, (-180, 180))[0].min() > 15
    assert 0.68 < (np.abs(wild) < 60).mean() < 0.9 and (np.abs(wild) > 120).mean() > 0.05
    assert abs((wild > 0).mean() - 0.5) < 0.15
    assert np.abs(yaws(PhotosOptions(yaw_distribution="wild", yaw_limit=90), 50)).max() <= 90.001


def test_a_misaligned_set_keeps_the_true_cameras_beside_its_labels(photos: Path, tmp_path: Path) -> None:
    by = {"scale_error": 0.1, "shift_error": 0.1, "angle_error": 10.0}
    write_photos(tmp_path, PhotosOptions(VIEWS, SIZE, VIEWS, 3, **by), workers=0, quiet=True)
    record, aligned = read_records(tmp_path)[0], read_records(photos)[0]
    assert record["views"][0]["label"] == aligned["views"][0]["label"]
    true = dict(json.loads((tmp_path / "img/true_cameras.json").read_text())["labels"])
    for view, other in zip(record["views"], aligned["views"], strict=True):
        assert true[f"{view['key']}.png"] == view["camera"] != view["label"]
        # Landmarks, which tell of the picture, lie where the true camera sees them.
        camera = cameras_from_labels(torch.tensor([view["camera"]], dtype=torch.float64))
        points = (torch.tensor(record["landmarks"], dtype=torch.float64) - camera.origins) @ camera.c2w[0, :3, :3]
        pixels = (points @ camera.K[0].T)[:, :2] / points[:, 2:] * SIZE
        np.testing.assert_allclose(pixels, view["landmarks"], atol=0.02)
        assert np.abs(np.array(view["landmarks"]) - other["landmarks"]).max() > 0.5
    assert math.isclose(np.linalg.det(np.array(record["views"][0]["camera"][:16]).reshape(4, 4)), 1, rel_tol=1e-5)


def test_closer_heads_are_larger_and_their_records_say_so(photos: Path, tmp_path: Path) -> None:
    write_photos(tmp_path / "set", PhotosOptions(VIEWS, SIZE, VIEWS, seed=3, zoom=1.3), workers=0, quiet=True)
    (near,) = read_records(tmp_path / "set")
    far = next(iter(read_records(photos)))
    assert near["metres_per_unit"] == pytest.approx(far["metres_per_unit"] / 1.3)
    np.testing.assert_allclose(near["landmarks"], np.array(far["landmarks"]) * 1.3, atol=2e-5)
    assert [view["label"] for view in near["views"]] == [view["label"] for view in far["views"]]
    name = f"seg/{image_key(0)}.png"
    covered = [(np.asarray(Image.open(folder / name)) > 127).mean() for folder in (photos, tmp_path / "set")]
    assert covered[1] > 1.15 * covered[0]
    assert replay(near)[0]["img.png"] == (tmp_path / "set" / f"img/{image_key(0)}.png").read_bytes()


def test_a_record_from_before_backdrops_could_be_chosen_is_still_replayed(photos: Path) -> None:
    record = next(iter(read_records(photos)))
    del record["backdrop"]
    assert replay(record)[0]["img.png"] == (photos / f"img/{image_key(0)}.png").read_bytes()


def test_faces_grow_as_photos_are_cut_for(tmp_path: Path) -> None:
    size, sides = 160, {}
    for closer in (1.0, 1.3):
        out = tmp_path / str(closer)
        options = PhotosOptions(4, size, 1, seed=11, yaw_limit=5, pitch_spread=0.05, zoom=closer)
        write_photos(out, options, workers=0, quiet=True)
        faces = [find_faces(np.asarray(Image.open(out / f"img/{image_key(i)}.png")))[0] for i in range(4)]
        sides[closer] = np.mean([face.side for face in faces])
        assert np.mean([face.y for face in faces]) / size == pytest.approx(face_place(0.68 / closer).y, abs=0.03)
    assert sides[1.3] / sides[1.0] == pytest.approx(face_place(0.68 / 1.3).side / face_place(0.68).side, rel=0.1)


def test_a_backdrop_can_be_chosen(tmp_path: Path) -> None:
    flat = population(["backdrop.kind=flat"])
    write_photos(tmp_path / "set", PhotosOptions(4, SIZE, seed=3), flat, workers=0, quiet=True)
    (record,) = read_records(tmp_path / "set")
    image = np.asarray(Image.open(tmp_path / "set" / f"img/{image_key(0)}.png"), int)
    assert (image[0, 0] == image[0, -1]).all() and record["backdrop"]["flat"]
