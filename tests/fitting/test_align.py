"""Faces found in photos, and photos cut as the model's training set is."""

import numpy as np
import pytest

from fullhead.core.errors import FullheadError
from fullhead.eyes.window import Window, crop
from fullhead.fitting.align import face_place, find_faces, head_square, parse_box


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return pytest.importorskip("skimage.data").astronaut()


def test_the_astronauts_face_is_found(astronaut):
    (face,) = find_faces(astronaut)
    assert abs(face.x - 223) < 8  # between the eyes, on the nose
    assert abs(face.y - 116) < 8
    assert 85 < face.side < 120


def test_of_several_faces_the_large_one_comes_first_and_none_twice(astronaut):
    small = np.pad(astronaut[::2, ::2], ((256, 0), (0, 0), (0, 0)), mode="edge")
    large, other = find_faces(np.concatenate([small, astronaut], axis=1))
    assert abs(large.x - 256 - 223) < 10 and abs(other.x - 112) < 10
    assert large.side > 1.5 * other.side


def test_a_mirrored_photo_has_its_face_at_the_mirrored_place(astronaut):
    (face,), (mirrored,) = find_faces(astronaut), find_faces(np.ascontiguousarray(astronaut[:, ::-1]))
    assert abs(astronaut.shape[1] - mirrored.x - face.x) < 4
    assert abs(mirrored.y - face.y) < 4


@pytest.mark.parametrize(
    "photo",
    [
        np.random.default_rng(0).integers(0, 256, (200, 260, 3), dtype=np.uint8),
        np.full((64, 64, 3), 200, np.uint8),
        np.zeros((3, 400, 3), np.uint8),
    ],
    ids=["noise", "grey", "a strip"],
)
def test_a_photo_without_a_face_asks_for_a_box_and_for_the_side_of_a_profile(photo):
    with pytest.raises(FullheadError, match=rf"{photo.shape[1]} x {photo.shape[0]} pixels.*--box.*--yaw"):
        find_faces(photo)


def with_disc(height: int, width: int, face: Window) -> np.ndarray:
    y, x = np.ogrid[:height, :width]
    inside = np.hypot(x + 0.5 - face.x, y + 0.5 - face.y) < face.side / 2
    return np.where(inside[..., None], np.uint8(230), np.uint8(20)).repeat(3, axis=2)


@pytest.mark.parametrize(
    "face", [Window(150, 120, 60), Window(30, 40, 50), Window(270, 175, 44)], ids=["inside", "corner", "edge"]
)
@pytest.mark.parametrize("metres_per_unit", [0.68, 0.55])
def test_a_known_face_lands_where_faces_of_the_training_set_are(face, metres_per_unit):
    size, place = 128, face_place(metres_per_unit)
    picture = crop(with_disc(200, 300, face), head_square(face, metres_per_unit), size)
    assert picture.shape == (size, size, 3)
    # Near the photo's edge the mirrored margin may hold a second, faint disc: look around the place alone.
    y, x = np.nonzero(picture[..., 0] > 125)
    near = np.hypot(x + 0.5 - place.x * size, y + 0.5 - place.y * size) < 0.7 * place.side * size
    assert abs(x[near].mean() + 0.5 - place.x * size) < 2
    assert abs(y[near].mean() + 0.5 - place.y * size) < 2
    assert abs(np.sqrt(near.sum() * 4 / np.pi) / size - place.side) < 0.03


def test_a_square_inside_the_photo_is_cut_unchanged():
    photo = np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    np.testing.assert_array_equal(crop(photo, Window(20, 18, 16), 16), photo[10:26, 12:28])


def test_a_single_colour_goes_on_beyond_the_edge():
    photo = np.full((30, 20, 3), (200, 100, 50), np.uint8)
    assert (np.abs(crop(photo, Window(5, 5, 60), 32).astype(int) - (200, 100, 50)) <= 1).all()


def test_a_box_becomes_its_square():
    photo = np.zeros((100, 200, 3), np.uint8)
    assert parse_box("10, 20,30,30", photo) == Window(25, 35, 30)
    assert parse_box("0,0,20,45", photo).side == 30


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("10,20,30", "x,y,width,height"),
        ("a,b,c,d", "x,y,width,height"),
        ("10,20,30,4", "too small"),
        ("10,20,-30,30", "too small"),
        ("180,20,30,30", "200 x 100"),
        ("-5,20,30,30", "beyond"),
    ],
)
def test_a_wrong_box_is_refused_in_words(text, what):
    with pytest.raises(FullheadError, match=what):
        parse_box(text, np.zeros((100, 200, 3), np.uint8))
