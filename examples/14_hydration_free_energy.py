"""Hydration free energy of a learned water molecule: from the force field's by interpolation, with MBAR (`pip install pymbar`).

    python examples/14_hydration_free_energy.py --steps 20000 --output hydration

The force field turns into the model in water and in vacuum. What this costs more in water than in vacuum is added to the
force field's own hydration free energy (--reference: TIP3P, from the literature). Windows that are there already are not
run again: after an interruption, or for more windows, call it once more.
"""

import argparse
from pathlib import Path

import numpy as np
import openmm
from openmm import app, unit
from openmmml import MLPotential
from pymbar import MBAR
from pymbar.timeseries import statistical_inefficiency

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=20000, help="of 0.5 fs in each window")
parser.add_argument("--windows", type=int, default=6)
parser.add_argument("--reference", type=float, default=-25.5, help="kJ/mol")
parser.add_argument("--edge", type=float, default=1.9, help="nm")
parser.add_argument("--output", type=Path, default=Path("hydration"))
options = parser.parse_args()
options.output.mkdir(parents=True, exist_ok=True)
forcefield, kt = app.ForceField("amber14/tip3p.xml"), 8.314462618e-3 * 300


def interpolated(modeller, embedding, method):
    cutoff = 0.45 * options.edge * unit.nanometer
    mm = forcefield.createSystem(modeller.topology, nonbondedMethod=method, nonbondedCutoff=cutoff, rigidWater=False)
    potential = MLPotential("polarmp-bio-fast")
    return potential.createMixedSystem(modeller.topology, mm, [0, 1, 2], embedding=embedding, interpolate=True)


def energies(name, lam, modeller, system):
    """Reduced energies at lambda 0 and 1 along a run at `lam`: from a file if it is there."""
    path = options.output / f"{name}-{lam:.3f}-{options.steps}.npy"
    if not path.is_file():
        integrator = openmm.LangevinMiddleIntegrator(300, 2, 0.0005)
        run = app.Simulation(modeller.topology, system, integrator, openmm.Platform.getPlatformByName("CPU"))
        run.context.setPositions(modeller.positions)
        run.context.setParameter("lambda_interpolate", lam)
        run.minimizeEnergy(maxIterations=50)
        run.step(options.steps // 5)
        rows = []
        for _ in range(max(4, options.steps // 40)):
            run.step(40)
            row = []
            for parameter in (0.0, 1.0, lam):
                run.context.setParameter("lambda_interpolate", parameter)
                row.append(run.context.getState(energy=True).getPotentialEnergy()._value / kt)
            rows.append(row[:2])
        np.save(path, rows)
    return np.load(path)


def difference(name, modeller, system):
    """Free energy of turning the force field into the model, and its error, in kJ/mol."""
    lambdas = np.linspace(0, 1, options.windows)
    windows = [energies(name, lam, modeller, system) for lam in lambdas]
    # Correlated samples are thinned; the energy is linear in lambda.
    windows = [w[:: int(np.ceil(statistical_inefficiency(w[:, 1] - w[:, 0])))] for w in windows]
    ends = np.concatenate(windows).T
    result = MBAR(np.outer(1 - lambdas, ends[0]) + np.outer(lambdas, ends[1]), [len(w) for w in windows])
    table = result.compute_free_energy_differences()
    return kt * table["Delta_f"][0, -1], kt * table["dDelta_f"][0, -1]


water = app.Modeller(app.Topology(), [])
water.addSolvent(forcefield, boxSize=openmm.Vec3(*3 * [options.edge]) * unit.nanometer)
alone = app.Modeller(water.topology, water.positions)
alone.delete(list(alone.topology.residues())[1:])
alone.topology.setPeriodicBoxVectors(None)
in_water = difference("water", water, interpolated(water, "electrostatic", app.PME))
in_vacuum = difference("vacuum", alone, interpolated(alone, "mechanical", app.NoCutoff))
change, error = in_water[0] - in_vacuum[0], np.hypot(in_water[1], in_vacuum[1])
print(f"hydration free energy: {options.reference + change:.2f} +- {error:.2f} kJ/mol, force field {options.reference}")
