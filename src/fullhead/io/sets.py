"""Sets of procedural data: made in parts, kept as a folder or as zip or tar shards; resumable, shared out, checked.

A recipe says what the parts of a set are and makes one at a time; everything here is the same for all recipes. A shard is
one part (in a folder) or several (in an archive). Its record is written last, so a shard with a record is whole, and a run
that was stopped goes on where it was. A part depends on the settings and its number alone. A part that cannot be made is left
out, said, and tried again by the next run; the set is claimed for its settings by the first part that can.

    set.json              what the set is: kind, settings, form, units and frames
    records/00000/*.json  one record per shard: which parts, the checksums of its files, what is known about each part
    SHA256SUMS            of every file, as `sha256sum -c` reads them

In a folder and in zips a file is named `folder/key.ending`; in tars `key.field.ending`, so that the files of one sample
follow each other and share a key (the layout of webdataset).
"""

from __future__ import annotations

import io
import json
import math
import os
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fullhead.core.errors import FullheadError
from fullhead.core.pace import Pace
from fullhead.io.files import one_at_work, sha256, written_whole
from fullhead.io.reading import DAMAGED, read_json, reading
from fullhead.io.workers import Stopped, run

Form = Literal["folder", "zip", "tar"]
LISTS_EVERY = 60.0  # seconds between refreshed lists while writing
SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Sample:
    """Files that belong together. `files` maps "field.ending" to content; `label` goes into tars as key.json."""

    key: str  # path without folder and ending
    files: Mapping[str, bytes]
    label: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Part:
    record: dict[str, Any]  # everything that is known about the part, as JSON keeps it
    samples: list[Sample]


class Recipe(Protocol):
    """A kind of set. Its instances are frozen dataclasses, which worker processes can be handed."""

    @property
    def kind(self) -> str: ...

    @property
    def parts(self) -> int: ...  # of the whole set; more can be asked for later

    @property
    def pictures(self) -> int: ...  # or scans, per part, for the progress bar

    @property
    def per_shard(self) -> int: ...  # parts in one archive

    @property
    def folders(self) -> Mapping[str, str]: ...  # of each field

    def settings(self) -> dict[str, Any]: ...  # what two runs must agree on to fill one folder

    def about(self) -> dict[str, Any]: ...  # what a reader must know: units, frames, numbers of labels

    def open(self) -> Any: ...  # what all parts share, opened once in each process

    def make(self, shared: Any, part: int) -> Part:
        """Raises FullheadError or OSError where a part cannot be made, which leaves it out of the set."""
        ...

    def lists(self, records: Records) -> Iterator[tuple[str, Iterable[str]]]:
        """Files that gather the records of all parts: the name of each, and its text in pieces, written as they come."""
        ...


@dataclass(frozen=True)
class Records:
    """What is known of the parts of a set that are there, in their order. It is read anew each time that one goes through it,
    for there may be more than fits in memory."""

    out: Path
    names: list[str]  # of files

    def shards(self) -> Iterator[dict[str, Any]]:
        """The content of each file."""
        with reading(self.out / "records", "delete those that are damaged, and make the set again"):
            for name in self.names:
                yield json.loads((self.out / name).read_bytes())

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for shard in self.shards():
            yield from shard["records"]


def json_rows(rows: Iterable[Any]) -> Iterator[str]:
    """The JSON of a list in pieces."""
    yield "["
    for i, row in enumerate(rows):
        yield (", " if i else "") + json.dumps(row)
    yield "]"


@dataclass(frozen=True)
class Shard:
    """Parts first .. end - 1 of a set, which are written at once."""

    name: str
    first: int
    end: int

    @property
    def record(self) -> str:
        number = self.name.rpartition("-")[2]
        return f"records/{int(number) // 1000:05d}/{self.name}.json"


def write_set(
    out: Path, recipe: Recipe, *, form: Form = "folder", share: tuple[int, int] = (0, 1), workers: int | None = None,
    quiet: bool = False,
) -> int:  # fmt: skip
    """Write what is missing of a set (of `share` = (which, of how many)); returns the number of new pictures.

    workers: processes, 0 for this one, None for one per core. Raises FullheadError when `out` holds a different set, when
    another process writes the same share of it, and at the end if parts could not be made. KeyboardInterrupt passes through
    after the lists are written.
    """
    _check(recipe, share, workers)
    _check_claim(out, recipe, form)
    processes = os.cpu_count() or 1 if workers is None else workers
    new, failed, due = 0, list[str](), time.monotonic() + LISTS_EVERY
    with one_at_work(out, "-".join(map(str, share))):
        try:
            with _progress(quiet, recipe, math.ceil(recipe.parts / share[1])) as advance:
                todo = _missing(out, shards(recipe, form, share), advance)
                with closing(run(_Task(out, recipe, form), todo, processes)) as done:
                    for shard, left_out in done:
                        new += shard.end - shard.first - len(left_out)
                        failed += left_out
                        advance(shard.end - shard.first, left_out)
                        if (now := time.monotonic()) > due:
                            write_lists(out, recipe)
                            due = time.monotonic() + max(LISTS_EVERY, 20 * (time.monotonic() - now))
        finally:
            write_lists(out, recipe)
    if failed:
        some = "; ".join(failed[:3]) + "; ..." * (len(failed) > 3)
        count = f"{len(failed)} of {len(failed) + new}"
        raise FullheadError(f"{count} could not be made: {some}. Mend or remove them and run this again")
    return new * recipe.pictures


def shards(recipe: Recipe, form: Form, share: tuple[int, int] = (0, 1)) -> Iterator[Shard]:
    """The shards of a share of a set, of which there may be very many."""
    step = 1 if form == "folder" else recipe.per_shard
    for i in range(share[0], math.ceil(recipe.parts / step), share[1]):
        yield Shard(f"{recipe.kind}-{i:06d}", i * step, min((i + 1) * step, recipe.parts))


def _missing(out: Path, asked: Iterable[Shard], passed: Callable[[int, None], None]) -> Iterator[Shard]:
    """Those of the shards that are not whole; `passed` is told the number of parts of each that is."""
    for shard in asked:
        if _is_whole(out, shard):
            passed(shard.end - shard.first, None)
        else:
            yield shard


def read_set(out: Path, kind: str | None = None) -> dict[str, Any]:
    """The description of a set; raises FullheadError where there is none, or one of another kind."""
    if not (out / "set.json").exists():
        raise FullheadError(f"{out} holds no set: make one with `fullhead synth`")
    hint = "make the set again, or choose another folder"
    about = read_json(out / "set.json", hint)
    with reading(out / "set.json", hint):
        _ = about["kind"], about["settings"]
    if kind not in (None, about["kind"]):
        raise FullheadError(f"{out} holds a set of {about['kind']}, not of {kind}: choose another folder")
    return about


def read_records(out: Path) -> list[dict[str, Any]]:
    """The records of all parts that are there, in order."""
    return list(Records(out, _record_names(out)))


def write_lists(out: Path, recipe: Recipe) -> None:
    """Gather the records of all whole shards, if there are any, into the recipe's lists, and all checksums into SHA256SUMS."""
    if not (names := _record_names(out)):
        return
    found, own = Records(out, names), ["set.json", *names]
    for name, text in recipe.lists(found):
        with written_whole(out / name) as beside, beside.open("w") as file:
            file.writelines(text)
        own.append(name)
    sums = {name: digest for shard in found.shards() for name, digest in shard["sums"].items()}
    sums |= {name: sha256(out / name) for name in own}
    with written_whole(out / SUMS) as beside, beside.open("w") as file:
        file.writelines(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))


def check_set(out: Path) -> tuple[int, list[str]]:
    """How many files a set should have, and those that are missing or differ from their checksum."""
    read_set(out)
    with reading(out / SUMS, "run the command that writes the set again"):
        lines = (out / SUMS).read_text().splitlines()
        wanted = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
        wrong = [name for name, digest in wanted.items() if not (out / name).is_file() or sha256(out / name) != digest]
    return len(wanted), wrong


@dataclass(frozen=True)
class _Task:
    """Writes shards; sent to every worker process once."""

    out: Path
    recipe: Recipe
    form: Form

    def open(self) -> Any:
        return self.recipe.open()

    def work(self, shared: Any, item: Shard, stopped: Callable[[], bool]) -> tuple[Shard, list[str]]:
        """Write one shard (`item`), its record last; returns it, and why parts failed. `stopped` is asked between parts."""
        records: list[dict[str, Any]] = []
        failed: list[str] = []

        def made() -> Iterator[Sample]:
            for part in range(item.first, item.end):
                if stopped():
                    raise Stopped
                try:
                    done = self.recipe.make(shared, part)
                except (FullheadError, OSError) as error:
                    failed.append(str(error))
                    continue
                _claim(self.out, self.recipe, self.form)
                records.append(done.record)
                yield from done.samples

        if self.form == "folder":
            sums = _write_files(self.out, _named(made(), self.recipe.folders))
        else:
            sums = _write_archive(self.out, item, self.form, made(), self.recipe.folders)
        if not records:
            for name in sums:  # an empty archive
                (self.out / name).unlink()
        else:
            record = {"parts": [item.first, item.end], "sums": sums, "records": records}
            record |= {"failed": failed} if failed else {}
            with written_whole(self.out / item.record) as beside:
                beside.write_text(json.dumps(record, separators=(",", ":")))
        return item, failed


def _named(samples: Iterator[Sample], folders: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Names in a folder or a zip, and contents, of the files of samples."""
    for sample in samples:
        for field, data in sample.files.items():
            name, _, ending = field.partition(".")
            yield f"{folders[name]}/{sample.key}.{ending}", data


def _write_files(out: Path, files: Iterator[tuple[str, bytes]]) -> dict[str, str]:
    sums = {}
    for name, data in files:
        with written_whole(out / name) as beside:
            beside.write_bytes(data)
        sums[name] = sha256(data)
    return sums


def _write_archive(
    out: Path, shard: Shard, form: Form, samples: Iterator[Sample], folders: Mapping[str, str]
) -> dict[str, str]:
    """The zip or the tar of a shard."""
    path = out / f"{shard.name}.{form}"
    with written_whole(path) as beside:
        if form == "zip":
            with zipfile.ZipFile(beside, "w") as archive:  # stored, dated 1980
                for name, data in _named(samples, folders):
                    archive.writestr(zipfile.ZipInfo(name), data)
        else:
            with tarfile.open(beside, "w", format=tarfile.USTAR_FORMAT) as archive:
                for sample in samples:
                    label = {} if sample.label is None else {"json": json.dumps(sample.label, separators=(",", ":")).encode()}
                    for field, data in {**sample.files, **label}.items():
                        member = tarfile.TarInfo(f"{sample.key}.{field}")
                        member.size = len(data)
                        archive.addfile(member, io.BytesIO(data))
        return {path.name: sha256(beside)}


def _is_whole(out: Path, shard: Shard) -> bool:
    """Whether the record of a shard is there, speaks of the same parts, all of them made, and all its files are there."""
    with suppress(*DAMAGED):
        record = json.loads((out / shard.record).read_bytes())
        whole = record["parts"] == [shard.first, shard.end] and "failed" not in record
        return whole and all((out / name).is_file() for name in record["sums"])
    return False


def _record_names(out: Path) -> list[str]:
    return sorted(path.relative_to(out).as_posix() for path in (out / "records").glob("*/[!.]*.json"))


def _check(recipe: Recipe, share: tuple[int, int], workers: int | None) -> None:
    if recipe.parts < 1:
        raise FullheadError(f"a set has at least one part, not {recipe.parts}")
    if not 0 <= share[0] < share[1]:
        raise FullheadError(f"share {share[0]}/{share[1]}: the first number counts from 0 and is below the second")
    if workers is not None and workers < 0:
        raise FullheadError(f"--workers {workers}: 0 works in this process, otherwise a number of processes")


def _described(recipe: Recipe, form: Form) -> dict[str, Any]:
    """What a folder's set.json says that a run must agree with."""
    return {"kind": recipe.kind, "form": form, "settings": json.loads(json.dumps(recipe.settings()))}


def _check_claim(out: Path, recipe: Recipe, form: Form) -> None:
    """Refuse a folder that holds something else."""
    if (out / "set.json").is_file():
        there = read_set(out, recipe.kind)
        with reading(out / "set.json", "choose another folder"):
            old, new = (_flat({"form": d["form"], **d["settings"]}) for d in (there, _described(recipe, form)))
        other = [f"{k} {old.get(k)} there and {new.get(k)} asked" for k in old | new if old.get(k) != new.get(k)]
        if other:
            some = ", ".join(other[:3]) + ", ..." * (len(other) > 3)
            raise FullheadError(f"{out} holds another set ({some}): choose another folder, or the same settings to go on")
    elif out.is_dir() and any(path.name[0] != "." for path in out.iterdir()):
        raise FullheadError(f"{out} is not empty and holds no set: choose another folder")


def _claim(out: Path, recipe: Recipe, form: Form) -> None:
    """Note in the folder what set it holds."""
    if not (out / "set.json").is_file():
        made_by = {"made_by": f"fullhead {version('fullhead')}", "folders": dict(recipe.folders)}
        with written_whole(out / "set.json") as beside:
            beside.write_text(json.dumps(_described(recipe, form) | made_by | recipe.about(), indent=1) + "\n")


def _flat(settings: Mapping[str, Any], start: str = "") -> dict[str, Any]:
    """Nested settings as "a.b" -> value."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= _flat(value, f"{start}{name}.") if isinstance(value, dict) else {start + name: value}
    return found


@contextmanager
def _progress(quiet: bool, recipe: Recipe, parts: int) -> Iterator[Callable[[int, list[str] | None], None]]:
    """A bar on the terminal, elsewhere lines of `Pace`; yields the function to call with a number of parts, and what is to be
    said of them, or None for parts that were there."""
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]:.1f}/s"), TimeRemainingColumn())
    with Progress(TextColumn(recipe.kind), *columns, disable=quiet) as bar:
        task = bar.add_task(recipe.kind, total=parts * recipe.pictures, rate=0.0)
        first, made, pace = None, 0, None if quiet or bar.console.is_terminal else Pace(recipe.kind, parts * recipe.pictures)

        def advance(parts: int, said: list[str] | None) -> None:
            nonlocal first, made
            count, now = parts * recipe.pictures, time.monotonic()
            if said is None:
                bar.tasks[0].completed += count  # not by `update`, which would take it for speed
                if pace:
                    pace.total -= count
                return
            if first is None:  # the first part tells no speed: loops are compiled in it
                first = now
            else:
                made += count
            bar.update(task, advance=count, rate=made / max(now - first, 1e-6))
            if pace:
                pace.step(count)
            for line in [] if quiet else said:
                bar.console.print(f"left out: {line}", markup=False, highlight=False, soft_wrap=True)

        yield advance
