"""Moments that never change: a source without a network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openmm_polarmp import moments


class FixedMultipoles:
    """Atomic moments that are fixed in the laboratory frame.

    Numbers are in the model's units (A, e, eV); quantities with units, such as dipoles in e nm, are converted.

    Parameters
    ----------
    charges : array_like
        [N] in e.
    dipoles : array_like, optional
        [N,3] in e A.
    quadrupoles : array_like, optional
        [N,3,3] in e A^2. The symmetric traceless part is used.
    softness : array_like, optional
        [N] in e^2/eV, not negative: how much charge an atom takes up per unit potential.
    polarizability : array_like, optional
        [N] or [N,3,3] in e^2 A^2/eV, positive semi-definite.
    """

    def __init__(
        self,
        charges: ArrayLike,
        dipoles: ArrayLike | None = None,
        quadrupoles: ArrayLike | None = None,
        softness: ArrayLike | None = None,
        polarizability: ArrayLike | None = None,
    ) -> None:
        self.charges = _numbers(moments.CHARGES, charges)
        if self.charges.ndim != 1 or len(self.charges) == 0:
            raise ValueError(f"charges has shape {self.charges.shape}; [N] with N > 0 is accepted")
        self.dipoles = self._checked(moments.DIPOLES, dipoles)
        self.quadrupoles = self._checked(moments.QUADRUPOLES, quadrupoles)
        self.softness = self._checked(moments.SOFTNESS, softness)
        if self.softness is not None and (self.softness < 0).any():
            i = int(np.argmax(self.softness < 0))
            raise ValueError(f"softness of particle {i} is {self.softness[i]}; it must not be negative")
        self.polarizability = self._checked(moments.POLARIZABILITY, polarizability)
        if self.polarizability is not None:
            alpha = self.polarizability
            lowest = np.linalg.eigvalsh(0.5 * (alpha + alpha.transpose(0, 2, 1)))[:, 0]
            if (lowest < -1e-12 * (1 + np.abs(alpha).max())).any():
                i = int(np.argmin(lowest))
                raise ValueError(
                    f"polarizability of particle {i} has the eigenvalue {lowest[i]:g}; none may be negative"
                )

    def __len__(self) -> int:
        return len(self.charges)

    def members(self) -> dict[str, NDArray[np.float64]]:
        """The moments that are present, by name."""
        values = {moment.name: getattr(self, moment.name) for moment in moments.MOMENTS}
        return {name: value for name, value in values.items() if value is not None}

    def _checked(self, moment: moments.Moment, values: ArrayLike | None) -> NDArray[np.float64] | None:
        """As [N, *shape of the moment], or None if there is none."""
        if values is None:
            return None
        array, n = _numbers(moment, values), len(self)
        if array.shape not in (shapes := moment.accepted_shapes(n)):
            accepted = " or ".join(str(list(s)) for s in shapes)
            raise ValueError(
                f"{moment.name} has shape {list(array.shape)}; {accepted} is accepted (as many as charges)"
            )
        if array.shape == (n, *moment.shape):
            return array
        return array.reshape(n) if moment.shape == () else array.reshape(n, 1, 1) * np.eye(3)


def _numbers(moment: moments.Moment, values: Any) -> NDArray[np.float64]:
    """In the model's unit."""
    name, plain = moment.name, moment.in_model_units(values)
    try:
        array = np.array(plain, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} cannot be read as an array of numbers: {error}") from None
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name}{list(where)} is {array[where]}; finite numbers are accepted")
    return array
