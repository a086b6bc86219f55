"""The dense reciprocal sum: plane waves as basis functions, every wave vector inside a sphere (theory.md section 2)."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from openmm_polarmp.electrostatics._basis import rows_per_chunk
from openmm_polarmp.electrostatics._lattice import gaussian_coulomb
from openmm_polarmp.electrostatics._multi_index import MAX_ORDER, multi_indices


class PlaneWaves:
    """cos(2 pi n.s) and sin(2 pi n.s) for integer vectors n; u = s are fractional coordinates.

    Amplitudes are [2, K]: row 0 belongs to the cosines, row 1 to the sines. Of n and -n one is stored and counts twice.

    Parameters
    ----------
    n : Tensor [K, 3]
        Integer vectors, without 0 and with only one of n and -n.
    sigma : float
        Width of the kernel, A.
    """

    scale = (1, 1, 1)
    num_structures = 1

    def __init__(self, n: Tensor, sigma: float):
        self.n = n
        self.sigma = sigma
        monomials, even = [], []
        for index in multi_indices(MAX_ORDER):
            total = sum(index)
            # cos -> -sin -> -cos -> sin: every second derivative changes the sign
            sign = -1.0 if total // 2 % 2 else 1.0
            factor = (2 * math.pi) ** total * sign
            monomials.append(factor * n[:, 0] ** index[0] * n[:, 1] ** index[1] * n[:, 2] ** index[2])
            even.append(total % 2 == 0)
        self.monomials = torch.stack(monomials)  # [count, K]
        self.even = tuple(i for i, e in enumerate(even) if e)
        self.odd = tuple(i for i, e in enumerate(even) if not e)

    def _split(self, components: int) -> tuple[list[int], list[int]]:
        return [i for i in self.even if i < components], [i for i in self.odd if i < components]

    def _chunks(self, u: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Slices of the wave vectors with the cosines and sines of all atoms."""
        size = rows_per_chunk(u.device, len(u))
        for first in range(0, len(self.n), size):
            part = slice(first, first + size)
            phases = (2 * math.pi) * (u @ self.n[part].T)
            yield part, torch.cos(phases), torch.sin(phases)

    def spread(self, u: Tensor, coefficients: Tensor, order: int) -> Tensor:
        """Amplitudes [2, K] of moments, see `_basis.spread`."""
        even, odd = self._split(coefficients.shape[1])
        C_even, C_odd = coefficients[:, even].T, coefficients[:, odd].T
        amplitudes = [u.new_zeros(2, 0)]  # a small box may have no wave vector inside the sphere
        for part, cos, sin in self._chunks(u):
            m_even, m_odd = self.monomials[even, part], self.monomials[odd, part]
            real = (m_even * (C_even @ cos)).sum(0) - (m_odd * (C_odd @ sin)).sum(0)
            imaginary = (m_even * (C_even @ sin)).sum(0) + (m_odd * (C_odd @ cos)).sum(0)
            amplitudes.append(torch.stack([real, imaginary]))
        return torch.cat(amplitudes, 1)

    def gather(self, u: Tensor, amplitudes: Tensor, order: int) -> Tensor:
        """Derivatives [N, count(order)], see `_basis.gather`."""
        components = len(multi_indices(order))
        even, odd = self._split(components)
        D_even, D_odd = u.new_zeros(len(u), len(even)), u.new_zeros(len(u), len(odd))
        for part, cos, sin in self._chunks(u):
            m_even, m_odd = self.monomials[even, part], self.monomials[odd, part]
            real, imaginary = amplitudes[0, part], amplitudes[1, part]
            D_even += cos @ (m_even * real).T + sin @ (m_even * imaginary).T
            D_odd += cos @ (m_odd * imaginary).T - sin @ (m_odd * real).T
        derivatives = u.new_zeros(len(u), components)
        derivatives[:, even] = D_even
        derivatives[:, odd] = D_odd
        return derivatives

    def potential(self, amplitudes: Tensor, inverse_cell: Tensor, volume: Tensor) -> Tensor:
        """Amplitudes of the potential: 2 g(k)/V times those of the moments."""
        k = 2 * math.pi * self.n @ inverse_cell[0].T
        return 2 * gaussian_coulomb((k * k).sum(1), self.sigma) / volume[0] * amplitudes

    def energy(self, amplitudes: Tensor, potential: Tensor) -> Tensor:
        """Energy 1/2 sum of amplitude times potential, [1] in eV; includes the own-atom part."""
        return (amplitudes * potential).sum()[None] / 2
