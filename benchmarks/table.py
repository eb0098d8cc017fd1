"""Makes the tables of docs/benchmarks.md from results/*.json: python benchmarks/table.py"""

from __future__ import annotations

import argparse
import json
import re
from itertools import groupby
from pathlib import Path
from typing import Any

from fullhead.io.files import written_whole

HERE = Path(__file__).parent
INTRODUCTION = """# Benchmarks

How fast fullhead is, and how good its models are, in numbers that anyone can measure again.

```sh
python benchmarks/speed.py --precision bf16   # measure; each script's --help lists its options
python benchmarks/table.py                    # then make this page anew from benchmarks/results/*.json
```

- Each section shows the command, the machine and the commit that gave its numbers.
- Other programs ran on these machines at the same time. Compare times within one section, not between sections.
- [Metrics](metrics.md) explains the quality figures; [GANHead](ganhead.md#speed) compares with the original.
- A *share* is a number from 0 to 1. A *cube unit* is half a side of the cube [-1, 1]³ that holds a GANHead: 200 mm for our rig.
- *CPU s* adds up the seconds of all processor cores; *s* is time on the clock.
"""
ABOUT = {
    "align": "What errors of a reader become in aligned photos, by yaw: what camera self-adaptation should still find.",
    "eyes": "How well the shipped eyes read heads that they never learnt from, in photos at random places, sizes and tilts.",
    "ganhead": "Processor time of the parts of a full-size GANHead, on one thread.",
    "ganhead_quality": "How well a model of scans does on people whom it has not seen, beside what real scans would get.",
    "head360": "Processor time of a full-size Head360 with random weights, by stage and by what changes, and the original's.",
    "landmarks": "Whether a network that learns facial landmarks on some procedural heads finds them on other heads.",
    "normal_cells": "How `kid_normals` changes when normal maps are damaged: marks to read its scale by.",
    "quality": "How close the images of a PanoHead are to held-out photos of procedural heads.",
    "speed": "Time and memory of a full-size PanoHead with random weights, stage by stage.",
    "synth": "What it costs to make sets of procedural heads.",
    "train": "How fast `panohead-synth64` trains.",
}
UNITS = {  # the first pattern that is found in a figure's path tells its unit
    r"_mm$": "mm",
    r"by_\w+ · .* heads$": "heads",
    r"rotation_(median|mean)$|gaze_degrees$": "degrees",
    r"by_\w+ · .* (landmarks|landmarks_median|dense)$|against_mediapipe": "widths between the outer eye corners",
    r"squared_error_over_variance$": "ratio, 1 where the eyes know how unsure they are",
    r"scale_(spread|bias)$|front_against_back · scale": "natural logarithm",
    r"centre_error$|front_against_back · centre": "heights of a head",
    r"by_\w+ · .* (found|seen_right|hair_style|hair_colour|beard|hat|glasses|male)$|identity · right$": "share",
    r"by_\w+ · .* (weights|tone)$|^matte_error": "difference, from 0 to 1",
    r"^parts_iou": "intersection over union",
    r"^false_per_photo|^photos_without_heads · (?!photos|megapixels)": "heads",
    r"megapixels$": "megapixels",
    r"persons$": "persons",
    r"lfw_subset · area$": "area under the ROC curve",
    r"seconds_per_photo|^seconds · (12 meg|window)": "s",
    r"cpu_seconds": "CPU s",
    r"yaw_error_deg$": "degrees",
    r"cpu_hours$": "CPU h",
    r"gigabytes$": "GB",
    r"peak_mb": "MB",
    r"pictures_per_s$": "1/s",
    r"images_per_second$": "images/s",
    r"cpu_s_per_picture$": "CPU s",
    r"bytes_per_picture$": "bytes",
    r"points asked for|queries$|evaluations$": "points",
    r"vertices": "vertices",
    r"^seconds|wall_s$": "s",
    r"turntable_frames$": "frames",
    r"photos$": "photos",
    r"pictures$": "pictures",
    r"scans$": "scans",
    r"^samples.* n$| heads$|^left out": "heads",
    r" (yaw|pitch|roll)$": "degrees",
    r" (scale|right|down)(_mean|_deviation)?$": "% of a head",
    r" n$": "images",
    r"points found$|f_score$|coverage$|neighbour_accuracy$|precision$|recall$|turned_away$": "share",
    r"chamfer$|matching$| diversity$|median error$|99th percentile$": "cube units",
    r"normal_consistency$": "cosine",
    r"colour_error$": "RGB distance, 0 to 1.73",
    r"colour_diversity$": "feature distance",
    r"fid_heads$": "squared feature distance",
    r"kid_|^(as they are|blurred|under noise|\d+ pixels lower)": "squared MMD",
    r"all_68$|without_jaw$": "widths between the outer eye corners",
    r"^difference_from_fp32": "image values, from -1 to 1",
    r"seconds$|^65,536 points|^feature generator|^mesh 128|^posing it|^search for training|^surface|^step of training": "CPU s",
}


def shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def unit(figure: str) -> str:
    """The unit of a figure by its path, as in `samples · drawn · coverage`."""
    for pattern, name in UNITS.items():
        if re.search(pattern, figure):
            return name
    raise SystemExit(f"benchmarks/table.py: no unit is known for '{figure}'; add one to UNITS")


def path_of(*names: str) -> str:
    return " · ".join(name for name in names if name)


def groups(figures: dict[str, Any], name: str = "") -> list[tuple[str, dict[str, Any]]]:
    """The innermost groups of nested figures: (path, its plain values)."""
    plain = {key: value for key, value in figures.items() if not isinstance(value, dict)}
    found = [(name, plain)] if plain else []
    for key, value in figures.items():
        if isinstance(value, dict):
            found += groups(value, path_of(name, key))
    return found


def tables(figures: dict[str, Any]) -> list[str]:
    """Groups of the same figures in the same units share a table; every other figure has a row of its own."""
    found = groups(figures)
    kinds = [tuple((key, unit(path_of(name, key))) for key in values) for name, values in found]
    made = []
    for kind, same in groupby(zip(kinds, found, strict=True), lambda pair: pair[0] if kinds.count(pair[0]) > 1 else ()):
        rows = [group for _, group in same]
        if not kind:
            named = [(path_of(name, key), value) for name, values in rows for key, value in values.items()]
            lines = [["figure", "value", "unit"], *([name, shown(value), unit(name)] for name, value in named)]
        elif len(rows) <= 3:  # figures down, groups across
            lines = [["figure", *(name for name, _ in rows), "unit"]]
            lines += [[key, *(shown(values[key]) for _, values in rows), its] for key, its in kind]
        else:
            lines = [["", *(key if key == its else f"{key} ({its})" for key, its in kind)]]
            lines += [[name, *map(shown, values.values())] for name, values in rows]
        made.append("\n".join(f"| {' | '.join(line)} |" for line in [lines[0], ["---"] * len(lines[0]), *lines[1:]]))
    return made


def section(path: Path) -> str:
    result = json.loads(path.read_text())
    script = re.findall(r"(\w+)\.py", result["command"])[0]
    settings = ", ".join(f"{key} {shown(value)}" for key, value in result["settings"].items() if not isinstance(value, dict))
    where = f"{result['machine']}, torch {result['versions']['torch']}, commit {result['commit'] or 'not recorded'}; {settings}"
    head = f"## {path.stem}\n\n{ABOUT[script]}\n\n`{result['command']}`  \n{where}"
    return "\n\n".join([head, *tables(result["figures"])])


def page() -> str:
    """benchmarks/README.md as text."""
    sections = [section(path) for path in sorted((HERE / "results").glob("*.json"))]
    return "\n\n".join([INTRODUCTION.strip(), *sections]) + "\n"


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    with written_whole(HERE.parent / "docs" / "benchmarks.md") as path:
        path.write_text(page())


if __name__ == "__main__":
    main()
