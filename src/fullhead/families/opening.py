"""A file of any family, opened once: the model, the heads that were fitted with it, and what the file says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Generic

from fullhead.core.devices import device_named
from fullhead.core.errors import FullheadError, with_article
from fullhead.families.table import FAMILIES, Parts
from fullhead.models.checkpoint import read_header, read_latents, read_module
from fullhead.models.head import H, HeadModel, L
from fullhead.models.hub import model_file


@dataclass(frozen=True)
class Opened(Generic[L, H]):
    """`model` ready to render; `fitted`: latents of the heads that it was fitted to, None for a model of many heads; `about`:
    how it came to be; `family`: its name in FAMILIES; `name`: what was opened."""

    model: HeadModel[L, H]
    fitted: L | None
    about: dict[str, Any]
    family: str
    name: str


def open_model(model: str | Path, *, device: str = "cpu", options: Any = None) -> Opened[Any, Any]:
    """A model of heads by name ("panohead-demo"), file, folder, or Hugging Face hub id ("owner/name").

    device: cpu, cuda, mps, or auto (cuda where there is one).  options: the family's own, such as GANHeadOptions.  Raises
    FullheadError in one line if there is no such model or device.
    """
    where, path = device_named(device), model_file(model)
    header = read_header(path)
    family = header["family"]
    if family not in FAMILIES:
        raise FullheadError(f"{model} holds {with_article(family[:80])}, not a head: a head is of {', '.join(FAMILIES)}")
    parts: Parts = FAMILIES[family].parts()
    module: HeadModel[Any, Any] = read_module(path, parts.model)  # type: ignore[assignment]
    fitted = read_latents(path, parts.latents, module)
    if options is not None:
        options.apply(module)
    return Opened(module.to(where), None if fitted is None else fitted.to(where), header["about"], family, str(model))  # type: ignore[arg-type]


def load(model: str | Path, *, device: str = "cpu", options: Any = None) -> HeadModel[Any, Any]:
    """The model alone, as `open_model` opens it. For the model of one family: `PanoHead.from_pretrained` and so on."""
    return open_model(model, device=device, options=options).model


def shipped_names() -> list[str]:
    """Names of the models of heads inside the package; a discriminator and an encoder lie beside them."""
    weights = Path(str(files("fullhead.models") / "weights"))
    return sorted(file.stem for file in weights.glob("*.safetensors") if read_header(file)["family"] in FAMILIES)
