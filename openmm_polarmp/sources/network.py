"""`TorchSource`: the moments of `PolarMPForce` from a network in torch.

The plugin calls ``forward`` and ``backward`` of a `NetworkEvaluation` at each step. Both work on tensors that lie over the
platform's own memory (`Buffers`).
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from openmm_polarmp._torch import checked_device
from openmm_polarmp.electrostatics.flows import Flows
from openmm_polarmp.electrostatics.plan import ElectrostaticPlan
from openmm_polarmp.models import PolarMPModel, TableEvaluator
from openmm_polarmp.models.model import NetworkResult
from openmm_polarmp.models.tensor_products import check_tensor_products, use_tensor_products
from openmm_polarmp.neighbors import NeighborList, Neighbors, NeighborTable, neighbor_pairs, neighbor_table
from openmm_polarmp.sources._streams import stream_of
from openmm_polarmp.sources.buffers import not_finite, write_forces, write_moments
from openmm_polarmp.sources.equilibration import without_electronegativities
from openmm_polarmp.sources.flows import FlowState, PairArrays, let_flow, pair_arrays
from openmm_polarmp.sources.options import SourceOptions
from openmm_polarmp.sources.protocol import Buffers, MomentFlags
from openmm_polarmp.sources.settings import ModelSettings
from openmm_polarmp.sources.torch_models import without_atomic_energies

LARGEST_CHANGE = 0.01
"""Of box vectors, relative, for which a plan is kept."""
DTYPES = {"single": torch.float32, "double": torch.float64}


class TorchSource(MomentFlags):
    """A network in torch, and the atoms that it describes.

    Parameters
    ----------
    model : PolarMPModel or torch.nn.Module
        A model, or a bare network with the protocol of `PolarMPNet`. It is copied: a later change does not act.
    atomic_numbers : sequence of int
        Of the force's particles, in their order.
    skin : float
        Of the neighbour list, A.
    **options
        Those of `SourceOptions`. Positions are subtracted in the buffers' precision, whatever that of the network is.

    Attributes
    ----------
    model : PolarMPModel
    options : SourceOptions
    settings : ModelSettings
        Of the force.
    moments : tuple of str
        Names of what the model gives.
    """

    evaluator = "torch"

    def __init__(
        self,
        model: PolarMPModel | torch.nn.Module,
        atomic_numbers: Sequence[int],
        *,
        skin: float = 0.5,
        **options: Any,
    ) -> None:
        if not isinstance(model, torch.nn.Module):
            raise TypeError(f"model must be a PolarMPModel or a torch.nn.Module, got {type(model).__name__}")
        self.options = dataclasses.replace(SourceOptions.of(atomic_numbers, **options), evaluator=self.evaluator)
        check_tensor_products(self.options.tensor_products)
        model = model if isinstance(model, PolarMPModel) else PolarMPModel(model)
        self.model = without_atomic_energies(model) if self.options.interaction_energy else model
        self.settings = ModelSettings(
            self.model.sigma,
            self.model.k_max,
            self.model.mutual is not None,
            self.options.total_charge if self.model.equilibrates_charges else None,
        )
        species = torch.tensor(self.options.atomic_numbers, dtype=torch.long)
        self.model.check_species(species)
        self.model.check_formal_charges(species, self.options.total_charge)
        self.skin = float(skin)
        self.device = None if self.options.device is None else checked_device(self.options.device)
        self._networks: dict[torch.device, torch.nn.Module] = {}
        self._lock = threading.Lock()
        self.moments = self._predicted()

    @property
    def num_particles(self) -> int:
        """Number of atoms."""
        return len(self.options.atomic_numbers)

    @property
    def supports_cuda(self) -> bool:
        """Whether buffers may lie on a GPU."""
        return torch.cuda.is_available() and (self.device is None or self.device.type == "cuda")

    def bind(self, buffers: Buffers) -> NetworkEvaluation:
        """Attach the memory of one Context; may be called for several Contexts, which may run in different threads."""
        n_atoms = buffers.positions.shape[0]
        if n_atoms != self.num_particles:
            raise ValueError(f"buffers hold {n_atoms} particles, but the source was made for {self.num_particles}")
        return NetworkEvaluation(self, buffers)

    def network_on(self, device: torch.device) -> torch.nn.Module:
        """The network in this source's precision on a device, made once."""
        with self._lock:
            if device not in self._networks:
                network = copy.deepcopy(self.model.network).to(device, DTYPES[self.options.precision])
                use_tensor_products(network, self.options.tensor_products)
                if self.options.compile and hasattr(network, "compile_host"):
                    network.compile_host()
                self._networks[device] = network.eval().requires_grad_(False)
            return self._networks[device]

    def _predicted(self) -> tuple[str, ...]:
        """Names of the moments, and whether charges flow; for a foreign network seen in its outputs for a pair of atoms."""
        if self.model.rung is not None:
            config = getattr(self.model.network, "config", None)
            self.has_flows = getattr(config, "has_flows", False)
            self.has_conductance = self.has_flows and self.model.rung.conductance
            return self.model.rung.moments
        kinds = (self.options.atomic_numbers or self.model.species)[:1] * 2
        positions = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 0.5 * self.model.cutoff]], dtype=torch.float64)
        index, shifts = neighbor_pairs(positions, self.model.cutoff)
        network = self.network_on(torch.device("cpu"))
        with torch.no_grad():
            multipoles = self.model.evaluate_network(
                positions,
                torch.tensor(kinds),
                None,
                (index, shifts.double()),
                total_charge=self.options.total_charge,
                multiplicity=self.options.multiplicity,
                network=network,
            ).multipoles
        self.has_flows = multipoles.flows is not None
        self.has_conductance = multipoles.flows is not None and multipoles.flows.conductance is not None
        return tuple(name for name, _ in multipoles.members())


class NetworkEvaluation:
    """One Context's use of a `TorchSource`; it keeps the graph between ``forward`` and ``backward``."""

    def __init__(self, source: TorchSource, buffers: Buffers) -> None:
        self._source, self._buffers = source, buffers
        self._device = buffers.positions.device if source.device is None else source.device
        self._queue = None
        if self._device.type == "cuda":
            if self._device.index is None:
                self._device = torch.device("cuda", torch.cuda.current_device())
            if buffers.positions.is_cuda and buffers.positions.device != self._device:
                raise ValueError(f"device is {self._device}, but the Context computes on {buffers.positions.device}")
            self._queue = stream_of(self, self._device)
        with self._on_device():
            network = source.network_on(self._device)
            self._network: torch.nn.Module | TableEvaluator = network
            if TableEvaluator.serves(network):
                self._network = TableEvaluator(network, source.options.compile)
            self._takes_tables = isinstance(self._network, TableEvaluator)
            self._species = torch.tensor(source.options.atomic_numbers, dtype=torch.long, device=self._device)
            if self._queue is not None:
                self._queue.synchronize()  # other evaluations use the network in streams that do not wait for this one
        self._table: tuple[int, NeighborTable] | None = None
        self._guesses = self._device.type == "cuda"
        self._list = NeighborList(source.model.cutoff, source.skin, cut=not self._guesses)
        self._state: tuple[torch.Tensor, NetworkResult] | None = None
        self._flows: Flows | None = None
        self._flowed: FlowState | None = None
        self._plans: dict[torch.dtype, tuple[torch.Tensor | None, ElectrostaticPlan]] = {}

    @property
    def stream(self) -> int:
        """Handle of the CUDA stream in which work on the buffers is queued; 0 where they are in host memory."""
        return self._queue.cuda_stream if self._queue is not None and self._buffers.positions.is_cuda else 0

    def forward(self, include_gradients: bool) -> None:
        """Positions and box in ``buffers`` -> energy and moments there."""
        self._state = self._flows = self._flowed = None
        with self._on_device():
            state = self._at_present_positions(include_gradients)
            write_moments(self._buffers, state[1])
            flows = state[1].multipoles.flows
            self._flows = None if flows is None else flows.apply(torch.Tensor.detach)
        if include_gradients:
            self._state = state

    def backward(self, field: Sequence[float]) -> None:
        """Derivatives by the moments in ``buffers`` -> forces there.

        Parameters
        ----------
        field : three floats
            Latent external field in V/A. In a periodic box the force of the moving charges in it is added.
        """
        if self._state is None:
            raise RuntimeError("backward() needs a forward(True) before it, once each")
        (positions, result), self._state = self._state, None
        model = self._source.model
        with self._on_device():
            write_forces(
                self._buffers,
                positions,
                result,
                field,
                self._flowed,
                reach=model.receptive_field,
                projected=model.imposes_total_charge,
            )

    def flow(self, field: Sequence[float], responds: bool) -> None:
        """Potentials in ``buffers`` -> what flows between neighbours there; see `MomentFlags`."""
        if self._flows is None:
            raise RuntimeError("flow() needs a forward() of a network with flows before it")
        with self._on_device():
            self._flowed = let_flow(self._buffers, self._flows, field, responds)

    def pair_flows(self) -> PairArrays:
        """The pairs of neighbours of the last `forward`."""
        if self._flows is None:
            raise RuntimeError("pair_flows() needs a forward() of a network with flows before it")
        with self._on_device():
            return pair_arrays(self._flows)

    @contextlib.contextmanager
    def _on_device(self) -> Iterator[None]:
        """Queue work in the evaluation's stream. On OpenMM's CUDA platform the plugin has made torch's context current."""
        if self._queue is None:
            yield
            return
        with torch.cuda.device(self._device), torch.cuda.stream(self._queue):
            yield

    def _at_present_positions(self, include_gradients: bool) -> tuple[torch.Tensor, NetworkResult]:
        buffers = self._buffers
        positions = buffers.positions.detach().to(self._device)
        cell = buffers.cell if buffers.periodic else None
        try:
            if not self._guesses:
                return self._evaluate(self._list.update(positions, cell), include_gradients)
            # Queue the network before the host knows whether the list is still valid: the device never runs empty.
            state = self._evaluate(self._list.guess(positions, cell), include_gradients)
            if self._list.guess_holds():
                return state
            return self._evaluate(self._list.rebuild(positions, cell), include_gradients)
        except FloatingPointError:
            raise not_finite(buffers, positions) from None

    def _evaluate(self, neighbors: Neighbors, include_gradients: bool) -> tuple[torch.Tensor, NetworkResult]:
        """Positions, the leaf of the graph, and what the network gives there."""
        options, model = self._source.options, self._source.model
        leaf = neighbors.positions.detach().requires_grad_(include_gradients)
        with torch.set_grad_enabled(include_gradients):
            result = model.evaluate_network(
                leaf,
                self._species,
                neighbors.cell,
                self._table_of(neighbors) if self._takes_tables else (neighbors.edge_index, neighbors.edge_shifts),
                total_charge=options.total_charge,
                multiplicity=options.multiplicity,
                network=self._network,
                plan=self._plan_for(leaf, neighbors.cell) if model.asks_for_potentials else None,
            )
        return leaf, without_electronegativities(result)

    def _plan_for(self, positions: torch.Tensor, cell: torch.Tensor | None) -> ElectrostaticPlan:
        """The plan of the electrostatics in torch, made anew when the box has changed by more than a per cent."""
        if positions.dtype in self._plans:
            before, plan = self._plans[positions.dtype]
            if before is None or cell is None or (cell - before).abs().max() < LARGEST_CHANGE * before.abs().max():
                return plan
        plan = self._source.model.electrostatic_plan(positions, cell)
        self._plans[positions.dtype] = cell, plan
        return plan

    def _table_of(self, neighbors: Neighbors) -> NeighborTable:
        """The pairs as a table.

        A list that is not cut has the same pairs from one search to the next. Its table is kept, because the host would wait
        for the device to know the size of a new one.
        """
        if self._guesses and self._table is not None and self._table[0] == self._list.builds:
            return self._table[1]
        index, shifts = neighbors.edge_index, neighbors.edge_shifts
        table = neighbor_table(index, shifts, len(neighbors.positions), ordered=True, mirrors=neighbors.mirrors)
        self._table = (self._list.builds, table)
        return table
