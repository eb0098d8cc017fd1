"""Files are whole or absent."""

import errno
import os
import stat
from pathlib import Path

import pytest

from fullhead.core.errors import FullheadError
from fullhead.io.files import existing_file, written_whole


def everything(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


def test_a_file_appears_when_the_block_ends(tmp_path: Path):
    target = tmp_path / "new" / "a.txt"
    with written_whole(target) as path:
        path.write_text("whole")
        assert not target.exists()
        assert path.suffix == ".txt"
    assert target.read_text() == "whole"
    assert everything(tmp_path) == ["a.txt"]


def test_an_error_in_the_block_leaves_what_stood_there_and_nothing_else(tmp_path: Path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), written_whole(target) as path:
        path.write_text("half")
        _ = 1 / 0
    assert target.read_text() == "old"
    assert everything(tmp_path) == ["a.txt"]


def test_ctrl_c_in_the_block_leaves_nothing(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt), written_whole(tmp_path / "a.txt") as path:
        path.write_text("half")
        raise KeyboardInterrupt
    assert everything(tmp_path) == []


def test_a_full_disk_while_writing_is_said_in_words_and_leaves_nothing(tmp_path: Path):
    with pytest.raises(FullheadError, match="No space left"), written_whole(tmp_path / "a.txt") as path:
        path.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert everything(tmp_path) == []


def test_a_full_disk_while_renaming_is_said_in_words_and_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(FullheadError, match="No space left"), written_whole(target) as path:
        path.write_text("new")
    assert target.read_text() == "old"
    assert everything(tmp_path) == ["a.txt"]


def test_a_place_that_cannot_be_written_is_said_before_any_work(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    started = []
    with pytest.raises(FullheadError, match="cannot write"), written_whole(blocked / "a.txt"):
        started.append(1)
    assert not started


def test_a_missing_input_inside_the_block_is_not_blamed_on_the_output(tmp_path: Path):
    with pytest.raises(FileNotFoundError), written_whole(tmp_path / "a.txt"):
        (tmp_path / "absent").read_text()


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_the_file_is_as_readable_as_any_new_file(tmp_path: Path):
    with written_whole(tmp_path / "a.txt") as path:
        path.write_text("")
    (tmp_path / "b.txt").write_text("")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.txt", "b.txt")]
    assert modes[0] == modes[1]


def test_a_missing_file_or_a_folder_in_its_place_is_an_error_in_words(tmp_path: Path):
    with pytest.raises(FullheadError, match="no portrait at"):
        existing_file(tmp_path / "absent.png", "portrait")
    with pytest.raises(FullheadError, match="folder"):
        existing_file(tmp_path, "portrait")
    (tmp_path / "there.png").write_text("")
    assert existing_file(str(tmp_path / "there.png"), "portrait") == tmp_path / "there.png"
