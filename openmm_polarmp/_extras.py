"""Packages that an extra of openmm-polarmp installs, and what to say where they are missing."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence


def require(what: str, extra: str, packages: Sequence[str]) -> None:
    """Raise an ImportError that says what to install if packages are missing.

    Parameters
    ----------
    what : str
        What needs them, as a user knows it.
    extra : str
        The extra in pyproject.toml that installs them.
    packages : sequence of str
        The names by which Python imports them.
    """
    if missing := [name for name in packages if not _installed(name)]:
        listed = " and ".join(filter(None, [", ".join(missing[:-1]), missing[-1]]))
        raise ImportError(f"{what} needs {listed}, not installed here: pip install 'openmm-polarmp[{extra}]'")


def require_torch(what: str) -> None:
    """As `require`, for what computes in torch."""
    require(what, "torch", ("torch", "e3nn"))


def require_training(what: str) -> None:
    """As `require`, for what reads training data. Not all data need h5py, and only configurations need yaml."""
    require(what, "train", ("torch", "e3nn", "ase"))


def _installed(name: str) -> bool:
    return sys.modules.get(name) is not None or importlib.util.find_spec(name) is not None
