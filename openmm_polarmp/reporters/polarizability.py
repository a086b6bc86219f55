"""The polarizability of the system along a run."""

from __future__ import annotations

from typing import Any, TextIO

import numpy as np
import openmm
from openmm import unit

from openmm_polarmp import units
from openmm_polarmp.force import PolarMPForce
from openmm_polarmp.reporters._force import next_report, the_force
from openmm_polarmp.reporters.columns import POLARIZABILITY_COLUMNS

_PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


class PolarizabilityReporter:
    """Writes the latent polarizability of the system as a volume in A^3, comma-separated.

    That is k_e sum_i alpha_i; for clusters also the flow of induced charges, k_e sum_i kappa_i (r_i - r_c)(r_i - r_c)^T.
    The physical one is eps_e times as large.

    Parameters
    ----------
    file : str or file object
        Where to write.
    reportInterval : int
        In steps.
    append : bool
        Continue an existing file.
    """

    def __init__(self, file: str | TextIO, reportInterval: int, append: bool = False) -> None:
        self._interval = reportInterval
        self._own = isinstance(file, str)
        self._file = open(file, "a" if append else "w", encoding="utf-8") if isinstance(file, str) else file
        self._header = append
        self._force: PolarMPForce | None = None

    def describeNextReport(self, simulation: Any) -> dict[str, Any]:
        """What the next report needs (called by Simulation)."""
        return next_report(simulation, self._interval, ["positions", "energy"])

    def report(self, simulation: Any, state: openmm.State) -> None:
        """Write one line (called by Simulation)."""
        if self._force is None:
            self._force, self._particles = the_force(simulation, "PolarizabilityReporter")
            self._cluster = not self._force.usesPeriodicBoundaryConditions()
        if not self._header:
            print(",".join(["step", "time (ps)", *POLARIZABILITY_COLUMNS]), file=self._file)
            self._header = True
        tensor = self._tensor(simulation.context, state)
        time = state.getTime().value_in_unit(unit.picosecond)
        numbers = (f"{tensor[a, b]:.9g}" for a, b in _PAIRS)
        print(simulation.currentStep, f"{time:.6g}", *numbers, sep=",", file=self._file, flush=True)

    def _tensor(self, context: openmm.Context, state: openmm.State) -> np.ndarray:
        """A^3"""
        step = self._force._step(context)
        total = np.asarray(step["polarizability"]).sum(0)
        if self._cluster:
            kappa = np.asarray(step["softness"])
            r = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)[self._particles]
            if kappa.sum() > 0:
                arm = r - kappa @ r / kappa.sum()
                total = total + (kappa[:, None] * arm).T @ arm
        return units.COULOMB * total

    def __del__(self) -> None:
        if getattr(self, "_own", False) and hasattr(self, "_file"):
            self._file.close()
