"""Collects the papers' equation and section tags of src/fullhead into docs/equations.md.

A tag stands in a docstring or comment: a paper's short name, then a section, an equation or nothing. Run after editing one:

    python tools/equations.py            writes docs/equations.md
    python tools/equations.py --check    exits with 1 if it is stale
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import tokenize
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "fullhead"
TARGET = ROOT / "docs" / "equations.md"

PAPERS = {
    "pano": "An et al., PanoHead: Geometry-Aware 3D Full-Head Synthesis in 360 degrees, CVPR 2023",
    "eg3d": "Chan et al., Efficient Geometry-aware 3D Generative Adversarial Networks, CVPR 2022",
    "spherehead": "Li et al., SphereHead: Stable 3D Full-head Synthesis with Spherical Tri-plane Representation, ECCV 2024",
    "stylegan": "Karras et al., A Style-Based Generator Architecture for Generative Adversarial Networks, CVPR 2019",
    "stylegan2": "Karras et al., Analyzing and Improving the Image Quality of StyleGAN, CVPR 2020",
    "progressive-gan": "Karras et al., Progressive Growing of GANs for Improved Quality, Stability, and Variation, ICLR 2018",
    "nerf": "Mildenhall et al., NeRF: Representing Scenes as Neural Radiance Fields for View Synthesis, ECCV 2020",
    "vae": "Kingma and Welling, Auto-Encoding Variational Bayes, ICLR 2014",
    "vae-gan": "Larsen et al., Autoencoding beyond Pixels Using a Learned Similarity Metric, ICML 2016",
    "pti": "Roich et al., Pivotal Tuning for Latent-based Editing of Real Images, ACM Transactions on Graphics 2022",
    "heusel17": "Heusel et al., GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, NIPS 2017",
    "binkowski18": "Binkowski et al., Demystifying MMD GANs, ICLR 2018",
    "gretton12": "Gretton et al., A Kernel Two-Sample Test, Journal of Machine Learning Research 2012",
    "kynkaanniemi19": "Kynkaanniemi et al., Improved Precision and Recall Metric for Assessing Generative Models, NeurIPS 2019",
    "ganhead": "Wu et al., GANHead: Towards Generative Animatable Neural Head Avatars, CVPR 2023, and its supplement",
    "snarf": "Chen et al., SNARF: Differentiable Forward Skinning for Animating Non-Rigid Neural Implicit Shapes, ICCV 2021",
    "fastsnarf": "Chen et al., Fast-SNARF: A Fast Deformer for Articulated Neural Fields, TPAMI 2023",
    "gdna": "Chen et al., gDNA: Towards Generative Detailed Neural Avatars, CVPR 2022",
    "igr": "Gropp et al., Implicit Geometric Regularization for Learning Shapes, ICML 2020",
    "occnet": "Mescheder et al., Occupancy Networks: Learning 3D Reconstruction in Function Space, CVPR 2019",
    "broyden65": "Broyden, A Class of Methods for Solving Nonlinear Simultaneous Equations, Mathematics of Computation 1965",
    "jacobson13": "Jacobson et al., Robust Inside-Outside Segmentation Using Generalized Winding Numbers, SIGGRAPH 2013",
    "barill18": "Barill et al., Fast Winding Numbers for Soups and Clouds, SIGGRAPH 2018",
    "garland97": "Garland and Heckbert, Surface Simplification Using Quadric Error Metrics, SIGGRAPH 1997",
    "oosterom83": "Van Oosterom and Strackee, The Solid Angle of a Plane Triangle, IEEE Trans. Biomedical Engineering 1983",
    "umeyama91": "Umeyama, Least-Squares Estimation of Transformation Parameters Between Two Point Patterns, TPAMI 1991",
    "i3dmm": "Yenamandra et al., i3DMM: Deep Implicit 3D Morphable Model of Human Heads, CVPR 2021",
    "pointflow": "Yang et al., PointFlow: 3D Point Cloud Generation with Continuous Normalizing Flows, ICCV 2019",
    "h360": "He et al., Head360: Learning a Parametric 3D Full-Head for Free-View Synthesis in 360 degrees, ECCV 2024",
    "lathauwer00": "De Lathauwer et al., A Multilinear Singular Value Decomposition, SIAM J. Matrix Analysis 2000",
    "mip-nerf": "Barron et al., Mip-NeRF: A Multiscale Representation for Anti-Aliasing Neural Radiance Fields, ICCV 2021",
}
NUMBER = r"§[\w.]+|Eq\.\d+(?:-\d+)?|supp\.(?: [A-Z\d](?:\.\d+)?| Eq\.\d+)?"
TAG = re.compile(r"\[([a-z][\w-]*)(?: (" + NUMBER + r"))?\]")
LOOSE = re.compile(r"\[[^\[\]]*(?:§|\bEq\.|\bsupp\.)[^\[\]]*\]")


def scopes(tree: ast.Module) -> list[tuple[int, int, str]]:
    """First line, last line and qualified name of every class and function."""
    found = []

    def walk(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                name = f"{prefix}{child.name}"
                found.append((child.lineno, child.end_lineno or child.lineno, name))
                walk(child, f"{name}.")

    walk(tree, "")
    return found


def texts(path: Path) -> list[tuple[int, str]]:
    """Lines of a file's comments and strings."""
    out = []
    with tokenize.open(path) as handle:
        for token in tokenize.generate_tokens(handle.readline):
            if token.type in (tokenize.COMMENT, tokenize.STRING):
                out += [(token.start[0] + i, line) for i, line in enumerate(token.string.splitlines())]
    return out


def place(path: Path, line: int, names: list[tuple[int, int, str]]) -> str:
    """The narrowest class or function around a line, or the constant defined on it, or the whole file."""
    around = [(last - first, name) for first, last, name in names if first <= line <= last]
    file = path.relative_to(SOURCE).as_posix()
    if around:
        return f"`{file}` {min(around)[1]}"
    constant = re.match(r"([A-Z][A-Z_0-9]*) *[:=]", path.read_text(encoding="utf-8").splitlines()[line - 1])
    return f"`{file}` {constant[1]}" if constant else f"`{file}`"


def collect() -> dict[str, dict[str, set[str]]]:
    """Paper to number (such as "§3.3", or "" for the paper as a whole) to places."""
    found: dict[str, dict[str, set[str]]] = {paper: defaultdict(set) for paper in PAPERS}
    for path in sorted(SOURCE.rglob("*.py")):
        names = scopes(ast.parse(path.read_text(encoding="utf-8")))
        for line, text in texts(path):
            for tag in LOOSE.findall(text):
                match = TAG.fullmatch(tag)
                if not match or match[1] not in PAPERS:
                    sys.exit(f"{path}:{line}: {tag} is not a tag of a known paper: write [name number], and the name in PAPERS")
            for paper, number in TAG.findall(text):
                if paper in PAPERS:
                    found[paper][number].add(place(path, line, names))
    return found


def table() -> str:
    """docs/equations.md as text."""
    lines = [
        "# Where the formulas are",
        "",
        "Generated by `python tools/equations.py` from the tags in the sources. Paths are relative to `src/fullhead`.",
    ]
    for paper, numbers in collect().items():
        if not numbers:
            continue
        lines += ["", f"## {paper}", "", f"{PAPERS[paper]}.", "", "| number | where |", "|---|---|"]
        for number in sorted(numbers):
            lines.append(f"| {number or 'as a whole'} | {'<br>'.join(sorted(numbers[number]))} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="do not write; exit with 1 if the file is stale")
    if parser.parse_args().check:
        if not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != table():
            sys.exit("docs/equations.md is stale: run python tools/equations.py")
        return
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
