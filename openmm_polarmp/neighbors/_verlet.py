"""A neighbour list that is valid while atoms move less than half of its skin."""

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
        The positions, unwrapped by whole cells so that each continues its path since the list was built: an atom that an
        integrator wraps into the box keeps its pairs. The shifts belong to these positions. A.
    edge_index : Tensor [2, E]
        Sender j and receiver i.
    edge_shifts : Tensor [E, 3]
        Whole cells, in the positions' precision; r_j + shift @ cell - r_i is the displacement.
    cell : Tensor [3, 3] or None
        The box vectors (A) in the positions' precision and on their device, sent there once for each box.
    mirrors : Tensor [E] or None
        Index of (i, j) with the opposite shift for each pair (j, i); only for lists that are not cut.
    """

    positions: torch.Tensor
    edge_index: torch.Tensor
    edge_shifts: torch.Tensor
    cell: torch.Tensor | None
    mirrors: torch.Tensor | None = None


class _HostNumber:
    """A number that a device sends to the host without the host's waiting for it."""

    def __init__(self) -> None:
        self._value: float | None = 0.0
        self._sent: torch.Tensor = torch.zeros(())
        # Allocated once on a GPU: page-locked memory, and the event after the copy into it.
        self._pinned: tuple[torch.Tensor, torch.cuda.Event] | None = None

    def send(self, number: torch.Tensor) -> None:
        """Begin to send a tensor with one element."""
        self._value, self._sent = None, number
        if number.is_cuda:
            if self._pinned is None or self._pinned[0].dtype != number.dtype:
                self._pinned = torch.empty((), dtype=number.dtype, pin_memory=True), torch.cuda.Event()
            memory, event = self._pinned
            memory.copy_(number, non_blocking=True)
            event.record()

    def reset(self) -> None:
        """Forget what was sent: the number is zero."""
        self._value = 0.0

    def get(self) -> float:
        """Wait for the number, and not for the work queued after it."""
        if self._value is None:
            if self._sent.is_cuda and self._pinned is not None:
                memory, event = self._pinned
                event.synchronize()
                self._value = float(memory)
            else:
                self._value = float(self._sent)
        return self._value


class NeighborList:
    """Pairs within a cutoff along a trajectory.

    Pairs are searched within ``cutoff + skin`` and kept until an atom has moved by more than ``skin / 2`` or the box
    has changed.

    Parameters
    ----------
    cutoff : float
        A.
    skin : float
        A. A list with a thicker skin is searched less often and holds more pairs.
    cut : bool
        Whether to cut each step's pairs at ``cutoff``. On a GPU the host would have to wait for their number. Without it
        the pairs stay the same from one search to the next, those of the skin included; a network's smooth cutoff gives
        them zero weight.

    Attributes
    ----------
    builds : int
        Number of searches.
    """

    def __init__(self, cutoff: float, skin: float = 0.5, *, cut: bool = True) -> None:
        if not cutoff > 0:
            raise ValueError(f"cutoff is {cutoff}; a positive length in A is accepted")
        if not skin >= 0:
            raise ValueError(f"skin is {skin}; a length in A that is not negative is accepted")
        self.cutoff, self.skin, self.cut = float(cutoff), float(skin), bool(cut)
        self.builds = 0
        self._reference: torch.Tensor | None = None  # positions of the last search
        self._cell: torch.Tensor | None = None  # the caller's box vectors
        self._box: torch.Tensor | None = None  # the same in the positions' precision, on their device
        self._inverse: torch.Tensor | None = None
        self._bins: Bins | None = None
        self._largest_square = _HostNumber()  # of the atoms' displacements since the last search, A^2
        self._nearly_used_up = False

    def update(self, positions: torch.Tensor, cell: torch.Tensor | None = None) -> Neighbors:
        """Pairs for these positions; waits for the device to learn whether the list is still valid.

        Parameters
        ----------
        positions : Tensor [N, 3]
            A.
        cell : Tensor [3, 3], optional
            Box vectors in A, best on the CPU, where comparing them costs nothing. Without it the atoms are a cluster.
        """
        neighbors = self.guess(positions, cell)
        return neighbors if self.guess_holds() else self.rebuild(positions, cell)

    def guess(self, positions: torch.Tensor, cell: torch.Tensor | None = None) -> Neighbors:
        """Pairs of the list as it is, before it is known whether it is still valid: call `guess_holds` afterwards.

        The host queues work for these pairs while the device still measures how far the atoms moved. The guess is rarely
        wrong: a list that is nearly used up is searched again at once.
        """
        positions = positions.detach()
        reference = self._reference
        if self._nearly_used_up or reference is None or not self._matches(positions, cell):
            return self.rebuild(positions, cell)
        displacements = positions - reference
        unwrapped = positions
        if self._box is not None and self._inverse is not None:
            wraps = torch.round(displacements @ self._inverse) @ self._box
            displacements, unwrapped = displacements - wraps, positions - wraps
        # amax passes a NaN on.
        self._largest_square.send(
            displacements.square().sum(1).amax() if len(displacements) else displacements.new_zeros(())
        )
        return self._cut(unwrapped)

    def guess_holds(self) -> bool:
        """Whether the last `guess` was right. Waits for that one number only, not for the work queued after it.

        Raises
        ------
        FloatingPointError
            If a position is not a finite number.
        """
        square = self._largest_square.get()
        if not square < float("inf"):
            raise FloatingPointError("a position is not a finite number")
        limit = (self.skin / 2) ** 2
        self._nearly_used_up = square > 0.8 * limit
        return square <= limit

    def rebuild(self, positions: torch.Tensor, cell: torch.Tensor | None = None) -> Neighbors:
        """Search the pairs again.

        Raises
        ------
        FloatingPointError
            If a position is not a finite number.
        """
        positions = positions.detach()
        exact, reach = positions.double(), self.cutoff + self.skin
        matches, self._reference = self._matches(positions, cell), None  # a search that fails leaves no list behind
        if not matches:
            self._set_box(positions, cell)
        bins = bins_around_cluster(exact, reach) if self._bins is None else self._bins
        self._edge_index, shifts, order = both_directions(*half_pairs(exact, reach, bins))
        self._edge_shifts = shifts.to(positions.dtype)
        self._mirrors = None if self.cut else mirror_images(order)
        self._reference = positions.clone()
        self.builds += 1
        self._largest_square.reset()
        self._nearly_used_up = False
        return self._cut(self._reference)

    def _set_box(self, positions: torch.Tensor, cell: torch.Tensor | None) -> None:
        """The box and what follows from it, computed in double precision in the host's memory."""
        self._cell = self._box = self._inverse = self._bins = None
        if cell is None:
            return
        vectors = cell.detach().cpu().double()
        volume = float(torch.linalg.det(vectors))
        if not 0 < abs(volume) < float("inf"):
            raise ValueError(f"cell is {cell.tolist()}; box vectors that span a volume are accepted")
        reach = self.cutoff + self.skin
        check_density(len(positions), reach, vectors)
        self._bins = make_bins(vectors, None, len(positions), reach, positions.device)
        self._box, self._inverse = self._bins.box.to(positions.dtype), self._bins.inverse.to(positions.dtype)
        self._cell = cell.detach().clone()

    def _matches(self, positions: torch.Tensor, cell: torch.Tensor | None) -> bool:
        """Whether the list was built for such positions in this box."""
        reference = self._reference
        if reference is None:
            return False
        if (positions.shape, positions.dtype, positions.device) != (reference.shape, reference.dtype, reference.device):
            return False
        if cell is None or self._cell is None:
            return cell is self._cell
        return torch.equal(cell, self._cell)

    def _cut(self, positions: torch.Tensor) -> Neighbors:
        """The pairs at these positions, within the cutoff if they are to be cut."""
        index, shifts = self._edge_index, self._edge_shifts
        if not self.cut or self.skin == 0:
            return Neighbors(positions, index, shifts, self._box, self._mirrors)
        vectors = positions.index_select(0, index[0]) - positions.index_select(0, index[1])
        if self._box is not None:
            vectors += shifts @ self._box
        near = (vectors.square_().sum(1) < self.cutoff**2).nonzero()[:, 0]
        return Neighbors(positions, index.index_select(1, near), shifts.index_select(0, near), self._box)
