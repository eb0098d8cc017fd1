"""Snapshots in the form of Head360's trainer become models; what a head does not need, and the mesh, are left out."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from snapshots import FIR, Persistent, dumps, network, snapshot
from torch import Tensor

from fullhead.commands.convert import convert as command
from fullhead.convert.head360 import RENAMED
from fullhead.convert.snapshots import convert_checkpoint
from fullhead.core.cameras import orbit
from fullhead.core.errors import FullheadError
from fullhead.core.grids import HEX_AXES
from fullhead.models.checkpoint import read_module
from fullhead.models.head360 import Head360
from fullhead.nn.superres import SuperresConfig
from small_head360 import RELEASED, small_head360

CONFIG = replace(
    RELEASED, image_size=64, superres=SuperresConfig(input_size=64, channels=(8, 8), upsample_first=False, clamp=None)
)
RENDERING: dict[str, Any] = {
    "clamp_mode": "softplus",
    "disparity_space_sampling": False,
    "superresolution_module": "training_avatar_texture.superresolution.SuperresolutionHybrid2X",
    "c_scale": 1,
    "c_gen_conditioning_zero": False,
    "decoder_lr_mul": 1,
    "sr_antialias": True,
    "depth_resolution": 16,
    "depth_resolution_importance": 12,
    "ray_start": 20.0,
    "ray_end": 25.0,
    "box_warp": 1,
    "avg_camera_radius": 22.5,
    "white_back": True,
}
KWARGS: dict[str, Any] = {
    "z_dim": 4,
    "c_dim": 25,
    "w_dim": 16,
    "img_resolution": 128,
    "img_channels": 3,
    "channel_base": 256,
    "channel_max": 12,
    "sr_num_fp16_res": 0,
    "rendering_kwargs": RENDERING,
}


def model() -> Head360:
    return small_head360(replace(CONFIG, image_size=128))


def original_tensors(model: Head360) -> dict[str, Tensor]:
    """What the original stores: these, more parts that it never uses, its filters, and its mesh."""
    names = {ours: theirs for theirs, ours in RENAMED.items()}
    found = {}
    for name, tensor in model.state_dict().items():
        if start := next((start for start in names if name.startswith(start)), None):
            found[names[start] + name.removeprefix(start)] = tensor
    unused = ["backbone_sr.synthesis.b4.const", "texture_backbone.mapping.fc0.weight", "mouth_backbone.synthesis.b4.const"]
    unused += ["neural_blending.synthesis.b8.conv1.weight", "mouth_backbone.synthesis.fusion.1.weight"]
    unused += ["neural_blending.mapping.w_avg"]
    mesh = {"faces": torch.zeros(1, 5, 3, dtype=torch.int64), "raw_uvcoords": torch.zeros(1, 5, 2)}
    return {
        **found,
        **{name: torch.ones(3) for name in unused},
        "mouth_backbone.synthesis.b8.resample_filter": FIR.clone(),
        **mesh,
    }


def original(tmp_path: Path, name: str = "TriPlaneGenerator", **changes: Any) -> Path:
    tensors = {**original_tensors(model()), **changes.pop("tensors", {})}
    axes = changes.pop("axes", HEX_AXES)
    generator = network(name, tensors, neural_rendering_resolution=16)
    rendering = {**RENDERING, **{key: changes.pop(key) for key in [*changes] if key in RENDERING}}
    generator.__dict__["rendering_kwargs"] = rendering
    generator.__dict__["_init_kwargs"] = {**KWARGS, **changes, "rendering_kwargs": rendering}
    generator.add_module("renderer", Persistent("ImportanceRenderer", plane_axes=axes))
    generator.add_module("superresolution", generator._modules.pop("superresolution"))
    generator._modules["superresolution"].__dict__["class_name_"] = "SuperresolutionHybrid2X"  # type: ignore[union-attr]
    (tmp_path / "original.pkl").write_bytes(dumps(snapshot(generator)))
    return tmp_path / "original.pkl"


@pytest.mark.parametrize("name", ["TriPlaneGenerator", "HexPlaneGenerator"])
def test_an_original_draws_the_same_once_it_has_a_mesh(name: str, tmp_path: Path):
    convert_checkpoint(original(tmp_path, name), tmp_path / "model.safetensors")
    ours, expected = read_module(tmp_path / "model.safetensors", Head360), model()
    assert ours.config == replace(expected.config, mesh=None) and ours.about["family"] == "head360"
    with pytest.raises(FullheadError, match="without its mesh"):
        ours.decode(ours.seed_latents([7]))
    ours.use_mesh(expected.known_mesh)
    assert ours.config == expected.config
    images = [m.render(m.decode(m.seed_latents([7])), orbit(0.4)).image for m in (ours, expected)]
    assert torch.equal(*images) and images[0].std() > 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"conv_clamp": 256}, "conv_clamp"),
        ({"c_scale": 0.5}, "c_scale"),
        ({"disparity_space_sampling": True}, "disparity_space_sampling"),
        ({"z_dim": 5}, "another shape"),
        ({"tensors": {"texture_backbone.synthesis.b4.torgb.weight": torch.zeros(8, 12, 1, 1)}}, "half as many"),
        ({"tensors": {"mouth_backbone.synthesis.b4096.const": torch.zeros(8)}, "axes": -HEX_AXES}, "other axes"),
        ({"tensors": {"other.weight": torch.zeros(8)}}, "beyond its own options"),
    ],
)
def test_what_cannot_be_honoured_is_refused_in_words(changes: dict[str, Any], words: str, tmp_path: Path):
    with pytest.raises(FullheadError, match=re.escape(words)):
        convert_checkpoint(original(tmp_path, **changes), tmp_path / "model.safetensors")


def test_the_command_says_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command(original(tmp_path), tmp_path / "model.safetensors")
    said = capsys.readouterr().out
    assert "Found Head360 G_ema (TriPlaneGenerator)" in said and "Its mesh is not in the file" in said
    with pytest.raises(FullheadError, match="no network D"):
        command(tmp_path / "original.pkl", tmp_path / "d.safetensors", "D")
