"""A checkpoint as PyTorch Lightning 1.3 writes it, made here, becomes a model; nothing in it is executed."""

import json
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fullhead.commands.convert import convert as command
from fullhead.convert.archives import read_archive
from fullhead.convert.ganhead import FLAME, RENAMED, build, convert_ganhead, extract
from fullhead.core.errors import FullheadError
from fullhead.io.pickles import Inert
from fullhead.models.checkpoint import read_header, read_module
from fullhead.models.ganhead import GANHead, GANHeadConfig
from fullhead.representations.canonical_field import CanonicalConfig
from fullhead.representations.deformer import DeformerConfig

GOLDEN = Path(__file__).parent / "golden"
SMALL = GANHeadConfig(
    scans=3,
    rig="flame",
    canonical=CanonicalConfig(4, 3, 2, geometry_width=40, normal_width=48, texture_width=52),
    deformer=DeformerConfig(width=16),
)


def original_names(model: GANHead) -> dict[str, Tensor]:
    """The model's tensors under the original's names, with what an original has beside them."""
    ours = {ours: theirs for theirs, ours in RENAMED.items()}
    state: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        prefix = max((p for p in ours if name.startswith(p)), key=len)
        state[ours[prefix] + name.removeprefix(prefix)] = tensor.clone()
    state["generator.lin2.weight"], state["generator.lin2.bias"] = torch.randn(128, 4), torch.randn(128)
    for place in FLAME:
        owner = place if place.endswith("flame.") else f"{place}flame."
        state[f"{owner}v_template"] = torch.randn(11, 3)
        state[f"{owner}faces_tensor"] = torch.zeros(7, 3, dtype=torch.int64)
    return state


@pytest.fixture(scope="module")
def model() -> GANHead:
    torch.manual_seed(0)
    return GANHead(SMALL)


def written(path: Path, state: dict[str, Tensor], **changes: Any) -> Path:
    """A look-alike of the file: callbacks keyed by a class, objects of classes that are not here."""
    place = "pytorch_lightning.callbacks.model_checkpoint"
    stand_ins = {name: types.ModuleType(name) for name in ("pytorch_lightning", "pytorch_lightning.callbacks", place)}
    ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": place})
    stand_ins[place].ModelCheckpoint = ModelCheckpoint  # type: ignore[attr-defined]
    settings = ModelCheckpoint()
    settings.__dict__["every"] = [1, {"deep": (2, 3)}]
    tensors = OrderedDict(state)
    tensors._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]
    content = {
        "epoch": 4,
        "global_step": 120,
        "pytorch-lightning_version": "1.3.3",
        "state_dict": tensors,
        "callbacks": {ModelCheckpoint: {"monitor": None, "best": torch.tensor(0.5), "dirpath": Path("runs")}},
        "optimizer_states": [{"state": {0: {"step": 1, "exp_avg": torch.zeros(3)}}, "param_groups": [{"params": [0]}]}],
        "lr_schedulers": [],
        "hyper_parameters": settings,
        **changes,
    }
    sys.modules.update(stand_ins)
    try:
        torch.save(content, path, pickle_protocol=2)
    finally:
        for name in stand_ins:
            del sys.modules[name]
    return path


def test_the_look_alike_is_one_that_torch_refuses(model: GANHead, tmp_path: Path):
    path = written(tmp_path / "last.ckpt", original_names(model))
    with pytest.raises(Exception, match="Unsupported global"):
        torch.load(path, weights_only=True)


def test_a_checkpoint_becomes_the_same_model_without_flame(model: GANHead, tmp_path: Path):
    path = written(tmp_path / "last.ckpt", original_names(model))
    found = convert_ganhead(path, tmp_path / "model.safetensors")
    assert found.stage == 2
    back = read_module(tmp_path / "model.safetensors", GANHead)
    assert isinstance(back, GANHead) and back.config == SMALL
    theirs, ours = model.state_dict(), back.state_dict()
    assert list(theirs) == list(ours)
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)
    assert read_header(tmp_path / "model.safetensors")["about"] == {
        "converted_from": "last.ckpt",
        "epoch": 4,
        "global_step": 120,
    }


def test_what_the_reader_does_not_know_stays_inert(model: GANHead, tmp_path: Path):
    archive = read_archive(written(tmp_path / "last.ckpt", original_names(model)))
    (key,) = archive["callbacks"]
    assert isinstance(key, Inert) and key.name.endswith("ModelCheckpoint")
    assert isinstance(archive["hyper_parameters"], Inert)
    assert isinstance(archive["callbacks"][key]["dirpath"], Inert)
    assert archive["callbacks"][key]["best"] == 0.5
    assert "pytorch_lightning" not in sys.modules


def test_a_checkpoint_that_would_run_something_runs_nothing(tmp_path: Path):
    class Runs:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"state_dict": Runs()}, tmp_path / "evil.ckpt")
    with pytest.raises(FullheadError, match="no 'state_dict' of tensors"):
        extract(read_archive(tmp_path / "evil.ckpt"))
    assert not (tmp_path / "ran").exists()


def test_a_first_stage_has_untrained_normals_and_colours_always_the_same(model: GANHead):
    state = {name: x for name, x in original_names(model).items() if not name.startswith(("norm_network", "tex_network"))}
    state["z_colors.weight"] = torch.randn(3, 9)  # legal here: no network has seen them
    first, second = (build(extract({"state_dict": state})) for _ in range(2))
    assert extract({"state_dict": state}).stage == 1
    assert first.config.canonical.colour_code == 9
    assert torch.equal(first.canonical.texture.lin[0].weight_v, second.canonical.texture.lin[0].weight_v)
    assert torch.equal(first.canonical.geometry.lin[0].weight_v, model.canonical.geometry.lin[0].weight_v)


@pytest.mark.parametrize("colour", [64, 256])
def test_the_published_sizes_are_read_off_the_tensors(colour: int):
    shapes = json.loads((GOLDEN / f"ganhead_colour{colour}.json").read_text())
    found = extract({"state_dict": {name: torch.zeros(shape) for name, shape in shapes.items()}})
    published = GANHeadConfig(rig="flame")
    assert found.config.deformer == published.deformer and found.config.scans == 2289
    assert found.config.canonical == CanonicalConfig(256, 128, colour)
    build(found)


def test_codes_that_the_colour_network_was_not_trained_with_are_refused(model: GANHead):
    state = original_names(model) | {"z_colors.weight": torch.randn(3, 5)}
    with pytest.raises(FullheadError, match=r"of which 2 are the colour code's, but the codes in the table have 5"):
        extract({"state_dict": state})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"network.lin1.bias": None}, r"lacks 'canonical\.geometry\.lin1\.bias'"),
        ({"network.lin9.bias": torch.zeros(2)}, r"beyond its own options, 'canonical\.geometry\.lin9\.bias'"),
        ({"network.lin1.bias": torch.zeros(2)}, r"another shape 'canonical\.geometry\.lin1\.bias'"),
        ({"something.else": torch.zeros(2)}, r"beyond its own options, 'something\.else'"),
        ({"network.lin1.bias": torch.full((40,), torch.nan)}, "not all finite"),
        ({"z_shapes.weight": None}, "no 2-dimensional shape_codes.weight"),
        ({"deformer.lbs_network.blendshapes.weight": torch.zeros(30, 16)}, "10 bases for 5 joints"),
    ],
)
def test_what_does_not_fit_is_named(model: GANHead, change: dict[str, Tensor | None], words: str):
    state = {name: x for name, x in (original_names(model) | change).items() if x is not None}
    with pytest.raises(FullheadError, match=words):
        build(extract({"state_dict": state}))


def rezipped(source: Path, out: Path, name: str, content: bytes, kind: int = zipfile.ZIP_STORED) -> Path:
    """The archive with the content of the entries that end in `name` replaced, or packed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.namelist():
            match = entry.endswith(name)
            new.writestr(entry, content if match else old.read(entry), kind if match else zipfile.ZIP_STORED)
    return out


def test_damaged_archives_are_refused_in_words(model: GANHead, tmp_path: Path):
    good = written(tmp_path / "good.ckpt", original_names(model))
    cut = tmp_path / "cut.ckpt"
    cut.write_bytes(good.read_bytes()[:5000])
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("readme.txt", "hello")
    for path, words in (
        (cut, "damaged or cut short"),
        (other, "no data.pkl"),
        (rezipped(good, tmp_path / "a", "/data/0", b"123"), "claims a storage"),
        (rezipped(good, tmp_path / "b", "/data/0", bytes(4096), zipfile.ZIP_DEFLATED), "packed entry"),
        (rezipped(good, tmp_path / "c", "data.pkl", b"\x80\x02}q\x00(U\x01a"), "damaged|uses the pickle operation"),
        (rezipped(good, tmp_path / "d", "data.pkl", b"\x80\x02]."), "not a dict"),
    ):
        with pytest.raises(FullheadError, match=words):
            read_archive(path)


def test_a_storage_that_the_archive_lacks_is_named(tmp_path: Path):
    key = b"X" + struct.pack("<I", 1) + b"7"
    text = b"X" + struct.pack("<I", 7) + b"storage"
    where = b"X" + struct.pack("<I", 3) + b"cpu"
    with zipfile.ZipFile(tmp_path / "a.ckpt", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02(" + text + b"ctorch\nFloatStorage\n" + key + where + b"K\x04tQ.")
    with pytest.raises(FullheadError, match="no entry 'archive/data/7'"):
        read_archive(tmp_path / "a.ckpt")


def test_the_command_takes_a_ckpt_and_says_what_it_found(model: GANHead, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = written(tmp_path / "last.ckpt", original_names(model))
    command(path, tmp_path / "model.safetensors")
    said = capsys.readouterr().out
    assert "GANHead of 3 scans" in said and "codes of 4 (shape), 3 (detail) and 2 (colour)" in said and "FLAME" in said
    assert (tmp_path / "model.safetensors").exists()
