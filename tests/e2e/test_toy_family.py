"""A whole new family, with no line changed in the package: an ellipsoid with a nose, one latent number, and a jaw that opens.

docs: "Adding a family" in CONTRIBUTING.md. All that a family is stands between the two rules below.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from fullhead.cli import main
from fullhead.core.cameras import Cameras
from fullhead.core.random import stream
from fullhead.families.table import FAMILIES, Family, Parts
from fullhead.models.head import Batch, HeadPose, Render, RenderOptions
from fullhead.models.hub import HubModel
from fullhead.representations.volume import MarchConfig, render_features
from fullhead.rig.arkit import ARKIT
from fullhead.training.loop import Clock, LoopConfig, Phase, StepState, Terms

# ---------------------------------------------------------------------------------------------------------------- the family


@dataclass(frozen=True)
class ToyConfig:
    image_size: int = 32
    march: MarchConfig = field(default_factory=lambda: MarchConfig(near=2.2, far=3.2, coarse=24, fine=24, crop=None))


@dataclass(frozen=True)
class Width(Batch):
    width: Tensor  # [B, 1]


@dataclass(frozen=True)
class ToyHead(Batch):
    width: Tensor  # [B, 1]
    jaw: Tensor  # [B, 1]


class Toy(HubModel):
    model_type, config_class = "toy", ToyConfig
    box_size, metres_per_unit = 1.0, 0.55

    def __init__(self, config: ToyConfig) -> None:
        super().__init__(config)
        self.skin = nn.Parameter(torch.tensor([0.2, 0.0, -0.2]))
        self.image_size = config.image_size

    def sample_latents(self, n: int, generator: torch.Generator | None = None) -> Width:
        return Width(torch.randn(n, 1, generator=generator))

    def seed_latents(self, seeds: list[int], truncation: float = 0.7) -> Width:
        return Width(torch.tensor([[truncation * stream(seed, "width").randn()] for seed in seeds], dtype=torch.float32))

    def decode(self, latents: Width, pose: HeadPose | None = None, options: RenderOptions = RenderOptions()) -> ToyHead:
        head = ToyHead(latents.width, torch.zeros_like(latents.width))
        return head if pose is None else self.posed(head, pose)

    def rig_pose(self, pose: HeadPose) -> HeadPose:
        return pose

    def posed(self, head: ToyHead, pose: HeadPose, options: RenderOptions = RenderOptions()) -> ToyHead:
        return ToyHead(head.width, pose.expression[:, [ARKIT.index("jawOpen")]].expand(len(head), -1))

    def density(self, head: ToyHead, xyz: Tensor) -> Tensor:
        x, y, z = (xyz - xyz.new_tensor([0.0, 0.0, 0.02])).unbind(-1)
        y = torch.where(y < -0.05, y + 0.08 * head.jaw, y)  # what lies below moves down
        skull = (x / (0.15 + 0.02 * head.width)) ** 2 + (y / 0.21) ** 2 + (z / 0.18) ** 2
        nose = (x / 0.03) ** 2 + ((y + 0.02) / 0.05) ** 2 + ((z - 0.18) / 0.05) ** 2
        return (60 * torch.sigmoid(20 * (1 - torch.minimum(skull, nose))))[..., None]

    def colour(self, head: ToyHead, xyz: Tensor) -> Tensor:
        return (self.skin + 2 * xyz).clamp(-1, 1)

    def render(self, head: ToyHead, cameras: Cameras, options: RenderOptions = RenderOptions()) -> Render:
        def field(xyz: Tensor) -> tuple[Tensor, Tensor]:
            return self.density(head, xyz)[..., 0].expm1().log(), self.colour(head, xyz)  # the inverse of the softplus

        colours, mask, depth = render_features(field, self.config.march, cameras, options.size or self.image_size)
        image = colours + (1 - mask) if options.background else colours / mask.clamp(min=0.05)
        return Render(image, image, mask, depth)


class ToyTask:
    """The skin's colour is learnt from the mean colour of pictures in a folder."""

    def __init__(self, pictures: Path) -> None:
        self.model = Toy(ToyConfig())
        self.targets = [torch.from_numpy(np.array(Image.open(path)) / 127.5 - 1).float() for path in pictures.glob("*.png")]
        self.modules = self.results = {"model": self.model}
        adam = torch.optim.Adam(self.model.parameters(), lr=0.05)
        self.phases = [Phase("skin", self.model, adam, 1, self.loss)]

    def __len__(self) -> int:
        return len(self.targets)

    def batch(self, positions: Tensor) -> Tensor:
        return torch.stack([self.targets[i].mean(dim=(0, 1)) for i in positions.tolist()])

    def loss(self, state: StepState) -> Terms:
        return {"skin": (self.model.skin - state.batch).square().mean()}

    def after_step(self, clock: Clock) -> None:
        pass

    def preview(self) -> np.ndarray:
        return np.full((8, 8, 3), 128, np.uint8)


@dataclass(frozen=True)
class ToyRun:
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(batch=2, images=200, log_every=50, preview_every=200))

    def build(self, data: Path, device: torch.device) -> Any:
        return ToyTask(data)


TOY = Family("toy head", lambda: Parts(Toy, Width, {"toy32": ToyConfig()}, {"toy-run": ToyRun()}))

# ----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def family(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "toy", TOY)


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Path]:
    yield Toy(ToyConfig()).save_pretrained(tmp_path / "toy")


def test_the_family_takes_fewer_than_80_lines():
    text = Path(__file__).read_text().split("# ----")
    assert len([line for line in text[1].splitlines()[1:] if line.strip()]) < 80


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_pictures_films_and_meshes(model: Path, tmp_path: Path):
    main(["sample", "--model", str(model), "--seeds", "0-1", "--yaws", "0,90", "--no-labels", "--out", str(tmp_path / "a.png")])
    sheet = pixels(tmp_path / "a.png")
    assert sheet[..., 0].min() < 200 and sheet.max() == 255
    main(["orbit", "--model", str(model), "--frames", "4", "--size", "24", "--out", str(tmp_path / "a.webp")])
    assert Image.open(tmp_path / "a.webp").n_frames == 4  # type: ignore[attr-defined]
    main(["mesh", "--model", str(model), "--resolution", "64", "--out", str(tmp_path / "a.glb")])
    assert (tmp_path / "a.glb").stat().st_size > 10_000


def test_its_jaw_opens(model: Path, tmp_path: Path):
    for name, face in (("shut", "jawOpen=0"), ("open", "jawOpen=1")):
        main(["animate", "--model", str(model), "--expression", face, "--yaw", "90", "--out", str(tmp_path / f"{name}.png")])
    shut, wide = (pixels(tmp_path / f"{name}.png").min(axis=-1) < 240 for name in ("shut", "open"))
    assert wide.any(axis=1).nonzero()[0].max() > shut.any(axis=1).nonzero()[0].max()  # the chin is lower


def test_it_is_trained_and_stops_and_continues(tmp_path: Path):
    (tmp_path / "data").mkdir()
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "data" / "red.png")
    run = tmp_path / "run"
    main(["train", "toy-run", str(tmp_path / "data"), str(run), "--set", "loop.images=100"])
    main(["train", "toy-run", str(tmp_path / "data"), str(run), "--set", "loop.images=200"])
    learnt = Toy.from_pretrained(run / "model.safetensors")
    torch.testing.assert_close(learnt.skin, torch.tensor([1.0, -1.0, -1.0]), rtol=0, atol=0.1)
    assert json.loads((run / "log.jsonl").read_text().splitlines()[-1])["images_seen"] == 200


@pytest.mark.parametrize(
    "words", [["invert", "photo.png"], ["export"], ["sample", "--shading", "clay"], ["sample", "--vary", "width"]]
)
def test_what_it_cannot_do_is_refused_in_words(
    words: list[str], model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = [word.replace("photo.png", str(tmp_path / "photo.png")) for word in words]
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.png")
    with pytest.raises(SystemExit) as stop:
        main([*words, "--model", str(model), *(["--box", "8,8,40,40"] if words[0] == "invert" else [])])
    said = capsys.readouterr().err
    assert stop.value.code == 2 and "toy" in said.lower() and len(said.splitlines()) == 1, said


def test_presets_list_it(capsys: pytest.CaptureFixture[str]):
    main(["presets"])
    assert "toy-run" in (said := capsys.readouterr().out) and "toy32" in said
