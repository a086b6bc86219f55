"""A peptide in water by SO3LR, a pretrained general model for molecules of H, C, N, O, F, P, S and Cl.

    python examples/16_so3lr.py --steps 200 --output so3lr

Every atom is the model's. Its short-range network, repulsion and dispersion are evaluated by torch, the electrostatics of
its charges by the plugin's mesh, without the cutoff of 12 A that SO3LR's own package has.
"""

import argparse
import time
from pathlib import Path

import openmm
from openmm import app, unit
from openmmml import MLPotential

from openmm_polarmp import PolarMPForce

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=200, help="of 0.5 fs")
parser.add_argument("--edge", type=float, default=1.8, help="of the box, nm")
parser.add_argument("--output", type=Path, default=Path("so3lr"))
options = parser.parse_args()
options.output.mkdir(parents=True, exist_ok=True)
platform = openmm.Platform.getPlatformByName("CPU")

pdb = app.PDBFile(str(Path(__file__).with_name("alanine_dipeptide.pdb")))
forcefield = app.ForceField("amber14-all.xml", "amber14/tip3p.xml")
modeller = app.Modeller(pdb.topology, pdb.positions)
modeller.addSolvent(forcefield, boxSize=openmm.Vec3(1, 1, 1) * options.edge)
# Let the water settle around the peptide before the model takes over.
cutoff = min(0.8, 0.49 * options.edge)
mm = forcefield.createSystem(modeller.topology, nonbondedMethod=app.PME, nonbondedCutoff=cutoff, constraints=app.HBonds)
relax = app.Simulation(modeller.topology, mm, openmm.LangevinMiddleIntegrator(300, 5, 0.002), platform)
relax.context.setPositions(modeller.positions)
relax.minimizeEnergy(maxIterations=200)
relax.step(500)
positions = relax.context.getState(positions=True).getPositions()

system = MLPotential("polarmp", modelPath="so3lr").createSystem(modeller.topology)
integrator = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 1 / unit.picosecond, 0.5 * unit.femtosecond)
simulation = app.Simulation(modeller.topology, system, integrator, platform)
simulation.context.setPositions(positions)
simulation.minimizeEnergy(maxIterations=5)
simulation.context.setVelocitiesToTemperature(300 * unit.kelvin)
simulation.reporters += [
    app.DCDReporter(str(options.output / "trajectory.dcd"), 10),
    app.StateDataReporter(str(options.output / "energies.csv"), 10, step=True, potentialEnergy=True, temperature=True),
]
start = time.perf_counter()
simulation.step(options.steps)
seconds = (time.perf_counter() - start) / options.steps
energy = simulation.context.getState(energy=True).getPotentialEnergy()
print(f"{system.getNumParticles()} atoms, {seconds:.2f} s by step; energy {energy}")

charges = PolarMPForce.cast(system.getForce(0)).getCharges(simulation.context)
peptide = [atom for atom in modeller.topology.atoms() if atom.residue.name in ("ACE", "ALA", "NME")]
print(f"charge of the peptide: {sum(charges[atom.index] for atom in peptide):.3f} e, of its atoms:")
print(", ".join(f"{atom.name} {charges[atom.index]:.2f}" for atom in peptide))
