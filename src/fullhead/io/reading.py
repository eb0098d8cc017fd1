"""Files of any content: what is wrong with one is said in a line."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from reprlib import repr as shown  # of files' values, which may be long
from tarfile import TarError
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

from safetensors import SafetensorError

from fullhead.core.errors import FullheadError, in_words

# What Python, numpy, zipfile, tarfile and safetensors raise for a file that is damaged, or of another form than expected.
DAMAGED = (
    OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, EOFError, SyntaxError,
    TokenError, BadZipFile, TarError, SafetensorError, struct.error, zlib.error,
)  # fmt: skip


@contextmanager
def reading(place: Path | str, hint: str) -> Iterator[None]:
    """A block that reads `place`, a file of any content: it ends well, or with a FullheadError that names the place, what is
    wrong, and what to do about it (`hint`)."""
    try:
        yield
    except DAMAGED as error:
        raise FullheadError(f"cannot read {place} ({in_words(error)}): {hint}") from error


def read_json(place: Path, hint: str) -> dict[str, Any]:
    """The named values in a JSON file; FullheadError where there are none. What they are is not checked."""
    with reading(place, hint):
        return json_object(place.read_bytes(), place, hint)


def json_object(text: str | bytes, place: Path | str, hint: str) -> dict[str, Any]:
    """The named values in a JSON text, which is read from `place`; FullheadError where there are none."""
    with reading(place, hint):
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError(f"{shown(found)} stands where named values are due")
        return found
