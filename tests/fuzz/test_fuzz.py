"""Some bad inputs of each kind, always the same: the product reads or refuses them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

if sys.platform != "linux":
    pytest.skip("memory is bounded as Linux does it", allow_module_level=True)

from .inputs import write_input
from .runner import Server

KINDS = {  # inputs of each kind that are tried
    "model": 30, "run": 8, "study": 25, "request": 15, "image": 40, "ply": 40, "obj": 40, "glb": 40, "flame": 25,
    "snapshot": 20, "checkpoint": 10, "clip": 40, "landmarks": 40, "cameras": 40, "photos": 30, "prepared": 30, "scans": 20,
    "command": 20,
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("fuzz"))
    yield started
    started.close()


@pytest.mark.parametrize("kind", KINDS)
def test_bad_inputs_are_read_or_refused(kind: str, server: Server, tmp_path: Path) -> None:
    @settings(
        max_examples=KINDS[kind], derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.randoms(use_true_random=True))
    def tried(rng: Random) -> None:
        shutil.rmtree(tmp_path / "input", ignore_errors=True)
        notes = write_input(rng, kind, server.valid, tmp_path / "input")
        outcome = server.try_(kind, tmp_path / "input")
        assert not outcome.failed, f"{outcome.error} in {outcome.place}\n{notes}\n{outcome.text}"

    tried()
