"""Photos are the same from a folder, from zip shards and from tar shards."""

import shutil
from pathlib import Path

import pytest
import torch

from fullhead.core.errors import FullheadError
from fullhead.data.photos import PhotoSet
from fullhead.io.sets import Form
from fullhead.io.stores import open_store
from fullhead.synth.datasets.options import PhotosOptions
from fullhead.synth.datasets.photos import write_photos


def write(out: Path, form: Form) -> Path:
    write_photos(out, PhotosOptions(6, size=20, views_per_head=2, seed=3), form=form, workers=0, quiet=True)
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("sets") / "folder", "folder")


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_shards_give_the_photos_of_the_folder(form: Form, folder: Path, tmp_path: Path) -> None:
    ours, theirs = PhotoSet(write(tmp_path, form), mirror=True), PhotoSet(folder, mirror=True)
    assert not list((tmp_path / "img").glob("*/*.png"))
    positions = torch.tensor([0, 5, 3, 9])
    for a, b in zip(vars(ours.batch(positions)).values(), vars(theirs.batch(positions)).values(), strict=True):
        assert torch.equal(a, b)


def test_a_missing_file_is_an_error_that_names_it(folder: Path) -> None:
    with pytest.raises(FullheadError, match="nothing"):
        open_store(folder, "img").picture("00000/nothing.png")


@pytest.mark.parametrize("form", ["zip", "tar"])
@pytest.mark.parametrize("damage", ["cut", "other", "changed"])
def test_damaged_shards_are_refused_in_a_line(form: Form, damage: str, tmp_path: Path) -> None:
    (shard,) = write(tmp_path, form).glob(f"*.{form}")
    data = shard.read_bytes()
    middle = data.index(b"IDAT")
    changed = data[:middle] + bytes(200) + data[middle + 200 :]
    shard.write_bytes({"cut": data[: len(data) // 2], "other": b"no archive" * 60, "changed": changed}[damage])
    with pytest.raises(FullheadError):
        photos = PhotoSet(tmp_path)
        photos.batch(torch.arange(len(photos)))


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"labels": 3}', '{"labels": [["", [1]]]}', '{"labels": [["a", [NaN]]]}', "[" * 9999]
)
def test_a_damaged_list_of_labels_is_refused_in_a_line(content: str, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "set")
    (tmp_path / "set" / "img" / "dataset.json").write_text(content)
    with pytest.raises(FullheadError, match=r"dataset\.json"):
        PhotoSet(tmp_path / "set")


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_damaged_shards_and_descriptions_are_one_line(form: Form, tmp_path: Path) -> None:
    shard = next(write(tmp_path, form).glob(f"*.{form}"))
    for damaged, content in ((shard, b"rotten"), (tmp_path / "set.json", b"{"), (tmp_path / "set.json", b"[]")):
        damaged.write_bytes(content)
        with pytest.raises(FullheadError, match=r"cannot read .*make the set again"):
            open_store(tmp_path, "img")
