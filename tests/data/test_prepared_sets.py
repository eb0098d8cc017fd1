"""Prepared sets: samples against closed forms and the scan itself, batches, and the folder as a run leaves it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from safetensors.numpy import load_file, save_file

from fullhead.cli import main
from fullhead.core.errors import FullheadError
from fullhead.core.tri_mesh import TriMesh
from fullhead.data.prepare import Prepared
from fullhead.data.scan_samples import SampleConfig, render_scan_views, rotation_about_y, sample_occupancy, sample_scan_surface
from fullhead.data.scan_set import ScanSet
from fullhead.data.scans import find_scans
from fullhead.io.sets import write_set
from fullhead.kernels.tree import mesh_tree
from fullhead.rig.cube import CubeRig
from fullhead.rig.fitting import FitConfig

SMALL = SampleConfig(near=400, uniform=300, surface=500, views=9, view_size=48)


def ball(radius: float = 0.5, centre: tuple[float, float, float] = (0.1, 0.0, -0.1)) -> TriMesh[np.ndarray]:
    """Its colour is its normal."""
    mesh = trimesh.creation.icosphere(4)
    return TriMesh(radius * mesh.vertices + centre, np.asarray(mesh.faces), colours=np.asarray(mesh.vertices))


def test_labels_are_those_of_a_sphere_and_points_lie_where_they_are_asked_for():
    centre = np.array([0.1, 0, -0.1])
    found = sample_occupancy(ball(), SampleConfig(near=4000, uniform=3000), np.random.RandomState(0))
    near, uniform = found
    for labelled in found:
        radius = np.linalg.norm(labelled.points - centre, axis=1)
        clear = np.abs(radius - 0.5) > 2e-3  # of the sphere's facets
        np.testing.assert_array_equal(labelled.inside[clear], radius[clear] < 0.5)
    away = np.linalg.norm(near.points - centre, axis=1) - 0.5
    assert away.std() == pytest.approx(0.01, rel=0.1) and abs(away.mean()) < 0.002
    in_front = near.points[:, 2] > 0.2  # half of the foremost point, which is at 0.4
    assert in_front.mean() == pytest.approx(0.7, abs=0.03)
    assert np.abs(uniform.points).max() <= 1
    assert uniform.inside.mean() == pytest.approx(4 / 3 * np.pi * 0.5**3 / 8, abs=0.02)


def test_a_hole_does_not_turn_the_inside_out():
    mesh = ball()
    open_mesh = mesh.select_faces(mesh.vertices[mesh.faces].mean(1)[:, 1] > -0.45)  # the bottom is missing
    assert len(open_mesh.faces) < len(mesh.faces)
    _, found = sample_occupancy(open_mesh, SampleConfig(near=10, uniform=4000), np.random.RandomState(0))
    radius = np.linalg.norm(found.points - [0.1, 0, -0.1], axis=1)
    wrong = (found.inside != (radius < 0.5)) & (np.abs(radius - 0.5) > 2e-3)  # of the sphere's facets
    assert wrong.mean() < 0.005 and (found.points[wrong, 1] < -0.3).all()


def test_surface_points_have_the_scan_s_own_normals_and_colours():
    found = sample_scan_surface(ball(), SampleConfig(surface=3000), np.random.RandomState(0))
    outwards = (found.points - [0.1, 0, -0.1]) / 0.5
    np.testing.assert_allclose(found.normals, outwards, atol=0.02)
    np.testing.assert_allclose(found.colours / 255, 0.5 + 0.5 * outwards, atol=0.02)
    assert np.abs(outwards.mean(0)).max() < 0.05  # all sides alike


def test_where_the_cube_cuts_a_scan_is_no_surface():
    mesh = ball(0.5, (0, -0.6, 0))
    cut = replace(mesh, vertices=mesh.vertices.clip(-1, 1))
    found = sample_scan_surface(cut, SampleConfig(surface=2000), np.random.RandomState(0))
    assert found.points[:, 1].min() > -1
    _, inside = sample_occupancy(cut, SampleConfig(near=10, uniform=5000), np.random.RandomState(0))
    expected = np.linalg.norm(inside.points - [0, -0.6, 0], axis=1) < 0.5
    assert (inside.inside != expected).mean() < 0.003


def test_views_show_the_scan_turned_about_its_pivot():
    pivot, size = np.array([0.0, -1.0, -0.2]), 40
    found = render_scan_views(ball(), pivot, SampleConfig(views=9, view_size=size))
    for k in range(9):
        turn = rotation_about_y(2 * np.pi * k / 9)
        centre = turn @ (np.array([0.1, 0, -0.1]) - pivot) + pivot
        for row, column in ((size // 2, size // 2), (12, 25), (26, 18), (2, 2)):
            pixel = np.array([(column + 0.5) / size * 2 - 1, 1 - (row + 0.5) / size * 2])
            height = 0.25 - ((pixel - centre[:2]) ** 2).sum()
            colour, normal, z = (getattr(found, name)[k, row, column].astype(float) for name in ("colours", "normals", "z"))
            if height < 0:
                assert (colour == 255).all() and (normal == 255).all() and z == -2
                continue
            point = np.array([*pixel, centre[2] + np.sqrt(height)])
            assert z == pytest.approx(point[2], abs=5e-3)
            outwards = (point - centre) / 0.5
            np.testing.assert_allclose(normal / 127.5 - 1, outwards, atol=0.03)
            np.testing.assert_allclose(colour / 127.5 - 1, turn.T @ outwards, atol=0.03)  # paint turns with the scan


def test_the_second_view_looks_at_the_subject_s_right_cheek():
    """Turned towards +x, which is to the right in the picture, a face shows its right side."""
    np.testing.assert_allclose(rotation_about_y(np.pi / 2) @ [0, 0, 1], [1, 0, 0], atol=1e-12)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, synth_scans: Path) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    recipe = Prepared(tuple(find_scans(synth_scans)), SMALL, shapes=30, held_out=0.3)
    assert write_set(out, recipe, workers=0, quiet=True) == 6
    return out


def test_identities_are_held_out_whole(prepared: Path):
    rows = json.loads((prepared / "scans.json").read_text())
    assert [row["row"] for row in rows] == list(range(6))
    assert [row["name"] for row in rows] == [f"s{i:04d}_{j:02d}" for i in range(3) for j in range(2)]
    split = {row["identity"]: row["split"] for row in rows}
    assert sorted(split.values()) == ["held_out", "train", "train"]
    assert all(row["split"] == split[row["identity"]] for row in rows)
    sets = [ScanSet(prepared, split) for split in ("train", "held_out", "all")]
    assert [len(s) for s in sets] == [4, 2, 6]
    assert not set(sets[0].identities) & set(sets[1].identities)


def test_known_parameters_are_told_in_the_rig_s_components(prepared: Path, synth_scans: Path, cube: CubeRig):
    scans = ScanSet(prepared, "all")
    head = cube.rig(scans.shape, scans.expression, scans.joint_pose).vertices.numpy()
    for i, row in enumerate(scans.rows):
        truth = load_file(synth_scans / "rigs" / f"{row['name'].replace('_', '/')}.safetensors")
        np.testing.assert_array_equal(scans.joint_pose[i], truth["joint_pose"])
        seen = np.unique(cube.surface)
        miss = np.linalg.norm(head[i] - truth["vertices"], axis=1)[seen].mean() * cube.millimetres
        assert miss == pytest.approx(row["fit_mm"]["shape"], abs=1e-2)
        assert miss < 2.5  # of 30 components


def test_batches_hold_points_labels_and_parameters_of_the_scans_asked_for(prepared: Path, synth_scans: Path):
    scans = ScanSet(prepared, "all")
    chosen = torch.tensor([4, 1])
    batch = scans.occupancy(chosen, near=60, uniform=50, generator=torch.Generator().manual_seed(0))
    assert batch.points.shape == (2, 110, 3) and batch.inside.shape == (2, 110)
    torch.testing.assert_close(batch.shape, scans.shape[chosen])
    for points, inside, scan in zip(batch.points.numpy(), batch.inside, chosen.tolist(), strict=True):
        labelled = (scans.samples(scan).near, scans.samples(scan).uniform)
        known = {tuple(p): i for own in labelled for p, i in zip(own.points, own.inside, strict=True)}
        assert [known[tuple(p)] for p in points] == inside.tolist()
        mesh = trimesh.load(synth_scans / "scans" / f"{scans.names[scan].replace('_', '/')}.ply", process=False)
        away = mesh_tree(mesh.vertices, mesh.faces).closest(points)[2]
        assert away[:60].max() < 0.06 and away[60:].max() > 0.2
    again = scans.occupancy(chosen, near=60, uniform=50, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(again.points, batch.points, rtol=0, atol=0)
    other = scans.occupancy(chosen, near=60, uniform=50, generator=torch.Generator().manual_seed(1))
    assert not torch.equal(other.points, batch.points)
    on = scans.surface(chosen, 40, torch.Generator().manual_seed(0))
    torch.testing.assert_close(on.normals.norm(dim=-1), torch.ones(2, 40))
    assert on.colours.min() >= -1 and on.colours.max() <= 1 and on.colours.std() > 0.1


def test_favoured_places_get_their_share_of_the_points(prepared: Path, cube: CubeRig):
    scans, chosen = ScanSet(prepared), torch.tensor([1, 0])
    noses = cube.landmarks(cube.rig(*scans.parameters).vertices)[:, 30:31]

    def near_noses(points: torch.Tensor) -> torch.Tensor:
        return (points - noses[chosen]).norm(dim=-1) < 0.15

    before = scans.occupancy(chosen, near=400, uniform=50, generator=torch.Generator().manual_seed(0))
    scans.oversample(noses, radius=0.15, share=0.5)
    batch = scans.occupancy(chosen, near=400, uniform=50, generator=torch.Generator().manual_seed(0))
    assert near_noses(before.points[:, :400]).float().mean() < 0.2
    assert near_noses(batch.points[:, :200]).all()
    torch.testing.assert_close(batch.points[:, 200:], before.points[:, 200:])
    assert near_noses(scans.surface(chosen, 40, torch.Generator().manual_seed(0)).points[:, :20]).all()
    scans.oversample(noses + 5, radius=0.15, share=0.5)  # nothing is there
    same = scans.occupancy(chosen, near=400, uniform=50, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(same.points, before.points)


def test_views_and_their_poses_belong_together(prepared: Path, cube: CubeRig):
    scans = ScanSet(prepared, "all")
    who, which = torch.tensor([1, 1, 3]), torch.tensor([0, 3, 7])
    batch = scans.view(who, which)
    assert batch.colours.shape == (3, 3, 48, 48) and batch.mask.shape == (3, 1, 48, 48)
    posed = cube.rig(batch.shape, batch.expression, batch.joint_pose).vertices.numpy()
    for i in range(3):
        seen = batch.mask[i, 0] > 0
        assert 0.1 < seen.float().mean() < 0.6
        assert (batch.colours[i][:, ~seen] == 1).all() and (batch.normals[i][:, ~seen] == 1).all()
        away = mesh_tree(posed[i], cube.surface.numpy()).closest(batch.points[i][seen].numpy())[2]
        assert np.median(away) * cube.millimetres < 3  # 30 components; the wrong turn would be centimetres off
    torch.testing.assert_close(scans.view(who[:1], which[:1]).joint_pose[0], scans.joint_pose[1], atol=1e-6, rtol=0)


def test_a_raw_scan_is_fitted_and_comes_back_to_its_place(tmp_path: Path, synth_scans: Path, cube: CubeRig):
    scans = find_scans(synth_scans, raw=True)[1:2]
    fitting = FitConfig(points=600, rounds=10, metres_per_unit=0.001)
    write_set(tmp_path / "out", Prepared(tuple(scans), SMALL, fitting=fitting, shapes=30, held_out=0), workers=0, quiet=True)
    found = ScanSet(tmp_path / "out")
    assert found.rows[0]["fit_mm"]["face"] < 1 and found.rows[0]["fit_mm"]["landmarks"] < 3
    truth = load_file(synth_scans / "rigs/s0000/01.safetensors")
    head = cube.rig(found.shape, found.expression, found.joint_pose).vertices[0].numpy()
    cube_from_scan = found.samples(0).cube_from_scan @ np.linalg.inv(
        json.loads(scans[0].scan_from_raw.read_text())["scan_from_raw"]
    )
    marks = truth["landmarks"] @ cube_from_scan[:3, :3].T + cube_from_scan[:3, 3]
    miss = np.linalg.norm(cube.landmarks(torch.from_numpy(head)[None])[0].numpy() - marks, axis=1).mean() * cube.millimetres
    assert miss == pytest.approx(found.rows[0]["fit_mm"]["landmarks"], abs=0.05)


def test_a_stopped_run_goes_on_and_another_set_is_refused(tmp_path: Path, synth_scans: Path):
    scans = tuple(find_scans(synth_scans)[:2])
    recipe = Prepared(scans, SMALL, shapes=30)
    out = tmp_path / "out"
    assert write_set(out, recipe, share=(0, 2), workers=0, quiet=True) == 1
    first = (out / "scans/s0000_00.safetensors").read_bytes()
    assert write_set(out, recipe, workers=0, quiet=True) == 1
    assert (out / "scans/s0000_00.safetensors").read_bytes() == first
    with pytest.raises(FullheadError, match="another set"):
        write_set(out, Prepared(scans, SMALL, shapes=20), workers=0, quiet=True)


def test_scans_of_another_version_and_without_landmarks_are_refused_by_name(tmp_path: Path, synth_scans: Path):
    scans = find_scans(synth_scans)
    changed = load_file(synth_scans / "rigs/s0000/00.safetensors")
    changed["vertices"] = changed["vertices"] + 0.01
    (tmp_path / "rigs/s0000").mkdir(parents=True)
    (tmp_path / "scans/s0000").mkdir(parents=True)
    (tmp_path / "set.json").write_text("{}")
    save_file(changed, tmp_path / "rigs/s0000/00.safetensors")
    (tmp_path / "scans/s0000/00.ply").write_bytes(scans[0].mesh.read_bytes())
    with pytest.raises(FullheadError, match=r"scan s0000_00: it is .* mm off"):
        write_set(tmp_path / "out", Prepared(tuple(find_scans(tmp_path)), SMALL, shapes=30), workers=0, quiet=True)
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "anna.ply").write_bytes(scans[0].mesh.read_bytes())
    with pytest.raises(FullheadError, match="scan anna: no landmarks"):
        write_set(tmp_path / "other", Prepared(tuple(find_scans(bare)), SMALL, shapes=30), workers=0, quiet=True)


def test_a_bad_scan_among_good_ones_is_left_out_and_the_command_says_so(
    tmp_path: Path, synth_scans: Path, capfd: pytest.CaptureFixture[str]
):
    shutil.copytree(synth_scans, tmp_path / "in")
    for number, rig in enumerate(sorted((tmp_path / "in/rigs").rglob("*.safetensors"))):
        rig.write_bytes(b"rotten") if number == 1 else None
    few = ["--near", "50", "--uniform", "50", "--surface", "50", "--size", "16", "--shapes", "30", "--workers", "2"]
    with pytest.raises(SystemExit) as stop:
        main(["prepare", str(tmp_path / "in"), str(tmp_path / "out"), *few])
    said = capfd.readouterr()
    assert stop.value.code == 2
    (mistake,) = [line for line in said.err.splitlines() if not line.startswith("prepared: ")]  # progress, where it takes long
    assert "1 of 6 could not be made: scan s0000_01" in mistake
    assert "left out: scan s0000_01" in said.out
    assert len(ScanSet(tmp_path / "out", "all")) == 5


def test_the_command_prepares_a_folder(tmp_path: Path, synth_scans: Path, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: object) -> None:
        main(["prepare", str(synth_scans), *map(str, arguments)])

    counts = ["--near", 50, "--uniform", 50, "--surface", 50, "--size", 16, "--shapes", 10, "--workers", 0]
    run(tmp_path / "set", *counts, "--form", "tar")
    assert "6 new scans" in capsys.readouterr().out
    scans = ScanSet(tmp_path / "set", "all")  # from the shards of a tar
    assert len(scans) == 6 and scans.shape.shape == (6, 10)
    refused: list[tuple[list[object], str]] = [
        (["--near", 0], "--near 0"), (["--held-out", 1], "--held-out"), (["--shapes", 0], "--shapes 0"),
        (["--metres-per-unit", 0], "--metres-per-unit"), (["--layout", "multiface"], "no scans in the layout"),
    ]  # fmt: skip
    for options, why in refused:
        with pytest.raises(SystemExit) as stop:
            run(tmp_path / "other", *options)
        assert stop.value.code == 2
        assert why in capsys.readouterr().err


def test_sets_that_are_not_there_are_refused(tmp_path: Path, prepared: Path, synth_scans: Path):
    expected: list[tuple[Callable[[], object], str]] = [
        (lambda: ScanSet(tmp_path), "no set"), (lambda: ScanSet(synth_scans), "not of prepared"),
    ]  # fmt: skip
    for make, why in expected:
        with pytest.raises(FullheadError, match=why):
            make()
