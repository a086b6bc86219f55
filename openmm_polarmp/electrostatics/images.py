"""Which periodic image of an atom another one sees: the nearest one, and the one of wrapped fractional coordinates.

The two are the same in boxes of right angles, and in every box for atoms nearer than half of its smallest height. Elsewhere
only `NearestImages` is right. `wrap_fractional` is for what has to be taken apart into box vectors (`moving_charges`).
"""

import itertools

import numpy as np
import torch
from torch import Tensor

from openmm_polarmp.electrostatics._lattice import inverse_and_volume, lattice_reduction


class NearestImages:
    """Differences of positions between nearest images, exact in every cell; clusters are left as they are.

    Parameters
    ----------
    cells : Tensor [B, 3, 3]
        Rows are the box vectors, A.
    periodic : Tensor [B] of bool
        Which structures are boxes.
    batch : Tensor [N]
        Structure of each difference.
    """

    def __init__(self, cells: Tensor, periodic: Tensor, batch: Tensor) -> None:
        identity = torch.eye(3, dtype=cells.dtype, device=cells.device)
        reduced = []
        for cell, box in zip(cells, periodic.tolist(), strict=True):
            reduction = lattice_reduction(cell.detach().double().cpu().numpy()) if box else np.eye(3)
            reduced.append(torch.from_numpy(reduction).to(cell) @ cell if box else identity)
        self.cells = torch.stack(reduced)
        self.periodic, self.batch = periodic[batch], batch
        # With short box vectors the nearest image is rounding's or a neighbour of it.
        steps = torch.tensor(
            list(itertools.product((-1.0, 0.0, 1.0), repeat=3)), dtype=cells.dtype, device=cells.device
        )
        self.shifts = steps @ self.cells

    def __call__(self, differences: Tensor) -> Tensor:
        """Nearest images of differences [N, 3] in A."""
        cells = self.cells[self.batch]
        fractional = differences[:, None, :] @ inverse_and_volume(self.cells)[0][self.batch]
        rounded = differences - (torch.round(fractional) @ cells)[:, 0]
        images = rounded[:, None, :] + self.shifts[self.batch]
        nearest = (images**2).sum(2).argmin(1)
        chosen = images[torch.arange(len(images), device=images.device), nearest]
        return torch.where(self.periodic[:, None], chosen, differences)


def wrap_fractional(differences: Tensor) -> Tensor:
    """Differences of fractional coordinates, wrapped into [-1/2, 1/2)."""
    return differences - torch.floor(differences + 0.5)
