"""Large tensors without fresh pages: the allocator keeps what it has got from the system.

By default glibc maps every large tensor anew and unmaps it when it is freed, and the system zeroes each page at its first
touch: for the passes over large images that a renderer makes, that costs several times the arithmetic.
"""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # names and numbers of glibc's malloc.h


def keep_memory() -> bool:
    """Have glibc's malloc reuse large blocks for the rest of this process. False where there is no glibc.

    Programs call this (the command line does); the library itself leaves the process's allocator alone.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(M_MMAP_MAX, 0)) and bool(libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
