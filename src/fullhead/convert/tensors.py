"""Tensors of an original: windows into the storages of torch's pickles, from checked arguments."""

from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor

from fullhead.core.errors import FullheadError
from fullhead.io.pickles import Global, Refused, expect, show

MAX_NDIM = 8
STORAGES = {
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
}


@dataclass(frozen=True, eq=False)
class Storage:
    """The numbers of one or more tensors: `data` [numel]."""

    data: Tensor


def storage_description(identity: Any, length: int) -> tuple[torch.dtype, str, int]:
    """('storage', class, key, location, numel), and None behind it where `length` is 6 -> dtype, key, numel."""
    what = "a storage's description"
    tag, kind, key, _, numel, *view = exactly(expect(identity, tuple, what), length, what)
    if tag != "storage" or any(v is not None for v in view):
        raise Refused("describes a storage in an unknown way")
    dtype = expect(STORAGES.get(expect(kind, Global, "the type of a storage").name), torch.dtype, "the type of a storage")
    return dtype, expect(key, str, "the key of a storage"), count(numel, "the size of a storage")


def storage_of(numbers: bytearray, dtype: torch.dtype) -> Storage:
    """The storage that the bytes are."""
    return Storage(torch.frombuffer(numbers, dtype=dtype) if numbers else torch.empty(0, dtype=dtype))


def rebuilt_tensor(arguments: tuple) -> Tensor:
    """torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks): a window into the storage."""
    storage, offset, size, stride, _, hooks = exactly(arguments, 6, "_rebuild_tensor_v2")
    data = expect(storage, Storage, "the storage of a tensor").data
    size, stride = expect(size, tuple, "the size of a tensor"), expect(stride, tuple, "the stride of a tensor")
    if len(size) != len(stride) or len(size) > MAX_NDIM or expect(hooks, dict, "the hooks of a tensor"):
        raise Refused(f"holds a tensor of {len(size)} sizes and {len(stride)} strides, or with hooks")
    offset = count(offset, "the offset of a tensor")
    size, stride = [count(n, "the size of a tensor") for n in size], [count(n, "the stride of a tensor") for n in stride]
    numel = prod(size)
    end = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + 1 if numel else offset
    if max(numel, end) > len(data):
        raise Refused(f"holds a tensor of {numel} numbers that ends at number {end} of a storage of {len(data)}")
    try:
        return data.as_strided(size, stride, offset)
    except RuntimeError as error:  # sizes whose product overflows beside a zero
        raise Refused("holds a tensor of impossible size") from error


def rebuilt_parameter(arguments: tuple) -> Tensor:
    """torch._utils._rebuild_parameter(tensor, requires_grad, hooks): the tensor."""
    return expect(exactly(arguments, 3, "_rebuild_parameter")[0], Tensor, "a parameter")


def _ordered_dict(arguments: tuple) -> dict:
    exactly(arguments, 0, "OrderedDict")
    return {}


CALLS = {  # what every pickle of torch calls
    "collections.OrderedDict": _ordered_dict,
    "torch._utils._rebuild_tensor_v2": rebuilt_tensor,
    "torch._utils._rebuild_parameter": rebuilt_parameter,
}


def exactly(values: tuple, n: int, what: str) -> tuple:
    if len(values) != n:
        raise Refused(f"gives {what} {len(values)} values instead of {n}")
    return values


def count(value: Any, what: str) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise Refused(f"has {show(value)} as {what}")
    return value


def shape_of(tensors: dict[str, Tensor], name: str, ndim: int) -> tuple[int, ...]:
    """The shape of a tensor that an original must have, or a FullheadError."""
    if name not in tensors or tensors[name].ndim != ndim:
        raise FullheadError(f"the original has no {ndim}-dimensional {name}: it is another model, or cannot be rebuilt")
    return tuple(tensors[name].shape)
