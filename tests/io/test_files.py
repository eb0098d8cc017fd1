"""Files are whole or absent."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fullhead.core.errors import FullheadError
from fullhead.io.files import existing_file, one_at_work, written_whole


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


def test_results_that_are_opened_together_stand_together_or_not_at_all(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), written_whole(tmp_path / "a.txt") as a, written_whole(tmp_path / "b.txt") as b:
        a.write_text("whole")
        b.write_text("half")
        _ = 1 / 0
    assert everything(tmp_path) == []
    with written_whole(tmp_path / "a.txt") as a, written_whole(tmp_path / "b.txt") as b:
        a.write_text("whole")
        b.write_text("whole")
    assert everything(tmp_path) == ["a.txt", "b.txt"]


def another_process(script: str, folder: Path) -> int:
    """Run lines of Python, in which F is a folder; the exit code."""
    first = f"import os, signal\nfrom pathlib import Path\nfrom fullhead.io.files import *\nF = Path({str(folder)!r})\n"
    return subprocess.run([sys.executable, "-c", first + script], timeout=120).returncode


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_what_a_killed_process_left_is_removed_by_the_next_and_what_a_living_one_writes_is_not(tmp_path: Path):
    kills_itself = "with written_whole(F / 'a.txt') as path:\n path.write_text('half')\n os.kill(os.getpid(), signal.SIGKILL)"
    assert another_process(kills_itself, tmp_path) == -9
    assert len(everything(tmp_path)) == 1 and everything(tmp_path)[0][0] == "."
    with written_whole(tmp_path / "b.txt") as path:
        assert everything(tmp_path) == [path.name]
        assert another_process("with written_whole(F / 'c.txt') as path: path.write_text('whole')", tmp_path) == 0
        assert everything(tmp_path) == sorted([path.name, "c.txt"])
        path.write_text("whole")
    assert everything(tmp_path) == ["b.txt", "c.txt"]


def test_one_process_works_in_a_folder_and_a_dead_one_does_not_block_it(tmp_path: Path):
    place = tmp_path / "a" / "run"
    with one_at_work(place), one_at_work(place, "other part"), pytest.raises(FullheadError, match="another process is at work"):
        one_at_work(place).__enter__()
    assert not place.exists()  # nothing was written there
    assert another_process("with one_at_work(F): os._exit(9)", place) == 9
    with one_at_work(place):
        (place / "result").write_text("")
    assert everything(tmp_path) == ["result"]
