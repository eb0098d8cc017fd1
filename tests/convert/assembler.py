"""Pickles byte by byte, for what Python's own pickler would never write."""

import struct
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Name:
    """A global, mentioned."""

    full: str


@dataclass(frozen=True)
class Call:
    """A global, called with arguments (REDUCE)."""

    full: str
    arguments: Any


@dataclass(frozen=True)
class New:
    """An object of a class (NEWOBJ), given a state (BUILD) unless it is `...`."""

    full: str
    state: Any = ...


@dataclass(frozen=True)
class Built:
    """A value, given a state (BUILD)."""

    value: Any
    state: Any


def encode(value: Any) -> bytes:
    """The operations that push `value`."""
    match value:
        case Name(full):
            return b"c" + full.rpartition(".")[0].encode() + b"\n" + full.rpartition(".")[2].encode() + b"\n"
        case Call(full, arguments):
            return encode(Name(full)) + encode(arguments) + b"R"
        case New(full, state):
            return encode(Name(full)) + b")\x81" + (b"" if state is ... else encode(state) + b"b")
        case Built(inner, state):
            return encode(inner) + encode(state) + b"b"
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            return b"\x8b" + struct.pack("<i", len(data)) + data
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        case bytes():
            return b"B" + struct.pack("<I", len(value)) + value
        case tuple():
            return b"(" + b"".join(map(encode, value)) + b"t"
        case list():
            return b"](" + b"".join(map(encode, value)) + b"e"
        case dict():
            return b"}(" + b"".join(encode(key) + encode(item) for key, item in value.items()) + b"u"
        case _:
            raise TypeError(type(value))


def whole(*operations: bytes, protocol: int = 4) -> bytes:
    return b"\x80" + bytes([protocol]) + b"".join(operations) + b"."


def storage(numbers: torch.Tensor | bytes = b"\0" * 16, **changes: Any) -> bytes:
    """torch.save's old format of one storage of 4 floats; `changes` replace its parts."""
    if isinstance(numbers, torch.Tensor):
        numbers = numbers.numpy().tobytes()
    numel = changes.get("numel", len(numbers) // 4)
    description = ("storage", Name("torch.FloatStorage"), "0", "cpu", numel, None)
    parts = {
        "magic": encode(0x1950A86A20F9469CFC6C),
        "protocol": encode(1001),
        "system": encode({"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}),
        "description": encode(changes.get("tuple", description)) + b"Q",
        "keys": encode(changes.get("key_list", ["0"])),
    }
    parts.update({key: value for key, value in changes.items() if key in parts})
    head = b"".join(whole(part, protocol=2) for part in parts.values())
    return head + changes.get("count", struct.pack("<q", numel)) + numbers


def tensor(*size: int, stride: tuple = (1,), offset: Any = 0, hooks: Any = None, data: Any = None) -> Call:
    """A call of _rebuild_tensor_v2 on a storage of 4 floats."""
    inner = Call("torch.storage._load_from_bytes", (storage() if data is None else data,))
    return Call("torch._utils._rebuild_tensor_v2", (inner, offset, size, stride, False, {} if hooks is None else hooks))


def persistent(state: Any, class_name: Any = "TriPlaneGenerator", kind: Any = "class") -> Call:
    meta = {"type": kind, "version": 6, "module_src": "raise SystemExit", "class_name": class_name, "state": state}
    return Call("torch_utils.persistence._reconstruct_persistent_obj", (meta,))
