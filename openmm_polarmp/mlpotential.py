"""``MLPotential('polarmp')``: the force as a potential of OpenMM-ML."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import openmm
import openmm.app
from openmm import unit
from openmmml.mlpotential import MLPotentialImpl

from openmm_polarmp._arguments import number
from openmm_polarmp.embedding import electrostatic, mixed
from openmm_polarmp.force import PolarMPForce
from openmm_polarmp.hydrogen_mass import repartition
from openmm_polarmp.models import ModelDescription
from openmm_polarmp.models.description import medium_eps_inf
from openmm_polarmp.models.shipped import shipped_model_for
from openmm_polarmp.topology_charge import expected_charge

WHOLE = 0.01
"""e, by which the sum of a force field's charges may differ from a whole number; two hydrogens of TIP4P water have 1.04."""
POLARIZATION = {
    "direct": PolarMPForce.Direct,
    "mutual": PolarMPForce.Mutual,
    "none": PolarMPForce.NoPolarization,
}
ENERGY_TYPES = ("interaction_energy", "energy")
FORCE_KEYWORDS = ("polarization", "mutualInducedTargetEpsilon", "ewaldErrorTolerance", "returnEnergyType", "embed")
# OpenMM-ML's word for each option of `SourceOptions`.
NETWORK_KEYWORDS = {
    "precision": "precision",
    "evaluator": "evaluator",
    "device": "device",
    "charge": "total_charge",
    "multiplicity": "multiplicity",
    "compile": "compile",
    "tensorProducts": "tensor_products",
}


class PolarMPPotentialImpl(MLPotentialImpl):
    """Implementation of ``MLPotential('polarmp')`` and of the shipped models' names, such as 'polarmp-water'.

    Parameters
    ----------
    name : str
        'polarmp', or the name of a shipped model.
    modelPath : str, os.PathLike or PolarMPModel, optional
        The model, with the name 'polarmp' only. Without it: the shipped model that covers the topology's elements.

    Notes
    -----
    `createSystem` and `createMixedSystem` take these keywords, which may also be given to `MLPotential`:

    precision : 'single' (default) or 'double', of the network
    evaluator : 'native': the plugin's own kernels evaluate the network; 'torch': torch does. By default native where it can,
        that is for models with a `PolarMPNet` and without the keywords device, compile and tensorProducts
    device : with torch: where the network runs; by default where OpenMM runs
    charge : total charge of the atoms in e (default 0), or 'auto': what the System's NonbondedForce gives these atoms, or else
        what the residues' names and hydrogens suggest. A number that differs from the latter is warned of
    multiplicity : spin multiplicity (default 1)
    polarization : 'direct': induced charges and dipoles feel the permanent moments, 'mutual': also each other, 'none': there are
        none; by default as the model was trained
    mutualInducedTargetEpsilon : relative error of mutual induction (default 1e-5)
    ewaldErrorTolerance : error of the forces over their rms that the mesh may make (default 5e-4)
    returnEnergyType : 'interaction_energy' (default): without the energies of the single atoms; 'energy': with them
    compile : with torch: whether the network runs through torch.compile (default False): under a minute of compiling, then a little
        faster for systems of up to some thousand atoms on the CPU; where it fails, a warning, and the network runs as it is
    tensorProducts : with torch: 'dense' (default), or 'cuequivariance' for GPUs, if it is installed: the network's products by NVIDIA's kernels
    hydrogenMass : of `createSystem` only: mass of every hydrogen, Da, taken from the atom that it is bonded to, for longer time steps
    embed : whether the System's XML holds the model itself instead of its path (default False)
    """

    def __init__(self, name: str, modelPath: Any = None, **args: Any) -> None:
        if name != "polarmp" and modelPath is not None:
            raise ValueError(
                f"modelPath is given together with the shipped model {name!r}; use MLPotential('polarmp', modelPath=...)"
            )
        self.name = name
        self.modelPath = name if name != "polarmp" else modelPath
        self.defaults = args

    def addForces(
        self,
        topology: openmm.app.Topology,
        system: openmm.System,
        atoms: Iterable[int] | None,
        forceGroup: int,
        **args: Any,
    ) -> None:
        """Add a `PolarMPForce` to the System. Keywords: see the class."""
        # createSystem, which takes all atoms, has no keywords but these; an embedding may have others.
        if atoms is None:
            args = {**self.defaults, **args}
            hydrogen_mass = args.pop("hydrogenMass", None)
            _refuse_constraints(args)
            if hydrogen_mass is not None:
                repartition(topology, system, hydrogen_mass)
            settings = PotentialSettings.of(args)
        else:
            settings = PotentialSettings.of({**self.defaults, **_known(args)})
        atoms = None if atoms is None else list(atoms)
        settings.source_options["total_charge"] = _total_charge(topology, system, atoms, settings.source_options)
        self._add_force(topology, system, atoms, forceGroup, settings)

    def _add_force(
        self,
        topology: openmm.app.Topology,
        system: openmm.System,
        atoms: Iterable[int] | None,
        forceGroup: int,
        settings: PotentialSettings,
    ) -> None:
        # createSystem's System has no periodic force yet: the topology knows.
        periodic = topology.getPeriodicBoxVectors() is not None or system.usesPeriodicBoundaryConditions()
        force = self._force(topology, atoms, settings)
        force.setNonbondedMethod(PolarMPForce.PME if periodic else PolarMPForce.NoCutoff)
        force.setForceGroup(forceGroup)
        system.addForce(force)

    def _force(
        self, topology: openmm.app.Topology, atoms: Iterable[int] | None, settings: PotentialSettings
    ) -> PolarMPForce:
        """The force of these atoms, without extra particles among them; of all atoms if None."""
        atoms = None if atoms is None else mixed.without_extra_particles(topology, atoms)
        numbers = _atomic_numbers(topology, atoms)
        model = self.modelPath if self.modelPath is not None else shipped_model_for(set(numbers))
        force = PolarMPForce(model, atomic_numbers=numbers, embed=settings.embed, **settings.source_options)
        if settings.polarization is not None:
            force.setPolarizationType(POLARIZATION[settings.polarization])
        if settings.mutualInducedTargetEpsilon is not None:
            force.setMutualInducedTargetEpsilon(settings.mutualInducedTargetEpsilon)
        if settings.ewaldErrorTolerance is not None:
            force.setEwaldErrorTolerance(settings.ewaldErrorTolerance)
        if atoms is not None:
            force.setParticles(atoms)
        return force

    def getSupportedEmbeddings(self) -> list[str]:
        """OpenMM-ML's mechanical embedding, which `createMixedSystem` extends, and electrostatic embedding."""
        return ["mechanical", "electrostatic"]

    def createMixedSystem(
        self,
        topology: openmm.app.Topology,
        system: openmm.System,
        atoms: list[int],
        forceGroup: int,
        interpolate: bool,
        embedding: str,
        returnInfo: bool = False,
        **args: Any,
    ) -> openmm.System | dict[str, Any]:
        """Mechanical or electrostatic embedding, also of force fields with extra particles (four-point water).

        With ``embedding='mechanical'`` the force field computes what model and rest do to each other. With
        ``'electrostatic'`` the charges of the rest act on the model's moments and polarize them, and these act back
        (theory.md section 11); Lennard-Jones stays. For its keywords see
        `openmm_polarmp.embedding.electrostatic.ElectrostaticSettings`.

        Extra particles among `atoms` are the force field's, not the network's: what they do to the other atoms of the
        subset is taken away as it is between all its atoms. What they do to the rest stays in mechanical embedding; in
        electrostatic embedding the model's moments take their place.
        """
        if embedding not in self.getSupportedEmbeddings():
            raise ValueError(
                f"embedding is {embedding!r}{_meant(embedding, self.getSupportedEmbeddings())}; "
                f"{' and '.join(self.getSupportedEmbeddings())} are accepted"
            )
        if embedding == "electrostatic":
            info = self._embed(topology, system, atoms, forceGroup, interpolate, **args)
            return info if returnInfo else info["system"]
        # Imported here, because versions of OpenMM-ML without embeddings lack it and never call this.
        from openmmml.embeddings.mechanicalembedding import MechanicalEmbedding

        _check_keywords(args, (*KEYWORDS, *MECHANICAL_KEYWORDS))
        topology = mixed.marked(topology)
        settings = PotentialSettings.of({**self.defaults, **_known(args)})
        settings.source_options["total_charge"] = _total_charge(topology, system, atoms, settings.source_options)
        result = MechanicalEmbedding().createMixedSystem(
            _Subset(self, settings), topology, system, atoms, forceGroup, interpolate, returnInfo=returnInfo, **args
        )
        if returnInfo:
            mixed.unmark(result["topology"])
        mixed.complete(result["system"] if returnInfo else result)
        return result

    def _embed(
        self,
        topology: openmm.app.Topology,
        system: openmm.System,
        atoms: list[int],
        forceGroup: int,
        interpolate: bool,
        **args: Any,
    ) -> dict[str, Any]:
        _check_keywords(args, (*electrostatic.KEYWORDS, *KEYWORDS))
        if not self.getMLLongRange():
            raise ValueError(
                "embedding='electrostatic' needs a model with charges; this one has no electrostatics (rung sr)"
            )
        embedding = electrostatic.ElectrostaticSettings(
            **{n: v for n, v in args.items() if n in electrostatic.KEYWORDS}
        )
        settings = PotentialSettings.of({**self.defaults, **_known(args)})
        marked = mixed.marked(topology)

        def make_force(capped: openmm.app.Topology, with_caps: list[int]) -> PolarMPForce:
            force = self._force(capped, with_caps, settings)
            force.setForceGroup(forceGroup)
            return force

        electrostatic.check(system, atoms)
        settings.source_options["total_charge"] = _total_charge(marked, system, atoms, settings.source_options)
        info = electrostatic.create_mixed_system(make_force, marked, system, atoms, interpolate, embedding)
        mixed.unmark(info["topology"])
        numbers = _atomic_numbers(topology, mixed.without_extra_particles(marked, atoms))
        electrostatic.warn_of_bulk_model(medium_eps_inf(self._metadata(set(numbers))))
        return info

    def _metadata(self, elements: set[int]) -> dict[str, Any]:
        """What the model says of itself."""
        if self.modelPath is None:
            return ModelDescription.of(shipped_model_for(elements)).metadata
        if isinstance(self.modelPath, (str, os.PathLike)):
            return ModelDescription.find(self.modelPath).metadata
        return getattr(self.modelPath, "metadata", {})

    def getMLLongRange(self) -> bool | None:
        """True for a model with electrostatics, as all shipped ones are."""
        if self.modelPath is None:
            return True
        if isinstance(self.modelPath, (str, os.PathLike)):
            return ModelDescription.find(self.modelPath).has_electrostatics
        return getattr(self.modelPath, "has_electrostatics", True)


@dataclass(frozen=True)
class PotentialSettings:
    """The keywords of a potential, checked; those of its network by `SourceOptions`, which has their defaults.

    Attributes
    ----------
    polarization : str or None
        None: as the model was trained.
    mutualInducedTargetEpsilon : float or None
        None: the force's default.
    ewaldErrorTolerance : float or None
        None: the force's default.
    returnEnergyType : str
    embed : bool
    source_options : dict
        Keywords of `SourceOptions`.
    """

    polarization: str | None = None
    mutualInducedTargetEpsilon: float | None = None
    ewaldErrorTolerance: float | None = None
    returnEnergyType: str = "interaction_energy"
    embed: bool = False
    source_options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.polarization is not None and self.polarization not in POLARIZATION:
            raise ValueError(f"polarization is {self.polarization!r}; {sorted(POLARIZATION)} are accepted")
        if self.returnEnergyType not in ENERGY_TYPES:
            raise ValueError(f"returnEnergyType is {self.returnEnergyType!r}; {list(ENERGY_TYPES)} are accepted")

    @classmethod
    def of(cls, keywords: dict[str, Any]) -> PotentialSettings:
        """From the keywords that a user gives."""
        _check_keywords(keywords, KEYWORDS)
        network = {option: keywords[name] for name, option in NETWORK_KEYWORDS.items() if name in keywords}
        if "charge" in keywords:
            network["total_charge"] = _checked_charge(keywords["charge"])
        settings = cls(**{name: keywords[name] for name in FORCE_KEYWORDS if name in keywords}, source_options=network)
        network["interaction_energy"] = settings.returnEnergyType == "interaction_energy"
        return settings


@dataclass(frozen=True)
class _Subset:
    """What OpenMM-ML's mechanical embedding asks of a potential.

    Its charge is known beforehand: with ``interpolate=True`` forces are added to a System without the force field.
    """

    potential: PolarMPPotentialImpl
    settings: PotentialSettings

    def getMLLongRange(self) -> bool | None:
        return self.potential.getMLLongRange()

    def addForces(
        self, topology: openmm.app.Topology, system: openmm.System, atoms: list[int], forceGroup: int, **args: Any
    ) -> None:
        self.potential._add_force(topology, system, atoms, forceGroup, self.settings)


KEYWORDS = (*FORCE_KEYWORDS, *NETWORK_KEYWORDS)
MECHANICAL_KEYWORDS = ("mlLongRange", "linkAtomDistances")
"""Of OpenMM-ML's mechanical embedding."""


def _refuse_constraints(args: dict[str, Any]) -> None:
    """Raise a TypeError for keywords of `ForceField.createSystem` that a model cannot follow."""
    for name in ("constraints", "rigidWater"):
        if args.pop(name, None) not in (None, False):
            raise TypeError(
                f"{name} is not accepted: a model has no bond lengths that could be fixed. Use hydrogenMass, or add constraints to the "
                "System with lengths of your choice (docs/time-steps.md)"
            )


def _check_keywords(keywords: Iterable[str], accepted: Sequence[str]) -> None:
    """Raise a TypeError for unknown keywords, which names the nearest known one."""
    if unknown := sorted(set(keywords) - set(accepted)):
        raise TypeError(
            f"unknown keywords {unknown}{_meant(unknown[0], accepted)}; accepted are {', '.join(dict.fromkeys(accepted))}"
        )


def _meant(word: str, accepted: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(word, accepted, n=1, cutoff=0.5)
    return f" (is {nearest[0]!r} meant?)" if nearest else ""


def _known(args: dict[str, Any]) -> dict[str, Any]:
    """The potential's keywords among those of createSystem or createMixedSystem; embeddings have others."""
    return {name: value for name, value in args.items() if name in KEYWORDS}


def _checked_charge(charge: Any) -> float | str | None:
    """The keyword charge: a number, 'auto', or None for the default."""
    if charge is None or charge == "auto":
        return charge
    if isinstance(charge, str):
        raise ValueError(f"charge is {charge!r}; a number of e or 'auto' is accepted")
    return number("charge", charge, unit.elementary_charge)


def _total_charge(
    topology: openmm.app.Topology, system: openmm.System, atoms: Iterable[int] | None, options: dict[str, Any]
) -> float:
    """The total charge of the atoms, e; warns of one that the force field or the topology contradicts."""
    charge = options.get("total_charge")
    of_residues, of_force_field = expected_charge(topology, atoms), _force_field_charge(system, atoms)
    if charge == "auto":
        if of_force_field is not None:
            return of_force_field
        if of_residues.unknown:
            raise ValueError(
                f"charge is 'auto', but the charge of the residues {', '.join(of_residues.unknown)} is not known; a number is accepted"
            )
        return float(of_residues.charge)
    number = 0.0 if charge is None else float(charge)
    if of_force_field is not None and number != of_force_field:
        warnings.warn(
            f"the force field gives the model's atoms a charge of {of_force_field:.3g} e, but charge={number:g}; give the keyword charge",
            stacklevel=4,
        )
    elif not of_residues.unknown and abs(number - of_residues.charge) > 1e-6:
        suggested = str(of_residues) if of_residues.charge else "0 e"
        warnings.warn(
            f"charge is {number:g}, but the residues suggest {suggested}; charge={of_residues.charge} or charge='auto' sets it",
            stacklevel=4,
        )
    return number


def _force_field_charge(system: openmm.System, atoms: Iterable[int] | None) -> float | None:
    """Sum of the atoms' charges in a NonbondedForce, e, if it is whole; None without such a force."""
    forces = [f for f in system.getForces() if isinstance(f, openmm.NonbondedForce)]
    if len(forces) != 1:
        return None
    chosen = range(system.getNumParticles()) if atoms is None else atoms
    total = sum(forces[0].getParticleParameters(i)[0].value_in_unit(unit.elementary_charge) for i in chosen)
    return float(round(total)) if abs(total - round(total)) < WHOLE else None


def _atomic_numbers(topology: openmm.app.Topology, atoms: Iterable[int] | None) -> list[int]:
    all_atoms = list(topology.atoms())
    numbers = []
    for atom in all_atoms if atoms is None else [all_atoms[i] for i in atoms]:
        if atom.element is None:
            raise ValueError(
                f"atom {atom.index} ({atom.name}) has no element: a network needs one for each of its atoms"
            )
        numbers.append(atom.element.atomic_number)
    return numbers
