"""``MLPotential('polarmp')``: the force as a potential of OpenMM-ML."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable
from typing import Any

import openmm
import openmm.app
from openmmml.mlpotential import MLPotentialImpl

from openmm_polarmp.embedding import mixed
from openmm_polarmp.force import PolarMPForce
from openmm_polarmp.models import ModelDescription, shipped_models

POLARIZATION = {"direct": PolarMPForce.Direct, "none": PolarMPForce.NoPolarization}
ENERGY_TYPES = ("interaction_energy", "energy")


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
    charge : total charge of the atoms in e (default 0)
    multiplicity : spin multiplicity (default 1)
    polarization : 'direct' (default), or 'none': no induced charges and dipoles
    ewaldErrorTolerance : error of the forces over their rms that the mesh may make (default 5e-4)
    returnEnergyType : 'interaction_energy' (default): without the energies of the single atoms; 'energy': with them
    compile : with torch: whether the network runs through torch.compile (default False): under a minute of compiling, then a little
        faster for systems of up to some thousand atoms on the CPU; where it fails, a warning, and the network runs as it is
    tensorProducts : with torch: 'dense' (default), or 'cuequivariance' for GPUs, if it is installed: the network's products by NVIDIA's kernels
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
        settings = _Settings(**{**self.defaults, **_known(args)})
        atoms = None if atoms is None else mixed.without_extra_particles(topology, atoms)
        numbers = _atomic_numbers(topology, atoms)
        model = self.modelPath if self.modelPath is not None else _shipped_model_for(set(numbers))
        force = PolarMPForce(
            model,
            atomic_numbers=numbers,
            total_charge=settings.charge,
            multiplicity=settings.multiplicity,
            precision=settings.precision,
            evaluator=settings.evaluator,
            compile=settings.compile or None,
            tensor_products=settings.tensor_products,
            device=settings.device,
            embed=settings.embed,
            interaction_energy=settings.returnEnergyType == "interaction_energy",
        )
        # createSystem's System has no periodic force yet: the topology knows.
        periodic = topology.getPeriodicBoxVectors() is not None or system.usesPeriodicBoundaryConditions()
        force.setNonbondedMethod(PolarMPForce.PME if periodic else PolarMPForce.NoCutoff)
        force.setPolarizationType(POLARIZATION[settings.polarization])
        force.setEwaldErrorTolerance(settings.ewaldErrorTolerance)
        force.setForceGroup(forceGroup)
        if atoms is not None:
            force.setParticles(atoms)
        system.addForce(force)

    def getSupportedEmbeddings(self) -> list[str]:
        """Mechanical embedding is OpenMM-ML's own; it is named here for what `createMixedSystem` adds to it."""
        return ["mechanical"]

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
        """OpenMM-ML's mechanical embedding, also of force fields with extra particles (four-point water).

        Extra particles among `atoms` are the force field's, not the network's: what they do to the other atoms of the
        subset is taken away as it is between all its atoms, what they do to the rest stays.
        """
        # not at the top: versions of OpenMM-ML without embeddings never come here
        from openmmml.embeddings.mechanicalembedding import MechanicalEmbedding

        topology = mixed.marked(topology)
        made = MechanicalEmbedding().createMixedSystem(
            self, topology, system, atoms, forceGroup, interpolate, returnInfo=returnInfo, **args
        )
        if returnInfo:
            mixed.unmark(made["topology"])
        mixed.complete(made["system"] if returnInfo else made)
        return made

    def getMLLongRange(self) -> bool | None:
        """True for a model with electrostatics, as all shipped ones are."""
        if self.modelPath is None:
            return True
        if isinstance(self.modelPath, (str, os.PathLike)):
            return ModelDescription.find(self.modelPath).has_electrostatics
        return getattr(self.modelPath, "has_electrostatics", True)


class _Settings:
    """The keywords of a potential, checked."""

    def __init__(
        self,
        precision: str | None = None,
        evaluator: str | None = None,
        device: Any = None,
        charge: float = 0,
        multiplicity: int = 1,
        polarization: str = "direct",
        ewaldErrorTolerance: float = 5e-4,
        returnEnergyType: str = "interaction_energy",
        embed: bool = False,
        compile: bool = False,
        tensorProducts: str | None = None,
    ) -> None:
        self.evaluator, self.tensor_products = evaluator, tensorProducts
        self.compile = bool(compile)
        self.precision = "single" if precision is None else precision
        self.device, self.charge, self.multiplicity = device, charge, multiplicity
        if polarization not in POLARIZATION:
            raise ValueError(f"polarization is {polarization!r}; {sorted(POLARIZATION)} are accepted")
        if returnEnergyType not in ENERGY_TYPES:
            raise ValueError(f"returnEnergyType is {returnEnergyType!r}; {list(ENERGY_TYPES)} are accepted")
        self.polarization, self.returnEnergyType = polarization, returnEnergyType
        self.ewaldErrorTolerance, self.embed = ewaldErrorTolerance, embed


def _known(args: dict[str, Any]) -> dict[str, Any]:
    """Of the keywords to createSystem or createMixedSystem those that are ours; embeddings have their own."""
    return {k: v for k, v in args.items() if k in inspect.signature(_Settings).parameters}


def _atomic_numbers(topology: openmm.app.Topology, atoms: Iterable[int] | None) -> list[int]:
    every = list(topology.atoms())
    numbers = []
    for atom in every if atoms is None else [every[i] for i in atoms]:
        if atom.element is None:
            raise ValueError(
                f"atom {atom.index} ({atom.name}) has no element: a network needs one for each of its atoms"
            )
        numbers.append(atom.element.atomic_number)
    return numbers


def _shipped_model_for(elements: set[int]) -> str:
    covered = {name: set(ModelDescription.find(path).species) for name, path in shipped_models().items()}
    fitting = [name for name, species in covered.items() if elements <= species]
    if not fitting:
        symbol = openmm.app.Element.getByAtomicNumber
        listed = [f"{name} ({', '.join(symbol(z).symbol for z in sorted(s))})" for name, s in sorted(covered.items())]
        raise ValueError(
            f"no shipped model covers the elements {', '.join(symbol(z).symbol for z in sorted(elements))}; "
            f"shipped are: {'; '.join(listed) or 'none'}. Give modelPath."
        )
    # The most special one that covers them.
    return min(sorted(fitting), key=lambda name: len(covered[name]))
