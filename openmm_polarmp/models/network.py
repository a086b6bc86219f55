"""PolarMPNet: the equivariant network that gives every atom its energy, moments and response coefficients."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import torch

from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.electrostatics.potentials import Potentials
from openmm_polarmp.models._angular import SphericalHarmonics
from openmm_polarmp.models._constants import ExactConstants
from openmm_polarmp.models._layers import (
    ChannelMixing,
    Density,
    FirstLayer,
    Message,
    MessageLayer,
    Products,
    split_degrees,
)
from openmm_polarmp.models._radial import RadialBasis
from openmm_polarmp.models.chunks import atoms_at_once, in_chunks, run_layer
from openmm_polarmp.models.config import NetworkConfig
from openmm_polarmp.models.edge_heads import EdgeHeads
from openmm_polarmp.models.heads import Heads
from openmm_polarmp.models.pair_functions import PairFunctions
from openmm_polarmp.models.potential_inputs import PotentialsOf
from openmm_polarmp.models.rung import Rung
from openmm_polarmp.models.zbl import ZBLRepulsion
from openmm_polarmp.neighbors.table import NeighborTable, from_senders, neighbor_table, table_vectors


class PolarMPNet(ExactConstants):
    """Short-range equivariant network of the NequIP and MACE family.

    The neighbours' density of the first layer is expanded in products (body-ordered functions); further layers exchange
    messages. The outputs of an atom depend on atoms up to ``layers * cutoff`` away.

    Parameters
    ----------
    config : NetworkConfig
        Configuration of the network.

    Attributes
    ----------
    cutoff : float
        Range of one layer, A.
    receptive_field : float
        How far an atom's outputs depend on other atoms, A.
    species : tuple of int
        Atomic numbers the network knows.
    """

    _lookup: torch.Tensor
    energy_shift: torch.Tensor
    energy_scale: torch.Tensor
    formal_charges: torch.Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.rung = Rung.parse(config.rung)
        self.cutoff = float(config.cutoff)
        # With rounds an atom's outputs depend on all others.
        self.receptive_field = None if config.rounds else config.layers * self.cutoff
        self.species = config.species
        n_species, c, m = len(config.species), config.channels, config.message_channels

        lookup = torch.full((119,), -1, dtype=torch.long)
        lookup[list(config.species)] = torch.arange(n_species)
        self.register_buffer("_lookup", lookup, persistent=False)
        shift = [config.energy_shift.get(z, 0.0) for z in config.species]
        scale = [config.energy_scale.get(z, 1.0) for z in config.species]
        # Total energies of electronic-structure codes are large: float32 would lose the differences that matter.
        self.constant("energy_shift", torch.tensor(shift, dtype=torch.float64), always_float64=True)
        self.constant("energy_scale", torch.tensor(scale, dtype=torch.float64), always_float64=True)

        self.scale = 1 / math.sqrt(config.average_neighbors)
        self.radial = RadialBasis(self.cutoff, config.n_radial)
        self.harmonics = SphericalHarmonics(config.l_max)
        self.embedding = torch.nn.Embedding(n_species, c)
        extra = int(config.total_charge_input) + int(config.multiplicity_input)
        self.state_embedding = torch.nn.Linear(extra, c, bias=False) if extra else None
        flow = config.charges == "flow"
        formal_charges = [config.formal_charges[z] for z in config.species] if config.formal_charges else None
        self.heads = Heads(
            self.rung,
            config.polarizability,
            n_species,
            config.layers * c,
            c,
            config.hidden,
            local_charges=formal_charges is None,
            mutual=config.mutual,
            rounds=config.rounds > 0,
        )
        if self.heads.of_species is not None:
            self.heads.set_electronegativities(config.species)
        self.edge_heads = None
        if flow or self.rung.conductance:
            self.edge_heads = EdgeHeads(
                flow, self.rung.conductance, config.species, formal_charges, config.hidden, self.radial
            )
        if formal_charges is not None:
            self.constant("formal_charges", torch.tensor(formal_charges, dtype=torch.float64))
        self.first = FirstLayer(
            Density(n_species, config.n_radial, config.l_max, c),
            self._products(last=config.layers == 1),
            config.density_limit,
        )
        self.senders, self.layers = torch.nn.ModuleList(), torch.nn.ModuleList()
        self._l_features = [self.first.l_out]  # highest degree of the features after each layer
        for layer in range(1, config.layers):
            self.senders.append(ChannelMixing(config.l_message, [c] * (config.l_message + 1), m))
            message = Message(config.n_radial, config.l_message, config.l_max, m, c)
            products = self._products(last=layer + 1 == config.layers)
            self.layers.append(MessageLayer(message, products, self._l_features[-1], config.density_limit))
            self._l_features.append(products.l_out)
        self.zbl = ZBLRepulsion(list(config.species)) if config.zbl else None

    def limit_densities(self, density_limit: float | None) -> None:
        """Set the configuration's ``density_limit``. It has no weights, so that a trained network can get one, to be trained on."""
        self.config = dataclasses.replace(self.config, density_limit=density_limit)
        for layer in (self.first, *self.layers):
            layer.density_limit = density_limit

    def _products(self, last: bool) -> Products:
        config = self.config
        l_out = self.heads.l_max if last else max(config.l_message, self.heads.l_max)
        return Products(config.l_max, l_out, config.channels, config.correlation)

    def forward(
        self,
        positions: torch.Tensor,
        species: torch.Tensor,
        edge_index: torch.Tensor,
        edge_shifts: torch.Tensor,
        cell: torch.Tensor | None,
        batch: torch.Tensor | None = None,
        total_charge: torch.Tensor | float | None = None,
        multiplicity: torch.Tensor | float | None = None,
        potentials: PotentialsOf | None = None,
    ) -> tuple[torch.Tensor, Multipoles]:
        """Energy per atom and raw multipoles (the total charge is not imposed here).

        Parameters
        ----------
        positions : Tensor [N, 3]
            A, in any floating precision: differences are taken in it, the rest runs in that of the weights.
        species : Tensor [N]
            Atomic numbers.
        edge_index : Tensor [2, E]
            Sender j and receiver i of each directed pair. Pairs beyond the cutoff contribute nothing.
        edge_shifts : Tensor [E, 3]
            Whole cells between them: the displacement is r_j + shift @ cell - r_i.
        cell : Tensor [3, 3] or [B, 3, 3] or None
            Rows are the box vectors, A.
        batch : Tensor [N], optional
            Structure of each atom.
        total_charge, multiplicity : Tensor [B] or float, optional
            Of each structure, the charge in e; needed only by networks with these inputs.
        potentials : function of Multipoles that returns Potentials, optional
            What the atoms feel of each other's multipoles; needed only by networks with ``rounds``.
        """
        table = neighbor_table(edge_index, edge_shifts, positions.shape[0])
        return self.forward_table(positions, species, table, cell, batch, total_charge, multiplicity, potentials)

    def forward_table(
        self,
        positions: torch.Tensor,
        species: torch.Tensor,
        table: NeighborTable,
        cell: torch.Tensor | None,
        batch: torch.Tensor | None = None,
        total_charge: torch.Tensor | float | None = None,
        multiplicity: torch.Tensor | float | None = None,
        potentials: PotentialsOf | None = None,
        *,
        at_once: int | None = None,
        run_chunk: Callable[..., tuple[torch.Tensor, ...]] = run_layer,
    ) -> tuple[torch.Tensor, Multipoles]:
        """`forward` for a table of pairs: the host then waits for no GPU.

        Parameters
        ----------
        positions, species, cell, batch, total_charge, multiplicity, potentials
            As in `forward`.
        table : NeighborTable
            The pairs.
        at_once : int, optional
            Number of atoms in a chunk (not in training); by default from `atoms_at_once`.
        run_chunk : callable
            Evaluates a layer for a chunk: `run_layer` or its compiled form.
        """
        vectors = table_vectors(positions, table, cell, batch, 2 * self.cutoff).to(self.embedding.weight.dtype)
        kind = self._lookup.index_select(0, species)
        kinds = kind[table.senders]
        distances = vectors.square().sum(2).sqrt()
        basis = self.radial(distances)
        radial = self.scale * basis
        harmonics = self.harmonics(vectors / distances[:, :, None])
        embedding = self.embedding(kind)
        if self.state_embedding is not None:
            state = self._state(total_charge, multiplicity, batch, kind.shape[0])
            embedding = embedding + self.state_embedding(state)

        n_atoms, neighbors = table.senders.shape
        if self.training or torch.jit.is_tracing():
            at_once = n_atoms
        elif at_once is None:
            at_once = atoms_at_once(self.config, n_atoms, neighbors, self.embedding.weight)
        if at_once >= n_atoms:
            functions = PairFunctions(radial, harmonics)

            def run(layer: torch.nn.Module, *arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
                return layer(functions, *arguments)
        else:

            def run(layer: torch.nn.Module, *arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
                return in_chunks(run_chunk, layer, at_once, radial, harmonics, *arguments)

        density, features = run(self.first, kinds, embedding[None])
        invariants = [features[0]]
        for sender, layer, l_features in zip(self.senders, self.layers, self._l_features, strict=False):
            sent = sender(split_degrees(features, l_features)[: self.config.l_message + 1])
            sent = from_senders(sent.permute(1, 0, 2).flatten(1), table)
            (features,) = run(layer, sent, density, features)
            invariants.append(features[0])

        every_invariant = torch.cat(invariants, dim=1)

        def evaluate_heads(felt: Potentials | None) -> tuple[torch.Tensor, Multipoles]:
            hidden = self.heads.hidden(every_invariant, kind, felt)
            out = self.heads(hidden, features, kind, felt)
            energy = out.pop("energy")
            charges = out.pop("charges", None)
            if self.config.formal_charges:
                charges = self.formal_charges[kind]
            if charges is None:
                charges = vectors.new_zeros(kind.shape[0])
            flows = None
            if self.edge_heads is not None:
                charges, flows = self.edge_heads(hidden, charges, basis, kind, kinds, vectors, table)
            return energy, Multipoles(charges, **out, flows=flows)

        energy, multipoles = evaluate_heads(None)
        for _ in range(self.config.rounds):
            if potentials is None:
                raise TypeError("potentials is missing; networks with rounds accept a function of multipoles")
            energy, multipoles = evaluate_heads(potentials(multipoles))
        energy = energy.double() * self.energy_scale[kind] + self.energy_shift[kind]
        if self.zbl is not None:
            energy = energy + self.zbl(distances, kinds, kind).double()
        return energy, multipoles

    def _state(
        self,
        total_charge: torch.Tensor | float | None,
        multiplicity: torch.Tensor | float | None,
        batch: torch.Tensor | None,
        n_atoms: int,
    ) -> torch.Tensor:
        """Total charge and multiplicity of each atom's structure, as far as they are inputs."""
        values = []
        if self.config.total_charge_input:
            values.append(_per_atom("total_charge", total_charge, batch, n_atoms, self.embedding.weight))
        if self.config.multiplicity_input:
            values.append(_per_atom("multiplicity", multiplicity, batch, n_atoms, self.embedding.weight) - 1)
        return torch.stack(values, dim=1)


def _per_atom(
    name: str,
    value: torch.Tensor | float | None,
    batch: torch.Tensor | None,
    n_atoms: int,
    like: torch.Tensor,
) -> torch.Tensor:
    """A number of each structure for each of its atoms, [N]."""
    if value is None:
        raise ValueError(f"{name} is None; networks with this input accept a number for each structure")
    if not isinstance(value, torch.Tensor):
        return like.new_full((n_atoms,), float(value))  # sending a tensor to a GPU would wait
    value = value.to(like).reshape(-1)
    if batch is None:
        if value.numel() != 1:
            raise ValueError(f"{name} has {value.numel()} values; without batch one value is accepted")
        return value.expand(n_atoms)
    return value.expand(int(batch.max()) + 1)[batch] if value.numel() == 1 else value[batch]
