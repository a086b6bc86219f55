"""A uniform field on water: how large the response is, measured in two ways.

    python examples/06_external_field.py

The electrons' answer (charges and dipoles that the field induces at fixed nuclei) is measured by switching a field on, and
from the polarizabilities without a field. A pair of ions then shows the force of the field.
"""

import argparse

import numpy as np
import openmm
from openmm import unit
from openmmml import MLPotential

from openmm_polarmp import FixedMultipoles, PolarMPForce, units
from openmm_polarmp.demo.run import water_box

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=0, help="of MD before measuring")
parser.add_argument("--field", type=float, default=0.5, help="V/nm")
options = parser.parse_args()

topology, positions = water_box(32)
system = MLPotential("polarmp-bio-fast").createSystem(topology)
force = next(PolarMPForce.cast(f) for f in system.getForces() if PolarMPForce.isinstance(f))
force.setEpsInf(1.78)
integrator = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 1 / unit.picosecond, 0.5 * unit.femtosecond)
context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"))
context.setPositions(positions)
integrator.step(options.steps)

# P = s sum mu and the field acts as s E: dP/dE = eps_e sum alpha, where eps_e = s^2 = eps_inf (1 - chi) for induced dipoles that
# do not feel each other.
alpha = force.getPolarizabilities(context).sum(0)  # e^2 nm^2/(kJ/mol), latent
volume = context.getState().getPeriodicBoxVolume()._value
chi = 4 * np.pi * units.COULOMB * units.ENERGY_TO_OPENMM / units.ANGSTROM_PER_NM * np.trace(alpha) / 3 / volume
scaling = np.sqrt(1.78 * (1 - chi))


def dipole(field: float) -> float:
    force.setExternalField(context, (field, 0, 0) * unit.volt / unit.nanometer)
    context.getState(energy=True)
    return scaling * force.getTotalDipoles(context).sum(0)[0]


per_field = (dipole(options.field) - dipole(-options.field)) / (2 * options.field)  # e nm / (V/nm)
from_alpha = scaling**2 * alpha[0, 0] * units.EV_TO_KJ_PER_MOL
print(f"chi = {chi:.3f}, s = {scaling:.3f} (eps_inf = 1.78)")
print(f"dP/dE by a finite field: {per_field:.6f} e nm^2/V; from the polarizabilities: {from_alpha:.6f} e nm^2/V")

pair = PolarMPForce(FixedMultipoles(charges=[1.0, -1.0]))
ions = openmm.System()
for mass in (22.99, 35.45):
    ions.addParticle(mass)
ions.addForce(pair)
context = openmm.Context(ions, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("CPU"))
context.setPositions([[0, 0, 0], [0.5, 0, 0]])
forces = []
for field in (options.field, -options.field):
    context.setParameter("polarmp_field_x", field)
    forces.append(context.getState(forces=True).getForces(asNumpy=True)._value[0, 0])
measured = (forces[0] - forces[1]) / 2
print(
    f"force of {options.field} V/nm on a charge of 1 e: {measured:.3f} kJ/mol/nm, expected {options.field * units.EV_TO_KJ_PER_MOL:.3f}"
)
