"""Options that several commands share, and what they mean.

What holds for all commands: a list takes its items with spaces or with commas between them; one result goes to a file, several
go to a folder.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, make_dataclass
from functools import partial
from inspect import get_annotations, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import tyro

from fullhead.core.errors import FullheadError, with_article
from fullhead.core.pace import Pace
from fullhead.families.table import FAMILIES
from fullhead.fitting.options import OnStep
from fullhead.io.config import Unset
from fullhead.io.files import check_place

if TYPE_CHECKING:
    from fullhead.families.opening import Opened
    from fullhead.io.images import Bytes
    from fullhead.models.head import Render, RenderOptions

T = TypeVar("T")
Device = Literal["auto", "cpu", "cuda", "mps"]
MOST_MEMORY = 2_000_000_000  # bytes of the frames of a film
MOST_SEEDS = 100_000  # in one range
TITLES = {
    "using": "model",
    "heads": "head",
    "view": "picture",
    "what": "set",
    "source": "scan",
}  # of groups of options, in help


@dataclass(frozen=True)
class ModelOptions:
    """Which model, and where it computes."""

    model: str = "panohead-demo"
    """A shipped model's name, a .safetensors file or its folder, or a Hugging Face hub id."""
    device: Device = "auto"
    """Where to compute: auto takes cuda if there is one, else cpu."""

    def open(self) -> Opened[Any, Any]:
        """The model, ready to render, with its family's own options."""
        from fullhead.families.opening import open_model

        opened = open_model(self.model, device=self.device)
        own = {name: getattr(self, name, None) for name in FAMILIES}
        if strangers := [name for name, given in own.items() if given and name != opened.family and given != type(given)()]:
            options = ", ".join(f"--{name.replace('_', '-')}" for name in vars(own[strangers[0]]))
            raise FullheadError(
                f"{options}: for {with_article(FAMILIES[strangers[0]].title)}; {self.model} is "
                f"{with_article(type(opened.model).__name__)}"
            )
        if given := own.get(opened.family):
            given.apply(opened.model)
        return opened


@dataclass(frozen=True)
class HeadOptions(ModelOptions):
    """Which heads of which model."""

    seeds: Annotated[tuple[str, ...], tyro.conf.arg(help_behavior_hint="")] = ()
    """Heads: single seeds and ranges, as in 0-3,7. By default the fitted head of `invert` or `fit-scan`, else
    the first few."""
    truncation: float = 0.7
    """1: as varied as the training set; towards 0: closer to the average head."""
    vary: Annotated[tuple[str, ...], tyro.conf.arg(help_behavior_hint="")] = ()
    """Parts of a head that the seeds draw, as in shape,colour; the others stay average. By default all. A GANHead has shape,
    detail, colour and rig."""

    def __post_init__(self) -> None:
        parse_seeds(self.seeds)
        if not -2 <= self.truncation <= 2:
            raise FullheadError(
                f"--truncation {self.truncation:g}: 0 is the average head, 1 as varied as the training set; at most 2"
            )

    def latents(self, opened: Opened[Any, Any], default: str) -> tuple[list[str], Any]:
        """Names (seed0000, or fit) and latents of the heads: of --seeds, else fitted ones, else the seeds `default`."""
        from fullhead.models.head import HasLatentParts, capable

        if opened.fitted is not None and not self.seeds:
            return [f"fit{i or ''}" for i in range(len(opened.fitted))], opened.fitted
        seeds, vary = parse_seeds(self.seeds or (default,)), items(self.vary)
        names = [f"seed{seed:04d}" for seed in seeds]
        if not vary:
            return names, opened.model.seed_latents(seeds, self.truncation)
        model = capable(opened.model, HasLatentParts, opened.name, "leave --vary out")
        if unknown := sorted(set(vary) - set(model.latent_parts)):
            raise FullheadError(f"--vary {unknown[0]}: the latents of {opened.name} are {', '.join(model.latent_parts)}")
        return names, model.vary_latents(seeds, self.truncation, vary)


@dataclass(frozen=True)
class ViewOptions:
    """How they are shown."""

    size: Unset[int] = None
    """Pixels of each picture; by default the model's own. A PanoHead draws its own size, and more pixels only enlarge that."""
    background: Unset[str] = None
    """What stands behind the head: a colour (white, #20304a), transparent, or an image file. By default the model's."""
    background_seed: Unset[int] = None
    """Take the model's background of this seed instead of the head's own."""
    shading: Literal["colour", "normal", "clay"] = "colour"
    """What a head with a surface, as a GANHead, shows: its colours, its normals, or its bare geometry."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Numbers that a PanoHead's convolutions use: bf16 is faster on CPUs and GPUs that have it."""
    pitch: float = 0.0
    """Height of the camera, degrees; positive looks down on the head."""

    def __post_init__(self) -> None:
        if self.background_seed is not None:
            check_seed(self.background_seed, "--background-seed")
        if self.size is not None and not 8 <= self.size <= 4096:
            raise FullheadError(f"--size {self.size}: a picture has between 8 and 4096 pixels a side")
        if self.background not in (None, "transparent"):
            from fullhead.io.images import background_image

            background_image(self.background, 8, 8)
        radians(self.pitch, "--pitch", 85)

    @property
    def up(self) -> float:
        """Pitch of the camera, radians."""
        return math.radians(self.pitch)

    def options(self, opened: Opened[Any, Any]) -> RenderOptions:
        """For decoding and rendering with a model that has been opened. FullheadError if it cannot."""
        from fullhead.models.head import HasSurface, RenderOptions, capable

        if self.shading != "colour":
            capable(opened.model, HasSurface, opened.name, "give --model ganhead-demo, or leave --shading at colour")
        return RenderOptions(self.size, self.shading, self.precision, background=self.background is None)

    def before(self, opened: Opened[Any, Any], latents: Any, truncation: float) -> Any:
        """The heads before the background of --background-seed, if there is one."""
        if self.background_seed is None:
            return latents
        from fullhead.models.head import HasBackground, capable

        model = capable(opened.model, HasBackground, opened.name, "see --background instead of --background-seed")
        return model.with_background(latents, self.background_seed, truncation)

    def show(self) -> Callable[[Render], Bytes]:
        """The function from a render to its pictures."""
        from fullhead.io.images import background_image, composite, to_uint8, with_alpha

        def show(render: Render) -> Bytes:
            if self.background is None:
                return to_uint8(render.image)
            if self.background == "transparent":
                return with_alpha(render.image, render.mask)
            return to_uint8(composite(render.image, render.mask, background_image(self.background, *render.image.shape[-2:])))

        return show


# -- commands as tyro takes them


def later(command: Callable[..., None]) -> Callable[..., Callable[[], None]]:
    """The command with its options and help, which gives back what it would do: words are understood before work begins.

    Models gain the own options of every family in the table; positional arguments are called in the help as in the function.
    """

    def given(*values: Any, **options: Any) -> Callable[[], None]:
        return partial(command, *values, **options)

    hints = get_annotations(command, eval_str=True)
    parameters = signature(command).parameters.values()
    defaults = {p.name: _with_family_options(p.default) for p in parameters if isinstance(p.default, ModelOptions)}
    for name, hint in hints.items():
        if tyro.conf.Positional in getattr(hint, "__metadata__", ()):
            hints[name] = Annotated[hint, tyro.conf.arg(metavar=name.upper())]
    hints |= {name: type(default) for name, default in defaults.items()}
    hints |= {name: Annotated[hints[name], tyro.conf.arg(name=title)] for name, title in TITLES.items() if name in hints}
    given.__annotations__ = hints
    given.__signature__ = signature(command).replace(  # type: ignore[attr-defined]
        parameters=[p.replace(default=defaults.get(p.name, p.default)) for p in parameters]
    )
    given.__doc__, given.__name__ = command.__doc__, command.__name__
    return given


def _with_family_options(default: ModelOptions) -> ModelOptions:
    own = [
        (name, Annotated[f.options, tyro.conf.arg(name=f.title, prefix_name=False)], field(default_factory=f.options))
        for name, f in FAMILIES.items()
        if f.options
    ]
    cls = type(default)
    return make_dataclass(cls.__name__, own, bases=(cls,), frozen=True, namespace={"__doc__": cls.__doc__})(**vars(default))


# -- values


def items(words: Sequence[str]) -> list[str]:
    """The items of a list, with spaces or commas between: ("a,b", "c d") is a, b, c, d."""
    return [item for word in words for item in re.split(r"[,\s]+", word) if item]


def parse_seeds(words: Sequence[str], bits: int = 32) -> list[int]:
    """Seeds of ("0-3", "7"): [0, 1, 2, 3, 7]."""
    seeds: list[int] = []
    for part in items(words) or words:
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if not match:
            raise FullheadError(f"--seeds {part}: write numbers and ranges from 0 on, as in 0-3,7")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise FullheadError(f"--seeds {part} goes downwards; write {last}-{first}")
        if last - first >= MOST_SEEDS:
            raise FullheadError(f"--seeds {part}: more than {MOST_SEEDS} heads")
        check_seed(last, "--seeds", bits)
        seeds += range(first, last + 1)
    return seeds


def parse_angles(words: Sequence[str], option: str, limit: float = 360.0) -> list[float]:
    """Degrees of ("0,90", "-45"), in radians."""
    try:
        degrees = [float(item) for item in items(words) or ["none"]]
    except ValueError as error:
        raise FullheadError(f"{option} {' '.join(words)}: write degrees, as in 0,90,-45") from error
    return [radians(angle, option, limit) for angle in degrees]


def output_files(out: Path, names: Sequence[str], suffix: str) -> list[Path]:
    """Where results go: to the file `out` if it has a suffix, which holds one; else to the folder `out`, each by its name with
    the suffix `suffix`."""
    if not out.suffix:
        if twice := [name for name, times in Counter(names).items() if times > 1]:
            raise FullheadError(f"{out / twice[0]}{suffix} would be written twice: ask for every head and side once")
        return [out / f"{name}{suffix}" for name in names]
    if len(names) > 1:
        raise FullheadError(
            f"--out {out} is one file, for one head, not {len(names)}: give a folder, a name without {out.suffix}; "
            f"--suffix {out.suffix} says what kind of files it gets"
        )
    return [out]


def check_out(out: Path, suffix: str, check: Callable[[Path], Any]) -> None:
    """Refuse a place or a kind of file that cannot be written; `check` refuses kinds."""
    check(out if out.suffix else Path(f"file{suffix}"))
    check_place(out, folder=not out.suffix)


def check_seed(seed: int, option: str = "--seed", bits: int = 32) -> None:
    """Refuse a seed that random numbers do not take: those of numpy have 32 bits, those of procedural heads 64."""
    if not 0 <= seed < 2**bits:
        raise FullheadError(f"{option} {seed}: a seed is a whole number from 0 to {2**bits - 1}")


def check_film(frames: int, fps: float) -> None:
    """Refuse lengths and speeds that no film has."""
    if not 1 <= frames <= 100_000:
        raise FullheadError(f"--frames {frames}: a film has between 1 and 100000 frames")
    if not 1 <= fps <= 1000:
        raise FullheadError(f"--fps {fps:g}: between 1 and 1000 frames a second")


def check_film_memory(path: Path, frames: int, size: int) -> None:
    """Refuse a film that does not fit in memory, which a .webp must."""
    if path.suffix.lower() != ".mp4" and (needed := 3 * frames * size**2) > MOST_MEMORY:
        raise FullheadError(
            f"{path.name}: {frames} frames of {size} x {size} pixels take {needed / 1e9:.1f} GB, and a .webp at most "
            f"{MOST_MEMORY / 1e9:g}: write an .mp4, or give a smaller --size or --frames"
        )


def check_resolution(cells: int, least: int = 16, most: int = 1024) -> None:
    """Refuse grids that are too coarse or too fine."""
    if not least <= cells <= most:
        raise FullheadError(f"--resolution {cells}: between {least} and {most} cells")


def radians(degrees: float, option: str, limit: float = 360.0) -> float:
    """An angle option in radians; beyond its limit it is refused."""
    if not -limit <= degrees <= limit:
        raise FullheadError(f"{option} {degrees}: degrees between {-limit:g} and {limit:g}")
    return math.radians(degrees)


@contextmanager
def stage_bars(**stages: tuple[str, int]) -> Iterator[OnStep]:
    """Progress bars on a terminal, one a stage of a fit: what it does, and its number of steps; elsewhere lines of `Pace`.
    Gives the fit's `on_step`."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    if not Console().is_terminal:
        last, paces = time.monotonic(), dict[str, Pace]()

        def on_step(stage: str, *_: float) -> None:
            nonlocal last
            paces.setdefault(stage, Pace(*stages[stage], last)).step()
            last = time.monotonic()

        yield on_step
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[loss]}"), TimeRemainingColumn())
    with Progress(*columns, transient=True) as progress:
        bars = {stage: progress.add_task(does, total=steps, loss="") for stage, (does, steps) in stages.items()}
        yield lambda stage, step, _, loss: progress.update(bars[stage], completed=step, loss=f"loss {loss:.3f}")


def tracked(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """The items, with a progress bar on a terminal; elsewhere lines of `Pace`."""
    from rich.console import Console
    from rich.progress import track

    if Console().is_terminal:
        yield from track(items, what, total=total, transient=True)
        return
    pace = Pace(what, total)
    for item in items:
        yield item
        pace.step()
