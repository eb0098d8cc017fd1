"""The golden files and the small models that they were made with."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from fullhead.models.panohead import PanoHead, PanoHeadConfig
from fullhead.nn.discriminator import Discriminator, DiscriminatorConfig
from fullhead.representations.planes import DecoderConfig, PlanesConfig
from fullhead.representations.volume import MarchConfig

FAMILIES = ("panohead", "eg3d", "spherehead")
GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> dict[str, Tensor]:
    return load_file(GOLDEN / f"{name}.safetensors")


def random(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape).astype(np.float32))


def recipe(name: str, shape: tuple[int, ...]) -> Tensor:
    """The weights of a micro model: made of the published name of the tensor alone."""
    x = random(zlib.crc32(name.encode()) & 0xFFFFFFFF, *shape)
    last = name.rpartition(".")[2]
    if last == "noise_strength":
        x = 0.1 * x
    elif last == "w_avg":
        x = 0.3 * x
    elif last == "bias":
        x = 0.1 * x + (1 if ".affine." in name else 0)
        x = 0.2 * x if name == "t_mapping.fc1.bias" else x
    elif name == "t_mapping.fc1.weight":
        x = 0.05 * x
    elif last == "weight" and "mapping.fc" in name and "t_mapping" not in name:
        x = 100 * x
    if name == "decoder.net.2.weight":
        x[0] *= 40
    if name == "decoder.net.2.bias":
        x[0] = 8
    return x


def refilled(module: nn.Module) -> nn.Module:
    """The module with every tensor replaced by the recipe's."""
    state = module.state_dict()
    module.load_state_dict({k: recipe(k.removeprefix("field."), tuple(v.shape)) for k, v in state.items()})
    return module.eval().requires_grad_(False)


def micro_config(family: str) -> PanoHeadConfig:
    march = MarchConfig(coarse=10, fine=8)
    if family == "panohead":
        return PanoHeadConfig(
            z_dim=32, channel_base=512, channel_max=16, neural_size=16, planes=PlanesConfig(size=16), march=march
        )
    if family == "spherehead":
        return PanoHeadConfig(
            z_dim=32,
            channel_base=512,
            channel_max=16,
            neural_size=16,
            planes=PlanesConfig(kind="two-balls", size=16, depth=1),
            march=march,
            parsing_classes=20,
        )
    return PanoHeadConfig(
        z_dim=32,
        channel_base=2048,
        channel_max=8,
        neural_size=16,
        planes=PlanesConfig(kind="eg3d", size=256, depth=1),
        march=MarchConfig(coarse=10, fine=8, crop=None),
        decoder=DecoderConfig(activation="sigmoid"),
        background=False,
        raw_colours=False,
        camera_adaptation=False,
    )


def micro_generator(family: str) -> PanoHead:
    model = PanoHead(micro_config(family))
    refilled(model)
    return model


def micro_discriminator(family: str) -> Discriminator:
    config = DiscriminatorConfig(
        image_size=128,
        mask=family != "eg3d",
        parsing_classes=20 if family == "spherehead" else 0,
        channel_base=512,
        channel_max=16,
    )
    module = Discriminator(config)
    refilled(module)
    return module


def assert_close(ours: Tensor, theirs: Tensor, atol: float = 1e-4) -> None:
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)
