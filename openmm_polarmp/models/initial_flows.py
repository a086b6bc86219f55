"""Where the heads of pairs begin: charge is exchanged, and flows, between atoms at the length of a bond.

Random functions of all neighbours would add up with their number: in dense matter the charges of an untrained network were
several e, and its response larger than that of a metal.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from openmm_polarmp.models._radial import RadialBasis
from openmm_polarmp.models.electronegativity import PAULING
from openmm_polarmp.models.radii import COVALENT_RADII

TRANSFER_PER_UNIT = 0.27
"""e over a bond, for one unit of Pauling's scale: hydrogen in water begins at 0.33 e."""
BOND_CONDUCTANCE = 0.005
"""e^2/eV of a bond: a few hundredths of a molecule's polarizability, as the field within a molecule is strong."""
STEEPNESS = 0.7
"""Of the fall with the distance: an eighth at twice the length of a bond, as hydrogen bonds are, and far less beyond."""


def bond_shape(species: Sequence[int], basis: RadialBasis) -> torch.Tensor:
    """Coefficients [S, S, n] of radial functions that are one at the length of a bond and fall as a Gaussian.

    Parameters
    ----------
    species : sequence of int
        Atomic numbers of the S kinds of atoms.
    basis : RadialBasis
    """
    radii = torch.tensor([COVALENT_RADII[z - 1] for z in species], dtype=torch.float64)
    lengths = radii[:, None] + radii
    distances = torch.linspace(0.3, basis.cutoff, 200, dtype=torch.float64)[:-1]
    functions = basis(distances)
    bonds = distances / lengths[..., None]
    wanted = torch.exp(-STEEPNESS * (bonds.square() - 1)).clamp(max=1.5)
    # Shorter distances never occur, so that the fit need not be good there.
    weights = torch.where(bonds < 0.7, 0.1, 1.0)[..., None]
    return torch.linalg.lstsq(weights * functions, weights * wanted[..., None]).solution.squeeze(-1)


def bond_transfers(species: Sequence[int], formal_charges: Sequence[float] | None) -> torch.Tensor:
    """Charge in e that each kind takes from each other over a bond [S, S], antisymmetric.

    It follows from the electronegativities where charges come from transfers alone. It is zero where atoms have charges
    without them: formal ones that are not zero, or those that the network predicts (None).
    """
    scale = [PAULING.get(z) for z in species]
    transfers = torch.zeros(len(species), len(species), dtype=torch.float64)
    if formal_charges is None:
        return transfers
    for i, (mine, charge) in enumerate(zip(scale, formal_charges, strict=True)):
        for j, (other, other_charge) in enumerate(zip(scale, formal_charges, strict=True)):
            if mine is not None and other is not None and charge == other_charge == 0:
                transfers[i, j] = TRANSFER_PER_UNIT * (other - mine)
    return transfers
