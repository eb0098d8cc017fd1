"""Scans to training sets: each is registered to a rig in its cube, and sampled.

set.json                   what the set is: rig, frame, settings, units
scans.json                 a row per scan, in the order of its codes: name, identity, split, how well the rig fits
scans/<name>.safetensors   the tensors of a `ScanSamples`
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save

from fullhead.core.random import stream
from fullhead.data.options import PrepareOptions
from fullhead.data.registration import register_scan
from fullhead.data.scan_samples import (
    NO_SURFACE,
    SampleConfig,
    ScanSamples,
    render_scan_views,
    sample_occupancy,
    sample_scan_surface,
)
from fullhead.data.scans import ScanFile, find_scans, ordered_by_names, read_order, with_axes
from fullhead.eyes.readers import open_reader
from fullhead.eyes.reading import Reader
from fullhead.io.files import existing_file, sha256
from fullhead.io.sets import Part, Records, Sample
from fullhead.rig.cube import CubeRig, flame_cube, template_in_cube
from fullhead.rig.fitting import FitConfig
from fullhead.rig.flame import load_flame
from fullhead.rig.template import Template, load_template

LOG = logging.getLogger(__name__)
VERSION = 1  # raise it when the same scans give other files
TRAIN, HELD_OUT = "train", "held_out"


@dataclass(frozen=True)
class Shared:
    """What all scans of a set need."""

    template: Template
    cube: CubeRig
    reader: Reader | None


@dataclass(frozen=True)
class Prepared:
    """The recipe of a prepared set."""

    scans: tuple[ScanFile, ...]  # in the order of their codes
    samples: SampleConfig = field(default_factory=SampleConfig)
    fit: bool = False  # also scans whose parameters are known
    fitting: FitConfig = field(default_factory=FitConfig)
    flame: str | None = None  # file of FLAME, the rig to be fitted instead of our template
    shapes: int = 100  # components of the rig's shape
    held_out: float = 0.1  # share of the identities that no training sees
    reader: str | None = None  # of scans without landmarks, if there are any
    seed: int = 0

    kind = "prepared"
    pictures = 1
    per_shard = 16

    @property
    def parts(self) -> int:
        return len(self.scans)

    @property
    def folders(self) -> Mapping[str, str]:
        return {"scan": "scans"}

    def settings(self) -> dict[str, Any]:
        own = {name: value for name, value in asdict(self).items() if name != "scans"}
        flame = None if self.flame is None else sha256(Path(self.flame))
        return own | {"scans": [scan.name for scan in self.scans], "flame": flame, "version": VERSION}

    def about(self) -> dict[str, Any]:
        return {
            "rig": "flame" if self.flame else "template",
            "frame": "rig.cube",
            "view_z_nothing": NO_SURFACE,
            "colours": "sRGB, 8 bits",
        }

    def open(self) -> Shared:
        template = load_template()
        reader = None if self.reader is None else open_reader(self.reader)
        if self.flame is None:
            return Shared(template, template_in_cube(template, self.shapes), reader)
        return Shared(template, flame_cube(load_flame(self.flame), template, self.shapes), reader)

    def splits(self) -> dict[str, str]:
        """The split of each identity: by chance, at least one of either if there are two."""
        identities = sorted({scan.identity for scan in self.scans})
        count = round(self.held_out * len(identities))
        if self.held_out > 0 and len(identities) > 1:
            count = min(max(count, 1), len(identities) - 1)
        apart = stream(self.seed, "held out").permutation(len(identities))[:count]
        return {identity: HELD_OUT if i in apart else TRAIN for i, identity in enumerate(identities)}

    def make(self, shared: Shared, part: int) -> Part:
        scan, random = self.scans[part], stream(self.seed, "scan", part)
        fit = self.fit or self.flame is not None
        registered = register_scan(
            scan, shared.cube, shared.template, fit=fit, config=self.fitting, reader=shared.reader, rng=random
        )
        if not registered.mesh.coloured:
            LOG.warning("scan %s has no colours: its samples are grey", scan.name)
        pivot = shared.cube.rig(torch.from_numpy(registered.shape)[None]).joints[0, 0].numpy()  # the root: heads turn about it
        samples = ScanSamples(
            registered.shape,
            registered.expression,
            registered.joint_pose,
            registered.landmarks.astype(np.float32),
            registered.cube_from_scan,
            *sample_occupancy(registered.mesh, self.samples, random),
            sample_scan_surface(registered.mesh, self.samples, random),
            render_scan_views(registered.mesh, pivot, self.samples),
        )
        record = {
            "row": part,
            "name": scan.name,
            "identity": scan.identity,
            "expression": scan.expression,
            "split": self.splits()[scan.identity],
            "fit_mm": {name: round(value, 3) for name, value in registered.errors.items()},
        }
        tensors = {name: np.ascontiguousarray(value) for name, value in samples.tensors().items()}
        return Part(record, [Sample(scan.name, {"scan.safetensors": save(tensors)}, record)])

    def lists(self, records: Records) -> Iterator[tuple[str, Iterable[str]]]:
        yield "scans.json", [json.dumps(list(records), indent=1), "\n"]


def recipe(folder: Path, options: PrepareOptions) -> Prepared:
    """What `write_set` makes a set of: the scans in a folder, and what is taken of each."""
    o = options
    found = find_scans(folder, o.layout, raw=o.raw, landmarks=o.landmarks)
    found = found if o.axes is None else with_axes(found, o.axes)
    found = found if o.order is None else ordered_by_names(found, read_order(o.order))
    reader = None if all(scan.marked for scan in found) else o.reader
    if reader is not None:
        open_reader(reader)
    return Prepared(
        tuple(found),
        SampleConfig(o.near, o.uniform, o.surface, view_size=o.size),
        o.fit,
        FitConfig(metres_per_unit=o.metres_per_unit),
        None if o.flame is None else str(existing_file(o.flame, "FLAME file")),
        o.shapes,
        o.held_out,
        reader,
        o.seed,
    )
