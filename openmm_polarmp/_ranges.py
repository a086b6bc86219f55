"""Ranges of numbers that a user gives, in a configuration or on the command line."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any, NamedTuple


class Range(NamedTuple):
    """What an entry may be: a test of a finite number, and how an error calls those that pass it."""

    accepts: Callable[[float], bool]
    accepted: str


POSITIVE = Range(lambda value: value > 0, "a positive number")
NOT_NEGATIVE = Range(lambda value: value >= 0, "zero or a positive number")
FRACTION = Range(lambda value: 0 <= value <= 1, "a number from 0 to 1")
BELOW_ONE = Range(lambda value: 0 <= value < 1, "a number from 0 to below 1")
TOLERANCE = Range(lambda value: 0 < value < 1, "a number between 0 and 1")
OPTICAL_CONSTANT = Range(lambda value: value >= 1, "1, the optical dielectric constant of a vacuum, or more")
ATOMIC_NUMBER = Range(lambda value: 1 <= value <= 118, "an atomic number from 1 to 118")


def check_ranges(settings: Any, **ranges: Range) -> None:
    """Raise a ValueError that names an attribute of the settings which is out of its range.

    Of a schedule or a list each member is checked. None stands for a default and is accepted.
    """
    for name, (accepts, accepted) in ranges.items():
        for entry, value in _entries(name, getattr(settings, name)):
            if not (isinstance(value, numbers.Real) and math.isfinite(value) and accepts(float(value))):
                raise ValueError(f"{entry} is {value!r}; {accepted} is accepted")


def _entries(name: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(f"{name}[{key}]", member) for key, member in value.items()]
    if isinstance(value, list | tuple):
        return [(f"{name}[{place}]", member) for place, member in enumerate(value)]
    return [] if value is None else [(name, value)]
