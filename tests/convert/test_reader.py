import pickle
import random
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from assembler import Built, Call, Name, New, encode, persistent, storage, tensor, whole
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from snapshots import PLANE_AXES, EasyDict, Persistent, dumps, generator, ordered, recipe, snapshot

from fullhead.convert.reader import MAX_OPERATIONS, Module, read_snapshot, state_dict
from fullhead.core.errors import FullheadError

try:
    import resource
except ImportError:  # Windows
    resource = None

SHAPES = {
    "dataset_label_std": [25],
    "backbone.synthesis.b4.const": [4, 4, 4],
    "backbone.synthesis.b4.resample_filter": [4, 4],
    "backbone.synthesis.b4.conv1.weight": [4, 4, 3, 3],
    "backbone.synthesis.b4.conv1.noise_strength": [],
    "backbone.synthesis.b4.conv1.noise_const": [4, 4],
    "backbone.synthesis.b4.torgb.weight": [3, 4, 1, 1],
    "backbone.mapping.w_avg": [4],
    "decoder.net.0.weight": [6, 4],
    "decoder.net.2.bias": [5],
    "t_mapping.w_avg": [3],
}
KWARGS: dict[str, Any] = {"z_dim": 8, "sr_kwargs": {"channel_base": 4}, "rendering_kwargs": {"c_scale": 1, "reg_type": "l1"}}
TENSORS = {key: recipe(key, shape) for key, shape in SHAPES.items()}


def small_snapshot() -> dict[str, Any]:
    return snapshot(generator("panohead", KWARGS, TENSORS))


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], dict[str, Any]]:
    def read_bytes(data: bytes) -> dict[str, Any]:
        path = tmp_path / "snapshot.pkl"
        path.write_bytes(data)
        return read_snapshot(path)

    return read_bytes


def most_memory() -> float:
    """Bytes that this process has held at most; 0 where the system does not say."""
    if resource is None:
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.fixture(autouse=True)
def little_time_and_memory() -> Any:
    """Whatever the file says, reading it costs seconds and a few hundred MB."""
    began, before = time.monotonic(), most_memory()
    yield
    assert time.monotonic() - began < 60
    assert most_memory() - before < 600e6


# -- what is there comes back


@pytest.mark.parametrize("numpy1", [False, True])
@pytest.mark.parametrize("tables", [ordered, lambda module: module])
def test_every_tensor_comes_back_bit_for_bit_and_in_order(read, numpy1, tables):
    data = dumps(snapshot(tables(generator("panohead", KWARGS, TENSORS))), numpy1)
    assert (b"numpy._core.multiarray" in data) != numpy1
    G = read(data)["G_ema"]
    assert isinstance(G, Module) and G.class_name == "TriPlaneGenerator"
    found = state_dict(G)
    assert list(found) == list(TENSORS)
    for key, value in TENSORS.items():
        assert found[key].dtype == value.dtype and torch.equal(found[key], value), key


def test_attributes_and_arguments_are_plain_values(read):
    found = read(dumps(small_snapshot()))
    G = found["G_ema"]
    assert found["augment_pipe"] is None and found["G"] is None
    assert G.init_kwargs == KWARGS and type(G.init_kwargs["sr_kwargs"]) is dict and G.init_args == ()
    assert G.attributes["neural_rendering_resolution"] == 32
    assert G.attributes["rendering_kwargs"] == KWARGS["rendering_kwargs"]
    assert G.modules["backbone"].attributes["weight_gain"] == 0.25
    assert G.modules["renderer"].attributes["plane_axes"].tolist() == PLANE_AXES["panohead"]
    assert G.modules["ray_sampler"].class_name == "RaySampler"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.uint8])
def test_types_views_and_empty_tensors_survive(read, dtype):
    base = (torch.arange(24) * 7 % 11).to(dtype).reshape(4, 6)
    values = {"base": base, "view": base[1:, ::2], "turned": base.T, "empty": base[:0], "scalar": base[2, 3]}
    found = read(dumps({**values, "kept": EasyDict(a=1)}))
    assert found["kept"] == {"a": 1}
    for name, value in values.items():
        assert found[name].dtype == dtype and found[name].stride() == value.stride() and torch.equal(found[name], value), name
    found["base"][1, 0] = 9
    assert found["view"][0, 0] == 9  # one storage, as in the original


def test_protocols_that_python_has_written_by_default_are_read(read):
    for protocol in (4, 5):
        assert list(state_dict(read(dumps(small_snapshot(), protocol=protocol))["G_ema"])) == list(TENSORS)


def test_temporary_buffers_are_not_part_of_the_state_dict(read):
    module = Persistent("Layer")
    module.register_buffer("stays", torch.zeros(2))
    module.register_buffer("goes", torch.zeros(2), persistent=False)
    module.register_parameter("bias", None)
    assert list(state_dict(read(dumps(snapshot(module)))["G_ema"])) == ["stays"]


# -- nothing is executed


def test_source_text_in_the_file_is_not_executed(read, tmp_path):
    Persistent.module_src, before = f"open({str(tmp_path / 'trace')!r}, 'w').write('run')", Persistent.module_src
    try:
        data = dumps(small_snapshot())
    finally:
        Persistent.module_src = before
    assert b"'w').write('run')" in data
    read(data)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    "name",
    [
        *("os.system", "posix.system", "nt.system", "subprocess.Popen", "builtins.eval", "builtins.exec", "builtins.getattr"),
        *("builtins.set", "operator.attrgetter", "torch.load", "torch.hub.load", "numpy.load", "pickle.loads", "shutil.rmtree"),
        *("torch_utils.persistence.exec", "torch._utils.os.system", "collections.OrderedDict.fromkeys", "numpy.ndarray"),
        *("numpy.core.multiarray._reconstruct", "torch.FloatStorage", "fullhead.cli.main", "no_such_module.name", "."),
    ],
)
def test_names_outside_the_list_are_refused_in_words_and_not_imported(read, name):
    before = set(sys.modules)
    for value in (Name(name), Call(name, ("echo",)), New(name)):
        with pytest.raises(FullheadError, match="not executed") as refusal:
            read(whole(encode({"G_ema": value})))
        assert name in str(refusal.value) and "\n" not in str(refusal.value)
    assert set(sys.modules) == before


class Evil:
    def __reduce__(self) -> tuple:
        return eval, ("open('trace', 'w')",)


def test_a_real_exploit_deep_inside_a_real_snapshot_is_refused(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    value = small_snapshot()
    value["G_ema"]._modules["backbone"].__dict__["weight_gain"] = Evil()
    with pytest.raises(FullheadError, match=r"builtins\.eval"):
        read(dumps(value))
    assert not (tmp_path / "trace").exists()


FLOATS = Call("torch.storage._load_from_bytes", (storage(),))
HUGE = 10**12


@pytest.mark.parametrize(
    "value",
    [
        tensor(5),
        tensor(4, offset=1),
        tensor(2, stride=(4,)),
        tensor(HUGE, stride=(0,)),
        tensor(HUGE, HUGE, stride=(0, 0)),
        tensor(5, stride=(0,)),
        tensor(-1),
        tensor(4, stride=(-1,)),
        tensor(4, offset=-1),
        tensor(4, offset=1.5),
        tensor(1 << 61, 1 << 61, 0, stride=(1, 1, 1)),
        tensor(0, offset=5),
        tensor(4, offset=True),
        tensor(4, offset="0"),
        tensor(4, stride=(1, 1)),
        tensor(*[1] * 9, stride=(1,) * 9),
        tensor(4, hooks={"a": 1}),
        tensor(4, hooks=None, data="text"),
        Call("torch._utils._rebuild_tensor_v2", ()),
        Call("torch._utils._rebuild_tensor_v2", (tensor(4), 0, (4,), (1,), False, {})),
        Call("torch._utils._rebuild_tensor_v2", (FLOATS, 0, 4, 1, False, {})),
        Call("torch._utils._rebuild_parameter", (FLOATS, False, {})),
        Call("torch._utils._rebuild_parameter", ({"a": 1}, False, {})),
        Call("collections.OrderedDict", ([("a", 1)],)),
        Call("collections.OrderedDict", (Name("collections.OrderedDict"),)),
        Call("numpy.dtype", ("O", False, True)),
        Call("numpy.dtype", ("V1000000000000",)),
        Call("numpy.dtype", ("f8,(1000000,1000000)i8",)),
        Call("numpy.dtype", ({"names": ["a"], "formats": ["O"]},)),
        Call("numpy.dtype", ()),
        Call("numpy.core.multiarray.scalar", (Call("numpy.dtype", ("f8",)), b"\0" * 7)),
        Call("numpy.core.multiarray.scalar", (Call("numpy.dtype", ("f8",)), "12345678")),
        Call("numpy._core.multiarray.scalar", (Name("numpy.dtype"), b"\0" * 8)),
        Built(Call("numpy.dtype", ("f8",)), (3, ">", None)),
        Built(Call("numpy.dtype", ("f8",)), tensor(4)),
        Built([1], {"a": 1}),
        Built(tensor(4), {"a": 1}),
        Built({}, tensor(4)),
        Built(New("dnnlib.util.EasyDict"), ("a",)),
        Built(New("torch.nn.modules.container.Sequential"), tensor(4)),
        Built(persistent({"a": 1}), {"b": 2}),
        Call("dnnlib.util.EasyDict", ()),
        Call("torch.nn.modules.container.Sequential", (Name("collections.OrderedDict"),)),
        persistent([]),
        persistent({}, class_name="a.b"),
        persistent({}, class_name="__import__('os')"),
        persistent({}, class_name=7),
        persistent({}, class_name="x" * 10_000),
        persistent({}, kind="function"),
        Call("torch_utils.persistence._reconstruct_persistent_obj", ("meta",)),
        Call("torch_utils.persistence._reconstruct_persistent_obj", ({},)),
        {(1, 2): 3},
        {1.5: 3},
        {HUGE: 3},
        {None: 3},
        1 << 200,
    ],
)
def test_names_on_the_list_with_arguments_no_snapshot_has_are_refused(read, value):
    with pytest.raises(FullheadError, match="not executed"):
        read(whole(encode({"G_ema": value})))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 100,
        storage()[:-1],
        storage() + b"\0",
        storage(count=struct.pack("<q", HUGE)),
        storage(numel=HUGE),
        storage(numel=-1),
        storage(magic=encode(1)),
        storage(protocol=encode(1002)),
        storage(system=encode({"little_endian": False})),
        storage(system=encode([])),
        storage(key_list=["0", "1"]),
        storage(tuple=("storage", Name("torch.FloatStorage"), "0", "cpu", 4)),
        storage(tuple=("storage", Name("torch.DoubleStorage"), "0", "cpu", 4, None)),
        storage(tuple=("storage", Name("os.system"), "0", "cpu", 4, None)),
        storage(tuple=("storage", Name("torch.storage._load_from_bytes"), "0", "cpu", 4, None)),
        storage(tuple=("storage", "torch.FloatStorage", "0", "cpu", 4, None)),
        storage(tuple=("storage", Name("torch.FloatStorage"), "0", "cpu", 4, ("view", 0, 4))),
        storage(tuple=("module", Name("torch.FloatStorage"), "0", "cpu", 4, None)),
        storage(description=encode(("storage", Name("torch.FloatStorage"), "0", "cpu", 4, None))),
        storage(system=encode(Call("os.system", ("echo",)))),
        storage(system=encode(Call("torch.FloatStorage", (4,)))),
        storage(system=encode(New("torch.FloatStorage"))),
        storage(system=encode(Built({}, {}))),
        storage(system=b"N0" * 1000 + b"}"),
    ],
)
def test_storages_that_torch_never_wrote_are_refused(read, data):
    with pytest.raises(FullheadError, match="not executed"):
        read(whole(encode({"G_ema": tensor(4, data=data)})))


@pytest.mark.parametrize(
    "operations",
    [
        b"\x82\x01",  # EXT1
        b"\x83\x01\x00",  # EXT2
        b"\x84\x01\x00\x00\x00",  # EXT4
        b"Pid\n",  # PERSID
        b"NQ",  # BINPERSID
        b"\x96" + struct.pack("<Q", 1 << 60),  # BYTEARRAY8
        b"\x97",  # NEXT_BUFFER
        b"N\x98",  # READONLY_BUFFER
        b"(ios\nsystem\n",  # INST
        b"(cos\nsystem\no",  # OBJ
        b"ccollections\nOrderedDict\n)}\x92",  # NEWOBJ_EX
        b"N2",  # DUP
        b"I1\n",  # INT
        b"L1L\n",  # LONG
        b"S'a'\n",  # STRING
        b"V\\u0041\n",  # UNICODE
        b"(l",  # LIST
        b"(\x91",  # FROZENSET
        b"\xff",  # no operation at all
        b"h\x07",  # BINGET of nothing
        b"j\xff\xff\xff\xff",  # LONG_BINGET of nothing
        b"0",  # POP of nothing
        b"1",  # POP_MARK without a mark
        b"R",  # REDUCE of nothing
        b"NNR",
        b"NN\x93",
        b"Na",  # APPEND to nothing
        b"NNa",
        b"NNNs",
        b"](NNu",
        b"}(Nu",
        b"}(Ne",
        b"\x8f(]\x90",
        b"NNb",
        b"b",
        b"\x8a\xff" + b"\x01" * 255,  # a number of 2040 bits
        b"X\xff\xff\xff\xff",  # 4 GB of text
        b"X\x03\x00\x00\x00\xed\xa0\x80",  # half a character
        b"B\xff\xff\xff\xff",  # 4 GB of bytes
        b"\x8e" + struct.pack("<Q", 1 << 62),  # BINBYTES8
        b"\x8d" + struct.pack("<Q", (1 << 64) - 1),  # BINUNICODE8
        b"\x95" + struct.pack("<Q", 1 << 62),  # FRAME
        b"(" * 1000,
        b"c" + b"a" * 100_000,
    ],
)
def test_operations_outside_the_language_of_snapshots_are_refused(read, operations):
    with pytest.raises(FullheadError, match="not executed"):
        read(whole(operations))


def test_a_value_that_is_no_dict_or_has_bytes_after_it_is_refused(read):
    with pytest.raises(FullheadError, match="list"):
        read(whole(encode([1])))
    with pytest.raises(FullheadError, match="3 bytes after its end"):
        read(whole(encode({})) + b"abc")


# -- bombs


def test_repeated_references_do_not_multiply(read):
    # Ten references to what stands before, two hundred times: 10^200 things in a few kilobytes.
    laughs = b"]\x940" + b"".join(b"](" + (b"h" + bytes([i])) * 10 + b"e\x940" for i in range(200))
    found = read(whole(laughs, b"}", encode("a"), b"h\xc8s"))
    assert len(found["a"]) == 10
    one = encode(tensor(4)) + b"\x94"
    found = read(whole(b"}X\x01\x00\x00\x00a(", one, b"h\x00" * 100_000, b"ts"))
    assert len({view.data_ptr() for view in found["a"]}) == 1


def test_a_module_that_holds_itself_or_too_many_is_refused(read):
    endless = encode(Name("torch.nn.modules.container.Sequential")) + b")\x81\x94" + b"}(" + encode("_modules") + b"}("
    endless += encode("a") + b"h\x00uub"
    with pytest.raises(FullheadError, match="nested over 32 deep"):
        state_dict(read(whole(b"}", encode("G_ema"), endless, b"s"))["G_ema"])
    many: Any = persistent({"_modules": {}})
    doubled = encode(many) + b"\x94"
    for i in range(25):
        pair = b"(" + encode("a") + b"h" + bytes([i]) + encode("b") + b"h" + bytes([i]) + b"u"
        module = encode(Name("torch.nn.modules.container.Sequential")) + b")\x81}(" + encode("_modules") + b"}" + pair + b"ub"
        doubled += module + b"\x94"
    with pytest.raises(FullheadError, match="over 20000 entries"):
        state_dict(read(whole(b"}", encode("G_ema"), doubled.replace(b"\x94", b"\x940", 25), b"s"))["G_ema"])


def test_more_operations_than_any_snapshot_has_are_refused(read):
    for step in (b"N", b"\x8f", b"(", b"N\x94", b"\x95" + b"\0" * 8):
        with pytest.raises(FullheadError, match="operations"):
            read(whole(step * (MAX_OPERATIONS + 1)))


def test_copying_one_state_many_times_is_refused(read):
    state = b"}(" + b"".join(encode(f"{i}") + b"N" for i in range(20_000)) + b"u\x94"
    new = encode(Name("dnnlib.util.EasyDict")) + b")\x81h\x00b"
    with pytest.raises(FullheadError, match="operations"):
        read(whole(state, new * 100_000))


def test_deeply_nested_values_do_not_overflow_the_stack(read):
    for nest in (b"N" + b"\x85" * 100_000, b"]" * 100_000 + b"a" * 99_999):
        found = read(whole(b"}", encode("a"), nest, b"s"))
        assert len(found["a"]) == 1
        del found
    with pytest.raises(FullheadError, match="key"):
        read(whole(b"}", b"N" + b"\x85" * 100_000, b"Ns"))


# -- damage


def test_a_snapshot_cut_short_anywhere_is_refused(read):
    data = dumps(small_snapshot())
    cuts = {*range(64), *range(len(data) - 64, len(data)), *random.Random(0).sample(range(len(data)), 300)}
    for cut in sorted(cuts):
        with pytest.raises(FullheadError):
            read(data[:cut])


SMALL = dumps(small_snapshot())


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(changes=st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes_give_another_value_or_a_refusal_and_nothing_else(read, changes):
    data = bytearray(SMALL)
    for position, byte in changes:
        data[position] = byte
    try:
        for value in read(bytes(data)).values():
            if isinstance(value, Module):
                state_dict(value), value.init_args, value.init_kwargs, value.attributes
    except FullheadError as refusal:
        assert "\n" not in str(refusal) and len(str(refusal)) < 2000


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(noise=st.binary(max_size=200))
def test_noise_is_refused_or_harmless(read, noise):
    try:
        read(b"\x80\x04" + noise)
    except FullheadError:
        return


# -- not a snapshot


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"PK\x03\x04 a zip", "zip"),
        (struct.pack("<Q", 20) + b'{"a": 1}', "safetensors"),
        (b"\x89PNG\r\n\x1a\n", "image"),
        (b"<!DOCTYPE html>", "text"),
        (pickle.dumps({"a": 1}, protocol=0), "text"),
        (b"\x80\x09", "something else"),
        (bytes(range(256)), "something else"),
    ],
)
def test_other_files_are_refused_by_what_they_are(read, data, words):
    with pytest.raises(FullheadError, match=words):
        read(data)


def test_a_missing_file_or_a_folder_is_refused(tmp_path):
    with pytest.raises(FullheadError, match="no snapshot at"):
        read_snapshot(tmp_path / "absent.pkl")
    with pytest.raises(FullheadError, match="folder"):
        read_snapshot(tmp_path)


@pytest.mark.parametrize(
    "state",
    [
        {"_parameters": 7},
        {"_parameters": {"a": 7}},
        {"_parameters": {"a.b": tensor(4)}},
        {"_parameters": {"": tensor(4)}},
        {"_parameters": {3: tensor(4)}},
        {"_parameters": {"a" * 300: tensor(4)}},
        {"_buffers": {"a": persistent({})}},
        {"_modules": {"a": tensor(4)}},
        {"_non_persistent_buffers_set": tensor(4)},
        {"_parameters": {"a": tensor(4)}, "_buffers": {"a": tensor(4)}},
    ],
)
def test_impossible_modules_have_no_state_dict(read, state):
    module = read(whole(encode({"G_ema": persistent(state)})))["G_ema"]
    with pytest.raises(FullheadError, match="damaged snapshot"):
        state_dict(module)
