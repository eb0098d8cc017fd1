"""Another device gives what the CPU gives: on a GPU where there is one, else on a device that the CPU plays."""

import ast
import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from another_device import another_device
from scipy.spatial import cKDTree
from torch import Tensor

import fullhead
from fullhead.core.cameras import orbit
from fullhead.core.devices import CPU, device_named, device_of, normal, uniform
from fullhead.core.errors import FullheadError
from fullhead.data.photos import PhotoSet
from fullhead.export.mesh import extract_mesh
from fullhead.fitting.invert import fit
from fullhead.fitting.options import InvertConfig
from fullhead.models.head import Latents, RenderOptions
from fullhead.models.panohead import PanoHead
from fullhead.training.loop import Clock, LoopConfig, Phase, RandomStreams, StepState, step, train
from fullhead.training.panohead import PanoHeadTask, PanoHeadTaskConfig
from fullhead.viewing.sheet import sheet
from fullhead.viewing.turntable import interpolate, swing_cameras

SOURCES = Path(fullhead.__file__).parent
GPU = pytest.param("cuda", marks=pytest.mark.gpu)


@pytest.fixture(params=["the CPU posing", GPU])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    if request.param == "cuda":
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
        yield torch.device("cuda")
    else:
        with another_device() as away:
            yield away


@pytest.fixture
def here(tiny: PanoHeadTaskConfig) -> PanoHead:
    torch.manual_seed(0)
    model = PanoHead(tiny.generator).eval().requires_grad_(False)
    model.decoder.net[2].bias[0] = 20.0  # something to see
    return model


@pytest.fixture
def there(here: PanoHead, device: torch.device) -> PanoHead:
    return copy.deepcopy(here).to(device)


def close(there: Tensor, here: Tensor, part: float = 1e-3) -> None:
    """Equal up to `part` of the largest value: sums in another order."""
    assert there.device.type != "cpu"
    torch.testing.assert_close(there.cpu(), here, atol=part * float(here.detach().abs().max()) + 1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["tri-grid", "eg3d", "two-balls"])
def test_a_seed_is_the_same_head_on_any_device(kind: str, device: torch.device, tiny: PanoHeadTaskConfig) -> None:
    torch.manual_seed(0)
    planes = replace(tiny.generator.planes, kind=kind, depth=2 if kind == "tri-grid" else 1)
    here = PanoHead(replace(tiny.generator, planes=planes)).requires_grad_(False)
    renders = []
    for model in (here, copy.deepcopy(here).to(device)):
        head = model.decode(model.seed_latents([3, 4]))
        renders.append(
            (model.render(head, orbit(torch.tensor([0.3, 2.0]))), model.density(head, head.planes.new_ones(2, 5, 3) / 9))
        )
    (picture, sigma), (picture_there, sigma_there) = renders
    for name in ("image", "image_raw", "mask", "depth"):
        close(getattr(picture_there, name), getattr(picture, name))
    close(sigma_there, sigma)


def test_chance_of_a_cpu_generator_is_the_same_on_any_device(here: PanoHead, there: PanoHead) -> None:
    images = []
    for model in (here, there):
        random = torch.Generator().manual_seed(1)
        head = model.decode(model.sample_latents(2, random), generator=random)
        images.append(model.render(head, orbit(torch.tensor([0.0, 1.0])), generator=random, density_noise=0.1).image)
    close(images[1], images[0])


def test_applications_give_the_same_pictures_and_mesh(here: PanoHead, there: PanoHead) -> None:
    pictures, vertices = [], []
    for model in (here, there):
        latents = model.seed_latents([0, 1])
        frames = list(interpolate(model, Latents(latents.w, latents.w.flip(0)), swing_cameras(3)))
        pictures.append(np.concatenate([sheet(model, latents, (0.0, 2.0)).ravel(), np.stack(frames).ravel()]))
        mesh = extract_mesh(model, model.decode(latents[0], None, RenderOptions(background=False)), 32, coarse=32)
        vertices.append(np.hstack([mesh.vertices / here.metres_per_unit, mesh.colours / 2]))
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() <= 1
    for one, other in (
        vertices,
        vertices[::-1],
    ):  # rounding may cross a corner of a cell, so the numbers of vertices may differ
        assert cKDTree(one).query(other)[0].max() < 5e-3


def test_a_fit_takes_the_same_steps(here: PanoHead, there: PanoHead, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fullhead.fitting.invert.STARTS", 1)
    target = here.render(here.decode(here.seed_latents([5])), orbit(0.1)).image.clamp(-1, 1)
    fits = [fit(model, target, config=InvertConfig(3, 2)) for model in (here, there)]
    assert fits[1].losses == pytest.approx(fits[0].losses, rel=1e-3)
    close(fits[1].image, fits[0].image, 1e-2)


def test_a_training_step_has_the_same_losses_and_gradients(
    photos: Path, tiny: PanoHeadTaskConfig, device: torch.device
) -> None:
    found: list[dict[str, Tensor]] = []
    for place in (CPU, device):
        torch.manual_seed(0)
        task = PanoHeadTask(replace(tiny, gan=replace(tiny.gan, density_weight=0.1)), PhotoSet(photos), place)
        state = StepState(task.batch(torch.tensor([0, 3, 1, 5])), Clock(0, 4), RandomStreams.seeded(5))
        values = {}
        for phase in task.phases:
            still = Phase(phase.name, phase.module, torch.optim.SGD(phase.module.parameters(), lr=0.0), 1, phase.loss)
            terms, finite = step(still, state)
            assert finite
            gradients = {f"{phase.name} {k}": p.grad.cpu() for k, p in phase.module.named_parameters() if p.grad is not None}
            values |= {k: v.detach().cpu() for k, v in terms.items()} | gradients
        task.after_step(state.clock)
        task.preview()
        found.append(values)
    assert found[0].keys() == found[1].keys()
    for name, value in found[0].items():
        near = 2e-2 * float(value.abs().max()) + 1e-6  # rounding tips leaky ReLUs over
        torch.testing.assert_close(found[1][name], value, atol=near, rtol=0, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.gpu
@pytest.mark.parametrize("places", [("cpu", "cuda"), ("cuda", "cuda"), ("cuda", "cpu")])
def test_a_run_goes_on_on_another_device(
    photos: Path, tmp_path: Path, tiny: PanoHeadTaskConfig, places: tuple[str, str]
) -> None:
    for images, place in zip((4, 8), places, strict=True):
        task = PanoHeadTask(tiny, PhotoSet(photos), torch.device(place))
        train(task, tmp_path / "run", LoopConfig(batch=4, images=images, log_every=4))
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("draw", [uniform, normal])
def test_numbers_are_drawn_where_the_generator_is(draw, device: torch.device) -> None:
    like = torch.zeros(1, device=device)
    there = draw((3, 2), like, torch.Generator().manual_seed(0))
    close(there, draw((3, 2), torch.zeros(1), torch.Generator().manual_seed(0)), 0.0)
    assert draw((3, 2), like, None).device.type == device.type


def test_auto_is_a_gpu_where_there_is_one_and_an_unknown_device_is_refused(here: PanoHead) -> None:
    assert device_named("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device_of(here) == device_named("cpu")
    with pytest.raises(FullheadError, match="there is auto, cpu, cuda, mps"):
        device_named("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused_in_words() -> None:
    with pytest.raises(FullheadError, match=r"no cuda device .* choose cpu or auto"):
        fullhead.load("panohead-demo", device="cuda")


def test_no_source_file_names_a_device_of_its_own() -> None:
    """Devices come from tensors, or from the one function that reads the user's choice."""
    for path in SOURCES.rglob("*.py"):
        if path.name in ("devices.py", "options.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in ("cuda", "mps"), f"{path}: .{node.func.attr}() in line {node.lineno}"
                named = [a for a in node.args if isinstance(a, ast.Constant)] if node.func.attr == "to" else []
                assert not [a for a in named if isinstance(a.value, str)], (
                    f"{path}: .to({named[0].value!r}) in line {node.lineno}"
                )
