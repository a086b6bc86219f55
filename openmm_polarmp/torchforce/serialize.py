"""TorchScript modules to bytes and back.

Newer versions of torch warn that TorchScript is deprecated. openmm-torch takes nothing else, so the warning is silenced.
"""

from __future__ import annotations

import io
import warnings

import torch


def to_bytes(module: torch.jit.ScriptModule) -> bytes:
    """A module as ``torch.jit.save`` writes it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        stream = io.BytesIO()
        torch.jit.save(module, stream)
    return stream.getvalue()


def from_bytes(data: bytes) -> torch.jit.ScriptModule:
    """The module, on the CPU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(io.BytesIO(data), map_location="cpu")
