"""Constants of a module that stay exact when the module changes its precision."""

from __future__ import annotations

import torch


class ExactConstants(torch.nn.Module):
    """A module whose constants are kept in float64 and rounded anew for each precision.

    A plain buffer that went through float32 keeps the rounding of float32 in ``.double()``: rotations would then hold
    to 1e-7 only. Constants are no part of the state dictionary: they follow from the configuration.
    """

    def __init__(self) -> None:
        super().__init__()
        self._exact: dict[str, torch.Tensor] = {}
        self._always_float64: set[str] = set()

    def constant(self, name: str, value: torch.Tensor, *, always_float64: bool = False) -> None:
        """Register ``value`` as buffer ``name``, in the module's precision or, if asked, always in float64."""
        self._exact[name] = value.detach().to("cpu", torch.float64)
        if always_float64:
            self._always_float64.add(name)
        dtype = torch.float64 if always_float64 else torch.get_default_dtype()
        self.register_buffer(name, self._exact[name].to(dtype), persistent=False)

    def _apply(self, fn, recurse=True):
        before = dict(self._buffers)
        super()._apply(fn, recurse)
        for name, exact in self._exact.items():
            moved = self._buffers[name]
            if name in self._always_float64:
                self._buffers[name] = before[name].to(moved.device)
            else:
                self._buffers[name] = exact.to(moved.device, moved.dtype)
        return self
