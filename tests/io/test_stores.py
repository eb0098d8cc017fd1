"""Photos are the same from a folder, from zip shards and from tar shards."""

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
def test_damaged_shards_and_descriptions_are_one_line(form: Form, tmp_path: Path) -> None:
    shard = next(write(tmp_path, form).glob(f"*.{form}"))
    for damaged, content in ((shard, b"rotten"), (tmp_path / "set.json", b"{"), (tmp_path / "set.json", b"[]")):
        damaged.write_bytes(content)
        with pytest.raises(FullheadError, match=r"cannot read the set in .*run the command that wrote it again"):
            open_store(tmp_path, "img")
