"""A head is fitted to a photo; the model is a tiny one with random weights."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from fullhead.commands.invert import invert
from fullhead.commands.options import ModelOptions
from fullhead.core.cameras import orbit, yaw_pitch
from fullhead.core.errors import FullheadError
from fullhead.eyes.window import Window
from fullhead.families.opening import open_model
from fullhead.fitting.invert import fit, fit_sheet, invert_photo, moved, psnr, share_behind, shown
from fullhead.fitting.options import InvertConfig
from fullhead.fitting.reconstruction_loss import reconstruction_loss
from fullhead.models.checkpoint import read_header, save
from fullhead.models.panohead import PanoHead
from fullhead.training.panohead import PanoHeadTaskConfig


@pytest.fixture(scope="module")
def model(tiny: PanoHeadTaskConfig) -> PanoHead:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = PanoHead(tiny.generator).eval().requires_grad_(False)
        model.decoder.net[2].bias[0] = 20.0  # something to see
    return model


@pytest.fixture(scope="module")
def target(model: PanoHead) -> torch.Tensor:
    return shown(model, model.seed_latents([5], 1.0), orbit(0.05)).clamp(-1, 1)


def test_a_render_of_the_model_is_found_again(model, target):
    before = [p.clone() for p in model.parameters()]
    steps = []
    fitted = fit(model, target, config=InvertConfig(60, 30), on_step=lambda *step: steps.append(step))
    assert fitted.losses[59] < 0.8 * fitted.losses[0]
    start = psnr(shown(model, model.seed_latents([0], 0.0), orbit(0.0)), target)
    assert fitted.psnr_latents > start + 2
    assert fitted.psnr > fitted.psnr_latents
    assert fitted.psnr == pytest.approx(psnr(shown(fitted.model, fitted.latents, fitted.camera), target))
    assert [(stage, step) for stage, step, _, _ in steps] == [
        *(("latents", i + 1) for i in range(60)),
        *(("weights", i + 1) for i in range(30)),
    ]
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))  # the model itself stays


def test_the_same_seed_gives_the_same_fit(model, target):
    a, b = (fit(model, target, config=InvertConfig(4, 3, seed=7)) for _ in range(2))
    assert a.losses == b.losses
    assert torch.equal(a.image, b.image)


def test_without_tuning_the_model_stays_as_it_is(model, target):
    fitted = fit(model, target, config=InvertConfig(2, 0))
    assert fitted.psnr == fitted.psnr_latents
    assert all(torch.equal(a, b) for a, b in zip(fitted.model.parameters(), model.parameters(), strict=True))


def test_a_picture_of_another_size_is_refused(model):
    with pytest.raises(FullheadError, match=r"\[1, 3, 64, 64\]"):
        fit(model, torch.zeros(1, 3, 32, 32))


def test_a_camera_without_moves_is_the_orbits():
    camera, still = orbit(0.3, -0.2), moved(0.3, -0.2, torch.zeros(6))
    torch.testing.assert_close(still.c2w, camera.c2w)
    torch.testing.assert_close(still.K, camera.K)


def test_moves_turn_roll_zoom_and_shift_the_camera():
    camera = moved(0.3, -0.2, torch.tensor([0.1, 0.05, 0.2, 0.1, 0.02, -0.03]))
    yaw, pitch = yaw_pitch(camera)
    assert (float(yaw), float(pitch)) == pytest.approx((0.4, -0.15), abs=1e-5)
    flat = orbit(0.4, -0.15)
    torch.testing.assert_close(camera.origins, flat.origins)
    assert torch.einsum("bi,bi->b", camera.c2w[:, :3, 0], flat.c2w[:, :3, 0]).item() == pytest.approx(np.cos(0.2))
    torch.testing.assert_close(camera.K[0, 0, 0], flat.K[0, 0, 0] * np.exp(0.1))
    assert camera.K[0, :2, 2].tolist() == pytest.approx([0.52, 0.47])


def test_a_picture_is_not_unlike_itself_and_more_unlike_the_more_it_is_changed(target):
    unlike = reconstruction_loss(target, 0.68)
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    distances = [float(unlike(target + level * noise)) for level in (0.0, 0.05, 0.2)]
    assert distances[0] == pytest.approx(0, abs=1e-6)
    assert distances[0] < distances[1] < distances[2]


def test_psnr_is_that_of_a_known_error():
    black = torch.full((1, 3, 8, 8), -1.0)
    assert psnr(black + 0.2, black) == pytest.approx(20.0, abs=1e-4)  # 0.1 of the range


def test_a_mask_weighs_the_error_of_each_pixel():
    black, mask = torch.full((1, 3, 8, 8), -1.0), torch.zeros(1, 1, 4, 4)
    mask[..., :2] = 1
    half = black.clone()
    half[..., 4:] = 1.0
    assert psnr(half, black, torch.nn.functional.interpolate(mask, 8)) > 100
    assert psnr(half, black, 1 - torch.nn.functional.interpolate(mask, 8)) == pytest.approx(0.0)


def test_hair_outside_the_mask_is_noticed_and_what_is_like_the_edges_is_not():
    y, x = torch.meshgrid(torch.linspace(-1, 1, 128), torch.linspace(-1, 1, 128), indexing="ij")
    head = ((x**2 + y**2) < 0.4).float()[None, None]
    inner = ((x**2 + y**2) < 0.3).float()[None, None]
    for behind in (torch.full((1, 3, 128, 128), 0.6), (0.4 * torch.sin(9 * x)).expand(1, 3, -1, -1)):
        photo = head * torch.tensor([0.2, -0.5, -0.8])[None, :, None, None] + (1 - head) * behind
        assert share_behind(photo, head) < 0.02
        assert share_behind(photo, inner) == pytest.approx(0.25, abs=0.04)
    assert share_behind(photo, torch.zeros(1, 1, 64, 64)) == 1


def test_a_photo_becomes_a_head_and_a_sheet(model):
    photo = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    aligned, fitted = invert_photo(photo, model, Window(40, 30, 20), config=InvertConfig(2, 1))
    assert aligned.shape == (64, 64, 3)
    sheet = fit_sheet(aligned, fitted)
    assert sheet.shape[1] > 10 * 64


@pytest.fixture(scope="module")
def files(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("invert")
    save(model, folder / "tiny.safetensors")
    photo = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(photo).save(folder / "photo.png")
    return folder


def test_the_command_writes_a_head_that_loads_like_any_other(files, model, capsys):
    out, tiny = files / "out", str(files / "tiny.safetensors")
    invert(files / "photo.png", out, using=ModelOptions(str(tiny)), box="30,20,20,20", fit=InvertConfig(2, 1))
    assert sorted(path.name for path in out.iterdir()) == ["fit.png", "head.safetensors", "photo.png"]
    assert "PSNR over the head" in capsys.readouterr().out
    assert {"psnr", "psnr_head", "behind"} <= set(read_header(str(out / "head.safetensors"))["about"])
    head = str(out / "head.safetensors")
    opened = open_model(head)
    tuned, latents = opened.model, opened.fitted
    assert latents is not None
    assert latents.w.shape == (1, tuned.num_ws, 16)
    assert latents.background is not None
    assert tuned.config == model.config
    assert read_header(head)["about"]["inverted"]
    assert open_model(tiny).fitted is None
    assert open_model(out).fitted is not None, "the folder of a fit"
    with safe_open(head, framework="pt") as handle:
        assert handle.get_tensor("latents.w").dtype == torch.float32
    with pytest.raises(FullheadError, match="--overwrite"):
        invert(files / "photo.png", out, using=ModelOptions(str(tiny)), box="30,20,20,20", fit=InvertConfig(2))


def test_a_photo_beside_which_the_head_should_go_is_not_lost(files):
    before = (files / "photo.png").read_bytes()
    for overwrite, hint in ((False, "--overwrite"), (True, "another --out")):
        with pytest.raises(FullheadError, match=hint):
            options = {"box": "30,20,20,20", "fit": InvertConfig(2), "overwrite": overwrite}
            invert(files / "photo.png", files, using=ModelOptions(str(files / "tiny.safetensors")), **options)
    assert (files / "photo.png").read_bytes() == before


@pytest.mark.parametrize(
    ("photo", "box", "steps", "what"),
    [
        ("photo.png", None, 2, "--box"),
        ("photo.png", "1,2,3", 2, "--box"),
        ("tiny.safetensors", None, 2, "not an image"),
        ("nothing.png", None, 2, "no an image|nothing.png"),
        ("photo.png", "30,20,20,20", 0, "--steps"),
    ],
    ids=["no face", "bad box", "no image", "no file", "no steps"],
)
def test_mistakes_are_named_before_anything_is_written(files, photo, box, steps, what):
    out = files / "mistake"
    with pytest.raises(FullheadError, match=what):
        invert(files / photo, out, using=ModelOptions(str(files / "tiny.safetensors")), box=box, fit=InvertConfig(steps))
    assert not out.exists()


def test_a_stopped_fit_leaves_nothing_behind(files, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("fullhead.fitting.invert.tune", stop)
    with pytest.raises(KeyboardInterrupt):
        invert(
            files / "photo.png",
            files / "stopped",
            using=ModelOptions(str(files / "tiny.safetensors")),
            box="30,20,20,20",
            fit=InvertConfig(1),
        )
    assert not (files / "stopped").exists()
