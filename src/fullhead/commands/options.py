"""Options that several commands share, and what they mean."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from fullhead.core.errors import FullheadError

if TYPE_CHECKING:
    from fullhead.io.images import Bytes
    from fullhead.models.ganhead import GANHead
    from fullhead.models.head import HeadModel, Render

P = ParamSpec("P")
T = TypeVar("T")
Device = Literal["auto", "cpu", "cuda", "mps"]
MOST_SEEDS = 100_000  # in one range


@dataclass(frozen=True)
class HeadOptions:
    """Which heads, and how they are shown."""

    model: str = "panohead-demo"
    """A shipped model's name, a .safetensors file or its folder, or a Hugging Face hub id."""
    seeds: str | None = None
    """Heads: single seeds and ranges, as in 0-3,7. By default the first few, or a fitted head of `invert` or `fit-scan`."""
    truncation: float = 0.7
    """1: as varied as the training set; towards 0: closer to the average head."""
    size: int | None = None
    """Pixels of each picture; by default the model's own. A PanoHead draws its own size, and more pixels only enlarge that."""
    background: str | None = None
    """What stands behind the head: a colour (white, #20304a), transparent, or an image file. By default the model's."""
    background_seed: int | None = None
    """Take the model's background of this seed instead of the head's own."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the convolutions: bf16 is faster on CPUs and GPUs that have it."""
    device: Device = "auto"
    """Where to compute: auto is cuda if there is one, else cpu."""
    look: Literal["colour", "normal", "clay"] | None = None
    """Of a GANHead or an i3DMM: its colours, its normals, or its bare geometry."""
    vary: tuple[Literal["shape", "detail", "colour", "rig"], ...] = ()
    """Of a GANHead: which codes the seeds draw, with spaces between, while the others stay at their means; rig is the shape of
    its rig. By default all."""
    flame: Path | None = None
    """FLAME's file, for a GANHead that FLAME moves."""

    def load(self) -> HeadModel[Any, Any]:
        """The model, ready to render."""
        from fullhead.models.checkpoint import load
        from fullhead.models.ganhead import GANHead
        from fullhead.models.i3dmm import I3DMM
        from fullhead.representations.surface import LOOKS

        model = load(self.model, precision=self.precision, device=self.device, flame=self.flame)
        if self.vary and not isinstance(model, GANHead):
            raise FullheadError(f"--vary is for a GANHead, and {self.model} is a {type(model).__name__}")
        if isinstance(model, GANHead | I3DMM):
            model.look, model.image_size = LOOKS[self.look or "colour"], self.size or model.image_size
        elif self.look:
            raise FullheadError(f"--look is for heads with a surface, and {self.model} is a {type(model).__name__}")
        return model

    def ganhead(self) -> GANHead:
        """The model, if it can be posed."""
        from fullhead.models.ganhead import GANHead

        model = self.load()
        if not isinstance(model, GANHead):
            raise FullheadError(f"{self.model} is a {type(model).__name__}, whose heads do not move: give a GANHead")
        return model

    def heads(self, model: HeadModel[Any, Any], default: str) -> tuple[list[str], Any]:
        """Names (seed0000, or fit) and latents of the heads: of --seeds, else fitted ones, else the seeds `default`."""
        from fullhead.core.devices import device_named
        from fullhead.models.checkpoint import load_latents
        from fullhead.models.head import Latents

        fitted = load_latents(self.model) if self.seeds is None else None
        varied = {"vary": self.vary} if self.vary else {}
        if fitted is not None:
            names, latents = [f"fit{i or ''}" for i in range(len(fitted))], fitted.to(device_named(self.device))
        else:
            seeds = parse_seeds(self.seeds or default)
            names, latents = [f"seed{seed:04d}" for seed in seeds], model.seed_latents(seeds, self.truncation, **varied)
        if self.background_seed is not None:
            if not isinstance(latents, Latents):
                raise FullheadError("--background-seed is for a PanoHead: others make no background; see --background")
            behind = model.seed_latents([self.background_seed], self.truncation).w.expand_as(latents.w)
            latents = replace(latents, background=behind)
        return names, latents

    def check(self) -> None:
        """Refuse what can be seen to be wrong before anything is loaded."""
        from fullhead.io.images import background_image

        if self.seeds is not None:
            parse_seeds(self.seeds)
        if self.background_seed is not None:
            check_seed(self.background_seed, "--background-seed")
        if not -2 <= self.truncation <= 2:
            raise FullheadError(
                f"--truncation {self.truncation:g}: 0 is the average head, 1 as varied as the training set; at most 2"
            )
        if self.size is not None and not 8 <= self.size <= 4096:
            raise FullheadError(f"--size {self.size}: a picture has between 8 and 4096 pixels a side")
        if self.background not in (None, "transparent"):
            background_image(self.background, 8, 8)

    def show(self) -> Callable[[Render], Bytes]:
        """The function from a render to its pictures."""
        from fullhead.io.images import background_image, composite, to_uint8, with_alpha
        from fullhead.nn.superres import resized

        def show(render: Render) -> Bytes:
            image = resized(render.image, self.size) if self.size else render.image
            if self.background is None:
                return to_uint8(image)
            if self.background == "transparent":
                return with_alpha(image, render.mask)
            return to_uint8(composite(image, render.mask, background_image(self.background, *image.shape[-2:])))

        return show


def later(command: Callable[P, None]) -> Callable[P, Callable[[], None]]:
    """The command with its options and help, which gives back what it would do: words are understood before work begins."""

    @wraps(command)
    def given(*values: P.args, **options: P.kwargs) -> Callable[[], None]:
        return partial(command, *values, **options)

    return given


def parse_seeds(text: str) -> list[int]:
    """Seeds of "0-3,7": [0, 1, 2, 3, 7]."""
    seeds: list[int] = []
    for part in text.replace(" ", "").split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if not match:
            raise FullheadError(f"--seeds {text!r}: write numbers and ranges from 0 on, as in 0-3,7")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise FullheadError(f"--seeds {text!r}: {part} goes downwards; write {last}-{first}")
        if last - first >= MOST_SEEDS:
            raise FullheadError(f"--seeds {text!r}: {part} are more than {MOST_SEEDS} heads")
        check_seed(last, "--seeds")
        seeds += range(first, last + 1)
    return seeds


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


def radians(degrees: float, option: str, limit: float = 360.0) -> float:
    """An angle option in radians; beyond its limit it is refused."""
    if not -limit <= degrees <= limit:
        raise FullheadError(f"{option} {degrees}: degrees between {-limit:g} and {limit:g}")
    return math.radians(degrees)


def tracked(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """The items, with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import track

    yield from track(items, what, total=total, transient=True, disable=not Console().is_terminal)
