"""Samples of a scan in the cube: labelled points, points of its surface, and views."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Annotated, Any, get_type_hints

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fullhead.core.colour import to_bytes
from fullhead.core.meshes import area_vectors, faces_in_box, interpolate_vertices, sample_surface, vertex_normals
from fullhead.core.tri_mesh import TriMesh, present
from fullhead.kernels.raster import orthographic
from fullhead.kernels.tree import mesh_tree

RIM = 1e-3  # what is nearer to the sides of the cube is where the scan was cut, not a surface of the head
NO_SURFACE = -2.0  # z where a view shows nothing


@dataclass(frozen=True)
class SampleConfig:
    """How each scan is sampled. Lengths are in units of the cube."""

    near: int = 100_000  # points near the surface
    uniform: int = 100_000  # points anywhere in the cube
    surface: int = 100_000  # points on the surface, with normals and colours
    views: int = 9  # evenly around
    view_size: int = 256  # pixels per side
    near_spread: float = 0.01  # standard deviation, along each axis, of near points about the surface
    face_share: float = 0.7  # of the near points, lies in front


@dataclass(frozen=True)
class LabelledPoints:
    """Points of the cube, and whether they are inside the scan."""

    points: Annotated[NDArray, "n 3", np.float32]
    inside: Annotated[NDArray, "n", np.uint8]  # 1 or 0


@dataclass(frozen=True)
class SurfacePoints:
    """Points spread evenly over the surface of a scan."""

    points: Annotated[NDArray, "n 3", np.float32]
    normals: Annotated[NDArray, "n 3", np.float16]  # of length 1
    colours: Annotated[NDArray, "n 3", np.uint8]  # sRGB


@dataclass(frozen=True)
class OrthographicViews:
    """What `render_view` gives, of each view."""

    normals: Annotated[NDArray, "n H W 3", np.uint8]
    colours: Annotated[NDArray, "n H W 3", np.uint8]
    z: Annotated[NDArray, "n H W", np.float16]


@dataclass(frozen=True)
class ScanSamples:
    """All that a prepared set holds of a scan."""

    shape: Annotated[NDArray, "S", np.float32]  # of the rig, as are
    expression: Annotated[NDArray, "E", np.float32]
    joint_pose: Annotated[NDArray, "J 3", np.float32]  # axis-angle
    landmarks: Annotated[NDArray, "68 3", np.float32]  # NaN where unknown
    cube_from_scan: Annotated[NDArray, "4 4", np.float32]
    near: LabelledPoints  # near the surface
    uniform: LabelledPoints  # anywhere
    surface: SurfacePoints
    view: OrthographicViews

    def tensors(self) -> dict[str, NDArray]:
        """By their names in files, such as near_points."""
        found = {}
        for name, value in vars(self).items():
            found |= {f"{name}_{part}": x for part, x in vars(value).items()} if is_dataclass(value) else {name: value}
        return found

    @staticmethod
    def of(tensors: dict[str, NDArray]) -> ScanSamples:
        """Raises KeyError where one is missing, ValueError where one is not as it is declared."""
        kinds = {"near": LabelledPoints, "uniform": LabelledPoints, "surface": SurfacePoints, "view": OrthographicViews}
        groups = {name: kind(*(tensors[f"{name}_{f.name}"] for f in fields(kind))) for name, kind in kinds.items()}
        values: dict[str, Any] = tensors | groups
        found = ScanSamples(**{f.name: values[f.name] for f in fields(ScanSamples)})
        for group in (found, found.near, found.uniform, found.surface, found.view):
            _check_arrays(group)
        return found

    @property
    def form(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of what is alike in all scans of a set."""
        return tuple(array.shape for array in (self.shape, self.expression, self.joint_pose, self.view.z))


def _check_arrays(group: Any) -> None:
    """ValueError where an array of the group is not of the shape and type it is declared with, or empty, or not finite."""
    sizes: dict[str, int] = {}
    for name, hint in get_type_hints(type(group), include_extras=True).items():
        if not hasattr(hint, "__metadata__"):
            continue
        array, (form, kind) = getattr(group, name), hint.__metadata__
        letters, found = form.split(), array.shape
        wanted = [int(a) if a.isdigit() else sizes.setdefault(a, n) for a, n in zip(letters, found, strict=False)]
        if array.dtype.kind != np.dtype(kind).kind or not array.size or len(letters) != len(found) or wanted != list(found):
            raise ValueError(f"its {name} are {array.dtype} {list(found)}, not {np.dtype(kind)} [{', '.join(letters)}]")
        if array.dtype.kind == "f" and name != "landmarks" and not np.isfinite(array).all():
            raise ValueError(f"its {name} are not finite")


def head_surface(mesh: TriMesh[NDArray]) -> NDArray:
    """Which faces [F] are of the head: inside the cube, and not where it is cut at the cube's sides."""
    return faces_in_box(mesh.vertices, mesh.faces, 1 - RIM)


def sample_occupancy(
    mesh: TriMesh[NDArray], config: SampleConfig, rng: np.random.RandomState
) -> tuple[LabelledPoints, LabelledPoints]:
    """Points near the surface, and anywhere in the cube [ganhead].

    Inside is where the whole scan winds around a point more than half: the scan need not be closed. In front is what lies
    nearer to the foremost point than to the cube's middle.
    """
    of_head = head_surface(mesh)
    front = mesh.vertices[mesh.faces].mean(1)[:, 2] > mesh.vertices[mesh.faces[of_head]][..., 2].max() / 2
    in_front = round(config.face_share * config.near) if (front & of_head).any() else 0
    near = []
    for count, chosen in ((in_front, front & of_head), (config.near - in_front, ~front & of_head)):
        if count:
            face, weights = sample_surface(mesh.vertices, mesh.faces, count, rng, weight=chosen)
            near.append(interpolate_vertices(mesh.vertices, mesh.faces, face, weights))
    near = np.concatenate(near) + config.near_spread * rng.normal(size=(config.near, 3))
    uniform = rng.uniform(-1, 1, (config.uniform, 3))
    tree = mesh_tree(mesh.vertices, mesh.faces)

    def labelled(points: NDArray) -> LabelledPoints:
        points = points.astype(np.float32)
        return LabelledPoints(points, (tree.winding(points) > 0.5).astype(np.uint8))

    return labelled(near), labelled(uniform)


def sample_scan_surface(mesh: TriMesh[NDArray], config: SampleConfig, rng: np.random.RandomState) -> SurfacePoints:
    """Points of the head's surface.

    Colours are those of the scan: they are not stretched to the full range scan by scan, as they once were [ganhead].
    """
    face, weights = sample_surface(mesh.vertices, mesh.faces, config.surface, rng, weight=head_surface(mesh))
    return SurfacePoints(
        interpolate_vertices(mesh.vertices, mesh.faces, face, weights).astype(np.float32),
        _normals_at(_with_normals(mesh), face, weights).astype(np.float16),
        to_bytes(mesh.colours_at(face, weights)),
    )


def render_scan_views(mesh: TriMesh[NDArray], pivot: NDArray, config: SampleConfig) -> OrthographicViews:
    """`render_view` from `views` sides evenly around. View k of n is turned by +360 k / n degrees (towards +x)."""
    mesh, count = _with_normals(mesh), config.views
    found = [render_view(mesh, pivot, 2 * np.pi * k / count, config.view_size) for k in range(count)]
    return OrthographicViews(*(np.stack(column) for column in zip(*found, strict=True)))


def render_view(mesh: TriMesh[NDArray], pivot: NDArray, angle: float, size: int) -> tuple[NDArray, NDArray, NDArray]:
    """An orthographic view of the square [-1, 1]^2 from +z, of a mesh with normals that is turned about the vertical axis
    through `pivot` [3] by an angle in radians.

    Normals and colours [H, W, 3] uint8 (0 to 255 for -1 to 1, and sRGB), white where nothing is; z [H, W] float16 of the turned
    mesh, NO_SURFACE there [ganhead §4.3].
    """
    inside, turn = mesh.select_faces(faces_in_box(mesh.vertices, mesh.faces, 1 + RIM)), rotation_about_y(angle).T
    face, weights, z = orthographic((inside.vertices - pivot) @ turn + pivot, inside.faces, size)
    seen = face >= 0
    outwards = area_vectors(inside.vertices, inside.faces[face[seen]]) @ turn
    seen[seen] = outwards[:, 2] > 0  # not the inside, through a hole
    shown, colours = np.full((2, size, size, 3), 255, np.uint8)
    shown[seen] = to_bytes(_normals_at(inside, face[seen], weights[seen]) @ turn)
    colours[seen] = to_bytes(inside.colours_at(face[seen], weights[seen]))
    return shown, colours, np.where(seen, z, NO_SURFACE).astype(np.float16)


def rotation_about_y(angle: float) -> NDArray:
    """The rotation [3, 3] that takes +z towards +x by an angle in radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def rotated_root_pose(pose: NDArray, angle: float) -> NDArray:
    """The root's rotation vector [3] after its scan has been turned by `rotation_about_y(angle)`."""
    return (Rotation.from_matrix(rotation_about_y(angle)) * Rotation.from_rotvec(pose)).as_rotvec()


def _with_normals(mesh: TriMesh[NDArray]) -> TriMesh[NDArray]:
    return replace(mesh, normals=vertex_normals(mesh.vertices.astype(np.float32), mesh.faces))


def _normals_at(mesh: TriMesh[NDArray], face: NDArray, weights: NDArray) -> NDArray:
    """Unit normals [P, 3] at points of the surface, smooth from those of its vertices."""
    mixed = interpolate_vertices(present(mesh.normals), mesh.faces, face, weights)
    return mixed / np.linalg.norm(mixed, axis=1, keepdims=True).clip(1e-12)
