"""The sign of latent charges, which energies and forces do not determine, from electronegativities."""

from __future__ import annotations

import numpy as np

# Pauling's scale, by atomic number; noble gases and a few others are left out.
_ROWS = {
    1: [2.20],
    3: [0.98, 1.57, 2.04, 2.55, 3.04, 3.44, 3.98],
    11: [0.93, 1.31, 1.61, 1.90, 2.19, 2.58, 3.16],
    19: [0.82, 1.00, 1.36, 1.54, 1.63, 1.66, 1.55, 1.83, 1.88, 1.91, 1.90, 1.65, 1.81, 2.01, 2.18, 2.55, 2.96],
    37: [0.82, 0.95, 1.22, 1.33, 1.6, 2.16, 1.9, 2.2, 2.28, 2.20, 1.93, 1.69, 1.78, 1.96, 2.05, 2.1, 2.66],
    55: [0.79, 0.89, 1.10],
    72: [1.3, 1.5, 2.36, 1.9, 2.2, 2.20, 2.28, 2.54, 2.00, 1.62, 2.33, 2.02],
}
PAULING = {first + i: value for first, row in _ROWS.items() for i, value in enumerate(row)}


def reversed_signs(species: np.ndarray, charges: np.ndarray) -> bool:
    """Whether the more electronegative elements carry the more positive charges, on average."""
    known = np.array([int(z) in PAULING for z in species])
    if not known.any():
        return False
    scale = np.array([PAULING[int(z)] for z in species[known]])
    charges = charges[known]
    return float(((scale - scale.mean()) * (charges - charges.mean())).sum()) > 0
