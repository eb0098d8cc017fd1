"""Readers of photos by name."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from fullhead.core.errors import FullheadError, in_words
from fullhead.eyes.reading import Reader


def open_reader(text: str) -> Reader:
    """The reader that `module:function` names; the module may lie in the current folder."""
    module, _, function = text.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        return getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise FullheadError(f"--reader {text} ({in_words(error)}): write module:function") from error
