"""`fullhead presets`: the configs by name."""

from __future__ import annotations

from typing import Annotated

import tyro

from fullhead.core.errors import FullheadError


def presets(name: Annotated[str | None, tyro.conf.Positional] = None, set: tuple[str, ...] = ()) -> None:
    """List the training runs and models by name, or show every key of one.

    Args:
        name: A preset; without it, all names.
        set: Changes to try, as in task.gan.r1_gamma=2.
    """
    from fullhead.core.config import describe, overridden
    from fullhead.models.checkpoint import shipped_names
    from fullhead.models.presets import MODELS
    from fullhead.training.presets import RUNS

    if name is None:
        print("shipped models, for --model:", ", ".join(shipped_names()))
        print("training runs, for `fullhead train`:", ", ".join(RUNS))
        print("sizes of models, for Python and conversion:", ", ".join(MODELS))
    elif name in RUNS:
        print(describe(overridden(RUNS[name], list(set))))
    elif name in MODELS:
        print(describe(overridden(MODELS[name], list(set))))
    else:
        raise FullheadError(f"no preset {name}: there is {', '.join(sorted({*RUNS, *MODELS}))}")
