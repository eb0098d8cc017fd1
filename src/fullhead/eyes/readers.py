"""Readers of heads by their names."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import cast

from fullhead.core.errors import FullheadError, in_words
from fullhead.eyes.reading import Reader


def open_reader(text: str) -> Reader:
    """The reader that a text names: `eyes`, ours; or `module:function`, which takes a photo uint8 [H, W, 3] and gives Readings.
    The module, which may lie in the current folder, is imported."""
    module, _, function = ("fullhead.eyes.eyes:load_eyes" if text == "eyes" else text).partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        found = getattr(import_module(module), function)
        found = found() if text == "eyes" else found
    except Exception as error:  # whatever a user's module raises
        raise FullheadError(f"--reader {text}: {in_words(error)}; give module:function that Python finds") from error
    if not callable(found):
        raise FullheadError(f"--reader {text}: {function} is no function")
    return cast("Reader", found)
