"""Cells, their reciprocal lattices, and the wave vectors in a sphere."""

import itertools
import math

import numpy as np
import torch
from torch import Tensor

from openmm_polarmp.units import COULOMB


def gaussian_coulomb(k_squared: Tensor, sigma: float, coulomb: float = COULOMB) -> Tensor:
    """g(k) = 4 pi k_e exp(-sigma^2 k^2 / 2) / k^2 in eV A^3 / e^2; zero at k = 0 (theory.md section 2).

    TorchScript compiles this too, and reads k_e from an argument only.
    """
    nonzero = k_squared > 0
    safe = torch.where(nonzero, k_squared, 1.0)
    return torch.where(nonzero, 4 * math.pi * coulomb * torch.exp(-(sigma**2) / 2 * safe) / safe, 0.0)


def inverse_and_volume(cell: Tensor) -> tuple[Tensor, Tensor]:
    """Inverse [B, 3, 3] and volume [B] of right- or left-handed cells, whose rows are the box vectors.

    Fractional coordinates are ``r @ inverse`` and wave vectors ``2 pi n @ inverse.T``.
    """
    a, b, c = cell.unbind(1)
    columns = torch.stack([torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], 2)
    determinant = (a * columns[:, :, 0]).sum(1)
    return columns / determinant[:, None, None], determinant.abs()


def lattice_reduction(cell: np.ndarray) -> np.ndarray:
    """Integers R with determinant +-1 so that R @ cell are short box vectors of the same lattice.

    The sums do not depend on the vectors that span the lattice, but their cost does: a strongly tilted cell would need an
    unnecessarily fine mesh and a long search for wave vectors.
    """
    reduction = np.eye(3, dtype=int)
    reduced = np.array(cell, dtype=float)
    for _ in range(100):
        lengths = (reduced**2).sum(1)
        longest_first = np.argsort(-lengths, kind="stable")
        for i in longest_first:
            others = [j for j in range(3) if j != i]
            # Steps along both other vectors at once: single steps can end in a local minimum in three dimensions.
            steps = [(p, q) for p, q in itertools.product(_steps(reduced, i, others[0]), _steps(reduced, i, others[1]))]
            candidates = [reduced[i] - p * reduced[others[0]] - q * reduced[others[1]] for p, q in steps]
            best = min(range(len(steps)), key=lambda s: (candidates[s] ** 2).sum())
            if (candidates[best] ** 2).sum() < lengths[i] * (1 - 1e-9):
                p, q = steps[best]
                reduced[i] = candidates[best]
                reduction[i] = reduction[i] - p * reduction[others[0]] - q * reduction[others[1]]
                break
        else:
            break
    return reduction


def _steps(vectors: np.ndarray, i: int, j: int) -> list[int]:
    nearest = round(float(vectors[i] @ vectors[j] / (vectors[j] @ vectors[j])))
    return sorted({0, nearest - 1, nearest, nearest + 1})


def wave_vectors(cell: np.ndarray, k_max: float) -> np.ndarray:
    """Integer vectors n with 0 < |2 pi n h^-1| <= k_max, only one of n and -n: [K, 3].

    The largest |n_i| follows from n_i = k.a_i / (2 pi).
    """
    inverse = np.linalg.inv(cell)
    largest = [int(k_max * np.linalg.norm(a) / (2 * math.pi) + 1e-9) for a in cell]
    vectors = []
    yz = np.stack(
        np.meshgrid(np.arange(-largest[1], largest[1] + 1), np.arange(-largest[2], largest[2] + 1), indexing="ij"), -1
    ).reshape(-1, 2)
    for x in range(largest[0] + 1):
        n = np.concatenate([np.full((len(yz), 1), x), yz], 1)
        if x == 0:
            n = n[(n[:, 1] > 0) | ((n[:, 1] == 0) & (n[:, 2] > 0))]
        k = 2 * math.pi * n @ inverse.T
        vectors.append(n[(k * k).sum(1) <= k_max**2 * (1 + 1e-12)])
    return np.concatenate(vectors)
