"""A network through torch.compile, and as it is where that fails."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.models._geometry import neighbor_table
from openmm_polarmp.models.network import PolarMPNet


class CompiledNetwork:
    """Called like a `PolarMPNet`, with the same results.

    Shapes are dynamic: the number of pairs changes with every search. Systems that the network evaluates in chunks stay
    eager: there chunks save more than compiling does.

    Parameters
    ----------
    network : PolarMPNet
    """

    def __init__(self, network: PolarMPNet) -> None:
        self.network = network
        self._compiled: Any = None
        try:
            self._compiled = torch.compile(self._tensors, dynamic=True)
        except Exception as error:  # its own files cannot be read, say
            self._give_up(error)

    def __call__(
        self, positions, species, edge_index, edge_shifts, cell, batch=None, total_charge=None, multiplicity=None
    ) -> tuple[torch.Tensor, Multipoles]:
        arguments = (cell, batch, total_charge, multiplicity)
        chunks_from, _ = self.network.chunks.get(species.device.type, (len(species) + 1, 1))
        if self._compiled is None or len(species) >= chunks_from:
            return self.network(positions, species, edge_index, edge_shifts, *arguments)
        table = neighbor_table(edge_index, edge_shifts, len(positions))
        try:
            energies, members = self._compiled(positions, species, table, *arguments)
        except Exception as error:  # a missing compiler, an operation it cannot lower: whatever it is, eager works
            self._give_up(error)
            return self.network(positions, species, edge_index, edge_shifts, *arguments)
        return energies, Multipoles(**members)

    def _give_up(self, error: Exception) -> None:
        self._compiled = None
        first = (str(error).splitlines() or [""])[0]
        warnings.warn(
            f"torch.compile failed ({type(error).__name__}: {first}); the network runs eagerly",
            RuntimeWarning,
            stacklevel=3,
        )

    def _tensors(self, positions, species, table, *arguments) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        energies, multipoles = self.network.forward_table(positions, species, table, *arguments)
        return energies, dict(multipoles.members())
