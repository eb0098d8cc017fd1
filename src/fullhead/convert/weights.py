"""Tensors of an original into a module of ours."""

from torch import Tensor, nn

from fullhead.core.errors import FullheadError
from fullhead.io.pickles import show


def with_weights(module: nn.Module, theirs: dict[str, Tensor], what: str) -> nn.Module:
    """The module, made on the device "meta", with tensors under our names, which must fit it one to one; for saving.

    `what` names the original in messages.
    """
    ours = module.state_dict()
    for problem, names in (
        ("lacks", [name for name in ours if name not in theirs]),
        ("has, beyond its own options,", [name for name in theirs if name not in ours]),
        ("has in another shape", [name for name in ours if name in theirs and theirs[name].shape != ours[name].shape]),
    ):
        if names:
            listed = ", ".join(map(show, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            raise FullheadError(f"the original {what} {problem} {listed}: it cannot be rebuilt")
    module.load_state_dict(theirs, strict=True, assign=True)
    return module.requires_grad_(False).eval()
