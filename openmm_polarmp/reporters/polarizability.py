"""The polarizability of the system along a run."""

from __future__ import annotations

import os
from typing import Any, TextIO

import numpy as np
import openmm
from openmm import unit

from openmm_polarmp import units
from openmm_polarmp._free_charge import REASON, has_polarization
from openmm_polarmp._polarizability import system_polarizability
from openmm_polarmp.force import PolarMPForce
from openmm_polarmp.reporters.base import ForceReporter, TextFile
from openmm_polarmp.reporters.columns import POLARIZABILITY_COLUMNS, SCALE_COLUMN
from openmm_polarmp.step_data import NO_SCALE

_PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


class PolarizabilityReporter(ForceReporter):
    """Writes the latent polarizability of the system as a volume in A^3, comma-separated.

    That is k_e sum_i alpha_i; for clusters also the flow of induced charges, k_e sum_i kappa_i (r_i - r_c)(r_i - r_c)^T; where
    charge flows between neighbours also k_e sum_ij f_ij d_ij d_ij^T.
    Beside it stands eps_e/eps_inf (theory.md section 6), where eps_e is the square of the moments' scale. Where induced moments
    feel each other a report takes seven evaluations of the force.

    In a box whose charge moves freely (total charge constraint, Fermi level) there is no polarizability, and with chi of 1 or
    more no eps_e: such columns are left out, with a warning.

    Parameters
    ----------
    file : str, os.PathLike or file object
        Where to write.
    reportInterval : int
        In steps.
    append : bool
        Continue an existing file.
    """

    def __init__(self, file: str | os.PathLike[str] | TextIO, reportInterval: int, append: bool = False) -> None:
        super().__init__(reportInterval)
        self._file = TextFile(file, append)

    def _prepare(self, simulation: Any, force: PolarMPForce) -> None:
        self._polarizes = has_polarization(force)
        self._scales = bool(np.isfinite(force.getStepData(self._context).sqrt_eps_e))
        titles = ["step", "time (ps)"]
        if self._polarizes:
            titles += POLARIZABILITY_COLUMNS
        else:
            self._leave_out("the polarizability", REASON)
        if self._scales:
            titles.append(SCALE_COLUMN)
        else:
            self._leave_out(SCALE_COLUMN, NO_SCALE)
        self._file.begin(titles)

    def _report(self, simulation: Any, state: openmm.State, force: PolarMPForce) -> None:
        # first, as it would take an evaluation of its own after those in fields
        scale = force.getStepData(self._context).sqrt_eps_e ** 2 / force.getEpsInf()
        values = []
        if self._polarizes:
            positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)[self._particles]
            total = system_polarizability(force, self._context, positions)
            volume = units.COULOMB * total / units.POLARIZABILITY_TO_OPENMM  # A^3
            values += [volume[pair] for pair in _PAIRS]
        if self._scales:
            values.append(scale)
        self._file.report(simulation, state, *(f"{value:.9g}" for value in values))
