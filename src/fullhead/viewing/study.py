"""A user study as a local web page: volunteers score pictures of two methods, without knowing which is whose.

The supplement's form [ganhead supp. 2.1]: samples of each method, each seen from three views, geometry and texture apart,
scores from 0 to 5 after five pictures for training. A method is a folder:

    geometry/0007_a.png, 0007_b.png, 0007_c.png     three views of the sample 0007, in the order of their names
    texture/0007_a.png, 0007_b.png, 0007_c.png      the same sample, painted

A study is a folder, too: study.json says what is asked, answers/<volunteer>.json what each volunteer said.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import stats

from fullhead.core.errors import FullheadError, in_words
from fullhead.io.config import from_dict, to_dict
from fullhead.io.files import check_place, written_whole
from fullhead.io.reading import DAMAGED, read_json, reading
from fullhead.metrics.samples import HeadViews

ASPECTS = ("geometry", "texture")
VIEWS = 3
TRAINING = 5  # pictures that are shown before scores count
BEST = 5.0
SUFFIXES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
LONGEST = 4096  # bytes of what the page may send
MOST = 10_000  # volunteers
AGAIN = "delete the file, or give another folder"
HOST = "127.0.0.1"

Method = dict[str, dict[str, list[Path]]]  # a folder's pictures: of each aspect, of each sample


@dataclass(frozen=True)
class Item:
    """What a volunteer sees at once."""

    method: str
    aspect: str
    sample: str
    training: bool = False


def read_method(root: Path) -> Method:
    """The pictures of a folder, of samples that have three views. FullheadError if there are none."""
    method: Method = {}
    for aspect in ASPECTS:
        found: dict[str, list[Path]] = {}
        for path in sorted((root / aspect).glob("*_*")):
            if path.suffix.lower() in SUFFIXES:
                found.setdefault(path.stem.rpartition("_")[0], []).append(path)
        method[aspect] = {sample: paths for sample, paths in found.items() if len(paths) == VIEWS}
        if not method[aspect]:
            raise FullheadError(
                f"{root / aspect} has no sample with {VIEWS} views: pictures are called SAMPLE_VIEW.png, as 0007_a.png"
            )
    return method


@dataclass(frozen=True)
class Answer(Item):
    score: float = 0.0


@dataclass(frozen=True)
class Answers:
    """What a volunteer said: the content of their file."""

    volunteer: int
    answers: tuple[Answer, ...] = ()


class Study:
    """A study in a folder: its methods and samples, each volunteer's items and answers."""

    def __init__(self, folder: Path, methods: Sequence[Path], samples: int = 30, seed: int = 0) -> None:
        self.methods = {root.resolve().name: read_method(root) for root in methods}
        if len(self.methods) < len(methods):
            raise FullheadError(f"both folders are called {methods[0].resolve().name}: give folders of different names")
        self.folder, self.samples, self.seed, self.lock = folder, samples, seed, threading.Lock()
        self.chosen: dict[str, list[str]] = {}  # the samples of each method that are in both aspects, in an order by chance
        for root, (name, views) in zip(methods, self.methods.items(), strict=True):
            whole = sorted(set.intersection(*map(set, views.values())))
            if len(whole) < samples:
                raise FullheadError(f"{root} has {len(whole)} whole samples, not {samples}: say --samples, or add some")
            self.chosen[name] = [whole[i] for i in np.random.RandomState(seed).permutation(len(whole))]
        asked = {"methods": {name: self.chosen[name][:samples] for name in self.methods}, "seed": seed, "best": BEST}
        place = check_place(folder, folder=True) / "study.json"
        if not place.is_file():
            _write(place, asked)
            return
        if read_json(place, AGAIN) != asked:
            raise FullheadError(f"{folder} holds another study: choose another folder, or give the same methods and options")

    def items(self, volunteer: int) -> list[Item]:
        """What a volunteer is asked: five pictures for training, of samples that are not scored if there are any, then all, in
        an order of their own."""
        rng = np.random.RandomState((self.seed * 100_003 + volunteer) % 2**32)
        asked = [(m, a, s) for m, names in self.chosen.items() for a in ASPECTS for s in names[: self.samples]]
        spare = [(m, a, s) for m, names in self.chosen.items() for a in ASPECTS for s in names[self.samples :]] or asked
        first = [Item(*spare[i], training=True) for i in rng.choice(len(spare), min(TRAINING, len(spare)), replace=False)]
        return first + [Item(*asked[i]) for i in rng.permutation(len(asked))]

    def enrol(self) -> int:
        """The number of a new volunteer, whose file of answers is made."""
        (self.folder / "answers").mkdir(exist_ok=True)
        for number in range(1, MOST):
            try:
                with self.place(number).open("x") as file:  # fails where there is one already
                    json.dump(to_dict(Answers(number)), file)
            except FileExistsError:
                continue
            return number
        raise FullheadError(f"{self.folder} has ten thousand volunteers: begin another study")

    def place(self, volunteer: int) -> Path:
        return self.folder / "answers" / f"{volunteer:04d}.json"

    def answered(self, volunteer: int) -> int:
        """How many items a volunteer has scored, in their order. KeyError if there is no such volunteer."""
        return len(self._known(volunteer).answers)

    def _known(self, volunteer: int) -> Answers:
        if not (0 < volunteer < MOST and self.place(volunteer).is_file()):
            raise KeyError(volunteer)
        return read_answers(self.place(volunteer))

    def answer(self, volunteer: int, number: int, score: float) -> None:
        """Keep a score of item `number`, once: it must be the next one. ValueError or KeyError for anything else."""
        with self.lock:
            known, items = self._known(volunteer), self.items(volunteer)
            if not (len(known.answers) == number < len(items) and 0 <= score <= BEST):
                raise ValueError("no such question, or no such score")
            answers = (*known.answers, Answer(**vars(items[number]), score=score))
            _write(self.place(volunteer), to_dict(Answers(volunteer, answers)))

    def picture(self, volunteer: int, number: int, view: int) -> Path:
        """The file behind a picture's address, which names no method. KeyError or IndexError if there is none."""
        self.answered(volunteer)
        item = self.items(volunteer)[number]
        return self.methods[item.method][item.aspect][item.sample][view]


class Page(BaseHTTPRequestHandler):
    """The study's page. `study` is filled in by `open_page`."""

    study: Study
    timeout = 60.0  # seconds without a word

    def do_GET(self) -> None:
        self._answer({"/": self._page, "/items": self._items}.get(self.path.partition("?")[0], self._picture))

    def do_POST(self) -> None:
        self._answer({"/enrol": self._enrol, "/score": self._score}.get(self.path, self._picture))

    def _answer(self, action: Callable[[], tuple[str, bytes]]) -> None:
        host, origin = self.headers["Host"] or "", self.headers["Origin"]
        if host.partition(":")[0] not in (HOST, "localhost") or origin not in (None, f"http://{host}"):  # another site's page
            return self.send_error(403)
        try:
            kind, data = action()
        except (FullheadError, *DAMAGED):
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(data)
        return None

    def _page(self) -> tuple[str, bytes]:
        return "text/html; charset=utf-8", files("fullhead.viewing").joinpath("study.html").read_bytes()

    def _items(self) -> tuple[str, bytes]:
        volunteer = int(self.path.partition("?")[2])
        items = [{"aspect": item.aspect, "training": item.training} for item in self.study.items(volunteer)]
        return _json({"items": items, "answered": self.study.answered(volunteer), "views": VIEWS})

    def _picture(self) -> tuple[str, bytes]:
        match = re.fullmatch(r"/picture/(\d{1,5})/(\d{1,5})/(\d)", self.path)
        if match is None:
            raise KeyError(self.path)
        path = self.study.picture(*map(int, match.groups()))
        return SUFFIXES[path.suffix.lower()], path.read_bytes()

    def _enrol(self) -> tuple[str, bytes]:
        with self.study.lock:
            return _json({"volunteer": self.study.enrol()})

    def _score(self) -> tuple[str, bytes]:
        length = int(self.headers["Content-Length"] or 0)
        if not 0 <= length <= LONGEST:
            raise ValueError("no length, or too long")
        said = json.loads(self.rfile.read(length))
        self.study.answer(int(said["volunteer"]), int(said["number"]), float(said["score"]))
        return _json({})

    def log_message(self, format: str, *args: object) -> None:
        pass


def _write(place: Path, value: Any) -> None:
    with written_whole(place) as path:
        path.write_text(json.dumps(value, indent=1))


def _json(value: Any) -> tuple[str, bytes]:
    return "application/json", json.dumps(value).encode()


def open_page(study: Study, port: int = 0) -> ThreadingHTTPServer:
    """A server of the study's page that only this machine reaches; port 0: any that is free."""
    try:
        return ThreadingHTTPServer((HOST, port), type("Handler", (Page,), {"study": study}))
    except (OSError, OverflowError) as error:
        raise FullheadError(f"cannot listen on port {port}: {in_words(error)}; choose another --port, or 0 for any") from None


def read_answers(place: Path) -> Answers:
    """A volunteer's file; FullheadError where it is none."""
    with reading(place, AGAIN):
        found = from_dict(Answers, read_json(place, AGAIN), f"{place}: ")
        if not all(0 <= answer.score <= BEST for answer in found.answers):
            raise ValueError(f"a score is not from 0 to {BEST:g}")
        return found


@dataclass(frozen=True)
class Tally:
    """Of one method and aspect: the mean of the volunteers' mean scores, and how far the truth may be off."""

    method: str
    aspect: str
    scores: int
    volunteers: int
    mean: float
    half_width: float | None  # of the 95 % interval by Student's t over volunteers; None for a single one


def tally(folder: Path) -> list[Tally]:
    """What the volunteers of a study said; pictures for training do not count. FullheadError if nobody said anything."""
    scores: dict[tuple[str, str], dict[int, list[float]]] = {}
    for path in sorted((folder / "answers").glob("*.json")):
        known = read_answers(path)
        for answer in known.answers:
            if not answer.training:
                of_method = scores.setdefault((answer.method, answer.aspect), {})
                of_method.setdefault(known.volunteer, []).append(answer.score)
    if not scores:
        raise FullheadError(f"{folder} holds no scores yet: run the study without --tally first")
    result = []
    for (method, aspect), of_volunteers in sorted(scores.items()):
        means = np.array([np.mean(given) for given in of_volunteers.values()])
        half = None if len(means) < 2 else float(stats.t.ppf(0.975, len(means) - 1) * stats.sem(means))
        result.append(Tally(method, aspect, sum(map(len, of_volunteers.values())), len(means), float(means.mean()), half))
    return result


def save_study_pictures(heads: Iterable[HeadViews], folder: Path) -> int:
    """Write heads as a method of a study, the geometry lit from the camera; returns how many there were."""
    count = 0
    for count, head in enumerate(heads, start=1):
        there = (head.normals != 255).any(axis=-1, keepdims=True)
        facing = (head.normals[..., 2:] / 127.5 - 1).clip(0, 1)
        grey = np.where(there, 25 + 205 * facing, 255).astype(np.uint8).repeat(3, axis=-1)
        for aspect, pictures in zip(ASPECTS, (grey, head.colours), strict=True):
            for view, picture in zip("abc", pictures, strict=True):
                with written_whole(folder / aspect / f"{count - 1:04d}_{view}.png") as path:
                    Image.fromarray(picture).save(path)
    return count
