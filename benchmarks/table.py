"""The table of benchmarks/README.md from results/*.json: python benchmarks/table.py"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fullhead.core.files import written_whole

HERE = Path(__file__).parent
INTRODUCTION = """# Benchmarks

Every figure has its command, machine and commit beside it; `python benchmarks/table.py` makes this page from `results/*.json`.
Timings are of whatever machine ran them, and of whatever else it did: compare what was measured in one run.
"""


def rows(figures: Any, name: str = "") -> list[tuple[str, str]]:
    """Nested figures as (name, value) lines."""
    if isinstance(figures, dict):
        return [row for key, value in figures.items() for row in rows(value, f"{name} · {key}" if name else str(key))]
    return [(name, f"{figures:.4g}" if isinstance(figures, float) else str(figures))]


def section(path: Path) -> str:
    result = json.loads(path.read_text())
    settings = ", ".join(f"{key} {value}" for key, value in result["settings"].items())
    head = f"## {path.stem}\n\n`{result['command']}`  \n{result['machine']}, torch {result['versions']['torch']}, "
    head += f"commit {result['commit']}; {settings}\n\n| figure | value |\n|---|---|\n"
    return head + "\n".join(f"| {name} | {value} |" for name, value in rows(result["figures"]))


def main() -> None:
    sections = [section(path) for path in sorted((HERE / "results").glob("*.json"))]
    with written_whole(HERE / "README.md") as path:
        path.write_text("\n\n".join([INTRODUCTION.strip(), *sections]) + "\n")


if __name__ == "__main__":
    main()
