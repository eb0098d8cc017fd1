"""GANHeadCodes of a small GANHead found again from what it says itself, and a bare head fitted from a file to the end."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fullhead.core.errors import FullheadError
from fullhead.core.meshes import vertex_normals
from fullhead.core.tri_mesh import TriMesh
from fullhead.data.scan_samples import LabelledPoints, SampleConfig, SurfacePoints
from fullhead.data.scans import ScanFile, read_scan, scan_file
from fullhead.fitting.fit_scan import (
    FitScanConfig,
    cube_rig,
    deepest,
    doubt_of,
    fit_scan,
    fitted_looks,
    fitted_shape,
    neutral_candidates,
    scan_mesh,
    scan_sheet,
)
from fullhead.io.ply import ply_bytes
from fullhead.models.ganhead import GANHead, GANHeadCodes, colour_pose
from fullhead.models.head import HeadPose
from fullhead.representations.deformer import Motion
from fullhead.rig.arkit import arkit_weights
from fullhead.rig.cube import CubeRig
from fullhead.rig.fitting import FitConfig
from fullhead.rig.template import NECK

SHORT = FitScanConfig(
    2, 2, near=200, uniform=50, surface=200, samples=SampleConfig(near=1000, uniform=300, surface=1000),
    rig=FitConfig(points=400, rounds=4, metres_per_unit=0.001),
)  # fmt: skip


@pytest.fixture(scope="module")
def ganhead(ganhead: GANHead) -> GANHead:
    """As sure of what is inside as a trained one, about the same surface, and with codes that matter to normals and colours."""
    model = copy.deepcopy(ganhead)
    for parameter in (model.canonical.geometry.lin[4].weight_g, model.canonical.geometry.lin[4].bias):
        parameter.data *= 20
    for layer in (*model.canonical.normal.lin, *model.canonical.texture.lin):
        layer.weight_g.data *= 2.4
    return model


@pytest.fixture(scope="module")
def codes(ganhead: GANHead) -> GANHeadCodes:
    return ganhead.seed_latents([3], truncation=1.0)


@pytest.fixture(scope="module")
def pose(ganhead: GANHead) -> tuple[Tensor, Tensor]:
    turned = torch.zeros(1, len(ganhead.rig.parents), 3)
    turned[0, NECK] = torch.tensor([0.1, 0.3, 0.0])
    return arkit_weights({"jawOpen": 0.5})[None], turned


@pytest.fixture(scope="module")
def motion(ganhead: GANHead, codes: GANHeadCodes, pose: tuple[Tensor, Tensor]) -> Motion:
    return ganhead.motion(codes.rig_shape, *pose)


@pytest.fixture(scope="module")
def cube(ganhead: GANHead) -> CubeRig:
    return cube_rig(ganhead)


@pytest.fixture(scope="module")
def scan(cube: CubeRig, tmp_path_factory: pytest.TempPathFactory) -> ScanFile:
    """The mean head with an open mouth, in millimetres, with its landmarks beside it."""
    folder, vertices = tmp_path_factory.mktemp("scan"), cube.rig(expression=arkit_weights({"jawOpen": 0.4})[None]).vertices
    faces, at = cube.surface.numpy().astype(np.int32), 200 * vertices[0].numpy()
    colours = ((0.5 + 0.4 * np.sin(at / 30)) * 255).astype(np.uint8)
    (folder / "a.ply").write_bytes(ply_bytes(at, faces, vertex_normals(at, faces), colours, "a scan"))
    np.savetxt(folder / "a_landmarks.txt", 200 * cube.landmarks(vertices)[0].numpy())
    return scan_file(folder / "a.ply")


def test_a_shape_code_is_found_again_from_what_its_head_contains(ganhead: GANHead, codes: GANHeadCodes, motion: Motion):
    rng = np.random.RandomState(0)
    near = ganhead.decode(codes).posed[0].vertices.numpy()
    drawn = {"near": near[rng.randint(len(near), size=1500)] + 0.05 * rng.normal(size=(1500, 3)),
             "uniform": rng.uniform(-1, 1, (500, 3))}  # fmt: skip
    points = {}
    for name, x in drawn.items():
        x = torch.from_numpy(x).float()
        at = ganhead.at_posed(ganhead.volume(codes), motion, x, torch.zeros(len(x), dtype=torch.long))
        points[name] = LabelledPoints(x.numpy(), (at.logit > 0).to(torch.uint8).numpy())
    losses: list[float] = []
    config = FitScanConfig(shape_steps=24, rate=0.4, near=600, uniform=150, regular=0.0)
    found = fitted_shape(
        ganhead,
        motion,
        points["near"],
        points["uniform"],
        config,
        torch.Generator().manual_seed(0),
        lambda *step: losses.append(step[3]),
    )
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:3])

    def right(code: Tensor) -> float:
        x, distinct = neutral_candidates(ganhead, motion, points["near"].points)
        volume, known = ganhead.canonical.volume(code), distinct.any(dim=1)
        chosen = deepest(ganhead, volume, x[known], distinct[known])
        logits = ganhead.canonical.occupancy(volume, chosen, torch.zeros(len(chosen), dtype=torch.long))
        return float(((logits > 0).numpy() == points["near"].inside[known.numpy()]).mean())

    mean = ganhead.shape_codes.weight.mean(dim=0, keepdim=True)
    assert right(codes.shape) == 1 and right(found) > right(mean) and 1 - right(found) < 0.6 * (1 - right(mean))


def test_of_several_candidates_the_deepest_is_taken(ganhead: GANHead, codes: GANHeadCodes):
    volume, x = ganhead.volume(codes), torch.rand(40, 5, 3) - 0.5
    distinct = torch.rand(40, 5) > 0.4
    distinct[:, 2] = True
    chosen = deepest(ganhead, volume, x, distinct)
    for i in range(40):
        counting = [x[i, j] for j in range(5) if distinct[i, j]]
        logits = [float(ganhead.canonical.occupancy(volume, at[None], torch.zeros(1, dtype=torch.long))) for at in counting]
        assert torch.equal(chosen[i], counting[int(np.argmax(logits))])


def test_detail_and_colour_are_found_again_from_the_surface(
    ganhead: GANHead, codes: GANHeadCodes, motion: Motion, pose: tuple[Tensor, Tensor]
):
    mesh = ganhead.decode(codes, HeadPose(*pose)).posed[0]
    inner = (mesh.vertices.abs().amax(dim=1) < 0.9).nonzero()[:, 0]
    colours = ((mesh.colours[inner] + 1) * 127.5).numpy()
    points = SurfacePoints(mesh.vertices[inner].numpy(), mesh.normals[inner].numpy(), colours)
    losses: list[float] = []
    config = FitScanConfig(looks_steps=40, rate=0.2, surface=400, regular=0.0)
    told = (ganhead, motion, colour_pose(*pose), codes.shape, points, config, torch.Generator().manual_seed(0))
    detail, colour = fitted_looks(*told, lambda *step: losses.append(step[3]))
    assert np.mean(losses[-5:]) < 0.5 * losses[0]
    again = ganhead.decode(GANHeadCodes(codes.shape, detail, colour, codes.rig_shape), HeadPose(*pose)).posed[0]
    mean = ganhead.decode(
        GANHeadCodes(codes.shape, *(t.weight.mean(0, keepdim=True) for t in ganhead.tables[1:]), codes.rig_shape),
        HeadPose(*pose),
    ).posed[0]

    def off(other: Tensor, true: Tensor) -> float:
        return float((other - true)[inner].square().sum(1).mean())

    assert off(again.colours, mesh.colours) < 0.5 * off(mean.colours, mesh.colours)
    assert off(again.normals, mesh.normals) < off(mean.normals, mesh.normals)


def test_a_scan_is_fitted_from_its_file_to_the_end(ganhead: GANHead, cube: CubeRig, scan: ScanFile):
    stages: list[tuple[str, int]] = []
    fit = fit_scan(ganhead, cube, scan, SHORT, on_step=lambda stage, step, *_: stages.append((stage, step)))
    assert stages == [("shape", 1), ("shape", 2), ("looks", 1), ("looks", 2)]
    assert fit.placed.errors["face"] < 1, "millimetres from the rig"
    assert fit.head.posed[0].vertices.abs().max() < 2 and fit.likeness.chamfer > 0 and fit.likeness.colour_error is not None
    sheet = scan_sheet(ganhead, fit)
    assert sheet.shape[0] > 4 * 40 and sheet.shape[1] > 5 * 40
    again = fit_scan(ganhead, cube, scan, SHORT)
    assert torch.equal(fit.codes.shape, again.codes.shape) and torch.equal(fit.codes.colour, again.codes.colour)


def test_a_textured_scan_is_shown_in_the_colours_of_its_corners():
    texture = np.zeros((2, 2, 3), np.uint8)
    texture[0, :, 0] = 255  # red above, black below
    vertices = np.array([[0.0, 0, 0], [0.5, 0, 0], [0, 0.5, 0]])
    uv = np.array([[[0.25, 0.75], [0.25, 0.25], [0.25, 0.75]]])
    mesh = TriMesh(vertices, np.array([[0, 1, 2]]), uv=uv, texture_ids=np.zeros(1, int), textures=(texture,))
    shown = scan_mesh(mesh)
    torch.testing.assert_close(shown.colours, torch.tensor([[1.0, -1, -1], [-1, -1, -1], [1, -1, -1]]))
    torch.testing.assert_close(shown.normals, torch.tensor([[0.0, 0, 1]]).expand(3, 3))
    np.testing.assert_allclose(shown.numpy().colours_at(np.array([0]), np.array([[0.5, 0.5, 0]])), [[0, -1, -1]], atol=1e-6)


def test_a_rig_that_is_not_the_models_is_refused(ganhead: GANHead, tmp_path: Path):
    with pytest.raises(FullheadError, match="our own rig"):
        ganhead.use_flame(tmp_path / "flame.pkl")
    with pytest.raises(FullheadError, match=r"FLAME moves this GANHead: give its file with --flame"):
        cube_rig(GANHead(replace(ganhead.config, rig="flame")))


def test_of_a_scan_without_colours_the_form_alone_is_fitted(
    ganhead: GANHead, cube: CubeRig, scan: ScanFile, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    mesh = read_scan(scan)
    lines = [f"v {x} {y} {z}" for x, y, z in mesh.vertices] + [f"f {a} {b} {c}" for a, b, c in mesh.faces + 1]
    (tmp_path / "a.obj").write_text("\n".join(["mtllib gone.mtl", "usemtl skin", *lines]))
    bare = scan_file(tmp_path / "a.obj", scan.landmarks)
    fit = fit_scan(ganhead, cube, bare, SHORT)
    assert fit.likeness.colour_error is None and "only its form is fitted" in caplog.text
    torch.testing.assert_close(fit.codes.colour, ganhead.colour_codes.weight.mean(dim=0, keepdim=True))
    assert not torch.equal(fit.codes.detail, ganhead.detail_codes.weight.mean(dim=0, keepdim=True))


@pytest.mark.parametrize("fault", ["mirrored", "shuffled", "turned"])
def test_a_scan_that_the_rig_does_not_fit_is_no_result(
    ganhead: GANHead, cube: CubeRig, scan: ScanFile, tmp_path: Path, fault: str
):
    mesh, marks = read_scan(scan), np.loadtxt(scan.landmarks)
    vertices, faces = mesh.vertices, mesh.faces
    if fault == "mirrored":
        vertices, faces, marks = vertices * [-1, 1, 1], faces[:, ::-1], marks * [-1, 1, 1]
    elif fault == "shuffled":
        marks = np.random.RandomState(0).permutation(marks)
    else:
        marks = marks[:, [2, 1, 0]] * [1, 1, -1]
    colours = np.zeros((len(vertices), 3), np.uint8)
    (tmp_path / "a.ply").write_bytes(ply_bytes(vertices, faces, vertex_normals(vertices, faces), colours, "a scan"))
    np.savetxt(tmp_path / "a_landmarks.txt", marks)
    with pytest.raises(FullheadError, match="scan a: the rig does not fit it"):
        fit_scan(ganhead, cube, scan_file(tmp_path / "a.ply"), SHORT)


def test_landmarks_that_lie_off_the_scan_are_doubted(cube: CubeRig):
    vertices = cube.rig().vertices
    marks, mesh = cube.landmarks(vertices)[0].double().numpy(), TriMesh(vertices[0].double().numpy(), cube.surface.numpy())
    assert doubt_of(mesh, marks, cube.millimetres) == ""
    away, forwards = np.array([[0.1, 0, 0], [0, 0, 0.05]])
    mirrored = TriMesh((mesh.vertices + away) * [-1, 1, 1], mesh.faces[:, ::-1])  # beside its landmarks by it
    for other in (mirrored, TriMesh(mesh.vertices + forwards, mesh.faces)):
        assert "mm off the scan: are they of this scan" in doubt_of(other, marks, cube.millimetres)
    marks[:60] = np.nan
    assert doubt_of(mesh, marks, cube.millimetres) == ""
    assert doubt_of(mesh, marks * np.nan, cube.millimetres) == ""
