"""Deformation: forward maps, searches back, gradients through roots, on a small rig-like skeleton."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from fullhead.core.roots import TOLERANCE
from fullhead.core.rotations import matrix_from_axis_angle
from fullhead.core.skinning import joint_transforms
from fullhead.representations import correspondence as inverse
from fullhead.representations.canonical_field import INVALID, CanonicalConfig, CanonicalHead
from fullhead.representations.correspondence import (
    Candidates,
    attach_implicit_grad,
    find_correspondences,
    find_correspondences_by_voxels,
    select_correspondences,
    voxelised,
)
from fullhead.representations.deformer import Deformer, DeformerConfig, Motion, Warp

SIZES = DeformerConfig(width=16, joints=3, shapes=4, expressions=2, pose_features=18)
PARENTS = (-1, 0, 1)


def motion(heads: int, seed: int = 0, strength: float = 0.3) -> Motion:
    """Heads whose three bones stand on each other, each in its own pose."""
    torch.manual_seed(seed)
    joints = torch.tensor([[0.0, -0.6, 0], [0, -0.2, 0], [0, 0.2, 0.1]]).expand(heads, 3, 3)

    def posed(axis_angle: Tensor) -> tuple[Tensor, Tensor]:
        turns = matrix_from_axis_angle(axis_angle)
        return joint_transforms(joints, turns, PARENTS)[..., :3, :], (turns[:, 1:] - torch.eye(3)).flatten(1)

    bones, pose = posed(strength * torch.randn(heads, 3, 3))
    canonical = torch.zeros(heads, 3, 3)
    canonical[:, 2, 0] = 0.2
    canonical_bones, canonical_pose = posed(canonical)
    return Motion(torch.randn(heads, 4), strength * torch.randn(heads, 2), pose, bones, canonical_pose, canonical_bones)


@pytest.fixture
def deformer() -> Deformer:
    """Not as it starts: small bases and shapes, weights that differ from place to place."""
    torch.manual_seed(7)
    module = Deformer(SIZES)
    nn.init.normal_(module.blendshapes.weight, std=0.02)
    nn.init.normal_(module.blendshapes.bias, std=0.02)
    module.deshape.lin[4].weight_g.data *= 0.3
    return module.requires_grad_(False)


def points(counts: tuple[int, ...], seed: int = 3) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    return 0.6 * torch.randn(sum(counts), 3), torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))


def one(motion: Motion, i: int) -> Motion:
    return Motion(**{name: value[i : i + 1] for name, value in vars(motion).items()})


COUNTS = (7, 0, 20, 3)
Function = Callable[[Warp, Tensor, Tensor], Tensor]


@pytest.mark.parametrize(
    "function",
    [
        lambda warp, x, scan: warp.neutral(x, scan),
        lambda warp, x, scan: warp.posed(x, scan)[0],
        lambda warp, x, scan: warp.posed(x, scan)[1],
        lambda warp, x, scan: warp.jacobian(x, scan),
        lambda warp, x, scan: find_correspondences(warp, x, scan).x,
        lambda warp, x, scan: warp.skeleton.rotate_normals(x, warp.posed(x, scan)[1], scan),
    ],
    ids=["neutral", "posed", "weights", "jacobian", "search", "normals"],
)
def test_heads_with_unequal_numbers_of_points_are_each_treated_as_alone(deformer: Deformer, function: Function):
    heads = motion(len(COUNTS))
    x, scan = points(COUNTS)
    together = function(deformer.warp(heads), x, scan)
    for i in range(len(COUNTS)):
        mine = scan == i
        alone = function(deformer.warp(one(heads, i)), x[mine], torch.zeros(int(mine.sum()), dtype=torch.long))
        torch.testing.assert_close(together[mine], alone, rtol=1e-4, atol=2e-5)


def test_the_forward_map_is_what_the_bases_and_bones_say(deformer: Deformer):
    """Every point by itself, written out [ganhead supp. 1.1]."""
    heads = motion(2)
    x, scan = points((5, 5))
    posed, _ = deformer.warp(heads).posed(x, scan)
    weights, expression, pose = deformer.bases(deformer.neutral(x, scan, heads.shape))
    bottom = torch.tensor([[0.0, 0, 0, 1]])
    for n in range(len(x)):
        i = scan[n]
        canonical = torch.cat([sum(weights[n, j] * heads.canonical_bones[i, j] for j in range(3)), bottom])
        rest = (torch.linalg.inv(canonical) @ torch.cat([x[n], torch.ones(1)]))[:3]
        rest = rest - sum(heads.canonical_pose[i, k] * pose[n, k] for k in range(18))
        rest = rest + sum(heads.pose[i, k] * pose[n, k] for k in range(18))
        rest = rest + sum(heads.expression[i, e] * expression[n, :, e] for e in range(2))
        bones = torch.cat([sum(weights[n, j] * heads.bones[i, j] for j in range(3)), bottom])
        torch.testing.assert_close(posed[n], (bones @ torch.cat([rest, torch.ones(1)]))[:3], rtol=1e-4, atol=1e-5)


def test_in_the_canonical_pose_nothing_moves(deformer: Deformer):
    heads = motion(2)
    still = replace(
        heads,
        expression=torch.zeros_like(heads.expression),
        pose=heads.canonical_pose,
        bones=heads.canonical_bones,
    )
    x, scan = points((6, 4))
    torch.testing.assert_close(deformer.warp(still).posed(x, scan)[0], x, rtol=0, atol=1e-5)


def test_new_bases_are_zero():
    x, _ = points((5,))
    _, expression, pose = Deformer(SIZES).bases(x)
    assert not expression.any() and not pose.any()


def test_the_jacobian_is_that_of_automatic_differentiation(deformer: Deformer):
    warp = deformer.warp(motion(2))
    x, scan = points((4, 3))
    ours = warp.jacobian(x, scan)
    for n in range(len(x)):
        theirs = torch.autograd.functional.jacobian(lambda p, n=n: warp.posed(p[None], scan[n : n + 1])[0][0], x[n])
        torch.testing.assert_close(ours[n], theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("exact", [False, True])
def test_a_search_finds_the_points_that_were_posed(deformer: Deformer, exact: bool):
    warp = deformer.warp(motion(3))
    x, scan = points((30, 10, 20))
    posed = warp.posed(x, scan)[0]
    candidates = find_correspondences(warp, posed, scan, jacobian=warp.jacobian if exact else None)
    assert candidates.x.shape == (60, 3, 3)
    assert candidates.found.any(dim=1).all()
    back = warp.posed(candidates.x.flatten(0, 1), scan.repeat_interleave(3))[0].view(60, 3, 3)
    off = (back - posed[:, None]).norm(dim=-1)
    assert (off[candidates.found] < 1.1 * TOLERANCE).all(), "what is found is a root"
    assert (off[~candidates.found] > 0.9 * TOLERANCE).all(), "what is a root is found"
    nearest = (candidates.x - x[:, None]).norm(dim=-1).amin(dim=1)
    assert nearest.median() < 1e-4


def test_bones_that_moved_as_one_are_one_start(deformer: Deformer):
    heads = motion(2)
    bones, canonical = heads.bones.clone(), heads.canonical_bones.clone()
    canonical[0, 2] = canonical[0, 1]
    bones[0, 2] = bones[0, 1]
    joined = replace(heads, bones=bones, canonical_bones=canonical)
    warp = deformer.warp(joined)
    x, scan = points((8, 8))
    candidates = find_correspondences(warp, warp.posed(x, scan)[0], scan, steps=0)
    assert candidates.evaluations == 8 * 2 + 8 * 3
    assert torch.equal(candidates.x[:8, 1], candidates.x[:8, 2])
    assert not torch.equal(candidates.x[8:, 1], candidates.x[8:, 2])


def test_distinct_candidates_are_the_first_of_each_root():
    x = torch.tensor([[[0.0, 0, 0], [1e-6, 0, 0], [0.5, 0, 0], [0.5, 0, 1e-6], [0.9, 0, 0]]])
    found = torch.tensor([[True, True, False, True, True]])
    assert Candidates(x, found).distinct.tolist() == [[True, False, False, True, True]]


def test_gradients_through_a_root_are_those_of_finite_differences(deformer: Deformer):
    """When weights change, the root moves: found again to all digits, against the implicit gradient."""
    deformer.double()
    heads = Motion(**{name: value.double() for name, value in vars(motion(2)).items()})
    x, scan = points((6, 6))
    x = x.double()
    target = deformer.warp(heads).posed(x, scan)[0]
    weights = torch.randn(12, 3, dtype=torch.float64)

    def root() -> Tensor:
        warp, at = deformer.warp(heads), x
        for _ in range(5):
            at = at - torch.linalg.solve(warp.jacobian(at, scan), warp.posed(at, scan)[0] - target)
        return at

    for parameter in (deformer.deshape.lin[2].weight_v, deformer.blendshapes.bias, deformer.skinning.lin[4].weight_g):
        parameter.requires_grad_(True)
        gradient = torch.autograd.grad((attach_implicit_grad(deformer.warp(heads), x, scan) * weights).sum(), parameter)[0]
        parameter.requires_grad_(False)
        direction, step = torch.randn_like(parameter), 1e-5
        values = []
        for sign in (1, -2, 1):
            parameter += sign * step * direction
            values.append((root() * weights).sum())
        slope = (values[0] - values[1]) / (2 * step)
        torch.testing.assert_close((gradient * direction).sum(), slope, rtol=1e-4, atol=1e-6)


def test_attaching_keeps_the_value(deformer: Deformer):
    warp = deformer.requires_grad_(True).warp(motion(1))
    x, scan = points((9,))
    out = attach_implicit_grad(warp, x, scan)
    assert out.requires_grad and torch.equal(out, x)
    with torch.no_grad():
        assert attach_implicit_grad(warp, x, scan) is x


def box(x: Tensor, scan: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    parts = [x[scan == i] for i in range(heads)]
    return torch.stack([p.amin(0) for p in parts]), torch.stack([p.amax(0) for p in parts])


def test_voxels_come_near_and_nearer_the_finer_they_are(deformer: Deformer):
    warp = deformer.warp(motion(2))
    x, scan = points((200, 150))
    low, high = box(x, scan, 2)
    exact = warp.posed(x, scan)[0]
    errors = [(voxelised(warp, low, high, r).posed(x, scan)[0] - exact).norm(dim=-1).mean() for r in (8, 16, 32)]
    assert errors[2] < errors[1] / 3 < errors[0] / 9
    assert errors[2] < 3e-3


def test_a_search_by_voxels_finds_the_networks_own_roots_with_fewer_evaluations(deformer: Deformer):
    warp = deformer.warp(motion(2))
    x, scan = points((200, 150))
    posed = warp.posed(x, scan)[0]
    exact = find_correspondences(warp, posed, scan)
    quick = find_correspondences_by_voxels(warp, voxelised(warp, *box(x, scan, 2)), posed, scan)
    assert quick.found.any(dim=1)[exact.found.any(dim=1)].all()
    assert quick.evaluations < exact.evaluations / 2
    off = warp.posed(quick.x.flatten(0, 1), scan.repeat_interleave(3))[0] - posed.repeat_interleave(3, 0)
    assert (off.norm(dim=-1)[quick.found.flatten()] < 1.1 * TOLERANCE).all()


@pytest.fixture
def head() -> CanonicalHead:
    torch.manual_seed(5)
    sizes = CanonicalConfig(3, 2, 2, 4, geometry_width=40, normal_width=48, texture_width=48)
    return CanonicalHead(sizes).requires_grad_(False)


def test_of_several_candidates_the_deepest_counts_and_points_without_any_are_marked(
    deformer: Deformer, head: CanonicalHead, monkeypatch: pytest.MonkeyPatch
):
    warp = deformer.warp(motion(2))
    x, scan = points((6, 5))
    volume = head.volume(torch.randn(2, 3))
    several = torch.stack([x, x + 0.3, x - 0.3], dim=1)
    found = torch.ones(11, 3, dtype=torch.bool)
    found[2] = False
    found[7] = torch.tensor([False, True, False])
    at = select_correspondences(head, volume, warp, Candidates(several, found), scan)
    assert at.found.tolist() == [n != 2 for n in range(11)]
    for n in range(11):
        mine = several[n][found[n]]
        own = head.at(volume, warp.neutral(mine, scan[n].expand(len(mine))), scan[n].expand(len(mine)))
        if n == 2:
            assert at.logit[n] == INVALID and (at.feature[n] == INVALID).all()
            torch.testing.assert_close(at.x[n : n + 1], warp.neutral(x[n : n + 1], scan[n : n + 1]))
            continue
        deepest = own.logit.argmax()
        torch.testing.assert_close(at.logit[n], own.logit[deepest], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(at.x[n], own.x[deepest], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(at.feature[n], own.feature[deepest], rtol=1e-4, atol=1e-5)


def test_where_one_candidate_is_left_the_geometry_is_not_asked_twice(
    deformer: Deformer, head: CanonicalHead, monkeypatch: pytest.MonkeyPatch
):
    asked = []
    occupancy = CanonicalHead.occupancy
    monkeypatch.setattr(
        CanonicalHead, "occupancy", lambda self, v, x, scan: asked.append(len(x)) or occupancy(self, v, x, scan)
    )
    warp = deformer.warp(motion(1))
    x, scan = points((6,))
    same = Candidates(x[:, None].expand(-1, 3, -1), torch.ones(6, 3, dtype=torch.bool))
    select_correspondences(head, head.volume(torch.randn(1, 3)), warp, same, scan)
    assert sum(asked) == 0


def test_normals_and_colours_are_asked_where_something_was_found(deformer: Deformer, head: CanonicalHead):
    x, scan = points((3, 4))
    at = head.at(head.volume(torch.randn(2, 3)), 0.5 * x, scan)
    found = torch.arange(7) % 3 != 1
    detail, colour, pose = torch.randn(2, 2), torch.randn(2, 2), torch.randn(2, 4)
    normals, feature = head.normals(detail, at)
    colours = head.colours(colour, pose, at, feature)
    holey = replace(at, found=found)
    some, some_feature = head.normals(detail, holey)
    torch.testing.assert_close(some[found], normals[found])
    assert (some[~found] == 1).all() and (some_feature[~found] == 1).all()
    torch.testing.assert_close(head.colours(colour, pose, holey, feature)[found], colours[found])


def test_the_same_root_is_within_the_searchs_own_tolerance():
    assert inverse.SAME_ROOT > TOLERANCE
