"""`fullhead presets`: the configs by name."""

from __future__ import annotations

from typing import Annotated

import tyro

from fullhead.core.errors import FullheadError


def presets(
    name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(help_behavior_hint="")] = None, set: tuple[str, ...] = ()
) -> None:
    """List the training runs and models by name, or show every key of one.

    Args:
        name: A preset; without it, all names.
        set: Changes to try, as in task.gan.r1_gamma=2.
    """
    from fullhead.families.opening import shipped_names
    from fullhead.families.table import all_configs, all_runs
    from fullhead.io.config import describe, overridden

    configs, runs = all_configs(), all_runs()
    known = configs | runs
    if name is None:
        print("shipped models, for --model:", ", ".join(shipped_names()))
        print("training runs, for `fullhead train`:", ", ".join(runs))
        print("configs of models, to build one in Python:", ", ".join(configs))
    elif name in known:
        print(describe(overridden(known[name], list(set))))
    else:
        raise FullheadError(f"no preset {name}: there is {', '.join(sorted(known))}")
