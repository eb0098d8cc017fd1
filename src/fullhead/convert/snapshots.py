"""Original snapshots of any family of the EG3D lineage as model files of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fullhead.convert import head360, panohead
from fullhead.convert.networks import Converted, Which, converted_network, generator_of
from fullhead.convert.reader import read_snapshot
from fullhead.models import checkpoint


def convert_checkpoint(path: str | Path, out: str | Path, which: Which = "G_ema") -> Converted:
    """Write network `which` of the original snapshot `path` as our model file `out`; returns what was found."""
    converted = extract(read_snapshot(path), which)
    said = {name: value for name, value in vars(converted).items() if name != "tensors"}  # what the original says of itself
    module = (head360 if converted.family == head360.NAME else panohead).build(converted)
    checkpoint.save(module, out, about={"converted_from": Path(path).name, **said})
    return converted


def extract(snapshot: dict[str, Any], which: Which = "G_ema") -> Converted:
    """One network of a snapshot. The family is told by the generator's structure."""
    generator = generator_of(snapshot, which)
    family = head360.find_family(generator) if head360.is_head360(generator) else panohead.find_family(generator)
    return converted_network(snapshot, which, family)
