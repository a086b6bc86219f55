"""An ordinary OpenMM script in which two lines were changed.

python examples/02_drop_in.py --steps 200
"""

import argparse

import openmm
from openmm import app, unit
from openmmml import MLPotential

from openmm_polarmp.demo.run import water_box

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=200)
options = parser.parse_args()

topology, positions = water_box(32)  # app.PDBFile("input.pdb") in your script

# Before:
#     forcefield = app.ForceField("amber14/tip3pfb.xml")
#     system = forcefield.createSystem(topology, nonbondedMethod=app.PME, constraints=app.HBonds)
# After:
potential = MLPotential("polarmp-water")
system = potential.createSystem(topology)

# Bonds to hydrogen are free now: 0.5 fs instead of 2.
integrator = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 1 / unit.picosecond, 0.5 * unit.femtosecond)
simulation = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName("CPU"))
simulation.context.setPositions(positions)
simulation.minimizeEnergy(maxIterations=20)
simulation.step(options.steps)
print("potential energy:", simulation.context.getState(energy=True).getPotentialEnergy())
