from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fullhead.core.cameras import cameras_from_labels
from fullhead.data.photos import PhotoSet
from fullhead.metrics.features import load_features
from fullhead.metrics.quality import Looks, figures, generated_batches, halves, looks, photo_batches
from fullhead.models.panohead import PanoHead
from fullhead.training.panohead import PanoHeadTaskConfig


def test_photos_of_a_set_split_into_halves_that_share_no_head(photos: Path):
    kept = PhotoSet(photos)
    even, odd = halves(kept, photos)
    assert sorted([*even.tolist(), *odd.tolist()]) == list(range(40))
    files = [kept.index[half].tolist() for half in (even, odd)]
    assert files[0] == sorted(files[0])
    assert [{i // 2 % 2 for i in half} for half in files] == [{0}, {1}]


def test_photos_against_themselves_are_perfect_on_every_side(photos: Path):
    found = looks(load_features(), photo_batches(PhotoSet(photos), torch.arange(40), batch=16))
    assert len(found) == 40
    result = figures(found, found)
    assert set(result) == {"all", "front"}  # 15 of 40 are seen from behind: too few
    for side in result.values():
        assert side["fid_heads"] == pytest.approx(0, abs=1e-3)
        assert side["precision"] == side["recall"] == 1
        assert side["turned_away"] == 0
        assert side["yaw_error_deg"] < 20


def test_a_random_generator_is_far_from_photos_and_repeats(photos: Path, tiny: PanoHeadTaskConfig):
    network, kept = load_features(), PhotoSet(photos)
    real = looks(network, photo_batches(kept, torch.arange(40)))
    torch.manual_seed(0)
    model = PanoHead(tiny.generator).eval()
    cameras = cameras_from_labels(kept.labels[kept.index])

    def generated() -> Looks:
        return looks(network, generated_batches(model, cameras, 0.7, torch.Generator().manual_seed(1), batch=16))

    fake, again = generated(), generated()
    assert torch.equal(fake.embedding, again.embedding)
    torch.testing.assert_close(fake.yaw, real.yaw)
    assert figures(real, fake)["all"]["fid_heads"] > 10
    assert figures(real, fake)["all"]["precision"] < 0.5


def test_a_generator_with_the_face_behind_is_noticed():
    yaw = torch.linspace(-3.1, 3.1, 200)
    seen = Looks(torch.randn(200, 128, generator=torch.Generator().manual_seed(0)), yaw, yaw)
    janus = replace(seen, yaw_seen=torch.where(yaw.abs() > 1.57, yaw - 3.14, yaw))
    result = figures(seen, janus)
    assert result["back"]["turned_away"] == 1
    assert result["front"]["turned_away"] == 0
