"""The CPU posing as another device, for machines without one: what would fail on a GPU fails here too.

A tensor that is "away" wraps one on the CPU and says that it is on AWAY. Operations on it are computed on the CPU, forward and
backward; an operation that mixes tensors of both places, or takes the other place's generator, is refused as a GPU would.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_iter, tree_map

AWAY = torch.device("meta")  # any name of a device will do; this one autograd knows on every machine
CPU = torch.device("cpu")
MOVING = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class Away(torch.Tensor):
    """A tensor on AWAY; `here` is what it wraps."""

    here: torch.Tensor

    @staticmethod
    def __new__(cls, here: torch.Tensor) -> Away:
        return torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, here.shape, strides=here.stride(), storage_offset=here.storage_offset(), dtype=here.dtype, device=AWAY
        )

    def __init__(self, here: torch.Tensor) -> None:
        self.here = here

    def __repr__(self) -> str:
        return f"Away({self.here})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {})


def computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """The result of an operation, where its arguments are or where it was asked to be."""
    tensors = [x for x in tree_iter((args, kwargs)) if isinstance(x, torch.Tensor)]
    any_away = any(isinstance(x, Away) for x in tensors)
    if any_away and func not in MOVING and any(x.ndim and not isinstance(x, Away) for x in tensors):
        raise RuntimeError(f"{func}: tensors on two devices")
    place = kwargs.get("device") or (AWAY if any_away else CPU)
    if kwargs.get("generator") is not None and place == AWAY:
        raise RuntimeError(f"{func}: a generator of another device")
    inner_args, inner_kwargs = tree_map(lambda x: x.here if isinstance(x, Away) else x, (args, kwargs))
    if "device" in kwargs:
        inner_kwargs["device"] = CPU
    out = func(*inner_args, **inner_kwargs)
    if place == CPU:
        return out
    out = tree_map(lambda x: Away(x) if isinstance(x, torch.Tensor) else x, out)
    return return_and_correct_aliasing(func, args, kwargs, out)


class Operations(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {})


class Literals(TorchFunctionMode):
    """`torch.tensor([1, 2], device=AWAY)` and its like, which are no operations yet."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") == AWAY:
            return func(*args, **{**kwargs, "device": CPU}).to(AWAY)
        if func is torch.Tensor.new_tensor and isinstance(args[0], Away):
            return torch.tensor(args[1], dtype=args[0].dtype).to(AWAY)
        return func(*args, **kwargs)


@contextmanager
def another_device() -> Iterator[torch.device]:
    """Within this context the device AWAY computes."""
    with Operations(), Literals():
        yield AWAY
