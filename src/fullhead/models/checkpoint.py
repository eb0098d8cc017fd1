"""A model is one safetensors file with its config in the header: reading it builds the model and loads it strictly."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Size, Tensor, nn

from fullhead.core.errors import FullheadError, in_words, with_article
from fullhead.io.config import from_dict, shown, to_dict
from fullhead.io.files import existing_file, written_whole
from fullhead.io.reading import json_object
from fullhead.models.head import Batch, HeadModel, L
from fullhead.nn.module import C, ConfiguredModule, unfilled

KEY = "fullhead"  # of the header entry
LATENTS = "latents."  # before the names of a fitted head's latents, which stand beside the weights
LARGEST = 1e6  # a weight of a sound network is far from it
FRACTIONS, WHOLE = ("F64", "F32", "F16", "BF16"), ("I64",)  # kinds of numbers

M = TypeVar("M", bound=nn.Module)


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
    check_values(tensors, f"the model for {path}")
    save_tensors(tensors, path, {"format": "pt", KEY: json.dumps(header)})


def save_tensors(tensors: dict[str, Tensor], path: str | Path, metadata: dict[str, str]) -> None:
    """Write a safetensors file whole; the same content makes the same bytes (the library shuffles the metadata)."""
    with written_whole(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)
        with temporary.open("r+b") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
            header["__metadata__"] = dict(sorted(metadata.items()))
            text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode().ljust(length)
            assert len(text) == length, "the order of names changes no length"
            file.seek(8)
            file.write(text)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A safetensors file to read from. What the library says of a damaged one becomes a FullheadError."""
    try:
        with safe_open(path, framework="pt") as handle:
            yield handle
    except (SafetensorError, OSError) as error:
        hint = f"; turn an original into one by: fullhead convert {path} model.safetensors" if path.suffix == ".pkl" else ""
        raise FullheadError(f"{path} is not a model file, which is a .safetensors ({in_words(error)}){hint}") from None


def read_header(path: str | Path) -> dict[str, Any]:
    """The header of one of our files: family, config, about. Anything else is a FullheadError."""
    path = existing_file(path, "a model file (.safetensors)")
    with _opened(path) as handle:
        metadata = handle.metadata() or {}
    if KEY not in metadata:
        raise FullheadError(f"{path} is a safetensors file, but not a fullhead model (its header has no '{KEY}' entry)")
    header = {"about": {}} | json_object(metadata[KEY], f"the header of {path}", "get the file again")
    for name, kind in {"family": str, "config": dict, "about": dict}.items():
        if not isinstance(header.get(name), kind):
            raise FullheadError(f"the header of {path} does not say its {name}: get the file again")
    return header


def read_module(path: str | Path, cls: type[C]) -> C:
    """The module of a file, in float32 (whole numbers in int64) and evaluation mode. FullheadError if the file holds one of
    another class, or weights that are not of the shapes that its config says, which is found before they are read, or that no
    sound network has."""
    path, header = Path(path), read_header(path)
    if header["family"] != cls.model_type:
        raise FullheadError(f"{path} holds {with_article(header['family'][:80])}, not {with_article(cls.model_type)}")
    try:
        module = unfilled(cls, from_dict(cls.config_class, header["config"]))
    except FullheadError as error:
        raise FullheadError(f"the config of {path} cannot be right: {error}") from None
    with _opened(path) as handle:
        names = [name for name in handle.keys() if not name.startswith(LATENTS)]  # noqa: SIM118
        types = {name: tensor.dtype for name, tensor in module.state_dict().items()}
        kinds = {name: WHOLE if types.get(name) == torch.int64 else FRACTIONS for name in names}
        check_shapes(module, {name: _shape(handle, name, kinds[name]) for name in names}, str(path))
        tensors = {name: handle.get_tensor(name).to(types[name], copy=True) for name in names}
    check_values(tensors, str(path))
    module = with_weights(module, tensors, str(path))
    module.about = header["about"]
    return module


def read_latents(path: str | Path, cls: type[L], model: HeadModel[L, Any]) -> L | None:
    """The latents of the heads that were fitted with the model of a file, None where there are none."""
    with _opened(Path(path)) as handle:
        names = [name.removeprefix(LATENTS) for name in handle.keys() if name.startswith(LATENTS)]  # noqa: SIM118
        if not names:
            return None
        shapes = {name: _shape(handle, LATENTS + name) for name in names}
        like = vars(model.seed_latents([0]))
        first = next(iter(like))
        like = {name: like[first] if x is None else x for name, x in like.items() if x is not None or name in names}
        heads = Size([max([1, *shapes.get(first, ())[:1]])])
        due = {name: heads + x.shape[1:] for name, x in like.items()}
        if wrong := [name for name in due | shapes if due.get(name) != shapes.get(name)]:
            who = f"{path} holds a fitted head whose {shown(wrong[0])} does not fit its model"
            raise FullheadError(f"{who}: fit the head again")
        found = {name: handle.get_tensor(LATENTS + name).float() for name in names}
    check_values(found, str(path))
    return cls(**found)


def _shape(handle: Any, name: str, kinds: Sequence[str] = FRACTIONS) -> Size:
    """The shape of a tensor of an opened file, unread; for one that is not of these kinds of numbers one that nothing fits."""
    part = handle.get_slice(name)
    return Size(part.get_shape()) if part.get_dtype() in kinds else Size([-1])


def check_shapes(module: nn.Module, theirs: Mapping[str, Size], what: str) -> None:
    """Refuse shapes by name that are not those of the module, which may be on the device "meta"."""
    ours = module.state_dict()
    for problem, names in (
        ("lacks", [name for name in ours if name not in theirs]),
        ("has, beyond its own options,", [name for name in theirs if name not in ours]),
        ("has in another shape", [name for name in ours if name in theirs and theirs[name] != ours[name].shape]),
    ):
        if names:
            listed = ", ".join(map(shown, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            raise FullheadError(f"{what} {problem} {listed}: it cannot be rebuilt")


def check_values(tensors: Mapping[str, Tensor], what: str) -> None:
    """Refuse tensors with numbers that are not finite, or so large that pictures will not be."""
    for name, tensor in tensors.items():
        if tensor.numel() and not -LARGEST <= min(ends := [float(x) for x in tensor.aminmax()]) <= max(ends) <= LARGEST:
            broken = f"{what} has broken weights: {shown(name)} goes from {ends[0]:.3g} to {ends[1]:.3g}"
            raise FullheadError(
                f"{broken}; training went astray or the file is damaged: take an earlier model, or get it again"
            )


def with_weights(module: M, theirs: dict[str, Tensor], what: str) -> M:
    """The module, as `unfilled` makes it, with tensors under our names, which must fit it one to one; `what` they are of is
    named in messages."""
    check_shapes(module, {name: tensor.shape for name, tensor in theirs.items()}, what)
    module.load_state_dict(theirs, strict=True, assign=True)
    return module.requires_grad_(False).eval()
