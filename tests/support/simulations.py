"""Small Systems for tests of molecular dynamics."""

from __future__ import annotations

from typing import Any

import numpy as np
import openmm
from openmm import app

from openmm_polarmp import PolarMPForce

from .models import tiny_model
from .water import water


def water_system(
    molecules: int = 8, periodic: bool = True, model=None, bonds: bool = True, **options: Any
) -> tuple[app.Topology, openmm.System, np.ndarray]:
    """Water by a tiny untrained network, held together by springs, so that it can be run for some steps.

    The options are those of `PolarMPForce`; the precision of the network is double if they do not say it.
    """
    topology, positions = water(molecules, periodic)
    system = openmm.System()
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
    numbers = [atom.element.atomic_number for atom in topology.atoms()]
    force = PolarMPForce(model or tiny_model(), atomic_numbers=numbers, **{"precision": "double", **options})
    force.setNonbondedMethod(PolarMPForce.PME if periodic else PolarMPForce.NoCutoff)
    system.addForce(force)
    if periodic:
        system.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
    if bonds:
        springs = openmm.HarmonicBondForce()
        angles = openmm.HarmonicAngleForce()
        for molecule in range(molecules):
            o, h1, h2 = range(3 * molecule, 3 * molecule + 3)
            springs.addBond(o, h1, 0.0957, 300_000)
            springs.addBond(o, h2, 0.0957, 300_000)
            angles.addAngle(h1, o, h2, np.deg2rad(104.5), 500)
        system.addForce(springs)
        system.addForce(angles)
    return topology, system, positions


def positions_of(context: openmm.Context) -> np.ndarray:
    """nm, not wrapped."""
    return np.array(context.getState(positions=True).getPositions(asNumpy=True)._value)


def energies_along(context: openmm.Context, group: int, steps: int, reports: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Total energy and that of one force group (kJ/mol) each so many steps."""
    total, part = [], []
    for _ in range(reports):
        context.getIntegrator().step(steps)
        state = context.getState(energy=True)
        total.append((state.getPotentialEnergy() + state.getKineticEnergy())._value)
        part.append(context.getState(energy=True, groups={group}).getPotentialEnergy()._value)
    return np.array(total), np.array(part)
