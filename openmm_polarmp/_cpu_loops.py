"""When sums and products of the networks and the electrostatics in torch are computed in C++ (plugin_cpp/torch)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_allowed = True


def computes_in_loops(tensor: torch.Tensor) -> bool:
    """Whether C++ takes such tensors: on a CPU, and not while torch records operations to compile them itself."""
    recorded = torch.compiler.is_compiling() or torch.jit.is_tracing()
    return _allowed and tensor.device.type == "cpu" and not recorded


@contextmanager
def torch_alone() -> Iterator[None]:
    """As long as it lasts, torch computes what C++ would: to compare the two."""
    global _allowed
    before, _allowed = _allowed, False
    try:
        yield
    finally:
        _allowed = before
