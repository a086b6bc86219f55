"""What the layers of the network sum over pairs."""

from __future__ import annotations

import torch


class PairFunctions:
    """The functions B_n and Y_lm of each pair, and their products.

    Attributes
    ----------
    radial : Tensor [N, K, n_radial]
    harmonics : Tensor [N, K, (l_max + 1)^2]
    """

    def __init__(self, radial: torch.Tensor, harmonics: torch.Tensor) -> None:
        self.radial, self.harmonics = radial, harmonics
        self._products: torch.Tensor | None = None

    def products(self) -> torch.Tensor:
        """Y_lm B_n, [N, K, (l_max + 1)^2 n_radial]."""
        if self._products is None:
            self._products = (self.harmonics[:, :, :, None] * self.radial[:, :, None, :]).flatten(2)
        return self._products
