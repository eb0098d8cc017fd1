"""Adversarial losses, schedules and PanoHead's task against closed forms."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from fullhead.core.cameras import cameras_from_labels
from fullhead.data.photos import PhotoSet
from fullhead.nn.superres import resized
from fullhead.training import gan
from fullhead.training.encoder import EncoderTaskConfig
from fullhead.training.gan import AdversarialConfig, blurred, swapped
from fullhead.training.loop import Clock, RandomStreams
from fullhead.training.panohead import PanoHeadTask, PanoHeadTaskConfig, PhotoStep, camera_penalty
from fullhead.training.schedules import cosine_decay, linear_ramp, rate_ramp


@pytest.fixture
def task(photos: Path, tiny: PanoHeadTaskConfig) -> PanoHeadTask:
    torch.manual_seed(0)
    return PanoHeadTask(replace(tiny, noise=False, reuse_fakes=False), PhotoSet(photos))


def step(task: PanoHeadTask, positions: tuple[int, ...] = (0, 1, 2, 3), images_seen: int = 0) -> PhotoStep:
    return PhotoStep(task.batch(torch.tensor(positions)), Clock(images_seen, 4), RandomStreams.seeded(0))


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


def test_a_fade_is_a_line_from_its_start_to_its_end():
    assert [linear_ramp(3.0, 1.0, n, 100) for n in (0, 50, 100, 200)] == [3, 2, 1, 1]
    assert linear_ramp(3.0, 1.0, 0, 0) == 1


def test_rates_fall_along_half_a_cosine_in_the_last_part():
    rates = [cosine_decay(done, 0.5) for done in (0, 0.5, 0.75, 1, 2)]
    assert rates == pytest.approx([1, 1, 0.5, 0, 0])
    assert cosine_decay(1.0, 0.0) == 1
    assert [rate_ramp(t) for t in (0, 0.025, 0.5, 0.875)] == pytest.approx([0.1, 0.6, 1, 0.5])


def test_schedules_run_from_their_start_to_their_end(task: PanoHeadTask):
    c = task.config
    assert c.gan.swap_chance(0) == 1 and c.gan.swap_chance(10**9) == pytest.approx(c.gan.swap_end)
    assert c.gan.blur_sigma(0) == c.gan.blur_start and c.gan.blur_sigma(10**9) == 0
    assert task.neural_size(Clock(10**9, 4)) == c.generator.neural_size


def test_the_half_life_of_the_average_grows_with_the_images_seen():
    c = AdversarialConfig(ema_images=1000, ema_rampup=0.05)
    assert c.ema_beta(10_000, 500) == pytest.approx(0.5) and c.ema_beta(10**9, 1000) == pytest.approx(0.5)
    assert c.ema_beta(0, 4) == 0
    average, module = torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)
    module.weight.data.fill_(3.0), module.running_mean.fill_(7.0)  # type: ignore[union-attr]
    gan.update_ema(average, module, 0.75)
    assert average.weight.tolist() == [1.5, 1.5] and average.running_mean.tolist() == [7, 7]  # type: ignore[union-attr]


def test_a_lazy_regulariser_shortens_steps_and_memory():
    weights = [torch.nn.Parameter(torch.zeros(1))]
    plain, lazy = (gan.lazy_adam(weights, 0.1, every).param_groups[0] for every in (0, 4))
    assert (plain["lr"], plain["betas"]) == (0.1, (0, 0.99))
    assert lazy["lr"] == pytest.approx(0.08) and lazy["betas"] == (0, pytest.approx(0.99**0.8))


def test_r1_is_the_squared_gradient_at_each_of_any_inputs():
    a, b = torch.randn(3, 2, 4, 4, requires_grad=True), torch.randn(3, 5, requires_grad=True)
    of_a, of_b = gan.r1_penalties((a.square().flatten(1).sum(1) + 2 * b.sum(1))[:, None], [a, b])
    assert float(of_a.detach()) == pytest.approx(float((2 * a.detach()).square().sum()) / 3, rel=1e-5)
    assert float(of_b) == pytest.approx(4 * 5)


def test_rows_are_swapped_by_chance_and_all_values_alike():
    x, rng = torch.arange(1000.0)[:, None], torch.Generator().manual_seed(0)
    a, b = swapped(0.3, rng, x, 10 * x)
    assert torch.equal(10 * a, b)
    other = a != x
    assert float(other.float().mean()) == pytest.approx(0.3, abs=0.05)
    assert torch.equal(a[other], x.roll(1, dims=0)[other])


def test_the_gradient_penalty_is_the_squared_gradient_at_real_images(task: PanoHeadTask):
    task.config = replace(
        task.config, gan=replace(task.config.gan, r1_gamma=2.0, r1_every=3, blur_start=0.0), r1_gamma_mask=6.0
    )
    now = step(task, (0, 3))
    batch, size = now.batch, task.neural_size(now.clock)
    raw, mask = resized(batch.image, size), resized(batch.mask, size)
    terms = task.r1_loss(now)
    inputs = [x.clone().requires_grad_() for x in (batch.image, raw, mask)]
    grads = torch.autograd.grad(task.D(inputs[0], inputs[1], batch.label, inputs[2]).sum(), inputs)
    squares = [sum(float(g[i].square().sum()) for i in range(2)) / 2 for g in grads]
    assert float(terms["D/r1_image"]) == pytest.approx(2 / 2 * 3 * (squares[0] + squares[1]), rel=1e-4)
    assert float(terms["D/r1_mask"]) == pytest.approx(6 / 2 * 3 * squares[2], rel=1e-4)


def test_players_want_the_opposite_of_a_fake(task: PanoHeadTask):
    task.config = replace(task.config, camera_weight=0.0)
    fooled = task.generator_loss(step(task))["G/adversarial"]
    caught = task.discriminator_loss(step(task))["D/fake"]
    now = step(task)
    with torch.no_grad():
        logits = task.logits(now, task.fakes(now, task.draw(now))[0])
    torch.testing.assert_close(fooled, F.softplus(-logits).mean())
    torch.testing.assert_close(caught, F.softplus(logits).mean())


def test_only_the_discriminators_phase_moves_the_running_mean_of_styles(task: PanoHeadTask):
    mean = task.G.backbone.mapping.w_avg
    task.generator_loss(step(task))
    assert mean.abs().max() == 0
    task.discriminator_loss(step(task))
    assert mean.abs().max() > 0


def test_the_discriminator_can_learn_from_the_generators_last_heads(task: PanoHeadTask):
    now, rendered = step(task), []
    fakes = task.fakes
    task.fakes = lambda *args, **named: rendered.append(fakes(*args, **named)) or rendered[-1]  # type: ignore[method-assign]
    task.config = replace(task.config, reuse_fakes=True)
    before = task.G.backbone.mapping.w_avg.clone()
    task.generator_loss(now)
    assert not torch.equal(task.G.backbone.mapping.w_avg, before)
    terms = task.discriminator_loss(now)
    assert len(rendered) == 1 and now.carry is not None and not now.carry.image.requires_grad
    logits = task.logits(now, rendered[0][0])
    assert float(terms["D/fake"].detach()) == pytest.approx(float(F.softplus(logits).mean()), rel=1e-5)
    task.discriminator_loss(step(task))
    assert len(rendered) == 2  # what is carried lives for one batch


def test_the_generator_learns_to_draw_what_the_encoder_sees(photos: Path, tiny: PanoHeadTaskConfig):
    config = replace(tiny, noise=False, encoder=EncoderTaskConfig(share=0.5, weight=3.0, features=2.0, kl=0.1))
    task = PanoHeadTask(config, PhotoSet(photos))
    batch, now = step(task).batch, step(task)
    z, kl = task.E.sample(batch.image[:2], batch.mask[:2])
    with torch.no_grad():
        render, _ = task.fakes(now, task.draw(step(task), (z, batch.label[:2])))
        plain, _ = task.fakes(now, task.draw(step(task)))
    assert torch.equal(render.label, torch.cat([batch.label[:2], plain.label[2:]]))
    torch.testing.assert_close(render.image[2:], plain.image[2:], atol=1e-4, rtol=0)  # the rest are random heads as ever
    size = render.image_raw.shape[-1]
    pairs = (
        (render.image, batch.image),
        (render.image_raw, resized(batch.image, size)),
        (render.mask, resized(batch.mask, size)),
    )
    wanted = 3 * sum(float((a[:2] - b[:2]).abs().mean()) for a, b in pairs)
    terms = task.generator_loss_with_photos(step(task))
    assert float(terms["G/photo"].detach()) == pytest.approx(wanted, rel=1e-4)
    assert float(terms["G/kl"].detach()) == pytest.approx(3 * 0.1 * float(kl.detach()), rel=1e-4)
    true = task.real(now)
    drawn, wanted = task.features(now, render), task.features(now, true)
    assert [x.shape[-1] for x in wanted] == [32, 16, 8, 4]
    off = [float((a[i] - b[i]).abs().mean() / b[i].abs().mean()) for a, b in zip(drawn, wanted, strict=True) for i in (0, 1)]
    assert float(terms["G/features"].detach()) == pytest.approx(2 * sum(off) / 8, rel=1e-4)
    torch.testing.assert_close(task.D.logits(wanted[-1], batch.label), task.logits(now, true))
    (terms["G/photo"] + terms["G/features"]).backward()
    for name, weight in task.E.named_parameters():
        assert weight.grad is not None and weight.grad.abs().max() > 0, name


def test_the_discriminator_hears_the_camera_that_was_asked_for_not_the_corrected_one(task: PanoHeadTask):
    views, shift = task.fakes(step(task), task.draw(step(task)))
    known = task.photos.labels
    assert all(any(torch.equal(a, b) for b in known) for a in views.label)
    assert shift.abs().max() > 0


def test_swapped_cameras_come_from_the_same_batch(task: PanoHeadTask):
    draw = task.draw(step(task))  # at the start every camera is swapped
    assert torch.equal(draw.mapping_label, draw.label.roll(1, dims=0))
    assert len(cameras_from_labels(draw.mapping_label)) == 4


def test_density_differences_shrink_with_the_distance(task: PanoHeadTask):
    losses = []
    for distance in (0.1, 0.0):
        task.config = replace(task.config, gan=replace(task.config.gan, density_weight=1.0, density_distance=distance))
        losses.append(float(task.density_loss(step(task))["G/density"].detach()))
    assert losses[0] > 0 and losses[1] == pytest.approx(0, abs=1e-5)
