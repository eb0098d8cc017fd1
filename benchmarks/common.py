"""How benchmarks measure time, and how their figures are written: with what produced them, and where."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy
import torch

from fullhead.io.files import written_whole

RESULTS = Path(__file__).parent / "results"


def times(function: Callable[[], object], runs: int, clock: Callable[[], float] = time.process_time) -> list[float]:
    """Times of `runs` calls, after one that warms up; by default of all processor cores together."""
    function()
    found = []
    for _ in range(runs):
        start = clock()
        function()
        found.append(clock() - start)
    return found


def machine() -> str:
    """Cores and processor, as the system calls it, with the vector instructions that PyTorch uses: AVX2, AVX512..."""
    info = Path("/proc/cpuinfo")
    names = (
        [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line] if info.exists() else []
    )
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{len(names) or '?'} x {name} ({torch.backends.cpu.get_cpu_capability()})"


def write_result(name: str, figures: dict[str, object], **settings: object) -> None:
    """Write results/<name>.json and print it."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    result = {
        "command": " ".join(["python", *(Path(a).name if Path(a).is_absolute() else a for a in sys.argv)]),
        "commit": commit,
        "machine": machine(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": numpy.__version__},
        "settings": settings,
        "figures": figures,
    }
    text = json.dumps(result, indent=1)
    with written_whole(RESULTS / f"{name}.json") as path:
        path.write_text(text + "\n")
    print(text)
