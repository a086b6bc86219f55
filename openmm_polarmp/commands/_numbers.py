"""Numbers of the command line, as types of argparse: finite, and in the range where they mean something."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import TypeVar

Number = TypeVar("Number", int, float)


def _type(kind: type[Number], accepts: Callable[[Number], bool], accepted: str) -> Callable[[str], Number]:
    def read(text: str) -> Number:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not math.isfinite(value) or not accepts(value):
            raise argparse.ArgumentTypeError(f"{text!r} is given; {accepted} is accepted")
        return value

    return read


finite = _type(float, lambda value: True, "a number")
positive = _type(float, lambda value: value > 0, "a positive number")
not_negative = _type(float, lambda value: value >= 0, "zero or a positive number")
optical_constant = _type(float, lambda value: value >= 1, "1, the optical dielectric constant of a vacuum, or more")
count = _type(int, lambda value: value >= 1, "a positive integer")
