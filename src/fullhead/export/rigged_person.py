"""A procedural person as a posable model: layers with skin weights and 52 morph targets by ARKit's names, in metres.

Nothing here knows how a person is put together. The person is built once at rest, once for every expression at full weight
and twice for every joint that turns; targets and weights are read off these. What moves otherwise than along straight lines
(eyeballs that look aside, lids that slide over them) becomes the straight line to its end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree

from fullhead.core.meshes import vertex_normals
from fullhead.core.rotations import matrix_from_axis_angle
from fullhead.core.winding import turned_faces
from fullhead.export.posable import LEAST_OFFSET, Layer, RiggedHead, Target
from fullhead.export.rigged_layers import select_strands, strand_layers, surface_layers
from fullhead.rig.arkit import ARKIT, BUILT_ON, alone
from fullhead.rig.identity import shape_parameters
from fullhead.rig.template import JOINT_PARENTS
from fullhead.synth.anatomy.template_assets import load_template_assets
from fullhead.synth.anatomy.textured_mesh import TexturedMesh
from fullhead.synth.people.population import Population
from fullhead.synth.people.subject_sampling import sample_subject
from fullhead.synth.rendering.lights import Lights, light_scene
from fullhead.synth.rendering.person import Person, build_person, posed_parts
from fullhead.synth.rendering.scene import build_scene

LEAST_HAIR_OFFSET = 2e-4  # metres, see LEAST_OFFSET
LEAST_WEIGHT = 0.004
EVEN_LIGHT = Lights(key=np.array([0, 1.0, 0]), key_colour=np.zeros(3), ambient=1.0, rim=np.zeros(3), fill=np.zeros(3))


def rigged_head(
    seed: int, texture_size: int = 2048, hair_detail: float = 1.0, population: Population | None = None
) -> RiggedHead:
    """The procedural head of a seed, of a population, rigged; see `rig_person`."""
    assets = load_template_assets(texture_size)
    subject = sample_subject(seed, shape_parameters(assets.template), population)
    return rig_person(build_person(assets, subject), hair_detail)


def rig_person(person: Person, hair_detail: float = 1.0) -> RiggedHead:
    """Read layers, weights and targets off a person; its strands become ribbons, `hair_detail` times as many as usual."""
    metres = person.metres_per_unit
    joints = person.to_world(person.joints) * metres
    surfaces, strands = posed_parts(person)
    inside_out = [turned_faces(surface.vertices, surface.faces) for surface in surfaces]
    surfaces = list(map(_outwards, surfaces, inside_out))
    light = light_scene(build_scene(person), EVEN_LIGHT, directions=48, size=256)
    hat = person.subject.worn.hat != "none"
    subsets = select_strands(strands, light.strand_ambient, metres, hair_detail, hat)

    def built(expression: dict[str, float], pose: NDArray | None = None) -> tuple[NDArray, NDArray]:
        """Places [P, 3] in metres and normals [P, 3] of all vertices, then of the strands' points, which have none."""
        surfaces, strands = posed_parts(person, expression, pose)
        surfaces = list(map(_outwards, surfaces, inside_out))
        points = [subset.apply(strands).reshape(-1, 3) for subset in subsets]
        places = np.concatenate([*(s.vertices for s in surfaces), *points]) * metres
        return places, np.concatenate([*(s.normals for s in surfaces), *(np.zeros_like(p) for p in points)])

    places, normals = built({})
    in_surfaces = np.arange(len(places)) < sum(len(surface.vertices) for surface in surfaces)
    least = np.where(in_surfaces, LEAST_OFFSET, LEAST_HAIR_OFFSET)
    donors = _donors(places, normals, int(in_surfaces.sum()))
    weights = _weights(places, joints, lambda pose: built({}, pose)[0])
    drawn = surface_layers(person, surfaces, places, normals[donors], joints, light.surface_ambient)
    drawn += strand_layers(strands, subsets, places, joints, metres, surfaces)
    targets: list[dict[str, Target]] = [{} for _ in drawn]
    for name in ARKIT:
        before, faced = built({BUILT_ON[name]: 1.0}) if name in BUILT_ON else (places, normals)
        moved, turned = built(alone(name))
        offsets, turns = moved - before, (turned - faced)[donors]
        for (_, bound, _), found in zip(drawn, targets, strict=True):
            target = Target.of(*(values[bound.anchor] for values in (offsets, turns, least)))
            if len(target.rows):
                found[name] = target
    layers = [
        Layer(
            name=name,
            vertices=(places[bound.anchor] + bound.offset).astype(np.float32),
            normals=bound.normals.astype(np.float32),
            uv=bound.uv,
            light=np.tile(bound.light[:, None], 3),
            faces=bound.faces,
            weights=weights[bound.anchor],
            targets=found,
            material=material,
        )
        for (name, bound, material), found in zip(drawn, targets, strict=True)
    ]
    return RiggedHead(tuple(layers), joints, JOINT_PARENTS, ARKIT, metres)


def _outwards(surface: TexturedMesh, inside_out: NDArray) -> TexturedMesh:
    """A surface whose faces `inside_out` [F] are turned: our pictures show both sides of a face, other programs one."""
    if not inside_out.any():
        return surface
    faces = np.where(inside_out[:, None], surface.faces[:, ::-1], surface.faces)
    return replace(surface, faces=faces, normals=vertex_normals(surface.vertices, faces))


def _donors(places: NDArray, normals: NDArray, count: int) -> NDArray:
    """Whose normal each point gets [P]: its own, or, of the first `count`, the nearest one's where it has none (a pole)."""
    donors = np.arange(len(places))
    lengths = np.linalg.norm(normals[:count], axis=1)
    bare, sound = np.flatnonzero(lengths < 0.5), np.flatnonzero(lengths >= 0.5)
    donors[bare] = sound[KDTree(places[sound]).query(places[bare])[1]]
    return donors


def _weights(rest: NDArray, joints: NDArray, posed: Callable[[NDArray], NDArray]) -> NDArray:
    """Weights [P, J]: how far points follow each joint that turns, compared with points that follow it wholly."""
    below = np.ones((len(rest), len(joints)))  # of a joint and all below it
    for joint in range(1, len(joints)):
        followed, whole = np.zeros(len(rest)), np.full(len(rest), 1e-12)
        for axis in np.eye(3)[:2]:  # two, since points on an axis stay where they are
            pose = np.zeros((len(joints), 3))
            pose[joint] = 0.3 * axis
            turned = (rest - joints[joint]) @ (matrix_from_axis_angle(torch.from_numpy(pose[joint])).numpy() - np.eye(3)).T
            followed += ((posed(pose) - rest) * turned).sum(1)
            whole += (turned**2).sum(1)
        below[:, joint] = followed / whole
    weights = below.copy()
    for joint, parent in enumerate(JOINT_PARENTS):
        if parent >= 0:
            weights[:, parent] -= below[:, joint]
    weights[weights < LEAST_WEIGHT] = 0
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)
