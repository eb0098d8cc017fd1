"""Landmarks of scans that lie anywhere: found by a reader that knows the truth, or only a part of it."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fullhead.core.errors import FullheadError
from fullhead.core.meshes import interpolate_vertices, sample_surface, vertex_normals
from fullhead.core.similarity import Similarity
from fullhead.core.tri_mesh import TriMesh
from fullhead.data import scan_reading
from fullhead.data.registration import register_scan
from fullhead.data.scan_reading import QUARTERS, UPS, FoundLandmarks, coarse_head, found_landmarks
from fullhead.data.scan_views import BACKGROUND, cameras_around, views_of_scan
from fullhead.data.scans import scan_file
from fullhead.eyes.reading import Points, Reader, Reading
from fullhead.io.ply import ply_bytes
from fullhead.rig.cube import CubeRig
from fullhead.rig.fitting import FitConfig
from fullhead.rig.rig import Rig
from fullhead.rig.template import Template
from small_scans import shades
from truthful_reader import CUBE_FROM_HEAD, TruthfulReader, small_turn

Put = Callable[..., tuple[TriMesh[NDArray], TruthfulReader]]


@pytest.fixture(scope="module")
def head(cube: CubeRig) -> tuple[NDArray, NDArray, NDArray]:
    """Vertices, faces and landmarks of a person in the cube."""
    vertices = cube.rig(torch.tensor([[1.0, -0.5] + [0.0] * (shapes(cube.rig) - 2)])).vertices
    return vertices[0].double().numpy(), cube.surface.numpy(), cube.landmarks(vertices)[0].double().numpy()


def shapes(rig: Rig) -> int:
    return len(rig.shape_basis)


@pytest.fixture
def put(head: tuple[NDArray, NDArray, NDArray], monkeypatch: pytest.MonkeyPatch) -> Put:
    """A scan of the head that lies in any way, in a unit of 1 / `per_unit` of the cube's, and a reader that knows it."""

    monkeypatch.setattr(scan_reading, "SIZE", 256)  # 1.7 mm a pixel

    def put(seed: int = 0, per_unit: float = 200.0, colours: bool = False, **reader: object) -> tuple[TriMesh, TruthfulReader]:
        vertices, faces, marks = head
        turn = Rotation.random(random_state=seed).as_matrix() if seed else np.eye(3)
        motion = Similarity(per_unit, turn, per_unit * np.array([5.0, -3, 0.2 * seed]))
        mesh = TriMesh(motion(vertices), faces, colours=shades(vertices) / 127.5 - 1 if colours else None)
        return mesh, TruthfulReader(motion.after(CUBE_FROM_HEAD), motion(marks), **reader).watch(monkeypatch)  # type: ignore[arg-type]

    return put


def millimetres(found: FoundLandmarks, reader: TruthfulReader) -> NDArray:
    return np.linalg.norm(found.points - reader.landmarks, axis=1) * 680 / reader.scan_from_head.scale


@pytest.mark.parametrize(("seed", "per_unit", "colours"), [(0, 200, False), (1, 0.2, True), (2, 8, False), (3, 2000, False)])
def test_landmarks_are_found_in_any_direction_place_and_unit(put: Put, seed: int, per_unit: float, colours: bool):
    mesh, reader = put(seed, per_unit, colours)
    found = found_landmarks(mesh, reader)
    off = millimetres(found, reader)
    assert off.mean() < 0.6 and off.max() < 2.1, "some of the true ones lie below the surface"
    assert found.millimetres < 0.1 and found.views >= 13
    assert reader.asked <= 4 * len(UPS) + 2 * 15
    assert found.scan_from_head.scale == pytest.approx(reader.scan_from_head.scale, rel=0.03)


def test_a_reader_that_is_not_sure_of_itself_is_averaged(put: Put):
    mesh, reader = put(4, noise=2.0, turned=0.12)
    found = found_landmarks(mesh, reader)
    off = millimetres(found, reader)
    assert np.nanmean(off) < 2.5, "of 3.4 in each direction of each view"
    assert 1.5 < found.millimetres < 6 and np.isfinite(off).sum() >= 66


def test_views_in_which_the_reader_sees_something_else_do_not_matter(put: Put):
    def lies(reading: Reading) -> Reading | None:
        assert reading.rotation is not None and reading.landmarks is not None
        random = np.random.RandomState(int(1e6 * abs(reading.rotation[0, 1])) % 2**31)
        if random.rand() < 0.1:
            return None
        if random.rand() < 0.15:  # a face that is none
            return replace(reading, rotation=reading.rotation @ small_turn(np.array([0, 2.0, 0])), score=1.0)
        if random.rand() < 0.15:  # the right head, landmarks elsewhere
            return replace(reading, landmarks=Points(reading.landmarks.xy + np.array([30, -20]), np.full(68, 1.5)))
        return reading

    mesh, reader = put(5, noise=0.5, change=lies)
    assert np.nanmean(millimetres(found_landmarks(mesh, reader), reader)) < 1.5


def test_hidden_landmarks_that_the_reader_makes_up_do_not_matter(put: Put):
    def blind(reading: Reading) -> Reading:
        angles = reading.yaw_pitch_roll
        assert reading.landmarks is not None and angles is not None
        xy = reading.landmarks.xy.copy()
        xy[0 if angles[0] > 0.6 else 16] += 40 if abs(angles[0]) > 0.6 else 0  # the ear on the other side
        return replace(reading, landmarks=Points(xy, np.full(68, 1.5), np.ones(68)))

    mesh, reader = put(0, change=blind)
    assert millimetres(found_landmarks(mesh, reader), reader)[[0, 16]].max() < 2


def test_a_reader_that_tells_landmarks_alone_and_of_faces_alone_is_enough(put: Put):
    def plain(reading: Reading) -> Reading | None:
        angles = reading.yaw_pitch_roll
        assert reading.landmarks is not None and angles is not None
        if abs(angles[0]) > 0.9:
            return None
        return Reading(1.0, reading.centre, reading.unit, landmarks=Points(reading.landmarks.xy))

    mesh, reader = put(0, noise=0.5, change=plain)
    assert np.nanmean(millimetres(found_landmarks(mesh, reader), reader)) < 2


def test_a_scan_of_something_else_is_refused_in_words(put: Put, monkeypatch: pytest.MonkeyPatch):
    mesh, reader = put(0, change=lambda reading: None)
    monkeypatch.setattr(scan_reading, "SIZE", 64)
    with pytest.raises(FullheadError, match=r"no head found in the scan: of 56 views from all around, 0 look like one"):
        found_landmarks(mesh, reader)
    random = np.random.RandomState(0)

    def guess(reading: Reading) -> Reading:
        return replace(reading, rotation=Rotation.random(random_state=random).as_matrix(), score=0.4)

    mesh, reader = put(0, change=guess)
    with pytest.raises(FullheadError, match="no head found"):
        found_landmarks(mesh, reader)

    def scattered(reading: Reading) -> Reading:
        return replace(reading, landmarks=Points(random.uniform(12, 50, (68, 2))))

    mesh, reader = put(0, change=scattered)
    with pytest.raises(FullheadError, match=r"landmarks that \d+ views show disagree by .* mm"):
        found_landmarks(mesh, reader)
    point = TriMesh(np.zeros((3, 3)), np.array([[0, 1, 2]]))
    with pytest.raises(FullheadError, match="one place"):
        coarse_head(point, reader)


def test_pictures_cameras_and_places_of_a_view_belong_together(put: Put):
    mesh, reader = put(6, colours=True)
    views = views_of_scan(mesh, cameras_around(reader.scan_from_head, QUARTERS, 0.1), 128)
    assert views.pictures.shape == (4, 128, 128, 3) and views.pictures.dtype == np.uint8
    assert np.abs(views.pictures[:, 0, 0] / 255 - BACKGROUND).max() < 0.01
    nose = mesh.vertices[np.linalg.norm(mesh.vertices - reader.landmarks[30], axis=1).argmin()]
    xy, depth = views.projected(nose[None])
    near = np.linalg.norm(views.at(0, xy[0])[0] - nose) / reader.scan_from_head.scale
    assert near < 0.01, "from the front the tip of the nose is seen"
    assert np.linalg.norm(views.at(2, xy[2])[0] - nose) / reader.scan_from_head.scale > 0.2, "from behind it is not"
    assert depth[2, 0] > depth[0, 0]
    assert np.isnan(views.at(0, np.array([[-3.0, 5], [np.nan, 2], [0.5, 0.5]]))).all()


def test_the_inside_of_a_mask_is_no_face(put: Put, head: tuple[NDArray, NDArray, NDArray]):
    mesh, reader = put(0)
    front = head[0][head[1]].mean(1)[:, 2] > 0.25
    mask = mesh.select_faces(front)
    outside, _, inside, _ = views_of_scan(mask, cameras_around(reader.scan_from_head, QUARTERS), 64).pictures
    middle = slice(20, 44)
    assert outside[middle, middle].mean() > 100 and inside[middle, middle].mean() < 90


@pytest.fixture(scope="module")
def given(head: tuple[NDArray, NDArray, NDArray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    vertices, faces, marks = head
    place = tmp_path_factory.mktemp("given")
    turned = Similarity(200.0, Rotation.random(random_state=8).as_matrix(), np.array([100.0, 20, -30]))
    at = turned(vertices)
    (place / "scan.ply").write_bytes(
        ply_bytes(at, faces.astype(np.int32), vertex_normals(at, faces), shades(vertices), "a scan")
    )
    face, weights = sample_surface(at, faces, 12_000, np.random.RandomState(0))
    points = interpolate_vertices(at, faces, face, weights)
    (place / "cloud.xyz").write_text("\n".join("{} {} {}".format(*p) for p in points))
    np.savetxt(place / "marks.txt", turned(marks))
    np.savez(place / "truth.npz", turn=turned.turn, shift=turned.shift, scale=turned.scale)
    return place


def fitted(place: Path, name: str, marks: Path | None, reader: Reader | None, cube: CubeRig, template: Template) -> NDArray:
    """Vertices of the rig where it was fitted, in the scan."""
    config = FitConfig(points=600, rounds=8, metres_per_unit=0.001)
    found = register_scan(
        scan_file(place / name, marks), cube, template, fit=True, config=config, reader=reader, rng=np.random.RandomState(0)
    )
    parts = (torch.from_numpy(part)[None] for part in (found.shape, found.expression, found.joint_pose))
    scan_from_cube = np.linalg.inv(found.cube_from_scan)
    return cube.rig(*parts).vertices[0].double().numpy() @ scan_from_cube[:3, :3].T + scan_from_cube[:3, 3]


def test_the_fit_is_that_of_given_landmarks(
    given: Path, cube: CubeRig, template: Template, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(scan_reading, "SIZE", 256)
    truth = dict(np.load(given / "truth.npz"))
    turned = Similarity(float(truth["scale"]), truth["turn"], truth["shift"])
    reader = TruthfulReader(turned.after(CUBE_FROM_HEAD), np.loadtxt(given / "marks.txt"), noise=0.5).watch(monkeypatch)
    by_hand = fitted(given, "scan.ply", given / "marks.txt", None, cube, template)
    seen = cube.surface.unique().numpy()

    def apart(name: str, marks: Path | None) -> float:
        return float(np.linalg.norm((fitted(given, name, marks, reader, cube, template) - by_hand)[seen], axis=1).mean())

    assert apart("scan.ply", None) < 1.0, "millimetres"
    assert apart("cloud.xyz", given / "marks.txt") < 1.5
    assert apart("cloud.xyz", None) < 1.5
    few = np.loadtxt(given / "marks.txt")
    few[[*range(20), 30, 40, *range(50, 68)]] = np.nan
    np.savetxt(given / "few.txt", few)
    assert apart("scan.ply", given / "few.txt") < 1.5


def test_a_scan_without_landmarks_says_how_to_give_them(
    given: Path, cube: CubeRig, template: Template, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(scan_reading, "SIZE", 32)
    with pytest.raises(FullheadError, match=r"scan scan: no landmarks: put scan_landmarks.txt .* --landmarks, or a --reader"):
        fitted(given, "scan.ply", None, None, cube, template)
    with pytest.raises(FullheadError, match=r"no head found .* put scan_landmarks.txt"):
        fitted(given, "scan.ply", None, lambda photo: [], cube, template)
