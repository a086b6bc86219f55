"""Born effective charges out of a Context (theory.md section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from openmm_polarmp import units
from openmm_polarmp._torch import require_torch

if TYPE_CHECKING:
    from openmm_polarmp.force import PolarMPForce

# V/nm. The energy is quadratic in the field, so that central differences are exact for any amplitude; this one lifts
# the response far above the rounding of forces in single precision.
_AMPLITUDE = 10.0


def forces_per_field(force: PolarMPForce, context: openmm.Context) -> NDArray[np.float64]:
    """dF/dE0 [N,3,3] in e: row = field, column = force."""
    particles = force.getParticles() or list(range(context.getSystem().getNumParticles()))
    group = 1 << force.getForceGroup()
    present = {name: context.getParameter(name) for name in force.FIELD_PARAMETERS}

    def forces(name: str, value: float) -> NDArray[np.float64]:
        context.setParameter(name, value)
        state = context.getState(forces=True, groups=group)
        return state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)[particles]

    result = np.empty((len(particles), 3, 3))
    try:
        for name in force.FIELD_PARAMETERS:
            context.setParameter(name, 0.0)
        for a, name in enumerate(force.FIELD_PARAMETERS):
            change = forces(name, _AMPLITUDE) - forces(name, -_AMPLITUDE)
            context.setParameter(name, 0.0)
            # (kJ/mol/nm) / (V/nm) -> e
            result[:, a] = change / (2 * _AMPLITUDE) * units.FIELD_TO_OPENMM / units.FORCE_TO_OPENMM
    finally:
        for name, value in present.items():
            context.setParameter(name, value)
    return result


def induced_charge_part(force: PolarMPForce, context: openmm.Context) -> NDArray[np.float64]:
    """What the induced charges add in a periodic box, s sum_j (r_j - r_i)_a d(dq_j)/dr_ib between nearest images, [N,3,3] in e.

    Every atom's induced charge depends on all atoms: this takes one backward pass through electrostatics and network for
    each of them, in torch and double precision.
    """
    particles = force.getParticles() or list(range(context.getSystem().getNumParticles()))
    step = force._step(context)
    if not step["softness"].any():
        return np.zeros((len(particles), 3, 3))
    require_torch("the induced charges' part of Born charges in a box (induced_charges=False leaves it out)")
    import torch

    from openmm_polarmp.electrostatics import electrostatic_energy

    state = context.getState(positions=True)
    scale = units.ANGSTROM_PER_NM
    positions = scale * state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)[particles]
    box = scale * np.array(state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer))
    r, cell = torch.tensor(positions, requires_grad=True), torch.tensor(box)
    result = electrostatic_energy(
        r,
        _moments(force, r, cell),
        cell,
        sigma=force.getSigma().value_in_unit(unit.angstrom),
        accuracy=min(1e-6, force.getEwaldErrorTolerance()),
    )
    fractional = positions @ np.linalg.inv(box)
    born = np.zeros((len(particles), 3, 3))
    for j, charge in enumerate(result.induced_charges):
        (slope,) = torch.autograd.grad(charge, r, retain_graph=True)
        wrapped = fractional[j] - fractional
        nearest = (wrapped - np.round(wrapped)) @ box  # r_j - r_i
        born += nearest[:, :, None] * slope.numpy()[:, None, :]
    return step["field_scale"] * born


def _moments(force: PolarMPForce, positions, cell):
    """The force's moments as a differentiable function of the positions (A), in double precision."""
    import copy

    import torch

    from openmm_polarmp.electrostatics import Multipoles
    from openmm_polarmp.fixed import FixedMultipoles
    from openmm_polarmp.sources.native import NativeSource
    from openmm_polarmp.sources.network import TorchSource

    source = force.getModel()
    if isinstance(source, FixedMultipoles):
        members = (source.charges, source.dipoles, source.quadrupoles, source.softness, source.polarizability)
        return Multipoles(*(None if m is None else torch.from_numpy(m) for m in members))
    if not isinstance(source, (NativeSource, TorchSource)):
        raise TypeError(
            f"the induced charges' part of Born charges needs a model or FixedMultipoles, not a {type(source).__name__}; "
            "leave it out with induced_charges=False"
        )
    model = copy.deepcopy(source.model).double()
    _, multipoles = model.multipoles(
        positions,
        torch.tensor(source.atomic_numbers),
        cell,
        total_charge=source.total_charge,
        multiplicity=source.multiplicity,
    )
    return multipoles
