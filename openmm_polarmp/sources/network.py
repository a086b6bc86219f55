"""`TorchSource`: the moments of `PolarMPForce` from a network in torch.

The plugin calls ``forward`` and ``backward`` of an `Evaluation` at each step. Both work on tensors that lie over the
platform's own memory (attributes of ``buffers``), in the model's units (A, e, eV) and in the order of the force's
particles.
"""

from __future__ import annotations

import contextlib
import copy
import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.models import PolarMPModel, PolarMPNet, project_total_charge
from openmm_polarmp.models.chunks import atoms_at_once
from openmm_polarmp.models.tensor_products import check_tensor_products, use_tensor_products
from openmm_polarmp.neighbors import NeighborList, Neighbors, neighbor_pairs
from openmm_polarmp.neighbors.table import NeighborTable, neighbor_table
from openmm_polarmp.sources.buffers import MomentNames, not_finite, write_forces, write_moments
from openmm_polarmp.sources.compiled import CompiledNetwork

PRECISIONS = {"single": torch.float32, "double": torch.float64}

_idle_streams: dict[torch.device, list[torch.cuda.Stream]] = {}


def _own_stream(owner: object, device: torch.device) -> torch.cuda.Stream:
    """A stream for ``owner`` alone.

    torch keeps freed memory for the stream that used it. So the stream of an owner that is gone serves the next one:
    Contexts that come and go would otherwise gather memory for each of torch's streams.
    """
    idle = _idle_streams.setdefault(device, [])
    stream = idle.pop() if idle else torch.cuda.Stream(device)
    weakref.finalize(owner, idle.append, stream).atexit = False
    return stream


def _takes_tables(network: torch.nn.Module) -> bool:
    """Whether this is a PolarMPNet, and not one whose ``forward`` somebody has changed: that one is called like any other."""
    return isinstance(network, PolarMPNet) and type(network).forward is PolarMPNet.forward


class TorchSource(MomentNames):
    """A network, and the atoms that it describes.

    Parameters
    ----------
    model : PolarMPModel or torch.nn.Module
        A model, or a bare network with the protocol of `PolarMPNet`. It is copied: a later change does not act.
    atomic_numbers : sequence of int
        Of the force's particles, in their order.
    total_charge : float
        e. The charges are shifted to this sum if the model asks for it.
    multiplicity : int
        Spin multiplicity, for a network that sees it.
    precision : str
        ``"single"`` (default) or ``"double"``: of the network. Positions are subtracted in the buffers' precision.
    device : str or torch.device, optional
        Where the network runs; by default where the platform's buffers are.
    skin : float
        Of the neighbour list, A.
    compile : bool
        Run a `PolarMPNet` through torch.compile, with the same results; eagerly, with a warning, where that fails.
    tensor_products : str
        ``"dense"`` (default) or ``"cuequivariance"`` (if it is installed; for GPUs): who multiplies in a `PolarMPNet`.
    """

    evaluator = "torch"

    def __init__(
        self,
        model: PolarMPModel | torch.nn.Module,
        atomic_numbers: Sequence[int],
        *,
        total_charge: float = 0.0,
        multiplicity: int = 1,
        precision: str = "single",
        device: str | torch.device | None = None,
        skin: float = 0.5,
        compile: bool = False,
        tensor_products: str = "dense",
    ) -> None:
        if not isinstance(model, torch.nn.Module):
            raise TypeError(f"model must be a PolarMPModel or a torch.nn.Module, got {type(model).__name__}")
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be 'single' or 'double', got {precision!r}")
        if int(multiplicity) != multiplicity or multiplicity < 1:
            raise ValueError(f"multiplicity must be a positive whole number, got {multiplicity!r}")
        check_tensor_products(tensor_products)
        self.model = model if isinstance(model, PolarMPModel) else PolarMPModel(model)
        self.atomic_numbers = [int(z) for z in atomic_numbers]
        self.model.check_species(torch.tensor(self.atomic_numbers, dtype=torch.long))
        self.total_charge, self.multiplicity = float(total_charge), int(multiplicity)
        self.precision, self.skin, self.compile = precision, float(skin), bool(compile)
        self.tensor_products = tensor_products
        self.device = None if device is None else torch.device(device)
        self._networks: dict[torch.device, torch.nn.Module] = {}
        self._lock = threading.Lock()
        self._has = self._find_moments()

    @property
    def num_particles(self) -> int:
        """Number of atoms."""
        return len(self.atomic_numbers)

    @property
    def supports_cuda(self) -> bool:
        """Whether buffers may lie on a GPU."""
        return torch.cuda.is_available() and (self.device is None or self.device.type == "cuda")

    def bind(self, buffers: Any) -> Evaluation:
        """Attach the memory of one Context; may be called for several Contexts, which may run in different threads.

        Parameters
        ----------
        buffers : object
            With tensors ``positions`` [N, 3], ``cell`` [3, 3] (on the CPU), ``energy`` [1], ``charges`` [N],
            ``dipoles`` [N, 3], ``quadrupoles`` [N, 3, 3], ``softness`` [N], ``polarizability`` [N, 3, 3], the
            derivatives ``charge_gradients``, ``dipole_gradients``, ``quadrupole_gradients``, ``softness_gradients``,
            ``polarizability_gradients`` in the same shapes, ``forces`` [N, 3]; ``periodic`` (bool) and ``particles``
            (the System's index of each atom).
        """
        n_atoms = buffers.positions.shape[0]
        if n_atoms != self.num_particles:
            raise ValueError(f"buffers hold {n_atoms} particles, but the source was made for {self.num_particles}")
        return Evaluation(self, buffers)

    def network_on(self, device: torch.device) -> torch.nn.Module:
        """The network in this source's precision on a device, made once."""
        with self._lock:
            if device not in self._networks:
                network = copy.deepcopy(self.model.network).to(device, PRECISIONS[self.precision])
                use_tensor_products(network, self.tensor_products)
                self._networks[device] = network.eval().requires_grad_(False)
            return self._networks[device]

    def _find_moments(self) -> set[str]:
        """Names of the moments that the model has; a foreign network is asked by evaluating a pair of atoms."""
        rung = self.model.rung
        if rung is not None:
            return {name for name in ("dipoles", "quadrupoles", "softness", "polarizability") if getattr(rung, name)}
        kinds = (self.atomic_numbers or [self.model.species[0]])[:1] * 2
        positions = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 0.5 * self.model.cutoff]], dtype=torch.float64)
        index, shifts = neighbor_pairs(positions, self.model.cutoff)
        network = self.network_on(torch.device("cpu"))
        with torch.no_grad():
            species = torch.tensor(kinds)
            _, multipoles = network(
                positions, species, index, shifts.double(), None, None, self.total_charge, self.multiplicity
            )
        if not isinstance(multipoles, Multipoles):
            raise TypeError(f"the network must return (energies, Multipoles), got {type(multipoles).__name__}")
        return {name for name, _ in multipoles.members()}


class Evaluation:
    """One Context's use of a source: what lives between ``forward`` and ``backward`` is kept here.

    Attributes
    ----------
    stream : int
        Handle of the CUDA stream in which work is queued; 0 on the CPU.
    """

    def __init__(self, source: TorchSource, buffers: Any) -> None:
        self._source, self._buffers = source, buffers
        self._device = buffers.positions.device if source.device is None else source.device
        self._queue = None
        if self._device.type == "cuda":
            if self._device.index is None:
                self._device = torch.device("cuda", torch.cuda.current_device())
            if buffers.positions.is_cuda and buffers.positions.device != self._device:
                raise ValueError(f"device is {self._device}, but the Context computes on {buffers.positions.device}")
            self._queue = _own_stream(self, self._device)
        with self._on_device():
            self._network = source.network_on(self._device)
            self._compiled = None
            if source.compile and _takes_tables(self._network):
                self._compiled = CompiledNetwork(self._network)
            self._species = torch.tensor(source.atomic_numbers, dtype=torch.long, device=self._device)
            if self._queue is not None:
                self._queue.synchronize()  # other evaluations use the network in streams that do not wait for this one
        self._table: tuple[int, NeighborTable] | None = None
        self._guesses = self._device.type == "cuda"
        self._list = NeighborList(source.model.cutoff, source.skin, cut=not self._guesses)
        self._state: tuple[Neighbors, torch.Tensor, torch.Tensor, Multipoles] | None = None
        self._at_once = 0

    @property
    def stream(self) -> int:
        """Handle of the CUDA stream in which work on the buffers is queued; 0 where they are in host memory."""
        return self._queue.cuda_stream if self._queue is not None and self._buffers.positions.is_cuda else 0

    def forward(self, include_gradients: bool) -> None:
        """Positions and box in ``buffers`` -> energy and moments there."""
        with self._on_device():
            self._forward(include_gradients)

    def backward(self, field: Sequence[float]) -> None:
        """Derivatives by the moments in ``buffers`` -> forces there.

        Parameters
        ----------
        field : three floats
            Latent external field in V/A. In a periodic box the force of the moving charges in it is added.
        """
        if self._state is None:
            raise RuntimeError("backward() needs a forward(True) before it, once each")
        state, self._state = self._state, None
        with self._on_device():
            self._backward(state, field)

    @contextlib.contextmanager
    def _on_device(self) -> Iterator[None]:
        """Work goes to the own stream. On OpenMM's CUDA platform the plugin has made torch's context the current one."""
        if self._queue is None:
            yield
            return
        with torch.cuda.device(self._device), torch.cuda.stream(self._queue):
            yield

    def _forward(self, include_gradients: bool) -> None:
        buffers = self._buffers
        self._state = None
        positions = buffers.positions.detach().to(self._device)
        cell = buffers.cell if buffers.periodic else None
        try:
            if self._guesses:
                # Queue the network before it is known whether the list still holds: the device never runs empty.
                state = self._evaluate(self._list.guess(positions, cell), include_gradients)
                if not self._list.guess_holds():
                    state = self._evaluate(self._list.rebuild(positions, cell), include_gradients)
            else:
                state = self._evaluate(self._list.update(positions, cell), include_gradients)
        except FloatingPointError:
            raise not_finite(buffers, positions) from None
        _, energies, _, multipoles = state
        write_moments(buffers, energies, multipoles)
        if include_gradients:
            self._state = state

    def _evaluate(
        self, neighbors: Neighbors, include_gradients: bool
    ) -> tuple[Neighbors, torch.Tensor, torch.Tensor, Multipoles]:
        """Neighbours (their positions the leaf of the graph), energies, raw charges and multipoles."""
        source = self._source
        leaf = neighbors.positions.detach().requires_grad_(include_gradients)
        neighbors = neighbors._replace(positions=leaf)
        with torch.set_grad_enabled(include_gradients):
            arguments = (neighbors.cell, None, source.total_charge, source.multiplicity)
            if _takes_tables(self._network):
                table, at_once = self._table_of(neighbors)
                network = self._compiled or self._network
                energies, multipoles = network.forward_table(leaf, self._species, table, *arguments, at_once=at_once)
            else:
                energies, multipoles = self._network(leaf, self._species, *neighbors[1:3], *arguments)
            raw_charges = multipoles.charges
            if source.model.charge_projection and source.model.has_electrostatics:
                charges = project_total_charge(raw_charges, source.total_charge)
                multipoles = Multipoles(**{**dict(multipoles.members()), "charges": charges})
        return neighbors, energies, raw_charges, multipoles

    def _table_of(self, neighbors: Neighbors) -> tuple[NeighborTable, int]:
        """The pairs as a table, and how many atoms layers take at once.

        Where pairs stay from one search to the next both are kept: the host has to wait for the table's size, and asks
        how much memory is free.
        """
        if self._guesses and self._table is not None and self._table[0] == self._list.builds:
            return self._table[1], self._at_once
        index, shifts = neighbors.edge_index, neighbors.edge_shifts
        table = neighbor_table(index, shifts, len(neighbors.positions), ordered=True, mirrors=neighbors.mirrors)
        weight = self._network.embedding.weight
        self._at_once = atoms_at_once(self._network.config, *table.senders.shape, weight)
        self._table = (self._list.builds, table)
        return table, self._at_once

    def _backward(self, state, field: Sequence[float]) -> None:
        neighbors, energies, raw_charges, multipoles = state
        model = self._source.model
        write_forces(
            self._buffers,
            neighbors.positions,
            energies,
            multipoles,
            field,
            raw_charges=raw_charges,
            reach=model.receptive_field,
            projected=model.charge_projection,
        )
