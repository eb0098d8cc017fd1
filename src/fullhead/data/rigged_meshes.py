"""Heads in correspondence from a folder of meshes in the layout of Head360's SynHead100.

    mesh_lms/meshes/<subject>_<expression>.obj    vertices alone; the folder given may also be mesh_lms, or meshes itself
    mesh_lms/lms/<subject>_<expression>.txt       12 points of the outer lips, which are vertices; may be missing
    template.obj                                  faces and texture coordinates; may lie elsewhere

Names of expressions are ARKit's, in any case and with a slip of the pen. The layout has no heads at rest. Where there is no
file <subject>_neutral.obj, the head at rest is put together: expressions of eyes and brows leave the lower face alone and those
of jaw, mouth and tongue the upper, so at each vertex it is the median of the expressions that move it least.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fullhead.core.errors import FullheadError
from fullhead.io.mesh_files import read_mesh
from fullhead.io.reading import reading
from fullhead.rig.arkit import ARKIT, BUILT_ON, SPELT
from fullhead.rig.rigged_heads import RiggedHeads, SharedMesh, landmarks_of_vertices
from fullhead.rig.template import load_template
from fullhead.synth.datasets.rigged_heads import METRES_PER_MESH_UNIT, template_mesh

LOG = logging.getLogger("fullhead")
NEUTRAL = "neutral"
UPPER, LOWER = ("eye", "brow"), ("jaw", "mouth", "tongue")  # how names of expressions begin
FEWEST = 5  # expressions of each half of the face, from which the head at rest is found
ALIKE = 0.85  # of a name and ARKit's
INCLUDED = 0.4  # share of what it is built on from which an expression is taken to show that, too
FARTHEST = 1e4  # of a vertex
HINT = "get the file again"


@dataclass(frozen=True)
class MeshFolder:
    """The files by subject and expression (of ARKIT, or "neutral"), all subjects with the same ones."""

    files: dict[str, dict[str, Path]]
    template: Path

    @property
    def subjects(self) -> list[str]:
        return list(self.files)

    def read(
        self,
        subjects: Sequence[str],
        metres: float | None = None,
        track: Callable[[Sequence[str]], Iterable[str]] = iter,
    ) -> RiggedHeads:
        """The heads of these subjects, in the frame and unit of their files. metres: length of a unit, by default that of
        meshes of `fullhead synth heads360` if they have our template's vertices, else 1."""
        first = next(iter(self.files[subjects[0]].values()))
        count = len(read_vertices(first))
        shared, unit = _shared(self.template, count, first)
        heads = torch.empty(len(subjects), 1 + len(ARKIT), count, 3)
        for row, subject in enumerate(track(subjects)):
            heads[row] = torch.from_numpy(_faces({name: read_vertices(p, count) for name, p in self.files[subject].items()}))
        return RiggedHeads(shared, tuple(subjects), heads, torch.empty(len(subjects), 0, 3), metres or unit)


def mesh_folder(folder: Path, template: Path | None = None) -> MeshFolder:
    """What is in a folder. Raises FullheadError, with the reason, if it does not have the layout."""
    if not folder.is_dir():
        raise FullheadError(f"no folder {folder}: give one of meshes, or the word synth for procedural heads")
    places = [folder / "mesh_lms" / "meshes", folder / "meshes", folder]
    place = next((place for place in places if any(place.glob("*_*.obj"))), None)
    if place is None:
        raise FullheadError(f"{folder} has no meshes such as mesh_lms/meshes/SUBJECT_jawOpen.obj: unpack shards into folders")
    files = dict[str, dict[str, Path]]()
    for path in sorted(place.glob("*_*.obj")):
        subject, _, word = path.stem.rpartition("_")
        of_subject = files.setdefault(subject, {})
        if (name := _expression(path, word)) in of_subject:
            raise FullheadError(f"{path.name} and {of_subject[name].name} are the same expression: keep one of them")
        of_subject[name] = path
    known = set[str]().union(*files.values())
    for subject, of_subject in files.items():
        if lacking := sorted(known - set(of_subject)):
            raise FullheadError(
                f"{place} lacks {subject}_{lacking[0]}.obj, which other subjects have: add it, or remove {subject}"
            )
    if missing := [name for name in ARKIT if name not in known]:
        LOG.warning("%s has no %s: %s in the model", place, ", ".join(missing), "they move nothing")
    halves = [sum(name.startswith(half) for name in known) for half in (UPPER, LOWER)]
    if NEUTRAL not in known and min(halves) < FEWEST:
        raise FullheadError(f"{place} has too few expressions to tell how heads are at rest: add SUBJECT_{NEUTRAL}.obj of each")
    found = [template] if template else [p / "template.obj" for p in (folder, *folder.resolve().parents[:2])]
    there = next((path for path in found if path.is_file()), None)
    if there is None:
        raise FullheadError(f"no {found[0]}, which has the faces of the meshes: give it by --template")
    return MeshFolder(files, there)


def read_vertices(path: Path, count: int | None = None) -> NDArray:
    """Vertices [V, 3] float32 of an .obj; FullheadError if there are not `count`."""
    with reading(path, HINT):
        rows = [line[2:] for line in path.read_bytes().splitlines() if line.startswith(b"v ")]
        words = b" ".join(rows).split()
        if not rows or len(words) % len(rows) or len(words) < 3 * len(rows):
            raise ValueError("it has no vertices of three numbers")
        vertices = np.array(words, dtype=np.float32).reshape(len(rows), -1)[:, :3]
        if not (np.abs(vertices) < FARTHEST).all():
            raise ValueError("it has vertices that are not finite, or far away")
    if count is not None and len(vertices) != count:
        raise FullheadError(f"{path} has {len(vertices)} vertices, not {count} as the others have")
    return vertices


def neutral_of(shapes: dict[str, NDArray]) -> NDArray:
    """The head at rest [V, 3] of expressions by name."""
    halves = [np.stack([shape for name, shape in shapes.items() if name.startswith(half)]) for half in (UPPER, LOWER)]
    medians = [np.median(half, axis=0) for half in halves]
    spreads = [np.abs(half - median).mean(axis=(0, 2)) for half, median in zip(halves, medians, strict=True)]
    return np.where((spreads[0] <= spreads[1])[:, None], medians[0], medians[1]).astype(np.float32)


def _faces(shapes: dict[str, NDArray]) -> NDArray:
    """[53, V, 3] of a subject's shapes: at rest, then each expression with what it is built on."""
    rest = shapes.get(NEUTRAL)
    rest = neutral_of(shapes) if rest is None else rest
    made = {name: shapes.get(name, rest) for name in ARKIT}
    for name, base in BUILT_ON.items():
        under, over = made[base] - rest, made[name] - rest
        if float((over * under).sum()) < INCLUDED * float((under * under).sum()):
            made[name] = made[name] + under
    return np.stack([rest, *made.values()])


def _expression(path: Path, word: str) -> str:
    if word.lower() == NEUTRAL:
        return NEUTRAL
    near = get_close_matches(word.lower(), SPELT, 1, ALIKE)
    if not near:
        raise FullheadError(f"{path.name}: {word!r} is no expression of ARKit; names are as SUBJECT_jawOpen.obj")
    return SPELT[near[0]]


def _shared(template: Path, count: int, first: Path) -> tuple[SharedMesh, float]:
    """The mesh, and metres of a unit; `first` is one of the meshes."""
    ours = load_template()
    if count == len(ours.vertices):
        none = {"skin_weights": torch.empty(count, 0), "pose_basis": torch.empty(0, count, 3)}
        return replace(template_mesh(ours), **none), METRES_PER_MESH_UNIT
    mesh = read_mesh(template)
    if len(mesh.vertices) != count:
        raise FullheadError(f"{template} has {len(mesh.vertices)} vertices, but {first.name} has {count}: give its template")
    corners = np.zeros((len(mesh.faces), 3, 2)) if mesh.uv is None else mesh.uv
    uv, places = np.unique(corners.reshape(-1, 2), axis=0, return_inverse=True)
    vertices, weights = landmarks_of_vertices(torch.from_numpy(_lips(first)))
    return (
        SharedMesh(
            faces=torch.from_numpy(mesh.faces.astype(np.int64)),
            uv=torch.from_numpy(uv.astype(np.float32)),
            uv_faces=torch.from_numpy(places.reshape(-1, 3).astype(np.int64)),
            parts=(("head", len(mesh.faces)),),
            landmark_vertices=vertices,
            landmark_weights=weights,
            dense_vertices=torch.empty(0, dtype=torch.int64),
            skin_weights=torch.empty(count, 0),
            pose_basis=torch.empty(0, count, 3),
            importance=torch.ones(count),
        ),
        1.0,
    )


def _lips(mesh: Path) -> NDArray:
    """The vertices [12] that the landmarks beside a mesh are; [0] if there are none."""
    path = mesh.parent.parent / "lms" / f"{mesh.stem}.txt"
    if not path.is_file():
        return np.empty(0, np.int64)
    with reading(path, HINT):
        points = np.array(path.read_text().split(), np.float64).reshape(-1, 3)
        if len(points) != 12 or not np.isfinite(points).all():
            raise ValueError(f"it has {len(points)} points, not 12")
    apart = np.linalg.norm(points[:, None] - read_vertices(mesh)[None], axis=2)
    return apart.argmin(axis=1)
