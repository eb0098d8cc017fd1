"""Head360's parts give, stage by stage, the numbers of the published program; at full size they have its tensors."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from recipe import assert_close, golden
from torch import Tensor, nn

from fullhead.convert.head360 import RENAMED, UNUSED
from fullhead.core.cameras import cameras_from_labels
from fullhead.core.grids import HEX_AXES, in_planes, sample_planes
from fullhead.core.rays import pixel_rays
from fullhead.models.head360 import Head360
from fullhead.models.presets import HEAD360_512, HEAD360_RELEASED512
from fullhead.nn.module import unfilled
from fullhead.nn.style_unet import StyleUNet
from fullhead.nn.stylegan2 import Mapping, Synthesis
from fullhead.representations import hex_planes
from fullhead.representations.hex_planes import HexPlanesConfig
from fullhead.representations.planes import Decoder, DecoderConfig
from fullhead.representations.volume import MarchConfig, coarse_distances, march

RELEASED = HexPlanesConfig(channels=8, pairing="concat", hair="alpha", as_released=True)
OFFICIAL = json.loads((Path(__file__).parent.parent / "convert" / "golden" / "head360_keys.json").read_text())
MESH = ("faces", "uvfaces", "uvcoords", "raw_uvcoords", "face_uvcoords", "dense_faces")


def numbers(name: str) -> dict[str, Tensor]:
    return golden(f"head360/{name}")


def filled(module: nn.Module, values: dict[str, Tensor], prefix: str = "state.") -> nn.Module:
    module.load_state_dict({k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix)})
    return module.requires_grad_(False)


def test_mappings_agree():
    n = numbers("mapping")
    mapping = Mapping(50, 25, 64, embed_dim=50)
    filled(mapping, n, "G.")
    assert_close(mapping(n["z"], n["c"]), n["w"], 1e-6)
    assert_close(mapping.truncated(n["w"], 0.5), n["w_psi05"], 1e-6)
    expressions = Mapping(0, 52, 32, layers=8)
    del expressions.w_avg
    assert_close(filled(expressions, n, "D2.")(None, n["e"]), n["D2_out"], 1e-6)


def test_the_texture_agrees_block_by_block():
    n = numbers("texture")
    synthesis = Synthesis(32, 64, 8, 1024, 24)
    filled(synthesis, n)
    assert_close(synthesis(n["ws"]), n["out_const"], 2e-5)
    assert_close(synthesis(n["ws"], noise=False), n["out_none"], 2e-5)
    x, image = synthesis.b4.const.expand(2, -1, -1, -1), None
    for start, size in ((0, 4), (1, 8), (3, 16), (5, 32)):
        block = getattr(synthesis, f"b{size}")
        x, image = block(x, image, n["ws"][:, start : start + block.convolutions + 1], True, None)
        assert_close(x, n[f"block{size}.x"], 2e-5)
        assert_close(image, n[f"block{size}.img"], 2e-5)


@pytest.mark.parametrize(("name", "seen", "lowest"), [("mouth", 16, 4), ("blend", 64, 16)])
def test_what_redraws_mouth_and_front_agrees(name: str, seen: int, lowest: int):
    n = numbers(name)
    unet = StyleUNet(32, 64, 6, input_size=seen, lowest=lowest, channel_base=1024, channel_max=16)
    filled(unet, n)
    stages: dict[str, Tensor] = {}
    for part, short in ((unet.encoder, "enc"), (unet.fusion, "fusion")):
        for i, module in enumerate(part):
            module.register_forward_hook(lambda _, __, out, key=f"{short}{i}": stages.update({key: out}))
    assert_close(unet(n["x"], n["ws"]), n["out"], 1e-5)
    for stage in ("enc0", "enc1", "fusion0", "fusion1"):
        assert_close(stages[stage], n[stage], 1e-5)


def test_the_six_views_and_their_pairs_agree():
    """To 1e-4 also where faces graze the view, and whole numbers exactly."""
    n = numbers("views")
    mesh = SimpleNamespace(faces=n["faces"], uv=n["uv"], uv_faces=n["faces_uv"])
    points = RELEASED.scale * n["verts"]
    grid, seen = hex_planes.look_up(points, mesh, RELEASED)
    planes = hex_planes.paired(hex_planes.draw(n["texture"], grid), RELEASED)
    alpha = hex_planes.covered(grid, seen, n["mask"] / 255, RELEASED)
    for i, plane in enumerate("ZXY"):
        assert_close(planes[:, i, :, 1::4, 2::4], n[f"plane_{plane}"], 1e-4)
        assert torch.equal(alpha[:, i, 0], n[f"alpha_{plane}"] / 255)
    squares = hex_planes.mouth_squares(points[:, n["landmark_vertex_idx"].long()], 256)
    found = [[at.rows.start, at.rows.stop, at.columns.start, at.columns.stop] for at in squares]
    assert found == n["mouth_box"].tolist()


def test_planes_decoder_and_marching_agree():
    """With the recorded rays: a rounding of a ray 22.5 units long moves its samples by 1e-5."""
    n = numbers("render")
    decoder = Decoder(DecoderConfig(activation="sigmoid"), 16)
    filled(decoder, n, "decoder.")
    planes = n["planes"][:, :, :, None]
    assert torch.equal(HEX_AXES, n["plane_axes"])
    flat = in_planes(n["pts"], HEX_AXES, 1.0) * torch.tensor([1.0, 1.0, 0.0])
    assert_close(sample_planes(planes, flat), n["pts_features"], 1e-5)
    raw, colour = decoder(hex_planes.features(planes, n["pts"], 1.0))
    assert_close(raw[..., None], n["pts_sigma"], 1e-4)
    assert_close(colour, n["pts_rgb"], 1e-5)
    config = MarchConfig(20, 25, 22.5, coarse=24, fine=24, crop=None, white_background=True, from_end_to_end=True)
    rays = n["ray_o"], n["ray_d"]
    for ours, theirs in zip(pixel_rays(cameras_from_labels(n["cameras"]), 12), rays, strict=True):
        assert_close(ours, theirs, 1e-6)
    assert_close(coarse_distances(config, *rays, None)[..., None], n["coarse.depths"], 1e-6)
    features, opacity, distance = march(lambda x: decoder(hex_planes.features(planes, x, 1.0)), config, *rays)
    assert_close(2 * features - 1, n["feature"], 1e-4)
    assert_close(opacity, n["weight_sum"], 1e-4)
    assert_close(distance, n["depth"], 1e-4)


def test_at_full_size_its_tensors_are_the_published_ones_that_are_used():
    model = unfilled(Head360, HEAD360_RELEASED512)
    original = {ours: theirs for theirs, ours in RENAMED.items()}
    shapes = {}
    for name, value in model.state_dict().items():
        if not name.startswith("mesh.") and name != "uv_mask":
            start = next(start for start in original if name.startswith(start))
            shapes[original[start] + name.removeprefix(start)] = list(value.shape)
    assert {name: OFFICIAL.get(name) for name in shapes} == shapes
    assert all(UNUSED.match(name) or name in MESH for name in OFFICIAL.keys() - shapes)
    assert (
        sum(p.numel() for p in model.parameters()) == 191_114_420 - 62_392_399 + 4
    )  # four strengths of noise are not used either


def test_the_papers_textures_are_as_wide_as_its_planes():
    model = unfilled(Head360, HEAD360_512)
    assert model.texture_synthesis.b4.torgb.weight.shape[0] == model.decoder.net[0].weight.shape[1] == 64
