"""Functions compiled by numba, and kept for the next start: beside the code, else in the user's cache, else in a temporary
folder. Where none of these can be written, or what is there is damaged, they are compiled anew."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache
from numba.core.config import reload_config


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` that keeps what it compiles, wherever it can."""

    def compiled(function: Callable[..., Any]) -> Any:
        found: Any = numba.njit(**options)(function)
        for find in (lambda: True, _use_temporary_folder):
            with suppress(RuntimeError, OSError):  # numba knows no folder that it can write; there is no temporary one either
                if find():
                    found._cache = _Kept(function)  # as numba's own cache=True does
                    break
        return found

    return compiled


class _Kept(FunctionCache):
    """Numba's files, which may be damaged, and a disk, which may be full."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        with suppress(Exception):
            return super().load_overload(sig, target_context)

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(Exception):
            super().save_overload(sig, data)


def _use_temporary_folder() -> bool:
    """Have numba, here and in child processes, keep its files in a temporary folder that only this user can write; False if
    there is none: what it would read there is code."""
    if "NUMBA_CACHE_DIR" in os.environ:
        return False
    user = getattr(os, "getuid", lambda: None)()  # Windows has a temporary folder for each user
    place = Path(tempfile.gettempdir()) / ("fullhead" if user is None else f"fullhead-{user}")
    place.mkdir(mode=0o700, exist_ok=True)
    about = place.lstat()
    if user is not None and (place.is_symlink() or about.st_uid != user or about.st_mode & 0o077):
        return False
    os.environ["NUMBA_CACHE_DIR"] = str(place)
    reload_config()
    return True
