"""What a TorchScript module returns, checked and turned into the model's units."""

from __future__ import annotations

from typing import Any

import torch

from openmm_polarmp import units
from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.moments import MOMENTS, OPTIONAL

# Energy in kJ/mol, a number or one per atom, and the moments.
TO_OPENMM = {"energy": units.ENERGY_TO_OPENMM} | {moment.name: moment.to_openmm for moment in MOMENTS}


def read_outputs(result: Any, n_atoms: int) -> tuple[torch.Tensor, Multipoles]:
    """Energy (eV) and multipoles (model units) of a module's result."""
    accepted = (
        f"a dictionary with energy, charges and any of {', '.join(moment.name for moment in OPTIONAL)} is accepted"
    )
    if not isinstance(result, dict):
        raise TypeError(f"the TorchForce's module returned a {type(result).__name__}; {accepted}")
    unknown = sorted(set(result) - set(TO_OPENMM))
    missing = sorted({"energy", "charges"} - set(result))
    if unknown or missing:
        what = [f"unknown entries {unknown}"] * bool(unknown) + [f"no entry {missing}"] * bool(missing)
        raise ValueError(f"the TorchForce's module returned {' and '.join(what)}; {accepted}")
    values = {name: value / TO_OPENMM[name] for name, value in result.items()}
    energy = values.pop("energy").double()
    if len(values["charges"]) != n_atoms:
        raise ValueError(
            f"the TorchForce's module returned charges of {len(values['charges'])} atoms; the force has {n_atoms}"
        )
    return energy, Multipoles(**values)
