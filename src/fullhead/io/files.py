"""Files that are whole or absent: write beside, then rename. Folders in which one process works at a time. Checksums."""

import errno
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from safetensors import SafetensorError

from fullhead.core.errors import FullheadError, in_words

MOST, ROOM = 255, 35  # bytes of a name, and of what temporaries add to it
PROBE = 1 << 20  # bytes written to see whether there is any room
TEMPORARY = ".fullhead-"  # how the names of unfinished files begin


def check_place(path: str | Path, *, folder: bool = False) -> Path:
    """`path` as a Path if a file, or a folder of files, can be written there; call it before the work. Leaves nothing there.

    Raises FullheadError: a folder where a file is due or the other way round, no right to write, no space, a name too long.
    """
    path = Path(path)
    lengths = [len(os.fsencode(part)) for part in path.parts]
    if lengths and max(*lengths, lengths[-1] + ROOM) > MOST:
        raise FullheadError(f"the name {path.name[:40]}... is too long: a file's has at most {MOST - ROOM} bytes")
    if folder and path.is_file():
        raise FullheadError(f"{path} is a file: give a folder")
    if path.is_dir() and not folder:
        raise FullheadError(f"{path} is a folder: give the name of a file in it")
    place = path if folder else path.parent
    try:
        nearest = next(p for p in (place, *place.parents) if p.exists())  # the folders below it will be made
        if nearest.is_file():
            raise FullheadError(f"cannot write {path}: {nearest} is a file, not a folder; choose another place")
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(bytes(PROBE))
    except OSError as error:
        raise FullheadError(f"cannot write {path}: {error.strerror}; choose another place") from error
    return path


def check_suffix(path: str | Path, suffixes: Sequence[str], what: str) -> Path:
    """`path` as a Path if its suffix is one of `suffixes`, in which `what` ("a mesh") is written; call it before the work."""
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise FullheadError(f"cannot write {what} as {path.name!r}: choose one of {', '.join(suffixes)}")
    return path


def check_new(path: str | Path, overwrite: bool) -> Path:
    """`check_place` of a file that must not be there yet, unless it may be replaced."""
    path = Path(path)
    if path.exists() and not overwrite:
        raise FullheadError(f"{path} exists already: choose another place, or say --overwrite")
    return check_place(path)


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it there once the block ends without an error.

    The temporary keeps the suffix of `path` (writers choose their format by it). An error inside the block leaves
    whatever stood at `path` untouched. Several results stand together or not at all: open all blocks, then write.
    Raises FullheadError when the place cannot be written (no space, no right).
    """
    path = Path(path)
    if path.name.startswith(TEMPORARY):  # of a block around this one, which makes it whole
        stem, _, _ = path.stem.removeprefix(TEMPORARY).rpartition(".")
        with _in_words(path.with_name(stem + path.suffix)):
            yield path
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent.resolve())
        handle, name = tempfile.mkstemp(prefix=f"{TEMPORARY}{path.stem}.", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise FullheadError(f"cannot write {path}: {error.strerror}; choose another place") from error
    temporary = Path(name)
    with os.fdopen(handle) as held:
        if sys.platform == "win32":
            held.close()  # there an open file cannot be replaced
        else:
            _locked(handle)  # against _sweep of other processes
        try:
            with _in_words(path):
                yield temporary
                umask = os.umask(0)
                os.umask(umask)
                temporary.chmod(0o666 & ~umask)  # mkstemp is private; an export should be as readable as any new file
                temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """What goes wrong while `path` is written, as a FullheadError. What is wrong with other files is left as it is."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        if isinstance(error, OSError) and (error.errno is None or isinstance(error, FileNotFoundError)):
            raise
        raise FullheadError(f"cannot write {path}: {in_words(error)}; free some space or choose another place") from error


@cache  # once a process: looking through a large folder takes time
def _sweep(folder: Path) -> None:
    """Remove the temporaries that killed processes left in a folder. Those of living ones are locked."""
    for left in [] if sys.platform == "win32" else folder.glob(f"{TEMPORARY}*"):
        with suppress(OSError), left.open("r+b") as file:
            if _locked(file.fileno()):
                left.unlink()


@contextmanager
def one_at_work(folder: Path, part: str = "") -> Iterator[None]:
    """Inside the block no other process works on this `part` of a folder, which is made; FullheadError if one does already.

    A process that dies gives it up. A new folder that is still empty at the end is removed.
    """
    lock, new = folder / f".lock{part}", not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(lock, os.O_RDWR | os.O_CREAT)
    try:
        if _locked(handle) is False:
            raise FullheadError(f"another process is at work in {folder}: wait for it, stop it, or choose another folder")
        try:
            yield
        finally:
            with suppress(OSError):
                lock.unlink()
    finally:
        os.close(handle)
        with suppress(OSError):
            if new:
                folder.rmdir()


def _locked(handle: int) -> bool | None:
    """Lock an open file until it is closed or its process ends. False: another process has it; None: no locks here."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(handle).st_nlink > 0  # else who had it has just removed it
    except OSError as error:
        return False if error.errno in (errno.EACCES, errno.EAGAIN) else None


def sha256(content: Path | bytes) -> str:
    """Checksum of a file or of bytes, in hexadecimal."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def existing_file(path: str | Path, what: str) -> Path:
    """`path` as a Path, or a FullheadError that names `what` was expected there."""
    path = Path(path)
    if path.is_dir():
        raise FullheadError(f"{path} is a folder, not {what}: give the file itself")
    if not path.is_file():
        name = what.removeprefix("an ").removeprefix("a ")
        raise FullheadError(f"no {name} at {path}: check the spelling, or the folder you are in ({Path.cwd()})")
    return path
