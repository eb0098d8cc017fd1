"""FLAME: the published layer's numbers on a rig of FLAME's shape, and its file in all its forms.

golden/flame.safetensors: a synthetic rig of 402 vertices (nothing of FLAME's), 100 of its shape and 50 of its expression
components, and what GANHead's FLAME layer and server computed with it (units of 1/6 metre, moved along z).
"""

import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import scipy.sparse
import torch
from safetensors.numpy import load_file, save_file

from fullhead.core.errors import FullheadError
from fullhead.core.rotations import matrix_from_axis_angle
from fullhead.rig.flame import load_flame
from fullhead.rig.rig import Rig

GOLDEN = load_file(Path(__file__).parent / "golden" / "flame.safetensors")
FACTOR = 6.0


def arrays() -> dict[str, np.ndarray]:
    """As in FLAME's own file: the components that the golden rig lacks are zero."""
    found = {name: value for name, value in GOLDEN.items() if "." not in name}
    basis = np.zeros((402, 3, 400))
    basis[..., :100], basis[..., 300:350] = found["shapedirs"][..., :100], found["shapedirs"][..., 100:]
    return {**found, "shapedirs": basis, "f": found["f"].astype(np.uint32)}


@pytest.fixture(scope="module")
def npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("flame") / "flame.npz"
    np.savez(path, **arrays())  # type: ignore[arg-type]
    return path


@pytest.fixture(scope="module")
def rig(npz: Path) -> Rig:
    """In GANHead's frame."""
    return load_flame(npz).truncated(100, 50).placed(FACTOR, (0.0, 0.0, float(GOLDEN["forward.t_z"][0])))


def golden(name: str) -> torch.Tensor:
    return torch.from_numpy(GOLDEN[name])


def test_heads_are_those_of_the_published_layer(rig: Rig) -> None:
    joint_pose = golden("forward.pose").unflatten(1, (5, 3))
    posed = rig(golden("forward.shape"), golden("forward.exp"), joint_pose)
    torch.testing.assert_close(posed.vertices, golden("forward.vertices"), atol=1e-4, rtol=0)
    torch.testing.assert_close(posed.joints, golden("forward.joints"), atol=1e-4, rtol=0)
    torch.testing.assert_close(posed.transforms, golden("forward.A"), atol=1e-4, rtol=0)
    features = rig.pose_features(matrix_from_axis_angle(joint_pose))
    torch.testing.assert_close(features, golden("forward.pose_feature"), atol=1e-5, rtol=0)


def test_placed_heads_are_those_of_the_published_server(rig: Rig) -> None:
    scale, translation, pose, shape, expression = golden("server.params").split([1, 3, 15, 100, 50], dim=1)
    posed = rig(shape, expression, pose.unflatten(1, (5, 3))).placed(scale[:, 0], translation)
    torch.testing.assert_close(posed.vertices, golden("server.verts"), atol=1e-4, rtol=0)
    torch.testing.assert_close(posed.joints, golden("server.jnts"), atol=1e-4, rtol=0)
    torch.testing.assert_close(posed.transforms, golden("server.tfs"), atol=1e-4, rtol=0)
    open_jaw = torch.zeros(1, 5, 3)
    open_jaw[0, 2, 0] = 0.2
    canonical = rig(shape, joint_pose=open_jaw)
    torch.testing.assert_close(canonical.vertices, golden("server.verts_cano"), atol=1e-4, rtol=0)
    torch.testing.assert_close(canonical.transforms, golden("server.tfs_cano"), atol=1e-4, rtol=0)


def test_the_rig_has_flame_s_sizes_names_and_unit(npz: Path) -> None:
    rig = load_flame(npz)
    assert (len(rig.shape_names), len(rig.expression_names), len(rig.joint_names)) == (300, 100, 5)
    assert rig.parents == (-1, 0, 1, 1, 1) and rig.metres == 1.0
    assert len(rig.pose_basis) == 36


class Python2:
    """The operations by which Python 2 pickled values, protocol 2."""

    def __call__(self, value: Any) -> bytes:
        match value:
            case str() | bytes():
                data = value.encode() if isinstance(value, str) else value
                return b"U" + bytes([len(data)]) + data if len(data) < 256 else b"T" + struct.pack("<i", len(data)) + data
            case None:
                return b"N"
            case bool():
                return b"\x88" if value else b"\x89"
            case int():
                return b"J" + struct.pack("<i", value)
            case tuple():
                return b"(" + b"".join(map(self, value)) + b"t"
            case dict():
                return b"}(" + b"".join(self(key) + self(item) for key, item in value.items()) + b"u"
            case np.ndarray():
                dtype = self.name("numpy.dtype") + self((value.dtype.str[1:], 0, 1)) + b"R"
                dtype += self((3, "<", None, None, None, -1, -1, 0)) + b"b"
                start = self.name("numpy.core.multiarray._reconstruct") + b"(" + self.name("numpy.ndarray") + self((0,))
                state = b"(" + self(1) + self(value.shape) + dtype + self(False) + self(value.tobytes()) + b"t"
                return start + self("b") + b"tR" + state + b"b"
        raise TypeError(type(value))

    def name(self, full: str) -> bytes:
        module, _, name = full.rpartition(".")
        return f"c{module}\n{name}\n".encode()

    def object(self, kind: str, state: dict[str, Any]) -> bytes:
        return self.name(kind) + b")\x81" + self(state) + b"b"

    def reconstructed(self, kind: str, state: dict[str, Any]) -> bytes:
        new = self.name("copy_reg._reconstructor") + b"(" + self.name(kind) + self.name("__builtin__.object") + b"NtR"
        return new + self(state) + b"b"


PY2 = Python2()


def sparse(matrix: np.ndarray) -> dict[str, Any]:
    """The state of a scipy matrix in compressed columns."""
    columns, rows = np.nonzero(matrix.T)
    starts = np.searchsorted(columns, np.arange(matrix.shape[1] + 1)).astype(np.int32)
    data = matrix[rows, columns]
    return {"_shape": matrix.shape, "maxprint": 50, "data": data, "indices": rows.astype(np.int32), "indptr": starts}


def flame_pickle(changes: dict[str, bytes] | None = None) -> bytes:
    """A file as FLAME's own: values in chumpy objects, a sparse regressor, entries that nobody needs."""
    found = arrays()
    chumpy = {"x": None, "_dirty_vars": {}, "_itr": None}
    items = {name: PY2(value) for name, value in found.items()}
    for name in ("v_template", "shapedirs", "posedirs"):
        items[name] = PY2.object("chumpy.ch.Ch", {**chumpy, "x": found[name]})
    items["weights"] = PY2.reconstructed("chumpy.ch.Ch", {**chumpy, "x": found["weights"]})
    items["J_regressor"] = PY2.object("scipy.sparse.csc.csc_matrix", sparse(found["J_regressor"]))
    items["bs_style"] = PY2("lbs")
    items["cache"] = PY2.object("chumpy.reordering.Select", {"a": 1})
    items |= changes or {}
    return b"\x80\x02}(" + b"".join(PY2(name) + value for name, value in items.items()) + b"u."


def same(a: Rig, b: Rig) -> None:
    for name in ("template", "shape_basis", "expression_basis", "pose_basis", "skin_weights", "rest_joints", "faces"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name), atol=1e-6, rtol=1e-5)
    assert a.parents == b.parents


def test_a_pickle_of_python_2_with_chumpy_and_scipy_reads_without_them(npz: Path, tmp_path: Path) -> None:
    (tmp_path / "generic_model.pkl").write_bytes(flame_pickle())
    same(load_flame(tmp_path / "generic_model.pkl"), load_flame(npz))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", ["csc_matrix", "csr_matrix", "coo_matrix", "csr_array"])
def test_a_pickle_that_others_saved_again_reads_too(npz: Path, tmp_path: Path, protocol: int, kind: str) -> None:
    found = arrays()
    found["J_regressor"], found["v_template"] = (
        getattr(scipy.sparse, kind)(found["J_regressor"]),
        np.asfortranarray(found["v_template"]),
    )
    (tmp_path / "FLAME.PKL").write_bytes(pickle.dumps(found | {"bs_style": "lbs"}, protocol))
    same(load_flame(tmp_path / "FLAME.PKL"), load_flame(npz))


def test_safetensors_read_too(npz: Path, tmp_path: Path) -> None:
    save_file({name: np.ascontiguousarray(value) for name, value in arrays().items()}, tmp_path / "flame.safetensors")
    same(load_flame(tmp_path / "flame.safetensors"), load_flame(npz))


def test_nothing_in_a_pickle_is_executed(tmp_path: Path) -> None:
    trap = PY2.name("os.mkdir") + PY2((str(tmp_path / "made"),)) + b"R"
    (tmp_path / "flame.pkl").write_bytes(flame_pickle({"bs_type": trap}))
    load_flame(tmp_path / "flame.pkl")
    (tmp_path / "trap.pkl").write_bytes(flame_pickle({"weights": trap}))
    with pytest.raises(FullheadError, match="has no array weights"):
        load_flame(tmp_path / "trap.pkl")
    assert not (tmp_path / "made").exists()


def damaged(change: Callable[[dict[str, np.ndarray]], Any]) -> dict[str, np.ndarray]:
    found = arrays()
    change(found)
    return found


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (damaged(lambda a: a.pop("posedirs")), "has no array posedirs"),
        (damaged(lambda a: a.update(weights=a["weights"][:, :4])), r"weights of shape \[402, 4\], not \[402, 5\]"),
        (damaged(lambda a: a.update(f=a["f"] + 1)), "faces that name vertices beyond its 402"),
        (damaged(lambda a: a.update(shapedirs=a["shapedirs"][..., :300])), "300 shape components, not 300 and those"),
        (damaged(lambda a: a.update(weights=a["weights"] * np.nan)), "numbers in weights that are far too large or no numbers"),
        (damaged(lambda a: a.pop("kintree_table")), "no kintree_table"),
        (damaged(lambda a: a.update(kintree_table=a["kintree_table"] + 3)), "parents do not stand before them"),
    ],
    ids=["missing", "weights", "faces", "basis", "not finite", "no parents", "parents"],
)
def test_files_that_are_not_flame_s_are_refused_in_words(found: dict[str, np.ndarray], reason: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "flame.npz", **found)  # type: ignore[arg-type]
    with pytest.raises(FullheadError, match=reason):
        load_flame(tmp_path / "flame.npz")


@pytest.mark.parametrize("many", [10**5, 10**12], ids=["more than it holds", "more than there is"])
def test_an_array_that_says_it_is_larger_than_it_is_takes_no_memory(many: int, tmp_path: Path) -> None:
    np.savez(tmp_path / "true.npz", **arrays())  # type: ignore[arg-type]
    with ZipFile(tmp_path / "true.npz") as true, ZipFile(tmp_path / "flame.npz", "w") as written:
        for name in true.namelist():
            data = true.read(name)
            if name == "v_template.npy":
                data = data.replace(b"(402, 3), ", f"({many}, 3), ".encode()).replace(
                    b" " * (len(str(many)) - 3) + b"\n", b"\n"
                )
            written.writestr(name, data)
    with pytest.raises(FullheadError, match=rf"says that 'v_template.npy' has the shape \[{many}, 3\]"):
        load_flame(tmp_path / "flame.npz")


def test_damaged_and_foreign_files_are_refused_in_words(npz: Path, tmp_path: Path) -> None:
    whole = flame_pickle()
    cases = {
        "cut.pkl": (whole[: len(whole) // 2], "damaged or cut short"),
        "other.pkl": (b"\x80\x02]q\x01.", "has a list as its content"),
        "objects.npz": (b"not a zip", "cannot be read"),
        "cut.npz": (npz.read_bytes()[:-500], "cannot be read"),
        "text.safetensors": (b"hello", "cannot be read"),
        "flame.obj": (b"v 0 0 0", "ends in .pkl, .npz or .safetensors"),
    }
    for name, (data, reason) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(FullheadError, match=reason):
            load_flame(tmp_path / name)
    with pytest.raises(FullheadError, match="no FLAME file at"):
        load_flame(tmp_path / "absent.pkl")


def test_an_array_without_axes_is_refused(tmp_path: Path) -> None:
    names = ("v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")
    np.savez(tmp_path / "flame.npz", **{name: np.float64(0) for name in names})
    with pytest.raises(FullheadError, match=r"v_template of shape \[\]"):
        load_flame(tmp_path / "flame.npz")


def test_arrays_whose_sizes_do_not_fit_are_refused(tmp_path: Path) -> None:
    long = PY2(np.zeros(3)).replace(struct.pack("<i", 3), struct.pack("<i", 4))
    columns = PY2.object("scipy.sparse.csc.csc_matrix", sparse(np.eye(5)) | {"indices": np.full(5, 9)})
    for value, reason in ((long, "shape .4. in 24 bytes"), (columns, "sparse matrix whose parts do not fit")):
        (tmp_path / "flame.pkl").write_bytes(flame_pickle({"v_template": value}))
        with pytest.raises(FullheadError, match=reason):
            load_flame(tmp_path / "flame.pkl")
