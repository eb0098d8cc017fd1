"""Sets of single photos in the layout of EG3D and PanoHead: img/, seg/, depth/ and dataset.json.

Every head is written as a whole: its images first, then its record under heads/. A run that was stopped goes on where it
was, and shards of a set can be written anywhere in any order; the last one to end leaves complete lists. A head depends on
(seed, head number) alone, a view also on its number in the head.
"""

from __future__ import annotations

import json
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import RandomState
from PIL import Image
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fullhead.core.cameras import Cameras, labels_from_cameras, orbit
from fullhead.core.errors import FullheadError
from fullhead.core.files import written_whole
from fullhead.rig.identity import shape_parameters
from fullhead.synth.backgrounds import background
from fullhead.synth.body import Studio, open_studio
from fullhead.synth.fields import stream
from fullhead.synth.lights import lights_of, lit
from fullhead.synth.render import Photo, composite, take_photo
from fullhead.synth.scene import build_person, build_scene
from fullhead.synth.subject import Subject, sample_subject

VERSION = 2  # of the pictures: raise it when the same seed gives other ones
DEPTH_UNIT = 1e-4  # world units per step of the 16-bit depth
PER_FOLDER = 1000
LISTS_EVERY = 60.0  # seconds between refreshed lists while writing


@dataclass(frozen=True)
class PhotoSet:
    """What a set of photos is; two runs may fill one folder only if these agree."""

    size: int = 128  # pixels per side
    views_per_head: int = 1
    seed: int = 0
    pitch_spread: float = 0.18  # standard deviation of the camera's pitch, radians
    pitch_limit: float = 0.5  # radians
    yaw_limit: float = math.pi  # yaw is uniform within +- this, radians
    expressive: float = 1.0  # factor of the mild expressions, 0 for none
    version: int = VERSION


def write_photos(
    out: Path,
    images: int,
    size: int = 128,
    views_per_head: int = 1,
    seed: int = 0,
    shard: tuple[int, int] = (0, 1),
    workers: int | None = None,
    *,
    pitch_spread: float = PhotoSet.pitch_spread,
    yaw_limit: float = PhotoSet.yaw_limit,
    expressive: float = PhotoSet.expressive,
    quiet: bool = False,
) -> int:
    """Write photos 0 .. images-1 of a set (those of `shard` = (which, of how many)) to `out`; returns how many are new.

    Files that are whole already stay. workers: processes, 0 for this one, None for one per core. Raises FullheadError
    when `out` holds a different set. KeyboardInterrupt passes through after the lists are written.
    """
    wanted = PhotoSet(size, views_per_head, seed, pitch_spread, yaw_limit=yaw_limit, expressive=expressive)
    _check(wanted, images, shard)
    _claim(out, wanted)
    heads = range(shard[0], math.ceil(images / views_per_head), shard[1])
    counts = {head: min(views_per_head, images - head * views_per_head) for head in heads}
    todo = [head for head in heads if not _is_whole(out, wanted, head, counts[head])]
    written, lists_due = 0, time.monotonic() + LISTS_EVERY
    try:
        with _progress(quiet, images=sum(counts[head] for head in todo)) as advance:
            for done in _run(out, wanted, todo, counts, os.cpu_count() or 1 if workers is None else workers):
                written += done
                advance(done)
                if (now := time.monotonic()) > lists_due:
                    write_lists(out)
                    lists_due = time.monotonic() + max(LISTS_EVERY, 20 * (time.monotonic() - now))
    except BrokenProcessPool as error:
        raise FullheadError("a worker process died (out of memory?); run again with fewer --workers to go on") from error
    finally:
        write_lists(out)
    return written


def write_lists(out: Path) -> int:
    """Merge the records of all finished heads into img/dataset.json, seg/dataset.json and heads.json; returns the images."""
    records = []
    for path in sorted((out / "heads").glob("*/head*.json")):
        records.append(json.loads(path.read_text()))
    labels = [[view["file"], view["label"]] for record in records for view in record["views"]]
    entries = [
        {"file": view["file"], "head": record["head"], "yaw": view["yaw"], "pitch": view["pitch"], **record["attributes"]}
        for record in records
        for view in record["views"]
    ]
    text = json.dumps({"labels": labels})
    for name, content in (("img/dataset.json", text), ("seg/dataset.json", text), ("heads.json", json.dumps(entries))):
        with written_whole(out / name) as beside:
            beside.write_text(content)
    return len(labels)


def attributes(subject: Subject) -> dict[str, Any]:
    """The labels of a subject that a classifier may learn."""
    return {
        "seed": subject.seed,
        "male": subject.male,
        "age": round(subject.phenotype.age, 4),
        "tone": round(subject.skin.tone, 4),
        "hair_style": subject.hair.style,
        "hair_colour": subject.hair.colour,
        "beard": subject.face_hair.beard,
        "glasses": subject.outfit.glasses,
        "collar": subject.outfit.collar,
        "iris": subject.iris,
    }


def head_seed(seed: int, head: int) -> int:
    """Seed of the subject number `head` of the set `seed`."""
    words = stream(seed, "head", head).randint(0, 2**31, 2)
    return int(words[0]) << 31 | int(words[1])


def mild_expression(random: RandomState, strength: float = 1.0) -> dict[str, float]:
    """ARKit weights as people have them in photos: neutral to a smile, hardly an open mouth, eyes that wander a little."""
    weights: dict[str, float] = {}

    def both(name: str, value: float) -> None:
        lean = random.uniform(-0.1, 0.1) * value
        weights[f"{name}Left"], weights[f"{name}Right"] = value + lean, value - lean

    smile = max(0.0, random.uniform(-0.35, 0.65))
    both("mouthSmile", smile)
    both("cheekSquint", 0.5 * smile)
    both("eyeSquint", random.uniform(0, 0.2))
    both("eyeWide", max(0.0, random.uniform(-0.3, 0.2)))
    both("browDown", max(0.0, random.uniform(-0.6, 0.3)))
    weights["browInnerUp"] = max(0.0, random.uniform(-0.6, 0.4))
    weights["jawOpen"] = max(0.0, random.uniform(-0.5, 0.12)) * (1 + smile)
    both("mouthFrown", max(0.0, random.uniform(-0.7, 0.2)) * (smile < 0.05))
    both("mouthPress", max(0.0, random.uniform(-0.5, 0.3)) * (smile < 0.05))
    left, up = 0.25 * random.normal(), 0.15 * random.normal()
    weights["eyeLookOutLeft" if left > 0 else "eyeLookInLeft"] = min(abs(left), 0.5)
    weights["eyeLookInRight" if left > 0 else "eyeLookOutRight"] = min(abs(left), 0.5)
    for side in ("Left", "Right"):
        weights[f"eyeLook{'Up' if up > 0 else 'Down'}{side}"] = min(abs(up), 0.3)
    return {name: round(strength * value, 4) for name, value in weights.items() if value}


def view_camera(wanted: PhotoSet, head: int, view: int) -> tuple[float, float, Cameras]:
    """Yaw, pitch (radians) and camera of one view."""
    random = stream(wanted.seed, "camera", head, view)
    yaw = float(random.uniform(-wanted.yaw_limit, wanted.yaw_limit))
    pitch = float(np.clip(wanted.pitch_spread * random.normal(), -wanted.pitch_limit, wanted.pitch_limit))
    return yaw, pitch, orbit(yaw, pitch)


def detail_for(size: int) -> float:
    """Share of the hairs that is worth drawing in images of `size` pixels."""
    return float(np.clip((size / 512) ** 0.75, 0.2, 1.0))


def texture_size_for(size: int) -> int:
    """Texture that suits images of `size` pixels."""
    return 256 if size <= 96 else 512 if size <= 192 else 1024


def write_head(studio: Studio, out: Path, wanted: PhotoSet, head: int, views: int) -> int:
    """Write the photos and then the record of one head; returns the number of photos."""
    subject = sample_subject(head_seed(wanted.seed, head), shape_parameters(studio.template))
    expression = mild_expression(stream(subject.seed, "expression"), wanted.expressive)
    scene = build_scene(build_person(studio, subject, detail_for(wanted.size)), expression)
    small = wanted.size <= 96
    light = lit(scene, lights_of(subject.lighting), 18 if small else 32, 80 if small else 128, 384 if small else 768)
    found = []
    for view in range(views):
        yaw, pitch, camera = view_camera(wanted, head, view)
        name = image_name(head * wanted.views_per_head + view)
        behind = background(stream(wanted.seed, "background", head, view), wanted.size)
        _write_images(out, name, take_photo(light, camera, wanted.size), behind)
        label = [round(float(value), 7) for value in labels_from_cameras(camera)[0]]
        found.append({"file": name, "label": label, "yaw": round(yaw, 6), "pitch": round(pitch, 6)})
    record = {"head": head, "attributes": attributes(subject), "expression": expression, "views": found}
    with written_whole(_record_path(out, head)) as beside:
        beside.write_text(json.dumps(record))
    return views


def image_name(index: int) -> str:
    """Path of an image below img/, seg/ and depth/."""
    return f"{index // PER_FOLDER:05d}/img{index:08d}.png"


def _write_images(out: Path, name: str, photo: Photo, behind: np.ndarray) -> None:
    depth = np.round(photo.depth / DEPTH_UNIT).astype(np.uint16)
    mask = (photo.alpha * 255 + 0.5).astype(np.uint8)
    for folder, pixels in (("img", composite(photo, behind)), ("seg", mask), ("depth", depth)):
        with written_whole(out / folder / name) as beside:
            Image.fromarray(pixels).save(beside, compress_level=4)


def _record_path(out: Path, head: int) -> Path:
    return out / "heads" / f"{head // PER_FOLDER:05d}" / f"head{head:08d}.json"


def _is_whole(out: Path, wanted: PhotoSet, head: int, views: int) -> bool:
    """Whether the record of a head and all its images are there."""
    path = _record_path(out, head)
    if not path.is_file() or len(json.loads(path.read_text())["views"]) < views:
        return False
    names = [image_name(head * wanted.views_per_head + view) for view in range(views)]
    return all((out / folder / name).is_file() for folder in ("img", "seg", "depth") for name in names)


def _check(wanted: PhotoSet, images: int, shard: tuple[int, int]) -> None:
    which, count = shard
    if not 0 <= which < count:
        raise FullheadError(f"shard {which}/{count} does not exist: give i/n with 0 <= i < n, such as 0/{max(count, 1)}")
    for name, value in (("images", images), ("size", wanted.size), ("views_per_head", wanted.views_per_head)):
        if value < 1:
            raise FullheadError(f"{name} must be at least 1, not {value}")
    if wanted.seed < 0:
        raise FullheadError(f"seed must not be negative, not {wanted.seed}")


def _claim(out: Path, wanted: PhotoSet) -> None:
    """Note in the folder what set it holds, or refuse a different one."""
    path = out / "photos.json"
    if path.is_file():
        there = json.loads(path.read_text())
        other = {name: (there.get(name), value) for name, value in asdict(wanted).items() if there.get(name) != value}
        if other:
            differences = ", ".join(f"{name} {old} there and {new} asked" for name, (old, new) in other.items())
            raise FullheadError(f"{out} holds another set ({differences}): choose another --out, or the same settings to go on")
        return
    if out.is_dir() and any(out.iterdir()):
        raise FullheadError(f"{out} is not empty and holds no set of photos: choose another --out")
    with written_whole(path) as beside:
        beside.write_text(json.dumps(asdict(wanted), indent=2))


_studio: Studio | None = None  # of a worker process, opened once


def _open_worker(size: int) -> None:
    global _studio
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the workers
    _studio = open_studio(texture_size_for(size))


def _work(out: Path, wanted: PhotoSet, head: int, views: int) -> int:
    assert _studio is not None
    return write_head(_studio, out, wanted, head, views)


def _run(out: Path, wanted: PhotoSet, todo: list[int], counts: dict[int, int], workers: int) -> Iterator[int]:
    """Write the heads, yielding the number of images of each as it is done."""
    if not todo:
        return
    if workers == 0:
        studio = open_studio(texture_size_for(wanted.size))
        for head in todo:
            yield write_head(studio, out, wanted, head, counts[head])
        return
    with _single_threaded():
        context = get_context("spawn")  # forking a process that runs threads is not safe
        pool = ProcessPoolExecutor(min(workers, len(todo)), context, _open_worker, (wanted.size,))
        queue, running = iter(todo), set[Future[int]]()
        try:
            while True:
                while len(running) < 2 * workers and (head := next(queue, None)) is not None:
                    running.add(pool.submit(_work, out, wanted, head, counts[head]))
                if not running:
                    break
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Let child processes started inside use one thread each: the processes are the parallelism."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _progress(quiet: bool, images: int) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal; yields the function to call with the number of new images."""
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]:.1f} images/s"), TimeRemainingColumn())
    with Progress(TextColumn("photos"), *columns, disable=quiet) as bar:
        task = bar.add_task("photos", total=images, rate=0.0)
        start, total = time.monotonic(), 0

        def advance(new: int) -> None:
            nonlocal total
            total += new
            bar.update(task, advance=new, rate=total / max(time.monotonic() - start, 1e-6))

        yield advance
