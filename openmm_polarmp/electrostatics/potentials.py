"""What multipoles make each other feel."""

from typing import NamedTuple

from torch import Tensor


class Potentials(NamedTuple):
    """What the atoms feel of all multipoles but their own: Phi' and its derivatives.

    Attributes
    ----------
    potential : Tensor [N]
        V.
    gradient : Tensor [N, 3]
        V/A; minus the field.
    curvature : Tensor [N, 3, 3] or None
        Traceless part of the second derivatives, V/A^2; None where it was not asked for.
    """

    potential: Tensor
    gradient: Tensor
    curvature: Tensor | None = None
