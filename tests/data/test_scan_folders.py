"""Layouts of scans: which files belong together, whose they are, and how they stand."""

from pathlib import Path

import numpy as np
import pytest

from fullhead.core.errors import FullheadError
from fullhead.data.scans import find_scans, layout_of, ordered_by_names, read_order, read_scan, scan_file, with_axes
from small_scans import write_obj, write_texture

POINTS = np.array([[0.0, 0, 0.2], [0.5, 0, 0], [0, 0.8, 0], [-0.4, 0.1, 0]])
TRIANGLES = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1]])


def test_faceverse_is_upright_with_its_textures_and_its_subjects(tmp_path: Path):
    for name in ("002_01", "001_03", "001_01"):
        write_obj(tmp_path / f"{name}.obj", POINTS * [1, -1, -1], TRIANGLES, f"{name}.jpg")
        write_texture(tmp_path / f"{name}.jpg", (200, 40, 90))
    assert layout_of(tmp_path) == "faceverse"
    scans = find_scans(tmp_path)
    assert [(s.name, s.identity, s.expression) for s in scans] == [
        ("001_01", "001", "01"), ("001_03", "001", "03"), ("002_01", "002", "01"),
    ]  # fmt: skip
    mesh = read_scan(scans[0])
    np.testing.assert_allclose(mesh.vertices, POINTS)
    colours = mesh.colours_at(np.arange(3), np.full((3, 3), 1 / 3))
    np.testing.assert_allclose((colours + 1) * 127.5, np.tile([200, 40, 90], (3, 1)), atol=4)


def test_multiface_gives_the_middle_frame_of_each_expression_and_the_mean_of_its_cameras(tmp_path: Path):
    folder = tmp_path / "m--20180227--0000--6795937--GHS"
    for expression in ("E001_Neutral", "E002_Swallow"):
        for frame in ("000102", "000105", "000108"):
            write_obj(folder / f"tracked_mesh/{expression}/{frame}.obj", POINTS + int(frame), TRIANGLES)
    for camera, colour in (("400002", (100, 100, 100)), ("400004", (200, 100, 0)), ("400008", (0, 0, 0))):
        write_texture(folder / f"unwrapped_uv_1024/E001_Neutral/{camera}/000105.png", colour)
    write_texture(folder / "tex_mean.png", (10, 20, 30))
    assert layout_of(tmp_path) == layout_of(folder) == "multiface"
    first, second = find_scans(tmp_path)
    assert (first.name, first.identity) == ("6795937_E001_Neutral_000105", "6795937")
    np.testing.assert_allclose(read_scan(first).vertices, POINTS + 105)
    seen = read_scan(first).textures[0]
    np.testing.assert_array_equal(seen[0, 0], [150, 100, 50])  # black is what a camera did not see
    np.testing.assert_array_equal(read_scan(second).textures[0][0, 0], [10, 20, 30])


def test_other_folders_tell_whose_a_scan_is(tmp_path: Path):
    for name in ("anna/smile", "anna/neutral", "bob"):
        write_obj(tmp_path / f"{name}.obj", POINTS, TRIANGLES)
    found = [(s.name, s.identity, s.expression) for s in find_scans(tmp_path)]
    assert found == [("anna_neutral", "anna", "neutral"), ("anna_smile", "anna", "smile"), ("bob", "bob", "bob")]
    write_obj(tmp_path / "anna_smile.obj", POINTS, TRIANGLES)
    with pytest.raises(FullheadError, match="two scans called anna_smile"):
        find_scans(tmp_path)


def test_procedural_sets_have_their_truth(synth_scans: Path):
    scans = find_scans(synth_scans)
    assert [s.name for s in scans][:3] == ["s0000_00", "s0000_01", "s0001_00"]
    assert all(s.ground_truth and s.ground_truth.is_file() and s.scan_from_raw is None for s in scans)
    raw = find_scans(synth_scans, raw=True)
    assert all("raw" in s.mesh.parts and s.scan_from_raw and s.scan_from_raw.is_file() for s in raw)


def test_scans_can_be_put_into_a_given_order(tmp_path: Path):
    for name in ("a", "b", "c"):
        write_obj(tmp_path / f"{name}.obj", POINTS, TRIANGLES)
    (tmp_path / "order.csv").write_text("c,7\na,8\n\n")
    scans = find_scans(tmp_path)
    assert [s.name for s in ordered_by_names(scans, read_order(tmp_path / "order.csv"))] == ["c", "a"]
    with pytest.raises(FullheadError, match="first is z"):
        ordered_by_names(scans, ["a", "z"])


@pytest.mark.parametrize(("axes", "expected"), [("x,-y,-z", (1, -2, -3)), ("x, z, -y", (1, 3, -2)), ("-z,y,x", (-3, 2, 1))])
def test_axes_turn_scans_and_never_mirror_them(tmp_path: Path, axes: str, expected: tuple[int, int, int]):
    write_obj(tmp_path / "a.obj", POINTS, TRIANGLES)
    (scan,) = with_axes(find_scans(tmp_path), axes)
    loop = [[np.sign(n) * p[abs(n) - 1] for n in expected] for p in POINTS]
    np.testing.assert_allclose(read_scan(scan).vertices, loop)
    for wrong, why in (("-x,y,z", "mirrors"), ("x,y", "write which"), ("x,x,z", "write which"), ("x,y,w", "write which")):
        with pytest.raises(FullheadError, match=why):
            with_axes([scan], wrong)


def test_landmarks_lie_beside_a_scan_or_in_a_folder_of_their_own(tmp_path: Path):
    points = np.random.RandomState(0).rand(68, 3)
    write_obj(tmp_path / "scans/a.obj", POINTS, TRIANGLES)
    (beside,) = find_scans(tmp_path / "scans")
    assert beside.landmarks is None
    np.savetxt(tmp_path / "scans/a_landmarks.txt", points)
    (beside,) = find_scans(tmp_path / "scans")
    assert beside.landmarks == tmp_path / "scans/a_landmarks.txt"
    (tmp_path / "marks").mkdir()
    np.savetxt(tmp_path / "marks/a.txt", points)
    (apart,) = find_scans(tmp_path / "scans", landmarks=tmp_path / "marks")
    assert apart.landmarks == tmp_path / "marks/a.txt"
    (tmp_path / "scans/a_landmarks.txt").rename(tmp_path / "scans/a_picked_points.pp")  # as MeshLab calls it
    assert scan_file(tmp_path / "scans/a.obj").landmarks == tmp_path / "scans/a_picked_points.pp"


def test_folders_without_scans_are_refused(tmp_path: Path):
    with pytest.raises(FullheadError, match="no scans in the layout 'files'"):
        find_scans(tmp_path)
    with pytest.raises(FullheadError, match="no folder"):
        find_scans(tmp_path / "absent")
    (tmp_path / "set.json").write_text("{}")
    with pytest.raises(FullheadError, match="fullhead synth scans"):
        find_scans(tmp_path)
