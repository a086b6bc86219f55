"""Born charges of water by a model, with and without the induced charges' part, in boxes of several sizes.

    python examples/train_water/born_charges.py polarmp-water --molecules 27 64 125

Prints the mean trace/3 of O and H (e), and the f-sum: the integral of the infrared spectrum that the Born charges demand (1/cm^2;
measured: 9.8e6 to 10.0e6).
"""

from __future__ import annotations

import argparse

import numpy as np
import openmm
from openmm import unit
from openmmml import MLPotential

from openmm_polarmp.analysis import f_sum
from openmm_polarmp.demo.run import water_box
from openmm_polarmp.embedding.find import find_force

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("model")
parser.add_argument("--molecules", type=int, nargs="+", default=[27, 64, 125])
parser.add_argument("--eps-inf", type=float, default=1.78)
options = parser.parse_args()

for molecules in options.molecules:
    topology, positions = water_box(molecules)
    system = MLPotential(options.model).createSystem(topology)
    integrator = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 10 / unit.picosecond, 0.5 * unit.femtosecond)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"))
    context.setPositions(positions)
    openmm.LocalEnergyMinimizer.minimize(context, 100, 20)
    context.setVelocitiesToTemperature(300 * unit.kelvin, 1)
    integrator.step(1000)
    force, context = find_force(context)
    force.setEpsInf(options.eps_inf)
    force.updateParametersInContext(context)
    volume = context.getState().getPeriodicBoxVolume().value_in_unit(unit.nanometer**3)
    masses = np.array([system.getParticleMass(i)._value for i in range(3 * molecules)])
    for induced in (False, True):
        born = force.getBornEffectiveCharges(context, induced_charges=induced)
        oxygen, hydrogen = (np.trace(part.mean(0)) / 3 for part in (born[::3], np.delete(born, np.s_[::3], axis=0)))
        total = f_sum(float(((born**2).sum((1, 2)) / masses).sum()), volume)
        print(
            f"{molecules:4d} molecules, induced charges {'with' if induced else 'without'}: O {oxygen:+.3f} e, H {hydrogen:+.3f} e, "
            f"f-sum {total:.3g} 1/cm^2",
            flush=True,
        )
