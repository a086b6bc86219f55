"""Measured optical constants, from files of the refractiveindex.info database, to compare a spectrum with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from openmm_polarmp._extras import require


def read_absorption(path: str | Path) -> tuple[NDArray, NDArray]:
    """Absorption n(w) alpha(w), alpha = 4 pi k / wavelength, from tabulated n and k.

    Parameters
    ----------
    path : str or Path
        YAML file with blocks ``type: tabulated nk`` (wavelength in micrometres, n, k).

    Returns
    -------
    wavenumbers, absorption : array
        1/cm.
    """
    require("a file of optical constants", "plot", ["yaml"])
    import yaml

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path is {str(path)!r}; an existing file is accepted")
    content = yaml.safe_load(path.read_text())
    blocks = content.get("DATA", []) if isinstance(content, dict) else []
    tables = [block["data"] for block in blocks if str(block.get("type", "")).strip() == "tabulated nk"]
    if not tables:
        kinds = sorted({str(block.get("type")) for block in blocks})
        raise ValueError(
            f"path is {str(path)!r} with {', '.join(kinds) or 'no table'}; a file with 'tabulated nk' is accepted"
        )
    rows = np.array([[float(x) for x in line.split()] for table in tables for line in table.strip().splitlines()])
    wavelength, n, k = rows.T
    centimetres = wavelength * 1e-4
    order = np.argsort(-wavelength)
    return (1 / centimetres)[order], (n * 4 * np.pi * k / centimetres)[order]
