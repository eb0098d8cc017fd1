"""The two networks: what their numbers mean, and that nothing changes when normalisations are taken into convolutions."""

import math

import numpy as np
import pytest
import torch

from fullhead.eyes.eyes import Candidate, Eyes, distinct, pyramid, same_head
from fullhead.eyes.networks import LARGEST, SMALLEST, STRIDE, EyeNetworks, EyesConfig, rotation_from_6d
from fullhead.eyes.reading import SIDE_OF_A_HEAD
from fullhead.eyes.window import Window
from fullhead.models.checkpoint import read_module, save

TINY = EyesConfig(
    finder_widths=(4, 4, 4), window=32, widths=(4, 4, 4, 4, 4), decoder=4, hidden=8, identity=4, dense=5,
    choices={"hair_style": ("bald", "bob"), "hat": ("none", "cap")},
)  # fmt: skip


@pytest.fixture
def networks() -> EyeNetworks:
    torch.manual_seed(0)
    found = EyeNetworks(TINY)
    for module in found.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    found.reader.mean_points.normal_(std=0.1)
    return found.eval()


def test_six_numbers_make_a_rotation():
    found = rotation_from_6d(torch.randn(20, 6))
    assert torch.allclose(found @ found.mT, torch.eye(3).expand(20, 3, 3), atol=1e-5)
    assert torch.allclose(torch.linalg.det(found), torch.ones(20), atol=1e-5)


def test_the_reader_gives_places_and_layers_of_the_window(networks: EyeNetworks):
    given = networks.reader(torch.randn(3, 3, 32, 32))
    assert given.points.shape == (3, 73, 2)
    assert given.parts.shape == (3, 24, 32, 32)
    assert given.matte.shape == (3, 32, 32)
    assert (given.deviation > 0).all()
    assert torch.allclose(given.identity.norm(dim=1), torch.ones(3), atol=1e-5)


def test_what_the_finder_finds_moves_with_the_picture(networks: EyeNetworks):
    picture = torch.zeros(1, 3, 384, 384)
    picture[..., 160:224, 160:224] = torch.randn(1, 3, 64, 64)
    one, moved = networks.finder(picture), networks.finder(picture.roll((16, 32), (2, 3)))
    cells = slice(16, 32)
    there = slice(16 + 2, 32 + 2), slice(16 + 4, 32 + 4)
    assert torch.allclose(one.logit[0, cells, cells], moved.logit[0][there], atol=1e-5)
    assert torch.allclose(one.x[0, cells, cells] + 32, moved.x[0][there], atol=1e-4)
    assert torch.allclose(one.y[0, cells, cells] + 16, moved.y[0][there], atol=1e-4)


def test_taking_in_normalisations_changes_nothing(networks: EyeNetworks):
    photo = np.random.default_rng(0).integers(0, 255, (70, 90, 3)).astype(np.uint8)
    picture = torch.randn(2, 3, 32, 32)
    before = networks.reader(picture)
    eyes = Eyes(networks, sure=0.0, doubt=0.0)
    assert not [m for m in eyes.reader.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    after = eyes.reader(picture)
    assert torch.allclose(before.points, after.points, atol=1e-4)
    assert torch.allclose(before.parts, after.parts, atol=1e-3)
    assert isinstance(eyes(photo), list)


def test_a_file_holds_both(networks: EyeNetworks, tmp_path):
    save(networks, tmp_path / "eyes.safetensors")
    back = read_module(tmp_path / "eyes.safetensors", EyeNetworks)
    picture = torch.randn(1, 3, 32, 32)
    assert torch.equal(back.reader(picture).points, networks.reader(picture).points)
    assert back.config == TINY


def test_a_reading_lies_where_its_window_says(networks: EyeNetworks):
    photo = np.random.default_rng(0).integers(0, 255, (100, 120, 3)).astype(np.uint8)
    (reading,) = Eyes(networks, sure=0.0).read(photo, [Candidate(0.9, Window(60, 50, 40, 0.3))])
    assert 0 <= reading.score <= 1
    assert reading.landmarks is not None and reading.landmarks.xy.shape == (68, 2)
    assert reading.dense is not None and reading.dense.xy.shape == (5, 2)
    assert reading.rotation is not None and np.allclose(reading.rotation @ reading.rotation.T, np.eye(3), atol=1e-5)
    assert reading.parts is not None and reading.parts.shape == (32, 32)
    window = reading.window
    assert window is not None
    given = networks.reader  # the same weights; see the test above
    assert given is not None
    assert reading.unit == pytest.approx(window.side / SIDE_OF_A_HEAD, rel=1.0)
    assert sum(reading.description.hair_style.values()) == pytest.approx(1, abs=1e-5)
    assert set(reading.description.hair_length) == {"none", "short", "medium", "long"}


def test_a_turned_photo_turns_the_reading(networks: EyeNetworks):
    """A photo turned by a quarter, read through the window turned by a quarter, gives the same head, turned."""
    photo = np.random.default_rng(0).integers(0, 255, (96, 96, 3)).astype(np.uint8)
    turned = np.ascontiguousarray(np.rot90(photo, -1))  # clockwise
    (one,) = Eyes(networks, sure=0.0).read(photo, [Candidate(1, Window(48, 48, 64))])
    (other,) = Eyes(networks, sure=0.0).read(turned, [Candidate(1, Window(48, 48, 64, math.pi / 2))])
    x, y = one.landmarks.xy.T
    assert np.allclose(other.landmarks.xy, np.stack([96 - y, x], 1), atol=0.5)
    quarter = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    assert np.allclose(other.rotation, quarter @ one.rotation, atol=0.05)


@pytest.mark.parametrize("size", [(25, 25), (480, 640), (3000, 4000)])
def test_some_level_of_the_pyramid_shows_every_head_at_a_size_that_is_found(size: tuple[int, int]):
    photo = np.zeros((*size, 3), np.uint8)
    scales = [scale for _, scale in pyramid(photo, smallest=20)]
    smallest, largest = min(20 / 0.66, 1.5 * max(size)), 1.5 * max(size)
    for side in np.geomspace(smallest, largest, 50):
        assert any(SMALLEST * 0.99 <= side * scale <= LARGEST for scale in scales), side


def test_levels_are_not_smaller_than_a_cell():
    assert all(min(level.shape[:2]) >= 1 for level, _ in pyramid(np.zeros((1000, 3, 3), np.uint8), 20))
    assert STRIDE == 8


def test_windows_of_one_head_become_one():
    near = [Candidate(0.9, Window(100, 100, 50)), Candidate(0.8, Window(104, 98, 55)), Candidate(0.7, Window(200, 100, 50))]
    found = distinct(near)
    assert len(found) == 2
    assert found[0].score == 0.9
    assert 100 < found[0].window.x < 104
    assert found[1].window.x == pytest.approx(200)
    assert not same_head(Window(0, 0, 10), Window(0, 0, 100))
