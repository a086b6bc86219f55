"""How a quantity of a Context answers to the uniform field."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import openmm
from numpy.typing import NDArray

# V/nm. Forces and induced moments are linear in the field, so that central differences are exact for any amplitude; this one
# lifts the response far above the rounding of forces in single precision.
AMPLITUDE = 10.0


def field_response(
    context: openmm.Context, field_parameters: Sequence[str], quantity: Callable[[], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Derivatives of a quantity that is linear in the field by the field's components, [3, ...] per V/nm.

    Parameters
    ----------
    context : openmm.Context
    field_parameters : sequence of str
        The Context's parameters for the components of the field, V/nm. They are left as they were.
    quantity : callable
        Returns the quantity in the field that is set.
    """
    present = [context.getParameter(name) for name in field_parameters]

    def apply(field: Sequence[float] | NDArray[np.float64]) -> None:
        for name, value in zip(field_parameters, field, strict=True):
            context.setParameter(name, float(value))

    derivatives = []
    try:
        for axis in np.eye(3):
            apply(AMPLITUDE * axis)
            along = quantity()
            apply(-AMPLITUDE * axis)
            derivatives.append((along - quantity()) / (2 * AMPLITUDE))
    finally:
        apply(present)
    return np.array(derivatives)
