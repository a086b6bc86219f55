"""Spherical harmonics and their couplings, as matrices, in e3nn's basis and ``component`` normalization."""

from __future__ import annotations

import math

import torch

# e3nn before 0.5.6 reads its constants, a file that holds slices, in a way that torch refuses since 2.6.
with torch.serialization.safe_globals([slice]):
    from e3nn import o3

from openmm_polarmp.models._constants import ExactConstants


def coupling(l1: int, l2: int, l3: int) -> torch.Tensor:
    """Coefficients [2 l1 + 1, 2 l2 + 1, 2 l3 + 1] of (l1 x l2 -> l3), each output of unit variance for unit inputs."""
    return math.sqrt(2 * l3 + 1) * o3.wigner_3j(l1, l2, l3, dtype=torch.float64)


def slice_of(l: int) -> slice:
    """Slice of the components of degree l among those of l = 0, 1, 2, ..."""
    return slice(l * l, (l + 1) ** 2)


def tensor_to_cartesian() -> torch.Tensor:
    """Array [5, 3, 3] from components of l = 2 to symmetric traceless matrices, orthonormal in the Frobenius product."""
    to_l2 = coupling(1, 1, 2).permute(2, 0, 1)
    return to_l2 / to_l2.flatten(1).norm(dim=1)[:, None, None]


class SphericalHarmonics(ExactConstants):
    """Y_lm of unit vectors for l = 0 ... l_max, by coupling Y_1 to Y_(l-1): one small matrix product for each degree."""

    def __init__(self, l_max: int) -> None:
        super().__init__()
        self.l_max = l_max
        direction = torch.tensor([[1.0, 2.0, -0.5]], dtype=torch.float64)
        direction = direction / direction.norm()
        lower = math.sqrt(3.0) * direction
        for l in range(2, l_max + 1):
            matrix = coupling(1, l - 1, l).reshape(3 * (2 * l - 1), 2 * l + 1)
            raw = (math.sqrt(3.0) * direction[:, :, None] * lower[:, None, :]).flatten(1) @ matrix
            matrix = matrix * (math.sqrt(2 * l + 1) / raw.norm())
            reference = o3.spherical_harmonics(l, direction, normalize=True, normalization="component")
            matrix = matrix * torch.sign((raw * reference).sum())
            self.constant(f"couple{l}", matrix)
            lower = (math.sqrt(3.0) * direction[:, :, None] * lower[:, None, :]).flatten(1) @ matrix

    def forward(self, directions: torch.Tensor) -> torch.Tensor:
        """Harmonics [..., (l_max + 1)^2] of unit vectors [..., 3]."""
        first = math.sqrt(3.0) * directions
        degrees = [torch.ones_like(directions[..., :1]), first]
        for l in range(2, self.l_max + 1):
            pairs = (first[..., :, None] * degrees[-1][..., None, :]).flatten(-2)
            degrees.append(pairs @ getattr(self, f"couple{l}"))
        return torch.cat(degrees[: self.l_max + 1], dim=-1)
