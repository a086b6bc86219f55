"""Screened nuclear repulsion of Ziegler, Biersack and Littmark: keeps atoms apart where a network has no data."""

from __future__ import annotations

import torch

from openmm_polarmp.models._constants import ExactConstants
from openmm_polarmp.models._radial import smooth_cutoff
from openmm_polarmp.units import COULOMB

BOHR = 0.529177210903  # A

# Covalent radii in A of Z = 1 ... 96 (Cordero et al., Dalton Trans. 2008, 2832).
COVALENT_RADII = (
    *(0.31, 0.28, 1.28, 0.96, 0.84, 0.76, 0.71, 0.66, 0.57, 0.58, 1.66, 1.41, 1.21, 1.11, 1.07, 1.05, 1.02, 1.06),
    *(2.03, 1.76, 1.70, 1.60, 1.53, 1.39, 1.39, 1.32, 1.26, 1.24, 1.32, 1.22, 1.22, 1.20, 1.19, 1.20, 1.20, 1.16),
    *(2.20, 1.95, 1.90, 1.75, 1.64, 1.54, 1.47, 1.46, 1.42, 1.39, 1.45, 1.44, 1.42, 1.39, 1.39, 1.38, 1.39, 1.40),
    *(2.44, 2.15, 2.07, 2.04, 2.03, 2.01, 1.99, 1.98, 1.98, 1.96, 1.94, 1.92, 1.92, 1.89, 1.90, 1.87, 1.87),
    *(1.75, 1.70, 1.62, 1.51, 1.44, 1.41, 1.36, 1.36, 1.32, 1.45, 1.46, 1.48, 1.40, 1.50, 1.50),
    *(2.60, 2.21, 2.15, 2.06, 2.00, 1.96, 1.90, 1.87, 1.80, 1.69),
)


class ZBLRepulsion(ExactConstants):
    """Half of the pair energy to each atom, smoothly off at the sum of the two covalent radii."""

    def __init__(self, species: list[int]) -> None:
        super().__init__()
        unknown = [z for z in species if not 1 <= z <= len(COVALENT_RADII)]
        if unknown:
            raise ValueError(f"zbl=True needs elements 1 ... {len(COVALENT_RADII)}, got {unknown}")
        self.constant("number", torch.tensor(species, dtype=torch.float64))
        self.constant("radius", torch.tensor([COVALENT_RADII[z - 1] for z in species], dtype=torch.float64))
        self.constant("exponents", torch.tensor([3.1998, 0.94229, 0.4029, 0.20162], dtype=torch.float64))
        self.constant("coefficients", torch.tensor([0.18175, 0.50986, 0.28022, 0.02817], dtype=torch.float64))

    def forward(self, distances: torch.Tensor, senders: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
        """Energy [N] in eV from the distances [N, K], the senders' kinds [N, K] and the atoms' own [N]."""
        z1, z2 = self.number[senders], self.number[kind][:, None]
        screening = 0.88534 * BOHR / (z1**0.23 + z2**0.23)
        reduced = (distances / screening)[:, :, None]
        phi = (self.coefficients * torch.exp(-reduced * self.exponents)).sum(2)
        reach = self.radius[senders] + self.radius[kind][:, None]
        return (0.5 * COULOMB * z1 * z2 / distances * phi * smooth_cutoff(distances / reach)).sum(1)
