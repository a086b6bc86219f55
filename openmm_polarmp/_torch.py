"""Late imports of torch, which dynamics with a model file does not need."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from typing import Any

NEEDED = ("torch", "e3nn")


def require_torch(what: str) -> None:
    """Raise an ImportError that says what to install if torch or e3nn is missing for ``what``."""
    missing = [name for name in NEEDED if sys.modules.get(name) is None and importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"{what} needs {' and '.join(missing)}, not installed here: pip install 'openmm-polarmp[torch]'"
        )


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


def lazy_attributes(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's ``__getattr__`` for names whose modules import torch.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    modules : dict
        The module that has each name, relative to the package.
    """

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        require_torch(f"{package}.{name}")
        value = getattr(importlib.import_module(modules[name], package), name)
        setattr(sys.modules[package], name, value)
        return value

    return get
