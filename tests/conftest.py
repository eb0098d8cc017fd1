"""What several folders of tests share."""

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fullhead.core.cameras import labels_from_cameras, orbit
from fullhead.models.ganhead import GANHead, GANHeadConfig, sized_for
from fullhead.nn.implicit import encoded_size
from fullhead.representations.canonical_field import CanonicalConfig
from fullhead.representations.deformer import DeformerConfig
from fullhead.rig.cube import template_in_cube
from fullhead.rig.template import load_template
from fullhead.training.panohead import PanoHeadTaskConfig
from fullhead.training.presets import RUNS
from small_scans import write_balls

BROWSER = Path(__file__).parent / "browser"  # holds what npm installs
VALIDATE = """
const bytes = new Uint8Array(require("fs").readFileSync(process.argv[1]));
require("gltf-validator").validateBytes(bytes).then(report => console.log(JSON.stringify(report.issues)));
"""
YAWS = (0.0, 0.5, -1.0, 2.0, -2.8, 3.0)


def write_photos(root: Path, yaws: Sequence[float] = YAWS, size: int = 64) -> Path:
    """A small set of photos: noise with a disc of its own colour at each yaw, its mask and its camera."""
    rows, columns = np.mgrid[:size, :size]
    disc = (rows - size / 2) ** 2 + (columns - size / 3) ** 2 < (size / 4) ** 2  # left of the middle
    labels = []
    for i, yaw in enumerate(yaws):
        rng = np.random.default_rng(i)
        image = rng.integers(0, 60, (size, size, 3), dtype=np.uint8)
        image[disc] = rng.integers(120, 255, 3)
        name = f"00000/img{i:08d}.png"
        for folder, picture in (("img", image), ("seg", (disc * 255).astype(np.uint8))):
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
        labels.append([name, labels_from_cameras(orbit(yaw, 0.1))[0].tolist()])
    (root / "img" / "dataset.json").write_text(json.dumps({"labels": labels}))
    return root


@pytest.fixture(scope="session")
def balls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set of two balls to train on and two held out."""
    return write_balls(tmp_path_factory.mktemp("balls") / "set")


@pytest.fixture(scope="session")
def tiny() -> PanoHeadTaskConfig:
    """Two players so small that a step takes a moment; `tiny.generator` is the model's config: 64 pixels, 16 raw."""
    return RUNS["panohead-tiny"].task


@pytest.fixture(scope="session")
def ganhead() -> GANHead:
    """A very small one with random weights: a ball with waves, moved by five bones whose weights differ from place to place."""
    rig = template_in_cube(load_template()).rig
    sizes = CanonicalConfig(6, 4, 3, geometry_width=48, normal_width=48, texture_width=48)
    small = GANHeadConfig(scans=5, canonical=sizes, deformer=DeformerConfig(width=24), resolution=32, image_size=40)
    torch.manual_seed(3)
    model = GANHead(sized_for(small, rig), rig)
    for table in model.tables:
        torch.nn.init.normal_(table.weight)
    model.deformer.deshape.lin[4].weight_g.data *= 0.1
    torch.nn.init.normal_(model.deformer.blendshapes.weight, std=2e-3)
    first = model.canonical.geometry.lin[0]
    weight = first.weight.detach().clone()
    weight[:, encoded_size(4) :] *= 0.2
    first.reset(weight, 0.0)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def waved_ganhead(ganhead: GANHead) -> GANHead:
    """One that a file can hold: every expression shifts and bends it.

    The right eye holds no point, for files keep four joints of a vertex; turns of the neck add nothing, as with our rig.
    """
    torch.manual_seed(3)
    model = deepcopy(ganhead)
    bases, poses = model.deformer.blendshapes, 3 * model.config.deformer.pose_features
    with torch.no_grad():
        model.deformer.skinning.lin[4].bias[4] -= 2
        bases.weight[poses:].normal_(std=0.02)
        bases.bias[poses:].normal_(std=0.15)
        bases.weight[:27].zero_()  # the neck's nine features
    return model.eval().requires_grad_(False)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of six photos, 64 pixels: three from the front, three from behind."""
    return write_photos(tmp_path / "photos")


@pytest.fixture
def make_photos(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str = "photos", **options: object) -> Path:
        return write_photos(tmp_path / name, **options)  # type: ignore[arg-type]

    return make


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `gpu` are left out where there is none."""
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session")
def validate() -> Callable[[Path], dict]:
    """What Khronos's validator says of a glTF file: numErrors, numWarnings, numInfos, numHints, messages."""
    if shutil.which("node") is None:
        pytest.skip("no node: install Node.js to have glTF files validated")
    if not (BROWSER / "node_modules" / "gltf-validator").is_dir():
        pytest.skip("no gltf-validator: run `npm ci` in tests/browser")

    def issues(path: Path) -> dict:
        command = ["node", "-e", VALIDATE, str(path)]
        return json.loads(subprocess.run(command, capture_output=True, check=True, text=True, cwd=BROWSER).stdout)

    return issues
