"""A model file builds its model, strictly."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file as tensors_of
from safetensors.torch import save_file

from fullhead.core.cameras import orbit
from fullhead.core.errors import FullheadError
from fullhead.families.opening import load, open_model
from fullhead.models.checkpoint import read_header, read_module, save
from fullhead.models.panohead import PanoHead
from fullhead.nn.discriminator import Discriminator, DiscriminatorConfig
from fullhead.training.panohead import PanoHeadTaskConfig


@pytest.fixture
def model(tiny: PanoHeadTaskConfig) -> PanoHead:
    torch.manual_seed(0)
    return PanoHead(tiny.generator).eval().requires_grad_(False)


def rewritten(path: Path, tensors: dict[str, torch.Tensor], header: dict[str, object] | None) -> Path:
    save_file(tensors, path, metadata=None if header is None else {"fullhead": json.dumps(header)})
    return path


def test_a_saved_model_renders_the_same_picture(model: PanoHead, tmp_path: Path):
    save(model, tmp_path / "a.safetensors", about={"by": "a test"})
    back = load(str(tmp_path / "a.safetensors"))
    assert back.config == model.config and not back.training
    images = [m.render(m.decode(m.seed_latents([3])), orbit(0.3)).image for m in (model, back)]
    assert torch.equal(*images)
    assert read_header(tmp_path / "a.safetensors")["about"] == {"by": "a test"}


def test_half_precision_halves_the_file_and_hardly_changes_the_picture(model: PanoHead, tmp_path: Path):
    for name, dtype in (("full", None), ("half", torch.float16)):
        save(model, tmp_path / f"{name}.safetensors", dtype=dtype)
    sizes = [sum(t.nbytes for t in tensors_of(tmp_path / f"{name}.safetensors").values()) for name in ("full", "half")]
    assert sizes[0] == 2 * sizes[1]
    back = read_module(tmp_path / "half.safetensors", PanoHead)
    assert isinstance(back, PanoHead)
    assert next(back.parameters()).dtype == torch.float32
    torch.testing.assert_close(back.seed_latents([0]).w, model.seed_latents([0]).w, atol=0.02, rtol=0.02)


def test_a_discriminator_is_refused_where_a_generator_is_due(tmp_path: Path):
    D = Discriminator(DiscriminatorConfig(image_size=16, channel_base=64, channel_max=4))
    save(D, tmp_path / "d.safetensors")
    with pytest.raises(
        FullheadError, match=r"panohead-discriminator, not a head: a head is of panohead, ganhead, head360, i3dmm"
    ):
        load(str(tmp_path / "d.safetensors"))
    assert isinstance(read_module(tmp_path / "d.safetensors", Discriminator), Discriminator)


def test_an_unknown_family_lists_the_known_ones(tmp_path: Path):
    path = rewritten(tmp_path / "a.safetensors", {"x": torch.zeros(1)}, {"family": "octopus", "config": {}})
    with pytest.raises(FullheadError, match=r"octopus.*panohead"):
        load(path)
    with pytest.raises(FullheadError, match="holds an octopus, not a panohead"):
        read_module(path, PanoHead)


def test_an_unknown_key_of_the_config_is_an_error(model: PanoHead, tmp_path: Path):
    save(model, tmp_path / "a.safetensors")
    header = read_header(tmp_path / "a.safetensors")
    header["config"]["tentacles"] = 8
    path = rewritten(tmp_path / "b.safetensors", tensors_of(tmp_path / "a.safetensors"), header)
    with pytest.raises(FullheadError, match="unknown key tentacles"):
        read_module(path, PanoHead)


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_tensors_that_do_not_fit_the_config_are_an_error(model: PanoHead, tmp_path: Path, change: str):
    save(model, tmp_path / "a.safetensors")
    tensors = tensors_of(tmp_path / "a.safetensors")
    if change == "missing":
        del tensors["torgb.bias"]
    elif change == "extra":
        tensors["torgb.scale"] = torch.zeros(3)
    else:
        tensors["torgb.bias"] = torch.zeros(4)
    path = rewritten(tmp_path / "b.safetensors", tensors, read_header(tmp_path / "a.safetensors"))
    with pytest.raises(FullheadError, match="torgb"):
        read_module(path, PanoHead)


def test_another_projects_safetensors_is_refused(tmp_path: Path):
    with pytest.raises(FullheadError, match="not a fullhead model"):
        read_module(rewritten(tmp_path / "a.safetensors", {"x": torch.zeros(1)}, None), PanoHead)


@pytest.mark.parametrize("content", [b"", b"\x80\x04cos\nsystem\n", b"\xff" * 200])
def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(FullheadError, match="not a model file"):
        read_module(tmp_path / "a.safetensors", PanoHead)


def test_an_originals_pickle_is_refused_and_converting_is_offered(tmp_path: Path):
    (tmp_path / "a.pkl").write_bytes(b"\x80\x04cos\nsystem\n")
    with pytest.raises(FullheadError, match="fullhead convert"):
        read_module(tmp_path / "a.pkl", PanoHead)


def test_a_truncated_file_is_refused(model: PanoHead, tmp_path: Path):
    save(model, tmp_path / "a.safetensors")
    whole = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "a.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FullheadError):
        read_module(tmp_path / "a.safetensors", PanoHead)


def test_an_absent_file_and_an_unknown_name_are_errors_in_words():
    with pytest.raises(FullheadError, match="no model file"):
        load("absent.safetensors")
    with pytest.raises(FullheadError, match=r"no model file .* at elsewhere/absent"):
        load(Path("elsewhere/absent.safetensors"))
    with pytest.raises(FullheadError, match="no model called octopus: `fullhead presets` lists them; or"):
        load("octopus")


def test_the_header_is_readable_without_building_anything(model: PanoHead, tmp_path: Path):
    save(model, tmp_path / "a.safetensors")
    with safe_open(tmp_path / "a.safetensors", framework="pt") as handle:
        assert json.loads(handle.metadata()["fullhead"])["family"] == "panohead"


def changed(model: PanoHead, tmp_path: Path, change: Callable[[dict[str, Any], dict[str, torch.Tensor]], object]) -> Path:
    """The model's file, of which `change` changed the header or the tensors."""
    save(model, tmp_path / "a.safetensors")
    header, tensors = read_header(tmp_path / "a.safetensors"), tensors_of(tmp_path / "a.safetensors")
    change(header, tensors)
    return rewritten(tmp_path / "b.safetensors", tensors, header)


@pytest.mark.parametrize("value", [math.nan, math.inf, 3e38, -1e7])
def test_broken_weights_are_refused_by_name_when_read_and_written(model: PanoHead, tmp_path: Path, value: float):
    path = changed(model, tmp_path, lambda _, tensors: tensors["torgb.weight"].view(-1)[3:4].fill_(value))
    with pytest.raises(FullheadError, match=r"broken weights: 'torgb\.weight' goes from .* take an earlier model"):
        load(path)
    model.torgb.weight.view(-1)[3] = value
    with pytest.raises(FullheadError, match=r"broken weights: 'torgb\.weight'"):
        save(model, tmp_path / "new.safetensors")
    assert not (tmp_path / "new.safetensors").exists()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("null", "None stands where named values"),
        ("[]", "named values"),
        ('"x"', "named values"),
        ("{", "cannot read the header of"),
        ("[" * 50_000, "cannot read the header of"),
        ("{}", "does not say its family"),
        ('{"family": "panohead"}', "does not say its config"),
        ('{"family": "panohead", "config": {}, "about": 3}', "does not say its about"),
    ],
)
def test_a_header_of_another_form_is_refused(tmp_path: Path, entry: str, said: str):
    save_file({"x": torch.zeros(1)}, tmp_path / "a.safetensors", metadata={"fullhead": entry})
    with pytest.raises(FullheadError, match=said):
        load(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("group", "key", "value"),
    [
        ("", "w_dim", 0),
        ("", "w_dim", 10**400),
        ("", "mapping_layers", 1 << 20),
        ("planes", "size", -1),
        ("planes", "size", 100),
        ("march", "coarse", 1),
        ("march", "near", 5.0),
        ("march", "box_size", math.nan),
        ("march", "box_size", 10**400),
        ("march", "crop", 0.6),
        ("superres", "channels", [8, 0]),
        ("superres", "clamp", math.inf),
        ("decoder", "lr_multiplier", 0.0),
    ],
)
def test_values_that_no_model_has_are_refused_by_name(model: PanoHead, tmp_path: Path, group: str, key: str, value: object):
    def change(header: dict[str, Any], _: object) -> None:
        (header["config"][group] if group else header["config"])[key] = value

    with pytest.raises(FullheadError, match=rf"config of .* cannot be right: .*{key}"):
        load(changed(model, tmp_path, change))


def test_sizes_are_compared_with_the_file_before_anything_is_built(model: PanoHead, tmp_path: Path):
    def change(header: dict[str, Any], _: object) -> None:
        header["config"] |= {"w_dim": 16384, "z_dim": 16384}  # gigabytes

    path, drawn = changed(model, tmp_path, change), torch.get_rng_state()
    with pytest.raises(FullheadError, match="in another shape"):
        load(path)
    assert torch.equal(torch.get_rng_state(), drawn), "no weights were made"


def test_whole_numbers_are_no_weights(model: PanoHead, tmp_path: Path):
    path = changed(model, tmp_path, lambda _, tensors: tensors.update({"torgb.bias": torch.zeros(3, dtype=torch.int32)}))
    with pytest.raises(FullheadError, match=r"torgb\.bias"):
        load(path)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [("x", torch.zeros(1)), ("w", torch.zeros(1, 2, 3)), ("w", torch.zeros(())), ("background", torch.zeros(1)), ("w", None)],
)
def test_a_fitted_head_that_does_not_fit_its_model_is_refused(
    model: PanoHead, tmp_path: Path, name: str, tensor: torch.Tensor | None
):
    w = model.seed_latents([0]).w if tensor is not None else math.nan * model.seed_latents([0]).w
    path = changed(model, tmp_path, lambda _, tensors: tensors.update({"latents.w": w}) or tensors.update(
        {} if tensor is None else {f"latents.{name}": tensor}
    ))  # fmt: skip
    with pytest.raises(FullheadError, match=f"'{name}' (does not fit its model|goes from nan)"):
        open_model(path)


def test_a_saved_file_is_the_same_each_time(model: PanoHead, tmp_path: Path):
    about = {"zeta": 1, "alpha": "é"}
    for i in range(8):
        save(model, tmp_path / f"{i}.safetensors", about=about)
    assert len({(tmp_path / f"{i}.safetensors").read_bytes() for i in range(8)}) == 1
    assert read_header(tmp_path / "0.safetensors")["about"] == about
