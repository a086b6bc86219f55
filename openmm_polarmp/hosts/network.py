"""HostedNet: the short-range network of someone else with multipole heads."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from openmm_polarmp.electrostatics.flows import Flows
from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.electrostatics.potentials import Potentials
from openmm_polarmp.hosts.config import HostedConfig
from openmm_polarmp.hosts.protocol import Host
from openmm_polarmp.hosts.registry import make_host
from openmm_polarmp.models import ExactConstants, RadialBasis, Rung
from openmm_polarmp.models.edge_heads import EdgeHeads
from openmm_polarmp.models.heads import Heads
from openmm_polarmp.models.potential_inputs import PotentialsOf
from openmm_polarmp.neighbors.table import displacements, neighbor_table, table_vectors

NAMES = ("scalars", "vectors", "tensors")


class HostedNet(ExactConstants):
    """Energies of a host, and moments from its features: a network with the protocol of `PolarMPNet`.

    The heads are those of `PolarMPNet`: a vector or tensor is a sum of the host's, mixed linearly to a few channels, each
    weighted by a function of the host's scalars. Features of several layers are read together.

    Parameters
    ----------
    config : HostedConfig
        Configuration of the network.
    host : Host, optional
        The host; by default it is built from the configuration, with random weights.

    Attributes
    ----------
    cutoff, receptive_field : float
        The host's, A.
    species : tuple of int
        Atomic numbers the host knows.
    """

    host: Any  # a Host, or one that is compiled
    _lookup: torch.Tensor
    energy_shift: torch.Tensor
    formal_charges: torch.Tensor

    def __init__(self, config: HostedConfig, host: Host | None = None) -> None:
        super().__init__()
        self.config, self.rung = config, Rung.parse(config.rung)
        self.host = make_host(config.host, config.host_configuration) if host is None else host
        self.cutoff, self.receptive_field = self.host.cutoff, self.host.receptive_field
        self.species = self.host.species
        if (config.species, config.cutoff, config.receptive_field) != (self.species, self.cutoff, self.receptive_field):
            raise ValueError(
                f"species, cutoff and receptive_field are {list(config.species)}, {config.cutoff}, {config.receptive_field}; "
                f"those of the host, {list(self.species)}, {self.cutoff}, {self.receptive_field}, are accepted"
            )
        n_species = len(self.species)
        lookup = torch.full((119,), -1, dtype=torch.long)
        lookup[list(self.species)] = torch.arange(n_species)
        self.register_buffer("_lookup", lookup, persistent=False)
        shift = [config.energy_shift.get(z, 0.0) for z in self.species]
        self.constant("energy_shift", torch.tensor(shift, dtype=torch.float64), always_float64=True)
        self.heads = self.edge_heads = self.radial = None
        self.mixing = torch.nn.ParameterList()
        if not self.rung.charges:
            return
        flow = config.charges == "flow"
        formal_charges = [config.formal_charges[z] for z in self.species] if config.formal_charges else None
        self.heads = Heads(
            self.rung,
            config.polarizability,
            n_species,
            self.host.multiplicities[0],
            config.channels,
            config.hidden,
            local_charges=formal_charges is None,
            energy=False,
            mutual=config.mutual,
            rounds=config.rounds > 0,
        )
        if self.heads.of_species is not None:
            self.heads.set_electronegativities(self.species)
        self._check_features(self.heads.l_max)
        for n in self.host.multiplicities[1 : self.heads.l_max + 1]:
            self.mixing.append(torch.nn.Parameter(torch.randn(n, config.channels) / math.sqrt(n)))
        if flow or self.rung.conductance:
            self.radial = RadialBasis(self.cutoff, config.n_radial)
            self.edge_heads = EdgeHeads(
                flow, self.rung.conductance, self.species, formal_charges, config.hidden, self.radial
            )
        if formal_charges is not None:
            self.constant("formal_charges", torch.tensor(formal_charges, dtype=torch.float64))

    def _check_features(self, l_max: int) -> None:
        """Raise a ValueError if the heads read features that the host has not."""
        counts = self.host.multiplicities
        if missing := [NAMES[l] for l in range(l_max + 1) if not counts[l]]:
            offered = ", ".join(f"{n} {name}" for n, name in zip(counts, NAMES, strict=True))
            raise ValueError(
                f"rung is {self.config.rung!r} with a {self.config.polarizability} polarizability, which reads "
                f"{' and '.join(missing)}; the host {self.config.host!r} has {offered}. Dipoles need vectors, quadrupoles and "
                "tensor polarizabilities need tensors too (host_settings: l_max: 2 where the host has this setting)"
            )

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
        """Energy per atom (eV) and raw multipoles (e, A); parameters as in `PolarMPNet.forward`.

        Total charge and multiplicity have no influence.
        """
        kind = self._lookup.index_select(0, species)
        vectors = displacements(positions, edge_index, edge_shifts, cell, batch)
        result = self.host(vectors, edge_index, kind)
        energies = result.energies + self.energy_shift[kind]
        if self.heads is None:
            return energies, Multipoles(torch.zeros_like(energies))
        heads, features = self.heads, self._mixed(result.features)
        exchange = self._exchange(positions, kind, edge_index, edge_shifts, cell, batch, features.dtype)

        def evaluate_heads(felt: Potentials | None) -> Multipoles:
            hidden = heads.hidden(result.features[0][0], kind, felt)
            out = heads(hidden, features, kind, felt)
            charges = out.pop("charges", None)
            if self.config.formal_charges:
                charges = self.formal_charges[kind]
            if charges is None:
                charges = hidden.new_zeros(kind.shape[0])
            charges, flows = exchange(hidden, charges)
            return Multipoles(charges, **out, flows=flows)

        multipoles = evaluate_heads(None)
        for _ in range(self.config.rounds):
            if potentials is None:
                raise TypeError("potentials is missing; networks with rounds accept a function of multipoles")
            multipoles = evaluate_heads(potentials(multipoles))
        return energies, multipoles

    def compile_host(self) -> None:
        """Evaluate the host through torch.compile from now on; its weights have to stay as they are."""
        from openmm_polarmp.hosts.compiled import CompiledHost

        self.host = CompiledHost(self.host)

    def _exchange(
        self,
        positions: torch.Tensor,
        kind: torch.Tensor,
        edge_index: torch.Tensor,
        edge_shifts: torch.Tensor,
        cell: torch.Tensor | None,
        batch: torch.Tensor | None,
        dtype: torch.dtype,
    ) -> Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, Flows | None]]:
        """A function of hidden layer and charges: charges after the exchange between neighbours, and the flows."""
        edge_heads, radial = self.edge_heads, self.radial
        if edge_heads is None or radial is None:
            return lambda hidden, charges: (charges, None)
        table = neighbor_table(edge_index, edge_shifts, positions.shape[0])
        vectors = table_vectors(positions, table, cell, batch, 2 * self.cutoff).to(dtype)
        functions = radial(vectors.square().sum(2).sqrt())
        kinds = kind[table.senders]
        return lambda hidden, charges: edge_heads(hidden, charges, functions, kind, kinds, vectors, table)

    def _mixed(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Features [(l_max + 1)^2, N, channels] that the heads combine; they combine no scalars, whose places are zero."""
        scalars = features[0].new_zeros(1, features[0].shape[1], self.config.channels)
        degrees = zip(features[1:], self.mixing, strict=False)
        return torch.cat([scalars, *(x @ weight for x, weight in degrees)])
