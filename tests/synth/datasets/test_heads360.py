"""Sets of rigged heads from all sides: the layout that Head360's loader expects, and that its parts fit together."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fullhead.core.cameras import cameras_from_labels, yaw_pitch
from fullhead.io.sets import read_records, write_set
from fullhead.rig.template import load_template
from fullhead.synth.datasets.heads360 import ENLARGED, EXPRESSIONS, MESH_SCALE, Heads360
from fullhead.synth.datasets.options import Heads360Options
from fullhead.synth.datasets.shots import RenderContext, replay

SIZE = 20
RECIPE = Heads360(Heads360Options(subjects=1, size=SIZE, seed=2, expressions=("jawOpen", "mouthClose")))


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("heads360")
    assert write_set(out, RECIPE, workers=0, quiet=True) == 2 * 2 * 72
    return out


def test_the_set_of_all_expressions_is_as_large_as_synhead100() -> None:
    recipe = Heads360(Heads360Options(subjects=100, hair="with"))
    assert recipe.parts * recipe.pictures == 374_400 and len(EXPRESSIONS) == 52


def test_sorted_pictures_go_by_subject_expression_and_view(heads: Path) -> None:
    for look in ("images", "bald"):
        names = sorted(path.relative_to(heads / look).as_posix() for path in (heads / look).rglob("*.png"))
        wanted = [f"split_{SIZE}/s0000/{name}/{view:04d}.png" for name in RECIPE.expressions for view in range(72)]
        assert names == wanted
        poses, expressions = (
            dict(json.loads((heads / look / f"{name}.json").read_text())["labels"])
            for name in ("dataset_pose", "total_dataset_exp")
        )
        assert list(poses) == list(expressions) == wanted
        assert [EXPRESSIONS[expressions[name].index(1)] for name in wanted[::72]] == list(RECIPE.expressions)
    assert sorted(path.name for path in (heads / "mesh_lms/meshes").iterdir()) == ["s0000_jawOpen.obj", "s0000_mouthClose.obj"]


def test_cameras_are_those_of_head360_and_view_30_is_the_front(heads: Path) -> None:
    labels = [label for _, label in json.loads((heads / "images/dataset_pose.json").read_text())["labels"]]
    cameras = cameras_from_labels(torch.tensor(labels, dtype=torch.float64))
    np.testing.assert_allclose(cameras.c2w[30], np.diag([1, -1, -1, 1]) + np.array([[0] * 4] * 2 + [[0, 0, 0, 22.5], [0] * 4]))
    assert cameras.K[0].tolist() == [[28, 0, 0.5], [0, 28, 0.5], [0, 0, 1]]
    yaw, pitch = (torch.rad2deg(angle[:72]).reshape(3, 24) for angle in yaw_pitch(cameras))
    np.testing.assert_allclose(pitch, np.array([[-30], [0], [30]]) * np.ones(24), atol=1e-4)
    np.testing.assert_allclose(np.sin(np.radians(yaw[1].numpy())), np.sin(np.radians(np.arange(-90, 270, 15))), atol=1e-6)


def test_pictures_are_transparent_and_without_hair_they_hide_less(heads: Path) -> None:
    name = f"split_{SIZE}/s0000/jawOpen/0042.png"
    with_hair, bald = (np.asarray(Image.open(heads / look / name)) for look in ("images", "bald"))
    assert with_hair.shape == bald.shape == (SIZE, SIZE, 4)
    assert (with_hair[..., 3] >= bald[..., 3]).mean() > 0.95 and with_hair[..., 3].sum() >= bald[..., 3].sum()


def test_meshes_and_lips_lie_where_the_cameras_see_the_head(heads: Path) -> None:
    record = read_records(heads)[0]
    lines = (heads / "mesh_lms/meshes/s0000_jawOpen.obj").read_text().splitlines()
    vertices = np.array([[float(x) for x in line.split()[1:]] for line in lines])
    assert len(vertices) == len(load_template().vertices) and {line[:2] for line in lines} == {"v "}
    lips = np.loadtxt(heads / "mesh_lms/lms/s0000_jawOpen.txt")
    np.testing.assert_allclose(lips * MESH_SCALE, np.array(record["landmarks"])[48:60], atol=1e-5)
    assert np.linalg.norm(vertices[:, None] - lips, axis=2).min(0).max() < 0.002
    camera = cameras_from_labels(torch.tensor([record["views"][30]["label"]], dtype=torch.float64))
    points = (vertices * MESH_SCALE - camera.origins[0].numpy()) @ camera.c2w[0, :3, :3].numpy()
    pixels = (points[:, :2] / points[:, 2:] * 28 + 0.5) * SIZE
    alpha = np.asarray(Image.open(heads / f"bald/split_{SIZE}/s0000/jawOpen/0030.png"))[..., 3]
    inside = ((pixels >= 0) & (pixels < SIZE)).all(1)
    columns, rows = pixels[inside].astype(int).T
    assert inside.mean() > 0.8 and (alpha[rows, columns] > 0).mean() > 0.98


def test_the_template_names_all_vertices_and_its_parts(heads: Path) -> None:
    lines = (heads / "template.obj").read_text().splitlines()
    corners = [int(corner.split("/")[0]) for line in lines if line[:2] == "f " for corner in line.split()[1:]]
    assert [line for line in lines if line[0] == "g"] == ["g skin", "g eyes", "g teeth", "g tongue", "g lashes"]
    assert set(corners) <= set(range(1, sum(line[:2] == "v " for line in lines) + 1))


def test_mouth_close_means_closed_lips_under_an_open_jaw(heads: Path) -> None:
    opened, closed = read_records(heads)
    assert closed["expression"] == {"mouthClose": 1.0, "jawOpen": 1.0} and opened["expression"] == {"jawOpen": 1.0}

    def height(record: dict, above: int, below: int) -> float:
        return record["landmarks"][above][1] - record["landmarks"][below][1]

    assert height(closed, 62, 66) < 0.3 * height(opened, 62, 66)
    assert height(closed, 30, 8) > 0.85 * height(opened, 30, 8)  # the chin stays down


def test_heads_fill_the_pictures_as_they_fill_those_of_eg3d() -> None:
    assert pytest.approx(1.269, abs=1e-3) == ENLARGED


def test_a_tar_holds_a_subject_and_its_records_make_the_pictures_again(heads: Path, tmp_path: Path) -> None:
    recipe = Heads360(Heads360Options(subjects=1, size=SIZE, seed=2, expressions=("jawOpen",)))
    write_set(tmp_path, recipe, form="tar", workers=0, quiet=True)
    with tarfile.open(tmp_path / "heads360-000000.tar") as tar:
        names = tar.getnames()
        assert names[:3] == [f"s0000/jawOpen/0000.{ending}" for ending in ("img.png", "bald_img.png", "json")]
        assert names[-2:] == ["s0000_jawOpen.mesh.obj", "s0000_jawOpen.lms.txt"]
        file = tar.extractfile("s0000/jawOpen/0040.bald_img.png")
        assert file is not None
        held = file.read()
    assert held == (heads / f"bald/split_{SIZE}/s0000/jawOpen/0040.png").read_bytes()
    record = read_records(tmp_path)[0]
    one = {**record, "views": record["views"][40:41]}
    context = RenderContext(SIZE)
    assert replay({**one, "hair": False}, context=context)[0]["img.png"] == held
    picture = heads / f"images/split_{SIZE}/s0000/jawOpen/0040.png"
    assert replay(one, context=context)[0]["img.png"] == picture.read_bytes()
