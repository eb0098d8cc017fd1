"""Meshes in the layout of SynHead100: what is read of them, and what is refused."""

import logging
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fullhead.core.errors import FullheadError
from fullhead.data.rigged_meshes import mesh_folder, neutral_of
from fullhead.rig.arkit import ARKIT, BUILT_ON, alone
from fullhead.synth.datasets.rigged_heads import procedural_heads

LIPS = (3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25)
CORNERS, SIDES = 13, 3  # rings of a tube


def shapes(subject: int, *, with_jaw: bool = True) -> dict[str, NDArray]:
    """A tube whose upper half eyes and brows move, and whose lower half the others."""
    random = np.random.RandomState(subject)
    angle = 2 * np.pi * np.arange(SIDES) / SIDES
    ring = np.stack([np.cos(angle), np.zeros(SIDES), -np.sin(angle)], 1)
    rest = np.concatenate([ring + np.array([0, k, 0]) for k in range(CORNERS)]) * 0.1 + 0.01 * random.randn(CORNERS * SIDES, 3)
    upper = rest[:, 1] > 0.6
    moves = {}
    for name in ARKIT:
        moved = upper if name.startswith(("eye", "brow")) else ~upper
        moves[name] = np.where(moved[:, None], 0.02 * random.randn(len(rest), 3), 0)
    shown = {name: rest + sum(moves[part] for part in alone(name)) for name in ARKIT}
    if not with_jaw:
        shown |= {name: rest + moves[name] for name in BUILT_ON}
    return {"neutral": rest, **shown}


def write(folder: Path, subjects: int = 3, *, with_jaw: bool = True, neutral: bool = False) -> Path:
    for kind in ("meshes", "lms"):
        (folder / "mesh_lms" / kind).mkdir(parents=True)
    for s in range(subjects):
        for name, vertices in shapes(s, with_jaw=with_jaw).items():
            if name != "neutral" or neutral:
                text = "".join(f"v {x:.7f} {y:.7f} {z:.7f}\n" for x, y, z in vertices)
                (folder / "mesh_lms" / "meshes" / f"fs_{s:03d}_{name}.obj").write_text(text)
                lips = "".join(f"{x:.7f} {y:.7f} {z:.7f}\n" for x, y, z in vertices[list(LIPS)])
                (folder / "mesh_lms" / "lms" / f"fs_{s:03d}_{name}.txt").write_text(lips)
    rows = [f"v {x} {y} {z}\n" for x, y, z in shapes(0)["neutral"]]
    rows += [f"vt {u:.3f} {v:.3f}\n" for u in (0.1, 0.5, 0.9) for v in (0.2, 0.8)]
    for k in range(CORNERS - 1):
        for i in range(SIDES):
            a, b = k * SIDES + i + 1, k * SIDES + (i + 1) % SIDES + 1
            rows += [f"f {a}/1 {b}/2 {b + SIDES}/3\n", f"f {a}/1 {b + SIDES}/3 {a + SIDES}/4\n"]
    (folder / "template.obj").write_text("".join(rows))
    return folder


@pytest.mark.parametrize("inside", [".", "mesh_lms", "mesh_lms/meshes"])
def test_heads_are_read_from_the_folder_or_one_inside(inside: str, tmp_path: Path) -> None:
    found = mesh_folder(write(tmp_path) / inside)
    assert found.subjects == ["fs_000", "fs_001", "fs_002"]
    heads = found.read(found.subjects[1:])
    assert heads.names == ("fs_001", "fs_002")
    expected = np.stack(list(shapes(2).values()))
    np.testing.assert_allclose(heads.vertices[1], expected, atol=1e-6)
    assert len(heads.shared.faces) == 2 * SIDES * (CORNERS - 1)
    assert len(heads.shared.uv) == 4  # those that are used
    assert tuple(heads.shared.landmark_vertices[:, 0].tolist()) == LIPS


def test_a_head_at_rest_is_taken_from_its_file(tmp_path: Path) -> None:
    write(tmp_path, neutral=True)
    for path in (tmp_path / "mesh_lms" / "meshes").glob("*_neutral.obj"):
        path.write_text(path.read_text().replace(" 0.", " 1."))  # elsewhere: it is this file that counts
    heads = mesh_folder(tmp_path).read(["fs_000"])
    assert np.abs(heads.vertices[0, 0].numpy() - shapes(0)["neutral"]).max() > 0.5


def test_the_jaw_is_added_to_an_expression_that_lacks_it(tmp_path: Path) -> None:
    heads = mesh_folder(write(tmp_path, with_jaw=False)).read(["fs_000"])
    np.testing.assert_allclose(heads.vertices[0], np.stack(list(shapes(0).values())), atol=1e-6)


def test_the_head_at_rest_is_found_in_expressions_of_procedural_heads() -> None:
    heads = procedural_heads(range(2))
    for faces in heads.vertices.numpy():
        off = np.linalg.norm(neutral_of(dict(zip(ARKIT, faces[1:], strict=True))) - faces[0], axis=1)
        assert 1000 * heads.metres * off.mean() < 0.02
        assert 1000 * heads.metres * off.max() < 1


def test_slips_of_the_pen_and_other_cases_are_understood(tmp_path: Path) -> None:
    meshes = write(tmp_path) / "mesh_lms" / "meshes"
    for s in range(3):
        (meshes / f"fs_{s:03d}_browDownLeft.obj").rename(meshes / f"fs_{s:03d}_browDwonLeft.obj")
        (meshes / f"fs_{s:03d}_jawOpen.obj").rename(meshes / f"fs_{s:03d}_JawOpen.obj")
    heads = mesh_folder(tmp_path).read(["fs_000"])
    np.testing.assert_allclose(heads.vertices[0], np.stack(list(shapes(0).values())), atol=1e-6)


def test_an_expression_that_is_missing_moves_nothing_and_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for path in (write(tmp_path) / "mesh_lms" / "meshes").glob("*_tongueOut.obj"):
        path.unlink()
    with caplog.at_level(logging.WARNING, "fullhead"):
        heads = mesh_folder(tmp_path).read(["fs_000"])
    assert "tongueOut" in caplog.text
    np.testing.assert_array_equal(heads.vertices[0, 1 + ARKIT.index("tongueOut")], heads.vertices[0, 0])


def refused(folder: Path, template: Path | None = None) -> str:
    with pytest.raises(FullheadError) as error:
        found = mesh_folder(folder, template)
        found.read(found.subjects)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_cannot_be_read_is_said_in_a_line(tmp_path: Path) -> None:
    assert "no folder" in refused(tmp_path / "nowhere")
    assert "has no meshes such as" in refused(tmp_path)
    meshes = write(tmp_path) / "mesh_lms" / "meshes"
    mesh = meshes / "fs_001_jawOpen.obj"
    text = mesh.read_text()
    mesh.unlink()
    assert "lacks fs_001_jawOpen.obj" in refused(tmp_path)
    for damaged, said in (
        ("nothing", "no vertices"),
        ("v 1 2\n", "no vertices"),
        ("v 1 2 x\n", "cannot read"),
        ("v 1 2 nan\n", "not finite"),
        ("v 1 2 3\n", "has 1 vertices, not 39"),
    ):
        mesh.write_text(damaged)
        assert said in refused(tmp_path)
    mesh.write_text(text)
    (meshes / "fs_001_jawopen.obj").write_text(text)
    assert "same expression" in refused(tmp_path)
    (meshes / "fs_001_jawopen.obj").rename(meshes / "fs_001_dance.obj")
    assert "'dance' is no expression" in refused(tmp_path)
    (meshes / "fs_001_dance.obj").unlink()
    lms = tmp_path / "mesh_lms" / "lms" / "fs_000_browDownLeft.txt"
    lms.write_text("1 2 3\n")
    assert "1 points, not 12" in refused(tmp_path)
    lms.unlink()
    template = tmp_path / "template.obj"
    template.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    assert "has 3 vertices, but" in refused(tmp_path)
    template.unlink()
    assert "--template" in refused(tmp_path)
    assert "--template" in refused(tmp_path, tmp_path / "other.obj")
    for path in [*meshes.glob("*_mouth*.obj"), *meshes.glob("*_jaw*.obj")]:
        path.unlink()
    assert "too few expressions" in refused(tmp_path)
