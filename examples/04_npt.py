"""Constant pressure: a barostat works as with any force.

    python examples/04_npt.py --steps 2000

The shipped water model was trained at densities of 0.90 to 1.10 g/cm^3. A density needs 100 ps and more.
"""

import argparse

import openmm
from openmm import app, unit
from openmmml import MLPotential

from openmm_polarmp.demo.run import water_box
from openmm_polarmp.reporters import ExtrapolationReporter

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=2000)
options = parser.parse_args()

topology, positions = water_box(64)
system = MLPotential("polarmp").createSystem(topology)
system.addForce(openmm.MonteCarloBarostat(1 * unit.bar, 300 * unit.kelvin, 10))
integrator = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 1 / unit.picosecond, 0.5 * unit.femtosecond)
simulation = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName("CPU"))
simulation.context.setPositions(positions)
simulation.minimizeEnergy(maxIterations=20)
simulation.reporters.append(ExtrapolationReporter(None, 20))  # warns where the model was not trained
for _ in range(5):
    simulation.step(max(1, options.steps // 5))
    volume = simulation.context.getState().getPeriodicBoxVolume().value_in_unit(unit.nanometer**3)
    print(f"step {simulation.currentStep}: {64 * 18.0154 / 0.602214 / volume * 1e-3:.3f} g/cm^3")
