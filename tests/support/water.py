"""Boxes and clusters of water; needs no torch."""

from __future__ import annotations

import numpy as np
import openmm.app as app
from openmm import unit


def water(molecules: int, periodic: bool = True, seed: int = 0) -> tuple[app.Topology, np.ndarray]:
    """Topology and positions (nm) of molecules on a lattice, each turned at random."""
    rng = np.random.default_rng(seed)
    edge = 0.31 * int(np.ceil(molecules ** (1 / 3)))
    places = [(i, j, k) for i in range(20) for j in range(20) for k in range(20) if max(i, j, k) * 0.31 < edge - 0.1]
    topology, positions = app.Topology(), []
    chain = topology.addChain()
    oxygen, hydrogen = app.Element.getBySymbol("O"), app.Element.getBySymbol("H")
    for place in places[:molecules]:
        residue = topology.addResidue("HOH", chain)
        atoms = [topology.addAtom(n, e, residue) for n, e in (("O", oxygen), ("H1", hydrogen), ("H2", hydrogen))]
        topology.addBond(atoms[0], atoms[1])
        topology.addBond(atoms[0], atoms[2])
        axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        centre = 0.31 * np.array(place)
        along, across = 0.0586 * axes[0], 0.0757 * axes[1]
        positions += [centre, centre + along + across, centre + along - across]
    if periodic:
        topology.setPeriodicBoxVectors(np.eye(3) * edge * unit.nanometer)
    return topology, np.array(positions)


def atomic_numbers(topology: app.Topology) -> list[int]:
    """Of every atom."""
    return [atom.element.atomic_number for atom in topology.atoms()]
