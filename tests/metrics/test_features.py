from importlib.resources import files
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from fullhead.core.errors import FullheadError
from fullhead.metrics.features import EMBEDDING, SHIPPED, WIDTHS, HeadFeatures, feature_distance, load_features, save_features


@pytest.fixture(scope="module")
def network() -> HeadFeatures:
    return load_features()


def test_shipped_weights_are_small_and_say_what_they_are(network: HeadFeatures):
    assert (files("fullhead.metrics") / "weights" / SHIPPED).stat().st_size < 3 << 20  # type: ignore[attr-defined]
    assert network.name == f"fullhead-heads-v{network.about['version']}"
    assert {"accuracy", "photos", "trained_on", "vocabulary"} <= set(network.about)


def test_it_tells_side_and_person_of_photos_it_never_saw(
    network: HeadFeatures, heads: Tensor, yaws: list[float], men: list[bool]
):
    said = network.attributes(network(heads)[1])
    yaw = torch.atan2(*said["yaw"].unbind(dim=1))
    turn = yaw - torch.deg2rad(torch.tensor(yaws))
    assert torch.rad2deg(torch.atan2(turn.sin(), turn.cos()).abs()).max() < 45
    assert ((said["male"][:, 0] > 0) == torch.tensor(men)).sum() >= 6


def test_maps_and_embeddings_have_their_shapes_for_images_of_any_size(network: HeadFeatures):
    maps, embedding = network(torch.rand(2, 3, 40, 56) * 2 - 1)
    assert [list(m.shape) for m in maps] == [[2, c, s, s] for c, s in zip(WIDTHS, (64, 32, 16, 8, 4), strict=True)]
    assert embedding.shape == (2, EMBEDDING)


def test_large_copies_of_an_image_look_like_the_image(network: HeadFeatures, heads: Tensor):
    large = F.interpolate(heads, scale_factor=4, mode="nearest")
    between_heads = (network(heads)[1] - network(heads.roll(1, 0))[1]).norm(dim=1).mean()
    moved = (network(heads)[1] - network(large)[1]).norm(dim=1)  # not 0: the filter that makes them small blurs a little
    assert moved.max() < 0.3 * between_heads


def test_an_image_looks_the_same_alone_and_in_company(network: HeadFeatures, heads: Tensor):
    torch.testing.assert_close(network(heads[2:3])[1], network(heads)[1][2:3], rtol=1e-4, atol=1e-4)


def test_feature_distance_is_nothing_to_itself_and_grows_with_damage(network: HeadFeatures, heads: Tensor):
    def distance(a: Tensor, b: Tensor) -> Tensor:
        return feature_distance(network(a)[0], network(b)[0])

    noise = torch.randn(heads.shape, generator=torch.Generator().manual_seed(0))
    assert distance(heads, heads).abs().max() == 0
    grades = [distance(heads, heads + sigma * noise) for sigma in (0.02, 0.1, 0.5)]
    assert grades[0].shape == (8,)
    assert (grades[0] < grades[1]).all()
    assert (grades[1] < grades[2]).all()
    torch.testing.assert_close(distance(heads, heads.roll(1, 0)), distance(heads.roll(1, 0), heads))


def test_feature_distance_equals_a_loop_over_pixels(network: HeadFeatures, heads: Tensor):
    a, b = network(heads[:1])[0], network(heads[1:2])[0]
    total = 0.0
    for x, y in zip(a, b, strict=True):
        pixels = [(i, j) for i in range(x.shape[2]) for j in range(x.shape[3])]
        parts = [(F.normalize(x[0, :, i, j], dim=0) - F.normalize(y[0, :, i, j], dim=0)).square().sum() for i, j in pixels]
        total += float(torch.stack(parts).mean())
    assert float(feature_distance(a, b)) == pytest.approx(total, rel=1e-3)


def test_images_get_gradients_and_weights_do_not(network: HeadFeatures, heads: Tensor):
    images = torch.zeros_like(heads[:2]).requires_grad_()  # flat black: where a norm without care has no gradient
    feature_distance(network(images)[0], network(heads[:2])[0]).sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()
    assert images.grad.abs().max() > 0
    assert all(p.grad is None for p in network.parameters())


def test_a_saved_network_reads_back(tmp_path: Path, heads: Tensor):
    network = HeadFeatures({"yaw": 2, "male": 1})
    save_features(network, tmp_path / "n.safetensors", {"version": "9"})
    back = load_features(tmp_path / "n.safetensors")
    assert back.name == "fullhead-heads-v9"
    torch.testing.assert_close(back(heads)[1], network(heads)[1], rtol=0.05, atol=0.02)  # written in half precision


def test_wrong_files_and_images_are_refused_in_words(tmp_path: Path, network: HeadFeatures):
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(FullheadError, match="no feature network"):
        load_features(tmp_path / "x.safetensors")
    with pytest.raises(FullheadError, match="check the spelling"):
        load_features(tmp_path / "none.safetensors")
    with pytest.raises(FullheadError, match=r"\[1, 1, 64, 64\]"):
        network(torch.zeros(1, 1, 64, 64))
