"""A torch module of one's own in place of the network: the electrostatics does not know which network it serves.

    python examples/09_own_network.py --steps 20

The module needs ``cutoff``, ``species`` and the signature below. Here it is a spring between near neighbours and charges that
depend on the coordination; no training, only the interface.
"""

import argparse

import numpy as np
import openmm
import torch
from openmm import unit

from openmm_polarmp import PolarMPForce
from openmm_polarmp.electrostatics import Multipoles

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=20)
options = parser.parse_args()


class Springs(torch.nn.Module):
    """Energies (eV) and multipoles (e, e A) from the pairs within the cutoff (A)."""

    cutoff = 4.0
    species = (11, 17)

    def forward(
        self, positions, species, edge_index, edge_shifts, cell, batch=None, total_charge=None, multiplicity=None
    ):
        j, i = edge_index
        images = 0.0 if cell is None else edge_shifts.to(positions) @ cell.to(positions)
        vectors = positions[j] + images - positions[i]
        distance = vectors.norm(dim=1)
        near = (1 - (distance / self.cutoff) ** 2).clamp(min=0) ** 3  # goes to zero smoothly
        zeros = torch.zeros_like(positions[:, 0])
        repulsion = zeros.index_add(0, i, 0.5 * 3.0 * torch.exp(2 * (2.4 - distance)) * near)
        coordination = zeros.index_add(0, i, near)
        sign = torch.where(species == 11, 1.0, -1.0).to(positions)
        dipoles = torch.zeros_like(positions).index_add(0, i, 0.02 * near[:, None] * vectors)
        return repulsion, Multipoles(sign * (0.9 - 0.05 * torch.tanh(coordination)), dipoles=dipoles)


system = openmm.System()
cells, edge = 3, 0.564
system.setDefaultPeriodicBoxVectors(*(np.eye(3) * cells * edge))
corners = np.array([(x, y, z) for x in range(2 * cells) for y in range(2 * cells) for z in range(2 * cells)])
numbers = np.where(corners.sum(1) % 2 == 0, 11, 17)
for z in numbers:
    system.addParticle(22.99 if z == 11 else 35.45)
force = PolarMPForce(Springs(), atomic_numbers=numbers.tolist())
force.setNonbondedMethod(PolarMPForce.PME)
system.addForce(force)
integrator = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 1 / unit.picosecond, 2 * unit.femtosecond)
context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"))
context.setPositions(corners * edge / 2)
integrator.step(options.steps)
print("energy of rock salt:", context.getState(energy=True).getPotentialEnergy())
print("charges:", force.getCharges(context)[:4].round(3))
