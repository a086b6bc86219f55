"""A TorchScript module as the source of moments, as scripts and models built on openmm-torch have it.

python examples/11_torchforce.py

Where openmm-torch is installed (pip install openmm-polarmp[torchforce]) the module goes through an openmmtorch.TorchForce;
elsewhere it is given to PolarMPForce as it is. The simulation is the same.
"""

import argparse
import warnings

import openmm
import torch
from openmm import unit

from openmm_polarmp import PolarMPForce, load_model
from openmm_polarmp.demo.run import water_box
from openmm_polarmp.torchforce import export_module

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=100)
steps = parser.parse_args().steps

topology, positions = water_box(8)
numbers = [atom.element.atomic_number for atom in topology.atoms()]
# What `polarmp export --torchforce polarmp-bio-fast water.pdb water.pt` writes. A module of your own returns the same
# dictionary: energy (kJ/mol), charges (e), and any of dipoles, quadrupoles, softness, polarizability, in OpenMM's units.
module = export_module(load_model("polarmp-bio-fast"), numbers, interaction_energy=True)
try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import openmmtorch

    source = openmmtorch.TorchForce(module)
    source.setUsesPeriodicBoundaryConditions(True)
except ImportError:
    source = module


def context_with(force: PolarMPForce) -> openmm.Context:
    """A box of water with this force."""
    force.setNonbondedMethod(PolarMPForce.PME)
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
    system.addForce(force)
    integrator = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 1 / unit.picosecond, 0.0005 * unit.picosecond)
    return openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"))


context = context_with(PolarMPForce(source))
context.setPositions(positions)
openmm.LocalEnergyMinimizer.minimize(context, maxIterations=20)
context.setVelocitiesToTemperature(300 * unit.kelvin)
context.getIntegrator().step(steps)
state = context.getState(positions=True, energy=True)

direct = context_with(PolarMPForce("polarmp-bio-fast", atomic_numbers=numbers, interaction_energy=True))
direct.setPositions(state.getPositions())
energies = [s.getPotentialEnergy()._value for s in (state, direct.getState(energy=True))]
same = "equal" if abs(energies[0] - energies[1]) < 1e-4 * abs(energies[1]) else "DIFFERENT"
print(f"{steps} steps through {type(source).__name__} with torch {torch.__version__}")
print(f"energies of the two routes are {same}: {energies[0]:.3f} and {energies[1]:.3f} kJ/mol")
