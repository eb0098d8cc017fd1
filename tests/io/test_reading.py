"""Files of any content end in one line: damaged, empty, nested deep, of huge numbers, of another form, a folder."""

from pathlib import Path

import pytest

from fullhead.core.errors import LONGEST, FullheadError
from fullhead.io.reading import read_json, reading

CONTENTS = {
    "damaged": b'{"kind": ',
    "empty": b"",
    "no text": b"\x80\x04\xff",
    "deep": b"[" * 50_000,
    "many digits": b'{"kind": ' + b"9" * 5000 + b"}",
    "a list": b"[]",
    "null": b"null",
}


@pytest.mark.parametrize("content", CONTENTS)
def test_json_of_any_content_is_read_or_refused_in_a_line(content: str, tmp_path: Path):
    (tmp_path / "about.json").write_bytes(CONTENTS[content])
    with pytest.raises(FullheadError, match=r"about.json \(.+\): make it again$") as refusal:
        read_json(tmp_path / "about.json", "make it again")
    assert "\n" not in str(refusal.value)


def test_what_is_missing_and_what_is_a_folder_are_named(tmp_path: Path):
    with pytest.raises(FullheadError, match="Is a directory"):
        read_json(tmp_path, "make it again")
    with pytest.raises(FullheadError, match="it has no 'kind'"), reading("set.json", "make it again"):
        {}["kind"]


def test_a_message_is_no_longer_than_a_line_of_words_whatever_a_file_says():
    message = str(FullheadError("a set of " + "x\n" * 9000 + ": choose another folder"))
    assert len(message) <= LONGEST and "\n" not in message
    assert message.startswith("a set of x") and message.endswith("choose another folder")
