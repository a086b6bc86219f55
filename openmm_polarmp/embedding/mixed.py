"""Two mixed systems that OpenMM-ML 1.8 does not make by itself.

Force fields with extra particles, such as four-point water: OpenMM-ML asks every atom of a topology for its atomic number,
which particles without an element cannot answer. It gets a copy of the topology in which they answer 0.

A bond cut between model and force field in a periodic box: the force that takes the long-range interactions within the
subset away is made before the link atoms and lacks them.
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
    """A copy in which particles without an element have an `ExtraParticle` for one."""
    result = copy.deepcopy(topology)
    for atom in result.atoms():
        if atom.element is None:
            atom.element = ExtraParticle()
    return result


def unmark(topology: Topology) -> None:
    """Take the marks away again."""
    for atom in topology.atoms():
        if isinstance(atom.element, ExtraParticle):
            atom.element = None


def without_extra_particles(topology: Topology, atoms: Iterable[int]) -> list[int]:
    """Of these atoms the ones that are not marked."""
    every = list(topology.atoms())
    return [i for i in atoms if not isinstance(every[i].element, ExtraParticle)]


def complete(system: openmm.System) -> None:
    """Give forces within collective variables the particles that the System got after them: link atoms without a charge."""
    for force in _collective_variables(system.getForces()):
        if isinstance(force, openmm.NonbondedForce):
            for _ in range(force.getNumParticles(), system.getNumParticles()):
                force.addParticle(0, 1, 0)


def _collective_variables(forces: Iterable[openmm.Force]) -> Iterator[openmm.Force]:
    for force in forces:
        if isinstance(force, openmm.CustomCVForce):
            yield from (inner := [force.getCollectiveVariable(i) for i in range(force.getNumCollectiveVariables())])
            yield from _collective_variables(inner)
