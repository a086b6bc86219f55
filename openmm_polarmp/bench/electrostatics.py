"""The electrostatics alone: PolarMPForce with fixed moments, and forces of OpenMM, on the same boxes of water."""

from __future__ import annotations

import numpy as np
import openmm
from openmm import app, unit

from openmm_polarmp import PolarMPForce
from openmm_polarmp.bench.timing import HEAVY, Stepper
from openmm_polarmp.bench.water_box import CHARGES, empty_system, fixed_moments, water_box_nm

RUNGS = ("q", "qu", "quQ", "quQ+ka")


def polarmp(atoms: int, rung: str, platform: str, properties: dict[str, str], tolerance: float = 5e-4) -> Stepper:
    """PolarMPForce with fixed moments of a rung; ``tolerance`` is its force accuracy."""
    positions, species, edge = water_box_nm(atoms)
    system = empty_system(len(species), edge)
    force = PolarMPForce(fixed_moments(species, rung))
    force.setNonbondedMethod(PolarMPForce.PME)
    force.setEwaldErrorTolerance(tolerance)
    system.addForce(force)
    return Stepper(system, positions, platform, properties)


def no_force(atoms: int, platform: str, properties: dict[str, str]) -> Stepper:
    """A System without any force."""
    positions, species, edge = water_box_nm(atoms)
    return Stepper(empty_system(len(species), edge), positions, platform, properties)


def accuracy(atoms: int, rung: str, platform: str, properties: dict[str, str]) -> float:
    """Rms error of the forces over their rms, compared with the same force at a tolerance of 1e-6 on the CPU."""
    forces = polarmp(atoms, rung, platform, properties).forces()
    reference = polarmp(atoms, rung, "CPU", {}, tolerance=1e-6).forces()
    return float(np.sqrt(((forces - reference) ** 2).mean() / (reference**2).mean()))


def point_charges(atoms: int, platform: str, properties: dict[str, str]) -> Stepper:
    """OpenMM's PME of point charges (cutoff 0.9 nm, no Lennard-Jones)."""
    positions, species, edge = water_box_nm(atoms)
    system = empty_system(len(species), edge)
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.PME)
    force.setCutoffDistance(min(0.9, 0.45 * edge))
    for z in species:
        force.addParticle(CHARGES[int(z)], 0.3, 0.0)
    system.addForce(force)
    return Stepper(system, positions, platform, properties)


def amoeba(atoms: int, platform: str, properties: dict[str, str], polarization: str = "direct") -> Stepper:
    """AMOEBA's multipoles with ``direct`` polarization, the force of OpenMM most similar to PolarMPForce, or ``mutual``."""
    positions, species, edge = water_box_nm(atoms)
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
