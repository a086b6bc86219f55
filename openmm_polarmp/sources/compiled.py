"""A network through torch.compile, and as it is where that fails."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.models.chunks import run_layer
from openmm_polarmp.models.network import PolarMPNet
from openmm_polarmp.neighbors.table import NeighborTable


class CompiledNetwork:
    """Has the `forward_table` of a `PolarMPNet`, with the same results.

    Shapes are dynamic: the number of pairs changes with every search. Where the network runs in chunks of atoms, its
    layers on a chunk are compiled, otherwise all of it.

    Parameters
    ----------
    network : PolarMPNet
    """

    def __init__(self, network: PolarMPNet) -> None:
        self.network = network
        self._whole: Any = None
        try:
            self._whole = torch.compile(self._tensors, dynamic=True)
            self._chunk = torch.compile(run_layer, dynamic=True)
        except Exception as error:  # its own files cannot be read, say
            self._give_up(error)

    def forward_table(
        self, positions: torch.Tensor, species: torch.Tensor, table: NeighborTable, *arguments: Any, at_once: int
    ) -> tuple[torch.Tensor, Multipoles]:
        """See `PolarMPNet.forward_table`."""
        if self._whole is not None:
            try:
                if at_once >= len(species):
                    energies, members = self._whole(positions, species, table, *arguments)
                    return energies, Multipoles(**members)
                return self.network.forward_table(
                    positions, species, table, *arguments, at_once=at_once, run_chunk=self._chunk
                )
            except Exception as error:  # a missing compiler, an operation it cannot lower: whatever it is, eager works
                self._give_up(error)
        return self.network.forward_table(positions, species, table, *arguments, at_once=at_once)

    def _give_up(self, error: Exception) -> None:
        self._whole = None
        first = (str(error).splitlines() or [""])[0]
        warnings.warn(
            f"torch.compile failed ({type(error).__name__}: {first}); the network runs eagerly",
            RuntimeWarning,
            stacklevel=3,
        )

    def _tensors(self, positions, species, table, *arguments) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        energies, multipoles = self.network.forward_table(positions, species, table, *arguments, at_once=len(species))
        return energies, dict(multipoles.members())
