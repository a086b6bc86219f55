"""Constants of a module that are not rounded twice when the module changes its precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from typing_extensions import Self


class ExactConstants(torch.nn.Module):
    """A module whose constants are stored in float64 and rounded from there for each precision.

    A plain buffer that went through float32 keeps the rounding of float32 in ``.double()``: the network would then be
    equivariant to 1e-7 only. Constants are not in the state dictionary, as they follow from the configuration.
    """

    def __init__(self) -> None:
        super().__init__()
        self._exact: dict[str, torch.Tensor] = {}
        self._always_float64: set[str] = set()

    def constant(self, name: str, value: torch.Tensor, *, always_float64: bool = False) -> None:
        """Register ``value``, in any unit, as buffer ``name``, in the module's precision or always in float64."""
        self._exact[name] = value.detach().to("cpu", torch.float64)
        if always_float64:
            self._always_float64.add(name)
        dtype = torch.float64 if always_float64 else torch.get_default_dtype()
        self.register_buffer(name, self._exact[name].to(dtype), persistent=False)

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        for name, exact in self._exact.items():
            converted = getattr(self, name)
            dtype = torch.float64 if name in self._always_float64 else converted.dtype
            self._buffers[name] = exact.to(converted.device, dtype)
        return self
