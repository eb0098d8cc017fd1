"""Where tensors live, and chance that does not depend on it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fullhead.core.errors import FullheadError

CPU = torch.device("cpu")


def device_named(name: str) -> torch.device:
    """The device "cpu", "cuda" or "mps"; "auto" is cuda where there is one, else the CPU. FullheadError if it is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name not in there:
        raise FullheadError(f"no device called {name}: there is auto, {', '.join(there)}")
    if not there[name]:
        raise FullheadError(f"no {name} device that this PyTorch ({torch.__version__}) can use: choose cpu or auto")
    return torch.device(name)


def device_of(module: nn.Module) -> torch.device:
    """Where a module's weights are."""
    return next(module.parameters()).device


def uniform(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """U[0, 1) of `shape`, on the device of `like`; drawn where the generator is, so its numbers are the same for any device."""
    device = like.device if generator is None else generator.device
    return torch.rand(shape, generator=generator, device=device).to(like)


def normal(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """N(0, 1) of `shape`, as `uniform`."""
    device = like.device if generator is None else generator.device
    return torch.randn(shape, generator=generator, device=device).to(like)
