"""Two kinds of mixed systems that OpenMM-ML 1.8 does not handle by itself.

Force fields with extra particles, such as four-point water: OpenMM-ML asks every atom of a topology for its atomic number,
which particles without an element cannot answer. It gets a copy of the topology in which they answer 0.

A bond cut between model and force field in a periodic box: the force that takes the long-range interactions within the
subset away is created before the link atoms and lacks them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator

import openmm
from openmm.app import Topology


class ExtraParticle:
    """Stands for the element of a particle that has none."""

    atomic_number = 0


def marked(topology: Topology) -> Topology:
    """A copy in which particles without an element have `ExtraParticle` as their element."""
    result = copy.deepcopy(topology)
    for atom in result.atoms():
        if atom.element is None:
            atom.element = ExtraParticle()
    return result


def unmark(topology: Topology) -> None:
    """Undo `marked` in place: extra particles have no element again."""
    for atom in topology.atoms():
        if isinstance(atom.element, ExtraParticle):
            atom.element = None


def without_extra_particles(topology: Topology, atoms: Iterable[int]) -> list[int]:
    """Indices of those of these atoms that are not marked as extra particles."""
    all_atoms = list(topology.atoms())
    return [i for i in atoms if not isinstance(all_atoms[i].element, ExtraParticle)]


def complete(system: openmm.System) -> None:
    """Add the particles that the System got later, link atoms without a charge, to forces in collective variables."""
    for force in _collective_variables(system.getForces()):
        if isinstance(force, openmm.NonbondedForce):
            for _ in range(force.getNumParticles(), system.getNumParticles()):
                force.addParticle(0, 1, 0)


def _collective_variables(forces: Iterable[openmm.Force]) -> Iterator[openmm.Force]:
    for force in forces:
        if isinstance(force, openmm.CustomCVForce):
            yield from (inner := [force.getCollectiveVariable(i) for i in range(force.getNumCollectiveVariables())])
            yield from _collective_variables(inner)
