"""The kernels without a network: given charges, dipoles, quadrupoles and polarizabilities, say of a lattice or a probe.

python examples/10_fixed_multipoles.py
"""

import argparse

import numpy as np
import openmm

from openmm_polarmp import FixedMultipoles, PolarMPForce

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=0, help="nothing moves here")
parser.parse_args()

# Rock salt of unit charges, polarizable anions: model units e, A, eV.
edge = 0.564  # nm
corners = np.array([(x, y, z) for x in range(4) for y in range(4) for z in range(4)])
sign = np.where(corners.sum(1) % 2 == 0, 1.0, -1.0)
multipoles = FixedMultipoles(charges=sign, polarizability=np.where(sign < 0, 0.2, 0.01))
force = PolarMPForce(multipoles)
force.setNonbondedMethod(PolarMPForce.PME)
force.setSigma(0.05)  # nm: nearly point charges
force.setEwaldErrorTolerance(1e-5)
system = openmm.System()
system.setDefaultPeriodicBoxVectors(*(np.eye(3) * 2 * edge))
for _ in sign:
    system.addParticle(0.0)
system.addForce(force)
context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("CPU"))
context.setPositions(corners * edge / 2)
energy = context.getState(energy=True).getPotentialEnergy()._value
madelung = -energy / 32 * (edge / 2) / 138.935457644
print(f"Madelung constant of rock salt: {madelung:.6f} (1.747565 for point charges)")
moved = corners * edge / 2
moved[0, 0] += 0.02
context.setPositions(moved)
context.getState(energy=True)
largest = np.linalg.norm(force.getInducedDipoles(context), axis=1).max()
print(f"an ion 0.02 nm off its place induces dipoles up to {largest:.4f} e nm; none before, by symmetry")
