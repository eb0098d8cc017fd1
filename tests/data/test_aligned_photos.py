"""Photos that become a training set: where heads come to lie, how they are labelled, and which are left out and why."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from fullhead.core.cameras import FOCAL, RADIUS, cameras_from_labels, orbit, yaw_pitch
from fullhead.core.errors import FullheadError
from fullhead.data.align import REASONS, align_photos, aligned_window, recipe
from fullhead.data.options import AlignOptions
from fullhead.data.photo_quality import doubles, look, sharpness
from fullhead.data.photos import PhotoSet
from fullhead.eyes.reading import Reading
from fullhead.eyes.truth import Truth
from fullhead.eyes.window import Window
from fullhead.io.images import Bytes, read_image
from fullhead.io.sets import check_set, read_records, write_set
from fullhead.io.stores import open_store
from fullhead.synth.datasets.options import PhotosOptions
from fullhead.synth.datasets.photos import write_photos
from fullhead.synth.datasets.shots import shot_from_record, true_camera
from fullhead.viewing.aligned import aligned_sheet, report

SIZE = 64
ALL = AlignOptions(size=SIZE, min_pixels=32, min_sharpness=0, min_light=0, max_outside=1, parts=True)


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of heads that are small, turned, tilted and anywhere, and all that is true of them."""
    out = tmp_path_factory.mktemp("wild")
    options = PhotosOptions(10, 160, 5, seed=5, zoom=0.5, truth=("seg", "parts"))
    write_photos(out, replace(options, scale_error=0.15, shift_error=0.08, angle_error=15.0), workers=0, quiet=True)
    return out


@pytest.fixture(scope="module")
def aligned(wild: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("aligned")
    align_photos(wild / "img", out, ALL, reader=Truth(wild), workers=0, quiet=True)
    return out


def rows(out: Path) -> list[dict[str, Any]]:
    return json.loads((out / "heads.json").read_text())


def truths(wild: Path) -> dict[str, tuple[dict[str, Any], Any]]:
    """Records and views by the name of the photo."""
    shots = [(record, shot_from_record(record)) for record in read_records(wild)]
    return {f"{view.key}.png": (record, (shot, i)) for record, shot in shots for i, view in enumerate(shot.views)}


def test_labels_are_the_true_cameras_upright_on_the_sphere_of_training_sets(wild: Path, aligned: Path) -> None:
    known, labels = truths(wild), dict(json.loads((aligned / "img/dataset.json").read_text())["labels"])
    assert len(rows(aligned)) == 10
    for row in rows(aligned):
        _, (shot, i) = known[row["photo"]]
        camera, label = true_camera(shot.views[i], shot.world), torch.tensor([labels[row["file"]]])
        towards = camera.origins[0] / camera.origins[0].norm()  # aimed at the head, though the head is not in the middle
        found = cameras_from_labels(label)
        assert torch.allclose(found.origins[0].double(), towards * RADIUS, atol=2e-3)
        assert torch.allclose(label, torch.cat([c.flatten(1) for c in vars(orbit(*yaw_pitch(found))).values()], 1), atol=1e-4)
        assert row["yaw"] == pytest.approx(math.atan2(towards[0], towards[2]), abs=1e-3)


def test_scale_and_centre_are_the_same_from_all_sides(wild: Path, aligned: Path) -> None:
    """Points of the head's middle, which a camera's distance hardly moves, come to lie where the label's camera sees them."""
    known = truths(wild)
    middle = torch.tensor([[0.0, 0, 0], [0, 0.08, 0], [0, -0.08, 0], [0.08, 0, 0], [-0.08, 0, 0]], dtype=torch.float64)
    for row in rows(aligned):
        _, (shot, i) = known[row["photo"]]
        seen = project(true_camera(shot.views[i], shot.world), middle) * shot.size
        places = Window(**row["window"]).to_window(seen.numpy())
        expected = project(orbit(row["yaw"], row["pitch"]), middle).numpy()
        assert np.abs(places[0] - 0.5).max() < 1e-3
        assert np.abs(places - expected).max() < 0.012  # of the picture's side


def project(camera: Any, points: torch.Tensor) -> torch.Tensor:
    """Places [N, 2] in the picture of points [N, 3]."""
    c2w = camera.c2w[0].double()
    seen = (points - c2w[:3, 3]) @ c2w[:3, :3] @ camera.K[0].double().T
    return seen[:, :2] / seen[:, 2:]


def test_mattes_and_parts_lie_on_the_heads(wild: Path, aligned: Path) -> None:
    """The cut-out of a photo's own matte, by the same crop as the picture, is the matte."""
    images, mattes, parts = (open_store(aligned, name) for name in ("img", "seg", "parts"))
    for row in rows(aligned):
        matte, label = mattes.picture(row["file"], "L") / 255, parts.picture(row["file"], "P")
        assert images.picture(row["file"]).shape == (SIZE, SIZE, 3)
        assert 0.1 < matte.mean() < 0.8
        assert ((label > 0) == (matte > 0.5)).mean() > 0.95
        assert matte[SIZE // 2, SIZE // 2] > 0.9


def test_training_reads_the_set(aligned: Path) -> None:
    photos = PhotoSet(aligned, mirror=True)
    assert len(photos) == 20
    assert photos.batch(torch.arange(3)).image.shape == (3, 3, SIZE, SIZE)


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_every_form_holds_the_same(wild: Path, aligned: Path, tmp_path: Path, form: Any) -> None:
    align_photos(wild / "img", tmp_path, ALL, reader=Truth(wild), form=form, workers=0, quiet=True)
    plain, packed = open_store(aligned, "seg"), open_store(tmp_path, "seg")
    assert sorted(plain.names()) == sorted(packed.names())
    assert all(plain.read(name) == packed.read(name) for name in plain.names())
    assert (tmp_path / "heads.json").read_text() == (aligned / "heads.json").read_text()
    assert not check_set(tmp_path)[1]


def test_shares_and_a_run_that_was_stopped_write_the_same_bytes(wild: Path, aligned: Path, tmp_path: Path) -> None:
    asked = recipe(wild / "img", tmp_path, ALL, Truth(wild))
    write_set(tmp_path, asked, share=(1, 2), workers=1, quiet=True)
    assert len(rows(tmp_path)) == 5
    assert write_set(tmp_path, asked, workers=0, quiet=True) == 5
    names = [path.relative_to(aligned) for path in aligned.rglob("*") if path.is_file()]
    for name in names:
        if name.name != ".lock":
            assert (tmp_path / name).read_bytes() == (aligned / name).read_bytes(), name


def test_other_photos_or_settings_do_not_fit_a_set(wild: Path, aligned: Path) -> None:
    with pytest.raises(FullheadError, match="another set \\(size 64 there and 32 asked"):
        align_photos(wild / "img", aligned, replace(ALL, size=32), reader=Truth(wild), workers=0, quiet=True)
    with pytest.raises(FullheadError, match="another set \\(photos"):
        align_photos(wild, aligned, ALL, reader=Truth(wild), workers=0, quiet=True)


@dataclass(frozen=True)
class Says:
    """A reader that says the same of each photo."""

    readings: tuple[Reading, ...]

    def __call__(self, photo: Bytes) -> list[Reading]:
        return list(self.readings)


RANDOM = np.random.default_rng(0)
COARSE = Image.fromarray(RANDOM.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((160, 120), Image.Resampling.BICUBIC)
PHOTO = np.asarray(COARSE) // 2 + RANDOM.integers(0, 128, (120, 160, 3), dtype=np.uint8)
FRONT = np.diag([1.0, -1.0, -1.0])


def head(x: float = 80, y: float = 60, unit: float = 120, **changes: Any) -> Reading:
    known = {"rotation": FRONT, "window": Window(x, y, 0.6 * unit), "matte": np.ones((8, 8), np.float32)}
    return Reading(**{"score": 0.9, "centre": np.array([x, y]), "unit": unit, **known, **changes})


def blurred(photo: Bytes) -> Bytes:
    return np.array(Image.fromarray(photo).filter(ImageFilter.GaussianBlur(8)))


def told(folder: Path, readings: Sequence[Reading], options: AlignOptions, photo: Bytes = PHOTO) -> list[str]:
    """Why heads of a photo are left out."""
    (folder / "in").mkdir()
    Image.fromarray(photo).save(folder / "in/photo.png")
    align_photos(folder / "in", folder / "out", options, reader=Says(tuple(readings)), workers=0, quiet=True)
    said = json.loads((folder / "out/left_out.json").read_text())
    assert sum(said["left_out"].values()) == len(said["each"])
    assert set(said["left_out"]) <= set(REASONS)
    return [row["why"] for row in said["each"]]


SMALL = AlignOptions(size=32, min_pixels=32)
WRONG: dict[str, tuple[list[Reading], dict[str, Any], Callable[[Bytes], Bytes]]] = {
    "no head": ([], {}, np.copy),
    "unsure": ([head(score=0.3)], {}, np.copy),
    "no camera": ([head(rotation=None)], {}, np.copy),
    "no matte": ([head(matte=None)], {}, np.copy),
    "no parts": ([head()], {"parts": True}, np.copy),
    "too small": ([head(unit=40)], {}, np.copy),
    "cut off": ([head(x=5)], {}, np.copy),
    "blurred": ([head()], {}, blurred),
    "dark": ([head()], {}, lambda photo: photo // 12),
}


@pytest.mark.parametrize("why", WRONG)
def test_what_cannot_be_used_is_left_out_with_its_reason(tmp_path: Path, why: str) -> None:
    readings, changes, change = WRONG[why]
    assert told(tmp_path, readings, replace(SMALL, **changes), change(PHOTO)) == [why]


def test_a_good_head_is_not_left_out(tmp_path: Path) -> None:
    assert told(tmp_path, [head()], SMALL) == []
    (row,) = rows(tmp_path / "out")
    assert row["window"] == {"x": 80, "y": 60, "side": round(120 * RADIUS / FOCAL, 4), "turn": 0}


def test_heads_that_overlap_are_both_left_out_and_those_apart_are_not(tmp_path: Path) -> None:
    assert told(tmp_path, [head(60, 60, 80), head(80, 60, 80)], SMALL) == ["overlap", "overlap"]
    (tmp_path / "apart").mkdir()
    assert told(tmp_path / "apart", [head(40, 60, 80), head(120, 60, 80)], SMALL) == []
    assert len(rows(tmp_path / "apart/out")) == 2


def test_no_more_heads_than_asked_for_are_taken_the_surest_first(tmp_path: Path) -> None:
    found = [head(40, 60, 80), head(120, 60, 80, score=0.8)]
    assert told(tmp_path, found, replace(SMALL, heads=1)) == ["one too many"]
    assert rows(tmp_path / "out")[0]["window"]["x"] == 40


def test_readings_of_nowhere_are_no_heads(tmp_path: Path) -> None:
    wrong = [head(x=math.nan), head(unit=1e9), head(unit=0.0)]
    assert told(tmp_path, wrong, SMALL) == ["no head"]


def test_a_file_that_cannot_be_read_is_left_out_and_hidden_ones_are_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "in/.hidden").mkdir(parents=True)
    (tmp_path / "in/.hidden/no.png").write_bytes(b"no")
    (tmp_path / "in/no.jpg").write_bytes(b"no")
    Image.fromarray(PHOTO).save(tmp_path / "in/yes.png")
    align_photos(tmp_path / "in", tmp_path / "out", SMALL, reader=Says((head(),)), workers=0, quiet=True)
    said = json.loads((tmp_path / "out/left_out.json").read_text())
    assert said["each"] == [{"photo": "no.jpg", "why": "unreadable"}]
    assert [row["photo"] for row in rows(tmp_path / "out")] == ["yes.png"]


@dataclass(frozen=True)
class Stumbles:
    """A reader that fails at dark photos."""

    def __call__(self, photo: Bytes) -> list[Reading]:
        if photo.max() < 100:
            raise ValueError("too dark for me")
        return [head()]


def test_a_reader_that_fails_at_one_photo_is_said_and_the_others_are_made(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, photo in (("dark", PHOTO // 3), ("light", PHOTO)):
        Image.fromarray(photo).save(tmp_path / f"in/{name}.png")
    with pytest.raises(FullheadError, match=r"1 of 2 could not be made.*dark\.png \(too dark for me\)"):
        align_photos(tmp_path / "in", tmp_path / "out", SMALL, reader=Stumbles(), workers=0, quiet=True)
    assert [row["photo"] for row in rows(tmp_path / "out")] == ["light.png"]


def test_a_set_does_not_lie_among_its_photos(tmp_path: Path) -> None:
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    with pytest.raises(FullheadError, match="would be taken for photos"):
        align_photos(tmp_path, tmp_path / "set", SMALL, reader=Says((head(),)), workers=0, quiet=True)


def test_nearly_the_same_pictures_are_left_out_if_so_wished(wild: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for path in sorted((wild / "img").rglob("*.png"))[:3]:
        image = Image.open(path)
        image.save(tmp_path / f"in/{path.stem}.png")
        image.save(tmp_path / f"in/{path.stem}_again.png")  # the same pixels: the truthful reader knows them, too
    out = tmp_path
    for unique, count in ((False, 6), (True, 3)):
        out = tmp_path / str(unique)
        align_photos(tmp_path / "in", out, replace(ALL, unique=unique), reader=Truth(wild), workers=0, quiet=True)
        assert len(rows(out)) == len(PhotoSet(out)) == count
    assert json.loads((out / "left_out.json").read_text())["left_out"] == {"double": 3}


def test_looks_are_near_for_the_same_picture_saved_worse_and_far_for_other_heads(aligned: Path) -> None:
    pictures = [read_image(aligned / "img" / row["file"]) for row in rows(aligned)]
    worse = [np.array(Image.fromarray(picture).resize((48, 48)).resize((SIZE, SIZE))) for picture in pictures]
    assert doubles([look(picture) for picture in pictures]) == set()
    assert doubles([look(picture) for picture in pictures + worse]) == set(range(len(pictures), 2 * len(pictures)))


def test_sharpness_falls_with_blur_and_not_with_contrast() -> None:
    photo = np.repeat(np.repeat(PHOTO, 2, 0), 2, 1)[:128, :128]
    pale = (photo // 4 + 96).astype(np.uint8)
    assert sharpness(pale) == pytest.approx(sharpness(photo), rel=0.05)
    assert sharpness(blurred(photo)) < 0.5 * sharpness(photo)
    assert sharpness(np.full((64, 64, 3), 9, np.uint8)) == 0


def test_zoom_makes_heads_larger() -> None:
    assert aligned_window(head(), 1.24).side == pytest.approx(aligned_window(head()).side / 1.24)


def test_the_report_counts_heads_by_side_and_reasons(aligned: Path) -> None:
    said = report(aligned)
    assert said.heads == 10
    assert sum(int(line.split()[0]) for line in said.lines[1:4]) == 10


def test_the_sheet_has_three_pictures_a_head(wild: Path, aligned: Path) -> None:
    sheet = aligned_sheet(wild / "img", aligned, 4)
    assert sheet.shape[0] == 2 * 228 + 4
    assert (sheet == (255, 60, 40)).all(2).any()  # a window's outline
