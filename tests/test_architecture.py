"""The layout of the package: who may import whom, what sources never do, and what importing does not do."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import pytest

from fullhead.families.table import FAMILIES

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "fullhead"

# A folder imports only folders of lower floors, and itself.
FLOORS = {
    "core": 0,
    "io": 1,
    "kernels": 1,
    "nn": 2,
    "rig": 2,
    "representations": 3,
    "synth": 3,
    "models": 4,
    "convert": 5,
    "eyes": 5,
    "data": 6,
    "metrics": 7,
    "training": 8,
    "viewing": 9,
    "export": 9,
    "fitting": 10,
    "families": 11,
    "commands": 12,
    "cli": 13,
    "__main__": 14,
}
SYNTH_ROOMS = ("people", "anatomy", "hair", "clothing", "rendering", "datasets")  # each imports only itself and those before
NOT_FAMILIES = {"__init__", "checkpoint", "head", "hub", "presets"}  # the other files in models/ and training/
NOT_FAMILIES |= {"distributed", "encoder", "gan", "loop", "run", "schedules"}

FILES = sorted(SOURCE.rglob("*.py"))
names = [path.relative_to(SOURCE).as_posix() for path in FILES]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> set[str]:
    """The fullhead modules a file imports, anywhere in it, as dotted names below fullhead."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name.removeprefix("fullhead.") for name in found if name.startswith("fullhead.")}


@pytest.mark.parametrize("path", FILES, ids=names)
def test_imports_go_strictly_downwards(path: Path):
    here = path.relative_to(SOURCE).with_suffix("").parts[0]
    if here == "__init__":
        return  # the public names of all floors
    assert here in FLOORS, f"say in FLOORS on which floor {here} stands"
    for module in imports(path):
        there = module.split(".")[0]
        assert there == here or FLOORS[there] < FLOORS[here], f"{here} (floor {FLOORS[here]}) imports {module}"


@pytest.mark.parametrize("room", SYNTH_ROOMS)
def test_rooms_of_synth_import_only_those_before_them(room: str):
    assert ast.get_docstring(tree(SOURCE / "synth" / room / "__init__.py")), f"say in synth/{room}/__init__.py what it holds"
    allowed = SYNTH_ROOMS[: SYNTH_ROOMS.index(room) + 1]
    for path in (SOURCE / "synth" / room).glob("*.py"):
        for module in imports(path):
            assert not module.startswith("synth.") or module.split(".")[1] in allowed, f"{path.name} imports {module}"


@pytest.mark.parametrize("folder", ["models", "training"])
def test_families_never_import_each_other(folder: str):
    families = {p.stem for p in (SOURCE / folder).glob("*.py")} - NOT_FAMILIES
    assert families
    for family in families:
        others = {f"{folder}.{name}" for name in families - {family}}
        assert not imports(SOURCE / folder / f"{family}.py") & others


def family_words() -> tuple[set[str], set[str]]:
    """Names of classes that belong to one family, and strings that name a family."""
    classes, words = set(), set(FAMILIES)
    for family in FAMILIES.values():
        parts = family.parts()
        runs, options = map(type, parts.runs.values()), [family.options] if family.options else []
        head = get_type_hints(parts.model.decode)["return"]  # type: ignore[attr-defined]
        kinds = {parts.model, parts.latents, parts.model.config_class, head, *runs, *options}
        classes |= {kind.__name__ for kind in kinds}
        words |= {family.title, parts.model.__name__}
    return classes, words


def questions_of_family(code: ast.Module) -> Iterator[str]:
    """Where code asks which family something is of: by a class, or by a family's name."""
    classes, words = family_words()

    def mentions(node: ast.AST, known: set[str]) -> bool:
        names = (getattr(n, "id", None) or getattr(n, "attr", None) for n in ast.walk(node))
        return not known.isdisjoint(names)

    def contains_call(node: ast.AST) -> bool:
        return any(isinstance(n, ast.Call) for n in ast.walk(node))

    for node in ast.walk(code):  # other names for the classes: `import Codes as Mine`, `Both = GANHead | I3DMM`
        if isinstance(node, ast.ImportFrom):
            classes |= {alias.asname for alias in node.names if alias.asname and alias.name in classes}
        elif isinstance(node, ast.Assign) and mentions(node.value, classes) and not contains_call(node.value):
            classes |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    for node in ast.walk(code):
        asked = False
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"isinstance", "issubclass"}:
            asked = mentions(node.args[1], classes)
        elif isinstance(node, ast.MatchClass):
            asked = mentions(node.cls, classes)
        elif isinstance(node, ast.Compare | ast.MatchValue):
            named = any(isinstance(n, ast.Constant) and n.value in words for n in ast.walk(node))
            asked = named or (isinstance(node, ast.Compare) and mentions(node, classes))
        if asked:
            yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", FILES, ids=names)
def test_only_the_table_knows_which_families_there_are(path: Path):
    if path != SOURCE / "families" / "table.py":
        assert not list(questions_of_family(tree(path)))


@pytest.mark.parametrize(
    "code",
    [
        "isinstance(model, GANHead)",
        "isinstance(head, (str, i3dmm.I3DMMCodes))",
        "isinstance(head, PanoHead | I3DMM)",
        "isinstance(run, GANHeadRun)",
        "issubclass(kind, PanoHeadConfig)",
        "type(head) is DecodedGANHead",
        "opened.family == 'ganhead'",
        "family in ('panohead', 'other')",
        "type(model).__name__ == 'I3DMM'",
        "match model:\n    case I3DMMHead():\n        pass",
        "match family:\n    case 'i3dmm' | 'other':\n        pass",
        "from fullhead.models.i3dmm import I3DMMCodes as Mine\nisinstance(codes, Mine)",
        "Both = GANHead | I3DMM\nisinstance(model, Both)",
    ],
)
def test_a_question_of_family_is_caught(code: str):
    assert len(list(questions_of_family(ast.parse(code)))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "isinstance(model, HasSurface)",
        "model = GANHead(config)",
        "family in FAMILIES",
        "FAMILIES[opened.family].title",
        "name == 'panohead-demo'",
        "def f(model: PanoHead) -> Codes: return model.codes",
    ],
)
def test_a_capability_a_look_in_the_table_and_a_family_s_own_code_are_no_question_of_family(code: str):
    assert not list(questions_of_family(ast.parse(code)))


def loaded_at_once(path: Path) -> set[str]:
    """The fullhead modules that importing a file loads before it is done: those of its top level, not those for types alone."""
    body = tree(path).body
    found = [node for node in body if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fullhead.")]
    return {name for node in found for name in (node.module or "", *(f"{node.module}.{a.name}" for a in node.names))}


def test_there_is_no_circle_of_imports():
    modules = {".".join(["fullhead", *path.relative_to(SOURCE).with_suffix("").parts]): path for path in FILES}
    needs = {name: loaded_at_once(path) & set(modules) - {name} for name, path in modules.items()}
    while free := {name for name, wanted in needs.items() if not wanted & set(needs)}:
        needs = {name: wanted for name, wanted in needs.items() if name not in free}
    assert not needs, f"these import each other: {sorted(needs)}"


def name_of(call: ast.Call) -> str:
    """Dotted name of what is called: torch.load, eval, ..."""
    return ast.unparse(call.func)


@pytest.mark.parametrize("path", FILES, ids=names)
def test_sources_execute_no_data_and_hide_no_errors(path: Path):
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for module in modules:
                assert module.split(".")[0] not in {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}, module
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: a bare except"
        if isinstance(node, ast.Call):
            name = name_of(node)
            given = {k.arg: ast.unparse(k.value) for k in node.keywords}
            assert name not in {"exec", "eval", "compile", "__import__", "os.system"}, f"line {node.lineno}: {name}"
            if name.endswith("load_state_dict"):
                assert given.get("strict", "True") == "True", f"line {node.lineno}: state dicts are loaded strictly"
            if name == "torch.load":
                assert given.get("weights_only") == "True", f"line {node.lineno}: torch.load without weights_only=True"
            if name in {"np.load", "numpy.load"}:
                assert given.get("allow_pickle", "False") == "False", f"line {node.lineno}: np.load with pickles"


def python(code: str, cwd: Path) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_prints_nothing_and_touches_nothing(tmp_path: Path):
    code = """
import os, threading
environment = dict(os.environ)
import fullhead
assert dict(os.environ) == environment, "the environment changed"
assert threading.active_count() == 1, "a thread was started"
"""
    assert python(code, tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("module", ["fullhead", "fullhead.cli"])
def test_the_command_line_is_imported_without_torch(module: str, tmp_path: Path):
    code = f"import sys, {module}; print([m for m in ('torch', 'numba', 'scipy', 'skimage') if m in sys.modules])"
    assert python(code, tmp_path) == "[]\n"


def test_every_public_name_is_there(tmp_path: Path):
    code = """
import fullhead
names = {name: getattr(fullhead, name) for name in fullhead.__all__}
assert all(getattr(fullhead, name) is value for name, value in names.items()), "a module of the same name hides it"
print(len(names))
"""
    assert 5 <= int(python(code, tmp_path)) <= 40


def test_sources_read_nothing_outside_the_project():
    """No path of one machine, in the sources, the tests or the tools."""
    words = ["/" + "work" + "/", "/" + "tmp" + "/", "/" + "home" + "/", ".." + "/shared"]
    for folder in ("src", "tests", "tools", "benchmarks", "docs", "examples"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".md", ".toml", ".json", ".yml"} and "node_modules" not in path.parts:
                text = path.read_text(encoding="utf-8")
                assert not [word for word in words if word in text], path


def test_the_table_of_equations_is_fresh():
    done = subprocess.run(
        [sys.executable, "tools/equations.py", "--check"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
