"""Numbers of the command line, as types of argparse: finite, and in the range where they mean something."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import TypeVar

from openmm_polarmp._ranges import NOT_NEGATIVE, OPTICAL_CONSTANT, POSITIVE, Range

Number = TypeVar("Number", int, float)


def _type(kind: type[Number], wanted: Range) -> Callable[[str], Number]:
    def read(text: str) -> Number:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not math.isfinite(value) or not wanted.accepts(value):
            raise argparse.ArgumentTypeError(f"{text!r} is given; {wanted.accepted} is accepted")
        return value

    return read


finite = _type(float, Range(lambda value: True, "a number"))
positive = _type(float, POSITIVE)
not_negative = _type(float, NOT_NEGATIVE)
optical_constant = _type(float, OPTICAL_CONSTANT)
count = _type(int, Range(lambda value: value >= 1, "a positive integer"))
