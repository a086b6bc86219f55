"""Hydrogen mass repartitioning: heavier hydrogens, slower vibrations, the same mass of each molecule."""

from __future__ import annotations

from typing import Any

import openmm
from openmm import app, unit

from openmm_polarmp._arguments import number


def repartition(topology: app.Topology, system: openmm.System, hydrogen_mass: Any) -> None:
    """Give every hydrogen this mass, at the expense of the atom that it is bonded to, as `ForceField.createSystem` does.

    Parameters
    ----------
    topology : openmm.app.Topology
        With bonds.
    system : openmm.System
        Whose masses are changed.
    hydrogen_mass : float or Quantity
        Da.

    Raises
    ------
    ValueError
        If the topology has hydrogens but no bonds to them, or a heavy atom would become lighter than a hydrogen.
    """
    mass = number("hydrogenMass", hydrogen_mass, unit.dalton)
    if not mass > 0:
        raise ValueError(f"hydrogenMass is {hydrogen_mass}; a positive number of Da is accepted")
    hydrogen = app.element.hydrogen
    bonded = set()
    for pair in topology.bonds():
        atoms = sorted(pair, key=lambda atom: atom.element is not hydrogen)
        if atoms[0].element is not hydrogen or atoms[1].element in (hydrogen, None):
            continue
        bonded.add(atoms[0].index)
        light, heavy = (system.getParticleMass(atom.index).value_in_unit(unit.dalton) for atom in atoms)
        left = heavy - (mass - light)
        if left < mass:
            raise ValueError(
                f"hydrogenMass is {mass:g} Da, which leaves {left:.3g} Da for atom {atoms[1].index} ({atoms[1].name}); a smaller one "
                "is accepted"
            )
        system.setParticleMass(atoms[0].index, mass)
        system.setParticleMass(atoms[1].index, left)
    alone = [atom.index for atom in topology.atoms() if atom.element is hydrogen and atom.index not in bonded]
    if alone:
        raise ValueError(
            f"hydrogenMass needs the bonds of hydrogens, and atom {alone[0]} has none in the topology; "
            "Topology.createStandardBonds or addBond adds them"
        )
