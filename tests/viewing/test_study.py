"""The user study: real requests to its page, the answers it keeps, and their tally."""

import json
import math
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fullhead.cli import main
from fullhead.core.errors import FullheadError
from fullhead.metrics.samples import HeadViews
from fullhead.viewing.study import ASPECTS, Study, open_page, save_study_pictures, tally


def write_method(root: Path, samples: int, shade: int) -> Path:
    """Pictures whose colour tells method, aspect, sample and view."""
    for k, aspect in enumerate(ASPECTS):
        (root / aspect).mkdir(parents=True)
        for i in range(samples):
            for j, view in enumerate("abc"):
                Image.new("RGB", (8, 8), (shade + k, i, j)).save(root / aspect / f"{i:04d}_{view}.png")
    return root


@pytest.fixture
def methods(tmp_path: Path) -> list[Path]:
    return [write_method(tmp_path / "ours", 7, 100), write_method(tmp_path / "theirs", 6, 200)]


@dataclass
class Browser:
    """What a page can ask of the server."""

    address: str

    def get(self, path: str, **headers: str) -> bytes:
        with urllib.request.urlopen(urllib.request.Request(self.address + path, headers=headers), timeout=20) as answer:
            return answer.read()

    def post(self, path: str, body: Any) -> Any:
        with urllib.request.urlopen(self.address + path, data=json.dumps(body).encode(), timeout=20) as answer:
            return json.loads(answer.read())

    def status(self, path: str, body: Any = None, **headers: str) -> int:
        try:
            self.get(path, **headers) if body is None else self.post(path, body)
        except urllib.error.HTTPError as error:
            return error.code
        return 200


@pytest.fixture
def browser(tmp_path: Path, methods: list[Path]) -> Iterator[Browser]:
    with open_page(Study(tmp_path / "study", methods, samples=4)) as server:
        assert server.server_address[0] == "127.0.0.1"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Browser(f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
        thread.join()


def colour(picture: bytes, path: Path) -> tuple[int, ...]:
    path.write_bytes(picture)
    pixel = Image.open(path).convert("RGB").getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return tuple(int(v) for v in pixel)


def test_a_volunteer_scores_every_sample_of_both_methods_and_aspects_once(browser: Browser, tmp_path: Path):
    volunteer = browser.post("/enrol", {})["volunteer"]
    asked = json.loads(browser.get(f"/items?{volunteer}"))
    assert [item["training"] for item in asked["items"]] == [True] * 5 + [False] * 16
    seen = []
    for number, item in enumerate(asked["items"]):
        pixels = [colour(browser.get(f"/picture/{volunteer}/{number}/{view}"), tmp_path / "p.png") for view in range(3)]
        assert [p[2] for p in pixels] == [0, 1, 2] and len({p[:2] for p in pixels}) == 1, "three views of one sample"
        assert ASPECTS[pixels[0][0] % 100] == item["aspect"]
        seen.append(pixels[0][:2])
        browser.post("/score", {"volunteer": volunteer, "number": number, "score": 4.5 if pixels[0][0] < 200 else 1.5})
    scored = seen[5:]
    assert len(set(scored)) == 16 and {method // 100 for method, _ in scored} == {1, 2}
    assert not set(seen[:5]) & set(scored), "what is trained on is not scored"
    assert scored != sorted(scored)
    said = {(t.method, t.aspect): t for t in tally(tmp_path / "study")}
    assert {key: t.mean for key, t in said.items()} == {
        ("ours", "geometry"): 4.5, ("ours", "texture"): 4.5, ("theirs", "geometry"): 1.5, ("theirs", "texture"): 1.5
    }  # fmt: skip
    assert all(t.scores == 4 and t.volunteers == 1 and t.half_width is None for t in said.values())


def test_nothing_that_a_volunteer_gets_names_a_method(browser: Browser):
    volunteer = browser.post("/enrol", {})["volunteer"]
    for path in ("/", f"/items?{volunteer}"):
        text = browser.get(path).decode()
        assert "ours" not in text.replace("colours", "") and "theirs" not in text
    page = browser.get("/").decode()
    assert "://" not in page, "works without a network"
    assert all(words in page for words in ("0–1 very bad", "1–2 bad", "2–3 ordinary", "3–4 good", "4–5 very good"))


def test_answers_are_kept_as_they_come_and_each_volunteer_has_a_file(browser: Browser, tmp_path: Path):
    one, other = (browser.post("/enrol", {})["volunteer"] for _ in range(2))
    browser.post("/score", {"volunteer": one, "number": 0, "score": 3})
    files = [json.loads((tmp_path / "study/answers" / f"{v:04d}.json").read_text()) for v in (one, other)]
    assert [len(file["answers"]) for file in files] == [1, 0] and one != other
    assert json.loads(browser.get(f"/items?{one}"))["answered"] == 1, "a reloaded page goes on"
    orders = [[browser.get(f"/picture/{v}/{n}/0") for n in range(5, 21)] for v in (one, other)]
    assert orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1])


def test_what_a_page_would_not_ask_is_refused(browser: Browser, tmp_path: Path):
    volunteer = browser.post("/enrol", {})["volunteer"]
    browser.post("/score", {"volunteer": volunteer, "number": 0, "score": 3})
    for body in (
        {"volunteer": volunteer, "number": 0, "score": 5}, {"volunteer": volunteer, "number": 7, "score": 5},
        {"volunteer": volunteer, "number": 1, "score": 5.1}, {"volunteer": volunteer, "number": 1, "score": math.nan},
        {"volunteer": 99, "number": 0, "score": 1}, {"number": 1}, [], "x" * 5000,
    ):  # fmt: skip
        assert browser.status("/score", body) == 404
    for path in (f"/picture/{volunteer}/21/0", f"/picture/{volunteer}/0/3", "/picture/99/0/0", "/../study.json", "/items?x"):
        assert browser.status(path) == 404
    assert browser.status("/", Host="elsewhere.example") == 403, "another site's page may not reach in"
    known = json.loads((tmp_path / f"study/answers/{volunteer:04d}.json").read_text())
    assert [answer["score"] for answer in known["answers"]] == [3]


def test_a_study_goes_on_and_another_one_is_refused(tmp_path: Path, methods: list[Path]):
    first = Study(tmp_path / "study", methods, samples=4)
    assert first.enrol() == 1
    again = Study(tmp_path / "study", methods, samples=4)
    assert again.items(1) == first.items(1) and again.enrol() == 2
    with pytest.raises(FullheadError, match="another study"):
        Study(tmp_path / "study", methods, samples=3)
    (tmp_path / "study/study.json").write_text("{")
    with pytest.raises(FullheadError, match=r"cannot read .*study\.json"):
        Study(tmp_path / "study", methods, samples=4)
    with pytest.raises(FullheadError, match="6 whole samples, not 7"):
        Study(tmp_path / "other", methods, samples=7)
    (tmp_path / "again").mkdir()
    with pytest.raises(FullheadError, match="both folders are called ours"):
        Study(tmp_path / "other", [methods[0], write_method(tmp_path / "again/ours", 4, 0)], samples=3)


def test_without_spare_samples_the_training_shows_scored_ones(tmp_path: Path, methods: list[Path]):
    items = Study(tmp_path / "study", [methods[1], write_method(tmp_path / "third", 6, 50)], samples=6).items(1)
    assert [item.training for item in items] == [True] * 5 + [False] * 24


def test_the_interval_is_student_s_over_volunteers(tmp_path: Path):
    (tmp_path / "answers").mkdir()
    means = (2.0, 3.0, 4.0)
    for volunteer, mean in enumerate(means):
        scores = [(mean - 1, False), (mean + 1, False), (0.0, True)]
        answers = [{"method": "m", "aspect": "texture", "sample": "0", "training": t, "score": s} for s, t in scores]
        (tmp_path / f"answers/{volunteer}.json").write_text(json.dumps({"volunteer": volunteer, "answers": answers}))
    (found,) = tally(tmp_path)
    assert (found.scores, found.volunteers, found.mean) == (6, 3, 3.0)
    assert found.half_width == pytest.approx(4.302653 * 1 / math.sqrt(3), rel=1e-5)  # t of 2 degrees of freedom at 97.5 %


def test_heads_are_written_as_a_method(tmp_path: Path):
    normals = np.full((3, 256, 256, 3), 255, np.uint8)
    normals[:, :, :128] = [128, 128, 254]  # towards the camera
    colours = np.full((3, 256, 256, 3), 255, np.uint8)
    colours[:, :, :128] = [200, 10, 10]
    head = HeadViews(normals, colours, np.zeros((4, 3)))
    for name in ("a", "b"):
        assert save_study_pictures([head] * 3, tmp_path / name) == 3
    assert len(Study(tmp_path / "study", [tmp_path / "a", tmp_path / "b"], samples=3).items(1)) == 5 + 12
    grey = np.asarray(Image.open(tmp_path / "a/geometry/0001_b.png"))
    assert grey.shape == (256, 256, 3) and (grey[:, 128:] == 255).all() and 200 < grey[0, 0, 0] < 255
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a/texture/0002_c.png")), colours[0])


def test_the_command_refuses_and_tallies_in_words(tmp_path: Path, methods: list[Path], capsys: pytest.CaptureFixture[str]):
    def refused(*arguments: object) -> str:
        with pytest.raises(SystemExit) as stop:
            main(["study", *map(str, arguments), "--out", str(tmp_path / "study")])
        assert stop.value.code == 2
        return capsys.readouterr().err

    assert "two methods, not 1" in refused(methods[0])
    assert "0007_a.png" in refused(methods[0], tmp_path)
    assert "7 whole samples, not 30" in refused(*methods)
    assert "no scores yet" in refused("--tally")
    study = Study(tmp_path / "study", methods, samples=1)
    volunteers = [study.enrol(), study.enrol()]
    for volunteer in volunteers:
        for number in range(len(study.items(volunteer))):
            study.answer(volunteer, number, 2.0 + volunteer)
    main(["study", "--tally", "--out", str(tmp_path / "study")])
    assert "ours geometry: 3.50 ± 6.35 (95 %), 2 scores of 2 volunteers" in capsys.readouterr().out


@pytest.mark.parametrize(
    "body",
    [
        {"volunteer": math.inf, "number": 0, "score": 1},
        {"volunteer": 1, "number": 0, "score": 10**400},
        {"volunteer": 10**300, "number": 0, "score": 1},
        {"volunteer": [1], "number": 0, "score": 1},
        [1],
    ],
)
def test_what_no_page_asks_gets_404_and_prints_nothing(browser: Browser, body: Any, capfd: pytest.CaptureFixture[str]):
    browser.post("/enrol", {})
    assert browser.status("/score", body) == 404
    assert browser.status(f"/items?{10**300}") == 404
    assert not capfd.readouterr().err


def test_requests_of_odd_lengths_and_of_other_sites_are_refused(browser: Browser, tmp_path: Path):
    host, port = browser.address.removeprefix("http://").split(":")
    deep = b"[" * 3000
    for head, body, status in (
        ("Content-Length: -1", b"", b"404"),
        ("Content-Length: x", b"", b"404"),
        ("Content-Length: 5000", b"", b"404"),
        (f"Content-Length: {len(deep)}", deep, b"404"),
        ("Origin: https://other.site\r\nContent-Length: 2", b"{}", b"403"),
        ("Origin: null\r\nContent-Length: 2", b"{}", b"403"),
    ):
        with socket.create_connection((host, int(port)), timeout=10) as line:  # which stays open
            line.sendall(f"POST /score HTTP/1.1\r\nHost: {host}:{port}\r\n{head}\r\n\r\n".encode() + body)
            assert line.recv(100).split()[1] == status, head
    assert browser.status("/enrol", None, Origin="https://other.site") == 403
    assert browser.status("/", None, Origin=browser.address) == 200


@pytest.mark.parametrize(
    "content",
    ["", "{", "null", "[" * 9999, '{"volunteer": 1}x', '{"volunteer": [1]}', '{"volunteer": 1, "answers": [{"score": 1}]}'],
)
def test_damaged_files_of_a_study_are_refused_in_a_line(content: str, tmp_path: Path, methods: list[Path]):
    study = Study(tmp_path / "study", methods, samples=1)
    study.answer(study.enrol(), 0, 2.0)
    study.place(1).write_text(content)
    for attempt in (lambda: tally(tmp_path / "study"), lambda: study.answer(1, 1, 3.0)):
        with pytest.raises(FullheadError, match=r"0001\.json"):
            attempt()
    (tmp_path / "study" / "study.json").write_text(content)
    with pytest.raises(FullheadError, match=r"study\.json|another study"):
        Study(tmp_path / "study", methods, samples=1)
