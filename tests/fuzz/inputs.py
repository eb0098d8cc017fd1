"""Bad inputs: valid ones that are changed in one to three places, and some that are made. All chance comes from hypothesis."""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import pickletools
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

from .runner import RAN

INFINITY = float("inf")
NUMBERS = (
    0, -1, 1, 2, 3, 7, 64, 255, 1000, 4096, 65_536, 10**6, 2**31 - 1, 2**31, 2**32, 2**63, 2**64, 10**18, 10**400, -(10**9),
    0.5, -0.0, 1e-300, 1e9, 1e300, INFINITY, -INFINITY, float("nan"),
)  # fmt: skip
DEEP, LONG = "a list in a list in a list", "a number of 5000 digits"  # stand for themselves until the text is written
WORDS = (
    "",
    " ",
    "x",
    "nan",
    "\0",
    "é" * 300,
    "a\nb",
    "..",
    "../../x",
    "/dev/null",
    "0",
    "jawOpen",
    "flame",
    "white",
    "a" * 5000,
)
VALUES = (*WORDS, None, True, False, [], {}, [[]], [0], [None, None], {"a": 1}, DEEP, LONG)
ENTRY = "fullhead"  # of a model file's header
Notes = list[str]


# -- one change of something


def changed_json(rng: Random, value: Any, notes: Notes) -> Any:
    """The value with one part replaced, removed, repeated, renamed or exchanged for another."""
    value = {"": copy.deepcopy(value)}
    places: list[tuple[Any, Any, str]] = []

    def gather(inner: Any, path: str) -> None:
        for key, item in inner.items() if isinstance(inner, dict) else enumerate(inner):
            if len(places) < 3000:
                places.append((inner, key, f"{path}.{key}"))
            if isinstance(item, dict | list):
                gather(item, f"{path}.{key}")

    gather(value, "")
    leaves = [place for place in places if not isinstance(place[0][place[1]], dict | list)]
    holder, key, path = rng.choice(leaves if leaves and rng.random() < 0.7 else places)
    old = holder[key]
    action = rng.choice(("number", "number", "number", "value", "value", "remove", "repeat", "rename", "exchange"))
    if action == "number" or key == "":
        holder[key] = rng.choice(NUMBERS) if isinstance(old, int | float) or rng.random() < 0.5 else rng.choice(VALUES)
    elif action == "value":
        holder[key] = rng.choice(VALUES)
    elif action == "remove":
        del holder[key]
    elif action == "repeat":
        holder[key] = old * rng.choice((0, 2, 1000)) if isinstance(old, list | str) and len(old) < 100 else [old] * 3
    elif action == "rename":
        if isinstance(holder, dict):
            holder[rng.choice((f"{key}x", "", "é", "self", "__class__"))] = holder.pop(key)
    else:
        holder[key] = copy.deepcopy(rng.choice(places)[0])
    notes.append(
        f"{path[1:]} {action}: {str(old)[:40]!r} -> {str(holder.get(key) if isinstance(holder, dict) else holder)[:60]!r}"
    )
    return value.get("")


def json_text(value: Any) -> str:
    text = json.dumps(value)
    return text.replace(json.dumps(DEEP), "[" * 50_000 + "]" * 50_000).replace(json.dumps(LONG), "9" * 5000)


def changed_bytes(rng: Random, data: bytes, notes: Notes) -> bytes:
    at, size = rng.randrange(len(data) + 1), rng.choice((1, 1, 2, 4, 8, 100, 5000))
    action = rng.choice(("flip", "set", "cut off", "remove", "repeat", "insert", "number", "move", "empty", "append"))
    notes.append(f"bytes {action} at {at} of {len(data)}, {size}")
    before, run, after = data[:at], data[at : at + size], data[at + size :]
    match action:
        case "flip":
            return before + bytes(byte ^ 1 << rng.randrange(8) for byte in run[:8]) + run[8:] + after
        case "set":
            return before + bytes([rng.choice((0, 1, 32, 127, 128, 255))]) * len(run) + after
        case "cut off":
            return before
        case "remove":
            return before + after
        case "repeat":
            return before + run * rng.choice((2, 3, 100)) + after
        case "insert":
            return before + bytes([rng.randrange(256)]) * size + data[at:]
        case "number":
            number = struct.pack(
                rng.choice("<>") + "Q", rng.choice([n for n in NUMBERS if isinstance(n, int) and 0 <= n < 2**64])
            )
            width = rng.choice((2, 4, 8))
            return before + number[-width:] + data[at + width :]
        case "move":
            other = rng.randrange(len(data) + 1)
            return before + data[other : other + size] + after
        case "empty":
            return b""
    return data + bytes([rng.randrange(256)]) * size


def changed_text(rng: Random, data: bytes, notes: Notes) -> bytes:
    """A line, or a word of it, replaced, removed or repeated."""
    lines = data.split(b"\n")
    row = rng.randrange(len(lines))
    words = lines[row].split(b" ")
    column = rng.randrange(len(words))
    action = rng.choice(("number", "number", "word", "remove", "repeat", "many", "exchange", "short", "long", "tab", "line"))
    match action:
        case "number":
            words[column] = str(rng.choice([n for n in NUMBERS if n != 10**400] + ["9" * 5000])).encode()
        case "word":
            words[column] = rng.choice(WORDS).encode() or b"\xff\xfe"
        case "remove":
            del lines[row]
        case "repeat" | "many":
            lines[row:row] = [lines[row]] * (1 if action == "repeat" else 3000)
        case "exchange":
            other = rng.randrange(len(lines))
            words = lines[other].split(b" ")
        case "short":
            words = words[:column]
        case "long":
            words = words[:1] + words[1:] * rng.choice((2, 1000))
        case "tab":
            words = [b"\t".join(words), b"\\"]
        case "line":
            return b"\n".join(
                rng.choice((b"\xef\xbb\xbf", b"#", b"\0", b"")) + line + rng.choice((b"\r", b"")) for line in lines
            )
    if action not in ("remove", "repeat", "many"):
        lines[row] = b" ".join(words)
    notes.append(f"line {row + 1} {action}: {lines[row][:60] if row < len(lines) else b''!r}")
    return b"\n".join(lines)


def changed_safetensors(rng: Random, data: bytes, notes: Notes) -> bytes:
    """Its description, its header entry for us, a tensor's name, shape, kind or numbers; all else stays consistent."""
    length = int.from_bytes(data[:8], "little")
    header, numbers = json.loads(data[8 : 8 + length]), data[8 + length :]
    about = header.get("__metadata__", {})
    names = [name for name in header if name != "__metadata__"]
    name = rng.choice(names)
    entry = header[name]
    action = rng.choice(
        ("config",) * 12 * (ENTRY in about) + ("entry",) * (ENTRY in about)
        + ("description", "about", "rename", "remove", "reshape", "retype", "numbers", "numbers", "add", "order")
    )  # fmt: skip
    notes.append(f"safetensors {action}: {name}")
    if action == "config":
        about[ENTRY] = json_text(changed_json(rng, json.loads(about[ENTRY]), notes))
    elif action == "entry":
        about[ENTRY] = rng.choice(("null", "[]", '"x"', "3", "", "{", "[" * 50_000, "{}", "NaN", "\ufeff{}"))
        notes.append(about[ENTRY][:20])
    elif action == "about":
        about[rng.choice((*about, "x"))] = rng.choice(("", "x", "-1", "1e400", "9" * 5000, "nan"))
        header["__metadata__"] = about
        notes.append(str(about)[:200])
    elif action == "description":
        header = changed_json(rng, header, notes)
    elif action == "rename":
        header[rng.choice(("x", f"{name}.x", f"latents.{name}", "latents.", "latents.w", "latents.shape"))] = header.pop(name)
    elif action == "remove":  # its numbers stay: our reader is told of a hole by the library
        begin, end = entry["data_offsets"]
        del header[name]
        numbers = numbers[:begin] + numbers[end:]
        for other in header.values():
            if "data_offsets" in other and other["data_offsets"][0] >= end:
                other["data_offsets"] = [n - end + begin for n in other["data_offsets"]]
    elif action == "reshape":
        size = 1
        for n in entry["shape"]:
            size *= n
        entry["shape"] = rng.choice(
            ([size], [1, size], [size, 1], [1] * 30 + [size], [*entry["shape"], 1], entry["shape"][::-1])
        )
        notes.append(str(entry["shape"]))
    elif action == "retype" and entry["dtype"] in ("F32", "F16", "I32", "I64", "F64"):
        entry["dtype"] = {"F32": "I32", "F16": "BF16", "I32": "F32", "I64": "F64", "F64": "I64"}[entry["dtype"]]
    elif action == "numbers":
        begin, end = entry["data_offsets"]
        number = rng.choice((b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\xff\xff\x7f\x7f", b"\xff\xff\xff\xff", b"\0\0\0\0"))
        end = begin + 4 if rng.random() < 0.5 else end
        numbers = numbers[:begin] + (number * ((end - begin) // 4 + 1))[: end - begin] + numbers[end:]
        notes.append(f"{number!r} in {end - begin} bytes")
    elif action == "add":
        shape = rng.choice(([0], [1], [0, 2**40], [1] * 64))
        size = 4 * (0 not in shape)
        header[rng.choice(("latents.w", "latents.shape", "latents.x", "latents.geometry", "x"))] = {
            "dtype": "F32", "shape": shape, "data_offsets": [len(numbers), len(numbers) + size],
        }  # fmt: skip
        numbers += bytes(size)
    elif action == "order":
        header = dict(reversed(header.items()))
    text = json_text(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + numbers


def changed_glb(rng: Random, data: bytes, notes: Notes) -> bytes:
    length = int.from_bytes(data[12:16], "little")
    gltf, rest = json.loads(data[20 : 20 + length]), data[20 + length :]
    action = rng.choice(("json",) * 6 + ("cycle", "chain", "tree", "numbers"))
    notes.append(f"glb {action}")
    nodes = gltf["nodes"]
    if action == "json":
        gltf = changed_json(rng, gltf, notes)
    elif action == "cycle":
        nodes[0]["children"] = [0]
    elif action == "chain":
        nodes[0]["children"] = [len(nodes)]
        nodes.extend({"children": [len(nodes) + i + 1]} for i in range(20_000))
        nodes.append({})
    elif action == "tree":  # each node twice the next: 2 ** 40 leaves
        nodes[0]["children"] = [len(nodes)] * 2
        nodes.extend({"children": [len(nodes) + i + 1] * 2} for i in range(40))
        nodes.append({"mesh": 0})
    else:
        rest = rest[:8] + changed_bytes(rng, rest[8:], notes)
    text = json_text(gltf).encode()
    return data[:8] + struct.pack("<I", 20 + len(text) + len(rest)) + struct.pack("<I4s", len(text), b"JSON") + text + rest


def changed_ply(rng: Random, data: bytes, notes: Notes) -> bytes:
    head, end, body = data.partition(b"end_header\n")
    return changed_text(rng, head, notes) + end + body


def changed_http(rng: Random, data: bytes, notes: Notes) -> bytes:
    """Of a request that carries JSON often that, with the right length."""
    head, blank, body = data.partition(b"\r\n\r\n")
    if body and rng.random() < 0.6:
        body = json_text(changed_json(rng, json.loads(body), notes)).encode()
        return head.rpartition(b" ")[0] + f" {len(body)}".encode() + blank + body
    return changed_text(rng, head, notes) + blank + body


def changed_image(rng: Random, data: bytes, notes: Notes) -> bytes:
    """Of a PNG often its size, with the right checksum."""
    if data[:4] != b"\x89PNG" or rng.random() < 0.4:
        return changed_bytes(rng, data, notes)
    size = struct.pack(">II", *(rng.choice((0, 1, 9, 5000, 13_000, 30_000, 10**6, 2**31 - 1, 2**32 - 1)) for _ in "wh"))
    chunk = b"IHDR" + size + data[24:29]
    notes.append(f"png of {struct.unpack('>II', size)}")
    return data[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]


class Hostile:
    """Pickled as a call that would make the file RAN."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call = call, arguments

    def __reduce__(self) -> Any:
        return self.call


def hostile(rng: Random, folder: Path, notes: Notes) -> bytes:
    place = str(folder / RAN)
    code = f"open({place!r}, 'w').close()"
    value = rng.choice((
        Hostile(exec, code), Hostile(eval, code), Hostile(os.system, f"touch '{place}'"), Hostile(os.mkdir, place),
        Hostile(open, place, "w"),
    ))  # fmt: skip
    notes.append(f"hostile: {value.call[0]}")
    wrapped = rng.choice(
        (value, {"G_ema": value}, {"state_dict": {"network.lin0.bias": value}}, [value], {"v_template": value})
    )
    return pickle.dumps(wrapped, protocol=rng.randrange(6))


def changed_pickle(rng: Random, data: bytes, folder: Path, notes: Notes) -> bytes:
    """Operations removed, repeated or exchanged; a hostile one put in; a hostile pickle instead."""
    action = rng.choice(("bytes", "hostile", "insert", "remove", "repeat", "exchange", "operation"))
    if action == "bytes":
        return changed_bytes(rng, data, notes)
    bad = hostile(rng, folder, notes)
    if action == "hostile":
        return bad
    starts = []
    try:
        starts = [at for _, _, at in pickletools.genops(data) if at is not None]
    except Exception:
        return bad
    first, second = (rng.choice(starts) for _ in "ab")
    end = next((at for at in starts if at > first), len(data))
    notes.append(f"pickle {action} at {first}")
    match action:
        case "insert":
            core = bad[2:-1] if bad[:1] == b"\x80" else bad[:-1]
            return data[:first] + core + data[first:]
        case "remove":
            return data[:first] + data[end:]
        case "repeat":
            return data[:first] + data[first:end] * rng.choice((2, 1000)) + data[end:]
        case "exchange":
            return data[:first] + data[second : second + end - first] + data[end:]
    operation = rng.choice(pickletools.opcodes)
    notes.append(f"operation {operation.name}")
    return (
        data[:first]
        + operation.code.encode("latin-1")
        + rng.choice((b"", b"\0", b"\xff" * 4, b"x\ny\n", b"9" * 30 + b"\n"))
        + data[first:]
    )


def changed_zip(rng: Random, data: bytes, folder: Path, notes: Notes) -> bytes:
    """An entry changed, added, packed, or named twice; pickles inside as pickles."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        names = old.namelist()
        pickles = [name for name in names if name.endswith(".pkl")]
        chosen = rng.choice(names + pickles * len(names))
        action = rng.choice(("content", "content", "content", "packed", "bomb", "twice", "rename", "remove"))
        notes.append(f"zip {action}: {chosen}")
        for name in names:
            content, packing = old.read(name), zipfile.ZIP_STORED
            if name == chosen:
                match action:
                    case "content":
                        content = (
                            changed_pickle(rng, content, folder, notes)
                            if name in pickles
                            else changed_bytes(rng, content, notes)
                        )
                    case "packed":
                        packing = zipfile.ZIP_DEFLATED
                    case "bomb":
                        content, packing = bytes(1 << 28), zipfile.ZIP_DEFLATED
                    case "twice":
                        new.writestr(f"x/{name}", content)
                    case "rename":
                        name = rng.choice(("../x", "/x", "", "x/data.pkl", "é", name + "x"))
                    case "remove":
                        continue
            new.writestr(name, content, packing)
    return out.getvalue()


def changed_npz(rng: Random, data: bytes, folder: Path, notes: Notes) -> bytes:
    """Of an array in it the text that describes it, or an array of pickled objects."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        chosen = rng.choice(old.namelist())
        for name in old.namelist():
            content = old.read(name)
            if name == chosen:
                kind = rng.choice(("'|O'", "'<f8'", "'<c16'", "'<U9'", "[('a', '<f8')]", "'x'", "None"))
                shape = rng.choice(("(1,)", "()", "(0, 3)", "(1000000000000,)", "(10**12,)", "(-1, 3)", "None", "[" * 500))
                whole = f"{{'descr': {kind}, 'fortran_order': {rng.choice((True, False, 0, 'x'))}, 'shape': {shape}, }}"
                text = rng.choice((whole, whole, whole, "{" * 500, "None", "", "[" * 5000))
                notes.append(f"npz {name}: {text[:60]}")
                content = (
                    b"\x93NUMPY\x01\x00"
                    + struct.pack("<H", len(text) + 1)
                    + text.encode()
                    + b"\n"
                    + hostile(rng, folder, notes)
                )
            new.writestr(name, content)
    return out.getvalue()


# -- a changed file


def changed_file(rng: Random, path: Path, folder: Path, notes: Notes) -> None:
    """Change a file in place, mostly in the way of its kind."""
    notes.append(path.relative_to(folder).as_posix())
    data, ending = path.read_bytes(), path.suffix.lower()
    by_ending: dict[str, Callable[[], bytes]] = {
        ".json": lambda: json_text(changed_json(rng, json.loads(data), notes)).encode(),
        ".safetensors": lambda: changed_safetensors(rng, data, notes),
        ".glb": lambda: changed_glb(rng, data, notes),
        ".ply": lambda: changed_ply(rng, data, notes),
        ".png": lambda: changed_image(rng, data, notes),
        ".pkl": lambda: changed_pickle(rng, data, folder, notes),
        ".ckpt": lambda: changed_zip(rng, data, folder, notes),
        ".zip": lambda: changed_zip(rng, data, folder, notes),
        ".http": lambda: changed_http(rng, data, notes),
        ".npz": lambda: changed_npz(rng, data, folder, notes),
    } | dict.fromkeys((".obj", ".mtl", ".txt", ".jsonl", ""), lambda: changed_text(rng, data, notes))
    change = by_ending.get(ending)
    draw = rng.random()
    if draw < 0.04:
        path.unlink()
        notes.append("is not there")
    elif draw < 0.06:
        path.unlink()
        path.mkdir()
        notes.append("is a folder")
    elif draw < 0.08 and ending not in (".pkl", ".ckpt"):
        path.write_bytes(hostile(rng, folder, notes))
    elif draw < 0.11:
        path.write_bytes(rng.choice((b"", b"\0" * 1000, b"[" * 100_000, b"\xff\xfe", b"null", b"[]", b"{}", b"3", b'"x"')))
        notes.append("other content")
    elif change is None or draw < 0.25:
        path.write_bytes(changed_bytes(rng, data, notes))
    else:
        try:
            path.write_bytes(change())
        except (
            ValueError,
            KeyError,
            IndexError,
            TypeError,
            AttributeError,
            zipfile.BadZipFile,
            RecursionError,
            NotImplementedError,
            RuntimeError,
            EOFError,
        ):
            path.write_bytes(changed_bytes(rng, data, notes))  # what was changed before is no longer of its kind


def changed_folder(rng: Random, kind: str, valid: Path, folder: Path) -> Notes:
    """A valid input of the kind with one to three changes, in `folder`, which is made. Returns what was changed."""
    variants = sorted(path for path in valid.iterdir() if path.is_dir())
    variant = rng.choice(variants)
    notes = [variant.name]
    shutil.copytree(variant, folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    wanted = [path for path in files if path.suffix != ".png"] or files
    if kind == "request":
        wanted = [folder / "request.http"]
    for _ in range(rng.choice((0, 1, 1, 1, 1, 1, 1, 2, 3))):
        path = rng.choice(wanted if rng.random() < 0.8 else files)
        if path.is_file():
            changed_file(rng, path, folder, notes)
    return notes


# -- command lines

GIVEN = {  # the words that come first
    "invert": ("photo.png",), "fit-scan": ("scans/scan.obj",), "prepare": ("scans", "out"), "study": ("a", "b"),
    "train": ("panohead-tiny", "photos", "run"), "convert": ("panohead.safetensors", "out.safetensors"),
    "synth photos": ("out",), "synth heads360": ("out",), "synth scans": ("out",), "synth video": ("out",),
    "synth check": ("photos",),
}  # fmt: skip
SMALL = {  # so that a command is done soon
    "size": "16", "resolution": "32", "frames": "2", "seeds": "0", "steps": "1", "pivot-steps": "0", "shape-steps": "1",
    "looks-steps": "1", "images": "1", "subjects": "1", "workers": "0", "scans-per-subject": "1", "faces": "500", "clips": "1",
    "near": "10", "uniform": "10", "surface": "10", "shapes": "3", "expression": "jawOpen=0.5", "port": "0",
    "level": "0.1", "box": "8,8,48,48",
}  # fmt: skip
OPTION_WORDS = (
    "", " ", "nan", "inf", "-inf", "1e9", "-1", "0", "1", "2", "7", "0.5", "-0.5", "1000", "99999999999", "1e400", "x",
    "é" * 100, "a" * 300, "None", "null", "[]", "true", "0-3", "3-0", "0-99999", "0-99999999", "1,2,,3", ",", "-", "..",
    ".", "../x", "/dev/null", "/dev/null/x", "out.png", "out.jpg", "out.webp", "out.mp4", "out.glb", "out.ply",
    "out.obj", "out", "out.xyz", "photo.png", "clip.json", "panohead.safetensors", "ganhead.safetensors",
    "i3dmm.safetensors", "discriminator.safetensors", "scans/scan.obj", "photos", "scans", "panohead-demo",
    "ganhead-demo", "owner/name", "white", "#zzz", "transparent", "hsl(0,0%,1e9%)", "=", "--", "-h", "\n", "\udcff",
    "jawOpen=0.7", "jawOpen=nan", "neck=0,30,0", "neck=1e9,nan,0", "all", "loop.images=1", "loop.batch=0",
    "loop.images=nan", "hair.style=afro", "x=y", "person.men=nan", "os:system", "json:loads", "x,-y,-z", "1/2", "0/0",
    "auto", "cuda", "16", "4096", "100000",
)  # fmt: skip
NUMBER_WORDS = (
    "nan",
    "inf",
    "-inf",
    "-1",
    "0",
    "1",
    "2",
    "3",
    "7",
    "16",
    "64",
    "360",
    "1000",
    "4096",
    "100000",
    "99999999999",
    "1e9",
    "0.5",
    "-0.5",
)
WORKERS = ("", "-1", "0", "1", "nan", "x", "1e9")  # each is a process of its own: a few must do


def command_line(rng: Random, options: dict[str, list[str]], valid: Path, folder: Path) -> Notes:
    """A command with small work to do, then one to three odd options or words."""
    shutil.copytree(valid / "commands", folder)
    command = rng.choice(sorted(options))
    known = [name for name in options[command] if name != "help"]
    words = [*command.split(), *GIVEN.get(command, ())]
    for name in known:
        if name in SMALL and rng.random() < 0.95:
            words += [f"--{name}", SMALL[name]]
    if "model" in known and rng.random() < 0.9:
        own = {"animate": "ganhead", "export": "ganhead", "fit-scan": "ganhead"}.get(command, "panohead")
        words += [
            "--model",
            f"{own if rng.random() < 0.8 else rng.choice(('panohead', 'ganhead', 'i3dmm', 'discriminator'))}.safetensors",
        ]
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        action = rng.random()
        if action < 0.8 and known:
            name = rng.choice(known)
            odd = WORKERS if name == "workers" else NUMBER_WORDS if rng.random() < 0.6 else OPTION_WORDS
            words += [f"--{name}", *(rng.choice(odd) for _ in range(rng.choice((1,) * 12 + (0, 2, 5))))]
        elif action < 0.9:
            words.insert(rng.randrange(len(words) + 1), rng.choice(OPTION_WORDS))
        elif action < 0.95:
            del words[rng.randrange(len(words))]
        else:
            at = rng.randrange(len(words))
            words[at] = rng.choice((words[at][:-1], words[at] * 2, words[at].upper()))
    (folder / "command.json").write_text(json.dumps(words))
    return [json.dumps(words)]


def write_input(rng: Random, kind: str, valid: Path, folder: Path) -> Notes:
    """Write an input of the kind to `folder`, which is made; returns what is wrong with it."""
    if kind == "command":
        return command_line(rng, json.loads((valid / kind / "options.json").read_text()), valid / kind, folder)
    notes = changed_folder(rng, kind, valid / kind, folder)
    if kind == "image" and rng.random() < 0.1:
        made_image(rng, folder, notes)
    return notes


def made_image(rng: Random, folder: Path, notes: Notes) -> None:
    """A picture of odd form: long and thin, with odd EXIF."""
    size = rng.choice(((1, 1), (1, 60_000), (65_000, 1), (3000, 2)))
    exif = Image.Exif()
    exif[0x0112] = rng.choice((0, 1, 3, 6, 8, 9, 99))
    for path in folder.glob("image.*"):
        path.rmdir() if path.is_dir() else path.unlink()
    Image.new("RGB", size).save(folder / "image.png", exif=exif)
    notes.append(f"made {size}, turned {exif[0x0112]}")
