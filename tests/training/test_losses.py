"""PanoHead's losses and schedules against closed forms."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from fullhead.core.cameras import cameras_from_labels
from fullhead.data.photos import PhotoSet
from fullhead.nn.superres import resized
from fullhead.training.loop import Clock
from fullhead.training.panohead import PanoHeadTask, PanoHeadTaskConfig, blurred, camera_penalty, faded


@pytest.fixture
def task(photos: Path, tiny: PanoHeadTaskConfig) -> PanoHeadTask:
    torch.manual_seed(0)
    return PanoHeadTask(replace(tiny, noise=False, reuse_fakes=False), PhotoSet(photos))


def clock(images_seen: int = 0) -> Clock:
    return Clock(images_seen, 4, torch.Generator().manual_seed(0), torch.Generator().manual_seed(1))


def test_the_blur_is_a_normalised_gaussian_in_powers_of_two():
    image = torch.zeros(1, 2, 25, 25)
    image[:, :, 12, 12] = 1
    out = blurred(image, 2.0)
    assert float(out[0, 0].sum()) == pytest.approx(1, abs=1e-6)
    assert float(out[0, 0, 12, 14] / out[0, 0, 12, 12]) == pytest.approx(0.5, abs=1e-5)  # one deviation away: 2^-1
    torch.testing.assert_close(out, out.transpose(2, 3))
    assert blurred(image, 0.0) is image


def test_the_camera_penalty_is_the_mean_square_and_the_published_codes_the_squared_mean():
    shift = torch.tensor([[1.0, 0, 0], [-1.0, 0, 2.0]])
    assert float(camera_penalty(shift)) == pytest.approx((1 + 5) / 2)
    assert float(camera_penalty(shift, mean_first=True)) == pytest.approx(1.0)


def test_what_fades_is_gone_at_its_end():
    assert [faded(n, 100) for n in (0, 50, 100, 200)] == [1, 0.5, 0, 0]
    assert faded(0, 0) == 0


def test_schedules_run_from_their_start_to_their_end(task: PanoHeadTask):
    c = task.config
    assert task.swap_chance(clock(0)) == 1 and task.swap_chance(clock(10**9)) == pytest.approx(c.swap_end)
    assert task.blur_sigma(clock(0)) == c.blur_start and task.blur_sigma(clock(10**9)) == 0
    assert task.neural_size(clock(10**9)) == c.generator.neural_size


def test_the_gradient_penalty_is_the_squared_gradient_at_real_images(task: PanoHeadTask, photos: Path):
    task.config = replace(task.config, r1_gamma=2.0, r1_gamma_mask=6.0, r1_every=3, blur_start=0.0)
    batch = PhotoSet(photos).batch(torch.tensor([0, 3]))
    size = task.neural_size(clock())
    raw, mask = resized(batch.image, size), resized(batch.mask, size)
    terms = task.r1_loss(batch, clock())
    inputs = [x.clone().requires_grad_() for x in (batch.image, raw, mask)]
    grads = torch.autograd.grad(task.D(inputs[0], inputs[1], batch.label, inputs[2]).sum(), inputs)
    squares = [sum(float(g[i].square().sum()) for i in range(2)) / 2 for g in grads]
    assert float(terms["D/r1_image"]) == pytest.approx(2 / 2 * 3 * (squares[0] + squares[1]), rel=1e-4)
    assert float(terms["D/r1_mask"]) == pytest.approx(6 / 2 * 3 * squares[2], rel=1e-4)


def test_players_want_the_opposite_of_a_fake(task: PanoHeadTask, photos: Path):
    batch = PhotoSet(photos).batch(torch.tensor([0, 1, 2, 3]))
    task.config = replace(task.config, camera_weight=0.0)
    fooled = task.generator_loss(batch, clock())["G/adversarial"]
    caught = task.discriminator_loss(batch, clock())["D/fake"]
    with torch.no_grad():
        render, label, _ = task.fake(clock())
        logits = task.judge(clock(), render.image, render.image_raw, render.mask, label)
    torch.testing.assert_close(fooled, F.softplus(-logits).mean())
    torch.testing.assert_close(caught, F.softplus(logits).mean())


def test_only_the_discriminators_phase_moves_the_running_mean_of_styles(task: PanoHeadTask, photos: Path):
    batch = PhotoSet(photos).batch(torch.tensor([0, 1, 2, 3]))
    mean = task.G.backbone.mapping.w_avg
    task.generator_loss(batch, clock())
    assert mean.abs().max() == 0
    task.discriminator_loss(batch, clock())
    assert mean.abs().max() > 0


def test_the_discriminator_can_learn_from_the_generators_last_heads(task: PanoHeadTask, photos: Path):
    batch, now, rendered = PhotoSet(photos).batch(torch.tensor([0, 1, 2, 3])), clock(), []
    fake = task.fake
    task.fake = lambda *args, **named: rendered.append(fake(*args, **named)) or rendered[-1]  # type: ignore[method-assign]
    task.config = replace(task.config, reuse_fakes=True)
    before = task.G.backbone.mapping.w_avg.clone()
    task.generator_loss(batch, now)
    assert not torch.equal(task.G.backbone.mapping.w_avg, before)
    terms = task.discriminator_loss(batch, now)
    assert len(rendered) == 1
    render, label, _ = rendered[0]
    logits = task.judge(now, render.image, render.image_raw, render.mask, label)
    assert float(terms["D/fake"].detach()) == pytest.approx(float(F.softplus(logits).mean()), rel=1e-5)
    task.discriminator_loss(batch, now)
    assert len(rendered) == 2  # heads are judged once


def test_the_generator_learns_to_draw_what_the_encoder_sees(photos: Path, tiny: PanoHeadTaskConfig):
    config = replace(tiny, noise=False, encoder=True, photo_share=0.5, photo_weight=3.0, photo_features=2.0, divergence=0.1)
    task = PanoHeadTask(config, PhotoSet(photos))
    batch = task.photos.batch(torch.tensor([0, 1, 2, 3]))
    assert task.E
    z, apart = task.E.sample(batch.image[:2], batch.mask[:2])
    with torch.no_grad():
        render, label, _ = task.fake(clock(), photos=(z, batch.label[:2]))
        plain, others, _ = task.fake(clock())
    assert torch.equal(label, torch.cat([batch.label[:2], others[2:]]))
    torch.testing.assert_close(render.image[2:], plain.image[2:], atol=1e-4, rtol=0)  # the rest are random heads as ever
    size = render.image_raw.shape[-1]
    pairs = (
        (render.image, batch.image),
        (render.image_raw, resized(batch.image, size)),
        (render.mask, resized(batch.mask, size)),
    )
    wanted = 3 * sum(float((a[:2] - b[:2]).abs().mean()) for a, b in pairs)
    terms = task.generator_loss(batch, clock())
    assert float(terms["G/photo"].detach()) == pytest.approx(wanted, rel=1e-4)
    assert float(terms["G/divergence"].detach()) == pytest.approx(3 * 0.1 * float(apart.detach()), rel=1e-4)
    true = task.real(clock(), batch)
    drawn, wanted = task.seen(clock(), render.image, render.image_raw, render.mask), task.seen(clock(), *true)
    assert [x.shape[-1] for x in wanted] == [32, 16, 8, 4]
    off = [float((a[i] - b[i]).abs().mean() / b[i].abs().mean()) for a, b in zip(drawn, wanted, strict=True) for i in (0, 1)]
    assert float(terms["G/features"].detach()) == pytest.approx(2 * sum(off) / 8, rel=1e-4)
    torch.testing.assert_close(task.D.verdict(wanted[-1], batch.label), task.judge(clock(), *true, batch.label))
    (terms["G/photo"] + terms["G/features"]).backward()
    for name, weight in task.E.named_parameters():
        assert weight.grad is not None and weight.grad.abs().max() > 0, name


def test_the_discriminator_hears_the_camera_that_was_asked_for_not_the_corrected_one(task: PanoHeadTask):
    _, label, shift = task.fake(clock())
    known = task.photos.labels
    assert all(any(torch.equal(a, b) for b in known) for a in label)
    assert shift.abs().max() > 0


def test_swapped_cameras_come_from_the_same_batch(task: PanoHeadTask):
    _, label, seen, _, _ = task.draw(clock(0))  # at the start every camera is swapped
    assert torch.equal(seen, label.roll(1, dims=0))
    assert len(cameras_from_labels(seen)) == 4


def test_density_differences_shrink_with_the_distance(task: PanoHeadTask, photos: Path):
    batch = PhotoSet(photos).batch(torch.tensor([0, 1, 2, 3]))
    losses = []
    for distance in (0.1, 0.0):
        task.config = replace(task.config, density_weight=1.0, density_distance=distance)
        losses.append(float(task.density_loss(batch, clock())["G/density"].detach()))
    assert losses[0] > 0 and losses[1] == pytest.approx(0, abs=1e-5)
