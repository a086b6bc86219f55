"""A capped alanine by a model, the water and ions around it by a force field (mechanical embedding).

    python examples/03_solvated_dipeptide.py --steps 1000 --output dipeptide

The model is distilled from SO3LR; its card says what its errors are and what it is not for.
"""

import argparse
from pathlib import Path

import openmm
from openmm import app, unit
from openmmml import MLPotential

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--output", type=Path, default=Path("dipeptide"))
options = parser.parse_args()
options.output.mkdir(parents=True, exist_ok=True)
platform = openmm.Platform.getPlatformByName("CPU")

pdb = app.PDBFile(str(Path(__file__).with_name("alanine_dipeptide.pdb")))
forcefield = app.ForceField("amber14-all.xml", "amber14/tip3p.xml")
modeller = app.Modeller(pdb.topology, pdb.positions)
modeller.addSolvent(forcefield, padding=1.0 * unit.nanometer)
mm = forcefield.createSystem(
    modeller.topology, nonbondedMethod=app.PME, nonbondedCutoff=0.8 * unit.nanometer, constraints=app.HBonds
)
# Let the water settle around the peptide before the model takes over.
relax = app.Simulation(modeller.topology, mm, openmm.LangevinMiddleIntegrator(300, 5, 0.002), platform)
relax.context.setPositions(modeller.positions)
relax.minimizeEnergy(maxIterations=200)
relax.step(500)
positions = relax.context.getState(positions=True).getPositions()

peptide = [atom.index for atom in modeller.topology.atoms() if atom.residue.name in ("ACE", "ALA", "NME")]
potential = MLPotential("polarmp-bio-fast")
system = potential.createMixedSystem(modeller.topology, mm, peptide)
integrator = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 1 / unit.picosecond, 0.5 * unit.femtosecond)
simulation = app.Simulation(modeller.topology, system, integrator, platform)
simulation.context.setPositions(positions)
simulation.minimizeEnergy(maxIterations=50)
simulation.reporters += [
    app.DCDReporter(str(options.output / "trajectory.dcd"), 50),
    app.StateDataReporter(str(options.output / "energies.csv"), 50, step=True, potentialEnergy=True, temperature=True),
]
simulation.step(options.steps)
energy = simulation.context.getState(energy=True).getPotentialEnergy()
print(f"{len(peptide)} atoms of the peptide by the model, {system.getNumParticles()} in all; energy {energy}")
