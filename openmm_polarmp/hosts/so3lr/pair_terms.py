"""The two analytic pair energies of SO3LR: nuclear repulsion, and dispersion from the atoms' Hirshfeld ratios."""

from __future__ import annotations

import torch
from torch import nn

from openmm_polarmp.units import COULOMB

BOHR = 0.5291772105638411  # A
HARTREE = 27.211386245988  # eV
FINE_STRUCTURE = 0.0072973525693
REPULSION_RANGE = 1.5  # A


def switch(distances: torch.Tensor, start: float, stop: float) -> torch.Tensor:
    """From 1 at ``start`` to 0 at ``stop``, smooth to all orders."""

    def rise(x: torch.Tensor) -> torch.Tensor:
        return torch.where(x > 0, torch.exp(-1 / x.clamp_min(1e-12)), torch.zeros_like(x))

    x = (distances - start) / (stop - start)
    falling, rising = rise(1 - x), rise(x)
    return falling / (falling + rising + 1e-12)


class Repulsion(nn.Module):
    """The form of Ziegler, Biersack and Littmark with fitted parameters, within 1.5 A."""

    def __init__(self) -> None:
        super().__init__()
        # The parameters are the softplus of these numbers: four exponents, four coefficients that are divided by their sum,
        # the power of the nuclear charges, and an inverse length in 1/A.
        self.raw = nn.Parameter(torch.zeros(10))

    def forward(
        self, distances: torch.Tensor, envelope: torch.Tensor, first: torch.Tensor, second: torch.Tensor
    ) -> torch.Tensor:
        """Energy [P] in eV of pairs.

        Parameters
        ----------
        distances : Tensor [P]
            A.
        envelope : Tensor [P]
            The network's, which falls to zero at its cutoff.
        first, second : Tensor [P]
            Nuclear charges of the pairs' atoms, e.
        """
        values = nn.functional.softplus(self.raw)
        exponents, coefficients, power, inverse_length = values[:4], values[4:8], values[8], values[9]
        reduced = distances * (first**power + second**power) * inverse_length
        screening = torch.exp(-reduced[:, None] * exponents) @ (coefficients / coefficients.sum())
        coulomb = COULOMB * first * second / distances.clamp(min=1e-6)
        return coulomb * envelope * screening * switch(distances, 0.0, REPULSION_RANGE)


def dispersion(
    distances: torch.Tensor,
    polarizabilities: tuple[torch.Tensor, torch.Tensor],
    coefficients: tuple[torch.Tensor, torch.Tensor],
    damping: float,
) -> torch.Tensor:
    """Dispersion energy [P] in eV of pairs of quantum Drude oscillators: terms of r^-6, r^-8 and r^-10, damped at short range.

    Its form is that of A. Khabibrakhmanov, D. V. Fedorov and A. Tkatchenko, J. Chem. Theory Comput. 19, 7895 (2023).

    Parameters
    ----------
    distances : Tensor [P]
        A.
    polarizabilities, coefficients : two Tensors [P] each
        Static polarizability and C6 coefficient of the pair's atoms, atomic units.
    damping : float
        Scales the distance of the damping.
    """
    alpha_a, alpha_b = polarizabilities
    c6_a, c6_b = coefficients
    alpha = (alpha_a + alpha_b) / 2
    c6 = 2 * c6_a * c6_b * alpha_a * alpha_b / (alpha_a**2 * c6_b + alpha_b**2 * c6_a)
    root = alpha ** (1 / 7)
    radius = FINE_STRUCTURE ** (-4 / 21) * root
    # Width of the oscillator, by a cubic fit in the van der Waals radius.
    width = ((-0.00078893 * radius + 0.04125273) * radius + 0.24428889) * radius - 0.00433008
    c8_over_c6 = 10 * width**2
    c10_over_c6 = 245 / 2 * width**4
    r2, p2 = (distances / BOHR) ** 2, (damping * 2 * 2.54 * root) ** 2
    r6, p6 = r2**3, p2**3
    terms = 1 / (r6 + p6) + c8_over_c6 / (r6 * r2 + p6 * p2) + c10_over_c6 / (r6 * r2**2 + p6 * p2**2)
    return -HARTREE * c6 * terms
