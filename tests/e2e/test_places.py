"""A place where nothing can be written is refused before the work begins."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from skimage.data import astronaut

from fullhead.cli import main
from fullhead.core.errors import FullheadError
from fullhead.io.files import PROBE, check_place
from fullhead.metrics.features import load_features, save_features

COMMANDS = {
    "sample": ["sample", "--out", "PLACE/heads.png"],
    "sample into a folder": ["sample", "--out", "PLACE/heads"],
    "orbit": ["orbit", "--out", "PLACE/turn.webp"],
    "interpolate": ["interpolate", "--out", "PLACE/flow.webp"],
    "mesh": ["mesh", "--out", "PLACE/head.glb"],
    "animate": ["animate", "--expression", "jawOpen=1", "--out", "PLACE/head.png"],
    "export": ["export", "--out", "PLACE/head.glb"],
    "fit-scan": ["fit-scan", "PHOTO", "--out", "PLACE/me"],
    "invert": ["invert", "PHOTO", "--out", "PLACE/me"],
    "demo": ["demo", "--out", "PLACE/demo"],
    "convert": ["convert", "PHOTO", "PLACE/model.safetensors"],
    "synth photos": ["synth", "photos", "PLACE/set"],
    "synth export": ["synth", "export", "--out", "PLACE/head.glb"],
    "synth sheet": ["synth", "sheet", "--out", "PLACE/heads.png"],
    "train": ["train", "panohead-tiny", "PHOTOS", "PLACE/run"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_refuses_a_file_where_a_folder_is_due_before_it_loads_a_model(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(*_: object, **__: object) -> None:
        raise AssertionError("the work had begun")

    monkeypatch.setattr("fullhead.families.opening.open_model", load)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SystemExit) as stop:
        main([word.replace("PLACE", str(tmp_path / "file")) for word in COMMANDS[name]])
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert "cannot write" in said
    assert "file is a file, not a folder" in said
    assert said.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_folders_that_are_missing_are_no_obstacle_and_are_not_made_yet(tmp_path: Path) -> None:
    check_place(tmp_path / "a" / "b" / "c.png")
    check_place(tmp_path / "a" / "b", folder=True)
    assert not list(tmp_path.iterdir())


def test_a_folder_where_a_file_is_due_is_refused_and_the_other_way_round(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FullheadError, match="is a folder: give the name of a file"):
        check_place(tmp_path)
    with pytest.raises(FullheadError, match="is a file: give a folder"):
        check_place(tmp_path / "file", folder=True)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The system refuses to write more than `size` bytes into a file, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_without_room_is_noticed(tmp_path: Path) -> None:
    with largest_file(PROBE // 2), pytest.raises(FullheadError, match=r"cannot write .*heads.png: .*choose another place"):
        check_place(tmp_path / "heads.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no place where even root may not write")
def test_a_place_where_nobody_may_write_is_noticed() -> None:
    with pytest.raises(FullheadError, match=r"cannot write /proc/heads.png"):
        check_place("/proc/heads.png")


def test_a_disk_that_fills_up_while_a_fitted_head_is_written_leaves_nothing_and_the_rerun_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(astronaut()).save(tmp_path / "photo.png")
    command = ["invert", str(tmp_path / "photo.png"), "--box", "181,56,86,86", "--out", str(tmp_path / "me")]
    command += ["--steps", "1", "--pivot-steps", "0"]
    with largest_file(PROBE), pytest.raises(SystemExit) as stop:  # room for the pictures, not for the weights
        main(command)
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert "cannot write" in said and "me/head.safetensors: " in said and said.count("\n") == 1
    assert not list((tmp_path / "me").iterdir())
    main(command)
    assert len(list((tmp_path / "me").iterdir())) == 3


def test_weights_that_find_no_room_are_said_in_words_and_leave_what_was_there(tmp_path: Path) -> None:
    network = load_features()
    (tmp_path / "a.safetensors").write_text("old")
    with largest_file(100_000), pytest.raises(FullheadError, match=r"cannot write .*a.safetensors: .*free some space"):
        save_features(network, tmp_path / "a.safetensors", {})
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"] and (tmp_path / "a.safetensors").read_text() == "old"
