"""Measured optical constants, from files of the refractiveindex.info database, as a curve to compare with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def read_absorption(path: str | Path) -> tuple[NDArray, NDArray]:
    """
    Wavenumbers (1/cm) and n(w) alpha(w) (1/cm), alpha = 4 pi k / wavelength, from tabulated n and k.

    The file is YAML with blocks ``type: tabulated nk`` (wavelength in micrometres, n, k).
    """
    import yaml

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path: {str(path)!r} does not exist")
    content = yaml.safe_load(path.read_text())
    blocks = content.get("DATA", []) if isinstance(content, dict) else []
    tables = [block["data"] for block in blocks if str(block.get("type", "")).strip() == "tabulated nk"]
    if not tables:
        kinds = sorted({str(block.get("type")) for block in blocks})
        raise ValueError(f"path: {str(path)!r} has no table of n and k; it has {', '.join(kinds) or 'nothing'}")
    rows = np.array([[float(x) for x in line.split()] for table in tables for line in table.strip().splitlines()])
    wavelength, n, k = rows.T
    centimetres = wavelength * 1e-4
    order = np.argsort(-wavelength)
    return (1 / centimetres)[order], (n * 4 * np.pi * k / centimetres)[order]
