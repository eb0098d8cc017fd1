"""A network that is made from its config alone, so that a file can hold it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class ConfiguredModule(nn.Module):
    """Its `config` says everything about its shape; `about` is what its file says of how it came to be, {} for a new one."""

    model_type: ClassVar[str]  # in the header of its files
    config_class: ClassVar[type]
    config: Any
    about: dict[str, Any]

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config, self.about = config, {}


C = TypeVar("C", bound=ConfiguredModule)


class _Undrawn(TorchFunctionMode):
    """On the device "meta" numbers are not drawn, scaled or measured: PyTorch would load compilers for it: seconds, 60 MB."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.randn:
            return torch.empty(*args)
        if func is nn.init.normal_:
            return kwargs["tensor"]
        if isinstance(args[0] if args else None, Tensor) and args[0].is_meta:
            if func in (Tensor.normal_, Tensor.mul, Tensor.div, Tensor.add) and not isinstance(args[1], Tensor):
                return args[0]
            if func is Tensor.norm:
                return args[0].narrow(kwargs["dim"], 0, 1)  # the dimension is kept
        return func(*args, **kwargs)


def unfilled(cls: type[C], config: Any) -> C:
    """The module of a config on the device "meta": names and shapes, and no numbers."""
    with torch.device("meta"), _Undrawn():
        return cls(config)
