"""Electrostatic embedding: the force field's charges polarize the model's atoms, and these act back (theory.md section 11).

Everything that OpenMM-ML's mechanical embedding does to bonded terms, exclusions and cut bonds is done here with its own
functions. What differs are the charges: the model's atoms lose theirs in the NonbondedForce, and the others become the
embedding charges of the `PolarMPForce`.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import openmm
from openmm import unit
from openmm.app import Topology

from openmm_polarmp.force import PolarMPForce

LINK_CHARGES = ("shift", "zero")
PERIODIC_METHODS = (openmm.NonbondedForce.Ewald, openmm.NonbondedForce.PME, openmm.NonbondedForce.LJPME)
# Forces that have charges of their own, which would keep acting on the model's atoms.
REFUSED = (
    "AmoebaMultipoleForce",
    "HippoNonbondedForce",
    "GBSAOBCForce",
    "CustomGBForce",
    "AmoebaGeneralizedKirkwoodForce",
)


@dataclass(frozen=True)
class ElectrostaticSettings:
    """Keywords of ``createMixedSystem(..., embedding='electrostatic')`` beside those of the potential.

    Attributes
    ----------
    embeddingScale : float
        s_emb, the factor of the force field's charges.
    embeddingKernel : str
        ``"smeared"`` or ``"point"``.
    linkCharges : str
        What becomes of the charge of a force-field atom whose bond to the model is cut: ``"shift"`` divides it among the
        force-field atoms bonded to it, ``"zero"`` leaves it out. This concerns what acts on the model only.
    linkAtomDistances : list
        As in OpenMM-ML.
    """

    embeddingScale: float = 1.0
    embeddingKernel: str = "smeared"
    linkCharges: str = "shift"
    linkAtomDistances: tuple | list = ()

    def __post_init__(self) -> None:
        if self.embeddingKernel not in PolarMPForce.EMBEDDING_KERNELS:
            raise ValueError(
                f"embeddingKernel is {self.embeddingKernel!r}; {list(PolarMPForce.EMBEDDING_KERNELS)} are accepted"
            )
        if self.linkCharges not in LINK_CHARGES:
            raise ValueError(f"linkCharges is {self.linkCharges!r}; {list(LINK_CHARGES)} are accepted")


KEYWORDS = tuple(ElectrostaticSettings.__dataclass_fields__)


def create_mixed_system(
    make_force: Callable[[Topology, list[int]], PolarMPForce],
    topology: Topology,
    system: openmm.System,
    atoms: list[int],
    interpolate: bool,
    settings: ElectrostaticSettings,
) -> dict[str, Any]:
    """A System with these atoms in the potential, the rest in its force field, and the charges of the rest around the atoms.

    Parameters
    ----------
    make_force : function of a topology and atoms
        Makes the `PolarMPForce` of these atoms, link atoms among them.
    topology : Topology
        With an element for every particle: see `mixed.marked`.
    system : openmm.System
        All of it in the force field; `check` has accepted it.
    atoms : list of int
    interpolate : bool
        Whether the System gets the global parameter ``lambda_interpolate``: 0 is the force field, 1 the mixed system.
    settings : ElectrostaticSettings

    Returns
    -------
    dict
        'system', 'topology' and 'oldToNew', as OpenMM-ML's ``returnInfo`` has them.
    """
    from openmmml.embeddings import utilities

    nonbonded = _only_nonbonded_force(system)
    periodic = system.usesPeriodicBoundaryConditions()
    link_bonds = utilities.findLinkBonds(topology, atoms)
    charges = surrounding_charges(topology, nonbonded, atoms, link_bonds, settings.linkCharges)

    result = utilities.removeBonds(system, topology, atoms, True)
    for force in result.getForces():
        if isinstance(force, openmm.NonbondedForce):
            remove_charges(force, atoms)
            force.setExceptionsUsePeriodicBoundaryConditions(periodic)
        elif isinstance(force, openmm.CustomNonbondedForce):
            utilities.addCustomNonbondedExclusions(force, atoms)

    pure = copy.deepcopy(system)
    topology = copy.deepcopy(topology)
    caps, old_to_new = utilities.addLinkAtomSites(topology, [result, pure], link_bonds, settings.linkAtomDistances)
    force = make_force(topology, [*atoms, *caps])
    force.setNonbondedMethod(PolarMPForce.PME if periodic else PolarMPForce.NoCutoff)
    force.setEmbeddingCharges(list(charges), list(charges.values()))
    force.setEmbeddingScale(settings.embeddingScale)
    force.setEmbeddingKernel(settings.embeddingKernel)
    if interpolate:
        _interpolate(result, pure, topology, atoms, force)
    else:
        result.addForce(force)
    return {"system": result, "topology": topology, "oldToNew": old_to_new}


def check(system: openmm.System, atoms: Iterable[int]) -> None:
    """Raise a ValueError for what cannot be embedded."""
    nonbonded = _only_nonbonded_force(system)
    for force in system.getForces():
        if type(force).__name__ in REFUSED:
            raise ValueError(
                f"embedding='electrostatic' takes the charges of a NonbondedForce; the System has a {type(force).__name__}, "
                "whose electrostatics it does not know"
            )
    if system.usesPeriodicBoundaryConditions() and nonbonded.getNonbondedMethod() not in PERIODIC_METHODS:
        raise ValueError(
            "embedding='electrostatic' in a periodic box needs a NonbondedForce with Ewald, PME or LJPME: the model's "
            "electrostatics has no cutoff"
        )
    inside = set(atoms)
    for i in range(nonbonded.getNumParticleParameterOffsets()):
        parameter, particle, charge_scale, *_ = nonbonded.getParticleParameterOffset(i)
        if charge_scale != 0:
            raise ValueError(
                f"the charge of particle {particle} has an offset by the global parameter {parameter!r}; "
                "embedding='electrostatic' takes constant charges"
            )
    for i in range(nonbonded.getNumExceptionParameterOffsets()):
        parameter, exception, charge_scale, *_ = nonbonded.getExceptionParameterOffset(i)
        pair = nonbonded.getExceptionParameters(exception)[:2]
        if charge_scale != 0 and inside.intersection(pair):
            raise ValueError(
                f"the exception of particles {pair[0]} and {pair[1]} has an offset of its charges by the global parameter "
                f"{parameter!r}; embedding='electrostatic' takes constant charges"
            )


def surrounding_charges(
    topology: Topology,
    nonbonded: openmm.NonbondedForce,
    atoms: Iterable[int],
    link_bonds: Iterable[tuple[int, int]],
    link_charges: str,
) -> dict[int, float]:
    """The charge in e of every particle outside these atoms that has one, after what is done at cut bonds."""
    inside = set(atoms)
    charges = {i: _charge(nonbonded, i) for i in range(nonbonded.getNumParticles()) if i not in inside}
    if not any(charges.values()):
        raise ValueError(
            "embedding='electrostatic' finds no charge outside the model's atoms; use embedding='mechanical' for a force field "
            "without charges"
        )
    neighbors: dict[int, list[int]] = {outer: [] for _, outer in link_bonds}
    for bond in topology.bonds():
        for one, other in ((bond[0].index, bond[1].index), (bond[1].index, bond[0].index)):
            if one in neighbors and other not in inside and other not in neighbors:
                neighbors[one].append(other)
    for outer, bonded in neighbors.items():
        charge, charges[outer] = charges[outer], 0.0
        if link_charges == "zero" or charge == 0:
            continue
        if not bonded:
            raise ValueError(
                f"linkCharges='shift' has no atom to shift the charge of atom {outer} to, whose bond to the model's atoms is "
                "cut; use linkCharges='zero'"
            )
        for other in bonded:
            charges[other] += charge / len(bonded)
    return {i: charge for i, charge in charges.items() if charge != 0}


def remove_charges(force: openmm.NonbondedForce, atoms: Iterable[int]) -> None:
    """Take all interactions among these atoms, and all their electrostatics, out of a NonbondedForce; Lennard-Jones with others stays."""
    atoms = list(atoms)
    inside = set(atoms)
    for i in atoms:
        _, sigma, epsilon = force.getParticleParameters(i)
        force.setParticleParameters(i, 0, sigma, epsilon)
    for i in range(force.getNumExceptions()):
        one, other, _, sigma, epsilon = force.getExceptionParameters(i)
        if inside.intersection((one, other)):
            force.setExceptionParameters(i, one, other, 0, sigma, epsilon)
    for k, i in enumerate(atoms):
        for j in atoms[:k]:
            force.addException(i, j, 0, 1, 0, True)


def warn_of_bulk_model(eps_inf: float) -> None:
    """Latent moments of a medium are smaller than physical ones, so that they meet the force field's charges too weakly or too strongly."""
    if eps_inf > 1:
        warnings.warn(
            f"the model was trained for a medium with eps_inf = {eps_inf:g}: its moments are physical ones divided by up to "
            f"{math.sqrt(eps_inf):.3g}. Embedding fits models of molecules and clusters; embeddingScale scales the force field's charges",
            stacklevel=2,
        )


def _interpolate(
    result: openmm.System, pure: openmm.System, topology: Topology, atoms: list[int], force: openmm.Force
) -> None:
    """Put what differs between force field and mixed system into two collective variables, each with its own exclusions."""
    from openmmml.embeddings import utilities

    if any(isinstance(f, openmm.CustomNonbondedForce) for f in pure.getForces()):
        raise NotImplementedError("interpolation with a CustomNonbondedForce is not supported")
    model, force_field = utilities.InterpolationHelper(), utilities.InterpolationHelper()
    index = next(i for i, f in enumerate(result.getForces()) if isinstance(f, openmm.NonbondedForce))
    model.addMLTerm(force)
    model.addMLTerm(copy.deepcopy(result.getForce(index)))
    result.removeForce(index)
    force_field.addMMBondedTerms(pure, topology, atoms)
    force_field.addMMTerm(copy.deepcopy(_only_nonbonded_force(pure)))
    model.setupInterpolation(result)
    force_field.setupInterpolation(result)


def _only_nonbonded_force(system: openmm.System) -> openmm.NonbondedForce:
    forces = [f for f in system.getForces() if isinstance(f, openmm.NonbondedForce)]
    if len(forces) != 1:
        raise ValueError(
            f"embedding='electrostatic' takes the charges of one NonbondedForce; the System has {len(forces) or 'none'}"
        )
    return forces[0]


def _charge(nonbonded: openmm.NonbondedForce, i: int) -> float:
    return nonbonded.getParticleParameters(i)[0].value_in_unit(unit.elementary_charge)
