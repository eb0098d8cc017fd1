"""The table of families: for each one record with all that loading, training and the command line must know of it.

A new family is one more record: `FAMILIES["mine"] = Family(...)`. Nothing outside this table asks which family a model is of.
The records import nothing heavy; `parts()` does, when a family is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fullhead.core.errors import FullheadError
from fullhead.io.config import Unset

if TYPE_CHECKING:
    from fullhead.models.ganhead import GANHead
    from fullhead.models.head import Batch
    from fullhead.models.hub import HubModel
    from fullhead.training.run import RunConfig


@dataclass(frozen=True)
class Parts:
    """What a family consists of. What it cannot do is None."""

    model: type[HubModel]  # a HeadModel; its `model_type` is the family's name
    latents: type[Batch]  # who a head is: what a file keeps of fitted heads
    configs: Mapping[str, Any] = field(default_factory=dict)  # sizes of models, by name
    runs: Mapping[str, RunConfig] = field(default_factory=dict)  # trainings, by name
    fit_photo: Callable[..., Any] | None = None  # as `fitting.invert.invert_photo`
    fit_scan: Callable[..., Any] | None = None  # as `fitting.fit_scan.fit_scan`
    rigged: Callable[..., Any] | None = None  # as `export.rigged_ganhead.rig_ganhead`


@dataclass(frozen=True)
class Family:
    """One family. `parts` imports what it consists of; `options` are its own options on the command line: a frozen dataclass
    with defaults and a method `apply(model)`, which is called when a model has been opened."""

    title: str  # as people write it
    parts: Callable[[], Parts]
    options: type | None = None


@dataclass(frozen=True)
class GANHeadOptions:
    """Of a model that FLAME moves, a rig that others give away."""

    flame: Unset[Path] = None
    """FLAME's file, for a GANHead that was trained with it."""

    def apply(self, model: GANHead) -> None:
        if self.flame is not None:
            model.use_flame(self.flame)


def _panohead() -> Parts:
    from fullhead.fitting.invert import invert_photo
    from fullhead.models.head import Latents
    from fullhead.models.panohead import PanoHead
    from fullhead.models.presets import PANOHEADS
    from fullhead.training.presets import PANOHEAD_RUNS

    return Parts(PanoHead, Latents, PANOHEADS, PANOHEAD_RUNS, fit_photo=invert_photo)


def _ganhead() -> Parts:
    from fullhead.export.rigged_ganhead import rig_ganhead
    from fullhead.fitting.fit_scan import fit_scan
    from fullhead.models.ganhead import GANHead, GANHeadCodes
    from fullhead.training.presets import GANHEAD_RUNS

    return Parts(GANHead, GANHeadCodes, runs=GANHEAD_RUNS, fit_scan=fit_scan, rigged=rig_ganhead)


def _head360() -> Parts:
    from fullhead.models.head360 import Head360, Head360Latents
    from fullhead.models.presets import HEAD360S

    return Parts(Head360, Head360Latents, HEAD360S)


def _i3dmm() -> Parts:
    from fullhead.models.i3dmm import I3DMM, I3DMMCodes
    from fullhead.training.presets import I3DMM_RUNS

    return Parts(I3DMM, I3DMMCodes, runs=I3DMM_RUNS)


FAMILIES: dict[str, Family] = {
    "panohead": Family("PanoHead", _panohead),
    "ganhead": Family("GANHead", _ganhead, GANHeadOptions),
    "head360": Family("Head360", _head360),
    "i3dmm": Family("i3DMM", _i3dmm),
}

DOES = {
    "fit_photo": "is fitted to a photo",
    "fit_scan": "is fitted to a scan",
    "rigged": "is written with a skeleton and expressions",
}


def require(family: str, what: str) -> Callable[..., Any]:
    """What a family does, one of DOES. FullheadError if it does not."""
    if found := getattr(FAMILIES[family].parts(), what):
        return found
    able = [other.title for other in FAMILIES.values() if getattr(other.parts(), what)]
    raise FullheadError(f"no {FAMILIES[family].title} {DOES[what]}: with --model give a {' or a '.join(able)}")


def all_configs() -> dict[str, Any]:
    """The sizes of models of all families, by name."""
    return {name: config for family in FAMILIES.values() for name, config in family.parts().configs.items()}


def all_runs() -> dict[str, RunConfig]:
    """The trainings of all families, and of the eyes, by name."""
    from fullhead.training.presets import EYES_RUNS

    return {name: run for family in FAMILIES.values() for name, run in family.parts().runs.items()} | EYES_RUNS
