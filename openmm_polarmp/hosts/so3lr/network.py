"""SO3LR as the network of a `PolarMPModel`: its energies without electrostatics, and its charges."""

from __future__ import annotations

import math

import torch
from torch import nn

from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.hosts.so3lr.config import SO3LRConfig
from openmm_polarmp.hosts.so3lr.harmonics import spherical_harmonics
from openmm_polarmp.hosts.so3lr.pair_terms import Repulsion, dispersion, switch
from openmm_polarmp.hosts.so3lr.transformer import BernsteinBasis, Pairs, TransformerLayer
from openmm_polarmp.models.rung import Rung
from openmm_polarmp.neighbors import displacements


class SO3LR(nn.Module):
    """The network, nuclear repulsion and dispersion of SO3LR; its charges interact in the model's electrostatics.

    Parameters
    ----------
    config : SO3LRConfig
        Sizes and ranges.

    Attributes
    ----------
    cutoff : float
        A; pairs are needed up to the range of the dispersion. The network takes the near ones among them.
    receptive_field : float
        How far an atom's charge depends on other atoms, A. Its energy depends on those farther by the dispersion's range.
    species : tuple of int
        Atomic numbers that the network knows.
    energy_shift, energy_scale : Tensor [species]
        eV by kind of atom. The shift is one number for all kinds, an offset of the training data.
    """

    _lookup: torch.Tensor
    _number: torch.Tensor
    _parity: torch.Tensor
    energy_shift: torch.Tensor
    energy_scale: torch.Tensor
    free_polarizability: torch.Tensor
    free_c6: torch.Tensor

    def __init__(self, config: SO3LRConfig) -> None:
        super().__init__()
        self.config, self.species, self.cutoff = config, config.species, config.cutoff
        self.rung = Rung.parse(config.rung)
        self.receptive_field = config.layers * config.network_cutoff
        n_species, features, hidden = len(config.species), config.features, config.hidden
        lookup = torch.full((119,), -1, dtype=torch.long)
        lookup[list(config.species)] = torch.arange(n_species)
        self.register_buffer("_lookup", lookup, persistent=False)
        self.register_buffer("_number", torch.tensor(config.species, dtype=torch.float32), persistent=False)

        parity = [(-1.0) ** l for l in config.degrees for _ in range(2 * l + 1)]
        self.register_buffer("_parity", torch.tensor(parity), persistent=False)

        self.embedding = nn.Embedding(n_species, features)
        self.charge_embedding = StateEmbedding(n_species, features)
        self.spin_embedding = StateEmbedding(n_species, features)
        self.radial = BernsteinBasis(config.n_radial)
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.layers))
        self.energy = _readout(features, hidden, 1)
        self.register_buffer("energy_shift", torch.zeros(n_species))
        self.register_buffer("energy_scale", torch.ones(n_species))
        self.charge = _readout(features, hidden, 1)
        self.charge_bias = nn.Embedding(n_species, 1)
        self.hirshfeld_key = _readout(features, hidden // 2, features // 2)
        self.hirshfeld_query = nn.Embedding(n_species, features // 2)
        self.hirshfeld_bias = nn.Embedding(n_species, 1)
        self.repulsion = Repulsion()
        self.register_buffer("free_polarizability", torch.ones(n_species))
        self.register_buffer("free_c6", torch.ones(n_species))

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
    ) -> tuple[torch.Tensor, Multipoles]:
        """Energy per atom without electrostatics, and charges whose sum is not imposed here.

        Arguments as in `PolarMPNet.forward`; ``multiplicity`` is 1 by default.
        """
        kind = self._lookup.index_select(0, species)
        near, far = self.select_pairs(positions, edge_index, edge_shifts, cell, batch)
        (a, b), distances, pairs = self._near_pairs(positions, near, cell, batch)
        spin = None if multiplicity is None else multiplicity - 1
        features = (
            self.embedding(kind)
            + self.charge_embedding(total_charge, kind, batch)
            + self.spin_embedding(spin, kind, batch)
        ) / math.sqrt(3)
        equivariant = features.new_zeros((len(kind), pairs.harmonics.shape[2]))
        for layer in self.layers:
            features, equivariant = layer(features, equivariant, pairs)

        # Single precision would lose what the shift's 164 eV by atom leave over.
        energy = self.energy(features)[:, 0].double() * self.energy_scale[kind] + self.energy_shift[kind]
        number = self._number[kind]
        repulsion = 0.5 * self.repulsion(distances, pairs.envelope, number[a], number[b]).double()
        energy = energy.index_add(0, a, repulsion).index_add(0, b, repulsion)
        energy = energy + self.dispersion_energy(
            self._hirshfeld_ratios(features, kind), species, positions, far, cell, batch
        )
        return energy, Multipoles((self.charge(features) + self.charge_bias(kind))[:, 0])

    def select_pairs(
        self,
        positions: torch.Tensor,
        edge_index: torch.Tensor,
        edge_shifts: torch.Tensor,
        cell: torch.Tensor | None,
        batch: torch.Tensor | None,
    ) -> tuple[EdgeList, EdgeList]:
        """The pairs (edge_index, edge_shifts) of the network and those of the dispersion, each in one direction."""
        with torch.no_grad():
            squares = displacements(positions, edge_index, edge_shifts, cell, batch).square().sum(1)
            a, b = edge_index
            # Of an atom and its images, one of two opposite shifts.
            x, y, z = edge_shifts.unbind(1)
            ahead = 1e4 * x + 1e2 * y + z > 0
            one_way = (a < b) | ((a == b) & ahead)
            near = ((squares < self.config.network_cutoff**2) & one_way).nonzero()[:, 0]
            far = ((squares < self.config.dispersion_cutoff**2) & one_way).nonzero()[:, 0]
        return (
            (edge_index.index_select(1, near), edge_shifts.index_select(0, near)),
            (edge_index.index_select(1, far), edge_shifts.index_select(0, far)),
        )

    def _near_pairs(
        self, positions: torch.Tensor, edges: EdgeList, cell: torch.Tensor | None, batch: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, Pairs]:
        """The atoms of the network's pairs, their distances, and what the layers need."""
        vectors = displacements(positions, *edges, cell, batch).to(self.embedding.weight.dtype)
        distances = vectors.square().sum(1).sqrt()
        harmonics = spherical_harmonics(vectors / distances[:, None], self.config.degrees)
        x = distances / self.config.network_cutoff
        envelope = torch.where(x < 1, 1 - 10 * x**3 + 15 * x**4 - 6 * x**5, 0.0)
        senders, receivers = edges[0].flatten(), edges[0].flip(0).flatten()
        both = torch.stack([harmonics, harmonics * self._parity])
        return edges[0], distances, Pairs(senders, receivers, self.radial(distances), envelope, both)

    def _hirshfeld_ratios(self, features: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
        """Volume of each atom over that of the free atom, [N]."""
        key, query = self.hirshfeld_key(features), self.hirshfeld_query(kind)
        return (self.hirshfeld_bias(kind)[:, 0] + (query * key).sum(1) / math.sqrt(key.shape[1])).abs()

    def dispersion_energy(
        self,
        ratios: torch.Tensor,
        species: torch.Tensor,
        positions: torch.Tensor,
        edges: EdgeList,
        cell: torch.Tensor | None,
        batch: torch.Tensor | None,
    ) -> torch.Tensor:
        """Dispersion energy [N] in eV of the atoms, from their Hirshfeld ratios [N] and the pairs of `select_pairs`."""
        config, kind, (a, b) = self.config, self._lookup.index_select(0, species), edges[0]
        vectors = displacements(positions, *edges, cell, batch).to(ratios.dtype)
        distances = vectors.square().sum(1).sqrt()
        polarizability = self.free_polarizability[kind] * ratios
        c6 = self.free_c6[kind] * ratios.square()
        energy = dispersion(
            distances,
            (polarizability.index_select(0, a), polarizability.index_select(0, b)),
            (c6.index_select(0, a), c6.index_select(0, b)),
            config.dispersion_damping,
        )
        start = config.dispersion_cutoff - config.dispersion_switch
        energy = energy * switch(distances, start, config.dispersion_cutoff)
        half = 0.5 * energy.double()
        return half.new_zeros(len(kind)).index_add(0, a, half).index_add(0, b, half)


EdgeList = tuple[torch.Tensor, torch.Tensor]


class StateEmbedding(nn.Module):
    """What the atoms see of a number of the whole structure: its charge, or its number of unpaired electrons.

    It is shared among the atoms by weights that depend on their elements.
    """

    def __init__(self, n_species: int, features: int) -> None:
        super().__init__()
        self.query = nn.Embedding(n_species, features)
        self.key = nn.Parameter(torch.randn(2, features))  # for numbers that are not negative, and for negative ones
        self.value = nn.Parameter(torch.randn(2, features))
        self.mlp = nn.Sequential(
            nn.SiLU(), nn.Linear(features, features, bias=False), nn.SiLU(), nn.Linear(features, features, bias=False)
        )

    def forward(
        self, number: torch.Tensor | float | None, kind: torch.Tensor, batch: torch.Tensor | None
    ) -> torch.Tensor | float:
        """[N, F]; 0 for the number 0, for which the embedding vanishes."""
        if number is None or (not isinstance(number, torch.Tensor) and number == 0):
            return 0.0
        weights = self.query.weight
        number = torch.as_tensor(number, dtype=weights.dtype, device=weights.device).reshape(-1)
        structure = torch.zeros_like(kind) if batch is None else batch
        if batch is not None and number.numel() == 1:
            number = number.expand(int(batch.max()) + 1)
        row = (number < 0).long()
        key, value = self.key[row][structure], self.value[row][structure]
        score = nn.functional.softplus((self.query(kind) * key).sum(1) / math.sqrt(weights.shape[1]))
        total = number.new_zeros(len(number)).index_add(0, structure, score) + 1e-6
        shared = (number[structure] * score / total[structure])[:, None] * value
        return shared + self.mlp(shared)


def _readout(features: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features, hidden), nn.SiLU(), nn.Linear(hidden, outputs))
