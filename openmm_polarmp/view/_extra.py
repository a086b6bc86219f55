"""The message for packages of the extra ``plot`` that are missing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def needs(what: str) -> Iterator[None]:
    """Around imports: says what to install for what needs them."""
    try:
        yield
    except ImportError as error:
        missing = (error.name or str(error)).split(".")[0]
        raise ImportError(
            f"{what} needs {missing}, not installed here: pip install 'openmm-polarmp[plot]'", name=error.name
        ) from error
