"""Late imports of torch, which dynamics with a model file does not need."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from openmm_polarmp._extras import require_torch


def checked_device(name: Any) -> Any:
    """A torch.device of this machine; raises a ValueError for any other."""
    import torch

    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device is {str(name)!r}; only devices of this machine are accepted ({reason})") from error
    return device


def is_torch_module(value: Any) -> bool:
    """Whether a value is a torch.nn.Module, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def lazy_attributes(
    package: str, modules: Mapping[str, str], require: Callable[[str], None] = require_torch
) -> Callable[[str], Any]:
    """A package's ``__getattr__`` for names whose modules import torch.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    modules : dict
        The module that has each name, relative to the package.
    require : callable
        Takes what is asked for and raises an ImportError if packages are missing for it.
    """

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        require(f"{package}.{name}")
        value = getattr(importlib.import_module(modules[name], package), name)
        setattr(sys.modules[package], name, value)
        return value

    return get
