"""A very small i3DMM: its networks against loops, its codes, surfaces, pictures, file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fullhead.core.cameras import orbit
from fullhead.core.errors import FullheadError
from fullhead.models.checkpoint import read_module, save
from fullhead.models.head import HasDensity, HeadPose, RenderOptions, capable
from fullhead.models.i3dmm import I3DMM, CodedNetwork, I3DMMCodes, I3DMMConfig
from fullhead.representations.surface import BOX

SMALL = I3DMMConfig(
    people=4, expressions=5, hairstyles=3, code=6, octaves=2, deform_width=24, deform_depth=6, reference_width=32,
    colour_width=24, colour_depth=6, resolution=32, image_size=40,
)  # fmt: skip


class Ball(torch.nn.Module):
    """|x| - 1/2 in place of RefNet, before its tanh."""

    def forward(self, x: Tensor) -> Tensor:
        return x.norm(dim=-1, keepdim=True) - 0.5


@pytest.fixture(scope="module")
def model() -> I3DMM:
    torch.manual_seed(0)
    return I3DMM(SMALL).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def ball() -> I3DMM:
    """Its reference head is a ball, which codes bend a little."""
    torch.manual_seed(0)
    model = I3DMM(SMALL)
    model.reference = Ball()  # type: ignore[assignment]
    model.deform.last.weight.data *= 0.5
    return model.eval().requires_grad_(False)


def rows(*numbers: int) -> Tensor:
    return torch.tensor(numbers)


def encoded(x: np.ndarray, octaves: int) -> list[float]:
    return [*x, *(f(2**k * v) for k in range(octaves) for f in (np.sin, np.cos) for v in x)]


def by_loop(network: CodedNetwork, x: np.ndarray, code: np.ndarray) -> np.ndarray:
    """One point through the layers as the paper draws them."""
    seen = np.array([*code, *encoded(x, network.octaves)])
    h = seen
    for i, layer in enumerate(network.hidden):
        if i == network.skip:
            h = np.concatenate([h, seen])
        v, g, b = (getattr(layer, name).numpy().astype(float) for name in ("weight_v", "weight_g", "bias"))
        h = np.maximum((g[:, 0] * (v @ h)) / np.linalg.norm(v, axis=1) + b, 0)
    return network.last.weight.numpy() @ h + network.last.bias.numpy()


def test_each_network_is_the_loop_over_its_layers(model: I3DMM):
    x, code = torch.rand(2, 7, 3) * 2 - 1, torch.randn(2, 18)
    for network, size in ((model.deform, 18), (model.reference, 0), (model.paint, 12)):
        values = network(x, code[:, :size] if size else None)
        for b, n in ((0, 0), (0, 6), (1, 3)):
            expected = by_loop(network, x[b, n].numpy().astype(float), code[b, :size].numpy().astype(float))
            np.testing.assert_allclose(values[b, n], expected, atol=1e-5)


def test_the_published_sizes_are_the_defaults():
    with torch.device("meta"):
        model = I3DMM(I3DMMConfig())
    assert [tuple(layer.weight_v.shape) for layer in model.deform.hidden] == [
        (1024, 1024 + 423 if i == 4 else 423 if i == 0 else 1024) for i in range(8)
    ]
    assert [tuple(layer.weight_v.shape) for layer in model.reference.hidden] == [(512, 39), (512, 512), (512, 512)]
    assert [tuple(layer.weight_v.shape) for layer in model.paint.hidden] == [
        (1024, 1024 + 295 if i == 4 else 295 if i == 0 else 1024) for i in range(9)
    ]
    assert isinstance(model.deform.last, torch.nn.Linear) and model.deform.last.out_features == 3


def test_scans_share_what_their_person_face_and_hair_own(model: I3DMM):
    codes = model.codes(rows(0, 0, 2), rows(1, 3, 1), rows(2, 1, 2))
    geometry, colour = codes.geometry.view(3, 3, 6), codes.colour.view(3, 2, 6)
    assert torch.equal(geometry[0, 0], geometry[1, 0]) and not torch.equal(geometry[0, 0], geometry[2, 0])
    assert torch.equal(geometry[0, 1], geometry[2, 1]) and not torch.equal(geometry[0, 1], geometry[1, 1])
    assert torch.equal(geometry[0, 2], geometry[2, 2]) and torch.equal(colour[0, 1], colour[2, 1])
    assert torch.equal(colour[0, 0], colour[1, 0]), "an expression has no colour of its own"
    assert not torch.equal(geometry[:, 0], colour[:, 0]), "a person's shape and paint have codes of their own"


def test_long_codes_are_cut_to_length_1_and_short_ones_stay(model: I3DMM):
    other = I3DMM(SMALL)
    table = other.tables["geometry_hair"]
    assert isinstance(table, torch.nn.Embedding)
    table.weight.data = torch.tensor([[3.0, 4, 0, 0, 0, 0], [0.3, 0.4, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]])
    other.bound_codes()
    expected = torch.tensor([[0.6, 0.8, 0, 0, 0, 0], [0.3, 0.4, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]])
    torch.testing.assert_close(table.weight.data, expected)


def test_random_codes_are_spread_as_the_tables_are(model: I3DMM):
    sample = model.sample_latents(6000, torch.Generator().manual_seed(0))
    parts = [*sample.geometry.split(6, dim=1), *sample.colour.split(6, dim=1)]
    for values, table in zip(parts, model.tables.values(), strict=True):
        torch.testing.assert_close(values.mean(dim=0), table.weight.mean(dim=0), rtol=0, atol=0.02)
        expected = table.weight.detach().T.cov()
        torch.testing.assert_close(values.T.cov(), expected, rtol=0, atol=0.1 * expected.diagonal().max().item())
    z = torch.from_numpy(np.random.RandomState(7).randn(1, 30)).float()
    table = model.tables["geometry_expression"].weight
    lengths, axes = torch.linalg.eigh(table.T.cov())
    root = axes * lengths.clamp(min=0).sqrt() @ axes.T
    seeded = model.seed_latents([3, 7], truncation=0.5).geometry[1, 6:12]
    torch.testing.assert_close(seeded, table.mean(dim=0) + 0.5 * z[0, 6:12] @ root, rtol=1e-3, atol=1e-4)


def test_the_surface_is_where_the_distance_is_nothing(ball: I3DMM):
    codes = ball.codes(rows(1, 2), rows(0, 4), rows(1, 0))
    head = ball.decode(codes)
    for i, mesh in enumerate(head.posed):
        assert ball.distance(codes[i], mesh.vertices[None]).abs().max() < 0.02
        assert (mesh.normals * mesh.vertices).sum(dim=-1).mean() > 0.4, "outwards"
        world = mesh.vertices[None] * (BOX / 2)
        torch.testing.assert_close(ball.colour(head[i], world)[0], mesh.colours, rtol=0, atol=1e-5)
    torch.testing.assert_close(ball.decode(codes[1]).posed[0].vertices, head.posed[1].vertices)


def test_a_ball_that_nothing_bends_has_its_closed_form(ball: I3DMM):
    still = I3DMM(SMALL)
    still.reference = Ball()  # type: ignore[assignment]
    for p in still.deform.last.parameters():
        p.data.zero_()
    codes = still.codes(rows(0), rows(0), rows(0))
    x = torch.rand(1, 50, 3) * 2 - 1
    torch.testing.assert_close(still.distance(codes, x), torch.tanh(x.norm(dim=-1) - 0.5))
    mesh = still.decode(codes).posed[0]
    torch.testing.assert_close(mesh.vertices.norm(dim=-1), torch.full((len(mesh.vertices),), 0.5), rtol=0, atol=2e-3)


def test_pictures_show_the_heads_white_around(ball: I3DMM):
    codes = ball.codes(rows(1), rows(0), rows(1))
    head = ball.decode(codes).expand(2)
    render = ball.render(head, orbit(torch.tensor([0.0, 1.0])))
    assert render.image.shape == (2, 3, 40, 40)
    assert (render.image[render.mask.expand(-1, 3, -1, -1) == 0] == 1).all()
    assert 0.1 < render.mask.mean() < 0.35, "a ball of half the view's width"
    assert 2.7 - BOX / 2 < render.depth[0, 0, 20, 20] < 2.7
    assert ball.render(head, orbit(torch.tensor([0.0, 1.0])), RenderOptions(shading="clay")).image.std() > 0.05
    alone = ball.render(head[0], orbit(0.0), RenderOptions(background=False))
    torch.testing.assert_close(alone.image * alone.mask + 1 - alone.mask, render.image[:1])


def test_what_it_has_not_is_refused_in_words(ball: I3DMM):
    codes = ball.codes(rows(0), rows(0), rows(0))
    with pytest.raises(FullheadError, match=r"mine is an I3DMM, which has no density"):
        capable(ball, HasDensity, "mine")
    with pytest.raises(FullheadError, match="no rig"):
        ball.decode(codes, HeadPose(torch.zeros(1, 52), torch.zeros(1, 5, 3)))
    with pytest.raises(FullheadError, match="an i3DMM has no precision bf16: leave precision at fp32"):
        ball.render(ball.decode(codes), orbit(0.0), RenderOptions(precision="bf16"))


def test_a_file_holds_the_model(model: I3DMM, tmp_path: Path):
    save(model, tmp_path / "a.safetensors")
    back = read_module(tmp_path / "a.safetensors", I3DMM)
    assert isinstance(back, I3DMM) and back.config == SMALL
    codes: I3DMMCodes = model.seed_latents([1])
    x = torch.rand(1, 9, 3)
    torch.testing.assert_close(back.distance(replace(codes), x), model.distance(codes, x))
