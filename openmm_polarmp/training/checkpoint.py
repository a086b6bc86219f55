"""The state of a training run on disk, replaced as a whole: an interrupted write leaves the state before it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from openmm_polarmp._files import write_atomically


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a state of tensors, numbers, text, and lists and dicts of them."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


def load(path: Path) -> dict[str, Any]:
    """Read what `save` wrote. Nothing in the file is executed."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"checkpoint {str(path)!r} cannot be read ({error}); delete it to begin again") from error
