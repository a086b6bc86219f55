"""Other names of labels: those that a configuration gives, and hints at known ones that nobody reads."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import ase
import numpy as np
from ase.calculators.singlepoint import SinglePointCalculator

from openmm_polarmp.training.data._labels import SHAPES

NAMES = ("energy", *SHAPES)
CALCULATED = ("energy", "forces", "stress")
PREFIXES = ("", "REF_", "ref_", "dft_", "DFT_", "qm_", "mp2_", "ccsd_", "target_")
SPELLINGS = {
    "energy": ("energy", "Energy", "energies", "total_energy", "potential_energy", "TotEnergy", "E"),
    "forces": ("forces", "Forces", "force", "atomic_forces", "F"),
    "stress": ("stress", "Stress"),
    "dipole": ("dipole", "dipoles", "dipole_moment", "mu"),
    "born_charges": ("born_charges", "bec", "BEC", "born_effective_charges", "becs"),
    "polarizability": ("polarizability", "polarizabilities", "alpha"),
    "total_charge": ("total_charge", "charge", "Charge", "net_charge", "total_charges"),
    "external_field": ("external_field", "electric_field", "field"),
}
READ = {"born_charges": ("bec",)}
"""Spellings that are read without being told."""


def check_keys(keys: Mapping[str, str]) -> None:
    """Raise a ValueError if an entry names no label."""
    if unknown := sorted(set(keys) - set(NAMES)):
        raise ValueError(f"keys has {', '.join(unknown)}; {', '.join(NAMES)} are accepted")


def rename(frame: ase.Atoms, keys: Mapping[str, str]) -> None:
    """Put the labels that have other names in a frame where `labels` reads them."""
    calculated = dict(frame.calc.results) if frame.calc is not None else {}
    available = {**frame.info, **frame.arrays, **calculated}
    for name, key in keys.items():
        if key not in available:
            continue
        if name in CALCULATED:
            calculated[name] = np.asarray(available[key], dtype=float)
        else:
            calculated.pop(name, None)
            (frame.arrays if SHAPES[name][:1] == ("N",) else frame.info)[name] = available[key]
    if calculated:
        if "energy" in calculated:
            calculated["energy"] = float(calculated["energy"])
        frame.calc = SinglePointCalculator(frame)
        frame.calc.results = calculated


def other_spelling(frame: ase.Atoms, name: str) -> str | None:
    """A known spelling of a label in a frame that does not have it under its name."""
    calculated = set(frame.calc.results) if frame.calc is not None else set()
    available = set(frame.info) | set(frame.arrays) | calculated
    if available & {name, *READ.get(name, ())}:
        return None
    spellings = [prefix + spelling for spelling in SPELLINGS.get(name, ()) for prefix in PREFIXES]
    return next((spelling for spelling in spellings if spelling in available), None)


def hint(name: str, spelling: str) -> str:
    """How a label is read that has another name."""
    return f"it has {spelling!r}, which 'keys: {{{name}: {spelling}}}' under 'data' in the configuration reads"


def check_unread(frames: Sequence[ase.Atoms], where: str) -> None:
    """Warn of optional labels with known spellings that are not read; a charge that is not read is an error."""
    hinted: set[str] = set()
    for number, frame in enumerate(frames):
        charge = other_spelling(frame, "total_charge")
        if charge is not None and np.any(np.asarray(frame.info.get(charge, 0.0), dtype=float) != 0):
            raise ValueError(f"{where}, frame {number}: has no total_charge, but {hint('total_charge', charge)}")
        for name in SHAPES:
            if name in hinted or name in ("forces", "total_charge"):
                continue
            if (spelling := other_spelling(frame, name)) is not None:
                hinted.add(name)
                warnings.warn(f"{where}, frame {number}: has no {name}, but {hint(name, spelling)}", stacklevel=3)
