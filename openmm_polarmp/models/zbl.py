"""Screened nuclear repulsion of Ziegler, Biersack and Littmark, which keeps atoms apart where a network has no data."""

from __future__ import annotations

import torch

from openmm_polarmp.models._constants import ExactConstants
from openmm_polarmp.models._radial import smooth_cutoff
from openmm_polarmp.models.radii import COVALENT_RADII
from openmm_polarmp.units import COULOMB

BOHR = 0.529177210903  # A


class ZBLRepulsion(ExactConstants):
    """Half of the pair energy for each atom, switched off smoothly at the sum of the two covalent radii."""

    number: torch.Tensor
    radius: torch.Tensor
    exponents: torch.Tensor
    coefficients: torch.Tensor

    def __init__(self, species: list[int]) -> None:
        super().__init__()
        unknown = [z for z in species if not 1 <= z <= len(COVALENT_RADII)]
        if unknown:
            raise ValueError(
                f"species has the atomic numbers {unknown}; 1 to {len(COVALENT_RADII)} are accepted with zbl=True"
            )
        self.constant("number", torch.tensor(species, dtype=torch.float64))
        self.constant("radius", torch.tensor([COVALENT_RADII[z - 1] for z in species], dtype=torch.float64))
        self.constant("exponents", torch.tensor([3.1998, 0.94229, 0.4029, 0.20162], dtype=torch.float64))
        self.constant("coefficients", torch.tensor([0.18175, 0.50986, 0.28022, 0.02817], dtype=torch.float64))

    def forward(self, distances: torch.Tensor, senders: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
        """Energy [N] in eV from the distances [N, K] (A), and the kinds of the senders [N, K] and of the atoms [N]."""
        z1, z2 = self.number[senders], self.number[kind][:, None]
        screening = 0.88534 * BOHR / (z1**0.23 + z2**0.23)
        reduced = (distances / screening)[:, :, None]
        phi = (self.coefficients * torch.exp(-reduced * self.exponents)).sum(2)
        reach = self.radius[senders] + self.radius[kind][:, None]
        return (0.5 * COULOMB * z1 * z2 / distances * phi * smooth_cutoff(distances / reach)).sum(1)
