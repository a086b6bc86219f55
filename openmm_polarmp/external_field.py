"""The uniform external field of a Context, with units, and within physical bounds."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import openmm
from openmm import unit

from openmm_polarmp import units
from openmm_polarmp._arguments import numbers

PARAMETERS = ("polarmp_field_x", "polarmp_field_y", "polarmp_field_z")
SMALLEST, LARGEST = 1e-9, 100.0
"""V/nm. Forces vanish in rounding below the smallest; molecules are torn apart far below the largest (a proton's field at 0.12 nm)."""


def set_external_field(context: openmm.Context, field: Any) -> None:
    """Set the field that acts in a Context with a `PolarMPForce`.

    Parameters
    ----------
    context : openmm.Context
        One from `find_force` that stands inside of another, which would overwrite its field, sets that of both.
    field : three numbers in V/nm, or a Quantity
        In any unit of a field (V/nm, V/A, V/m) or of force by charge (kJ/mol/nm/e).

    Raises
    ------
    ValueError
        If the field is not three finite numbers, is not zero but below 1e-9 V/nm, or is above 100 V/nm; or if the Context has no
        `PolarMPForce`.
    """
    values = numbers("field", _volt_per_nm(field), unit.volt / unit.nanometer)
    if values.shape != (3,) or not np.isfinite(values).all():
        raise ValueError(f"field is {field}; three finite numbers in V/nm are accepted")
    if (sentence := implausible(values)) is not None:
        raise ValueError(sentence)
    if PARAMETERS[0] not in context.getParameters():
        raise ValueError(f"the Context has no parameter {PARAMETERS[0]!r}; one with a PolarMPForce is accepted")
    around: openmm.Context | None = context
    while around is not None:
        for name, value in zip(PARAMETERS, values, strict=True):
            around.setParameter(name, float(value))
        around = getattr(around, "_owner", None)  # as `find_forces` says it


def external_field(context: openmm.Context) -> np.ndarray:
    """The field of a Context, V/nm."""
    return np.array([context.getParameter(name) for name in PARAMETERS])


def implausible(field: Sequence[float] | np.ndarray) -> str | None:
    """A sentence on a field (V/nm) that is no physical one, None for any other."""
    strength = float(np.linalg.norm(field))
    if strength == 0 or SMALLEST <= strength <= LARGEST:
        return None
    return (
        f"field is {strength:.3g} V/nm; zero, or from {SMALLEST:g} to {LARGEST:g} V/nm is accepted. OpenMM's setParameter takes a "
        "Quantity in units of its own: setExternalField(context, field) converts"
    )


def warn_of_implausible_field(context: openmm.Context) -> None:
    """Warn of a field that was set by `Context.setParameter` in another unit."""
    if PARAMETERS[0] in context.getParameters() and (sentence := implausible(external_field(context))) is not None:
        warnings.warn(sentence, stacklevel=3)


def _volt_per_nm(field: Any) -> Any:
    if not unit.is_quantity(field):
        if isinstance(field, Sequence) and any(unit.is_quantity(component) for component in field):
            return [_volt_per_nm(component) for component in field]
        return field
    volt_per_nm = unit.volt / unit.nanometer
    if field.unit.is_compatible(volt_per_nm):
        return field.value_in_unit(volt_per_nm)
    force_per_charge = unit.kilojoule_per_mole / unit.nanometer / unit.elementary_charge
    if field.unit.is_compatible(force_per_charge):
        return np.asarray(field.value_in_unit(force_per_charge)) / units.EV_TO_KJ_PER_MOL
    raise ValueError(f"field is in {field.unit}; units of a field, such as V/nm, are accepted")
