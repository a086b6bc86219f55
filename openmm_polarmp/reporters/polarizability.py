"""The polarizability of the system along a run."""

from __future__ import annotations

import os
from typing import Any, TextIO

import openmm
from openmm import unit

from openmm_polarmp import units
from openmm_polarmp._polarizability import system_polarizability
from openmm_polarmp.force import PolarMPForce
from openmm_polarmp.reporters.base import ForceReporter, TextFile
from openmm_polarmp.reporters.columns import POLARIZABILITY_COLUMNS, SCALE_COLUMN

_PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


class PolarizabilityReporter(ForceReporter):
    """Writes the latent polarizability of the system as a volume in A^3, comma-separated.

    That is k_e sum_i alpha_i; for clusters also the flow of induced charges, k_e sum_i kappa_i (r_i - r_c)(r_i - r_c)^T; where
    charge flows between neighbours also k_e sum_ij f_ij d_ij d_ij^T.
    Beside it stands eps_e/eps_inf (theory.md section 6), where eps_e is the square of the moments' scale. Where induced moments
    feel each other a report takes seven evaluations of the force.

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
        self._file.begin(["step", "time (ps)", *POLARIZABILITY_COLUMNS, SCALE_COLUMN])

    def _report(self, simulation: Any, state: openmm.State, force: PolarMPForce) -> None:
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)[self._particles]
        # first, as it would take an evaluation of its own after those in fields
        scale = force.getStepData(self._context).field_scale ** 2 / force.getEpsInf()
        total = system_polarizability(force, self._context, positions)
        volume = units.COULOMB * total / units.POLARIZABILITY_TO_OPENMM  # A^3
        values = [*(volume[pair] for pair in _PAIRS), scale]
        self._file.report(simulation, state, *(f"{value:.9g}" for value in values))
