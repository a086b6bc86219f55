"""A box of water with the shipped model, from nothing to a trajectory.

python examples/01_water_box.py --steps 2000 --output water
"""

import argparse
from pathlib import Path

import openmm
from openmm import app, unit
from openmmml import MLPotential

from openmm_polarmp.demo.run import water_box
from openmm_polarmp.reporters import ExtrapolationReporter

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--molecules", type=int, default=64)
parser.add_argument("--steps", type=int, default=2000, help="of 0.5 fs")
parser.add_argument("--output", type=Path, default=Path("water"))
options = parser.parse_args()
options.output.mkdir(parents=True, exist_ok=True)

topology, positions = water_box(options.molecules)
system = MLPotential("polarmp").createSystem(topology)  # the shipped model that knows H and O
integrator = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 1 / unit.picosecond, 0.5 * unit.femtosecond)
# Platforms are best named: with PoCL installed OpenMM's default is OpenCL on the processor.
simulation = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName("CPU"))
simulation.context.setPositions(positions)
simulation.minimizeEnergy(maxIterations=20)
simulation.context.setVelocitiesToTemperature(300 * unit.kelvin, 1)
simulation.reporters += [
    app.DCDReporter(str(options.output / "trajectory.dcd"), 20),
    app.StateDataReporter(
        str(options.output / "energies.csv"), 20, step=True, potentialEnergy=True, temperature=True, speed=True
    ),
    ExtrapolationReporter(options.output / "outside.csv", 20),  # warns where the model was not trained
]
simulation.step(options.steps)
with open(options.output / "end.pdb", "w") as stream:
    app.PDBFile.writeFile(topology, simulation.context.getState(positions=True).getPositions(), stream)
print(f"{options.steps} steps of {options.molecules} molecules are in {options.output}")
