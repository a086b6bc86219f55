"""A network of somebody else whose neighbours exchange charge (theory.md section 8), and what torch makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from openmm_polarmp import PolarMPForce, units
from openmm_polarmp.electrostatics import Flows, Multipoles, electrostatic_energy
from openmm_polarmp.models import PolarMPModel
from openmm_polarmp.models.total_charge import with_total_charge
from openmm_polarmp.neighbors import neighbor_pairs

from .systems import make_system

BOXES = {
    "cluster": None,
    "cubic": 8.5 * np.eye(3),
    "triclinic": np.array([[8.0, 0.0, 0.0], [2.4, 7.8, 0.0], [-1.6, 2.4, 8.3]]),
    # several images of a pair within the cutoff, and of an atom itself
    "thin": np.array([[2.9, 0.0, 0.0], [0.4, 7.0, 0.0], [0.2, -0.3, 9.0]]),
}


class ExchangingNeighbours(torch.nn.Module):
    """All moments, and flows, as smooth functions of the neighbours; every pair stands there twice, with halves.

    Parameters
    ----------
    constant : bool
        Whether the charges before the exchange are constants of the species.
    conducts, soft, polarizable : bool
        What responds.
    """

    cutoff = 3.2
    species = (1, 8)

    def __init__(
        self, constant: bool = True, conducts: bool = True, soft: bool = False, polarizable: bool = True
    ) -> None:
        super().__init__()
        self.constant, self.conducts, self.soft, self.polarizable = constant, conducts, soft, polarizable
        self.strength = torch.nn.Parameter(torch.tensor(1.0, dtype=torch.float64))

    def forward(
        self, positions, species, edge_index, edge_shifts, cell, batch=None, total_charge=None, multiplicity=None
    ):
        j, i = edge_index
        n, one = len(positions), self.strength.to(positions.dtype)
        vectors = positions[j] - positions[i]
        if cell is not None:
            vectors = vectors + edge_shifts @ cell
        distance = vectors.norm(dim=1)
        smooth = one * (1 - distance / self.cutoff).clamp(min=0) ** 3
        zeros = positions.new_zeros(n)
        density = zeros.index_add(0, i, smooth)
        direction = torch.zeros_like(positions).index_add(0, i, smooth[:, None] * vectors)
        heavy = (species == 8).to(positions.dtype)
        q0 = 0.5 - 1.2 * heavy
        if not self.constant:
            q0 = q0 * (1 + 0.2 * density)
        transfer = 0.6 * smooth * (heavy[j] - heavy[i]) * (1 + 0.3 * density[i] * density[j])
        conductance = 0.03 * smooth * (1 + heavy[i] + heavy[j]) * (1 + 0.1 * density[i]) * (1 + 0.1 * density[j])
        charges = q0.index_add(0, i, transfer)
        flows = Flows(torch.stack([i, j]), -vectors, transfer / 2, q0, conductance / 2 if self.conducts else None)
        multipoles = Multipoles(
            charges,
            dipoles=0.3 * direction,
            quadrupoles=0.2 * direction[:, :, None] * direction[:, None, :],
            softness=0.01 / (1 + density) if self.soft else None,
            polarizability=0.05 / (1 + density) if self.polarizable else None,
            flows=flows,
        )
        return 0.3 * density**2, multipoles


@dataclass(frozen=True)
class Exchange:
    """Atoms of a network with flows; positions and box in A."""

    network: ExchangingNeighbours
    positions: NDArray
    species: list[int]
    cell: NDArray | None

    @property
    def total_charge(self) -> float:
        """e, of the charges before the exchange."""
        return sum(0.5 if z == 1 else -0.7 for z in self.species)

    def context(self, platform, *, field=None, eps_inf: float = 1.78, tolerance: float = 5e-4, setup=None, extra=None):
        """The force and a Context; ``setup(force)`` may change settings, ``extra`` are positions (A) of more particles."""
        model = PolarMPModel(self.network, charge_projection=not self.network.constant)
        force = PolarMPForce(model, atomic_numbers=self.species, total_charge=self.total_charge, precision="double")
        force.setParticles(list(range(len(self.species))))
        force.setNonbondedMethod(PolarMPForce.NoCutoff if self.cell is None else PolarMPForce.PME)
        force.setEwaldErrorTolerance(tolerance)
        force.setEpsInf(eps_inf)
        if setup is not None:
            setup(force)
        positions = self.positions if extra is None else np.vstack([self.positions, extra])
        context = platform.context(make_system(len(positions), self.cell, force))
        context.setPositions(0.1 * positions)
        if field is not None:
            force.setExternalField(context, 10 * np.asarray(field))
        return force, context

    def multipoles(self, positions: torch.Tensor) -> tuple[torch.Tensor, Multipoles]:
        cell = None if self.cell is None else torch.tensor(self.cell)
        index, shifts = neighbor_pairs(positions.detach(), self.network.cutoff, cell)
        energies, multipoles = self.network(positions, torch.tensor(self.species), index, shifts.double(), cell)
        if not self.network.constant:
            multipoles = with_total_charge(multipoles, self.total_charge)
        return energies, multipoles

    def in_torch(self, *, field=None, eps_inf: float = 1.78, without_response: bool = False, **options):
        """Energy (kJ/mol), forces (kJ/mol/nm) and the result of the dense sum with automatic differentiation.

        Forces are those at a constant scale of the field.
        """
        r = torch.tensor(self.positions, requires_grad=True)
        energies, multipoles = self.multipoles(r)
        if without_response:
            multipoles.softness = multipoles.polarizability = multipoles.flows.conductance = None
        cell = None if self.cell is None else torch.tensor(self.cell)
        result = electrostatic_energy(
            r,
            multipoles,
            cell,
            method="direct" if cell is None else "ewald",
            accuracy=1e-13,
            external_field=None if field is None else torch.tensor(field, dtype=torch.float64),
            eps_inf=eps_inf,
            **options,
        )
        total = result.energy + energies.sum()
        (slope,) = torch.autograd.grad(total, r, retain_graph=True)
        return total.item() * units.ENERGY_TO_OPENMM, -slope.numpy() * units.FORCE_TO_OPENMM, result


def exchange(box: str, n: int = 12, seed: int = 5, **options) -> Exchange:
    """Atoms at random places that are not too close."""
    rng = np.random.default_rng(seed)
    cell = BOXES[box]
    edge = 6.0 * np.eye(3) if cell is None else cell
    shifts = np.array([[0, 0, 0]] if cell is None else [np.array(s) - 1 for s in np.ndindex(3, 3, 3)]) @ edge
    places = np.empty((0, 3))
    while len(places) < n:
        new = rng.random(3) @ edge
        if len(places) == 0 or np.linalg.norm((places[:, None] + shifts[None]) - new, axis=2).min() > 0.8:
            places = np.vstack([places, new])
    species = [8 if k % 3 == 0 else 1 for k in range(n)]
    return Exchange(ExchangingNeighbours(**options).eval(), places, species, cell)
