"""At full size every tensor has the name and the shape of the published state dicts; nothing is allocated."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from fullhead.models.panohead import PanoHead, PanoHeadConfig
from fullhead.models.presets import EG3D_FFHQ512, PANOHEAD_FFHQ512, SPHEREHEAD512
from fullhead.nn.discriminator import Discriminator, DiscriminatorConfig

OFFICIAL = json.loads((Path(__file__).parent.parent / "convert" / "golden" / "official_keys.json").read_text())
NOT_LEARNED = ("resample_filter", "dataset_label_std")  # constants that the library does not store


def shapes(module: nn.Module) -> dict[str, list[int]]:
    return {k.removeprefix("field."): list(v.shape) for k, v in module.state_dict().items()}


def published(family: str, network: str) -> dict[str, list[int]]:
    return {k: v for k, v in OFFICIAL[family][network].items() if not k.endswith(NOT_LEARNED)}


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("family", "config", "count"),
    [
        ("panohead", PANOHEAD_FFHQ512, 53_741_548),
        ("eg3d", EG3D_FFHQ512, 30_662_136),
        ("spherehead", SPHEREHEAD512, 54_713_868),
    ],
)
def test_generators_have_the_published_tensors(family: str, config: PanoHeadConfig, count: int):
    with torch.device("meta"):
        model = PanoHead(config)
    assert shapes(model) == published(family, "G")
    assert parameters(model) == count


@pytest.mark.parametrize(
    ("family", "network", "config", "count"),
    [
        ("panohead", "MaskDualDiscriminatorV2", DiscriminatorConfig(), 31_359_808),
        ("eg3d", "DualDiscriminator", DiscriminatorConfig(mask=False), 31_359_744),
        ("spherehead", "HoloDiscriminator", DiscriminatorConfig(parsing_classes=20), 31_361_088),
    ],
)
def test_discriminators_have_the_published_tensors(family: str, network: str, config: DiscriminatorConfig, count: int):
    with torch.device("meta"):
        model = Discriminator(config)
    assert shapes(model) == published(family, network)
    assert parameters(model) == count
