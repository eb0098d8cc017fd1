"""The bilinear head: exact with all its numbers, orthogonal, and what it makes of heads that it does not know."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from fullhead.core.errors import FullheadError
from fullhead.models.checkpoint import read_module, save, save_tensors
from fullhead.representations.bilinear import BilinearMesh, fidelity, fit_bilinear, project
from fullhead.rig.arkit import ARKIT, alone, arkit_weights, named_weights
from fullhead.rig.landmarks import MIRRORED, dense_points
from fullhead.rig.rigged_heads import RiggedHeads, SharedMesh
from fullhead.rig.template import JOINTS, LEFT_EYE, NECK
from fullhead.synth.datasets.heads360 import ENLARGED, MESH_SCALE, Heads360
from fullhead.synth.datasets.options import Heads360Options
from fullhead.synth.datasets.rigged_heads import procedural_heads
from fullhead.synth.datasets.shots import RenderContext, ShotSpec, rig_vertices
from fullhead.synth.people.population import population


def blobs(count: int = 7, vertices: int = 30, rank: int = 0) -> RiggedHeads:
    """Heads of random vertices, each expression a little of its own; rank: of the people about their mean, 0 for any."""
    random = torch.Generator().manual_seed(1)
    modes = rank or count
    who = torch.randn(count, modes, generator=random)
    neutral = torch.randn(vertices, 3, generator=random) + torch.einsum(
        "nk,kvc->nvc", who, 0.1 * torch.randn(modes, vertices, 3, generator=random)
    )
    moves = 0.1 * torch.randn(52, vertices, 3, generator=random)
    moves = moves + 0.02 * torch.einsum("nk,kevc->nevc", who, torch.randn(modes, 52, vertices, 3, generator=random))
    alone_ = torch.stack([arkit_weights(alone(name)) for name in ARKIT])
    shown = neutral[:, None] + torch.einsum("ef,nfvc->nevc", alone_, moves)
    shared = SharedMesh(
        faces=torch.arange(vertices).reshape(-1, 3),
        uv=torch.rand(4, 2, generator=random),
        uv_faces=torch.tensor([[0, 1, 2]]).expand(vertices // 3, 3).contiguous(),
        parts=(("front", 4), ("back", vertices // 3 - 4)),
        landmark_vertices=torch.arange(12)[:, None],
        landmark_weights=torch.ones(12, 1),
        dense_vertices=torch.empty(0, dtype=torch.int64),
        skin_weights=torch.empty(vertices, 0),
        pose_basis=torch.empty(0, vertices, 3),
        importance=torch.ones(vertices),
    )
    names = tuple(f"b{n}" for n in range(count))
    return RiggedHeads(shared, names, torch.cat([neutral[:, None], shown], dim=1), torch.empty(count, 0, 3), 1.0)


@pytest.fixture(scope="module")
def heads() -> RiggedHeads:
    return procedural_heads(range(8))


@pytest.fixture(scope="module")
def mesh(heads: RiggedHeads) -> BilinearMesh:
    return fit_bilinear(heads.some(slice(0, 6)), components=150)


def test_with_all_its_numbers_every_head_is_met_exactly_with_every_expression() -> None:
    heads = blobs()
    mesh = fit_bilinear(heads, identity=7, components=1000)
    torch.testing.assert_close(mesh.vertices(mesh.codes), heads.vertices[:, 0], atol=1e-5, rtol=0)
    for e, name in enumerate(ARKIT):
        weights = arkit_weights(alone(name))[None]
        torch.testing.assert_close(mesh.vertices(mesh.codes, weights), heads.vertices[:, 1 + e], atol=1e-5, rtol=0)


def test_procedural_heads_are_met_too(heads: RiggedHeads, mesh: BilinearMesh) -> None:
    known = fidelity(mesh, heads.some(slice(0, 6)))
    assert known.worst < 0.01
    assert known.explained > 0.9999


def test_codes_and_basis_are_orthogonal_and_codes_are_not_centred(mesh: BilinearMesh) -> None:
    """As the published factors are: columns of length 1, the first about the mean head."""
    torch.testing.assert_close(mesh.codes.T @ mesh.codes, torch.eye(6), atol=1e-5, rtol=0)
    basis = mesh.basis.flatten(1).double()
    torch.testing.assert_close(basis @ basis.T, torch.eye(len(basis)).double(), atol=1e-5, rtol=0)
    assert (mesh.codes[:, 0] * 6**0.5 - 1).abs().max() < 0.1


def test_an_expression_that_is_built_on_another_adds_to_it() -> None:
    heads = blobs()
    mesh = fit_bilinear(heads, identity=7, components=1000)
    at = {name: heads.vertices[:, 1 + ARKIT.index(name)] for name in ("jawOpen", "mouthClose")}
    alone_ = mesh.vertices(mesh.codes, arkit_weights({"mouthClose": 1})[None])
    torch.testing.assert_close(alone_, at["mouthClose"] - at["jawOpen"] + heads.vertices[:, 0], atol=1e-5, rtol=0)


def test_weights_add_up_about_the_face_at_rest(mesh: BilinearMesh) -> None:
    random = torch.Generator().manual_seed(2)
    identity, a, b = mesh.sample(2, random), torch.rand(2, 52, generator=random), torch.rand(2, 52, generator=random)
    rest = mesh.vertices(identity)
    together = mesh.vertices(identity, a + b) - rest
    torch.testing.assert_close(together, mesh.vertices(identity, a) + mesh.vertices(identity, b) - 2 * rest, atol=1e-5, rtol=0)
    torch.testing.assert_close(mesh.vertices(identity, torch.zeros(1, 52)), rest, atol=1e-6, rtol=0)


def test_a_mixture_of_identities_is_the_mixture_of_their_heads(mesh: BilinearMesh) -> None:
    identity, smile = mesh.sample(2, torch.Generator().manual_seed(3)), arkit_weights({"mouthSmileLeft": 0.7})[None]
    between = mesh.vertices(torch.lerp(identity[:1], identity[1:], 0.3), smile)
    ends = mesh.vertices(identity, smile)
    torch.testing.assert_close(between, torch.lerp(ends[:1], ends[1:], 0.3), atol=1e-5, rtol=0)


def test_the_more_numbers_the_better_new_heads_are_met(heads: RiggedHeads, mesh: BilinearMesh) -> None:
    errors = [fidelity(mesh.truncated(k), heads.some(slice(6, None))).millimetres for k in (1, 2, 4, 6)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.9 * errors[0]


def test_a_shorter_mesh_is_the_one_that_is_made_short() -> None:
    long, short = (fit_bilinear(blobs(), identity=k, components=1000) for k in (7, 3))
    identity = short.sample(3, torch.Generator().manual_seed(0))
    torch.testing.assert_close(long.truncated(3).vertices(identity), short.vertices(identity), atol=1e-5, rtol=0)


def test_white_codes_and_samples_are_as_varied_as_the_heads() -> None:
    mesh = fit_bilinear(blobs(40), identity=6, components=300)
    white = mesh.whitened(mesh.codes)
    torch.testing.assert_close(mesh.identity(white), mesh.codes, atol=1e-5, rtol=0)
    assert white.mean(0).abs().max() < 1e-3
    torch.testing.assert_close(white.T @ white / 40, torch.eye(6), atol=1e-2, rtol=0)
    many = mesh.vertices(mesh.sample(4000, torch.Generator().manual_seed(0)))
    torch.testing.assert_close(many.std(0), mesh.vertices(mesh.codes).std(0, correction=0), atol=0.03, rtol=0)


def test_projection_finds_who_and_what_of_a_head_that_it_can_show() -> None:
    mesh = fit_bilinear(blobs(40, 120, rank=5), identity=6, components=300)
    random = torch.Generator().manual_seed(4)
    identity, weights = (
        mesh.sample(3, random),
        torch.rand(3, 52, generator=random) * (torch.rand(3, 52, generator=random) < 0.2),
    )
    found = project(mesh, mesh.vertices(identity, weights))
    torch.testing.assert_close(found.expression, weights, atol=1e-3, rtol=0)
    torch.testing.assert_close(mesh.whitened(found.identity), mesh.whitened(identity), atol=1e-2, rtol=0)
    assert found.millimetres.max() < 0.5  # of blobs of a metre


def test_projection_stays_near_the_mean_where_it_is_told_little(heads: RiggedHeads, mesh: BilinearMesh) -> None:
    rest = torch.zeros(1, 52)
    near, far = (project(mesh, heads.vertices[6:, 0], rest, noise=noise).identity for noise in (1000.0, 0.01))
    length = [mesh.whitened(x).norm(dim=1) for x in (near, far)]
    assert (length[0] < length[1]).all()


def test_projection_reads_the_expression_of_a_new_head(heads: RiggedHeads, mesh: BilinearMesh) -> None:
    e = ARKIT.index("jawOpen")
    found = project(mesh, heads.vertices[6:, 1 + e])
    assert (found.expression.argmax(1) == e).all()
    assert 0.7 < float(found.expression[:, e].min()) <= 1
    assert list(named_weights(found.expression[0])) == list(ARKIT)


def test_gradients_reach_identity_weights_and_joints(mesh: BilinearMesh) -> None:
    identity, weights = (
        mesh.sample(2, torch.Generator().manual_seed(0)).requires_grad_(),
        torch.full((2, 52), 0.1).requires_grad_(),
    )
    turns = torch.full((2, 5, 3), 0.1).requires_grad_()
    mesh.outer_lips(mesh.posed(identity, weights, turns).vertices).square().sum().backward()
    for value in (identity, weights, turns):
        assert value.grad is not None
        assert value.grad.abs().max() > 0


def test_the_rig_of_a_person_moves_as_the_mesh_does(mesh: BilinearMesh) -> None:
    random = torch.Generator().manual_seed(5)
    identity, weights = mesh.sample(1, random), torch.rand(1, 52, generator=random)
    turns = 0.3 * torch.randn(1, 5, 3, generator=random)
    ours, rig = mesh.posed(identity, weights, turns), mesh.personal(identity[0])(None, weights, turns)
    torch.testing.assert_close(ours.vertices, rig.vertices, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.joints, rig.joints, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.transforms, rig.transforms, atol=1e-5, rtol=0)


def test_a_head_that_turns_stays_on_its_shoulders(mesh: BilinearMesh) -> None:
    turns = torch.zeros(1, len(JOINTS), 3)
    turns[0, NECK, 1] = 0.5
    identity = mesh.codes[:1]
    moved = (mesh.posed(identity, None, turns).vertices - mesh.vertices(identity))[0].norm(dim=1)
    assert moved[mesh.skin_weights[:, 0] > 0.999].max() < 1e-5
    eyes = mesh.posed(identity, None, turns).joints[0, LEFT_EYE:] - mesh.joints(identity)[0, LEFT_EYE:]
    assert eyes[:, 0].min() > 0  # to the subject's left


def test_heads_are_those_of_the_set_of_pictures(heads: RiggedHeads) -> None:
    context = RenderContext(64)
    subject = Heads360(Heads360Options()).subject(context, 3)
    shot = ShotSpec(subject, 64, (), alone("mouthClose"), hair=False, world=ENLARGED)
    theirs = rig_vertices(context.person(subject, hair=False), shot) * (ENLARGED / MESH_SCALE)
    ours = heads.vertices[3, 1 + ARKIT.index("mouthClose")]
    assert np.abs(theirs - ours.numpy()).max() < 1e-5


def test_mirrored_weights_make_the_mirror_image_of_a_symmetric_head() -> None:
    mesh = fit_bilinear(procedural_heads(range(3), who=population(["person.variety=0"])), components=300)
    winking = arkit_weights({"eyeBlinkLeft": 1, "mouthSmileRight": 0.6, "browOuterUpLeft": 0.5})[None]
    mirrored = arkit_weights({"eyeBlinkRight": 1, "mouthSmileLeft": 0.6, "browOuterUpRight": 0.5})[None]
    identity = mesh.identity_mean[None]
    ours, theirs = mesh.vertices(identity, winking), mesh.vertices(identity, mirrored)
    flip = torch.tensor([-1.0, 1.0, 1.0])
    for a, b in (
        (ours[:, mesh.dense_vertices], theirs[:, mesh.dense_vertices][:, dense_points().mirror]),
        (mesh.landmarks(ours), mesh.landmarks(theirs)[:, list(MIRRORED)]),
    ):
        assert (a - b * flip).norm(dim=-1).max() * 1000 * mesh.config.metres_per_unit < 0.5


def test_a_file_brings_it_back_whole_and_half(mesh: BilinearMesh, tmp_path: Path) -> None:
    for name, dtype, most in (("whole", None, 0.0), ("half", torch.float16, 0.2)):
        save(mesh, tmp_path / f"{name}.safetensors", dtype=dtype, about={"heads": 6})
        back = read_module(tmp_path / f"{name}.safetensors", BilinearMesh)
        assert back.config == mesh.config
        assert torch.equal(back.faces, mesh.faces)
        off = (back.vertices(mesh.codes) - mesh.vertices(mesh.codes)).norm(dim=2).max()
        assert 1000 * mesh.config.metres_per_unit * float(off) <= most
        assert back.about == {"heads": 6}


@pytest.mark.parametrize("name", ["faces", "landmark_vertices", "uv_faces"])
def test_a_damaged_file_is_refused(name: str, tmp_path: Path) -> None:
    mesh = fit_bilinear(blobs())
    getattr(mesh, name)[0, 0] = 99_999
    save(mesh, tmp_path / "damaged.safetensors")
    with pytest.raises(FullheadError, match=name):
        read_module(tmp_path / "damaged.safetensors", BilinearMesh)


def test_numbers_of_vertices_that_are_fractions_are_refused(tmp_path: Path) -> None:
    mesh, path = fit_bilinear(blobs()), tmp_path / "mesh.safetensors"
    save(mesh, path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_tensors({n: x.float() for n, x in mesh.state_dict().items()}, path, metadata)
    with pytest.raises(FullheadError, match="in another shape"):
        read_module(path, BilinearMesh)


def test_parts_and_lips_are_found_by_name() -> None:
    mesh = fit_bilinear(blobs())
    assert mesh.part("back") == slice(4, 10)
    with pytest.raises(FullheadError, match="front, back"):
        mesh.part("lashes")
    vertices = mesh.vertices(mesh.codes)
    torch.testing.assert_close(mesh.outer_lips(vertices), vertices[:, :12])
    bare = blobs()
    none = replace(bare.shared, landmark_vertices=torch.empty(0, 1, dtype=torch.int64), landmark_weights=torch.empty(0, 1))
    with pytest.raises(FullheadError, match="lips"):
        fit_bilinear(replace(bare, shared=none)).outer_lips(vertices)


def test_what_does_not_fit_is_said_in_words() -> None:
    mesh = fit_bilinear(blobs())
    with pytest.raises(FullheadError, match=r"identity must be \[B, 7\]"):
        mesh.vertices(torch.zeros(2, 50))
    with pytest.raises(FullheadError, match=r"expression must be \[B, 52\]"):
        mesh.vertices(mesh.codes, torch.zeros(7, 51))
    with pytest.raises(FullheadError, match="7 identities and weights of 3 faces"):
        mesh.vertices(mesh.codes, torch.zeros(3, 52))
    with pytest.raises(FullheadError, match="no joints"):
        mesh.posed(mesh.codes)
    with pytest.raises(FullheadError, match="1 to 7"):
        mesh.truncated(8)
    with pytest.raises(FullheadError, match="vertices must be"):
        project(mesh, torch.zeros(1, 8, 3))


def test_names_of_weights_are_read_in_any_case() -> None:
    assert torch.equal(arkit_weights({"EyeBlinkLeft": 0.5, "JAWOPEN": 1}), arkit_weights({"eyeBlinkLeft": 0.5, "jawOpen": 1}))
    assert named_weights(arkit_weights({"jawOpen": 0.5}))["jawOpen"] == 0.5
    with pytest.raises(FullheadError, match="did you mean jawOpen"):
        arkit_weights({"jawOpenn": 1})
