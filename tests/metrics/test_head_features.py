import json
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fullhead.core.errors import FullheadError
from fullhead.metrics.features import load_features
from fullhead.training.head_features import (
    Examples,
    accuracy,
    answers,
    augmented,
    blurred_photos,
    main,
    read_examples,
    split,
    standardised,
    train,
)


@pytest.fixture(scope="module")
def examples(photos: Path) -> Examples:
    return read_examples(photos)[0]


def test_no_head_is_on_both_sides_of_the_split(examples: Examples):
    training, held_out = split(examples)
    assert len(training) + len(held_out) == len(examples) == 40
    assert len(held_out) == 4
    assert not set(training.head.tolist()) & set(held_out.head.tolist())


def test_mirrored_images_come_with_the_mirrored_yaw(examples: Examples):
    images, yaw, amounts = augmented(examples, torch.Generator().manual_seed(0))
    plain = examples.images.float() / 127.5 - 1
    mirrored = yaw != examples.yaw
    assert 5 < mirrored.sum() < 35
    torch.testing.assert_close(yaw[mirrored], -examples.yaw[mirrored])
    expected = torch.where(mirrored[:, None, None, None], plain.flip(-1), plain)
    untouched = (images - expected).abs().amax(dim=(1, 2, 3)) < 1e-5
    assert untouched.sum() >= 3
    assert all((amount[untouched] == 0).all() for amount in amounts.values())


def test_augmentation_is_repeatable_and_in_range(examples: Examples):
    a, b = (augmented(examples, torch.Generator().manual_seed(5))[0] for _ in range(2))
    assert torch.equal(a, b)
    assert a.abs().max() <= 1


def test_blur_keeps_the_mean_spreads_a_point_by_sigma_and_leaves_what_sigma_0_leaves():
    point = torch.zeros(2, 1, 33, 33)
    point[:, :, 16, 16] = 1
    x = blurred_photos(point, torch.tensor([0.0, 1.5]))
    torch.testing.assert_close(x[0], point[0])
    assert float(x[1].sum()) == pytest.approx(1, rel=1e-4)
    offset = torch.arange(33) - 16.0
    assert float((x[1, 0].sum(dim=0) * offset.square()).sum()) == pytest.approx(1.5**2, rel=0.05)


def test_training_learns_to_tell_the_side_of_a_few_photos(examples: Examples):
    vocabulary = {"hair_style": ["bob"], "hair_colour": ["grey", "red"], "beard": ["none"], "collar": ["crew"]}
    before = accuracy(train(examples, vocabulary, steps=1, batch=2), examples)
    network = train(examples, vocabulary, steps=20, batch=8)
    assert accuracy(network, examples)["yaw"] < 0.8 * before["yaw"]


def test_standardising_changes_the_scale_of_embeddings_and_no_answer(examples: Examples, heads: Tensor):
    vocabulary = {"hair_style": ["bob"], "hair_colour": ["grey", "red"], "beard": ["none"], "collar": ["crew"]}
    network = train(examples, vocabulary, steps=1, batch=2)
    scaled = standardised(network, examples)
    a, b = network(heads)[1], scaled(heads)[1]
    for name in answers(vocabulary):
        torch.testing.assert_close(network.attributes(a)[name], scaled.attributes(b)[name], rtol=1e-3, atol=1e-4)
    spread = scaled(examples.images.float() / 127.5 - 1)[1].std(dim=0)
    torch.testing.assert_close(spread, torch.ones(128), rtol=1e-3, atol=1e-3)


def test_the_command_writes_a_network_that_loads(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["train_features", str(photos), str(tmp_path / "n.safetensors"), "--steps", "4"])
    main()
    network = load_features(tmp_path / "n.safetensors")
    assert network.about["accuracy"] == json.loads(capsys.readouterr().out)
    assert network.about["trained_on"] == 36
    assert network.about["vocabulary"]["hair_colour"] == ["grey", "red"]


def test_a_folder_without_records_is_refused_in_words(tmp_path: Path):
    with pytest.raises(FullheadError, match=r"heads\.json"):
        read_examples(tmp_path)
