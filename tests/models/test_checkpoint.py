"""A model file builds its model, strictly."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file as tensors_of
from safetensors.torch import save_file

from fullhead.core.cameras import orbit
from fullhead.core.errors import FullheadError
from fullhead.families.opening import load
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
    with pytest.raises(FullheadError, match=r"panohead-discriminator, not a head: a head is of panohead, ganhead, i3dmm"):
        load(str(tmp_path / "d.safetensors"))
    assert isinstance(read_module(tmp_path / "d.safetensors", Discriminator), Discriminator)


def test_an_unknown_family_lists_the_known_ones(tmp_path: Path):
    path = rewritten(tmp_path / "a.safetensors", {"x": torch.zeros(1)}, {"family": "octopus", "config": {}})
    with pytest.raises(FullheadError, match=r"octopus.*panohead"):
        load(path)
    with pytest.raises(FullheadError, match="holds a 'octopus', not a 'panohead'"):
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
