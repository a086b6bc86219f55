"""What the C++ side asks of Python: Fourier transforms on the CPU platform, and sources of moments read from XML.

The hooks import torch only when they are called.
"""

from __future__ import annotations

import atexit
import warnings
from types import ModuleType
from typing import Any


class TorchTransform:
    """Fourier transform of one mesh, in place of the two tensors it is given.

    Parameters
    ----------
    real : torch.Tensor
        [nx, ny, nz]
    spectrum : torch.Tensor
        [nx, ny, nz/2+1], complex
    """

    def __init__(self, real: Any, spectrum: Any) -> None:
        import torch

        self._fft = torch.fft
        self._no_grad = torch.no_grad
        self._real, self._spectrum, self._shape = real, spectrum, tuple(real.shape)

    def forward(self) -> None:
        """real -> spectrum"""
        with self._no_grad():
            self._fft.rfftn(self._real, out=self._spectrum)

    def backward(self) -> None:
        """spectrum -> real, without the factor 1/n"""
        with self._no_grad():
            self._fft.irfftn(self._spectrum, s=self._shape, norm="forward", out=self._real)


def _create_source(kind: str, properties: dict[str, str]) -> Any:
    from ._sources import create_source

    return create_source(kind, properties)


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=3)


def register_hooks(extension: ModuleType) -> None:
    """Tell the C++ side about the hooks, and take them back before the interpreter ends."""
    extension.set_mesh_transform_factory(TorchTransform)
    extension.set_source_factory(_create_source)
    extension.set_warning_handler(_warn)
    atexit.register(extension.clear_hooks)
