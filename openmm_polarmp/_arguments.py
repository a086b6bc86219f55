"""Arguments as plain numbers: with or without a unit, and otherwise an error that names the argument and what is accepted."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openmm import unit


def number(name: str, value: Any, to: unit.Unit | None = None) -> float:
    """A finite number.

    Parameters
    ----------
    name : str
        Of the argument.
    value : float or Quantity
        A number in the unit ``to``, or a Quantity of the same dimension.
    to : Unit, optional
        Without it the number has no unit.
    """
    try:
        plain = np.asarray(_without_unit(value, to))
        if plain.ndim == 0 and plain.dtype.kind in "iuf" and np.isfinite(plain):
            return float(plain)
    except (TypeError, ValueError):
        pass
    raise ValueError(f"{name} is {_shown(value)}; a finite number{_of(to)} is accepted")


def numbers(name: str, values: Any, to: unit.Unit | None = None) -> NDArray[np.float64]:
    """An array of numbers in the unit ``to``; a Quantity, or a sequence of them, is converted."""
    try:
        return np.asarray(_without_units(values, to), dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {_shown(values)}; numbers{_of(to)} are accepted") from None


def whole_number(name: str, value: Any) -> int:
    """An integer, or a number that equals one."""
    try:
        plain = np.asarray(_without_unit(value, None))
        if plain.ndim == 0 and plain.dtype.kind in "iuf" and plain == (whole := int(plain)):
            return whole
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"{name} is {_shown(value)}; a whole number is accepted")


def whole_numbers(name: str, values: Any) -> list[int]:
    """A list of integers."""
    array = np.asarray(values)
    if array.ndim == 1 and array.dtype.kind in "iu":
        return array.tolist()
    try:
        members = list(values)
    except TypeError:
        raise ValueError(f"{name} is {_shown(values)}; a sequence of whole numbers is accepted") from None
    return [whole_number(f"{name}[{place}]", value) for place, value in enumerate(members)]


def constant(name: str, value: Any, owner: type, accepted: Sequence[str]) -> int:
    """One of a class's constants, by its number; the constant of `openmm.app` with the same name stands for it."""
    constants = {member: getattr(owner, member) for member in accepted}
    if type(value).__module__.startswith("openmm.app."):
        value = constants.get(str(value), value)
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value in constants.values():
        return int(value)
    listed = " and ".join(f"{owner.__name__}.{member}" for member in accepted)
    raise ValueError(f"{name} is {value!r}; {listed} are accepted")


def _without_unit(value: Any, to: unit.Unit | None) -> Any:
    return value.value_in_unit(unit.dimensionless if to is None else to) if unit.is_quantity(value) else value


def _without_units(values: Any, to: unit.Unit | None) -> Any:
    """As `_without_unit`, also where the members of sequences have units."""
    try:
        return np.asarray(_without_unit(values, to), dtype=np.float64)
    except ValueError:  # NumPy's for a Quantity among others
        if not isinstance(values, (list, tuple)):
            raise
        return [_without_units(value, to) for value in values]


def _of(to: unit.Unit | None) -> str:
    return "" if to is None else f" of {to.get_symbol()} or a quantity of this dimension".replace("of /", "of 1/")


def _shown(value: Any) -> str:
    return str(value) if unit.is_quantity(value) else reprlib.repr(value)
