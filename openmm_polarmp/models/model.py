"""PolarMPModel: a network, the settings of its electrostatics, and the record of its training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.electrostatics.mutual import Mutual
from openmm_polarmp.electrostatics.permanent import Moments, permanent_potential
from openmm_polarmp.electrostatics.plan import ElectrostaticPlan
from openmm_polarmp.electrostatics.potentials import Potentials
from openmm_polarmp.electrostatics.total_charge import TotalCharge
from openmm_polarmp.models import file
from openmm_polarmp.models.description import ModelDescription
from openmm_polarmp.models.kinds import KINDS, is_storable
from openmm_polarmp.models.potential_inputs import PotentialsOf
from openmm_polarmp.models.rung import Rung
from openmm_polarmp.models.total_charge import with_total_charge
from openmm_polarmp.models.training_range import TrainingRange
from openmm_polarmp.neighbors import NeighborTable, batched_pairs

if TYPE_CHECKING:
    from openmm_polarmp.electrostatics.energy import ElectrostaticResult
    from openmm_polarmp.models.evaluator import TableEvaluator


class NetworkResult(NamedTuple):
    """What a model's network gives every atom, differentiable.

    Attributes
    ----------
    energies : Tensor [N]
        Short-range energies in eV.
    multipoles : Multipoles
        Their charges sum to the total charge, if the model imposes it.
    raw_charges : Tensor [N]
        e, before the total charge was imposed and before neighbours exchange some: they depend on the neighbourhood alone.
    """

    energies: torch.Tensor
    multipoles: Multipoles
    raw_charges: torch.Tensor


class ModelResult(NamedTuple):
    """Energy, moments and electrostatics of some structures, differentiable.

    Attributes
    ----------
    energy : Tensor [B], or a scalar if no batch was given
        Total energies in eV.
    multipoles : Multipoles
        Of each atom; their charges sum to the total charge.
    electrostatics : ElectrostaticResult or None
        What the atoms feel and what it induces; None for rung ``sr``.
    raw_charges : Tensor [N]
        As in `NetworkResult`.
    """

    energy: torch.Tensor
    multipoles: Multipoles
    electrostatics: ElectrostaticResult | None
    raw_charges: torch.Tensor


class PolarMPModel(torch.nn.Module):
    """A network and the electrostatics it was trained with.

    Parameters
    ----------
    network : torch.nn.Module
        A `PolarMPNet`, or any module with the same ``forward`` and the attributes ``cutoff`` and ``species``.
    sigma : float
        Width of the pair kernel, A.
    accuracy : float
        Relative force accuracy of the electrostatics in `energy`.
    k_max : float, optional
        A hard limit of the reciprocal sum in 1/A, for a model that was trained with one.
    charge_projection : bool
        Shift the charges of each structure to its total charge.
    training_data, licence : str
        Origin of the data and licence of the weights.
    training_range : TrainingRange, optional
        What the data covered.
    metadata : dict, optional
        Anything else for the model card: plain JSON values.

    Attributes
    ----------
    sha256 : str or None
        Checksum of the file that the model was read from.
    """

    network: Any  # a torch.nn.Module that has more attributes than that class declares

    def __init__(
        self,
        network: torch.nn.Module,
        *,
        sigma: float = 1.0,
        accuracy: float = 1e-6,
        k_max: float | None = None,
        charge_projection: bool = True,
        training_data: str = "",
        licence: str = "",
        training_range: TrainingRange | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        for name in ("cutoff", "species"):
            if not hasattr(network, name):
                raise TypeError(f"network must have the attribute {name!r}; {type(network).__name__} has not")
        if not sigma > 0:
            raise ValueError(f"sigma must be a positive length in A, got {sigma}")
        if not 0 < accuracy < 1:
            raise ValueError(f"accuracy must lie between 0 and 1, got {accuracy}")
        if k_max is not None and not k_max > 0:
            raise ValueError(f"k_max must be positive (1/A) or None, got {k_max}")
        if getattr(getattr(network, "config", None), "mutual", False) and sigma < 1:
            raise ValueError(
                f"sigma is {sigma:g} A; at least 1 A is accepted with self-consistent response, where the limits of the network's outputs "
                "keep the response stable"
            )
        self.network = network
        self.sigma, self.accuracy, self.k_max = float(sigma), float(accuracy), k_max
        self.charge_projection = bool(charge_projection)
        self.training_data, self.licence = training_data, licence
        self.training_range = training_range or TrainingRange()
        self.metadata = dict(metadata or {})
        self.sha256: str | None = None

    @property
    def cutoff(self) -> float:
        """Within which the network needs all pairs, A: the range of one layer of a `PolarMPNet`."""
        return float(self.network.cutoff)

    @property
    def species(self) -> tuple[int, ...]:
        """Atomic numbers that the network knows."""
        return tuple(int(z) for z in self.network.species)

    @property
    def receptive_field(self) -> float | None:
        """How far an atom's outputs depend on others, A; None for a network that does not say."""
        return getattr(self.network, "receptive_field", None)

    @property
    def rung(self) -> Rung | None:
        """What the network predicts; None for a foreign network, whose outputs tell."""
        return getattr(self.network, "rung", None)

    @property
    def has_electrostatics(self) -> bool:
        """False for rung ``sr``: nothing is charged."""
        return self.rung is None or self.rung.charges

    @property
    def imposes_total_charge(self) -> bool:
        """Whether charges are shifted to the total charge; formal charges have it by themselves."""
        return (
            self.charge_projection
            and self.has_electrostatics
            and not self.formal_charges
            and not self.equilibrates_charges
        )

    @property
    def equilibrates_charges(self) -> bool:
        """Whether all charges follow from electronegativities; the total charge is a constraint on them."""
        return self.rung is not None and self.rung.electronegativity

    @property
    def mutual(self) -> Mutual | None:
        """Settings of the self-consistent response; None for models with the direct one."""
        config = getattr(self.network, "config", None)
        # The energy is right to the square of the tolerance, forces to the tolerance.
        return Mutual(0.1 * self.accuracy) if getattr(config, "mutual", False) else None

    @property
    def formal_charges(self) -> dict[int, float]:
        """Charges of the species before neighbours exchange some, e by atomic number; empty if there are none."""
        config = getattr(self.network, "config", None)
        return dict(getattr(config, "formal_charges", {}))

    def multipoles(
        self,
        positions: torch.Tensor,
        species: torch.Tensor,
        cell: torch.Tensor | None = None,
        *,
        pbc: bool | torch.Tensor | None = None,
        batch: torch.Tensor | None = None,
        total_charge: torch.Tensor | float | None = None,
        multiplicity: torch.Tensor | float | None = None,
        edges: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, Multipoles]:
        """Energy per atom [N] in eV and the multipoles, their charges summing to ``total_charge`` (default 0).

        Parameters
        ----------
        positions, species, cell, batch, total_charge, multiplicity
            As in `PolarMPNet.forward`.
        pbc : bool or Tensor [B] of bool, optional
            Which structures are periodic; by default all if a cell is given, none otherwise.
        edges : (edge_index, edge_shifts), optional
            Pairs within the cutoff, if they have been searched for.
        """
        options = {"pbc": pbc, "batch": batch, "total_charge": total_charge, "multiplicity": multiplicity}
        result = self._checked_network(positions, species, cell, edges, **options)
        return result.energies, result.multipoles

    def _checked_network(
        self,
        positions: torch.Tensor,
        species: torch.Tensor,
        cell: torch.Tensor | None,
        edges: tuple[torch.Tensor, torch.Tensor] | None,
        **options: Any,
    ) -> NetworkResult:
        """`evaluate_network` on pairs that are searched for if need be, after checks of the species and the total charge."""
        self.check_species(species)
        self.check_formal_charges(species, options["total_charge"], options["batch"])
        if edges is None:
            edges = batched_pairs(positions, self.cutoff, cell, pbc=options["pbc"], batch=options["batch"])
        return self.evaluate_network(positions, species, cell, edges, **options)

    def check_formal_charges(
        self, species: torch.Tensor, total_charge: torch.Tensor | float | None, batch: torch.Tensor | None = None
    ) -> None:
        """Raise ValueError if a structure's formal charges have another sum than the total charge (e) that is asked for."""
        if not self.formal_charges or total_charge is None:
            return
        table = torch.zeros(119, dtype=torch.float64, device=species.device)
        for z, charge in self.formal_charges.items():
            table[z] = charge
        target = torch.as_tensor(total_charge, dtype=torch.float64, device=species.device).reshape(-1)
        structure = torch.zeros_like(species) if batch is None else batch
        sums = torch.zeros_like(target).index_add(0, structure, table[species])
        if (sums - target).abs().max() > 1e-6:
            raise ValueError(
                f"total_charge is {target.tolist()}; the formal charges of these atoms sum to {sums.tolist()}, and charge "
                "that flows between atoms is conserved"
            )

    def evaluate_network(
        self,
        positions: torch.Tensor,
        species: torch.Tensor,
        cell: torch.Tensor | None,
        pairs: tuple[torch.Tensor, torch.Tensor] | NeighborTable,
        *,
        batch: torch.Tensor | None = None,
        total_charge: torch.Tensor | float | None = None,
        multiplicity: torch.Tensor | float | None = None,
        network: torch.nn.Module | TableEvaluator | None = None,
        pbc: bool | torch.Tensor | None = None,
        plan: ElectrostaticPlan | None = None,
    ) -> NetworkResult:
        """Evaluate the network on pairs that have been searched for, and impose the total charge.

        Everything that evaluates a model, training and sources of moments among them, goes through this function.

        Parameters
        ----------
        positions, species, cell, batch, total_charge, multiplicity
            As in `PolarMPNet.forward`. Species are not checked.
        pairs : (edge_index, edge_shifts) or NeighborTable
            All within the cutoff; farther ones contribute nothing. Only a `PolarMPNet` takes tables.
        network : torch.nn.Module or TableEvaluator, optional
            Evaluated in place of the model's network; for example a copy of it in another precision.
        pbc : bool or Tensor [B] of bool, optional
            As in `multipoles`; matters only to networks that ask for potentials, as the plan does.
        plan : ElectrostaticPlan, optional
            Of these structures, for repeated calls.
        """
        evaluator: Any = self.network if network is None else network
        state: tuple[Any, ...] = (cell, batch, total_charge, multiplicity)
        if self.asks_for_potentials:
            if plan is None:
                plan = self.electrostatic_plan(positions, cell, batch=batch, pbc=pbc)
            state = (*state, self._potentials(positions, cell, batch, total_charge, plan))
        if isinstance(pairs, NeighborTable):
            energies, multipoles = evaluator.forward_table(positions, species, pairs, *state)
        else:
            energies, multipoles = evaluator(positions, species, *pairs, *state)
        if not isinstance(multipoles, Multipoles):
            raise TypeError(f"the network must return (energies, Multipoles), got {type(multipoles).__name__}")
        raw_charges = multipoles.charges if multipoles.flows is None else multipoles.flows.local_charges
        if self.imposes_total_charge:
            multipoles = with_total_charge(multipoles, total_charge, batch)
        return NetworkResult(energies, multipoles, raw_charges)

    @property
    def asks_for_potentials(self) -> bool:
        """Whether the network takes a function ``potentials`` as its last argument: the fixed point of theory.md section 9.

        Networks of one's own say so by an attribute ``asks_for_potentials``.
        """
        config = getattr(self.network, "config", None)
        return bool(getattr(self.network, "asks_for_potentials", getattr(config, "rounds", 0)))

    def electrostatic_plan(
        self,
        positions: torch.Tensor,
        cell: torch.Tensor | None,
        *,
        batch: torch.Tensor | None = None,
        pbc: bool | torch.Tensor | None = None,
    ) -> ElectrostaticPlan:
        """The plan of these structures (A), in the precision of the positions, but at least in that of the weights."""
        return ElectrostaticPlan(
            positions, cell, batch=batch, pbc=pbc, sigma=self.sigma, accuracy=self.accuracy, k_max=self.k_max
        )

    def _potentials(
        self,
        positions: torch.Tensor,
        cell: torch.Tensor | None,
        batch: torch.Tensor | None,
        total_charge: torch.Tensor | float | None,
        plan: ElectrostaticPlan,
    ) -> PotentialsOf:
        """What the atoms feel of multipoles, as a function of these."""
        cells = None if cell is None else cell.expand(plan.num_structures, 3, 3)

        def potentials(multipoles: Multipoles) -> Potentials:
            if self.imposes_total_charge:
                multipoles = with_total_charge(multipoles, total_charge, batch)
            moments = Moments.of(multipoles.to(positions.dtype))
            return permanent_potential(positions, moments, cells, plan, order=2)[1]

        return potentials

    def evaluate(
        self,
        positions: torch.Tensor,
        species: torch.Tensor,
        cell: torch.Tensor | None = None,
        *,
        pbc: bool | torch.Tensor | None = None,
        batch: torch.Tensor | None = None,
        total_charge: torch.Tensor | float | None = None,
        multiplicity: torch.Tensor | float | None = None,
        edges: tuple[torch.Tensor, torch.Tensor] | None = None,
        method: str = "auto",
        external_field: torch.Tensor | None = None,
        eps_inf: float | torch.Tensor = 1.0,
    ) -> ModelResult:
        """Energy (eV), multipoles and electrostatics. Arguments as in `multipoles` and `electrostatic_energy`, in A, e and V/A."""
        options = {"pbc": pbc, "batch": batch, "total_charge": total_charge, "multiplicity": multiplicity}
        energies, multipoles, raw_charges = self._checked_network(positions, species, cell, edges, **options)
        n_structures = _count(batch, cell, pbc, total_charge)
        structure = torch.zeros_like(species) if batch is None else batch
        total = energies.new_zeros(n_structures).index_add(0, structure, energies)
        electrostatics = None
        if self.has_electrostatics:
            from openmm_polarmp.electrostatics import electrostatic_energy

            precise = multipoles.charges.dtype if positions.dtype == torch.float32 else positions.dtype
            electrostatics = electrostatic_energy(
                positions.to(precise),
                multipoles.to(precise),
                None if cell is None else cell.to(precise),
                batch=batch,
                pbc=pbc,
                sigma=self.sigma,
                accuracy=self.accuracy,
                k_max=self.k_max,
                method=method,
                external_field=None if external_field is None else external_field.to(precise),
                eps_inf=eps_inf,
                **self.response_options(total_charge, n_structures),
            )
            total = total + electrostatics.energy
        return ModelResult(total if batch is not None else total[0], multipoles, electrostatics, raw_charges)

    def response_options(self, total_charge: torch.Tensor | float | None, n_structures: int) -> dict[str, Any]:
        """Keywords ``mutual`` and ``total_charge`` of `electrostatic_energy` for ``n_structures`` with these total charges (e)."""
        options: dict[str, Any] = {"mutual": self.mutual}
        if self.equilibrates_charges:
            charges = torch.as_tensor(0.0 if total_charge is None else total_charge, dtype=torch.float64)
            options["total_charge"] = TotalCharge(charges.reshape(-1).expand(n_structures))
        return options

    def energy(
        self, positions: torch.Tensor, species: torch.Tensor, cell: torch.Tensor | None = None, **options: Any
    ) -> torch.Tensor:
        """Total energy in eV: a scalar, or [B] with ``batch``. Arguments as in `evaluate`."""
        return self.evaluate(positions, species, cell, **options).energy

    def check_species(self, species: torch.Tensor) -> None:
        """Raise ValueError if a species is unknown to the network."""
        unknown = sorted(set(torch.unique(species).tolist()) - set(self.species))
        if unknown:
            raise ValueError(
                f"species has atomic numbers {unknown} that the model does not know; it knows {list(self.species)}"
            )

    def configuration(self) -> dict[str, Any]:
        """Everything but the weights, as plain values for JSON."""
        if not is_storable(self.network):
            raise TypeError(
                f"network is a {type(self.network).__name__}; a model file holds a {' or '.join(KINDS)}, no subclass of them"
            )
        return ModelDescription(
            self.network.config,
            sigma=self.sigma,
            accuracy=self.accuracy,
            k_max=self.k_max,
            charge_projection=self.charge_projection,
            training_data=self.training_data,
            licence=self.licence,
            training_range=self.training_range,
            metadata=self.metadata,
        ).to_dict()

    def to_bytes(self) -> bytes:
        """The bytes of a model file."""
        return file.pack(self.configuration(), dict(self.network.state_dict()))

    def save(self, path: str | Path) -> None:
        """Write a model file (its name ends in ``.polarmp``)."""
        file.write(path, self.to_bytes())

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "model data") -> PolarMPModel:
        """Read the bytes of a model file; ``source`` names them in errors."""
        return cls.from_file(file.unpack(data, source))

    @classmethod
    def from_file(cls, contents: file.ModelFile) -> PolarMPModel:
        """The model of a file that has been read."""
        description = ModelDescription.of(contents)
        tensors = contents.tensors()
        try:
            network = KINDS[description.config.architecture].build(description.config)
            dtypes = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
            network = network.to(max(dtypes, key=lambda dtype: dtype.itemsize))
            network.load_state_dict(tensors)
            model = cls(
                network,
                sigma=description.sigma,
                accuracy=description.accuracy,
                k_max=description.k_max,
                charge_projection=description.charge_projection,
                training_data=description.training_data,
                licence=description.licence,
                training_range=description.training_range,
                metadata=description.metadata,
            )
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise file.ModelFileError(
                f"{contents.source}: the configuration does not describe a model: {error}"
            ) from error
        model.sha256 = contents.sha256
        return model.eval()


def load_model(path_or_name: str | Path) -> PolarMPModel:
    """Read a model file, or the shipped model of that name (``polarmp-water``)."""
    return PolarMPModel.from_file(file.load(path_or_name))


def _count(batch: torch.Tensor | None, cell: torch.Tensor | None, pbc: Any, total_charge: Any) -> int:
    """Number of structures; the last of them may hold no atoms, so the other arguments have a say."""
    counts = [1 if batch is None or batch.numel() == 0 else int(batch.max()) + 1]
    counts += [cell.shape[0]] if batch is not None and cell is not None and cell.dim() == 3 else []
    for value in (pbc, total_charge):
        if batch is not None and isinstance(value, torch.Tensor) and value.dim() == 1:
            counts.append(value.shape[0])
    return max(counts)
