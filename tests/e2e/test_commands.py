"""Every command, run as a user runs it: what it writes, and what it says when something is wrong."""

import errno
import json
import math
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from safetensors import safe_open
from skimage.data import astronaut

from fullhead.cli import main
from fullhead.commands.animate import rotations
from fullhead.commands.options import parse_seeds, stage_bars, tracked
from fullhead.core.errors import about
from fullhead.core.similarity import Similarity
from fullhead.data import scan_reading
from fullhead.families.opening import load
from fullhead.models.checkpoint import read_header, save
from fullhead.models.ganhead import GANHead
from fullhead.models.hub import model_file
from fullhead.models.i3dmm import I3DMM, I3DMMConfig
from fullhead.rig.cube import template_in_cube
from fullhead.rig.template import load_template
from truthful_reader import CUBE_FROM_HEAD, TruthfulReader

SMALL = ["--size", "32"]


@pytest.fixture(scope="session")
def ganhead_file(ganhead: GANHead, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "ganhead.safetensors"
    save(ganhead, path)
    return path


def run(*arguments: object) -> None:
    main([str(argument) for argument in arguments])


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line on stderr of a command that must end with exit code 2."""
    with pytest.raises(SystemExit) as stop:
        run(*arguments)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("fullhead: ")
    return said


def test_sample_draws_a_sheet_with_a_row_per_seed_and_a_column_per_yaw(tmp_path: Path) -> None:
    run("sample", "--seeds", "0-2", "--yaws", "0", "90", "--no-labels", "--out", tmp_path / "sheet.png", *SMALL)
    width, height = Image.open(tmp_path / "sheet.png").size
    assert (width, height) == (2 * 36 + 4, 3 * 36 + 4)


def test_sample_into_a_folder_gives_transparent_pictures_of_single_heads(tmp_path: Path) -> None:
    run("sample", "--seeds", "5", "--yaws", "0,180", "--background", "transparent", "--out", tmp_path / "heads")
    names = sorted(p.name for p in (tmp_path / "heads").iterdir())
    assert names == ["seed0005_yaw+000.png", "seed0005_yaw+180.png"]
    alpha = np.asarray(Image.open(tmp_path / "heads" / names[0]))[..., 3]
    assert alpha[0, 0] < 60
    assert alpha[32, 32] > 200


def test_every_side_of_every_head_has_a_file_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sides = ["0", "0.5", "-7.25,1", "1.5"]
    run("sample", "--seeds", "5", "--yaws", *sides, "--out", tmp_path, *SMALL)
    names = [f"seed0005_yaw{yaw}.png" for yaw in ("+000", "+000.5", "+001", "+001.5", "-007.25")]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)
    assert "1 head x 5 views" in capsys.readouterr().out


def test_the_background_can_be_a_colour_a_picture_or_another_seed_s(tmp_path: Path) -> None:
    Image.new("RGB", (50, 40), (0, 200, 0)).save(tmp_path / "green.png")
    corners = {}
    for name in ("white", str(tmp_path / "green.png")):
        run("sample", "--seeds", "1", "--yaws", "0", "--background", name, "--out", tmp_path / "h")
        corners[name] = np.asarray(Image.open(tmp_path / "h" / "seed0001_yaw+000.png"))[0, 0].astype(int)
    assert corners["white"].min() > 180
    assert corners[str(tmp_path / "green.png")].argmax() == 1
    pictures = []
    for seed in (2, 3):
        run("sample", "--seeds", "1", "--yaws", "0", "--background-seed", seed, "--out", tmp_path / "b")
        pictures.append(np.asarray(Image.open(tmp_path / "b" / "seed0001_yaw+000.png")).astype(int))
    difference = np.abs(pictures[0] - pictures[1]).mean(axis=-1)
    assert difference[:8].mean() > 2 * difference[24:40, 28:36].mean()  # the sky changes, the face much less


def test_orbit_writes_a_film_that_loops(tmp_path: Path) -> None:
    run("orbit", "--seeds", "3", "--frames", "6", "--out", tmp_path / "turn.webp", *SMALL)
    film = Image.open(tmp_path / "turn.webp")
    assert (film.n_frames, film.size, film.info["loop"]) == (6, (32, 32), 0)


def test_interpolate_writes_a_film(tmp_path: Path) -> None:
    run("interpolate", "--seeds", "0,4", "--frames", "5", "--camera", "swing", "--out", tmp_path / "flow.webp", *SMALL)
    assert Image.open(tmp_path / "flow.webp").n_frames == 5


def test_mesh_writes_a_closed_upright_mesh_in_metres(tmp_path: Path) -> None:
    run("mesh", "--seeds", "0", "--resolution", "96", "--out", tmp_path / "head.glb")
    mesh = trimesh.load(tmp_path / "head.glb", force="mesh")
    assert mesh.is_watertight
    assert 0.15 < mesh.extents[1] < 0.8


def test_the_commands_take_an_i3dmm(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = {"deform_width": 16, "reference_width": 32, "colour_width": 16}
    model = I3DMM(I3DMMConfig(2, 2, 2, code=4, resolution=32, image_size=40, **sizes))
    optimiser = torch.optim.Adam(model.reference.parameters(), 3e-3)
    for _ in range(150):  # the reference head: a ball
        x = 2 * torch.rand(1, 500, 3) - 1
        loss = (model.reference_distance(x) - (x.norm(dim=-1) - 0.6)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    save(model, tmp_path / "i3dmm.safetensors")
    options = ["--model", tmp_path / "i3dmm.safetensors", "--seeds"]
    run("sample", *options, "0-1", "--yaws", "0", "--shading", "clay", "--no-labels", "--out", tmp_path / "a.png", *SMALL)
    assert np.ptp(np.asarray(Image.open(tmp_path / "a.png")).astype(int), axis=-1).max() == 0, "clay is grey"
    run("mesh", *options, "0", "--resolution", "32", "--out", tmp_path / "head.ply")
    assert trimesh.load(tmp_path / "head.ply", process=False).is_watertight


def test_the_commands_take_a_ganhead(ganhead_file: Path, tmp_path: Path) -> None:
    model = ["--model", ganhead_file]
    sheets = []
    for options in (["--vary", "shape"], ["--vary", "shape", "--shading", "clay"], ["--vary", "colour,rig"]):
        run("sample", *model, "--seeds", "0-1", "--yaws", "0", "--out", tmp_path / "a.png", *options, "--no-labels", *SMALL)
        sheets.append(np.asarray(Image.open(tmp_path / "a.png")).astype(int))
    assert all(sheet.shape == (2 * 36 + 4, 36 + 4, 3) for sheet in sheets)
    assert np.ptp(sheets[1], axis=-1).max() == 0, "clay is grey"
    assert np.ptp(sheets[0], axis=-1).max() > 0 and np.abs(sheets[0] - sheets[2]).mean() > 1
    run("orbit", *model, "--seeds", "1", "--frames", "3", "--shading", "normal", "--out", tmp_path / "turn.webp", *SMALL)
    assert Image.open(tmp_path / "turn.webp").n_frames == 3
    run("interpolate", *model, "--seeds", "0,1", "--frames", "3", "--out", tmp_path / "flow.webp", *SMALL)
    assert Image.open(tmp_path / "flow.webp").n_frames == 3
    run("mesh", *model, "--seeds", "1", "--resolution", "32", "--out", tmp_path / "head.ply")
    mesh = trimesh.load(tmp_path / "head.ply", process=False)
    assert mesh.is_watertight and mesh.volume > 0
    assert 0.1 < mesh.extents.max() < 0.5, "metres: the cube of its rig has sides of 40 cm"


def test_animate_writes_stills_sheets_and_films(ganhead_file: Path, tmp_path: Path) -> None:
    model = ["--model", ganhead_file, "--seeds", "0", "--shading", "normal", *SMALL]
    for name, turn in (("a", 0), ("b", 40)):
        run("animate", *model, "--joint", f"neck=0,{turn},0", "--expression", "jawOpen=1", "--out", tmp_path / f"{name}.png")
    still, turned = (np.asarray(Image.open(tmp_path / f"{name}.png")).astype(int) for name in "ab")
    assert still.shape == (32, 32, 3) and np.abs(still - turned).max() > 20
    run("animate", *model, "--joint", "neck=0,20,0", "jaw=5,0,0", "--frames", "4", "--out", tmp_path / "a.webp")
    assert Image.open(tmp_path / "a.webp").n_frames == 4
    run("animate", *model, "--expression", "all", "--out", tmp_path / "all.png")
    width, height = Image.open(tmp_path / "all.png").size
    assert width == 13 * 36 + 4 and height > 4 * 36
    run("synth", "video", tmp_path / "c", "--frames", "3", "--size", "16", "--set", "hair.style=bald", "--workers", "0")
    run("animate", *model, "--clip", tmp_path / "c/clips/c0000.json", "--camera", "clip", "--out", tmp_path / "c.webp")
    assert Image.open(tmp_path / "c.webp").n_frames == 3


def test_invert_writes_a_head_that_other_commands_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(astronaut()).save(tmp_path / "photo.jpg")
    run("invert", tmp_path / "photo.jpg", "--out", tmp_path / "me", "--steps", "3", "--pivot-steps", "2")
    x, y, width, height = map(int, capsys.readouterr().out.partition("--box ")[2].partition(";")[0].split(","))
    assert 150 < x + width / 2 < 300 and 50 < y + height / 2 < 200, "the face of the photo"
    assert {p.name for p in (tmp_path / "me").iterdir()} == {"head.safetensors", "photo.png", "fit.png"}
    run("orbit", "--model", tmp_path / "me/head.safetensors", "--frames", "2", "--out", tmp_path / "me.webp")
    with safe_open(tmp_path / "me/head.safetensors", framework="pt") as handle:
        assert "latents.w" in handle.keys()  # noqa: SIM118


def test_fit_scan_writes_a_head_that_other_commands_take(
    ganhead_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cube = template_in_cube(load_template())
    vertices, faces = cube.rig().vertices, cube.surface.numpy()
    trimesh.Trimesh(vertices[0].numpy(), faces, process=False).export(tmp_path / "scan.ply")
    np.savetxt(tmp_path / "marks.txt", cube.landmarks(vertices)[0].numpy())
    command = ["fit-scan", tmp_path / "scan.ply", "--landmarks", tmp_path / "marks.txt", "--model", ganhead_file]
    command += ["--out", tmp_path / "me", "--shape-steps", "2", "--looks-steps", "2"]
    with pytest.raises(SystemExit, match="2"):  # of an untrained model
        run(*command)
    said, about = capsys.readouterr().out, read_header(tmp_path / "me/head.safetensors")["about"]
    assert "chamfer" in said and "the scan has no colours" in said and "a failed fit" in said
    assert about["verdict"] == "failed" and about["colour_error"] is None
    assert {p.name for p in (tmp_path / "me").iterdir()} == {"head.safetensors", "fit.png"}
    model = ["--model", tmp_path / "me/head.safetensors", *SMALL]
    run("sample", *model, "--yaws", "0", "--out", tmp_path / "a")
    run("animate", *model, "--expression", "jawOpen=1", "--out", tmp_path / "a.png")
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["fit_yaw+000.png"]
    assert len(read_header(tmp_path / "me/head.safetensors")["about"]["expression"]) == 52
    assert "head.safetensors exists already" in refused(capsys, *command)
    (tmp_path / "me/head.safetensors").unlink()
    assert "fit.png exists already" in refused(capsys, *command)


def test_scans_that_lie_anyhow_need_no_landmarks(
    ganhead_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cube = template_in_cube(load_template())
    vertices, faces = cube.rig().vertices, cube.surface.numpy()
    turned = Similarity(0.2, np.array([[0, 0, 1.0], [-1, 0, 0], [0, -1, 0]]), np.array([3.0, 4, 5]))
    (tmp_path / "scans").mkdir()
    trimesh.Trimesh(turned(vertices[0].numpy()), faces, process=False).export(tmp_path / "scans/anna.stl")
    (tmp_path / "knowing.py").write_text("knows = []\n\n\ndef read(photo):\n    return knows[0](photo)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(scan_reading, "SIZE", 128)
    truth = TruthfulReader(turned.after(CUBE_FROM_HEAD), turned(cube.landmarks(vertices)[0].numpy())).watch(monkeypatch)
    import_module("knowing").knows.append(truth)
    command = ["fit-scan", tmp_path / "scans/anna.stl", "--model", ganhead_file, "--reader", "knowing:read"]
    with pytest.raises(SystemExit, match="2"):  # of an untrained model
        run(*command, "--out", tmp_path / "me", "--shape-steps", "2", "--looks-steps", "2")
    said = capsys.readouterr()
    assert "68 of 68 landmarks found in the scan, which views of it show 0.0 mm apart" in said.out
    assert "a failed fit" in said.out and "fit failed" in said.err
    assert Image.open(tmp_path / "me/fit.png").width > 5 * 256
    counts = ["--near", "50", "--uniform", "50", "--surface", "50", "--size", "16", "--shapes", "10", "--workers", "0"]
    run("prepare", tmp_path / "scans", tmp_path / "set", *counts, "--reader", "knowing:read")
    row = json.loads((tmp_path / "set/scans.json").read_text())[0]
    assert row["name"] == "anna" and row["fit_mm"]["views"] < 0.1 and row["fit_mm"]["face"] < 1
    assert "reader no:no: No module" in refused(capsys, "prepare", tmp_path / "scans", tmp_path / "other", "--reader", "no:no")


def test_synth_then_train_then_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("synth", "photos", tmp_path / "set", "--images", "8", "--size", "64", "--views-per-head", "4", "--workers", "0")
    settings = ["--set", "loop.images=12"]
    run("train", "panohead-tiny", tmp_path / "set", tmp_path / "run", *settings)
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert lines[-1]["images_seen"] == 8
    assert read_header(tmp_path / "run/model.safetensors")["about"]["images_seen"] == 12
    settings = ["--set", "loop.images=16"]
    run("train", "panohead-tiny", tmp_path / "set", tmp_path / "run", *settings)
    assert read_header(tmp_path / "run/model.safetensors")["about"]["images_seen"] == 16
    run("sample", "--model", tmp_path / "run/model.safetensors", "--seeds", "0", "--out", tmp_path / "h.png")
    assert "choose another folder" in refused(capsys, "train", "panohead-synth64", tmp_path / "set", tmp_path / "run")


def test_synth_export_writes_a_model_that_is_posed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--seeds", "7", "--texture-size", "512", "--hair-detail", "0.1", "--set", "hair.style=buzz"]
    run("synth", "export", "--out", tmp_path / "head.glb", *options, "--animation", "blink")
    assert "skin, teeth, tongue, eyes, clothes" in capsys.readouterr().out
    assert (tmp_path / "head.glb").read_bytes()[:4] == b"glTF"
    assert [p.name for p in tmp_path.iterdir()] == ["head.glb"]


def test_export_writes_a_ganhead_that_is_posed(
    waved_ganhead: GANHead, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(waved_ganhead, tmp_path / "model.safetensors")
    options = ["--model", tmp_path / "model.safetensors", "--seeds", "7", "--faces", "2000", "--resolution", "32"]
    run("export", "--out", tmp_path / "out/head.glb", *options, "--animation", "blink")
    assert "2000 faces, 52 expressions" in capsys.readouterr().out
    run("export", "--out", tmp_path / "out/head.obj", *options, "--texture-size", "512")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"head.glb", "head.obj", "head.mtl", "head_head.jpg"}
    run("export", "--out", tmp_path / "out/head.ply", *options)
    form = trimesh.load(tmp_path / "out/head.ply", process=False)
    assert len(form.faces) == 2000 and form.is_watertight
    assert form.visual.vertex_colors[:, :3].std() > 1
    out = ["export", "--out", tmp_path / "a.glb"]
    assert "give a GANHead" in refused(capsys, *out, "--model", "panohead-demo")
    assert "a clip needs a .glb" in refused(capsys, "export", "--out", tmp_path / "a.obj", *options, "--animation", "talk")
    assert "--faces 3" in refused(capsys, *out, "--faces", "3")


@pytest.mark.parametrize(
    ("command", "suffix", "options"),
    [
        ("orbit", ".webp", ["--frames", "2", *SMALL]),
        ("mesh", ".ply", ["--resolution", "32"]),
        ("animate", ".jpg", ["--expression", "jawOpen=1", *SMALL]),
        ("export", ".ply", ["--faces", "500", "--resolution", "16"]),
    ],
)
def test_several_heads_go_to_a_folder_with_a_name_each(
    command: str, suffix: str, options: list[str], ganhead_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [command, "--model", ganhead_file, *options]
    run(*words, "--seeds", "1", "4", "--out", tmp_path / "heads", "--suffix", suffix)
    assert sorted(p.name for p in (tmp_path / "heads").iterdir()) == [f"seed0001{suffix}", f"seed0004{suffix}"]
    one = tmp_path / f"one{suffix}"
    said = refused(capsys, *words, "--seeds", "1,4", "--out", one)
    assert f"is one file, for one head, not 2: give a folder, a name without {suffix}; --suffix {suffix}" in said
    assert not one.exists()


def test_synth_writes_every_kind_of_set_and_checks_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--workers", "0"]
    run("synth", "heads360", tmp_path / "a", "--subjects", "1", "--size", "16", "--expressions", "jawOpen", *few)
    run(
        "synth",
        "scans",
        tmp_path / "b",
        "--subjects",
        "1",
        "--scans-per-subject",
        "1",
        "--resolution",
        "40",
        "--form",
        "zip",
        *few,
    )
    run("synth", "video", tmp_path / "c", "--frames", "2", "--size", "16", "--set", "hair.style=bald", "worn.hat=none", *few)
    for name in "abc":
        run("synth", "check", tmp_path / name)
    assert capsys.readouterr().out.count("all as they should be") == 3
    (tmp_path / "a/hair.json").write_text("{}")
    assert "hair.json" in refused(capsys, "synth", "check", tmp_path / "a")


def test_synth_sheet_draws_the_truth(tmp_path: Path) -> None:
    run("synth", "sheet", "--out", tmp_path / "truth.png", "--show", "truth", "--size", "32")
    width, height = Image.open(tmp_path / "truth.png").size
    assert width == 6 * 32 and height > 4 * 32


def test_items_of_a_list_stand_between_spaces_or_commas() -> None:
    for words in (["0-2", "5"], ["0-2,5"], ["0-2 5"], ["0-2, 5"]):
        assert parse_seeds(words) == [0, 1, 2, 5]
    turned = {"neck": (0.0, pytest.approx(math.pi / 6), 0.0), "jaw": (pytest.approx(math.pi / 18), 0.0, 0.0)}
    for words in (["neck=0,30,0", "jaw=10,0,0"], ["neck=0,30,0,jaw=10,0,0"], ["neck=0,30,0 jaw=10,0,0"]):
        assert rotations(words) == turned


def test_presets_shows_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    run("presets", "panohead-synth64", "--set", "task.gan.r1_gamma=7")
    assert "r1_gamma = 7.0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ([], "fullhead needs a command: demo, sample,"),
        (["sampel"], "unknown command sampel; did you mean sample? see fullhead --help"),
        (["nosuch", "--help"], "unknown command nosuch; see fullhead --help"),
        (["synth", "nosuch", "--help"], "unknown command nosuch; see fullhead synth --help"),
        (["synth", "photos", "set", "--size", "1e9"], "--size 1e9: it takes a whole number"),
        (["synth", "photos", "set", "--seed", "\n"], "--seed : it takes a whole number"),
        (["sample", "--seeds", " "], "--seeds : write numbers"),
        (["sample", "--yaws", ""], "--yaws : write degrees"),
        (["sample", "--seeds", "3,3", "--yaws", "0", "--out", "heads"], "seed0003_yaw+000.png would be written twice"),
        (["sample", "--yaws", "0,0.0001", "--out", "heads"], "seed0000_yaw+000.png would be written twice"),
        (["mesh", "--seeds", "3,3", "--out", "heads"], "seed0003.glb would be written twice"),
        (["sample", "--out", 230 * "a" + ".png"], "a file's has at most 220 bytes"),
        (["sample", "--model", 300 * "a"], "too long"),
        (["invert", 300 * "é" + ".png"], "too long"),
        (["animate", "--clip", 300 * "a"], "too long"),
        (["synth", "check", "s", "--reader", "os:sep"], "reader os:sep: sep is no function; give module:function"),
        (["synth", "phtos", "set"], "unknown command phtos; did you mean photos? see fullhead synth --help"),
        (["sample", "--sede", "3"], "unknown option --sede; did you mean --seeds? see fullhead sample --help"),
        (["synth", "photos", "--sise=64", "set"], "unknown option --sise; did you mean --size? see fullhead synth photos"),
        (
            ["sample", "heads.png"],
            "heads.png: the command takes no such word, files to write come behind --out",
        ),
        (
            ["sample", "--yaws", "0,x"],
            "--yaws 0,x: write degrees, as in 0,90,-45",
        ),
        (["synth", "export", "--out", "a.glb", "--animation", "tlk"], "--animation tlk: there is talk, blink, all52"),
        (["invert"], "missing: photo; see fullhead invert --help"),
        (["synth", "photos"], "missing: out; see fullhead synth photos --help"),
        (["synth", "photos", "--out", "set"], "give OUT itself, without --out before it"),
        (["convert", "a", "--out", "b"], "give OUT itself, without --out before it"),
        (["sample", "--model", "no-such-model"], "`fullhead presets` lists them"),
        (["sample", "--model", "missing.safetensors"], "no model file"),
        (["sample", "--model", "PICTURE"], "not a model file"),
        (["sample", "--model", "DISCRIMINATOR"], "not a head: a head is of panohead, ganhead, head360, i3dmm"),
        (["sample", "--model", "GANHEAD", "--background-seed", "1"], "--background"),
        (["sample", "--model", "GANHEAD", "--precision", "bf16"], "leave precision at fp32"),
        (["sample", "--model", "GANHEAD", "--flame", "missing.pkl"], "leave FLAME's file out"),
        (["sample", "--flame", "missing.pkl"], "--flame: for a GANHead; panohead-demo is a PanoHead"),
        (["mesh", "--background", "white"], "unknown option --background"),
        (["sample", "--shading", "clay"], "leave --shading at colour"),
        (["sample", "--vary", "shape"], "leave --vary out"),
        (["sample", "--model", "GANHEAD", "--vary", "nose"], "--vary nose: the latents of"),
        (["mesh", "--model", "GANHEAD", "--level", "3"], "no floaters: leave --level and --keep-floaters out"),
        (["invert", "NOISE", "--model", "GANHEAD"], "give a PanoHead"),
        (["animate", "--model", "panohead-demo", "--joint", "neck=0,30,0"], "give a GANHead"),
        (["animate", "--model", "GANHEAD"], "nothing moves"),
        (["animate", "--model", "GANHEAD", "--joint", "neck=30"], "neck=0,30,0"),
        (["animate", "--model", "GANHEAD", "--joint", "nose=0,30,0"], "neck, jaw"),
        (["animate", "--model", "GANHEAD", "--expression", "jawOpen"], "jawOpen=0.7"),
        (["animate", "--model", "GANHEAD", "--expression", "jawOpen=2"], "between 0 and 1"),
        (["animate", "--model", "GANHEAD", "--expression", "smile=1"], "eyeBlinkLeft"),
        (["animate", "--model", "GANHEAD", "--expression", "all"], ".png"),
        (["animate", "--model", "GANHEAD", "--clip", "NOISE"], "no clip"),
        (["animate", "--model", "GANHEAD", "--clip", "missing.json"], "missing.json"),
        (["animate", "--model", "GANHEAD", "--joint", "neck=0,30,0", "--camera", "clip"], "--clip"),
        (["sample", "--seeds", "3-x"], "0-3,7"),
        (["sample", "--seeds", "5-2"], "write 2-5"),
        (["sample", "--seeds", "-1"], "0-3,7"),
        (["sample", "--seeds", "99999999999999999999"], "4294967295"),
        (["sample", "--seeds", "0-4294967295"], "100000"),
        (["sample", "--background-seed", "-1"], "--background-seed -1"),
        (["sample", "--truncation", "nan"], "--truncation"),
        (["invert", "NOISE", "--seed", "-1"], "--seed -1"),
        (["sample", "--background", "nosuchcolour"], "image file"),
        (["sample", "--background", "missing.png"], "no image"),
        (["sample", "--out", "heads.bmp"], ".png"),
        (["orbit", "--out", "turn.gif"], ".webp"),
        (["orbit", "--frames", "0"], "--frames"),
        (["interpolate", "--fps", "0"], "--fps"),
        (["sample", "--background", "transparent", "--out", "a.png"], "folder"),
        (["mesh", "--out", "head.stl"], ".glb"),
        (["mesh", "--resolution", "4"], "16"),
        (["interpolate", "--seeds", "3"], "two seeds"),
        (["invert", "missing.jpg"], "missing.jpg"),
        (["invert", "NOISE", "--out", "NOISE"], "give a folder"),
        (["invert", "NOISE"], "--box"),
        (["fit-scan", "missing.ply"], "missing.ply"),
        (["fit-scan", "SCAN", "--model", "GANHEAD", "--landmarks", "GANHEAD"], "no landmarks"),
        (["fit-scan", "SCAN", "--model", "GANHEAD", "--axes", "x,y,y"], "x,-y,-z"),
        (["fit-scan", "SCAN", "--model", "panohead-demo"], "give a GANHead"),
        (["fit-scan", "SCAN", "--model", "GANHEAD", "--reader", "nosuch:find"], "reader nosuch:find: No module named"),
        (["fit-scan", "SCAN", "--shape-steps", "0"], "at least 1"),
        (["convert", "PICTURE", "out.safetensors"], "not"),
        (["train", "nothing", "a", "b"], "panohead-synth64"),
        (["train", "panohead-tiny", "a", "b"], "fullhead synth"),
        (["train", "panohead-tiny", "a", "b", "--set", "loop.nosuch=1"], "preview_every"),
        (["train", "panohead-tiny", "a", "b", "--set", "loop.batch=many"], "int"),
        (["presets", "nothing"], "panohead-ffhq512"),
        (["study", "a"], "two methods"),
        (["study", "a", "b"], "0007_a.png"),
        (["study", "--tally"], "no scores yet"),
        (["synth", "photos", "s", "--share", "5"], "0/4"),
        (["synth", "photos", "s", "--yaw-limit", "nan"], "--yaw-limit nan: from 0 to 180"),
        (["synth", "photos", "s", "--expressive", "inf"], "--expressive inf: from 0 to 10"),
        (["synth", "scans", "s", "--noise", "-1"], "--noise -1.0: from 0 to 100"),
        (["synth", "photos", "s", "--truth", "depht"], "depth"),
        (["synth", "check", "s"], "s holds no set"),
        (["synth", "photos", "NOISE"], "is a file: give a folder"),
        (["study", "a", "b", "--seed", "-1"], "--seed -1"),
        (["synth", "photos", "s", "--seed", "-1"], "--seed -1"),
        (["synth", "export", "--out", "head.glb", "--seeds", "18446744073709551616"], "18446744073709551615"),
        (["synth", "export", "--out", "head.fbx"], ".glb"),
        (["synth", "export", "--out", "head.ply", "--animation", "talk"], "a clip needs a .glb"),
        (["synth", "export", "--out", "head.glb", "--hair-detail", "0"], "0.05"),
        (["sample", "--seeds", "0-299", "--out", "a.webp"], "a.webp would have 320 x 19200 pixels, and a .webp at most 16383"),
        (["synth", "sheet", "--size", "7000", "--out", "a.jpg"], "a.jpg would have 70000 x"),
        (["train", "panohead-tiny", "a", "b", "--export-only"], "nothing to export"),
        (["train", "panohead-tiny", "a", "b", "--set", "loop.batch=0"], "loop.batch 0: from 1 to"),
        (["synth", "export", "--out", "head.glb", "--set", "hair.style=mullet"], "hair.style has no 'mullet'; there is bald"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do_and_leaves_nothing(
    arguments: list[str],
    hint: str,
    ganhead_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(inputs / "noise.png")
    stand = {"PICTURE": inputs / "noise.png", "NOISE": inputs / "noise.png", "GANHEAD": ganhead_file}
    stand["DISCRIMINATOR"] = model_file("panohead-demo-d")
    stand["SCAN"] = inputs / "scan.ply"
    trimesh.creation.icosphere().export(stand["SCAN"])
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    assert hint in refused(capsys, *(stand.get(a, a) for a in arguments))
    assert not [p for p in place.rglob("*") if p.is_file()]


def test_a_disk_that_is_full_is_one_line_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "heads.png").write_bytes(b"an older picture")

    def no_room(self: Image.Image, path: Path, **options: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", no_room)
    said = refused(capsys, "sample", "--seeds", "0", "--yaws", "0", "--out", tmp_path / "heads.png")
    assert "No space left" in said
    assert [p.name for p in tmp_path.iterdir()] == ["heads.png"]
    assert (tmp_path / "heads.png").read_bytes() == b"an older picture"


def test_a_place_that_cannot_be_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("no folder")
    assert "cannot write" in refused(capsys, "sample", "--seeds", "0", "--yaws", "0", "--out", tmp_path / "file" / "heads.png")


def test_long_work_says_how_long_it_takes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = iter([0, *range(60, 10_000, 6)])  # seconds: the first item takes 60, in which loops are compiled, the others 6
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    assert list(tracked(range(20), "heads", 20)) == list(range(20))
    said = capsys.readouterr().err.splitlines()
    assert said[:2] == ["heads: 1 of 20 done, at most about 19 min to go", "heads: 7 of 20 done, about 78 s to go"]
    assert len(said) == 3
    assert list(tracked(range(2), "heads", 2)) == [0, 1]
    assert not capsys.readouterr().err
    now = iter(range(0, 10_000, 6))
    with stage_bars(rig=("the rig", 3), looks=("the looks", 9)) as on_step:
        for stage, steps in (("rig", 3), ("looks", 9)):
            for k in range(steps):
                on_step(stage, k + 1, steps, 0.5)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "the rig: 1 of 3 done, at most about 12 s to go"
    assert said[1] == "the looks: 1 of 9 done, at most about 48 s to go"
    assert [about(s) for s in (12, 100, 7000)] == ["about 12 s", "about 2 min", "about 2 h"]


@pytest.mark.parametrize("words", [["orbit"], ["interpolate", "--frames", "72"]])
def test_a_film_that_does_not_fit_in_memory_is_refused(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, *words, "--size", "4096", "--out", tmp_path / "turn.webp")
    assert "72 frames of 4096 x 4096 pixels take 3.6 GB, and a .webp at most 2: write an .mp4" in said


@pytest.mark.parametrize("words", [["presets", "panohead-ffhq512"], ["--help"], ["sample", "--help"]])
def test_a_reader_that_stops_reading_is_no_error(words: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", "fullhead", *words], stdout=write, stderr=subprocess.PIPE, timeout=120)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_may_not_be_read_is_not_called_unwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def denied(path: str, *_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr("fullhead.viewing.animate.read_clip", denied)
    said = refused(capsys, "animate", "--clip", "mine.json")
    assert "no right to read or write mine.json (Permission denied): give another file or place" in said


def test_ctrl_c_three_times_is_one_line(tmp_path: Path) -> None:
    """The second and third come while the first one's cleaning up is under way."""
    script = (
        "import os, signal, sys, fullhead.commands.options as o, fullhead.cli as c, fullhead.viewing.turntable as t\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def film(*_, **__):\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT); yield\n"
        "    finally:\n"
        "        for _ in range(2): os.kill(os.getpid(), signal.SIGINT)\n"
        "t.render_views = film\n"
        "try: c.main(sys.argv[1:])\n"
        "finally: os.kill(os.getpid(), signal.SIGINT)\n"
    )
    words = ["orbit", "--out", str(tmp_path / "turn.webp")]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (130, "fullhead: stopped; nothing half-written is left behind\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("module", ["tyro", "fullhead.commands.options", "fullhead.core.errors"])
def test_ctrl_c_during_the_first_imports_is_no_word(module: str) -> None:
    script = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from fullhead.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script, "--help"], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_reader_lies_in_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "my_own_eyes.py").write_text("def find(picture):\n    return []\n")
    script = "import sys; sys.path = [p for p in sys.path if p]; from fullhead.eyes.readers import open_reader as l; "
    done = subprocess.run([sys.executable, "-c", script + "print(l('my_own_eyes:find')(0))"], cwd=tmp_path, capture_output=True)
    assert done.stdout == b"[]\n", done.stderr


@pytest.mark.parametrize("signals", [[signal.SIGINT] * 3, [signal.SIGTERM]])
def test_signals_stop_a_training_with_its_state_saved(signals: list[int], tmp_path: Path, photos: Path) -> None:
    command = [sys.executable, "-m", "fullhead.cli", "train", "panohead-tiny", str(photos)]
    command += [str(tmp_path / "run"), "--set", "loop.images=1000000"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a job in the background ignores it
    )
    log = tmp_path / "run" / "log.jsonl"
    deadline = time.monotonic() + 240
    while not log.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.1)
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors and errors.count("\n") == 1 and "run the same command again to go on" in said
    assert load(str(tmp_path / "run" / "model.safetensors")).config.channel_max == 16
    assert not list((tmp_path / "run").rglob(".*"))
