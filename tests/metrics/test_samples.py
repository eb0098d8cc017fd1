"""How drawn heads are seen and compared: balls against closed forms, models and scans by one renderer."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from fullhead.core.errors import FullheadError
from fullhead.core.tri_mesh import TriMesh
from fullhead.data.scan_samples import SampleConfig, render_scan_views
from fullhead.data.scan_set import ScanSet
from fullhead.metrics.features import HeadFeatures, load_features
from fullhead.metrics.samples import (
    HeadViews,
    normal_cells,
    sample_figures,
    samples_of_mesh,
    samples_of_scan,
    views_of_mesh,
    views_of_scan,
)

PIVOT = np.array([0.0, -0.8, -0.2])


def ball(radius: float = 0.5, centre: tuple[float, float, float] = (0, 0, 0), bumps: float = 0.0) -> TriMesh[torch.Tensor]:
    """Its colour is its normal. bumps: how far the normals are off, at random."""
    mesh = trimesh.creation.icosphere(4)
    out = torch.tensor(np.asarray(mesh.vertices), dtype=torch.float32)
    normals = out + bumps * torch.randn(out.shape, generator=torch.Generator().manual_seed(0))
    normals = torch.nn.functional.normalize(normals, dim=-1)
    return TriMesh(radius * out + torch.tensor(centre), torch.tensor(np.asarray(mesh.faces)), normals, out)


def looks(mesh: TriMesh[torch.Tensor], seed: int = 0) -> HeadViews:
    return views_of_mesh(mesh, PIVOT, np.random.RandomState(seed))


@pytest.fixture(scope="module")
def network() -> HeadFeatures:
    return load_features()


def test_a_model_is_seen_as_a_scan_is():
    mesh = ball(0.4, (0.1, 0.05, 0.2))
    scan = TriMesh(mesh.vertices.double().numpy(), mesh.faces.numpy(), colours=mesh.colours.numpy())
    due = render_scan_views(scan, PIVOT, SampleConfig(views=9, view_size=256))
    found = looks(mesh)
    for row, view in enumerate((8, 0, 1)):
        np.testing.assert_array_equal(found.colours[row], due.colours[view])
        assert np.abs(found.normals[row].astype(int) - due.normals[view]).max() <= 2


def test_the_views_turn_by_40_degrees_about_the_pivot():
    found = looks(ball(0.3, (0.0, 0.0, 0.3)))
    for row, turn in enumerate((-40, 0, 40)):
        seen = (found.normals[row] != 255).any(axis=-1)
        middle = np.flatnonzero(seen.any(axis=0)).mean() / 128 - 1 + 0.5 / 128
        assert middle == pytest.approx(math.sin(math.radians(turn)) * (0.3 - PIVOT[2]), abs=0.01)


def test_points_of_a_surface_have_its_normals_and_colours_and_none_lies_where_the_cube_cuts_it():
    found = samples_of_mesh(ball(0.5, (0.0, -0.6, 0.0)), 4000, np.random.RandomState(0))
    outwards = (found.points - [0, -0.6, 0]) / 0.5
    assert found.points[:, 1].min() > -1
    np.testing.assert_allclose(found.normals, outwards, atol=0.02)
    assert found.colours is not None
    np.testing.assert_allclose(found.colours, 0.5 + 0.5 * outwards, atol=0.02)


def test_samples_of_scans_are_what_the_set_holds(balls: Path):
    scans = ScanSet(balls, "held_out")
    found = samples_of_scan(scans, 0)
    np.testing.assert_allclose(np.linalg.norm(found.points, axis=1), 0.6, atol=1e-5)
    np.testing.assert_allclose(found.normals, found.points / 0.6, atol=2e-3)
    assert found.colours is not None
    np.testing.assert_allclose(found.colours, 0.5 + 0.5 * found.normals, atol=3e-3)
    with pytest.raises(FullheadError, match="9 views of 16 pixels"):
        views_of_scan(scans, 0, np.random.RandomState(0))


def picture(directions: np.ndarray) -> np.ndarray:
    """One view whose pixels have these normals [256, 256, 3]; NaN: nothing is there."""
    coded = np.round(127.5 * (directions + 1))
    return np.where(np.isnan(coded), 255, coded).astype(np.uint8)[None]


def test_cells_hold_the_mean_normal_and_how_much_normals_spread():
    n = np.full((256, 256, 3), np.nan)
    n[:16, :16] = [0, 0, 1]  # flat
    n[:16, 16:32] = np.where((np.arange(16) // 8 == 0)[:, None], [1.0, 0, 0], [0, 1.0, 0])  # halves: rough at 16, not at 4
    n[:16, 32:48] = np.where((np.arange(16) % 2 == 0)[:, None], [1.0, 0, 0], [0, 1.0, 0])  # stripes: rough at both
    n[:8, 48:64] = [0, 0, 1]  # half of it empty
    cells = normal_cells(picture(n)).reshape(16, 16, 5)
    half = math.sqrt(0.5)
    expected = [[0, 0, 1, 0, 0], [0.5, 0.5, 0, half, 0], [0.5, 0.5, 0, half, half], [0, 0, 0.5, 0.5, 0], [0] * 5]
    np.testing.assert_allclose(cells[0, :5], expected, atol=0.02)
    assert not cells[1:].any()


def population(count: int, seed: int, spread: float = 0.05, bumps: float = 0.0) -> list[HeadViews]:
    rng = np.random.RandomState(seed)
    return [looks(ball(0.5 + spread * rng.uniform(-1, 1), tuple(0.02 * rng.normal(size=3)), bumps), i) for i in range(count)]


def test_figures_tell_alike_from_rough_and_from_collapsed(network: HeadFeatures):
    scans, alike = population(12, 0), population(12, 1)
    rough, collapsed = population(12, 1, bumps=0.6), population(12, 1, spread=0.0)
    figures = {n: sample_figures(h, scans, network) for n, h in (("alike", alike), ("rough", rough), ("collapsed", collapsed))}
    assert figures["alike"]["kid_normals_low"] <= figures["alike"]["kid_normals"] <= figures["alike"]["kid_normals_high"]
    assert figures["rough"]["kid_normals_low"] > figures["alike"]["kid_normals_high"]
    assert figures["rough"]["kid_colours"] == figures["alike"]["kid_colours"], "its paint is the same"
    assert figures["collapsed"]["diversity"] < figures["alike"]["diversity"]
    assert figures["alike"]["colour_diversity"] > 0 and figures["alike"]["n"] == 12
