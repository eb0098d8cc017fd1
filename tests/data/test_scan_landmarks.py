"""Files of landmarks that somebody made: what they may look like, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fullhead.core.errors import FullheadError
from fullhead.data.scan_landmarks import read_landmarks

POINTS = np.random.RandomState(0).rand(68, 3).round(6)
POINTS[[0, 4, 67]] = np.nan
KNOWN = np.flatnonzero(np.isfinite(POINTS[:, 0]))
HEAD = '<!DOCTYPE PickedPoints>\n<PickedPoints>\n <DocumentData><User name="me"/></DocumentData>\n'


def line(row: NDArray, gap: str) -> str:
    return gap if np.isnan(row[0]) else " ".join(map(str, row))


def picked(name: object, row: NDArray, active: int = 1) -> str:
    x, y, z = row
    return f' <point x="{x}" y="{y}" z="{z}" active="{active}" name="{name}"/>\n'


WRITTEN = {
    "nan.txt": "\n".join(line(row, "nan nan nan") for row in POINTS),
    "commas.txt": "\n".join(line(row, "nan nan nan").replace(" ", ", ") for row in POINTS) + "\n\n\n",
    "gaps.txt": "\n".join(line(row, "") for row in POINTS) + "\n",
    "blocks.txt": "# jaw\n" + "\n\n".join(line(row, "nan nan nan") for row in POINTS),
    "numbered.txt": "\n".join(f"{i} {line(POINTS[i], '')}" for i in KNOWN[::-1]) + "\n0 nan nan nan",
    "from_one.txt": "\n".join(f"{i + 1} {line(POINTS[i], '')}" for i in KNOWN) + "\n68 nan nan nan",
    "list.json": json.dumps([None if np.isnan(row[0]) else row.tolist() for row in POINTS]),
    "nan.json": json.dumps(POINTS.tolist()),
    "object.json": json.dumps({str(i): POINTS[i].tolist() for i in KNOWN} | {"0": None}),
    "named.pp": HEAD + "".join(picked(i, POINTS[i]) for i in KNOWN[::-1]) + "</PickedPoints>",
    "ordered.pp": HEAD + "".join(picked("p", np.nan_to_num(row), int(row[0] > 0)) for row in POINTS) + "</PickedPoints>",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_landmarks_are_read_however_they_are_written(tmp_path: Path, name: str):
    (tmp_path / name).write_text(WRITTEN[name])
    np.testing.assert_allclose(read_landmarks(tmp_path / name), POINTS)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("few.txt", "1 2 3\n" * 5, "5 x 3 numbers, not 68 x 3"),
        ("words.txt", "one two three", "cannot read"),
        ("empty.txt", "", "not 68 x 3"),
        ("beyond.txt", "70 1 2 3", "number 70"),
        ("below.txt", "0 1 2 3\n68 1 2 3", "number 68"),
        ("number.json", "3", "cannot read"),
        ("two.json", '{"3": [1, 2]}', "cannot read"),
        ("torn.pp", HEAD, "cannot read"),
        ("few.pp", HEAD + picked("nose", POINTS[1]) + "</PickedPoints>", "1 x 3"),
        ("blank.pp", HEAD + '<point x="1" name="3"/></PickedPoints>', "cannot read"),
    ],
)
def test_what_are_no_landmarks_is_refused_in_a_line(tmp_path: Path, name: str, text: str, why: str):
    (tmp_path / name).write_text(text)
    with pytest.raises(FullheadError, match=why) as error:
        read_landmarks(tmp_path / name)
    assert "\n" not in str(error.value)
