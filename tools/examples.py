"""Makes a page of the docs of each file in examples/: its docstring, its picture and its code. Run after editing one:

python tools/examples.py             writes docs/examples/
python tools/examples.py --pictures  runs the examples first, and takes their pictures (some minutes)
python tools/examples.py --check     exits with 1 if a page is stale
"""

from __future__ import annotations

import argparse
import ast
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES, PAGES, PICTURES = ROOT / "examples", ROOT / "docs" / "examples", ROOT / "docs" / "img" / "examples"
NAMES = ("smile", "seeds", "photo", "speak", "mesh", "rigged", "training_set", "train")  # in this order


def picture(name: str, folder: Path) -> Path:
    """The picture of an example: NAME.jpg or NAME.webp."""
    found = sorted(path for path in folder.glob(f"{name}.*") if path.suffix in (".jpg", ".webp"))
    if len(found) != 1:
        sys.exit(f"{folder} should hold one picture {name}.jpg or {name}.webp: run python tools/examples.py --pictures")
    return found[0]


def parts(name: str) -> tuple[str, str, str]:
    """Title, text and code of an example."""
    source = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    tree = ast.parse(source)
    title, _, text = (ast.get_docstring(tree) or "").partition("\n")
    code = "\n".join(source.splitlines()[tree.body[0].end_lineno :])
    return title.rstrip("."), text.strip(), code.strip()


def image(name: str) -> str:
    return f"![{parts(name)[0]}](../img/examples/{picture(name, PICTURES).name})"


def page(name: str) -> str:
    """docs/examples/NAME.md as text."""
    title, text, code = parts(name)
    run = f"```sh\npython examples/{name}.py  # writes into out/examples/{name}\n```"
    return "\n\n".join([f"# {title}", text, image(name), run, f"```python\n{code}\n```"]) + "\n"


def overview() -> str:
    """docs/examples/index.md as text."""
    lines = [
        "# Examples",
        "Short programs, each with one idea. They are in the folder `examples/` of the repository.",
    ]
    for name in NAMES:
        lines += [f"## [{parts(name)[0]}]({name}.md)", image(name)]
    return "\n\n".join(lines) + "\n"


def take_pictures() -> None:
    """Run the examples and copy their pictures into the docs."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, EXAMPLES / f"{name}.py"], cwd=folder, check=True)
            shutil.copy(picture(name, Path(folder) / "out" / "examples" / name), PICTURES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pictures", action="store_true", help="run the examples and take their pictures")
    parser.add_argument("--check", action="store_true", help="do not write; exit with 1 if a page is stale")
    options = parser.parse_args()
    if options.pictures:
        take_pictures()
    pages = {PAGES / "index.md": overview(), **{PAGES / f"{name}.md": page(name) for name in NAMES}}
    if options.check:
        stale = [path for path, text in pages.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
        if stale or {path.stem for path in EXAMPLES.glob("*.py")} != set(NAMES):
            sys.exit("docs/examples is stale: name each example in NAMES and run python tools/examples.py")
        return
    PAGES.mkdir(exist_ok=True)
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
