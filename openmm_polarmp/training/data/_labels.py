"""What a frame is labelled with."""

from __future__ import annotations

from typing import Any

import ase
import numpy as np

SHAPES = {
    "forces": ("N", 3),
    "stress": (3, 3),
    "dipole": (3,),
    "born_charges": ("N", 3, 3),
    "polarizability": (3, 3),
    "total_charge": (),
}


def labels(frame: ase.Atoms) -> dict[str, Any]:
    """
    What a frame is labelled with: energy (eV), forces (eV/Å), and if it has them stress (eV/Å³, [3, 3]), dipole (e Å),
    born_charges (e, [N, 3, 3], row: polarization; also called bec), polarizability of a cluster (e² Å²/eV, [3, 3]) and
    total_charge (e).
    """
    calculated = dict(frame.calc.results) if frame.calc is not None else {}
    everything = {**frame.info, **frame.arrays, **calculated}
    found = {name: np.asarray(everything[name], dtype=float) for name in ("energy", *SHAPES) if name in everything}
    if "born_charges" not in found and "bec" in everything:
        found["born_charges"] = np.asarray(everything["bec"], dtype=float)
    if "stress" in found and found["stress"].size == 6:
        xx, yy, zz, yz, xz, xy = found["stress"].ravel()
        found["stress"] = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    if "stress" in found and not frame.pbc.all():
        del found["stress"]
    n = len(frame)
    for name, shape in SHAPES.items():
        if name in found:
            wanted = tuple(n if size == "N" else size for size in shape)
            if found[name].size != np.prod(wanted, dtype=int):
                raise ValueError(f"{name} has shape {found[name].shape}, expected {wanted}")
            found[name] = found[name].reshape(wanted)
    return found
