"""A neighbour list that is kept while atoms move less than half of its skin."""

from __future__ import annotations

from typing import NamedTuple

import torch

from openmm_polarmp.neighbors._bins import Bins, bins_around_cluster, make_bins
from openmm_polarmp.neighbors._search import both_directions, check_density, half_pairs, mirror_images


class Neighbors(NamedTuple):
    """Pairs for a set of positions.

    Attributes
    ----------
    positions : Tensor [N, 3]
        The positions, each moved by whole cells to where it continues the path since the list was built: an atom that
        an integrator wraps into the box keeps its pairs. The shifts belong to these positions.
    edge_index : Tensor [2, E]
        Sender j and receiver i.
    edge_shifts : Tensor [E, 3]
        Whole cells, in the positions' precision; r_j + shift @ cell - r_i is the displacement.
    cell : Tensor [3, 3] or None
        The box vectors in the positions' precision and on their device: sent there once for each box.
    mirrors : Tensor [E] or None
        For each pair (j, i) where (i, j) with the opposite shift is in the list; only of lists that are not cut.
    """

    positions: torch.Tensor
    edge_index: torch.Tensor
    edge_shifts: torch.Tensor
    cell: torch.Tensor | None
    mirrors: torch.Tensor | None = None


class NeighborList:
    """Pairs within a cutoff along a trajectory.

    Pairs are searched within ``cutoff + skin`` and kept until an atom has moved by more than ``skin / 2`` or the box
    has changed.

    Parameters
    ----------
    cutoff : float
        A.
    skin : float
        A. A thicker skin is searched less often and holds more pairs.
    cut : bool
        Cut each step's pairs at ``cutoff``. On a GPU the host would wait for their number: without it, the pairs stay
        the same from one search to the next, those of the skin included (a network's smooth cutoff gives them no
        weight).

    Attributes
    ----------
    builds : int
        How often pairs were searched.
    """

    def __init__(self, cutoff: float, skin: float = 0.5, *, cut: bool = True) -> None:
        if not cutoff > 0:
            raise ValueError(f"cutoff must be a positive length in A, got {cutoff}")
        if not skin >= 0:
            raise ValueError(f"skin must be a length in A, not negative, got {skin}")
        self.cutoff, self.skin, self.cut = float(cutoff), float(skin), bool(cut)
        self.builds = 0
        self._reference: torch.Tensor | None = None
        self._cell: torch.Tensor | None = None
        self._box: torch.Tensor | None = None
        self._bins: Bins | None = None
        self._known: float | None = 0.0
        self._nearly = False
        self._squared: torch.Tensor | None = None
        # On a GPU, made once: page-locked memory for one number, and the event that says when it is there.
        self._host: torch.Tensor | None = None
        self._event: torch.cuda.Event | None = None

    def update(self, positions: torch.Tensor, cell: torch.Tensor | None = None) -> Neighbors:
        """Pairs for these positions; waits for the device to learn whether the list still holds.

        Parameters
        ----------
        positions : Tensor [N, 3]
            A.
        cell : Tensor [3, 3], optional
            Box vectors in A, best on the CPU (where comparing it costs nothing). Without it a cluster.
        """
        neighbors = self.guess(positions, cell)
        return neighbors if self.guess_holds() else self.rebuild(positions, cell)

    def guess(self, positions: torch.Tensor, cell: torch.Tensor | None = None) -> Neighbors:
        """Pairs from the list as it is, before it is known whether it still holds: ask `guess_holds` afterwards.

        The host queues work on the guess while the device still measures how far the atoms moved. The guess is wrong as
        seldom as the list is searched anew, and less: a list that is nearly used up is searched at once.
        """
        positions = positions.detach()
        if self._must_rebuild(positions, cell):
            return self.rebuild(positions, cell)
        moved = positions - self._reference
        continued = positions
        if self._box is not None:
            wraps = torch.round(moved @ self._inverse) @ self._box
            moved, continued = moved - wraps, positions - wraps
        # amax hands a NaN on.
        squared = moved.square().sum(1).amax() if len(moved) else moved.new_zeros(())
        self._measure(squared)
        return self._cut(continued)

    def guess_holds(self) -> bool:
        """Whether the last `guess` was right. Waits for that one number only, not for the work queued after it.

        Raises
        ------
        FloatingPointError
            If a position is not a finite number.
        """
        if self._known is None:
            if self._squared.is_cuda:
                self._event.synchronize()
                self._known = float(self._host)
            else:
                self._known = float(self._squared)
        if not self._known < float("inf"):
            raise FloatingPointError("a position is not a finite number")
        limit = (self.skin / 2) ** 2
        self._nearly = self._known > 0.8 * limit
        return self._known <= limit

    def rebuild(self, positions: torch.Tensor, cell: torch.Tensor | None = None) -> Neighbors:
        """Search the pairs anew.

        Raises
        ------
        FloatingPointError
            If a position is not a finite number.
        """
        positions = positions.detach()
        exact, reach = positions.double(), self.cutoff + self.skin
        fits, self._reference = self._fits(positions, cell), None  # a search that fails leaves no list behind
        if not fits:
            self._set_box(positions, cell)
        bins = bins_around_cluster(exact, reach) if self._bins is None else self._bins
        self._edge_index, shifts, order = both_directions(*half_pairs(exact, reach, bins))
        self._edge_shifts = shifts.to(positions.dtype)
        self._mirrors = None if self.cut else mirror_images(order)
        self._reference = positions.clone()
        self.builds += 1
        self._known, self._nearly = 0.0, False
        return self._cut(self._reference)

    def _set_box(self, positions: torch.Tensor, cell: torch.Tensor | None) -> None:
        """The box and what follows from it; the 3 x 3 algebra in the host's memory, in double precision."""
        self._cell = self._box = self._inverse = self._bins = None
        if cell is None:
            return
        vectors = cell.detach().cpu().double()
        volume = float(torch.linalg.det(vectors))
        if not 0 < abs(volume) < float("inf"):
            raise ValueError(f"cell must span a volume, got {cell.tolist()}")
        reach = self.cutoff + self.skin
        check_density(len(positions), reach, vectors)
        self._bins = make_bins(vectors, None, len(positions), reach, positions.device)
        self._box, self._inverse = self._bins.box.to(positions.dtype), self._bins.inverse.to(positions.dtype)
        self._cell = cell.detach().clone()

    def _must_rebuild(self, positions, cell) -> bool:
        return self._nearly or not self._fits(positions, cell)

    def _fits(self, positions, cell) -> bool:
        """Whether the list is one for such positions in such a box."""
        reference = self._reference
        if reference is None:
            return False
        if (positions.shape, positions.dtype, positions.device) != (reference.shape, reference.dtype, reference.device):
            return False
        if cell is None or self._cell is None:
            return cell is self._cell
        return torch.equal(cell, self._cell)

    def _measure(self, squared: torch.Tensor) -> None:
        """Send the square of the largest displacement to the host without waiting for it."""
        self._known, self._squared = None, squared
        if squared.is_cuda:
            if self._host is None or self._host.dtype != squared.dtype:
                self._host = torch.empty((), dtype=squared.dtype, pin_memory=True)
                self._event = torch.cuda.Event()
            self._host.copy_(squared, non_blocking=True)
            self._event.record()

    def _cut(self, positions: torch.Tensor) -> Neighbors:
        index, shifts = self._edge_index, self._edge_shifts
        if not self.cut or self.skin == 0:
            return Neighbors(positions, index, shifts, self._box, self._mirrors)
        vectors = positions.index_select(0, index[0]) - positions.index_select(0, index[1])
        if self._box is not None:
            vectors += shifts @ self._box
        near = (vectors.square_().sum(1) < self.cutoff**2).nonzero()[:, 0]
        return Neighbors(positions, index.index_select(1, near), shifts.index_select(0, near), self._box)
