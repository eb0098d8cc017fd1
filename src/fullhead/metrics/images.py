"""How near an image comes to another one."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor


def psnr(image: Tensor, target: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pictures in [-1, 1]."""
    return 10 * math.log10(4 / max(float(F.mse_loss(image.clamp(-1, 1), target)), 1e-10))
