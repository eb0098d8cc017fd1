import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from assembler import encode, persistent, tensor, whole
from safetensors import safe_open
from snapshots import FIR, PLANE_AXES, Persistent, dumps, generator, network, ordered, recipe, snapshot

from fullhead.commands.convert import convert as command
from fullhead.convert.networks import Converted, Which
from fullhead.convert.panohead import build, config_from_original, discriminator_config
from fullhead.convert.reader import read_snapshot
from fullhead.convert.snapshots import convert_checkpoint, extract
from fullhead.core.cameras import cameras_from_labels, orbit
from fullhead.core.errors import FullheadError
from fullhead.models import presets
from fullhead.models.checkpoint import read_header, read_module
from fullhead.models.panohead import PanoHead, PanoHeadConfig
from fullhead.nn.discriminator import Discriminator, DiscriminatorConfig
from fullhead.nn.superres import SuperresConfig
from fullhead.representations.planes import PlanesConfig
from fullhead.representations.volume import MarchConfig

RENDERING: dict[str, Any] = {
    "image_resolution": 512,
    "disparity_space_sampling": False,
    "clamp_mode": "softplus",
    "superresolution_module": "training.superresolution.SuperresolutionHybrid8XDC",
    "c_gen_conditioning_zero": False,
    "gpc_reg_prob": 0.8,
    "c_scale": 1.0,
    "superresolution_noise_mode": "none",
    "density_reg_p_dist": 0.004,
    "reg_type": "l1",
    "decoder_lr_mul": 1.0,
    "sr_antialias": True,
    "depth_resolution": 48,
    "depth_resolution_importance": 48,
    "ray_start": 2.25,
    "ray_end": 3.3,
    "box_warp": 1,
    "avg_camera_radius": 2.7,
    "avg_camera_pivot": [0, 0, 0.2],
}
PANOHEAD_ONLY = {
    "decoder_activation": "none",
    "use_torgb_raw": True,
    "triplane_size": 256,
    "triplane_depth": 3,
    "trans_reg": 10.0,
    "use_background": True,
}
KWARGS: dict[str, Any] = {
    "z_dim": 512,
    "c_dim": 25,
    "w_dim": 512,
    "img_resolution": 512,
    "img_channels": 3,
    "mapping_kwargs": {"num_layers": 2},
    "channel_base": 32768,
    "channel_max": 512,
    "fused_modconv_default": "inference_only",
    "num_fp16_res": 0,
    "conv_clamp": None,
    "sr_num_fp16_res": 4,
    "sr_kwargs": {"channel_base": 32768, "channel_max": 512, "fused_modconv_default": "inference_only"},
}
DISCRIMINATOR_KWARGS: dict[str, Any] = {
    "c_dim": 25,
    "img_resolution": 512,
    "img_channels": 3,
    "channel_base": 32768,
    "channel_max": 512,
    "num_fp16_res": 4,
    "conv_clamp": 256,
    "disc_c_noise": 0,
    "epilogue_kwargs": {"mbstd_group_size": 4},
}
OFFICIAL = json.loads((Path(__file__).parent / "golden" / "official_keys.json").read_text())
FULL_SIZE = {
    "panohead": presets.PANOHEAD_FFHQ512,
    "eg3d": presets.EG3D_FFHQ512,
    "spherehead": presets.SPHEREHEAD512,
}
SMALL = {  # our configs, small; what an original of that size would store is made from them below
    "panohead": PanoHeadConfig(
        z_dim=16,
        w_dim=24,
        image_size=128,
        neural_size=16,
        channel_base=256,
        channel_max=8,
        planes=PlanesConfig(size=16, depth=2, channels=8),
        march=MarchConfig(coarse=6, fine=5),
        superres=SuperresConfig(input_size=64, channels=(12, 8), upsample_first=False),
    ),
    "eg3d": replace(
        presets.EG3D_FFHQ512,
        z_dim=16,
        w_dim=24,
        image_size=128,
        neural_size=16,
        channel_base=256,
        channel_max=8,
        planes=PlanesConfig(kind="eg3d", size=16, depth=1, channels=8),
        march=MarchConfig(near=0.0, far=0.0, coarse=6, fine=5, box_size=1.6, crop=None, white_background=True),
        superres=SuperresConfig(input_size=64, channels=(12, 8), upsample_first=False, clamp=None, antialias=False),
    ),
    "spherehead": PanoHeadConfig(
        z_dim=16,
        w_dim=24,
        image_size=256,
        neural_size=16,
        channel_base=256,
        channel_max=8,
        planes=PlanesConfig(kind="two-balls", size=16, depth=1, channels=8),
        march=MarchConfig(coarse=6, fine=5),
        superres=SuperresConfig(input_size=128, channels=(12, 8), upsample_first=False, enlarge_only=True),
        parsing_classes=4,
    ),
}


def original_kwargs(family: str, config: PanoHeadConfig) -> dict[str, Any]:
    """The constructor arguments with which the original would make a model of `config`."""
    sr = config.superres
    name = {512: "8XDC", 256: "4X", 128: "2X"}[config.image_size]
    auto = config.march.near == config.march.far
    rendering = {
        **RENDERING,
        "superresolution_module": f"training.superresolution.SuperresolutionHybrid{name}",
        "sr_antialias": sr.antialias,
        "decoder_lr_mul": config.decoder.lr_multiplier,
        "ray_start": "auto" if auto else config.march.near,
        "ray_end": "auto" if auto else config.march.far,
        "depth_resolution": config.march.coarse,
        "depth_resolution_importance": config.march.fine,
        "box_warp": config.march.box_size,
        "white_back": config.march.white_background,
    }
    if family != "eg3d":
        rendering |= {**PANOHEAD_ONLY, "triplane_depth": config.planes.depth if family == "panohead" else 3}
    return {
        **KWARGS,
        "z_dim": config.z_dim,
        "w_dim": config.w_dim,
        "img_resolution": config.image_size,
        "channel_base": config.channel_base,
        "channel_max": config.channel_max,
        "sr_num_fp16_res": 0 if sr.clamp is None else 4,
        "rendering_kwargs": rendering,
    }


def original_tensors(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Recipe weights under the original's names, with the constants that only the original stores."""
    tensors = {"dataset_label_std": torch.ones(25), "superresolution.resample_filter": FIR.clone()}
    for name, value in model.state_dict().items():
        name = name.removeprefix("field.")
        tensors[name] = recipe(name, list(value.shape))
        if name.endswith(".noise_strength"):
            tensors[name.replace("noise_strength", "resample_filter")] = FIR.clone()
    return tensors


def original_generator(family: str, **changes: Any) -> Persistent:
    config = SMALL[family]
    with torch.device("meta"):
        model = PanoHead(config)
    tensors = original_tensors(model)
    kwargs = original_kwargs(family, config)
    kwargs |= {key: value for key, value in changes.items() if key in kwargs}
    kwargs["rendering_kwargs"] |= {key: value for key, value in changes.items() if key in kwargs["rendering_kwargs"]}
    G = generator(family, kwargs, {**tensors, **changes.get("tensors", {})}, nrr=config.neural_size)
    part = G._modules["superresolution"]
    assert isinstance(part, Persistent)
    part.__dict__["class_name_"] = kwargs["rendering_kwargs"]["superresolution_module"].rpartition(".")[2]
    return G


def original_discriminator() -> Persistent:
    config = DiscriminatorConfig(image_size=128, channel_base=256, channel_max=8)
    with torch.device("meta"):
        model = Discriminator(config)
    tensors = {name: recipe(name, list(x.shape)) for name, x in model.state_dict().items()}
    D = network("MaskDualDiscriminatorV2", {"resample_filter": FIR.clone(), **tensors})
    D.__dict__["_init_kwargs"] = {**DISCRIMINATOR_KWARGS, "img_resolution": 128, "channel_base": 256, "channel_max": 8}
    return D


@pytest.fixture
def pickled(tmp_path: Path) -> Any:
    def write(*, numpy1: bool = False, **networks: Any) -> Path:
        path = tmp_path / "original.pkl"
        path.write_bytes(dumps({**snapshot(networks.pop("G_ema")), **networks}, numpy1))
        return path

    return write


def full_size(family: str, which: Which = "G_ema", name: str = "G", **kwargs: Any) -> Converted:
    """A network of the published size, weightless."""
    constants = ("resample_filter", "dataset_label_std")
    shapes = {key: shape for key, shape in OFFICIAL[family][name].items() if key.rpartition(".")[2] not in constants}
    parts = {"": name, "superresolution": "SuperresolutionHybrid8XDC"}
    rendering = {**RENDERING, **(PANOHEAD_ONLY if family != "eg3d" else {})}
    tensors = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    return Converted(family, which, parts, {**KWARGS, **kwargs}, rendering, 64, tensors)  # type: ignore[arg-type]


@pytest.mark.parametrize("family", ["panohead", "eg3d", "spherehead"])
def test_the_published_sizes_become_the_presets_and_fit_name_by_name(family):
    converted = full_size(family)
    assert config_from_original(converted) == FULL_SIZE[family]
    assert len(build(converted).state_dict()) == len(converted.tensors)


@pytest.mark.parametrize(
    ("family", "name", "expected"),
    [
        ("panohead", "MaskDualDiscriminatorV2", DiscriminatorConfig()),
        ("eg3d", "DualDiscriminator", DiscriminatorConfig(mask=False)),
        ("spherehead", "HoloDiscriminator", DiscriminatorConfig(parsing_classes=20)),
    ],
)
def test_the_published_discriminators_fit_too(family, name, expected):
    converted = replace(full_size(family, "D", name), init_kwargs=DISCRIMINATOR_KWARGS)
    assert discriminator_config(converted) == expected
    assert len(build(converted).state_dict()) == len(converted.tensors)


def test_the_two_tower_discriminator_is_refused():
    with pytest.raises(FullheadError, match="MaskDualDiscriminator"):
        build(replace(full_size("panohead", "D", "MaskDualDiscriminator"), init_kwargs=DISCRIMINATOR_KWARGS))


@pytest.mark.parametrize(("family", "numpy1"), [("panohead", False), ("panohead", True), ("eg3d", True), ("spherehead", False)])
def test_a_snapshot_becomes_a_model_file_with_the_same_config_weights_and_image(pickled, tmp_path, family, numpy1):
    G = original_generator(family)
    path = pickled(G_ema=ordered(G) if numpy1 else G, numpy1=numpy1)
    convert_checkpoint(path, tmp_path / "model.safetensors")
    model = read_module(tmp_path / "model.safetensors", PanoHead)
    assert isinstance(model, PanoHead) and model.config == SMALL[family]
    expected = PanoHead(SMALL[family]).eval().requires_grad_(False)
    expected.load_state_dict(
        {name: recipe(name.removeprefix("field."), list(x.shape)) for name, x in model.state_dict().items()}
    )
    for name, value in expected.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
    images = [m.render(m.decode(m.seed_latents([7])), orbit(0.4)).image for m in (model, expected)]
    assert torch.equal(images[0], images[1]) and bool(images[0].isfinite().all()) and images[0].std() > 0


@pytest.mark.parametrize("family", ["panohead", "eg3d", "spherehead"])
def test_a_converted_original_draws_the_original_s_image(tmp_path, family):
    with safe_open(Path(__file__).parent / "golden" / "micro.safetensors", framework="pt") as golden:
        z, c_cond, c_cam, image_raw, image = (
            golden.get_tensor(f"{family}.{name}") for name in ("z", "c_cond", "c_cam", "image_raw", "image_stride16")
        )
        kwargs, shapes = (json.loads(golden.metadata()[f"{family}.{name}"]) for name in ("G_kwargs", "state_keys"))
    G = generator(family, kwargs, {name: recipe(name, shape) for name, shape in shapes.items()}, nrr=16)
    G._modules["superresolution"].__dict__["class_name_"] = "SuperresolutionHybrid8XDC"
    (tmp_path / "original.pkl").write_bytes(dumps(snapshot(G)))
    convert_checkpoint(tmp_path / "original.pkl", tmp_path / "model.safetensors")
    model = read_module(tmp_path / "model.safetensors", PanoHead)
    assert isinstance(model, PanoHead)
    latents = model.latents(z, truncation=0.8, cutoff=3, cameras=cameras_from_labels(c_cond))
    render = model.render(model.decode(latents), cameras_from_labels(c_cam))
    torch.testing.assert_close(render.image_raw, image_raw, atol=1e-3, rtol=0)
    torch.testing.assert_close(render.image[:, :, ::16, ::16], image, atol=1e-3, rtol=0)


def test_each_network_of_a_snapshot_can_be_taken(pickled, tmp_path):
    raw = original_generator("panohead", tensors={"t_mapping.w_avg": torch.tensor([1.0, 2.0, 3.0])})
    path = pickled(G_ema=original_generator("panohead"), G=raw, D=original_discriminator())
    convert_checkpoint(path, tmp_path / "g.safetensors", "G")
    model = read_module(tmp_path / "g.safetensors", PanoHead)
    assert model.state_dict()["t_mapping.w_avg"].tolist() == [1, 2, 3]
    convert_checkpoint(path, tmp_path / "d.safetensors", "D")
    D = read_module(tmp_path / "d.safetensors", Discriminator)
    assert isinstance(D, Discriminator) and D.config == DiscriminatorConfig(image_size=128, channel_base=256, channel_max=8)


def test_the_header_keeps_what_the_original_says_of_itself(pickled, tmp_path):
    convert_checkpoint(pickled(G_ema=original_generator("eg3d")), tmp_path / "model.safetensors")
    about = read_header(tmp_path / "model.safetensors")["about"]
    assert about["converted_from"] == "original.pkl" and about["family"] == "eg3d"
    assert about["rendering_kwargs"]["avg_camera_pivot"] == [0, 0, 0.2]
    assert about["neural_rendering_resolution"] == 16


def test_arguments_given_by_position_are_named(pickled):
    G = original_generator("panohead")
    kwargs = G.__dict__["_init_kwargs"]
    G.__dict__["_init_args"] = tuple(kwargs.pop(name) for name in ("z_dim", "c_dim", "w_dim"))
    found = extract(read_snapshot(pickled(G_ema=G)))
    assert config_from_original(found) == SMALL["panohead"]
    kwargs["z_dim"] = 16
    with pytest.raises(FullheadError, match="by position"):
        extract(read_snapshot(pickled(G_ema=G)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"c_dim": 3}, "c_dim"),
        ({"conv_clamp": 256}, "conv_clamp"),
        ({"img_resolution": 256}, "makes images of 128 px"),
        ({"z_dim": "many"}, "z_dim"),
        ({"z_dim": 10**12}, "z_dim"),
        ({"z_dim": 17}, "another shape"),
        ({"channel_max": 16}, "another shape"),
        ({"clamp_mode": "relu"}, "clamp_mode"),
        ({"triplane_depth": 3}, "another shape"),
        ({"decoder_activation": "tanh"}, "decoder_activation"),
        ({"c_scale": 0.5}, "c_scale"),
        ({"box_warp": "big"}, "box_warp"),
        ({"box_warp": float("nan")}, "damaged"),
        ({"box_warp": 0}, "box_warp"),
        ({"ray_start": "auto"}, "ray_start"),
        ({"depth_resolution": 2}, "depth_resolution"),
        ({"depth_resolution": 48.5}, "depth_resolution"),
        ({"superresolution_module": "training.superresolution.Other"}, "Other"),
        ({"tensors": {"t_mapping.w_avg": torch.tensor([float("nan")] * 3)}}, "finite"),
        ({"tensors": {"t_mapping.w_avg": torch.zeros(3, dtype=torch.int64)}}, "finite"),
        ({"tensors": {"t_mapping.w_avg": torch.zeros(4)}}, "another shape 't_mapping.w_avg'"),
        ({"tensors": {"t_mapping.extra": torch.zeros(4)}}, "beyond its own options"),
        ({"tensors": {"superresolution.resample_filter": FIR * 1.01}}, "filter"),
        ({"tensors": {"superresolution.resample_filter": torch.ones(3, 3)}}, "filter"),
    ],
)
def test_what_cannot_be_honoured_is_refused_in_words(pickled, tmp_path, changes, words):
    path = pickled(G_ema=original_generator("panohead", **changes))
    with pytest.raises(FullheadError, match=words):
        convert_checkpoint(path, tmp_path / "model.safetensors")
    assert not (tmp_path / "model.safetensors").exists()


def test_missing_tensors_are_named(pickled, tmp_path):
    G = original_generator("panohead")
    del G._modules["t_mapping"]._modules["fc1"]  # type: ignore[union-attr]
    with pytest.raises(FullheadError, match=r"lacks 't_mapping\.fc1\.weight', 't_mapping\.fc1\.bias'"):
        convert_checkpoint(pickled(G_ema=G), tmp_path / "model.safetensors")


@pytest.mark.parametrize(("family", "axes"), [("panohead", "eg3d"), ("eg3d", "panohead")])
def test_plane_axes_of_another_family_are_refused(pickled, family, axes):
    G = original_generator(family)
    G._modules["renderer"].__dict__["plane_axes"] = torch.tensor(PLANE_AXES[axes], dtype=torch.float32)
    with pytest.raises(FullheadError, match="third plane"):
        extract(read_snapshot(pickled(G_ema=G)))


def test_an_absent_network_or_another_generator_is_refused(pickled):
    path = pickled(G_ema=original_generator("panohead"))
    with pytest.raises(FullheadError, match="no network D: there is 'G_ema'"):
        extract(read_snapshot(path), "D")
    with pytest.raises(FullheadError, match="StyleGAN"):
        extract(read_snapshot(pickled(G_ema=Persistent("StyleGAN"))))
    with pytest.raises(FullheadError, match="no network G_ema: there is no network"):
        extract({"G_ema": None})


def test_tensors_that_share_their_numbers_are_refused_before_they_are_copied(tmp_path):
    pieces = encode(tensor(4)) + b"\x94"
    shared = b"}(" + encode("a") + pieces + b"".join(encode(f"n{i}") + b"h\x00" for i in range(500)) + b"u"
    module = encode(persistent({"_parameters": 0})).replace(
        encode({"_parameters": 0}), b"}" + encode("_parameters") + shared + b"s"
    )
    (tmp_path / "a.pkl").write_bytes(whole(b"}", encode("G_ema"), module, b"s"))
    with pytest.raises(FullheadError, match="overlap"):
        extract(read_snapshot(tmp_path / "a.pkl"))


def test_the_command_says_what_it_found_and_never_overwrites_unasked(pickled, tmp_path, capsys):
    path, out = pickled(G_ema=original_generator("panohead")), tmp_path / "model.safetensors"
    command(path, out)
    said = capsys.readouterr().out
    assert "PanoHead G_ema (TriPlaneGenerator)" in said and "128 px, rendered at 16 px" in said and str(out) in said
    before = out.read_bytes()
    with pytest.raises(FullheadError, match="--overwrite"):
        command(path, out)
    assert out.read_bytes() == before
    command(path, out, overwrite=True)
    with pytest.raises(FullheadError, match="safetensors"):
        command(path, tmp_path / "model.pt")
