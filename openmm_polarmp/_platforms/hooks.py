"""What the C++ side asks of Python: sources of moments read from XML, and warnings."""

from __future__ import annotations

import atexit
import warnings
from types import ModuleType
from typing import Any


def _create_source(kind: str, properties: dict[str, str]) -> Any:
    from openmm_polarmp.sources.registry import create_source

    return create_source(kind, properties)


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=3)


def register_hooks(extension: ModuleType) -> None:
    """Tell the C++ side about the hooks, and take them back before the interpreter ends."""
    extension.set_source_factory(_create_source)
    extension.set_warning_handler(_warn)
    atexit.register(extension.clear_hooks)
