"""Scans: closed, coloured, where the rig's parameters say; raw ones lead back to them."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from safetensors.numpy import load_file

from fullhead.core.colour import to_bytes
from fullhead.io.mesh_files import read_mesh
from fullhead.io.sets import read_records, write_set
from fullhead.kernels.tree import mesh_tree
from fullhead.rig.cube import EYES, UNITS_PER_METRE
from fullhead.rig.template import load_template
from fullhead.synth.anatomy.regions import LABELS
from fullhead.synth.anatomy.template_assets import load_template_assets
from fullhead.synth.anatomy.textured_mesh import CLOTH, SKIN
from fullhead.synth.datasets.options import ScansOptions
from fullhead.synth.datasets.scans import Scans, expression_and_pose, make_scan
from fullhead.synth.datasets.shots import RenderContext
from fullhead.synth.datasets.watertight import watertight_mesh
from fullhead.synth.people.population import population
from fullhead.synth.rendering.person import METRES_PER_DM, WORLD_EYES
from fullhead.synth.rendering.scene import build_scene
from mesh_defects import defects

CELLS = 72


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scans")
    recipe = Scans(ScansOptions(subjects=1, scans_per_subject=2, seed=4, resolution=CELLS, raw=True))
    assert write_set(out, recipe, workers=0, quiet=True) == 2
    return out


@pytest.mark.parametrize("key", ["s0000/00", "s0000/01"])
def test_a_scan_is_one_closed_piece_in_the_cube_with_colours(key: str, scans: Path) -> None:
    mesh = trimesh.load(scans / f"scans/{key}.ply", process=False)
    assert isinstance(mesh, trimesh.Trimesh)
    found = defects(mesh.vertices, mesh.faces)
    assert (found.components, found.open_edges) == (1, 0)
    assert np.abs(mesh.vertices).max() <= 1 and mesh.volume > 0.3  # faces look outwards
    colours = np.asarray(mesh.visual.vertex_colors)[:, :3]
    assert colours.std(axis=0).min() > 5
    np.testing.assert_allclose(np.linalg.norm(mesh.vertex_normals, axis=1), 1, atol=1e-3)


@pytest.mark.parametrize("key", ["s0000/00", "s0000/01"])
def test_the_rig_s_parameters_give_the_body_exactly_and_it_lies_in_the_scan(key: str, scans: Path) -> None:
    saved, template = load_file(scans / f"rigs/{key}.safetensors"), load_template()
    shape, expression, pose = (torch.from_numpy(saved[name])[None] for name in ("shape", "expression", "joint_pose"))
    posed = template.rig(shape, expression, pose).placed(float(saved["scale"][0]), torch.from_numpy(saved["translation"])[None])
    np.testing.assert_array_equal(posed.vertices[0].numpy(), saved["vertices"])
    np.testing.assert_array_equal(posed.joints[0].numpy(), saved["joints"])
    assets, mesh = load_template_assets(64), read_mesh(scans / f"scans/{key}.ply")
    skin = assets.skin.operator @ saved["vertices"]
    face = np.unique(assets.skin.faces[np.isin(assets.labels, [LABELS["nose"]])])
    assert mesh_tree(mesh.vertices, mesh.faces).closest(skin[face])[2].max() < 2 / CELLS
    assert mesh_tree(mesh.vertices, mesh.faces).closest(saved["landmarks"][[30, 33, 8]])[2].max() < 2 / CELLS


def test_the_eyes_lie_where_the_cube_has_them(scans: Path) -> None:
    saved = load_file(scans / "rigs/s0000/00.safetensors")
    np.testing.assert_allclose(saved["joints"][3:].mean(0), EYES, atol=1e-6)
    apart = np.linalg.norm(saved["joints"][3] - saved["joints"][4]) / UNITS_PER_METRE
    assert 0.05 < apart < 0.08  # metres


def test_no_skin_shows_through_cloth() -> None:
    """Under cloth that lies within two cells, colours are the cloth's; skin is painted red for this, all else blue."""
    context = RenderContext(64)
    who = population(["hair.style=bald", "outfit.collar=crew"])
    person = context.person(context.subject(4, who))
    scene = build_scene(person)
    surfaces = scene.surfaces
    painted = np.tile(np.array([0, 0, 1], surfaces.texels.dtype), (len(surfaces.texels), 1))
    for number in np.unique(surfaces.texture[surfaces.material == SKIN]):
        height, width, first = surfaces.texture_layout[number]
        painted[first : first + height * width] = [1, 0, 0]
    scale = UNITS_PER_METRE * METRES_PER_DM / person.scale
    translation = np.array(EYES) - scale * WORLD_EYES
    mesh = watertight_mesh(replace(scene, surfaces=surfaces._replace(texels=painted)), scale, translation, CELLS)
    cloth_points, cloth_faces = surfaces.vertices * scale + translation, surfaces.faces[surfaces.material == CLOTH]
    cloth = mesh_tree(cloth_points, cloth_faces)
    found, weights, distance = cloth.closest(mesh.vertices.astype(float))
    corners = cloth_points[cloth_faces[found]]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    off = mesh.vertices - (corners * weights[..., None]).sum(1)
    under = (off * normals).sum(1) < -0.95 * distance * np.linalg.norm(normals, axis=1)
    near, red = under & (distance < 2 * 2 / CELLS), mesh.colours[:, 0] > mesh.colours[:, 2]
    assert near.sum() > 1000 and red.sum() > 1000 and (near & red).sum() < 10  # it was 427


def test_cloth_over_skin_has_no_pits_and_eyes_have_their_colours() -> None:
    """At 128 cells a shirt lies about a cell off the skin, and an eye is three cells high."""
    context = RenderContext(64)
    who = population(["hair.style=bald", "outfit.collar=crew", "worn.hat=none", "worn.glasses=none", "eyes.iris=blue"])
    person = context.person(context.subject(4, who))
    scene, scale = build_scene(person), UNITS_PER_METRE * METRES_PER_DM / person.scale
    mesh = make_scan(person, {}, np.zeros((5, 3)), 128)
    surfaces = scene.surfaces
    points = surfaces.vertices * scale + np.array(EYES) - scale * WORLD_EYES
    cloth_faces = surfaces.faces[surfaces.material == CLOTH]
    cloth = mesh_tree(points, cloth_faces)
    found, weights, distance = cloth.closest(mesh.vertices.astype(float))
    corners = points[cloth_faces[found]]
    inner = (weights > 0.01).all(1) & (distance < 1.5 * 2 / 128)  # above or below it, not beside its border
    inner &= (np.abs(mesh.vertices).max(1) < 0.97) & (np.abs(mesh.vertices[:, 0]) > 0.42)  # nor at the cut nor at the collar
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = (mesh.normals * normals).sum(1) / np.linalg.norm(normals, axis=1)
    assert inner.sum() > 3000 and (inner & (facing < 0.5)).sum() < 5  # it was 374
    near = np.linalg.norm(mesh.vertices[:, :2] - np.array([0.16, EYES[1]]), axis=1) < 0.06
    front = to_bytes(mesh.colours[near & (mesh.vertices[:, 2] > 0.3)]).astype(int)
    pupil, white, blue = front.max(1) < 40, front.min(1) > 150, front[:, 2] > front[:, 0] + 15
    assert min(pupil.sum(), white.sum(), blue.sum()) > 60  # they were 6, 11 and 8


def test_a_raw_scan_leads_back_to_the_aligned_one_and_misses_some_of_it(scans: Path) -> None:
    aligned, raw = read_mesh(scans / "scans/s0000/01.ply"), read_mesh(scans / "raw/s0000/01.ply")
    back = np.array(json.loads((scans / "raw/s0000/01.json").read_text())["scan_from_raw"])
    points = raw.vertices @ back[:3, :3].T + back[:3, 3]
    away = mesh_tree(aligned.vertices, aligned.faces).closest(points)[2] * 1000 / UNITS_PER_METRE
    assert 0.05 < np.median(away) < 0.4 and away.max() < 3  # millimetres
    assert np.ptp(raw.vertices, axis=0).max() > 250
    missing = mesh_tree(points, raw.faces).closest(aligned.vertices)[2]
    assert 0.03 < (missing > 0.04).mean() < 0.5
    assert defects(raw.vertices, raw.faces).open_edges > 50


def test_the_first_scan_is_neutral_and_the_others_differ(scans: Path) -> None:
    first, second = read_records(scans)
    assert first["expression"] == {} and not np.any(first["joint_pose"])
    assert second["expression"] and np.any(second["joint_pose"])
    assert first["subject"] == second["subject"]
    assert expression_and_pose(5, 1)[0] != expression_and_pose(5, 2)[0]
    assert [entry["key"] for entry in json.loads((scans / "scans.json").read_text())] == ["s0000/00", "s0000/01"]


def test_the_same_settings_write_the_same_scan(scans: Path, tmp_path: Path) -> None:
    write_set(tmp_path, Scans(ScansOptions(1, 1, seed=4, resolution=CELLS, raw=True)), form="zip", workers=0, quiet=True)
    with zipfile.ZipFile(tmp_path / "scans-000000.zip") as archive:
        for name in ("scans/s0000/00.ply", "rigs/s0000/00.safetensors", "raw/s0000/00.ply"):
            assert archive.read(name) == (scans / name).read_bytes()
