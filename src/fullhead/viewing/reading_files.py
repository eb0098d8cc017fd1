"""What is read of photos and films, in files: JSON, drawings, parts, mattes, a contact sheet."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fullhead.core.errors import FullheadError, counted
from fullhead.eyes.readers import read_named
from fullhead.eyes.reading import Reader, Reading
from fullhead.eyes.records import MEANING, record
from fullhead.eyes.tracking import Tracker
from fullhead.eyes.window import laid_back
from fullhead.io.files import sha256, written_whole
from fullhead.io.images import Bytes, contact_sheet, read_image, save_image
from fullhead.io.video import FILM_SUFFIXES, is_film, open_film, save_video
from fullhead.viewing.draw_reading import draw_readings

SHEET, TILE, MOST_TILES, COLUMNS = "contact_sheet.png", 320, 120, 6
FILM_SIDE = 960  # pixels of the longer side of a drawn film
MOST_FRAMES = 900  # of a drawn .webp, which is held in memory
LAYERS = ("parts", "matte")
UNITS = {"length": "pixels of the photo, x to the right, y down, from its top left corner", "values": MEANING}


@dataclass(frozen=True)
class Job:
    """A photo or a film that is read, and where its results go."""

    file: Path
    out: Path
    name: str
    reader: str  # as the user names it

    @property
    def is_film(self) -> bool:
        return is_film(self.file)

    def place(self, ending: str) -> Path:
        return self.out / f"{self.name}{ending}"

    def source(self) -> dict[str, Any]:
        """What the results are of."""
        return {"file": self.file.name, "sha256": sha256(self.file)}

    def done(self) -> bool:
        """Whether this has been read already. Raises FullheadError where results of something else are in the way."""
        written = next((p for ending in (".json", ".jsonl") if (p := self.place(ending)).is_file()), None)
        if written is None:
            if taken := next(self.out.glob(f"{self.name}_drawn.*"), None):
                raise FullheadError(f"{taken} exists already: choose another --out, or say --overwrite")
            return False
        try:
            with written.open(encoding="utf-8") as file:
                text = file.readline() if written.suffix == ".jsonl" else file.read()
            head = json.loads(text)
            same = head["reader"] == self.reader and head["source"] == self.source()
        except (ValueError, LookupError, TypeError):
            same = False
        if not same:
            raise FullheadError(f"{written} is of another file or another reader: choose another --out, or say --overwrite")
        return True


def read_photo(job: Job, reader: Reader) -> str:
    """Read a photo and write its results, all or none. Returns what was found, in words."""
    photo = read_image(job.file)
    height, width = photo.shape[:2]
    heads = read_named(reader, job.file, photo)
    found: dict[str, Any] = {"reader": job.reader, "source": job.source(), "width": width, "height": height, "units": UNITS}
    found["heads"] = [record(head, width, height) for head in heads]
    layers = {name: layer for name in LAYERS if (layer := whole_layer(heads, name, height, width)) is not None}
    found |= {name: job.place(f"_{name}.png").name for name in layers}
    with ExitStack() as stack:
        places = {name: stack.enter_context(written_whole(job.place(f"_{name}.png"))) for name in ("drawn", *layers)}
        lines = stack.enter_context(written_whole(job.place(".json")))
        save_image(draw_readings(photo, heads), places["drawn"])
        for name, layer in layers.items():
            Image.fromarray(layer).save(places[name])
        lines.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return said(heads)


def said(heads: list[Reading]) -> str:
    """What was found, in words."""
    if not heads:
        return "no head found"
    angles = heads[0].yaw_pitch_roll
    turned = "" if angles is None else "; yaw {:z.0f}°, pitch {:z.0f}°, roll {:z.0f}°".format(*map(math.degrees, angles))
    return f"{counted(len(heads), 'head')}{' (the surest' + turned + ')' if len(heads) > 1 and turned else turned}"


def whole_layer(heads: list[Reading], name: str, height: int, width: int) -> Bytes | None:
    """Parts, or the matte, of all heads of a photo [height, width], the surest on top; None where no reader said it."""
    layers = [(getattr(head, name), head.window) for head in heads]
    whole = None
    for layer, window in reversed([(layer, window) for layer, window in layers if layer is not None and window is not None]):
        laid = laid_back(layer, window, height, width)
        laid = laid if laid.dtype == np.uint8 else (laid * 255 + 0.5).clip(0, 255).astype(np.uint8)
        whole = laid if whole is None else np.where(laid > 0, laid, whole) if name == "parts" else np.maximum(laid, whole)
    return whole


def read_film(job: Job, reader: Reader) -> str:
    """Read a film frame by frame and write its results, both or none: a line for each frame, and a drawn film."""
    film = open_film(job.file)
    suffix = ".mp4" if job.file.suffix.lower() in FILM_SUFFIXES else ".webp"
    if suffix == ".webp" and (film.count or 0) > MOST_FRAMES:
        raise FullheadError(f"{job.file.name} has {film.count} frames, more than {MOST_FRAMES}: make it an .mp4")
    tracker = Tracker()
    about = {"reader": job.reader, "source": job.source(), "fps": round(film.fps, 4), "units": UNITS}
    lines: list[dict[str, Any]] = [about]

    def frames() -> Iterator[Bytes]:
        for count, frame in enumerate(film.frames):
            time = count / film.fps
            heads, (height, width) = tracker(reader(frame), time), frame.shape[:2]
            shown = [{"head": number, **record(head, width, height)} for number, head in heads]
            lines.append({"frame": count, "time": round(time, 4), "width": width, "height": height, "heads": shown})
            yield draw_readings(frame, [head for _, head in heads], [str(n) for n, _ in heads], largest=FILM_SIDE)

    with written_whole(job.place(".jsonl")) as text, written_whole(job.place(f"_drawn{suffix}")) as drawn:
        save_video(frames(), drawn, film.fps)
        text.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return f"{counted(len(lines) - 1, 'frame')}, {counted(tracker.count, 'head')}"


def drawn_sheet(out: Path, jobs: list[Job]) -> Path | None:
    """A contact sheet of what was drawn, if there are several photos; of the first ones, if they are very many."""
    pictures = [job.place("_drawn.png") for job in jobs if job.place("_drawn.png").is_file()][:MOST_TILES]
    if len(pictures) < 2:
        return None
    tiles = [tile(read_image(path)) for path in pictures]
    columns = min(COLUMNS, math.ceil(math.sqrt(len(tiles))))
    return save_image(contact_sheet([tiles[i : i + columns] for i in range(0, len(tiles), columns)]), out / SHEET)


def tile(picture: Bytes) -> Bytes:
    """A picture in the middle of a square of paper."""
    small = Image.fromarray(picture)
    small.thumbnail((TILE, TILE))
    paper = Image.new("RGB", (TILE, TILE), "white")
    paper.paste(small, ((TILE - small.width) // 2, (TILE - small.height) // 2))
    return np.asarray(paper)
