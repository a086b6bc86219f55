"""Infrared and Raman spectra of water with the shipped model.

    python examples/07_ir_and_raman.py --steps 100000 --output spectra

A run at constant energy after a short equilibration, the dipole and the polarizability every 2 fs, then `polarmp ir` and
`polarmp raman`. Lines are as sharp as the run is long: 50 ps (100,000 steps) are a good start, 2 ps only show how it goes.
"""

import argparse
from pathlib import Path

import openmm
from openmm import app, unit
from openmmml import MLPotential

from openmm_polarmp.cli import main
from openmm_polarmp.demo.run import water_box
from openmm_polarmp.reporters import DipoleReporter, PolarizabilityReporter

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--molecules", type=int, default=64)
parser.add_argument("--steps", type=int, default=4000, help="of 0.5 fs at constant energy")
parser.add_argument("--output", type=Path, default=Path("spectra"))
options = parser.parse_args()
options.output.mkdir(parents=True, exist_ok=True)

topology, positions = water_box(options.molecules)
system = MLPotential("polarmp").createSystem(topology)
platform = openmm.Platform.getPlatformByName("CPU")
warm = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 5 / unit.picosecond, 0.5 * unit.femtosecond)
simulation = app.Simulation(topology, system, warm, platform)
simulation.context.setPositions(positions)
simulation.minimizeEnergy(maxIterations=20)
simulation.context.setVelocitiesToTemperature(300 * unit.kelvin, 1)
simulation.step(options.steps // 4)
state = simulation.context.getState(positions=True, velocities=True)

simulation = app.Simulation(topology, system, openmm.VerletIntegrator(0.5 * unit.femtosecond), platform)
simulation.context.setPositions(state.getPositions())
simulation.context.setVelocities(state.getVelocities())
dipoles, polarizability = str(options.output / "dipoles.csv"), str(options.output / "polarizability.csv")
simulation.reporters += [DipoleReporter(dipoles, 4), PolarizabilityReporter(polarizability, 4)]
simulation.step(options.steps)

picoseconds = options.steps * 0.0005
shape = ["--resolution", str(max(10.0, 2 * 33.36 / picoseconds)), "--smooth", "10"]  # at least two blocks
main(["ir", dipoles, "--plot", str(options.output / "ir.png"), *shape])
main(["raman", polarizability, "--plot", str(options.output / "raman.png"), *shape])
if picoseconds >= 100:  # a shorter series does not hold enough independent dipoles
    main(["dielectric", dipoles, "--polarizability", polarizability, "--eps-inf", "1.78"])
