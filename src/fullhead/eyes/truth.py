"""A reader that knows: the photos of a set of `fullhead synth photos`, and what is true of them. Tests and measures need it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from fullhead.eyes.pose import reading_of_camera
from fullhead.eyes.reading import Points, Reading
from fullhead.eyes.window import Window
from fullhead.io.images import Bytes
from fullhead.io.sets import read_records, read_set
from fullhead.io.stores import open_store
from fullhead.synth.datasets.shots import shot_from_record, true_camera


@dataclass(frozen=True)
class Truth:
    """Reads the photos of the set in `root`, and finds nothing in others. Its readings have the matte and the parts where the
    set has `seg` and `parts`."""

    root: Path

    @cached_property
    def known(self) -> dict[str, tuple[dict[str, Any], int]]:
        """Records and numbers of views, by what their photos show."""
        images, records = open_store(self.root, "img"), read_records(self.root)
        pairs = [(record, i) for record in records for i in range(len(record["views"]))]
        return {_digest(images.picture(f"{record['views'][i]['key']}.png")): (record, i) for record, i in pairs}

    def __call__(self, photo: Bytes) -> list[Reading]:
        if (digest := _digest(photo)) not in self.known:
            return []
        record, i = self.known[digest]
        known, shot = record["views"][i], shot_from_record(record)
        found = reading_of_camera(true_camera(shot.views[i], shot.world), shot.size, shot.size)
        landmarks = Points(np.array(known["landmarks"]), seen=np.array([float(mark) for mark in known["visible"]]))
        folders = read_set(self.root)["folders"]
        matte, parts = (
            open_store(self.root, field).picture(f"{known['key']}.png", mode) if field in folders else None
            for field, mode in (("seg", "L"), ("parts", "P"))
        )
        return [
            Reading(
                found.score, found.centre, found.unit, found.rotation, landmarks,
                window=Window(shot.size / 2, shot.size / 2, shot.size), parts=parts,
                matte=None if matte is None else matte.astype(np.float32) / 255,
            )
        ]  # fmt: skip


def _digest(picture: Bytes) -> str:
    return sha256(picture.tobytes()).hexdigest()
