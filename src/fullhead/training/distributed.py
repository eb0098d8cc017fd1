"""Several processes that train one model, each on its share of every batch: torchrun, Gloo on CPUs, NCCL on GPUs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from fullhead.core.devices import device_of
from fullhead.core.errors import FullheadError


def join_processes(device: torch.device) -> torch.device:
    """Join the processes that torchrun started; each gets a GPU of its own if GPUs are what they compute on."""
    if device.type == "cuda":
        device, there = torch.device("cuda", int(os.environ["LOCAL_RANK"])), torch.cuda.device_count()
        if int(os.environ["LOCAL_WORLD_SIZE"]) > there:
            raise FullheadError(f"{there} GPUs for more processes: start as many as there are GPUs, or say --device cpu")
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def local_shard(x: Tensor) -> Tensor:
    """This process's part of a value [B, ...] drawn for the whole batch: every world-size-th row, so that the groups in which
    a discriminator compares images are those of a single process."""
    return x[rank() :: world_size()]


def mean_over_processes(x: Tensor) -> Tensor:
    """Mean of a value [...] over the processes, no gradient."""
    x = x.detach().clone()
    if world_size() > 1:
        dist.all_reduce(x)
    return x / world_size()


class LossCaller(nn.Module):
    """A module whose forward pass is whatever loss of it is asked for: DistributedDataParallel follows a forward pass."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.unused = nn.Parameter(torch.zeros((), device=device_of(module)))  # DDP looks for some, and warns if it finds none

    def forward(self, loss: Callable[[Any], Any], state: Any) -> Any:
        return loss(state)


def data_parallel(module: nn.Module) -> nn.Module:
    """What calls `loss(state)` of a module so that `backward` leaves the mean of its gradients over the processes.

    Phases that move the same parameters should name the same module: a parameter that one copy used counts as used in others.
    """
    caller = LossCaller(module.requires_grad_(True))
    return DistributedDataParallel(caller, find_unused_parameters=True) if world_size() > 1 else caller
