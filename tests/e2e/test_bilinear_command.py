"""`fullhead bilinear`, from procedural heads and from a folder of meshes."""

import json
from pathlib import Path

import pytest
from PIL import Image

from fullhead import cli
from fullhead.models.checkpoint import read_header, read_module
from fullhead.representations.bilinear import BilinearMesh
from fullhead.rig.arkit import ARKIT
from fullhead.synth.datasets.rigged_heads import procedural_heads


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit) as error:
        cli.main(["bilinear", *map(str, words)])
    said = capsys.readouterr().err
    assert error.value.code == 2
    assert said.count("\n") == 1
    return said


def test_procedural_heads_become_a_file_and_a_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, sheet = tmp_path / "mesh.safetensors", tmp_path / "mesh.png"
    words = ["--subjects", "5", "--held-out", "2", "--identity", "3", "--out", out, "--sheet", sheet]
    cli.main(["bilinear", "synth", *map(str, words)])
    said = capsys.readouterr().out
    assert "5 heads with 5986 vertices" in said
    assert "3 numbers of an identity: 2 new heads met within" in said
    mesh = read_module(out, BilinearMesh)
    assert (mesh.config.identity, mesh.config.heads, mesh.config.joints) == (3, 5, 5)
    about = read_header(out)["about"]
    assert about["heads"] == ["s0000", "s0001", "s0002", "s0003", "s0004"]
    errors = [row["millimetres"] for row in about["held_out_errors"].values()]
    assert errors == sorted(errors, reverse=True)
    assert json.dumps(about)
    with Image.open(sheet) as picture:
        assert picture.width > 6 * 192
    before = out.read_bytes()
    assert "exists already" in refused(capsys, "synth", "--out", out)
    assert "exists already" in refused(capsys, "synth", "--out", tmp_path / "new.safetensors", "--sheet", sheet)
    assert out.read_bytes() == before
    cli.main(["bilinear", "synth", *map(str, words), "--overwrite"])
    assert out.read_bytes() == before, "the same heads make the same file"


def test_meshes_of_heads360_become_the_same_mesh(tmp_path: Path) -> None:
    heads, folder = procedural_heads(range(3)), tmp_path / "set"
    (folder / "mesh_lms" / "meshes").mkdir(parents=True)
    (folder / "template.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")  # known: it is our own
    for name, faces in zip(heads.names, heads.vertices.tolist(), strict=True):
        for expression, vertices in zip(ARKIT, faces[1:], strict=True):
            text = "".join(f"v {x:.6f} {y:.6f} {z:.6f}\n" for x, y, z in vertices)
            (folder / "mesh_lms" / "meshes" / f"{name}_{expression}.obj").write_text(text)
    out = tmp_path / "mesh.safetensors"
    cli.main(["bilinear", str(folder), "--held-out", "0", "--components", "120", "--out", str(out)])
    mesh = read_module(out, BilinearMesh)
    assert (mesh.config.heads, mesh.config.landmarks, mesh.config.joints) == (3, 68, 0)
    off = (mesh.vertices(mesh.codes) - heads.vertices[:, 0]).norm(dim=2)
    assert 1000 * heads.metres * float(off.mean()) < 0.05
    assert mesh.config.metres_per_unit == pytest.approx(heads.metres)


def test_a_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ("--out", tmp_path / "mesh.safetensors")
    assert "must end in .safetensors" in refused(capsys, "synth", "--out", tmp_path / "mesh.npz")
    assert "between 2 and" in refused(capsys, "synth", "--subjects", "1", *out)
    assert "between 0 and" in refused(capsys, "synth", "--held-out", "-1", *out)
    assert "between 1 and" in refused(capsys, "synth", "--identity", "0", *out)
    assert "between 1 and" in refused(capsys, "synth", "--components", "0", *out)
    assert "--template" in refused(capsys, "synth", "--template", "t.obj", *out)
    assert "a picture" in refused(capsys, "synth", "--sheet", tmp_path / "a.gif", *out)
    assert "hair.x" in refused(capsys, "synth", "--set", "hair.x=1", *out)
    assert "no folder" in refused(capsys, tmp_path / "nowhere", *out)
    assert "procedural heads" in refused(capsys, tmp_path, "--seed", "3", *out)
    assert "0.001 for millimetres" in refused(capsys, tmp_path, "--metres-per-unit", "0", *out)
    assert list(tmp_path.iterdir()) == []
