"""Sets of any kind: the same settings write the same bytes, in any order, in any number of runs, in any form."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fullhead.commands.synth.options import SetOptions
from fullhead.core.errors import FullheadError
from fullhead.core.random import stream
from fullhead.io.files import one_at_work, sha256
from fullhead.io.sets import (
    Part,
    Recipe,
    Records,
    Sample,
    check_set,
    json_rows,
    read_records,
    read_set,
    shards,
    write_lists,
    write_set,
)
from fullhead.synth.datasets.options import PhotosOptions
from fullhead.synth.datasets.photos import Photos, image_key
from fullhead.synth.datasets.shots import replay

PHOTOS = Photos(PhotosOptions(images=6, size=20, views_per_head=2, seed=3))


@dataclass(frozen=True)
class Noise:
    """The smallest recipe: parts of two files of noise each."""

    parts: int = 5
    seed: int = 0

    kind = "noise"
    pictures = 2
    per_shard = 2

    @property
    def folders(self) -> dict[str, str]:
        return {"a": "deep/a", "b": "b"}

    def settings(self) -> dict[str, Any]:
        return {"seed": self.seed}

    def about(self) -> dict[str, Any]:
        return {"unit": "bytes"}

    def open(self) -> int:
        return self.seed

    def make(self, shared: int, part: int) -> Part:
        files = {name: stream(shared, part, name).bytes(100) for name in ("a.bin", "b.txt")}
        return Part({"number": part}, [Sample(f"00/{part:03d}-{i}", files, {"i": i}) for i in range(2)])

    def lists(self, records: Records) -> Iterator[tuple[str, Iterable[str]]]:
        yield "b/numbers.json", json_rows(record["number"] for record in records)


def write(out: Path, recipe: Recipe, **options: Any) -> int:
    return write_set(out, recipe, quiet=True, **{"workers": 0, **options})


@dataclass(frozen=True)
class Flawed(Noise):
    """Some of its parts cannot be made."""

    flaws: tuple[int, ...] = ()

    def make(self, shared: int, part: int) -> Part:
        if part in self.flaws:
            raise FullheadError(f"part {part} is broken")
        return super().make(shared, part)


def digests(folder: Path) -> dict[str, str]:
    """Content of every file of a set by its name."""
    return {str(p.relative_to(folder)): sha256(p) for p in sorted(folder.rglob("*")) if p.is_file() and p.name[0] != "."}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sets") / "set"
    assert write(out, PHOTOS) == 6
    return out


@pytest.mark.parametrize("form", ["folder", "zip", "tar"])
def test_stopping_sharing_and_losing_files_end_in_the_same_set_as_one_go(form: str, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "set"
    assert write(whole, Noise(), form=form) == 10
    write(out, Noise(3), form=form, share=(1, 2))
    assert json.loads((out / "b/numbers.json").read_text()) == ([1] if form == "folder" else [2])
    write(out, Noise(3), form=form)  # where there are two parts to a shard, the second is now half full
    lost = next(path for path in sorted(out.rglob("*")) if path.suffix in (".bin", ".zip", ".tar"))
    lost.unlink()
    assert write(out, Noise(), form=form) > 4
    assert digests(out) == digests(whole)
    assert write(out, Noise(), form=form) == 0


def test_workers_write_the_same_photos_as_one_process(photos: Path, tmp_path: Path) -> None:
    write(tmp_path / "set", PHOTOS, workers=2)
    assert digests(tmp_path / "set") == digests(photos)


def test_a_run_that_was_killed_goes_on_to_the_same_files(photos: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fullhead.cli", "synth", "photos", str(tmp_path / "set"), "--images", "6", "--size", "20"]
    command += ["--views-per-head", "2", "--seed", "3", "--workers", "0"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (tmp_path / f"set/img/{image_key(0)}.png").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert write(tmp_path / "set", PHOTOS) > 0
    assert digests(tmp_path / "set") == digests(photos)


@pytest.mark.skipif(os.name == "nt", reason="needs process groups")
def test_ctrl_c_while_the_workers_start_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fullhead.cli", "synth", "photos", str(tmp_path / "set"), "--images", "400"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a job in the background ignores it
    )
    while not (tmp_path / "set/.lock0-1").exists() and process.poll() is None:
        time.sleep(0.02)
    time.sleep(0.3)  # the workers are at their imports
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and "run the same command again" in said
    assert "Traceback" not in errors + said
    assert not [path for path in tmp_path.rglob("*") if path.name[0] == "."]


@pytest.mark.parametrize("form", ["folder", "zip", "tar"])
def test_parts_that_cannot_be_made_are_left_out_and_said_and_made_once_they_are_mended(form: str, tmp_path: Path) -> None:
    write(tmp_path / "whole", Noise(), form=form)
    for flaws in ((1, 4), (4,)):
        with pytest.raises(FullheadError, match=rf"^{len(flaws)} of \d could not be made: part {flaws[0]} is broken.*again$"):
            write(tmp_path / "set", Flawed(flaws=flaws), form=form)
        there = [part for part in range(5) if part not in flaws]
        assert json.loads((tmp_path / "set/b/numbers.json").read_text()) == there
        assert check_set(tmp_path / "set")[1] == []
    assert write(tmp_path / "set", Flawed(), form=form) > 0
    assert digests(tmp_path / "set") == digests(tmp_path / "whole")


@pytest.mark.parametrize("form", ["folder", "zip", "tar"])
def test_a_first_run_that_makes_nothing_does_not_claim_its_folder(form: str, tmp_path: Path) -> None:
    with pytest.raises(FullheadError, match="5 of 5 could not be made"):
        write(tmp_path / "set", Flawed(flaws=tuple(range(5))), form=form)
    assert not (tmp_path / "set").exists()
    write(tmp_path / "set", Noise(seed=5))


def test_a_second_process_is_kept_from_the_same_share(tmp_path: Path) -> None:
    with one_at_work(tmp_path, "0-1"):
        with pytest.raises(FullheadError, match="another process is at work"):
            write(tmp_path, Noise())
        assert write(tmp_path, Noise(), share=(0, 2)) == 6


def test_a_damaged_description_is_one_line(tmp_path: Path) -> None:
    for text in ("{", "null", "[]", "{}", '{"kind": "noise"}'):
        (tmp_path / "set.json").write_text(text)
        with pytest.raises(FullheadError, match=r"set\.json"):
            write(tmp_path, Noise())


def test_zips_hold_the_files_of_the_folder(tmp_path: Path) -> None:
    for form in ("folder", "zip"):
        write(tmp_path / form, Noise(), form=form)
    held = {}
    for number in range(3):
        with zipfile.ZipFile(tmp_path / f"zip/noise-{number:06d}.zip") as archive:
            held |= {name: archive.read(name) for name in archive.namelist()}
    files = [path for path in (tmp_path / "folder").rglob("*") if path.suffix in (".bin", ".txt")]
    assert held == {path.relative_to(tmp_path / "folder").as_posix(): path.read_bytes() for path in files}
    assert read_records(tmp_path / "zip") == read_records(tmp_path / "folder")


def test_the_files_of_a_sample_follow_each_other_in_a_tar_with_their_label(tmp_path: Path) -> None:
    write(tmp_path / "set", Noise(), form="tar")
    with tarfile.open(tmp_path / "set/noise-000001.tar") as tar:
        names = tar.getnames()
        found = {name: file.read() for name in names if (file := tar.extractfile(name))}
    assert names == [f"00/{part:03d}-{i}.{field}" for part in (2, 3) for i in (0, 1) for field in ("a.bin", "b.txt", "json")]
    assert found["00/003-1.json"] == b'{"i":1}'
    assert found["00/002-0.b.txt"] == stream(0, 2, "b.txt").bytes(100)


def test_checksums_tell_of_damage(tmp_path: Path) -> None:
    write(tmp_path, Noise())
    assert check_set(tmp_path) == (len(digests(tmp_path)) - 1, [])  # all but the list of sums itself
    (tmp_path / "deep/a/00/001-1.bin").write_bytes(b"rotten")
    (tmp_path / "b/numbers.json").unlink()
    assert check_set(tmp_path)[1] == ["b/numbers.json", "deep/a/00/001-1.bin"]


def test_a_record_makes_its_pictures_again(photos: Path) -> None:
    record = read_records(photos)[1]
    for view, files in zip(record["views"], replay(record, ["seg"]), strict=True):
        assert files["img.png"] == (photos / f"img/{view['key']}.png").read_bytes()
        assert files["seg.png"] == (photos / f"seg/{view['key']}.png").read_bytes()


def test_a_folder_with_another_set_is_refused(tmp_path: Path) -> None:
    there = tmp_path / "set"
    write(there, Noise())
    with pytest.raises(FullheadError, match=r"holds another set \(seed 0 there and 5 asked\)"):
        write(there, Noise(seed=5))
    with pytest.raises(FullheadError, match="form folder there and tar asked"):
        write(there, Noise(), form="tar")
    with pytest.raises(FullheadError, match="a set of noise, not of photos"):
        read_set(there, "photos")
    with pytest.raises(FullheadError, match="holds a set of noise"):
        write(there, PHOTOS)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.txt").write_text("precious")
    with pytest.raises(FullheadError, match="not empty"):
        write(tmp_path / "other", Noise())
    with pytest.raises(FullheadError, match="holds no set"):
        read_set(tmp_path / "other")


@pytest.mark.parametrize("share", ["3", "a/b", "2/2", "0/0", "-1/2"])
def test_a_share_that_makes_no_sense_is_refused(share: str) -> None:
    with pytest.raises(FullheadError, match="share"):
        SetOptions(share=share).check()


def test_shards_cover_all_parts_once() -> None:
    found = list(shards(Photos(PhotosOptions(images=600)), "zip"))
    assert [(shard.first, shard.end) for shard in found] == [(0, 64), (64, 128), (128, 150)]
    assert len(list(shards(Photos(PhotosOptions(images=600)), "folder"))) == 150


def test_a_set_without_end_is_begun_in_the_memory_of_a_small_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Enough(Exception):
        pass

    def made(self: Noise, shared: int, part: int) -> Part:
        if part == 3:
            raise Enough
        return make(self, shared, part)

    make = Noise.make
    monkeypatch.setattr(Noise, "make", made)
    for form in ("folder", "zip"):
        with pytest.raises(Enough):
            write(tmp_path / form, Noise(parts=10**11), form=form)
    assert len(read_records(tmp_path / "folder")) == 3 and len(read_records(tmp_path / "zip")) == 2
    share = shards(Noise(parts=10**11), "zip", (7, 10**9))
    assert [(s.name, s.first) for s in share][:2] == [("noise-000007", 14), ("noise-1000000007", 2 * 10**9 + 14)]


def test_lists_are_written_in_less_memory_than_the_records_of_all_parts_take(tmp_path: Path):
    write(tmp_path, Noise(parts=1))
    (first,) = (tmp_path / "records/00000").iterdir()
    shard = json.loads(first.read_bytes())
    for part in range(1, 300):
        shard["parts"], shard["records"] = [part, part + 1], [{"number": part, "much": list(range(5000))}]
        (first.parent / f"noise-{part:06d}.json").write_text(json.dumps(shard))
    tracemalloc.start()
    write_lists(tmp_path, Noise())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert json.loads((tmp_path / "b/numbers.json").read_text()) == list(range(300))
    assert peak < 4e6 < sum(path.stat().st_size for path in first.parent.iterdir())


@pytest.mark.parametrize("rows", [[], [1], [{"a": [1.5, None]}, "é", [True]]])
def test_rows_are_the_json_of_a_list(rows: list[Any]):
    assert "".join(json_rows(iter(rows))) == json.dumps(rows)


DAMAGE = {"cut": lambda data: data[:-40], "empty": lambda data: b"", "other": lambda data: b"\x80\x04." * 50}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["set.json", "SHA256SUMS", "records/00000/noise-000001.json"])
def test_damaged_files_of_a_set_are_refused_in_a_line_or_written_again(name: str, damage: str, tmp_path: Path):
    write(tmp_path, Noise())
    place = tmp_path / name
    place.write_bytes(DAMAGE[damage](place.read_bytes()))
    if name.startswith("records"):
        assert write(tmp_path, Noise()) == 2
    elif name == "set.json":
        with pytest.raises(FullheadError, match=r"set\.json"):
            write(tmp_path, Noise())
    elif damage == "other":
        with pytest.raises(FullheadError, match="SHA256SUMS"):
            check_set(tmp_path)
    else:
        check_set(tmp_path)
