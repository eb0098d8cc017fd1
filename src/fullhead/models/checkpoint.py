"""A model is one safetensors file with its config in the header: reading it builds the model and loads it strictly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fullhead.core.errors import FullheadError, in_words, with_article
from fullhead.io.config import from_dict, to_dict
from fullhead.io.files import existing_file, written_whole
from fullhead.models.head import Batch, L
from fullhead.nn.module import ConfiguredModule

KEY = "fullhead"  # of the header entry
LATENTS = "latents."  # before the names of a fitted head's latents, which stand beside the weights


M = TypeVar("M", bound=ConfiguredModule)


def save(
    module: ConfiguredModule,
    path: str | Path,
    *,
    dtype: torch.dtype | None = None,
    about: dict[str, Any] | None = None,
    latents: Batch | None = None,
) -> None:
    """Write a model whole. `dtype` float16 halves the file; `about` is kept in the header (how it was made; by default what
    the model's own file said); `latents` are those of the heads that the model was tuned to, kept beside it in full precision.
    """
    about = module.about if about is None else about
    header = {"family": module.model_type, "config": to_dict(module.config), "about": about}
    weights = {n: x.to(dtype) if dtype and x.is_floating_point() else x for n, x in module.state_dict().items()}
    parts = {} if latents is None else {LATENTS + name: x for name, x in vars(latents).items() if x is not None}
    tensors = {name: x.detach().cpu().contiguous() for name, x in {**weights, **parts}.items()}
    with written_whole(path) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt", KEY: json.dumps(header)})


def read_header(path: str | Path) -> dict[str, Any]:
    """The header of one of our files: family, config, about. Anything else is a FullheadError."""
    path = existing_file(path, "a model file (.safetensors)")
    try:
        with safe_open(path, framework="pt") as handle:
            metadata = handle.metadata() or {}
    except (SafetensorError, OSError) as error:
        hint = f"; turn an original into one by: fullhead convert {path} model.safetensors" if path.suffix == ".pkl" else ""
        raise FullheadError(f"{path} is not a model file, which is a .safetensors ({in_words(error)}){hint}") from None
    if KEY not in metadata:
        raise FullheadError(f"{path} is a safetensors file, but not a fullhead model (its header has no '{KEY}' entry)")
    return json.loads(metadata[KEY])


def read_module(path: str | Path, cls: type[M]) -> M:
    """The module of a file, in float32 and evaluation mode. FullheadError if the file holds one of another class."""
    header = read_header(path)
    if header.get("family") != cls.model_type:
        raise FullheadError(f"{path} holds {with_article(str(header.get('family')))}, not {with_article(cls.model_type)}")
    module = cls(from_dict(cls.config_class, header["config"]))
    with safe_open(Path(path), framework="pt") as handle:
        names = [name for name in handle.keys() if not name.startswith(LATENTS)]  # noqa: SIM118
        tensors: dict[str, Tensor] = {name: handle.get_tensor(name).float() for name in names}
    try:
        module.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise FullheadError(f"{path} does not fit its own config: {in_words(error)}") from None
    module.about = header.get("about", {})
    return module.eval().requires_grad_(False)


def read_latents(path: str | Path, cls: type[L]) -> L | None:
    """The latents of the heads that were fitted with the model of a file, None where there are none."""
    with safe_open(Path(path), framework="pt") as handle:
        names = [name for name in handle.keys() if name.startswith(LATENTS)]  # noqa: SIM118
        return cls(**{name.removeprefix(LATENTS): handle.get_tensor(name) for name in names}) if names else None
