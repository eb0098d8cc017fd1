"""A reader of heads against the truth of a set: what is found, what is missed, what is elsewhere."""

from pathlib import Path

import numpy as np
import pytest

from fullhead.commands.synth.check import check
from fullhead.core.errors import FullheadError
from fullhead.eyes.reading import Points, Reading
from fullhead.io.sets import read_records
from fullhead.io.stores import open_store
from fullhead.metrics.landmark_error import agreement, normalised_errors
from fullhead.synth.datasets.options import PhotosOptions
from fullhead.synth.datasets.photos import write_photos

SIZE = 24


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("photos") / "set"
    write_photos(out, PhotosOptions(6, SIZE, 3, seed=3, yaw_limit=50), workers=0, quiet=True)
    return out


def frontal(photos: Path, limit: float) -> list[dict]:
    return [v for record in read_records(photos) for v in record["views"] if abs(np.degrees(v["yaw"])) <= limit]


class Stand:
    """A reader in place of one: it knows the photos, and answers with their truth, moved by `shift` pixels."""

    def __init__(self, photos: Path, shift: float, blind_to: int = 0) -> None:
        views, pictures = frontal(photos, 90), open_store(photos, "img")
        self.known = [(pictures.picture(f"{v['key']}.png"), np.array(v["landmarks"])) for v in views[blind_to:]]
        self.shift = shift

    def __call__(self, picture: np.ndarray) -> list[Reading]:
        for known, points in self.known:
            if np.array_equal(known, picture):
                return [Reading(1.0, np.zeros(2), 1.0, landmarks=Points(points + np.array([self.shift, 0.0])))]
        return []


def test_errors_are_distances_by_that_between_the_outer_corners_of_the_eyes() -> None:
    truth = np.random.RandomState(0).uniform(0, 50, (3, 68, 2))
    moved = truth + np.array([3.0, -4.0])
    for face in range(3):
        (ax, ay), (bx, by) = truth[face, 36], truth[face, 45]
        apart = ((ax - bx) ** 2 + (ay - by) ** 2) ** 0.5
        np.testing.assert_allclose(normalised_errors(moved, truth)[face], 5 / apart)


def test_a_reader_that_is_a_pixel_off_errs_by_a_pixel(photos: Path) -> None:
    found, views = agreement(photos, Stand(photos, 1.0), 50), frontal(photos, 50)
    apart = [np.linalg.norm(np.subtract(v["landmarks"][36], v["landmarks"][45])) for v in views]
    assert (found.photos, found.faces, found.elsewhere) == (len(views), len(views), 0)
    np.testing.assert_allclose(sorted(found.errors), sorted(1 / np.array(apart)))
    np.testing.assert_allclose(found.errors, found.inner_errors)


def test_faces_not_seen_and_things_taken_for_faces_are_counted_apart(photos: Path) -> None:
    blind, astray = agreement(photos, Stand(photos, 0.0, blind_to=2), 90), agreement(photos, Stand(photos, SIZE), 90)
    assert (blind.photos, blind.faces, blind.elsewhere) == (6, 4, 0)
    assert (astray.photos, astray.faces, astray.elsewhere) == (6, 0, 6)


def test_only_frontal_photos_are_looked_at(photos: Path) -> None:
    sizes = [agreement(photos, Stand(photos, 0.0), limit).photos for limit in (20, 50)]
    assert sizes == [len(frontal(photos, 20)), 6] and sizes[0] < 6
    with pytest.raises(FullheadError, match="within 0 degrees"):
        agreement(photos, Stand(photos, 0.0), 0)


def test_what_gives_no_68_points_is_refused(photos: Path) -> None:
    with pytest.raises(FullheadError, match=r"\[5, 2\] numbers for landmarks, not \[68, 2\]"):
        agreement(photos, lambda picture: [Reading(1.0, np.zeros(2), 1.0, landmarks=Points(np.zeros((5, 2))))])
    with pytest.raises(FullheadError, match="gave ndarray, not a list"):
        agreement(photos, lambda picture: np.zeros((68, 2)))  # type: ignore[arg-type,return-value]


def test_the_command_runs_a_named_reader_and_prints_what_it_finds(
    photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "blind_reader.py").write_text("def read(photo):\n    return []\n")
    monkeypatch.syspath_prepend(tmp_path)
    check(photos, reader="blind_reader:read", yaw_limit=50)
    assert capsys.readouterr().out == "0 of 6 frontal faces found, 0 times something else\n"
    check(photos)
    assert "all as they should be" in capsys.readouterr().out
