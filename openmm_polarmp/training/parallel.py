"""Data-parallel training in the processes of torchrun; a single process without torchrun."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist

from openmm_polarmp._torch import checked_device


@dataclass(frozen=True)
class Processes:
    """The processes that train together, as one of them sees them.

    Attributes
    ----------
    rank : int
        Number of this process.
    count : int
        Number of all processes.
    device : torch.device
        Device of this process.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """Sum over all processes."""
        if self.count > 1:
            summed = values.to(self.device)
            dist.all_reduce(summed)
            return summed.cpu()
        return values

    def average_gradients(self, model: torch.nn.Module) -> None:
        """Replace the gradients of a model's parameters by their means over all processes, in one message.

        DistributedDataParallel does the same, but keeps the process group, and with it gloo's threads, alive for as long
        as it lives itself: such threads can abort the process ("terminate called without an active exception") when the
        interpreter ends.
        """
        if self.count == 1:
            return
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        means = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(means)
        means /= self.count
        for gradient, mean in zip(gradients, means.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def any(self, condition: bool) -> bool:
        """Whether a condition holds in any of the processes."""
        return bool(self.total(torch.tensor(float(condition))) > 0)

    def wait(self) -> None:
        """Wait until all processes have called this."""
        if self.count > 1:
            dist.barrier()


@contextmanager
def processes(device: str) -> Iterator[Processes]:
    """Join the processes of torchrun, if there are any, and choose the device (``auto``: a GPU if there is one)."""
    local = int(os.environ.get("LOCAL_RANK", 0))
    if device == "auto":
        device = f"cuda:{local}" if torch.cuda.is_available() else "cpu"
    chosen = checked_device(device)
    count = int(os.environ.get("WORLD_SIZE", 1))
    if count == 1:
        yield Processes(0, 1, chosen)
        return
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), count, chosen)
    finally:
        dist.destroy_process_group()
