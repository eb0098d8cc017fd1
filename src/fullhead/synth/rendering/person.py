"""A subject built: its hair grown, its skin painted, its accessories made, and all of it posed in world units.

World: +y up, the face looks along +z, unit as in `core.cameras` (cameras stand 2.7 away). The eyes' midpoint of every
subject lies at WORLD_EYES and heads have nearly the same height, as aligned photo sets have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from fullhead.core.meshes import vertex_normals
from fullhead.core.smooth import smoothstep
from fullhead.rig.arkit import arkit_weights
from fullhead.rig.rig import Rig
from fullhead.rig.template import LEFT_EYE, NECK, RIGHT_EYE, ROOT
from fullhead.synth.anatomy.eyes_and_teeth import eye_texture, eyeball, teeth_texture, teeth_uv
from fullhead.synth.anatomy.regions import LABELS
from fullhead.synth.anatomy.scalp import ScalpSurface, head_weight, scalp_surface
from fullhead.synth.anatomy.skin import skin_roughness, skin_texture
from fullhead.synth.anatomy.template_assets import TemplateAssets
from fullhead.synth.anatomy.textured_mesh import CLOTH, EYE, PLAIN, SKIN, BareMesh, TexturedMesh, textured
from fullhead.synth.clothing.accessories import earring_meshes, glasses_meshes
from fullhead.synth.clothing.hats import HAIR_ROOM, hat_meshes, headscarf_meshes, measure_skull, press_hair
from fullhead.synth.clothing.wardrobe import garment_mesh, garment_texture
from fullhead.synth.hair.face_hair import grow_beard, grow_brows, grow_lashes
from fullhead.synth.hair.strands import Strands, grow_hair
from fullhead.synth.people.subject import Subject

WORLD_EYES = np.array([0.0, 0.0, 0.115])  # world place of the eyes' midpoint
WORLD_PER_DM = 0.148  # world units per dm of a head of average height
HEAD_HEIGHT = 2.32  # dm, chin to crown of the average head
METRES_PER_DM = 0.1


@dataclass(frozen=True)
class Person:
    """A subject's parts that do not depend on the expression, in its own dm frame."""

    assets: TemplateAssets
    subject: Subject
    rig: Rig  # of this person
    neutral: NDArray  # [N, 3], the rig's vertices at rest
    joints: NDArray  # [5, 3] at rest
    scalp: ScalpSurface
    hair: Strands
    hair_weight: NDArray  # [S, K], how far the hair's points follow the head when the neck turns
    accessories: tuple[TexturedMesh, ...]
    skin_texture: NDArray
    skin_roughness: NDArray  # [F]
    garment_texture: NDArray
    eye_texture: NDArray
    scale: float  # world units per dm
    detail: float

    @property
    def metres_per_unit(self) -> float:
        """Of the world."""
        return METRES_PER_DM / self.scale

    def to_world(self, points: NDArray) -> NDArray:
        """World coordinates [..., 3] of points in the subject's frame."""
        return ((points - self.joints[LEFT_EYE:].mean(0)) * self.scale + WORLD_EYES).astype(np.float32)


def build_person(assets: TemplateAssets, subject: Subject, detail: float = 1.0) -> Person:
    """Grow and paint a subject; `detail` in (0, 1] is the share of hairs."""
    rig = assets.template.rig.personal(assets.parameters.of(subject.phenotype, subject.shape))
    neutral = rig.template.numpy()
    skin = (assets.skin.operator @ neutral).astype(np.float32)
    scalp, joints = scalp_surface(assets, skin, vertex_normals(skin, assets.skin.faces)), rig.rest_joints.numpy()
    hair, accessories = _hair_and_accessories(scalp, subject, joints[LEFT_EYE:], detail)
    return Person(
        assets=assets,
        subject=subject,
        rig=rig,
        neutral=neutral,
        joints=joints,
        scalp=scalp,
        hair=hair,
        hair_weight=head_weight(scalp.to_rest(hair.points)[..., 1]).astype(np.float32),
        accessories=tuple(accessories),
        skin_texture=skin_texture(assets, subject),
        skin_roughness=skin_roughness(assets, subject),
        garment_texture=garment_texture(subject, max(192, assets.atlas.size // 2)),
        eye_texture=eye_texture(subject),
        scale=world_scale(assets, skin),
        detail=detail,
    )


def _hair_and_accessories(
    scalp: ScalpSurface, subject: Subject, eyes: NDArray, detail: float
) -> tuple[Strands, list[TexturedMesh]]:
    """Hair, as a hat presses it, and what is worn on the head, in the subject's frame. eyes [2, 3]: their centres."""
    worn, meshes = subject.worn, []
    hidden = worn.hat == "headscarf"
    hair = grow_hair(scalp, subject.with_hair("bald") if hidden else subject, detail)
    if worn.glasses != "none":
        meshes += glasses_meshes(scalp, worn, eyes)
    if worn.earrings != "none" and not hidden:
        meshes += earring_meshes(scalp, subject)
    if hidden:
        meshes += headscarf_meshes(scalp, subject)
    elif worn.hat in HAIR_ROOM:
        skull = measure_skull(scalp)
        meshes += hat_meshes(scalp, subject, skull)
        hair = replace(hair, points=press_hair(skull, worn.hat, hair.points).astype(np.float32))
    return hair, meshes


def world_scale(assets: TemplateAssets, skin: NDArray) -> float:
    """World units per dm of a subject with this subdivided skin."""
    return WORLD_PER_DM * (HEAD_HEIGHT / _head_height(assets, skin)) ** 0.85


def _head_height(assets: TemplateAssets, skin: NDArray) -> float:
    """Chin to crown, dm."""
    rest = assets.rest
    chin = assets.in_head & (np.abs(rest[:, 0]) < 0.1) & (rest[:, 2] > 0.9) & (rest[:, 1] < 6.3)
    return float(skin[assets.on_scalp, 1].max() - skin[chin, 1].min())


def posed_parts(
    person: Person, expression: Mapping[str, float] | None = None, joint_pose: NDArray | None = None
) -> tuple[list[TexturedMesh], list[Strands]]:
    """Surfaces and strands, in world units, with ARKit weights in [0, 1] and joint rotations [5, 3] (axis-angle, radians).

    Which parts there are, and how their vertices are numbered, depends on the person alone.
    """
    pose = None if joint_pose is None else torch.from_numpy(np.asarray(joint_pose, np.float32))[None]
    posed = person.rig(expression=arkit_weights(expression or {})[None], joint_pose=pose)
    vertices, transforms = posed.vertices[0].numpy(), posed.transforms[0].numpy()
    skin = (person.assets.skin.operator @ vertices).astype(np.float32)
    normals = vertex_normals(skin, person.assets.skin.faces)
    meshes = [*_body(person, vertices, skin, normals), *_eyeballs(person, vertices, transforms)]
    meshes += _clothing(person, skin, normals, transforms)
    strands = _strands(person, vertices, scalp_surface(person.assets, skin, normals), transforms)
    return (
        [replace(mesh, vertices=person.to_world(mesh.vertices)) for mesh in meshes],
        [replace(s, points=person.to_world(s.points), radius=s.radius * np.float32(person.scale)) for s in strands],
    )


def turn_with_head(points: NDArray, weight: NDArray, transforms: NDArray) -> NDArray:
    """Points [..., 3] at rest that follow the head's turn by their `weight` [...] of its angle, and the torso otherwise."""
    root, head = transforms[ROOT].astype(float), transforms[NECK].astype(float)
    relative = np.linalg.inv(root) @ head
    turn = Rotation.from_matrix(relative[:3, :3]).as_rotvec()
    angle = float(np.linalg.norm(turn))
    if angle < 1e-6:
        return points @ head[:3, :3].T + head[:3, 3]
    axis = turn / angle
    # The axis goes through the neck's joint: the point that the turn leaves where it is, nearest to the origin.
    fixed = np.linalg.lstsq(np.eye(3) - relative[:3, :3], relative[:3, 3], rcond=None)[0]
    away = points - fixed
    along = (away @ axis)[..., None] * axis
    part = (weight * angle)[..., None]
    turned = fixed + along + np.cos(part) * (away - along) + np.sin(part) * np.cross(axis, away)
    return turned @ root[:3, :3].T + root[:3, 3]


def _body(person: Person, vertices: NDArray, skin: NDArray, normals: NDArray) -> list[TexturedMesh]:
    """Skin, teeth and tongue."""
    assets = person.assets
    body = TexturedMesh(
        vertices=skin[assets.uv_vertex],
        normals=normals[assets.uv_vertex],
        uv=assets.uv,
        faces=assets.uv_faces,
        texture=person.skin_texture,
        labels=assets.labels,
        material=SKIN,
        roughness=person.skin_roughness,
        openness=np.where(assets.in_mouth & ~assets.in_head, 0.35, 1.0)[assets.uv_vertex],
    )
    found = [body]
    lips = float(skin[assets.in_mouth & assets.in_head, 2].max())
    for part, texture, label, roughness in (
        (assets.teeth, teeth_texture(), "teeth", 0.2),
        (assets.tongue, np.array([[[0.38, 0.10, 0.09]]], np.float32), "tongue", 0.3),
    ):
        points = part.operator @ vertices
        openness = 0.25 + 0.65 * np.exp(-np.maximum(lips - points[:, 2], 0) / 0.22)
        mesh = BareMesh(points, part.faces, teeth_uv(part.operator @ person.neutral))
        found.append(textured(mesh, texture, label, PLAIN, roughness, openness))
    return found


def _eyeballs(person: Person, vertices: NDArray, transforms: NDArray) -> list[TexturedMesh]:
    """Both eyeballs, in the shade of their lids."""
    found, assets = [], person.assets
    rims = (assets.skin.operator[assets.in_socket & assets.in_head] @ vertices).astype(float)  # [n, 3]
    for joint, label, own in ((LEFT_EYE, "l_eye", 0), (RIGHT_EYE, "r_eye", 1)):
        centre = person.joints[joint]
        radius = float(np.percentile(np.linalg.norm(person.neutral[assets.eye_vertices[own]] - centre, axis=1), 60))
        ball, turn, shift = eyeball(radius), transforms[joint, :3, :3].T, transforms[joint, :3, 3]
        placed, middle = (ball.vertices + centre) @ turn + shift, centre @ turn + shift
        rim = rims[np.linalg.norm(rims - middle, axis=1) < 2 * radius]
        near, which = KDTree(rim).query(placed)
        reach = np.where(rim[which, 1] > np.median(rim[:, 1]), 0.32, 0.10) * radius
        shade = 0.40 + 0.60 * smoothstep(-0.05, 1.0, near / reach)
        mesh = replace(ball, vertices=placed.astype(np.float32))
        found.append(textured(mesh, person.eye_texture, label, EYE, 0.08, shade))
    return found


def _clothing(person: Person, skin: NDArray, normals: NDArray, transforms: NDArray) -> list[TexturedMesh]:
    """Garment, and what is worn on the head."""
    garment = garment_mesh(person.assets, person.subject.outfit, skin, normals)
    found = [textured(garment, person.garment_texture, "cloth", CLOTH, 0.85)]
    for mesh in person.accessories:
        hangs = mesh.labels[0] == LABELS["headscarf"]
        weight = head_weight(person.scalp.to_rest(mesh.vertices)[:, 1]) if hangs else np.ones(len(mesh.vertices))
        vertices = turn_with_head(mesh.vertices, weight, transforms).astype(np.float32)
        found.append(replace(mesh, vertices=vertices, normals=vertex_normals(vertices, mesh.faces)))
    return found


def _strands(person: Person, vertices: NDArray, scalp: ScalpSurface, transforms: NDArray) -> list[Strands]:
    """All strands; hair moves with head and torso, face hair with the skin."""
    hair = replace(person.hair, points=turn_with_head(person.hair.points, person.hair_weight, transforms))
    brows, beard = grow_brows(scalp, person.subject), grow_beard(scalp, person.subject, person.detail)
    lashes = grow_lashes(person.assets, person.subject, vertices)
    return [strands for strands in (hair, *brows, beard, lashes) if strands is not None and len(strands.points)]
