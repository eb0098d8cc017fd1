"""A model is one safetensors file with its config in the header: reading it builds the model and loads it strictly."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from fullhead.core.devices import device_named
from fullhead.core.errors import FullheadError, in_words
from fullhead.io.config import from_dict, to_dict
from fullhead.io.files import existing_file, written_whole
from fullhead.models import i3dmm
from fullhead.models.ganhead import Codes, GANHead, GANHeadConfig
from fullhead.models.head import Batch, HeadModel, Latents
from fullhead.models.hub import WEIGHTS, HubModel, from_hub
from fullhead.models.i3dmm import I3DMM, I3DMMConfig
from fullhead.models.panohead import PanoHead, PanoHeadConfig
from fullhead.nn.discriminator import Discriminator, DiscriminatorConfig
from fullhead.nn.encoder import Encoder, EncoderConfig

KEY = "fullhead"  # of the header entry
LATENTS = "latents."  # before the names of a fitted head's latents, which stand beside the weights
FAMILIES: dict[str, tuple[type, type[nn.Module]]] = {
    "panohead": (PanoHeadConfig, PanoHead),
    "panohead-discriminator": (DiscriminatorConfig, Discriminator),
    "panohead-encoder": (EncoderConfig, Encoder),
    "ganhead": (GANHeadConfig, GANHead),
    "i3dmm": (I3DMMConfig, I3DMM),
}
HEADS: dict[str, type[Batch]] = {"panohead": Latents, "ganhead": Codes, "i3dmm": i3dmm.Codes}  # families with their latents


def save(
    module: nn.Module,
    path: str | Path,
    *,
    dtype: torch.dtype | None = None,
    about: dict[str, Any] | None = None,
    latents: Batch | None = None,
) -> None:
    """Write a model whole. `dtype` float16 halves the file; `about` is kept in the header (how it was made; by default what
    the model's own file said); `latents` are those of the heads that the model was tuned to, kept beside it in full precision.
    """
    family = next(name for name, (_, cls) in FAMILIES.items() if type(module) is cls)
    if about is None:
        about = module.about if isinstance(module, HubModel) else {}
    header = {"family": family, "config": to_dict(module.config), "about": about}
    tensors = {}
    for name, tensor in module.state_dict().items():
        tensor = tensor.detach().cpu().contiguous()
        tensors[name] = tensor.to(dtype) if dtype and tensor.is_floating_point() else tensor
    for name, tensor in ({} if latents is None else vars(latents)).items():
        if tensor is not None:
            tensors[LATENTS + name] = tensor.detach().cpu().contiguous()
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


def load_file(path: str | Path, family: str | None = "panohead") -> nn.Module:
    """The model of a file, in float32 and evaluation mode. `family`: refuse others (None: take any)."""
    header = read_header(path)
    if header.get("family") not in FAMILIES:
        raise FullheadError(f"{path} holds a '{header.get('family')}': this version knows {', '.join(FAMILIES)}")
    if family and header["family"] != family:
        raise FullheadError(f"{path} holds a '{header['family']}', where a '{family}' is due")
    config_class, cls = FAMILIES[header["family"]]
    module = cls(from_dict(config_class, header["config"]))
    with safe_open(Path(path), framework="pt") as handle:
        names = [name for name in handle.keys() if not name.startswith(LATENTS)]  # noqa: SIM118
        tensors: dict[str, Tensor] = {name: handle.get_tensor(name).float() for name in names}
    try:
        module.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise FullheadError(f"{path} does not fit its own config: {in_words(error)}") from None
    if isinstance(module, HubModel):
        module.about = header.get("about", {})
    return module.eval().requires_grad_(False)


def load_latents(model: str | Path) -> Batch | None:
    """The latents of the heads that were fitted with a model (`fullhead invert`, `fit-scan`), None where there are none;
    `model` as in `load`."""
    path = model_file(model)
    with safe_open(path, framework="pt") as handle:
        names = [name for name in handle.keys() if name.startswith(LATENTS)]  # noqa: SIM118
        tensors = {name.removeprefix(LATENTS): handle.get_tensor(name) for name in names}
    return HEADS[read_header(path)["family"]](**tensors) if tensors else None


def load(
    model: str | Path, *, precision: str = "fp32", device: str = "cpu", flame: str | Path | None = None
) -> HeadModel[Any, Any]:
    """A model of heads by name ("panohead-demo"), file, folder, or Hugging Face hub id ("owner/name"), ready to render.

    `precision` "bf16" runs a PanoHead's convolutions in bfloat16; `device` is cpu, cuda, mps, or auto (cuda where there is
    one); `flame` is the file of FLAME, for a GANHead that it moves. Raises FullheadError in one line if there is no such
    model or device. For the model of one family: `PanoHead.from_pretrained`, `GANHead.from_pretrained`.
    """
    if precision not in ("fp32", "bf16"):
        raise FullheadError(f"precision must be fp32 or bf16, not {precision}")
    where, path = device_named(device), model_file(model)
    module = load_file(path, family=None).to(where)
    if not isinstance(module, PanoHead | GANHead | I3DMM):
        raise FullheadError(f"{model} holds a '{read_header(path)['family']}', where a head is due: {', '.join(HEADS)}")
    name = type(module).__name__
    if flame is not None:
        if not isinstance(module, GANHead):
            raise FullheadError(f"{model} holds a {name}, which FLAME does not move: leave the FLAME file out")
        module.use_flame(flame)
    if not isinstance(module, PanoHead):
        if precision != "fp32":
            raise FullheadError(f"{model} holds a {name}, which has no precision to choose: leave fp32")
        return module
    module.precision = torch.bfloat16 if precision == "bf16" else torch.float32
    return module


def model_file(model: str | Path) -> Path:
    """The file of a model by name, path or hub id. Raises FullheadError in one line if there is none."""
    model = str(model)
    shipped = files("fullhead.models") / "weights" / f"{model}.safetensors"
    if shipped.is_file():
        return Path(str(shipped))
    if Path(model).is_dir():
        return existing_file(Path(model) / WEIGHTS, "a model file")
    if Path(model).exists() or not re.fullmatch(r"[\w.-]+/[\w.-]+", model) or model.endswith((".safetensors", ".pkl")):
        if "/" not in model and "." not in model and not Path(model).exists():
            raise FullheadError(f"no model called {model}: there is {', '.join(shipped_names())}; or give a file or hub id")
        return Path(model)
    return from_hub(model)


def shipped_names() -> list[str]:
    """Names of the models of heads inside the package; a discriminator and an encoder lie beside them."""
    weights = Path(str(files("fullhead.models") / "weights"))
    return sorted(file.stem for file in weights.glob("*.safetensors") if read_header(file)["family"] in HEADS)
