"""Energies, forces and moment gradients from torch and automatic differentiation."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from openmm import app, unit

from openmm_polarmp import units
from openmm_polarmp.electrostatics import Multipoles, electrostatic_energy

from .systems import MOMENTS, Atoms
from .water import atomic_numbers


def dense(atoms: Atoms, **options):
    """From the dense sums, in OpenMM's units: energy, forces, gradients by name (those of the moments that are there)."""
    positions = torch.tensor(atoms.positions, requires_grad=True)
    moments = {
        name: torch.tensor(getattr(atoms, name), requires_grad=True)
        for name in ("charges", *MOMENTS)
        if getattr(atoms, name) is not None
    }
    cell = None if atoms.cell is None else torch.tensor(atoms.cell)
    method = "direct" if cell is None else "ewald"
    options = {"accuracy": 1e-14, **options}
    result = electrostatic_energy(positions, Multipoles(**moments), cell, sigma=atoms.sigma, method=method, **options)
    grads = torch.autograd.grad(result.energy, [positions, *moments.values()], allow_unused=True)
    scale = {
        "charges": units.POTENTIAL_TO_OPENMM,
        "dipoles": units.ENERGY_TO_OPENMM / units.DIPOLE_TO_OPENMM,
        "quadrupoles": units.ENERGY_TO_OPENMM / units.QUADRUPOLE_TO_OPENMM,
        "softness": units.ENERGY_TO_OPENMM / units.SOFTNESS_TO_OPENMM,
        "polarizability": units.ENERGY_TO_OPENMM / units.POLARIZABILITY_TO_OPENMM,
    }
    gradients = {
        name: (torch.zeros_like(moments[name]) if g is None else g).numpy() * scale[name]
        for name, g in zip(moments, grads[1:], strict=True)
    }
    return (
        result.energy.item() * units.ENERGY_TO_OPENMM,
        -grads[0].numpy() * units.FORCE_TO_OPENMM,
        gradients,
    )


def model_energy_and_forces(model, topology: app.Topology, positions: NDArray, **options) -> tuple[float, NDArray]:
    """Of a whole system from positions in nm: kJ/mol and kJ/mol/nm; the options are those of the model's ``energy``."""
    r = torch.tensor(10 * positions, dtype=torch.float64, requires_grad=True)
    box = topology.getPeriodicBoxVectors()
    cell = None if box is None else torch.tensor(np.array(box.value_in_unit(unit.angstrom)))
    energy = model.energy(r, torch.tensor(atomic_numbers(topology)), cell, **options)
    (gradient,) = torch.autograd.grad(energy, r)
    return energy.item() * units.ENERGY_TO_OPENMM, -gradient.numpy() * units.FORCE_TO_OPENMM
