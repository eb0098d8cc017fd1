"""`fullhead read`: what photos and films show of heads."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import tyro

from fullhead.commands.options import tracked
from fullhead.core.errors import FullheadError, counted
from fullhead.io.files import check_place, one_at_work


def read(
    photos: Annotated[tuple[Path, ...], tyro.conf.Positional],
    out: Path = Path("out/read"),
    reader: str = "eyes",
    overwrite: bool = False,
) -> None:
    """Read what photos and films show of heads: where they are, how they are turned, their points, parts and looks.

    Writes for each photo to the folder `out`: name.json with all that was read; name_drawn.png, the same drawn over the photo;
    and, if the reader knows them, name_parts.png and name_matte.png. For each film: name.jsonl, a line for each frame, and a
    drawn film. For several photos also contact_sheet.png. What is there already is kept: a run that was stopped goes on.

    Args:
        photos: Image files, films, and folders of them.
        out: Folder of the results.
        reader: Who reads: eyes (the default), a .safetensors of eyes, MediaPipe's face_landmarker.task, a folder of files that
            are there already (points, masks, cameras), or module:function of your own.
        overwrite: Read again what has been read already.
    """
    from fullhead.eyes.readers import open_reader
    from fullhead.viewing.reading_files import SHEET, Job, drawn_sheet, read_film, read_photo

    check_place(out, folder=True)
    files = found_files(photos)
    jobs = [Job(file, out, name, reader) for file, name in zip(files, names_of(files), strict=True)]
    if taken := next((job for job in jobs if job.name == Path(SHEET).stem), None):
        raise FullheadError(f"{taken.file}: {SHEET} is the name of the contact sheet; rename the photo")
    with one_at_work(out):
        todo = [job for job in jobs if overwrite or not job.done()]
        opened, failed = open_reader(reader) if todo else None, []
        for job in tracked(todo, "reading", len(todo)):
            try:
                assert opened is not None
                said = read_film(job, opened) if job.is_film else read_photo(job, opened)
                print(f"{job.file.name}: {said}")
            except FullheadError as error:
                if len(jobs) == 1:
                    raise
                failed.append(job)
                print(f"{job.file.name}: not read. {error}")
        if len(todo) < len(jobs):
            print(f"{len(jobs) - len(todo)} of {len(jobs)} had been read already; --overwrite reads them again")
        drawn_sheet(out, [job for job in jobs if job not in failed])
    print(f"{counted(len(jobs) - len(failed), 'file')} read, in {out}")
    if failed:
        raise FullheadError(f"{counted(len(failed), 'file')} of {len(jobs)} could not be read; the lines above say why")


def found_files(given: tuple[Path, ...]) -> list[Path]:
    """The files that were given, and the photos and films in folders that were given."""
    from fullhead.io.files import existing_file
    from fullhead.io.video import FILM_SUFFIXES, MOVING_SUFFIXES

    known = (*FILM_SUFFIXES, *MOVING_SUFFIXES, ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
    found: list[Path] = []
    for path in given:
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in known) if path.is_dir() else []
        if path.is_dir() and not inside:
            raise FullheadError(f"{path} has no photos or films: {', '.join(known)}")
        found += inside or [existing_file(path, "an image or film")]
    if not found:
        raise FullheadError("nothing to read: give photos, films, or folders of them")
    return list(dict.fromkeys(found))


def names_of(files: list[Path]) -> list[str]:
    """Names of the results: those of the files without their suffix, and with it where two would be the same."""
    plain = Counter(file.stem for file in files)
    names = [file.stem if plain[file.stem] == 1 else file.name.replace(".", "_") for file in files]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        both = " and ".join(str(file) for file, name in zip(files, names, strict=True) if name == twice[0])
        raise FullheadError(f"{both} have one name, and results go by names: read them into two folders, with --out")
    return names
