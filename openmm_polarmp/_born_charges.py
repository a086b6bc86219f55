"""Born effective charges from a Context (theory.md section 6).

The forces' response to an external field has them complete for clusters. In a periodic box the field does not act on
induced charges, and their part is added in torch.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from openmm_polarmp import units
from openmm_polarmp._extras import require_torch
from openmm_polarmp._field_response import field_response
from openmm_polarmp.fixed import FixedMultipoles
from openmm_polarmp.step_data import StepData

if TYPE_CHECKING:
    import torch

    from openmm_polarmp.electrostatics import Multipoles

# Of the electrostatics that are differentiated: Born charges shall not be less accurate than this.
LARGEST_ERROR = 1e-6


def forces_per_field(
    context: openmm.Context, particles: Sequence[int], force_group: int, field_parameters: Sequence[str]
) -> NDArray[np.float64]:
    """The response dF/dE0 of the forces to a uniform field.

    Parameters
    ----------
    context : openmm.Context
    particles : sequence of int
        Whose forces are wanted.
    force_group : int
        Of the force that the field acts through.
    field_parameters : sequence of str
        The Context's parameters for the components of the field, V/nm. They are left as they were.

    Returns
    -------
    array [N,3,3]
        In e: row = field, column = force.
    """

    def forces() -> NDArray[np.float64]:
        state = context.getState(forces=True, groups=1 << force_group)
        values = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
        return np.asarray(values)[particles]

    # (kJ/mol/nm) / (V/nm) -> e
    response = field_response(context, field_parameters, forces) * units.FIELD_TO_OPENMM / units.FORCE_TO_OPENMM
    return response.transpose(1, 0, 2)


def induced_charge_part(
    context: openmm.Context,
    particles: Sequence[int],
    source: Any,
    step: StepData,
    *,
    sigma: float,
    accuracy: float,
    mutual: bool = False,
) -> NDArray[np.float64]:
    """What the induced charges add in a periodic box, s [ dq_i delta_ab + sum_j (r_j - r_i)_a d(dq_j)/dr_i,b ].

    The differences are those between nearest images, and the mean is removed from the dq, as in
    `openmm_polarmp.electrostatics.born_effective_charges`. Charge that flows between neighbours is not among the dq: its response
    is in the forces.

    Every atom's induced charge depends on all atoms: this takes one backward pass through electrostatics and network for
    each of them, in torch and double precision.

    Parameters
    ----------
    context : openmm.Context
    particles : sequence of int
        The force's.
    source : FixedMultipoles, NativeSource or TorchSource
        Of the moments.
    step : StepData
        Of the Context's present positions.
    sigma : float
        Width of the pair kernel, A.
    accuracy : float
        Relative force accuracy of the electrostatics; it is not taken larger than 1e-6.
    mutual : bool
        Whether induced moments feel each other.

    Returns
    -------
    array [N,3,3]
        In e: row = polarization, column = displacement.
    """
    if not step.softness.any():
        return np.zeros((len(particles), 3, 3))
    require_torch("the induced charges' part of Born charges in a box (induced_charges=False leaves it out)")
    import torch

    from openmm_polarmp.electrostatics import Mutual, electrostatic_energy
    from openmm_polarmp.electrostatics.born_charges import charge_transfer, without_mean_charge
    from openmm_polarmp.electrostatics.response import local_moments

    state = context.getState(positions=True)
    positions = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)[particles]
    r = torch.tensor(positions, requires_grad=True)
    cell = torch.tensor(np.array(state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.angstrom)))
    multipoles = _multipoles(source, r, cell)
    accuracy = min(LARGEST_ERROR, accuracy)
    response = Mutual(accuracy) if mutual else None
    result = electrostatic_energy(r, multipoles, cell, sigma=sigma, accuracy=accuracy, mutual=response)
    box = torch.ones(1, dtype=torch.bool), torch.zeros(len(r), dtype=torch.long)
    _, induced, _ = local_moments(multipoles, result)
    dq = without_mean_charge(induced, *box)
    part = charge_transfer(dq, r, cell) + dq.detach()[:, None, None] * torch.eye(3, dtype=dq.dtype)
    return step.field_scale * part.numpy()


def _multipoles(source: Any, positions: torch.Tensor, cell: torch.Tensor) -> Multipoles:
    """The source's moments as a differentiable function of the positions (A), in double precision."""
    import torch

    from openmm_polarmp.electrostatics import Multipoles
    from openmm_polarmp.sources.native import NativeSource
    from openmm_polarmp.sources.network import TorchSource

    if isinstance(source, FixedMultipoles):
        tensors: dict[str, Any] = {name: torch.from_numpy(value) for name, value in source.members().items()}
        return Multipoles(**tensors)
    if not isinstance(source, (NativeSource, TorchSource)):
        raise TypeError(
            f"the induced charges' part of Born charges needs a model or FixedMultipoles, not a {type(source).__name__}; "
            "leave it out with induced_charges=False"
        )
    options = source.options
    _, multipoles = (
        copy.deepcopy(source.model)
        .double()
        .multipoles(
            positions,
            torch.tensor(options.atomic_numbers),
            cell,
            total_charge=options.total_charge,
            multiplicity=options.multiplicity,
        )
    )
    return multipoles
