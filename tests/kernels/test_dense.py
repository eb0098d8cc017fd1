"""Compiled dense layers against torch's own, in double precision, forward and backward."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fullhead.kernels.dense import SHARPNESS, linear, slope, softplus_


def reference(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.softplus(F.linear(x.double(), weight.double(), bias.double()), SHARPNESS)


def layer(rows: int, inputs: int = 7, outputs: int = 5) -> list[Tensor]:
    torch.manual_seed(rows)
    return [0.2 * torch.randn(*shape) for shape in ((rows, inputs), (outputs, inputs), (outputs,))]


@pytest.mark.parametrize("rows", [0, 1, 333, 5000])
def test_values_are_those_of_double_precision(rows: int):
    x, weight, bias = layer(rows)
    torch.testing.assert_close(softplus_(linear(x, weight, bias)).double(), reference(x, weight, bias), rtol=1e-6, atol=1e-7)


def test_the_softplus_is_accurate_from_far_below_to_far_above_zero():
    z = torch.cat([torch.linspace(-3, 3, 100_001), torch.tensor([-1e30, -1e3, 1e3, 1e30])])
    torch.testing.assert_close(softplus_(z.clone()).double(), F.softplus(z.double(), SHARPNESS), rtol=2e-7, atol=2e-8)


def test_a_value_that_is_no_number_stays_one():
    assert softplus_(torch.tensor([float("nan")])).isnan().all()
    assert softplus_(torch.tensor([float("inf")])).isinf().all()


def test_the_slope_is_read_off_the_value():
    z = torch.linspace(-0.3, 0.5, 4001)
    torch.testing.assert_close(
        slope(F.softplus(z.double(), SHARPNESS).float()), torch.sigmoid(SHARPNESS * z), rtol=0, atol=2e-6
    )


def test_gradients_are_those_of_double_precision():
    given = [x.requires_grad_() for x in layer(200)]
    exact = [x.detach().double().requires_grad_() for x in given]
    weights = torch.randn(200, 5)
    (softplus_(linear(*given)) * weights).sum().backward()
    (reference(*exact) * weights).sum().backward()
    for ours, theirs in zip(given, exact, strict=True):
        assert ours.grad is not None and theirs.grad is not None
        torch.testing.assert_close(ours.grad.double(), theirs.grad, rtol=1e-5, atol=1e-5)


def test_weights_with_gaps_in_memory_and_double_precision_are_served_too():
    x, weight, bias = layer(64)
    torch.testing.assert_close(linear(x, F.pad(weight, (0, 3))[:, :-3], bias), F.linear(x, weight, bias))
    y = softplus_(linear(x.double(), weight.double(), bias.double()))
    torch.testing.assert_close(y, reference(x, weight, bias))
