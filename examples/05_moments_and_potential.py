"""Charges, dipoles, polarizabilities, potential and Born charges out of a running simulation.

python examples/05_moments_and_potential.py --steps 100
"""

import argparse

import numpy as np
import openmm
from openmm import app, unit
from openmmml import MLPotential

from openmm_polarmp import PolarMPForce
from openmm_polarmp.demo.run import water_box

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=100)
options = parser.parse_args()

topology, positions = water_box(32)
system = MLPotential("polarmp").createSystem(topology)
force = next(PolarMPForce.cast(f) for f in system.getForces() if PolarMPForce.isinstance(f))
integrator = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 1 / unit.picosecond, 0.5 * unit.femtosecond)
simulation = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName("CPU"))
simulation.context.setPositions(positions)
simulation.minimizeEnergy(maxIterations=20)
simulation.step(options.steps)

context = simulation.context
oxygen = np.array([atom.element.symbol == "O" for atom in topology.atoms()])
charges = force.getCharges(context)
dipoles = np.linalg.norm(force.getTotalDipoles(context), axis=1)
print("All of these are latent: physical moments are sqrt(eps_e) times as large.")
for name, atoms in (("oxygen", oxygen), ("hydrogen", ~oxygen)):
    print(f"{name}: charge {charges[atoms].mean():+.3f} e, dipole {dipoles[atoms].mean():.4f} e nm")
box = topology.getUnitCellDimensions().value_in_unit(unit.nanometer)[0]
points = np.stack([np.linspace(0, box, 5)] * 3, axis=1)
print("potential along the diagonal (kJ/mol/e):", force.getElectrostaticPotential(points, context).round(1))
force.setEpsInf(1.78)  # Born charges and fields are physical: they need the medium's constant
force.updateParametersInContext(context)
born = force.getBornEffectiveCharges(context)
for name, atoms in (("oxygen", oxygen), ("hydrogen", ~oxygen)):
    print(f"{name}: Born charge {np.trace(born[atoms].mean(0)) / 3:+.3f} e")
print("their sum, which should vanish:", np.abs(born.sum(0)).max())
