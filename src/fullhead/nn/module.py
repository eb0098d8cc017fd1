"""A network that is made from its config alone, so that a file can hold it."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn


class ConfiguredModule(nn.Module):
    """Its `config` says everything about its shape; `about` is what its file says of how it came to be, {} for a new one."""

    model_type: ClassVar[str]  # in the header of its files
    config_class: ClassVar[type]
    config: Any
    about: dict[str, Any]

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config, self.about = config, {}
