"""The labels of a frame: energies, forces and responses."""

from __future__ import annotations

import ase
import numpy as np
from numpy.typing import NDArray

SHAPES: dict[str, tuple[int | str, ...]] = {
    "forces": ("N", 3),
    "stress": (3, 3),
    "dipole": (3,),
    "born_charges": ("N", 3, 3),
    "polarizability": (3, 3),
    "total_charge": (),
    "external_field": (3,),
    "molecules": ("N",),
    "molecule_charges": ("N",),
    "weight": (),
    "energy_weight": (),
}


def labels(frame: ase.Atoms) -> dict[str, NDArray[np.float64]]:
    """Labels of a frame by name, as far as it has them.

    Parameters
    ----------
    frame : ase.Atoms
        Labels are taken from its calculator, its arrays and its info.

    Returns
    -------
    dict
        ``energy`` [] in eV, ``forces`` [N, 3] in eV/A, ``stress`` [3, 3] in eV/A^3 (boxes only), ``dipole`` [3] in e A,
        ``born_charges`` [N, 3, 3] in e (row: polarization; the frame may call them ``bec``), ``polarizability`` [3, 3] in
        e^2 A^2/eV, ``total_charge`` [] in e, ``external_field`` [3] in V/A (clusters only), ``molecules`` [N] the number of
        the molecule of each atom, and ``molecule_charges`` [N] the charge of that molecule in e; ``weight`` [], above 0, of the
        frame in the loss, and ``energy_weight`` [] from 0 (the energy is only known up to a constant of this structure) to 1.
    """
    calculated = dict(frame.calc.results) if frame.calc is not None else {}
    available = {**frame.info, **frame.arrays, **calculated}
    values = {name: np.asarray(available[name], dtype=float) for name in ("energy", *SHAPES) if name in available}
    if "born_charges" not in values and "bec" in available:
        values["born_charges"] = np.asarray(available["bec"], dtype=float)
    if "stress" in values and values["stress"].size == 6:
        xx, yy, zz, yz, xz, xy = values["stress"].ravel()
        values["stress"] = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    if "stress" in values and not frame.pbc.all():
        del values["stress"]
    n = len(frame)
    for name, shape in SHAPES.items():
        if name in values:
            accepted = tuple(n if isinstance(size, str) else size for size in shape)
            if values[name].size != np.prod(accepted, dtype=int):
                raise ValueError(f"{name} has shape {values[name].shape}; {accepted} is accepted")
            values[name] = values[name].reshape(accepted)
    if "external_field" in values and frame.pbc.any():
        raise ValueError("external_field is given for a periodic frame; clusters are accepted")
    weight, energy_weight = values.get("weight", 1.0), values.get("energy_weight", 1.0)
    if not 0 < weight < np.inf:
        raise ValueError(f"weight is {weight:g}; numbers above 0 are accepted")
    if not 0 <= energy_weight <= 1:
        raise ValueError(f"energy_weight is {energy_weight:g}; 0 to 1 is accepted")
    return values
