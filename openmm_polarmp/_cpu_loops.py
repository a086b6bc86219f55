"""When sums and products of the networks and the electrostatics in torch are computed in C++ (plugin_cpp/torch)."""

from __future__ import annotations

import torch


def computes_in_loops(tensor: torch.Tensor) -> bool:
    """Whether C++ takes such tensors: on a CPU, and not while torch records operations to compile them itself."""
    return tensor.device.type == "cpu" and not (torch.compiler.is_compiling() or torch.jit.is_tracing())
