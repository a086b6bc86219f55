"""A bond cut between model and force field: the hydrogen that caps it is a virtual site, a new particle of the System.

    python examples/18_link_atoms.py --steps 1000

The model has the side chain of alanine. The recipe: ask for ``returnInfo``, run with the topology and the positions of the new
System, and let OpenMM place the caps with ``computeVirtualSites`` before anything is evaluated.
"""

import argparse
from pathlib import Path

import numpy as np
import openmm
from openmm import app, unit
from openmmml import MLPotential

from openmm_polarmp.embedding.find import find_force

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=1000)
options = parser.parse_args()

pdb = app.PDBFile(str(Path(__file__).with_name("alanine_dipeptide.pdb")))
force_field = app.ForceField("amber14-all.xml")
mm = force_field.createSystem(pdb.topology)
side_chain = [
    atom.index
    for atom in pdb.topology.atoms()
    if atom.residue.name == "ALA" and atom.name in ("CB", "HB1", "HB2", "HB3")
]

info = MLPotential("polarmp-bio-fast").createMixedSystem(
    pdb.topology, mm, side_chain, embedding="electrostatic", returnInfo=True
)
system, topology = info["system"], info["topology"]
positions = np.zeros((system.getNumParticles(), 3))
positions[info["oldToNew"]] = pdb.positions.value_in_unit(unit.nanometer)  # the caps have no position yet

integrator = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 1 / unit.picosecond, 0.5 * unit.femtosecond)
simulation = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName("CPU"))
simulation.context.setPositions(positions)
simulation.context.computeVirtualSites()
simulation.minimizeEnergy(maxIterations=50)
simulation.context.setVelocitiesToTemperature(300 * unit.kelvin, 1)
simulation.step(options.steps)

force, context = find_force(simulation.context)
caps = [i for i in range(system.getNumParticles()) if system.isVirtualSite(i)]
charges = force.getCharges(context)
for particle, charge in zip(force.getParticles(), charges, strict=True):
    what = "cap" if particle in caps else list(topology.atoms())[particle].name
    print(f"particle {particle:3d}  {what:4s} {charge:+.3f} e")
energy = simulation.context.getState(energy=True).getPotentialEnergy()
print(f"{len(caps)} cap; potential energy {energy.value_in_unit(unit.kilojoule_per_mole):.1f} kJ/mol")
