"""Evaluates a PolarMPNet step after step, also through torch.compile."""

from __future__ import annotations

import warnings
from typing import Any, TypeGuard

import torch

from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.models.chunks import atoms_at_once, run_layer
from openmm_polarmp.models.network import PolarMPNet
from openmm_polarmp.neighbors.table import NeighborTable


class TableEvaluator:
    """Has the `forward_table` of a `PolarMPNet`, with the same results, for the steps of one simulation.

    How many atoms layers take at once is decided for every new table only: on a GPU that asks how much memory is free.
    Compiled code has dynamic shapes, as the number of pairs changes with every search. Where the network runs in chunks of
    atoms, its layers on a chunk are compiled, otherwise all of it; where that fails the network runs eagerly, with a warning.

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
        if compile:
            try:
                self._whole = torch.compile(self._tensors, dynamic=True)
                self._chunk = torch.compile(run_layer, dynamic=True)
            except Exception as error:  # its own files cannot be read, say
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
    ) -> tuple[torch.Tensor, Multipoles]:
        """See `PolarMPNet.forward_table`."""
        at_once = self._atoms_at_once(table)
        arguments = (positions, species, table, cell, batch, total_charge, multiplicity)
        if self._whole is not None:
            try:
                if at_once >= len(species):
                    energies, members = self._whole(*arguments)
                    return energies, Multipoles(**members)
                return self.network.forward_table(*arguments, at_once=at_once, run_chunk=self._chunk)
            except Exception as error:  # a missing compiler, an operation it cannot lower: whatever it is, eager works
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
