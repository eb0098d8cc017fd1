"""A pickle machine that makes plain values and executes nothing.

`pickletools.genops` cuts a pickle into operations; this machine carries them out. It imports nothing and calls nothing that
the file names: a global is a mere name on a list given by the caller, and for each name on it the caller gives a function of
his own that checks its arguments and builds a plain value. Lengths are checked against the bytes that are there, and the
number of operations is bounded, so time and memory stay proportional to the size of the file.
"""

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any, cast

from fullhead.core.errors import with_article

MAX_NAME = 200  # characters of a global
MAX_INTEGER_BITS = 128
MAX_COUNTER = 1 << 16  # an integer key of a dict


class Refused(ValueError):
    """What the file holds, as the end of the sentence `<path> ...`."""


@dataclass(frozen=True)
class Global:
    """A name on the list. It stays a name."""

    name: str


@dataclass(frozen=True, eq=False)
class Inert:
    """Something that the vocabulary does not know, carried along without a meaning."""

    name: str


@dataclass(frozen=True)
class Vocabulary:
    """What one kind of pickle may name. Everything else is refused; with `inert`, it and all that it makes stays inert instead.

    `calls`: global -> function of the argument tuple (REDUCE). `classes`: global -> function that makes an empty object
    (NEWOBJ without arguments). `names`: globals that may only be mentioned. `build(object, state)`: gives an object its
    state (BUILD). `persistent(id)`: the value of a reference to the outside, None: refused. `operations`: at most so many.
    """

    operations: int
    calls: Mapping[str, Callable[[tuple], Any]]
    classes: Mapping[str, Callable[[], Any]]
    names: frozenset[str] = frozenset()
    build: Callable[[Any, Any], None] | None = None
    persistent: Callable[[Any], Any] | None = None
    inert: bool = False
    python2: bool = False  # whether there may be strings of Python 2; they are read as latin-1 text


class Source:
    """The bytes that `genops` reads; large pieces are windows, not copies. Never gives more than is there."""

    def __init__(self, view: memoryview) -> None:
        self.view, self.position = view, 0

    def read(self, n: int) -> bytes | memoryview:
        piece = self.view[self.position : self.position + n]
        self.position += len(piece)
        return piece if len(piece) > 4096 else bytes(piece)

    def readline(self) -> bytes:
        line = bytes(self.view[self.position : self.position + 2 * MAX_NAME])
        line = line[: line.find(b"\n") + 1] or line
        self.position += len(line)
        return line

    def tell(self) -> int:
        return self.position


def read_pickle(source: Source, vocabulary: Vocabulary) -> Any:
    """The value of the pickle that begins at `source`'s position, which moves behind it.

    Raises Refused for what the vocabulary does not hold, another ValueError or IndexError for a damaged stream.
    """
    machine = _Machine(source, vocabulary)
    for operation, argument, _ in pickletools.genops(cast(IO[bytes], source)):
        machine.charge(1)
        if operation.name in _ARGUMENTS:
            machine.stack.append(_checked(argument))
        elif operation.name in _PYTHON2_STRINGS and vocabulary.python2:
            machine.push(argument)
        elif operation.name in _OPERATIONS:
            _OPERATIONS[operation.name](machine, argument)
        elif operation.name != "STOP":
            raise Refused(f"uses the pickle operation {operation.name}, which no such file needs")
    value = machine.stack.pop()
    if machine.stack or machine.marks:
        raise ValueError("values are left over at its end")
    return value


class _Machine:
    def __init__(self, source: Source, vocabulary: Vocabulary) -> None:
        self.source, self.vocabulary = source, vocabulary
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.spent = 0

    def charge(self, cost: int) -> None:
        self.spent += cost
        if self.spent > self.vocabulary.operations:
            raise Refused(f"has more than {self.vocabulary.operations} operations, many times what such a file needs")

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def after_mark(self) -> list[Any]:
        values, self.stack = self.stack, self.marks.pop()
        return values

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self, n: int) -> list[Any]:
        """The last n values, in the order they were pushed."""
        if len(self.stack) < n:
            raise IndexError("an operation lacks its values")
        values = self.stack[-n:]
        del self.stack[-n:]
        return values

    def frame(self, size: int) -> None:
        left = len(self.source.view) - self.source.position
        if size > left:
            raise ValueError(f"a frame of {size} bytes where {left} are left")

    def name(self, module: Any, name: Any) -> None:
        full = f"{module}.{name}" if type(module) is str and type(name) is str else ""
        known = self.vocabulary
        if full in known.calls or full in known.classes or full in known.names:
            self.stack.append(Global(full))
        elif known.inert:
            self.stack.append(Inert(full))
        else:
            raise Refused(f"names {show(full)}, which no such file needs")

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise ValueError(f"it recalls value {index}, which it never kept")
        self.stack.append(self.memo[index])

    def keep(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def target(self, kind: type, what: str) -> Any:
        """What an operation changes, on top of the stack; None if it is inert: then nothing is to be done."""
        return None if isinstance(self.stack[-1], Inert) else expect(self.stack[-1], kind, what)

    def extend_list(self, values: list[Any]) -> None:
        if (target := self.target(list, "the target of APPENDS")) is not None:
            target.extend(values)

    def set_items(self, values: list[Any]) -> None:
        if (target := self.target(dict, "the target of SETITEMS")) is not None:
            if len(values) % 2:
                raise ValueError("a key without a value")
            target.update((_key(key), value) for key, value in zip(values[::2], values[1::2], strict=True))

    def dict(self, values: list[Any]) -> None:
        self.stack.append({})
        self.set_items(values)

    def add_items(self, values: list[Any]) -> None:
        expect(self.stack[-1], set, "the target of ADDITEMS").update(map(_key, values))

    def call(self) -> None:
        arguments = expect(self.stack.pop(), tuple, "the arguments of a call")
        if function := self.target(Global, "what is called"):
            if function.name not in self.vocabulary.calls:
                raise Refused(f"calls {show(function.name)}, which such files only name")
            self.stack[-1] = self.vocabulary.calls[function.name](arguments)

    def new(self) -> None:
        arguments = expect(self.stack.pop(), tuple, "the arguments of a new object")
        if kind := self.target(Global, "the class of a new object"):
            if arguments or kind.name not in self.vocabulary.classes:
                raise Refused(f"makes a {show(kind.name)} in a way that no such file does")
            self.stack[-1] = self.vocabulary.classes[kind.name]()

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Inert):
            return
        if self.vocabulary.build is None:
            raise Refused("gives a state to an object")
        self.charge(len(state) if isinstance(state, dict) else 0)  # it may be copied
        self.vocabulary.build(target, state)

    def persistent(self) -> None:
        if self.vocabulary.persistent is None:
            raise Refused("refers to data outside itself (a persistent id)")
        self.stack.append(self.vocabulary.persistent(self.stack.pop()))


# All that Python's pickler writes for plain values, from protocol 0 to 5. These push their argument:
_ARGUMENTS = frozenset(
    {"INT", "LONG", "FLOAT", "UNICODE", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"}
    | {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"}
)
_PYTHON2_STRINGS = frozenset({"STRING", "SHORT_BINSTRING", "BINSTRING"})
_OPERATIONS: dict[str, Callable[[_Machine, Any], Any]] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, size: machine.frame(size),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_SET": lambda machine, _: machine.push(set()),
    "LIST": lambda machine, _: machine.push(machine.after_mark()),
    "DICT": lambda machine, _: machine.dict(machine.after_mark()),
    "MARK": lambda machine, _: machine.mark(),
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine.after_mark(),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.after_mark())),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.pop(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.pop(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.pop(3))),
    "APPEND": lambda machine, _: machine.extend_list(machine.pop(1)),
    "APPENDS": lambda machine, _: machine.extend_list(machine.after_mark()),
    "SETITEM": lambda machine, _: machine.set_items(machine.pop(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.after_mark()),
    "ADDITEMS": lambda machine, _: machine.add_items(machine.after_mark()),
    "MEMOIZE": lambda machine, _: machine.keep(len(machine.memo)),
    "PUT": lambda machine, index: machine.keep(index),
    "BINPUT": lambda machine, index: machine.keep(index),
    "LONG_BINPUT": lambda machine, index: machine.keep(index),
    "GET": lambda machine, index: machine.recall(index),
    "BINGET": lambda machine, index: machine.recall(index),
    "LONG_BINGET": lambda machine, index: machine.recall(index),
    "GLOBAL": lambda machine, names: machine.name(*names.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.name(*machine.pop(2)),
    "REDUCE": lambda machine, _: machine.call(),
    "NEWOBJ": lambda machine, _: machine.new(),
    "BUILD": lambda machine, _: machine.build(),
    "BINPERSID": lambda machine, _: machine.persistent(),
}


def _checked(value: Any) -> Any:
    """A number of at most 128 bits, text without lone surrogates, or bytes."""
    if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
        raise Refused(f"holds an integer of more than {MAX_INTEGER_BITS} bits")
    if isinstance(value, str) and not value.isascii():
        value.encode()
    return value


def _key(value: Any) -> str | int | Inert:
    """A dict's key or a set's item: text or a small counter (others could be made slow or endless to hash)."""
    if type(value) is str or isinstance(value, Inert) or (type(value) is int and 0 <= value < MAX_COUNTER):
        return value
    raise Refused(f"uses {show(value)} as the key of a dict")


def expect(value: Any, kind: type | tuple[type, ...], what: str) -> Any:
    """`value`, or Refused if it is not of the `kind`."""
    if not isinstance(value, kind):
        raise Refused(f"has {with_article(type(value).__name__)} as {what}")
    return value


def show(value: Any) -> str:
    """A value of the file in a message: printable, one line, not long."""
    if not isinstance(value, str | int | float | bool | None):
        return with_article(type(value).__name__)
    return ascii(value[:MAX_NAME] if isinstance(value, str) else value)
