"""The table of docs/benchmarks.md from results/*.json: python benchmarks/table.py"""

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


def shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def groups(figures: dict[str, Any], name: str = "") -> list[tuple[str, dict[str, Any]]]:
    """The innermost groups of nested figures: (path, its plain values)."""
    plain = {key: value for key, value in figures.items() if not isinstance(value, dict)}
    found = [(name, plain)] if plain else []
    for key, value in figures.items():
        if isinstance(value, dict):
            found += groups(value, f"{name} · {key}" if name else key)
    return found


def table(figures: dict[str, Any]) -> str:
    """Groups of the same figures stand in rows; else every figure has a row of its own."""
    found = groups(figures)
    columns = list(found[0][1])
    if len(found) > 1 and all(list(values) == columns for _, values in found):
        lines = [["", *columns], ["---"] * (len(columns) + 1)]
        lines += [[name, *map(shown, values.values())] for name, values in found]
    else:
        lines = [["figure", "value"], ["---", "---"]]
        lines += [[f"{name} · {key}" if name else key, shown(value)] for name, values in found for key, value in values.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def section(path: Path) -> str:
    result = json.loads(path.read_text())
    settings = ", ".join(f"{key} {shown(value)}" for key, value in result["settings"].items() if not isinstance(value, dict))
    head = f"## {path.stem}\n\n`{result['command']}`  \n{result['machine']}, torch {result['versions']['torch']}, "
    return f"{head}commit {result['commit']}; {settings}\n\n{table(result['figures'])}"


def main() -> None:
    sections = [section(path) for path in sorted((HERE / "results").glob("*.json"))]
    with written_whole(HERE.parent / "docs" / "benchmarks.md") as path:
        path.write_text("\n\n".join([INTRODUCTION.strip(), *sections]) + "\n")


if __name__ == "__main__":
    main()
