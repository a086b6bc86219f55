"""Functions that the C++ side calls: for sources of moments read from XML, and for warnings."""

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
    """Give the functions to the C++ side, until the interpreter ends."""
    extension.set_source_factory(_create_source)
    extension.set_warning_handler(_warn)
    atexit.register(extension.clear_hooks)
