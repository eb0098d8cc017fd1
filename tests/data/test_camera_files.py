"""Cameras of other programs. What a file means is worked out here by its own definition, point by point, and by those programs.

`colmap_model/` was written by pycolmap 4.2.1, with the pixels in which it sees six points. Blender's numbers are those of
`calc_matrix_camera` of Blender 4.4.
"""

import json
import math
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from fullhead.cli import main
from fullhead.commands import cameras as command
from fullhead.core.camera_frames import TURNS, Axes
from fullhead.core.cameras import Cameras, orbit
from fullhead.core.errors import FullheadError
from fullhead.core.rays import pixel_rays
from fullhead.data.camera_files import FORMATS, Kind, read_cameras, write_cameras
from fullhead.data.camera_set import CameraSet, camera_set

MODEL = Path(__file__).parent / "colmap_model"
POINTS = np.random.default_rng(0).normal(0, 0.3, (7, 3))  # of our world
SIZES = torch.tensor([[640, 480], [640, 480], [300, 500]])
PLACES = {
    "eg3d": "dataset.json", "opencv": "opencv.json", "blender": "blender.json", "nerf": "transforms.json", "colmap": "binary",
    "colmap-text": "text",
}  # fmt: skip
KINDS = list(PLACES)


@pytest.fixture
def shots() -> CameraSet:
    """Three cameras with pictures of two sizes, pixels that are not square, and middles that are not in the middle."""
    c2w = orbit(torch.tensor([0.4, -2.0, 3.0]), torch.tensor([0.2, -0.5, 0.9])).c2w.double()
    K = torch.eye(3, dtype=torch.float64).repeat(3, 1, 1)
    K[:, 0, 0], K[:, 1, 1] = torch.tensor([2.5, 3.1, 4.0]), torch.tensor([3.2, 2.9, 2.0])
    K[:, 0, 2], K[:, 1, 2] = torch.tensor([0.4, 0.5, 0.61]), torch.tensor([0.55, 0.5, 0.47])
    return camera_set(c2w, K, ["a/left.png", "a/b.jpg", "Kopf_ä.png"], SIZES)


def expected(shots: CameraSet) -> np.ndarray:
    """Pixels [V, P, 2] of the points, by the definition of ours, through a plain loop."""
    seen = np.empty((len(shots), len(POINTS), 2))
    for v, (c2w, K) in enumerate(zip(shots.c2w.numpy(), shots.K.numpy(), strict=True)):
        for p, point in enumerate(POINTS):
            x, y, z = np.linalg.inv(c2w)[:3] @ [*point, 1]
            k1, k2, p1, p2 = shots.distortion[v].tolist()
            a, b = x / z, y / z
            r = a * a + b * b
            bend = 1 + k1 * r + k2 * r * r
            a, b = a * bend + 2 * p1 * a * b + p2 * (r + 2 * a * a), b * bend + p1 * (r + 2 * b * b) + 2 * p2 * a * b
            seen[v, p] = (K @ [a, b, 1])[:2] * SIZES[v].numpy()
    return seen


# -- what is in the files, read here without the library's code


def by_eg3d(path: Path) -> np.ndarray:
    labels = [np.array(label) for _, label in json.loads(path.read_text())["labels"]]
    seen = []
    for label, size in zip(labels, SIZES.numpy(), strict=True):
        cam = np.linalg.inv(label[:16].reshape(4, 4)) @ np.column_stack([POINTS, np.ones(7)]).T
        uvw = label[16:].reshape(3, 3) @ cam[:3]
        seen.append((uvw[:2] / uvw[2]).T * size)
    return np.array(seen)


def by_opencv(path: Path) -> np.ndarray:
    file = json.loads(path.read_text()) if path.suffix == ".json" else dict(np.load(path))
    seen = []
    for R, t, K, dist in zip(*(np.array(file[key]) for key in ("R", "t", "K", "dist")), strict=True):
        x, y, z = R @ POINTS.T + t[:, None]
        a, b = x / z, y / z
        r2, (k1, k2, p1, p2) = a**2 + b**2, dist
        a, b = (
            a * (1 + k1 * r2 + k2 * r2**2) + 2 * p1 * a * b + p2 * (r2 + 2 * a**2),
            b * (1 + k1 * r2 + k2 * r2**2) + p1 * (r2 + 2 * b**2) + 2 * p2 * a * b,
        )
        seen.append(np.column_stack([K[0, 0] * a + K[0, 1] * b + K[0, 2], K[1, 1] * b + K[1, 2]]))
    return np.array(seen)


def by_blender(path: Path) -> np.ndarray:
    """The world's +z is up and the face looks along -y; a camera looks along its -z; shifts are in widths of the picture."""
    world = np.column_stack([POINTS[:, 0], -POINTS[:, 2], POINTS[:, 1], np.ones(7)])
    seen = []
    for row in json.loads(path.read_text())["cameras"]:
        x, y, z, _ = np.linalg.inv(row["matrix_world"]) @ world.T
        on_sensor = row["lens"] * np.stack([x, y]) / -z  # mm
        width, height = row["resolution_x"], row["resolution_y"]
        pixel = row["sensor_width"] / width  # mm, its width
        u = on_sensor[0] / pixel - row["shift_x"] * width + width / 2
        v = (on_sensor[1] / pixel - row["shift_y"] * width) * row["pixel_aspect_x"] / row["pixel_aspect_y"]
        seen.append(np.column_stack([u, height / 2 - v]))
    return np.array(seen)


def by_nerf(path: Path) -> np.ndarray:
    file = json.loads(path.read_text())
    world = np.array(file["applied_transform"]) @ np.column_stack([POINTS, np.ones(7)]).T
    seen = []
    for row in ({**file, **row} for row in file["frames"]):
        x, y, z, _ = np.linalg.inv(row["transform_matrix"]) @ np.vstack([world, np.ones(7)])
        seen.append(np.column_stack([row["fl_x"] * x / -z + row["cx"], row["fl_y"] * y / z + row["cy"]]))
    return np.array(seen)


def by_colmap_text(path: Path) -> np.ndarray:
    lines = [line for line in (path / "cameras.txt").read_text().splitlines() if line[:1] != "#"]
    lenses = {line.split()[0]: list(map(float, line.split()[4:])) for line in lines}
    seen = []
    for line in (path / "images.txt").read_text().splitlines()[1::2]:
        _, w, x, y, z, *t, camera, _ = line.split()
        w, x, y, z = map(float, (w, x, y, z))
        R = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )
        cam, (fx, fy, cx, cy, *_) = R @ POINTS.T + np.array(list(map(float, t)))[:, None], lenses[camera]
        seen.append(np.column_stack([fx * cam[0] / cam[2] + cx, fy * cam[1] / cam[2] + cy]))
    return np.array(seen)


DEFINITIONS: dict[str, Callable[[Path], np.ndarray]] = {
    "eg3d": by_eg3d, "opencv": by_opencv, "blender": by_blender, "nerf": by_nerf, "colmap-text": by_colmap_text,
}  # fmt: skip


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_points_fall_on_the_same_pixels_by_the_definition_of_each_format(kind: Kind, shots: CameraSet, tmp_path: Path):
    path = write_cameras(shots, tmp_path / PLACES[kind], to=kind)
    np.testing.assert_allclose(DEFINITIONS[kind](path), expected(shots), rtol=0, atol=1e-6)


def test_points_fall_on_the_same_pixels_by_opencv_s_npz(shots: CameraSet, tmp_path: Path):
    np.testing.assert_allclose(by_opencv(write_cameras(shots, tmp_path / "a.npz")), expected(shots), rtol=0, atol=1e-6)


def test_our_rays_meet_the_pixels_of_the_file(shots: CameraSet, tmp_path: Path):
    square = camera_set(shots.c2w, shots.K, shots.names, torch.full((3, 2), 16))
    read = read_cameras(write_cameras(square, tmp_path / "opencv.json"))
    origins, directions = pixel_rays(Cameras(read.c2w, read.K), 16)
    file = json.loads((tmp_path / "opencv.json").read_text())
    point = (origins + 1.9 * directions)[1, 5 * 16 + 3].numpy()  # row 5, column 3
    u, v, w = np.array(file["K"][1]) @ (np.array(file["R"][1]) @ point + np.array(file["t"][1]))
    np.testing.assert_allclose([u / w, v / w], [3.5, 5.5], atol=1e-5)


@pytest.mark.parametrize("second", KINDS)
@pytest.mark.parametrize("first", KINDS)
def test_every_pair_of_formats_goes_there_and_back(first: Kind, second: Kind, shots: CameraSet, tmp_path: Path):
    shots = camera_set(shots.c2w, shots.K, shots.names, SIZES[:1].expand(3, 2))  # --size is one for all
    size, found = (640, 480), shots
    for i, kind in enumerate((first, second, first)):
        path = write_cameras(found, tmp_path / f"{i}" / PLACES[kind], to=kind)
        found = read_cameras(path, size=size if kind == "eg3d" else None)
    torch.testing.assert_close(found.c2w, shots.c2w, rtol=0, atol=1e-9)
    torch.testing.assert_close(found.K, shots.K, rtol=0, atol=1e-9)
    assert found.sizes is not None and shots.sizes is not None
    assert found.sizes.tolist() == shots.sizes.tolist() and found.names == shots.names


@pytest.mark.parametrize("kind", [kind for kind, its in FORMATS.items() if its.distortion])
def test_distortion_is_kept_where_a_format_has_it(kind: Kind, shots: CameraSet, tmp_path: Path):
    bent = camera_set(
        shots.c2w, shots.K, shots.names, SIZES, torch.tensor([[0.1, -0.02, 1e-3, 2e-3], [0.0] * 4, [0.3, 0, 0, 0]])
    )
    path = write_cameras(bent, tmp_path / PLACES[kind], to=kind)
    torch.testing.assert_close(read_cameras(path).distortion, bent.distortion)
    if kind == "opencv":
        np.testing.assert_allclose(by_opencv(path), expected(bent), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["eg3d", "blender"])
def test_distortion_is_refused_where_a_format_has_none(kind: Kind, shots: CameraSet, tmp_path: Path):
    bent = camera_set(shots.c2w, shots.K, shots.names, SIZES, torch.full((3, 4), 0.01))
    with pytest.raises(FullheadError, match=r"bend lines.*cannot hold: undistort"):
        write_cameras(bent, tmp_path / PLACES[kind])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_askew_pixels_are_kept_or_refused(kind: Kind, shots: CameraSet, tmp_path: Path):
    K = shots.K.clone()
    K[:, 0, 1] = 0.2
    askew = camera_set(shots.c2w, K, shots.names, SIZES)
    if FORMATS[kind].skew:
        torch.testing.assert_close(read_cameras(write_cameras(askew, tmp_path / PLACES[kind], to=kind)).K, K)
    else:
        with pytest.raises(FullheadError, match="askew"):
            write_cameras(askew, tmp_path / PLACES[kind], to=kind)


@pytest.mark.parametrize("axes", TURNS)
@pytest.mark.parametrize("kind", KINDS)
def test_worlds_that_stand_otherwise_go_there_and_back(kind: Kind, axes: Axes, shots: CameraSet, tmp_path: Path):
    path = write_cameras(shots, tmp_path / PLACES[kind], to=kind, axes=axes, scale=5)
    back = read_cameras(path, axes="y-up" if kind == "nerf" else axes)  # which says itself how it was turned
    torch.testing.assert_close(back.c2w[:, :3, :3], shots.c2w[:, :3, :3])
    torch.testing.assert_close(back.c2w[:, :3, 3], 5 * shots.c2w[:, :3, 3])


@pytest.mark.parametrize(
    ("axes", "up", "face"),
    [("y-up", (0, 1, 0), (0, 0, 1)), ("z-up", (0, 0, 1), (0, -1, 0)), ("y-down", (0, -1, 0), (0, 0, -1))],
)
def test_a_world_s_axes_are_what_their_name_says(axes: Axes, up: tuple, face: tuple):
    assert torch.equal(TURNS[axes] @ torch.tensor([0.0, 1, 0]).double(), torch.tensor(up).double())
    assert torch.equal(TURNS[axes] @ torch.tensor([0.0, 0, 1]).double(), torch.tensor(face).double())
    assert torch.linalg.det(TURNS[axes]) == 1


def test_our_own_cameras_are_written_with_names_of_their_own(tmp_path: Path):
    cameras = orbit(torch.tensor([0.0, 1.0]))
    read = read_cameras(write_cameras(cameras, tmp_path / "transforms.json", size=512))
    assert read.names == ("0000.png", "0001.png")
    torch.testing.assert_close(read.cameras.c2w, cameras.c2w, rtol=0, atol=1e-6)
    torch.testing.assert_close(read.cameras.K, cameras.K, rtol=0, atol=1e-6)
    assert read_cameras(write_cameras(cameras, tmp_path / "dataset.json", names=["x", "y"])).names == ("x", "y")


# -- files of the programs themselves


@pytest.mark.parametrize("form", ["bin", "txt"])
def test_a_model_of_colmap_is_read_as_colmap_sees_it(form: str):
    read, truth = read_cameras(MODEL / form), json.loads((MODEL / "seen_by_colmap.json").read_text())
    assert read.points is not None and read.sizes is not None
    np.testing.assert_allclose(read.points.places, truth["points"], atol=1e-12)
    assert read.sizes.tolist() == [[320, 200]] * 4
    for name, c2w, K, (k1, k2, p1, p2) in zip(read.names, read.c2w, read.K, read.distortion.tolist(), strict=True):
        cam = np.linalg.inv(c2w.numpy())[:3] @ np.column_stack([truth["points"], np.ones(6)]).T
        a, b = cam[:2] / cam[2]
        r = a * a + b * b
        bend = k1 * r + k2 * r * r
        u = a + a * bend + 2 * p1 * a * b + p2 * (r + 2 * a * a)
        v = b + b * bend + 2 * p2 * a * b + p1 * (r + 2 * b * b)
        seen = (K.numpy() @ np.stack([u, v, np.ones(6)]))[:2].T * [320, 200]
        np.testing.assert_allclose(seen, truth["pixels"][name], atol=1e-9)


def test_the_points_of_a_model_go_from_binary_to_text_and_back(tmp_path: Path):
    read = read_cameras(MODEL / "bin")
    text = read_cameras(write_cameras(read, tmp_path / "text", to="colmap-text", scale=2))
    back = read_cameras(write_cameras(text, tmp_path / "binary", scale=0.5))
    assert read.points is not None and back.points is not None
    torch.testing.assert_close(back.points.places, read.points.places)
    assert torch.equal(back.points.colours, read.points.colours) and torch.equal(back.points.errors, read.points.errors)
    torch.testing.assert_close(back.c2w, read.c2w)


@pytest.mark.parametrize(
    ("fit", "size", "aspect", "fx", "fy", "cx", "cy"),  # of lens 61, sensor 31 x 23, shift 0.11, -0.07
    [
        ("AUTO", (640, 480), (1, 1.3), 1.967742, 2.018197, 0.39, 0.428205),
        ("AUTO", (480, 640), (1.5, 1), 1.967742, 2.213710, 0.39, 0.421250),
        ("AUTO", (480, 640), (1, 1), 2.623656, 1.967742, 0.353333, 0.43),
        ("VERTICAL", (640, 480), (1, 1), 1.989130, 2.652174, 0.4175, 0.43),
        ("HORIZONTAL", (480, 640), (1, 1), 1.967742, 1.475806, 0.39, 0.4475),
    ],
)
def test_lenses_are_what_blender_makes_of_them(
    fit: str, size: tuple, aspect: tuple, fx: float, fy: float, cx: float, cy: float, tmp_path: Path
):
    row = {"matrix_world": np.eye(4).tolist(), "lens": 61, "sensor_width": 31, "sensor_height": 23, "sensor_fit": fit}
    row |= {"shift_x": 0.11, "shift_y": -0.07, "pixel_aspect_x": aspect[0], "pixel_aspect_y": aspect[1]}
    row |= {"resolution_x": size[0], "resolution_y": size[1]}
    (tmp_path / "any.json").write_text(json.dumps({"cameras": [row]}))
    K = read_cameras(tmp_path / "any.json").K[0]
    np.testing.assert_allclose([K[0, 0], K[1, 1], K[0, 2], K[1, 2]], [fx, fy, cx, cy], atol=1e-6)


def transforms(folder: Path, frame: dict[str, Any] | None = None, **top: Any) -> Path:
    frame = {"file_path": "r_0", "transform_matrix": np.eye(4).tolist(), **(frame or {})}
    (folder / "transforms.json").write_text(json.dumps({**top, "frames": [frame]}))
    return folder / "transforms.json"


def test_a_transforms_json_of_nerf_has_one_angle_and_square_pixels(tmp_path: Path):
    read = read_cameras(transforms(tmp_path, camera_angle_x=0.6), size=(800, 400))
    expected_K = [0.5 / math.tan(0.3), 1 / math.tan(0.3), 0.5, 0.5]
    np.testing.assert_allclose([read.K[0, 0, 0], read.K[0, 1, 1], read.K[0, 0, 2], read.K[0, 1, 2]], expected_K)
    with pytest.raises(FullheadError, match="how large its pictures are: give their size"):
        read_cameras(tmp_path / "transforms.json")


def test_the_lens_of_a_frame_comes_before_that_of_the_file(tmp_path: Path):
    file = {"w": 100, "h": 50, "fl_x": 200, "fl_y": 150, "cx": 50, "cy": 25}
    read = read_cameras(transforms(tmp_path, {"fl_x": 300, "cx": 40, "k1": 0.1}, **file))
    K = read.K[0].tolist()
    assert (K[0][0], K[1][1], K[0][2], K[1][2], read.distortion[0, 0]) == (3, 3, 0.4, 0.5, 0.1)


def test_the_transform_that_nerfstudio_applied_is_taken_back(tmp_path: Path):
    """Its default: x, y, z of COLMAP's world become x, z, -y. With it the world is COLMAP's, whatever else it says."""
    applied = np.array([[1, 0, 0, 0.5], [0, 0, 1, 0], [0, -1, 0, 0.0]])
    inside = {"transform_matrix": np.vstack([[1, 0, 0, 0.5 + 1], [0, 0, 1, 3], [0, -1, 0, -2], [0, 0, 0, 1]]).tolist()}
    read = read_cameras(transforms(tmp_path, inside, fl_x=9, w=9, h=9, applied_transform=applied.tolist()))
    np.testing.assert_allclose(read.c2w[0], [[1, 0, 0, 1], [0, -1, 0, 2], [0, 0, -1, 3], [0, 0, 0, 1]], atol=1e-12)


def test_opencv_may_count_from_the_middle_of_the_first_pixel(tmp_path: Path):
    once = {"R": [np.eye(3).tolist()], "t": [[[0], [0], [1]]], "K": [[8, 0, 3.5], [0, 8, 3.5], [0, 0, 1]], "sizes": [8, 8]}
    (tmp_path / "any.json").write_text(json.dumps({**once, "first_pixel": 0, "dist": [0.1, 0, 0, 0, 0]}))
    read = read_cameras(tmp_path / "any.json")
    assert read.K[0].tolist() == [[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]]
    assert read.c2w[0, :3, 3].tolist() == [0, 0, -1] and read.distortion[0].tolist() == [0.1, 0, 0, 0]


# -- what is wrong


def changed(path: Path, change: Callable[[Any], None]) -> Path:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def at(*keys: Any, value: Any = None) -> Callable[[Any], None]:
    """Set what is at the keys, or remove it."""

    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        if value is None:
            del content[keys[-1]]
        else:
            content[keys[-1]] = value

    return change


REFLECTION = np.diag([-1.0, 1, 1, 1]).tolist()
WRONG = [
    ("eg3d", at("labels", value=[]), "no cameras"),
    ("eg3d", at("labels", value=7), "no list"),
    ("eg3d", at("labels", 1, value=["b.png"]), "no list"),
    ("eg3d", at("labels", 1, 1, value=[1, 2]), "label of a/b.jpg is 2, not 25"),
    ("eg3d", at("labels", 1, 1, 3, value=math.nan), "label of a/b.jpg has a number that is not finite"),
    ("eg3d", at("labels", 1, 1, 16, value=-1), "a/b.jpg has a focal length that is not above 0"),
    ("eg3d", at("labels", 1, 1, 24, value=2), r"a/b.jpg has a K that is not \[fx"),
    ("eg3d", at("labels", 1, 0, value="a\nb"), "no name of a picture"),
    ("eg3d", at("labels", 1, 0, value=5), "no name of a picture"),
    ("opencv", at("t"), "no 't'"),
    ("opencv", at("K", 0, 1, value=[1, 2]), "K is no table of numbers"),
    ("opencv", at("R", 1, value=np.diag([1.0, 1, -1]).tolist()), "a/b.jpg has a reflection, not a rotation"),
    ("opencv", at("R", 1, value=(2 * np.eye(3)).tolist()), "a/b.jpg has no rotation"),
    ("opencv", at("R", value="x"), "R is not made of numbers"),
    ("opencv", at("sizes", 0, value=[0, 5]), "left.png has a picture whose sides are no whole numbers"),
    ("opencv", at("sizes", 0, value=[6.5, 5]), "left.png has a picture whose sides are no whole numbers"),
    ("opencv", at("sizes"), "how large its pictures are"),
    ("opencv", at("names", value=["a"]), "no list of 3 names"),
    ("opencv", at("first_pixel", value=1), "0 or 0.5"),
    ("opencv", at("dist", value=[0, 0, 0, 0, 0.1]), "more coefficients than k1, k2, p1, p2"),
    ("blender", at("cameras", value={}), "no list of cameras"),
    ("blender", at("cameras", 0, "matrix_world"), "no 'matrix_world'"),
    ("blender", at("cameras", 0, "matrix_world", value=REFLECTION), "left.png has a reflection"),
    ("blender", at("cameras", 0, "lens", value="35mm"), "lens is not made of numbers"),
    ("blender", at("cameras", 0, "sensor_width", value=0), "not above 0"),
    ("blender", at("cameras", 0, "sensor_fit", value="FILL"), "FILL"),
    ("nerf", at("frames", value=[]), "no list of cameras"),
    ("nerf", at("frames", 2, "transform_matrix", value=[[1]]), "transform_matrix is no table"),
    ("nerf", at("frames", 2, "transform_matrix", 3, value=[0, 0, 1, 1]), "last row"),
    ("nerf", at("frames", 2, "file_path"), "no name of a picture"),
    ("nerf", at("frames", 2, "k3", value=0.1), "more coefficients"),
    ("nerf", at("frames", 2, "w", value=10**400), "w is not made of numbers"),
    ("nerf", at("camera_model", value="OPENCV_FISHEYE"), "its lenses are none of OPENCV, PINHOLE"),
    ("nerf", at("applied_transform", value=REFLECTION), "no rotation with a scale"),
    ("nerf", at("applied_scale", value=0), "not above 0"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "change", "said"), WRONG, ids=[said for *_, said in WRONG])
def test_what_is_wrong_in_a_file_is_said(kind: Kind, change: Callable, said: str, shots: CameraSet, tmp_path: Path):
    path = changed(write_cameras(shots, tmp_path / PLACES[kind]), change)
    with pytest.raises(FullheadError, match=f"(?s){PLACES[kind]}.*{said}") as error:
        read_cameras(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff\xfe", b'{"frames": 3}', b"PK\3\4 no zip", b"[" * 100_000])
def test_files_without_cameras_are_refused(content: bytes, tmp_path: Path):
    (tmp_path / "any").write_bytes(content)
    with pytest.raises(FullheadError, match="any"):
        read_cameras(tmp_path / "any")


class Bomb:
    def __reduce__(self):
        return exit, ("the pickle was executed",)


def npy(header: str) -> bytes:
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode()


def test_an_npz_with_a_pickle_or_a_false_length_is_refused(tmp_path: Path):
    good = {"R": np.eye(3)[None], "t": np.zeros((1, 3)), "K": np.eye(3), "sizes": np.array([8, 8])}
    np.savez(tmp_path / "good.npz", **good)
    assert len(read_cameras(tmp_path / "good.npz")) == 1
    np.savez(tmp_path / "pickle.npz", **good, names=np.array([Bomb()], dtype=object))
    with pytest.raises(FullheadError, match=r"names\.npy is a pickle"):
        read_cameras(tmp_path / "pickle.npz")
    with zipfile.ZipFile(tmp_path / "long.npz", "w") as archive:
        archive.writestr("R.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 3, 3), }\n"))
    with pytest.raises(FullheadError, match="cut short"):
        read_cameras(tmp_path / "long.npz")


@pytest.mark.parametrize("part", ["cameras", "images", "points3D"])
def test_a_model_that_is_cut_short_or_goes_on_is_refused(part: str, tmp_path: Path):
    shutil.copytree(MODEL / "bin", tmp_path, dirs_exist_ok=True)
    file = tmp_path / f"{part}.bin"
    whole = file.read_bytes()
    for end in range(0, len(whole), 7):
        file.write_bytes(whole[:end])
        with pytest.raises(FullheadError, match=rf"cannot read .*{part}\.bin"):
            read_cameras(tmp_path)
    file.write_bytes(whole + b"\0")
    with pytest.raises(FullheadError, match="more in it than it says"):
        read_cameras(tmp_path)
    file.write_bytes(struct.pack("<Q", 2**60) + whole[8:])
    with pytest.raises(FullheadError, match="cut short"):
        read_cameras(tmp_path)


@pytest.mark.parametrize(
    ("part", "old", "new", "said"),
    [
        ("cameras", "SIMPLE_RADIAL", "OPENCV_FISHEYE", "lens OPENCV_FISHEYE is none of"),
        ("cameras", "1 SIMPLE_RADIAL 320 200 280", "1 SIMPLE_RADIAL 320 200", "parameters of SIMPLE_RADIAL is 3, not 4"),
        ("cameras", "1 SIMPLE_RADIAL", "7 SIMPLE_RADIAL", "camera 1, which is not among"),
        ("cameras", " 280 ", " nan ", "not finite"),
        ("images", "1 0.96633126434031058 -0.12234017242781463 -0.22635540587489711 0 ", "1 0 0 0 0 ", "quaternion is 0"),
        ("images", " camera000001_frame000000.png", "", "9 words instead of 10"),
    ],
)
def test_a_text_model_that_is_wrong_is_refused(part: str, old: str, new: str, said: str, tmp_path: Path):
    shutil.copytree(MODEL / "txt", tmp_path, dirs_exist_ok=True)
    text = (tmp_path / f"{part}.txt").read_text()
    assert old in text
    (tmp_path / f"{part}.txt").write_text(text.replace(old, new, 1))
    with pytest.raises(FullheadError, match=said):
        read_cameras(tmp_path)


def test_a_fisheye_in_binary_is_refused_by_name(tmp_path: Path):
    shutil.copytree(MODEL / "bin", tmp_path, dirs_exist_ok=True)
    whole = bytearray((tmp_path / "cameras.bin").read_bytes())
    whole[12] = 5
    (tmp_path / "cameras.bin").write_bytes(whole)
    with pytest.raises(FullheadError, match="lens OPENCV_FISHEYE is none of"):
        read_cameras(tmp_path)


def test_a_model_is_not_mixed_with_another(shots: CameraSet, tmp_path: Path):
    write_cameras(shots, tmp_path / "model")
    with pytest.raises(FullheadError, match=r"another COLMAP model \(cameras\.bin\)"):
        write_cameras(shots, tmp_path / "model", to="colmap-text")
    with pytest.raises(FullheadError, match="space"):
        write_cameras(camera_set(shots.c2w, shots.K, ["a b", "c", "d"], SIZES), tmp_path / "text", to="colmap-text")


def test_cameras_that_are_none_cannot_be_written(tmp_path: Path):
    cameras = orbit(0.0)
    for wrong, said in (
        (Cameras(cameras.c2w * math.nan, cameras.K), "not finite"),
        (Cameras(cameras.c2w[:, :3], cameras.K), "1 x 3 x 4, not 1 x 4 x 4"),
        (Cameras(cameras.c2w[:0], cameras.K[:0]), "no cameras"),
    ):
        with pytest.raises(FullheadError, match=said):
            write_cameras(wrong, tmp_path / "opencv.json", size=8)
    for options, said in (
        ({}, "needs the size"),
        ({"size": 8, "scale": 0}, "scale 0"),
        ({"names": ["a", "b"], "size": 8}, "1 x"),
    ):
        with pytest.raises(FullheadError, match=said):
            write_cameras(cameras, tmp_path / "opencv.json", **options)
    assert not list(tmp_path.iterdir())


# -- the command


def run(*words: object) -> None:
    main(["cameras", *map(str, words)])


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit) as stop:
        run(*words)
    said = capsys.readouterr().err
    assert stop.value.code == 2 and said.startswith("fullhead: ") and said.count("\n") == 1
    return said


def test_the_command_knows_what_the_library_knows():
    assert set(get_args(command.KindName)) == set(FORMATS) and set(get_args(command.AxesName)) == set(TURNS)


def test_the_command_finds_kinds_by_content_and_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run(MODEL / "txt", tmp_path / "transforms_train.json")
    said = capsys.readouterr().out
    assert "4 cameras from a COLMAP model in text, their lenses bend lines (k1, k2, p1, p2 are kept)" in said
    assert "Left out: 6 points" in said
    run(tmp_path / "transforms_train.json", tmp_path / "some.npz", "--scale", "2")
    run(tmp_path / "some.npz", tmp_path / "model")
    back, first = read_cameras(tmp_path / "model"), read_cameras(MODEL / "txt")
    torch.testing.assert_close(back.c2w[:, :3, 3], 2 * first.c2w[:, :3, 3])
    torch.testing.assert_close(back.K, first.K)
    assert back.names == first.names


def test_the_command_says_in_a_line_what_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    labels = write_cameras(orbit(0.0), tmp_path / "dataset.json")
    assert "needs the size of the pictures: give it in pixels" in refused(capsys, labels, tmp_path / "a.npz")
    run(labels, tmp_path / "a.npz", "--size", "640x480")
    assert "--overwrite" in refused(capsys, labels, tmp_path / "a.npz", "--size", "64")
    run(labels, tmp_path / "a.npz", "--size", "64", "--overwrite")
    assert "64x64 pixels: leave --size out" in refused(capsys, tmp_path / "a.npz", tmp_path / "model", "--size", "32")
    assert "write pixels as 512" in refused(capsys, labels, tmp_path / "b.npz", "--size", "big")
    assert "blender.json, transforms.json, or say --to" in refused(capsys, labels, tmp_path / "b.json")
    assert "choose one of .json" in refused(capsys, labels, tmp_path / "b.txt", "--to", "blender")
    assert "--scale 0" in refused(capsys, labels, tmp_path / "b.npz", "--scale", "0")
    assert "no COLMAP model" in refused(capsys, tmp_path, tmp_path / "b.npz")
    assert "no file of cameras at" in refused(capsys, tmp_path / "none.json", tmp_path / "b.npz")
    run(tmp_path / "a.npz", tmp_path / "model")
    assert "holds a COLMAP model already" in refused(capsys, tmp_path / "a.npz", tmp_path / "model")
    assert {path.name for path in tmp_path.iterdir()} == {"dataset.json", "a.npz", "model"}
