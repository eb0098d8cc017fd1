"""Compiled functions in an install that cannot be written, of a user without a home."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "fullhead"
PROBE = "from fullhead.core.compiled import njit\n\n@njit(nogil=True)\ndef doubled(x):\n    return 2 * x\n"


@pytest.fixture
def install(tmp_path: Path) -> Path:
    """A copy of the package that cannot be written: a file stands where numba wants a folder, which stops root, too."""
    core = tmp_path / "install" / "fullhead" / "core"
    shutil.copytree(SOURCE / "core", core, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(SOURCE / "__init__.py", core.parent)
    (core / "probe.py").write_text(PROBE)
    (core / "__pycache__").touch()
    (tmp_path / "home").touch()
    return tmp_path


def kept(install: Path, temporary: Path, home: Path | None = None) -> list[Path]:
    """What numba wrote below the temporary folder; the compiled function must work in any case."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "XDG_")) and k != "HOME"}
    environment |= {"PYTHONPATH": str(install / "install"), "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
    if home is not None:
        environment["HOME"] = str(home)
    command = [sys.executable, "-c", "from fullhead.core.probe import doubled; print(doubled(21))"]
    done = subprocess.run(command, env=environment, cwd=install, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("42"), done.stderr
    return sorted(temporary.rglob("*.nbi"))


def test_without_a_home_a_temporary_folder_keeps_what_is_compiled(install: Path):
    temporary = install / "temporary"
    temporary.mkdir()
    assert kept(install, temporary, install / "home")
    (private,) = temporary.iterdir()
    assert private.stat().st_mode & 0o077 == 0
    for file in private.rglob("*.nb*"):
        file.write_bytes(file.read_bytes()[:-9])
    assert kept(install, temporary, install / "home")  # damaged ones are written again


def test_no_home_at_all(install: Path):
    temporary = install / "temporary"
    temporary.mkdir()
    kept(install, temporary)


@pytest.mark.parametrize("of_others", [True, False], ids=["others can write it", "a file"])
def test_without_any_folder_it_is_compiled_at_every_start(install: Path, of_others: bool):
    temporary = install / "temporary"
    temporary.mkdir()
    place = temporary / f"fullhead-{os.getuid()}"
    if of_others:
        place.mkdir()
        place.chmod(0o777)
    else:
        place.touch()
    assert not kept(install, temporary, install / "home")
