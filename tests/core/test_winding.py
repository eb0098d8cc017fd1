"""Which faces are wound the wrong way: of surfaces whose right side is known, with faces turned by chance or by place."""

import numpy as np
import pytest
import trimesh

from fullhead.core.winding import turned_faces
from fullhead.rig.cube import template_in_cube
from fullhead.rig.template import load_template

Surface = tuple[np.ndarray, np.ndarray]


def ball(radius: float = 1, middle: tuple[float, float, float] = (0, 0, 0)) -> Surface:
    mesh = trimesh.creation.icosphere(3)
    return radius * np.asarray(mesh.vertices) + middle, np.asarray(mesh.faces)


def cut(surface: Surface, height: float) -> Surface:
    """What lies above a height: of a ball, a mask that is open below."""
    vertices, faces = surface
    return vertices, faces[vertices[faces][..., 2].min(1) > height]


def soup(surface: Surface) -> Surface:
    """Each face with vertices of its own, as files have them along seams."""
    vertices, faces = surface
    return vertices[faces].reshape(-1, 3), np.arange(faces.size).reshape(-1, 3)


def together(*surfaces: Surface) -> Surface:
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in surfaces)])
    return np.concatenate([v for v, _ in surfaces]), np.concatenate(
        [f + k for (_, f), k in zip(surfaces, starts, strict=False)]
    )


def reversed_(surface: Surface) -> Surface:
    return surface[0], surface[1][:, ::-1]


def turn(surface: Surface, wrong: np.ndarray) -> Surface:
    return surface[0], np.where(wrong[:, None], surface[1][:, ::-1], surface[1])


SURFACES = {
    "ball": ball(),
    "far": ball(0.1, (100, -50, 30)),
    "half": cut(ball(), 0),
    "mask": cut(ball(), 0.7),
    "soup": soup(ball()),
    "torus": (lambda mesh: (np.asarray(mesh.vertices), np.asarray(mesh.faces)))(trimesh.creation.torus(1, 0.3)),
    "two": together(ball(), ball(0.7, (3, 0, 0))),
}


@pytest.mark.parametrize("name", SURFACES)
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 1])
def test_the_faces_that_were_turned_are_found(name: str, share: float):
    vertices, faces = SURFACES[name]
    wrong = np.random.RandomState(0).rand(len(faces)) < share
    np.testing.assert_array_equal(turned_faces(*turn((vertices, faces), wrong)), wrong)


def test_a_piece_that_is_inside_out_is_turned_alone_unless_it_is_a_hollow():
    beside = together(ball(), reversed_(ball(0.5, (3, 0, 0))))
    half = len(beside[1]) // 2
    np.testing.assert_array_equal(turned_faces(*beside), np.arange(2 * half) >= half)
    hollow = together(ball(), reversed_(ball(0.5)))
    assert not turned_faces(*hollow).any()
    assert turned_faces(*reversed_(hollow)).all()


def test_surfaces_without_an_inside_or_with_one_side_only_are_left_as_they_are():
    flat = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float), np.array([[0, 2, 1], [0, 3, 2]])
    assert not turned_faces(*flat).any()
    angle = np.linspace(0, 2 * np.pi, 41)[:-1]
    around = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    across = 0.2 * (np.cos(angle / 2)[:, None] * around + np.sin(angle / 2)[:, None] * [0, 0, 1])
    k = np.arange(39)
    strip = np.concatenate([np.stack([k, k + 1, k + 41], 1), np.stack([k, k + 41, k + 40], 1), [[39, 40, 0], [39, 0, 79]]])
    assert not turned_faces(np.concatenate([around - across, around + across]), strip).any()  # of Moebius


def test_a_face_that_has_lost_its_area_joins_nothing():
    vertices, faces = ball()
    assert not turned_faces(vertices, np.concatenate([faces, [[0, 0, 1], [1, 0, 0], [2, 2, 2]]])).any()


def test_the_open_skin_of_the_rig_faces_out():
    cube = template_in_cube(load_template())
    vertices, faces = cube.rig().vertices[0].double().numpy(), cube.surface.numpy()
    assert not turned_faces(vertices, faces).any()
    assert turned_faces(vertices, faces[:, ::-1]).all()
