"""The electrostatics alone: our force with fixed moments, and what others do on the same boxes."""

from __future__ import annotations

import functools

import numpy as np
import openmm
from openmm import app, unit

from openmm_polarmp import FixedMultipoles, PolarMPForce
from openmm_polarmp.bench.timing import HEAVY, Stepper
from openmm_polarmp.bench.water_box import water_box

RUNGS = ("q", "qu", "quQ", "quQ+ka")
CHARGES = {8: -0.6, 1: 0.3}  # e; latent ones of a water model


def water(atoms: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Positions (nm), atomic numbers and edge (nm) of a box of water."""
    positions, species, cell = water_box(atoms)
    return 0.1 * positions.numpy(), species.numpy(), 0.1 * float(cell[0, 0])


def moments(species: np.ndarray, rung: str, seed: int = 0) -> FixedMultipoles:
    """Moments of the size that water models have, in model units."""
    rng, n = np.random.default_rng(seed), len(species)
    oxygen = species == 8
    quadrupoles = rng.normal(0, 0.15, (n, 3, 3))
    quadrupoles = quadrupoles + quadrupoles.transpose(0, 2, 1)
    quadrupoles -= np.trace(quadrupoles, axis1=1, axis2=2)[:, None, None] * np.eye(3) / 3
    return FixedMultipoles(
        charges=np.where(oxygen, CHARGES[8], CHARGES[1]),
        dipoles=rng.normal(0, 0.1, (n, 3)) if "u" in rung else None,
        quadrupoles=quadrupoles if "Q" in rung else None,
        softness=np.where(oxygen, 0.002, 0.001) if "k" in rung else None,
        polarizability=np.where(oxygen, 0.05, 0.015) if "a" in rung else None,
    )


def ours(atoms: int, rung: str, platform: str, properties: dict[str, str], tolerance: float = 5e-4) -> Stepper:
    """Our force on a box of water."""
    positions, species, edge = water(atoms)
    system = empty_system(len(species), edge)
    force = PolarMPForce(moments(species, rung))
    force.setNonbondedMethod(PolarMPForce.PME)
    force.setEwaldErrorTolerance(tolerance)
    system.addForce(force)
    return Stepper(system, positions, platform, properties)


def no_force(atoms: int, platform: str, properties: dict[str, str]) -> Stepper:
    """What a step costs without any force."""
    positions, species, edge = water(atoms)
    return Stepper(empty_system(len(species), edge), positions, platform, properties)


def accuracy(atoms: int, rung: str, platform: str, properties: dict[str, str]) -> float:
    """Error of our forces over their root mean square: against the same force at a far stricter tolerance on the CPU."""
    found = ours(atoms, rung, platform, properties).forces()
    exact = ours(atoms, rung, "CPU", {}, tolerance=1e-6).forces()
    return float(np.sqrt(((found - exact) ** 2).mean() / (exact**2).mean()))


def point_charges(atoms: int, platform: str, properties: dict[str, str]) -> Stepper:
    """OpenMM's own PME of point charges (cutoff 0.9 nm, no Lennard-Jones)."""
    positions, species, edge = water(atoms)
    system = empty_system(len(species), edge)
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.PME)
    force.setCutoffDistance(min(0.9, 0.45 * edge))
    for z in species:
        force.addParticle(CHARGES[int(z)], 0.3, 0.0)
    system.addForce(force)
    return Stepper(system, positions, platform, properties)


def amoeba(atoms: int, platform: str, properties: dict[str, str], polarization: str = "direct") -> Stepper:
    """AMOEBA's permanent multipoles, with ``direct`` polarization what comes nearest to ours in OpenMM, or ``mutual``."""
    positions, species, edge = water(atoms)
    topology = app.Topology()
    chain = topology.addChain()
    for _ in range(len(species) // 3):
        residue = topology.addResidue("HOH", chain)
        oxygen, *hydrogens = (
            topology.addAtom(name, app.Element.getBySymbol(name[0]), residue) for name in ("O", "H1", "H2")
        )
        for hydrogen in hydrogens:
            topology.addBond(oxygen, hydrogen)
    topology.setPeriodicBoxVectors(np.eye(3) * edge * unit.nanometer)
    system = app.ForceField("amoeba2018.xml").createSystem(
        topology,
        nonbondedMethod=app.PME,
        nonbondedCutoff=min(0.7, 0.45 * edge) * unit.nanometer,
        polarization=polarization,
        constraints=None,
        rigidWater=False,
    )
    for index in reversed(range(system.getNumForces())):
        if not isinstance(system.getForce(index), openmm.AmoebaMultipoleForce):
            system.removeForce(index)
    for particle in range(system.getNumParticles()):
        system.setParticleMass(particle, HEAVY)
    return Stepper(system, positions, platform, properties)


def dense_sum(atoms: int, device: str = "cpu", largest: int = 3000, tolerance: float = 5e-4) -> tuple[float, bool]:
    """Milliseconds of the same step as a dense sum in torch, and whether it was extrapolated with the square of N."""
    measured = min(atoms, largest)
    return _dense_sum(measured, device, tolerance) * (atoms / measured) ** 2, atoms > measured


@functools.cache
def _dense_sum(atoms: int, device: str, tolerance: float) -> float:
    import torch

    from openmm_polarmp.bench.timing import seconds
    from openmm_polarmp.electrostatics import Multipoles, electrostatic_energy

    positions, species, edge = water(atoms)
    fixed = moments(species, "quQ+ka")
    values = {name: torch.tensor(value, device=device, requires_grad=True) for name, value in fixed.members().items()}
    r = torch.tensor(10 * positions, device=device, requires_grad=True)
    cell = torch.eye(3, dtype=r.dtype, device=device) * 10 * edge

    def step() -> None:
        energy = electrostatic_energy(r, Multipoles(**values), cell, method="ewald", accuracy=tolerance).energy
        torch.autograd.grad(energy, [r, *values.values()])

    return 1e3 * seconds(step, device)


def empty_system(particles: int, edge: float) -> openmm.System:
    """Heavy particles in a cubic box of that edge in nm."""
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * edge))
    for _ in range(particles):
        system.addParticle(HEAVY)
    return system
