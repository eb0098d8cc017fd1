"""Implicit networks: what codes, features, skips and tangents mean."""

import pytest
import torch
from torch import Tensor

from fullhead.core.grids import sample_planes
from fullhead.nn import implicit
from fullhead.nn.feature_volume import VOLUME, FeatureGenerator, adain
from fullhead.nn.implicit import ImplicitNetwork, NormedLinear, positional_encoding


@pytest.fixture
def network() -> ImplicitNetwork:
    torch.manual_seed(0)
    return ImplicitNetwork(2, width=24, depth=4, code=5, feature=3, octaves=2, skip=2).requires_grad_(False)


def inputs(counts: tuple[int, ...] = (4, 0, 9)) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Points, whose they are, codes and features of scans with unequal numbers of points."""
    torch.manual_seed(1)
    n = sum(counts)
    scan = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return torch.randn(n, 3), scan, torch.randn(len(counts), 5), torch.randn(n, 3)


def plainly(network: ImplicitNetwork, x: Tensor, code: Tensor, feature: Tensor) -> tuple[Tensor, Tensor]:
    """One point at a time, everything concatenated."""
    encoded = positional_encoding(x[None], network.octaves)[0]
    h = torch.cat([encoded, code, feature])
    for i, layer in enumerate(network.lin):
        weight = layer.weight_g * layer.weight_v / layer.weight_v.norm(dim=1, keepdim=True)
        h = torch.cat([h, encoded]) / 2**0.5 if i == network.skip else h
        hidden = h
        h = weight @ h + layer.bias
        h = torch.nn.functional.softplus(h, 100) if i < network.depth else h
    return h, hidden


def test_each_point_sees_the_code_of_its_own_scan(network: ImplicitNetwork):
    x, scan, code, feature = inputs()
    values, hidden = network(x, scan, code, feature)
    for i in range(len(x)):
        value, last = plainly(network, x[i], code[scan[i]], feature[i])
        torch.testing.assert_close(values[i], value, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(hidden[i], last, rtol=1e-5, atol=1e-5)


def test_one_code_serves_all_points_and_parts_make_the_whole(network: ImplicitNetwork, monkeypatch: pytest.MonkeyPatch):
    x, _, code, feature = inputs()
    layers = network.prepared(code[:1])
    whole = layers(x, None, feature)
    monkeypatch.setattr(implicit, "CHUNK", 5)
    parts = implicit.by_chunks(lambda x, feature: layers(x, None, feature), x, feature)
    for ours, theirs in zip(parts, whole, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_tangents_are_the_jacobian():
    torch.manual_seed(2)
    network = ImplicitNetwork(4, width=16, depth=4, code=5, tap=2).requires_grad_(False)
    x, scan, code, _ = inputs()
    layers = network.prepared(code)
    directions = torch.randn(3, len(x), 3)
    values, hidden, dvalues, dhidden = layers.linearised(x, directions, scan)
    torch.testing.assert_close((values, hidden), layers(x, scan))
    for i in range(len(x)):
        for output, tangents in ((0, dvalues), (1, dhidden)):
            jacobian = torch.autograd.functional.jacobian(lambda p, i=i, o=output: layers(p[None], scan[i : i + 1])[o][0], x[i])
            torch.testing.assert_close(tangents[:, i], directions[:, i] @ jacobian.T, rtol=1e-4, atol=1e-5)


def test_the_first_geometry_is_a_ball():
    torch.manual_seed(3)
    network = ImplicitNetwork(1, width=256, depth=4, feature=6, octaves=4, skip=4).requires_grad_(False)
    network.start_as_sphere(6)
    direction = torch.nn.functional.normalize(torch.randn(200, 3), dim=-1)
    radii = torch.tensor([0.1, 0.5, 1.0, 1.5])
    logits = torch.stack([network(r * direction, feature=torch.zeros(200, 6))[0][:, 0] for r in radii])
    assert (logits.diff(dim=0) < -0.1).all(), "falls along every ray"
    torch.testing.assert_close(logits.mean(dim=1), 1 - radii, rtol=0, atol=0.25)


def test_rows_of_a_normed_layer_are_as_long_as_it_says():
    layer = NormedLinear(6, 4)
    layer.weight_g.data *= 3
    torch.testing.assert_close(layer.weight.norm(dim=1, keepdim=True), layer.weight_g)
    x = torch.randn(5, 6)
    torch.testing.assert_close(x @ layer.weight.T, 3 * x @ layer.weight_v.T)


def test_a_style_says_mean_and_deviation_of_each_channel():
    h = torch.randn(2, 3, 4, 5, 6)
    shift, scale = torch.randn(2, 3), torch.rand(2, 3) + 0.5
    out = adain(h, torch.cat([shift, scale], dim=1))
    torch.testing.assert_close(out.mean(dim=(2, 3, 4)), shift, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(out.std(dim=(2, 3, 4)), scale, rtol=1e-3, atol=1e-3)


def test_every_code_has_its_own_volume_whatever_the_batch():
    torch.manual_seed(4)
    generator = FeatureGenerator(5, width=32, features=8).requires_grad_(False)
    codes = torch.randn(2, 5)
    volumes = generator(codes)
    assert volumes.shape == (2, 8, *VOLUME)
    torch.testing.assert_close(volumes[1:], generator(codes[1:]), rtol=1e-4, atol=1e-5)
    assert (volumes[0] - volumes[1]).abs().max() > 1e-3


def test_points_ask_for_the_same_features_as_the_whole_volume_has():
    torch.manual_seed(5)
    generator = FeatureGenerator(5, width=32, features=8)
    codes = torch.randn(2, 5, requires_grad=True)
    x = 2.2 * torch.rand(60, 3) - 1.1  # some of them outside
    x[:3] = torch.tensor([[1.0, 1, 1], [-1, -1, -1], [1, -1, 0]])
    x.requires_grad_()
    scan, wanted = torch.arange(60) // 35, torch.randn(60, 8)
    sizes = torch.tensor(VOLUME[::-1])
    whole = generator(codes)
    parts = [whole[b : b + 1, None] for b in range(2)]
    read = [sample_planes(part, (x[scan == b] * ((sizes - 1) / sizes))[None, None])[0, 0] for b, part in enumerate(parts)]
    asked = generator.where_asked(codes).at(x, scan)
    torch.testing.assert_close(asked, torch.cat(read), rtol=1e-4, atol=1e-5)
    inputs = [codes, x, generator.enc2.weight, generator.enc2.bias, generator.enc1.weight]
    for of_asked, of_read in zip(
        *(torch.autograd.grad((y * wanted).sum(), inputs) for y in (asked, torch.cat(read))), strict=True
    ):
        torch.testing.assert_close(of_asked, of_read, rtol=1e-3, atol=1e-3 * float(of_read.abs().max()))
