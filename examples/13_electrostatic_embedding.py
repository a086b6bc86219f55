"""A capped alanine by a model, polarized by the charges of water and ions around it (electrostatic embedding).

    python examples/13_electrostatic_embedding.py --steps 2000 --output embedded

The peptide's dipole and the part of it that is induced, along a run in water and one in vacuum.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import openmm
from openmm import app, unit
from openmmml import MLPotential

from openmm_polarmp import PolarMPForce
from openmm_polarmp.units import DEBYE_PER_E_NM

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=2000)
parser.add_argument("--output", type=Path, default=Path("embedded"))
options = parser.parse_args()
options.output.mkdir(parents=True, exist_ok=True)


def simulation(topology, system, positions, femtoseconds):
    integrator = openmm.LangevinMiddleIntegrator(
        300 * unit.kelvin, 1 / unit.picosecond, femtoseconds * unit.femtosecond
    )
    result = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName("CPU"))
    result.context.setPositions(positions)
    result.minimizeEnergy(maxIterations=100)
    return result


def dipoles(run, atoms):
    """Size in D of the peptide's dipole and of its induced part, every ten steps."""
    force = next(PolarMPForce.cast(f) for f in run.system.getForces() if PolarMPForce.isinstance(f))
    rows = []
    for _ in range(max(2, options.steps // 10)):
        run.step(10)
        r = run.context.getState(positions=True).getPositions(asNumpy=True)._value[atoms]
        step = force.getStepData(run.context)
        r = r - r.mean(0)
        induced = step.induced_charges @ r + step.induced_dipoles.sum(0)
        total = step.charges @ r + step.dipoles.sum(0) + induced
        rows.append([np.linalg.norm(total), np.linalg.norm(induced)])
    return DEBYE_PER_E_NM * np.array(rows)


pdb = app.PDBFile(str(Path(__file__).with_name("alanine_dipeptide.pdb")))
forcefield = app.ForceField("amber14-all.xml", "amber14/tip3p.xml")
modeller = app.Modeller(pdb.topology, pdb.positions)
modeller.addSolvent(forcefield, padding=0.8 * unit.nanometer, ionicStrength=0.3 * unit.molar)
mm = forcefield.createSystem(modeller.topology, nonbondedMethod=app.PME, nonbondedCutoff=0.8 * unit.nanometer)
# Let the water settle around the peptide before the model takes over.
relax = simulation(modeller.topology, mm, modeller.positions, 1)
relax.step(500)
positions = relax.context.getState(positions=True).getPositions()

peptide = [a.index for a in modeller.topology.atoms() if a.residue.name in ("ACE", "ALA", "NME")]
potential = MLPotential("polarmp-bio-fast")
system = potential.createMixedSystem(modeller.topology, mm, peptide, embedding="electrostatic")
runs = {
    "in water": dipoles(simulation(modeller.topology, system, positions, 0.5), peptide),
    "in vacuum": dipoles(simulation(pdb.topology, potential.createSystem(pdb.topology), pdb.positions, 0.5), peptide),
}
figure, axes = plt.subplots(2, sharex=True)
for name, rows in runs.items():
    for axis, values, label in zip(axes, rows.T, ("dipole", "induced dipole"), strict=True):
        axis.plot(0.005 * np.arange(len(values)), values, label=name)
        axis.set_ylabel(f"{label} / D")
    print(f"{name}: dipole {rows[:, 0].mean():.2f} D, induced part {rows[:, 1].mean():.2f} D")
axes[1].set_xlabel("time / ps")
axes[0].legend()
figure.savefig(options.output / "dipoles.png", dpi=150)
