"""Repeated evaluation of a PolarMPNet on tables of neighbours, also through torch.compile."""

from __future__ import annotations

import warnings
from typing import Any, TypeGuard

import torch

from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.models.chunks import atoms_at_once, run_layer
from openmm_polarmp.models.network import PolarMPNet
from openmm_polarmp.models.potential_inputs import PotentialsOf
from openmm_polarmp.neighbors.table import NeighborTable


class TableEvaluator:
    """The `forward_table` of a `PolarMPNet` for the steps of one simulation, with the same results.

    The number of atoms that layers take at once is chosen once for each table, because on a GPU the choice queries the free
    memory. Compiled code has dynamic shapes, as the number of pairs changes with every search. Where the network runs in
    chunks of atoms, its layers on a chunk are compiled, otherwise all of it. If compiling fails, the network runs eagerly,
    with a warning. Networks with flows or rounds are not compiled.

    Parameters
    ----------
    network : PolarMPNet
    compile : bool
        Whether it runs through torch.compile.
    """

    def __init__(self, network: PolarMPNet, compile: bool = False) -> None:
        self.network = network
        self._table: NeighborTable | None = None
        self._at_once = 0
        self._whole: Any = None
        if compile and not network.config.has_flows and network.config.rounds == 0:
            try:
                self._whole = torch.compile(self._tensors, dynamic=True)
                self._chunk = torch.compile(run_layer, dynamic=True)
            except Exception as error:  # for example a file of torch's that cannot be read
                self._give_up(error)

    @staticmethod
    def serves(network: torch.nn.Module) -> TypeGuard[PolarMPNet]:
        """Whether this is a PolarMPNet, and not one whose ``forward`` a subclass has changed."""
        return isinstance(network, PolarMPNet) and type(network).forward is PolarMPNet.forward

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
    ) -> tuple[torch.Tensor, Multipoles]:
        """As for `PolarMPNet.forward_table`."""
        at_once = self._atoms_at_once(table)
        arguments = (positions, species, table, cell, batch, total_charge, multiplicity, potentials)
        if self._whole is not None:
            try:
                if at_once >= len(species):
                    energies, members = self._whole(*arguments)
                    return energies, Multipoles(**members)
                return self.network.forward_table(*arguments, at_once=at_once, run_chunk=self._chunk)
            except (
                Exception
            ) as error:  # no compiler, an operation that cannot be lowered: running eagerly avoids all of them
                self._give_up(error)
        return self.network.forward_table(*arguments, at_once=at_once)

    def _atoms_at_once(self, table: NeighborTable) -> int:
        if table is not self._table:
            n_atoms, neighbors = table.senders.shape
            self._at_once = atoms_at_once(self.network.config, n_atoms, neighbors, self.network.embedding.weight)
            self._table = table
        return self._at_once

    def _give_up(self, error: Exception) -> None:
        self._whole = None
        first = (str(error).splitlines() or [""])[0]
        warnings.warn(
            f"torch.compile failed ({type(error).__name__}: {first}); the network runs eagerly",
            RuntimeWarning,
            stacklevel=3,
        )

    def _tensors(
        self, positions: torch.Tensor, species: torch.Tensor, table: NeighborTable, *arguments: Any
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        energies, multipoles = self.network.forward_table(positions, species, table, *arguments, at_once=len(species))
        return energies, dict(multipoles.members())
