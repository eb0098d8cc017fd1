"""A subject built in world units: textured surfaces and strands, packed into flat arrays for the renderer.

World: +y up, the face looks along +z, unit as in `core.cameras` (cameras stand 2.7 away). The eyes' midpoint of every
subject lies at EYES and heads have nearly the same height, as aligned photo sets have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from fullhead.core.meshes import vertex_normals
from fullhead.core.random import stream
from fullhead.core.smooth import smoothstep
from fullhead.core.triangles import unit_vectors
from fullhead.rig.arkit import arkit_weights
from fullhead.rig.rig import Rig
from fullhead.rig.template import LEFT_EYE, NECK, RIGHT_EYE, ROOT
from fullhead.synth.anatomy import regions
from fullhead.synth.anatomy.eyes import eye_texture, eyeball
from fullhead.synth.anatomy.scalp import Ground, ground, head_share
from fullhead.synth.anatomy.skin import skin_roughness, skin_texture
from fullhead.synth.anatomy.teeth import teeth_texture, teeth_uv
from fullhead.synth.anatomy.template_assets import Studio
from fullhead.synth.clothing.accessories import Thing, earrings, glasses
from fullhead.synth.clothing.hats import ROOM, hat, headscarf, pressed, skull
from fullhead.synth.clothing.wardrobe import cloth, cloth_texture
from fullhead.synth.hair.face_hair import beard, brows, lashes
from fullhead.synth.hair.strands import Strands, grow_hair
from fullhead.synth.people.subject import Subject

EYES = np.array([0.0, 0.0, 0.115])  # world place of the eyes' midpoint
SCALE = 0.148  # world units per dm of a head of average height
HEAD_HEIGHT = 2.32  # dm, chin to crown of the average head

SKIN, EYE, PLAIN, CLOTH, GLASS = range(5)  # materials
MATERIALS = {"skin": SKIN, "eye": EYE, "plain": PLAIN, "cloth": CLOTH, "glass": GLASS}


@dataclass(frozen=True)
class Surface:
    """A textured mesh. `texture` [h, w, 3] is linear, row 0 at v = 1; labels are per triangle."""

    vertices: NDArray  # [V, 3] world
    normals: NDArray  # [V, 3]
    uv: NDArray  # [V, 2]
    triangles: NDArray  # [F, 3]
    texture: NDArray
    labels: NDArray  # [F] uint8
    material: int
    roughness: float | NDArray  # of all triangles or of each [F]
    open: NDArray | None = None  # [V], share of the light that lids and lips let through; None for all of it


@dataclass(frozen=True)
class Scene:
    """Surfaces and strands of one head in flat float32 arrays, world units."""

    vertices: NDArray  # [V, 3]
    normals: NDArray  # [V, 3]
    uv: NDArray  # [V, 2]
    triangles: NDArray  # [F, 3] int32
    triangle_texture: NDArray  # [F] int32, row of texture_place
    triangle_label: NDArray  # [F] uint8
    triangle_material: NDArray  # [F] int32
    triangle_roughness: NDArray  # [F]
    triangle_keep: NDArray  # [F], share of its pixels that are drawn; 0 for glass, which is laid over the picture
    vertex_open: NDArray  # [V], as in Surface
    texels: NDArray  # [T, 3], all textures after each other
    texture_place: NDArray  # [n, 3] int64: height, width, first texel
    strand_points: NDArray  # [P, 3]
    strand_tangents: NDArray  # [P, 3]
    strand_radius: NDArray  # [P]
    strand_colour: NDArray  # [P, 3]
    segments: NDArray  # [S, 2] int32, rows of strand_points
    segment_label: NDArray  # [S] uint8
    hair_segments: int  # how many of them, the first, are the head's hair


@dataclass(frozen=True)
class Person:
    """A subject's parts that do not depend on the expression, in its own dm frame."""

    studio: Studio
    subject: Subject
    rig: Rig  # of this person
    neutral: NDArray  # [N, 3], the rig's vertices at rest
    joints: NDArray  # [5, 3] at rest
    place: Ground
    hair: Strands
    hair_share: NDArray  # [S, K], how far the hair's points follow the head when the neck turns
    things: tuple[Thing, ...]  # worn on the head
    skin_texture: NDArray
    skin_roughness: NDArray  # [F]
    cloth_texture: NDArray
    eye_texture: NDArray
    scale: float  # world units per dm
    detail: float

    def to_world(self, points: NDArray) -> NDArray:
        """World coordinates [..., 3] of points in the subject's frame."""
        return ((points - self.joints[LEFT_EYE:].mean(0)) * self.scale + EYES).astype(np.float32)


def build_person(studio: Studio, subject: Subject, detail: float = 1.0) -> Person:
    """Grow and paint a subject; `detail` in (0, 1] is the share of hairs."""
    rig = studio.template.rig.personal(studio.parameters.of(subject.phenotype, subject.shape))
    neutral = rig.template.numpy()
    skin = (studio.skin.operator @ neutral).astype(np.float32)
    place, joints = ground(studio, skin, vertex_normals(skin, studio.skin.triangles)), rig.rest_joints.numpy()
    hair, things = _dressed(place, subject, joints[LEFT_EYE:], detail)
    return Person(
        studio=studio,
        subject=subject,
        rig=rig,
        neutral=neutral,
        joints=joints,
        place=place,
        hair=hair,
        hair_share=head_share(place.to_rest(hair.points)[..., 1]).astype(np.float32),
        things=tuple(things),
        skin_texture=skin_texture(studio, subject),
        skin_roughness=skin_roughness(studio, subject),
        cloth_texture=cloth_texture(subject, max(192, studio.atlas.size // 2)),
        eye_texture=eye_texture(subject),
        scale=SCALE * (HEAD_HEIGHT / _head_height(studio, skin)) ** 0.85,
        detail=detail,
    )


def _dressed(place: Ground, subject: Subject, eyes: NDArray, detail: float) -> tuple[Strands, list[Thing]]:
    """Hair, as a hat presses it, and what is worn on the head."""
    worn, things = subject.worn, []
    hidden = worn.hat == "headscarf"
    hair = grow_hair(place, subject.with_hair("bald") if hidden else subject, detail)
    if worn.glasses != "none":
        things += glasses(place, worn, eyes)
    if worn.earrings != "none" and not hidden:
        things += earrings(place, subject)
    if hidden:
        things += headscarf(place, subject)
    elif worn.hat in ROOM:
        head = skull(place)
        things += hat(place, subject, head)
        hair = replace(hair, points=pressed(head, worn.hat, hair.points).astype(np.float32))
    return hair, things


def _head_height(studio: Studio, skin: NDArray) -> float:
    """Chin to crown, dm."""
    rest = studio.rest
    chin = studio.in_head & (np.abs(rest[:, 0]) < 0.1) & (rest[:, 2] > 0.9) & (rest[:, 1] < 6.3)
    return float(skin[regions.scalp(rest) > 0.5, 1].max() - skin[chin, 1].min())


def build_scene(person: Person, expression: Mapping[str, float] | None = None, joint_pose: NDArray | None = None) -> Scene:
    """The person with ARKit weights in [0, 1] and joint rotations [5, 3] (axis-angle, radians)."""
    return _packed(*posed_parts(person, expression, joint_pose))


def posed_parts(
    person: Person, expression: Mapping[str, float] | None = None, joint_pose: NDArray | None = None
) -> tuple[list[Surface], list[tuple[Strands, NDArray]]]:
    """Surfaces and strands of `build_scene`, apart; strands with their points [S, K, 3] and radius in world units.

    Which parts there are, and how their vertices are numbered, depends on the person alone.
    """
    pose = None if joint_pose is None else torch.from_numpy(np.asarray(joint_pose, np.float32))[None]
    posed = person.rig(expression=arkit_weights(expression or {})[None], joint_pose=pose)
    vertices, transforms = posed.vertices[0].numpy(), posed.transforms[0].numpy()
    skin = (person.studio.skin.operator @ vertices).astype(np.float32)
    normals = vertex_normals(skin, person.studio.skin.triangles)
    surfaces = [*_body_surfaces(person, vertices, skin, normals), *_eye_surfaces(person, vertices, transforms)]
    surfaces += _worn(person, skin, normals, transforms)
    return surfaces, _strands(person, vertices, ground(person.studio, skin, normals), transforms)


def carried(points: NDArray, share: NDArray, transforms: NDArray) -> NDArray:
    """Points [..., 3] at rest that follow the head's turn by their `share` [...] of its angle, and the torso otherwise."""
    root, head = transforms[ROOT].astype(float), transforms[NECK].astype(float)
    relative = np.linalg.inv(root) @ head
    turn = Rotation.from_matrix(relative[:3, :3]).as_rotvec()
    angle = float(np.linalg.norm(turn))
    if angle < 1e-6:
        return points @ head[:3, :3].T + head[:3, 3]
    axis = turn / angle
    # The axis goes through the neck's joint: the point that the turn leaves where it is, nearest to the origin.
    still = np.linalg.lstsq(np.eye(3) - relative[:3, :3], relative[:3, 3], rcond=None)[0]
    away = points - still
    along = (away @ axis)[..., None] * axis
    part = (share * angle)[..., None]
    turned = still + along + np.cos(part) * (away - along) + np.sin(part) * np.cross(axis, away)
    return turned @ root[:3, :3].T + root[:3, 3]


def _surface(
    person: Person, points: NDArray, triangles: NDArray, texture: NDArray, label: str, material: int, roughness: float,
    uv: NDArray | None = None, open: NDArray | None = None,
) -> Surface:  # fmt: skip
    return Surface(
        vertices=person.to_world(points),
        normals=vertex_normals(points, triangles),
        uv=np.zeros((len(points), 2), np.float32) if uv is None else uv,
        triangles=triangles,
        texture=texture,
        labels=np.full(len(triangles), regions.LABELS[label], np.uint8),
        material=material,
        roughness=roughness,
        open=open,
    )


def _body_surfaces(person: Person, vertices: NDArray, skin: NDArray, normals: NDArray) -> list[Surface]:
    """Skin, teeth and tongue."""
    studio = person.studio
    body = Surface(
        vertices=person.to_world(skin)[studio.seam_vertex],
        normals=normals[studio.seam_vertex],
        uv=studio.seam_uv,
        triangles=studio.seam_triangles,
        texture=person.skin_texture,
        labels=studio.labels,
        material=SKIN,
        roughness=person.skin_roughness,
        open=np.where(studio.in_mouth & ~studio.in_head, 0.35, 1.0)[studio.seam_vertex],
    )
    found = [body]
    lips = float(skin[studio.in_mouth & studio.in_head, 2].max())
    for part, texture, label, roughness in (
        (studio.teeth, teeth_texture(), "teeth", 0.2),
        (studio.tongue, np.array([[[0.38, 0.10, 0.09]]], np.float32), "tongue", 0.3),
    ):
        points = part.operator @ vertices
        open_share = 0.25 + 0.65 * np.exp(-np.maximum(lips - points[:, 2], 0) / 0.22)
        uv = teeth_uv(part.operator @ person.neutral)
        found.append(_surface(person, points, part.triangles, texture, label, PLAIN, roughness, uv, open_share))
    return found


def _eye_surfaces(person: Person, vertices: NDArray, transforms: NDArray) -> list[Surface]:
    """Both eyeballs, in the shade of their lids."""
    found, studio = [], person.studio
    rims = (studio.skin.operator[studio.in_socket & studio.in_head] @ vertices).astype(float)  # [n, 3]
    for joint, label, own in ((LEFT_EYE, "l_eye", 0), (RIGHT_EYE, "r_eye", 1)):
        centre = person.joints[joint]
        helper = person.neutral[person.studio.eye_vertices[own]]
        radius = float(np.percentile(np.linalg.norm(helper - centre, axis=1), 60))
        points, triangles, uv = eyeball(radius)
        placed = (points + centre) @ transforms[joint, :3, :3].T + transforms[joint, :3, 3]
        middle = (centre @ transforms[joint, :3, :3].T) + transforms[joint, :3, 3]
        rim = rims[np.linalg.norm(rims - middle, axis=1) < 2 * radius]
        near, which = KDTree(rim).query(placed)
        reach = np.where(rim[which, 1] > np.median(rim[:, 1]), 0.32, 0.10) * radius
        shade = 0.40 + 0.60 * smoothstep(-0.05, 1.0, near / reach)
        texture = person.eye_texture
        found.append(_surface(person, placed.astype(np.float32), triangles, texture, label, EYE, 0.08, uv, open=shade))
    return found


def _worn(person: Person, skin: NDArray, normals: NDArray, transforms: NDArray) -> list[Surface]:
    """Garment, and what is worn on the head."""
    points, triangles, uv = cloth(person.studio, person.subject.outfit, skin, normals)
    found = [_surface(person, points, triangles, person.cloth_texture, "cloth", CLOTH, 0.85, uv)]
    for thing in person.things:
        share = head_share(person.place.to_rest(thing.points)[:, 1])
        share = share if thing.label == "headscarf" else np.ones(len(thing.points))
        points = carried(thing.points, share, transforms).astype(np.float32)
        material = MATERIALS[thing.material]
        found.append(_surface(person, points, thing.triangles, thing.texture, thing.label, material, thing.roughness, thing.uv))
    return found


def _strands(person: Person, vertices: NDArray, face: Ground, transforms: NDArray) -> list[tuple[Strands, NDArray]]:
    """All strands, with radius and points [S, K, 3] in world units; hair moves with head and torso, face hair with the skin."""
    found = [(person.hair, carried(person.hair.points, person.hair_share, transforms))]
    subject = person.subject
    growths = [
        *brows(face, subject),
        beard(face, subject, person.detail),
        lashes(person.studio, subject, vertices),
    ]
    found += [(growth, growth.points) for growth in growths if growth is not None]
    in_world = [(s, person.to_world(points)) for s, points in found if len(points)]
    return [(replace(s, radius=s.radius * np.float32(person.scale)), points) for s, points in in_world]


def _packed(surfaces: list[Surface], strands: list[tuple[Strands, NDArray]]) -> Scene:
    counts = np.cumsum([0, *(len(s.vertices) for s in surfaces)])
    sizes = [s.texture.shape[0] * s.texture.shape[1] for s in surfaces]
    first_texel = np.cumsum([0, *sizes])

    def joined(parts: list[NDArray], dtype: type) -> NDArray:
        return np.ascontiguousarray(np.concatenate(parts), dtype=dtype)

    def per_triangle(values: list[Any], dtype: type) -> NDArray:
        return joined([np.broadcast_to(value, len(s.triangles)) for s, value in zip(surfaces, values, strict=True)], dtype)

    points, tangents, radius, colour, segments, labels = [], [], [], [], [], []
    start = 0
    for hair, placed in strands:
        n, k = placed.shape[:2]
        t = np.linspace(0, 1, k)
        tangent = unit_vectors(np.gradient(placed, axis=1))
        own = stream(0, "lean of strands").normal(size=(n, 1, 3))  # so that no two strands shine at quite the same place
        points.append(placed.reshape(-1, 3))
        tangents.append(unit_vectors(tangent + 0.07 * own).reshape(-1, 3))
        radius.append((hair.radius[:, None] * (1 - 0.5 * t**2)).ravel())
        colour.append((hair.colour[:, None] * (0.78 + 0.35 * t)[:, None]).reshape(-1, 3))
        first = (start + np.arange(n)[:, None] * k + np.arange(k - 1)).ravel()
        segments.append(np.stack([first, first + 1], axis=1))
        labels.append(np.full(len(first), hair.label))
        start += n * k
    return Scene(
        vertices=joined([s.vertices for s in surfaces], np.float32),
        normals=joined([s.normals for s in surfaces], np.float32),
        uv=joined([s.uv for s in surfaces], np.float32),
        triangles=joined([s.triangles + c for s, c in zip(surfaces, counts[:-1], strict=True)], np.int32),
        triangle_texture=per_triangle(list(range(len(surfaces))), np.int32),
        triangle_label=joined([s.labels for s in surfaces], np.uint8),
        triangle_material=per_triangle([s.material for s in surfaces], np.int32),
        triangle_roughness=per_triangle([s.roughness for s in surfaces], np.float32),
        triangle_keep=per_triangle([0.0 if s.material == GLASS else 1.0 for s in surfaces], np.float32),
        vertex_open=joined([np.ones(len(s.vertices)) if s.open is None else s.open for s in surfaces], np.float32),
        texels=joined([s.texture.reshape(-1, 3) for s in surfaces], np.float32),
        texture_place=np.array([[*s.texture.shape[:2], f] for s, f in zip(surfaces, first_texel[:-1], strict=True)], np.int64),
        strand_points=joined(points or [np.zeros((0, 3))], np.float32),
        strand_tangents=joined(tangents or [np.zeros((0, 3))], np.float32),
        strand_radius=joined(radius or [np.zeros(0)], np.float32),
        strand_colour=joined(colour or [np.zeros((0, 3))], np.float32),
        segments=joined(segments or [np.zeros((0, 2))], np.int32),
        segment_label=joined(labels or [np.zeros(0)], np.uint8),
        hair_segments=sum(len(found) for found in labels if found[0] == regions.LABELS["hair"]),
    )
