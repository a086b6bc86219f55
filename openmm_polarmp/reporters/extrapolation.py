"""A reporter that notices when a simulation leaves what its model has learned."""

from __future__ import annotations

import warnings
from typing import Any, TextIO

import numpy as np
import openmm
from openmm import unit

from openmm_polarmp import units
from openmm_polarmp.force import PolarMPForce
from openmm_polarmp.models import TrainingRange
from openmm_polarmp.neighbors import close_pairs
from openmm_polarmp.reporters._force import next_report, the_force
from openmm_polarmp.sources.native import NativeSource

ACTIONS = ("warn", "raise", "record")


class ExtrapolationWarning(UserWarning):
    """The simulation is where the model was not trained."""


class ExtrapolationReporter:
    """Compares distances and forces with the range of the model's training data: outside, a learned force fails silently.

    Parameters
    ----------
    file : str or file object, optional
        Where to write a line (comma-separated: step, time, what) for each violation.
    reportInterval : int
        In steps.
    action : str
        ``"warn"``: an `ExtrapolationWarning` for the first violation; ``"raise"``: a RuntimeError at the first;
        ``"record"``: neither, see `violations`.
    tolerance : float
        How much shorter than in the data a distance may be, in nm.

    Attributes
    ----------
    violations : int
        Reports so far in which something was outside.
    """

    def __init__(
        self, file: str | TextIO | None, reportInterval: int, action: str = "warn", tolerance: float = 0.0
    ) -> None:
        if action not in ACTIONS:
            raise ValueError(f"action: expected one of {', '.join(ACTIONS)}, got {action!r}")
        self._interval, self._action, self._tolerance = reportInterval, action, 10 * tolerance
        self._own = isinstance(file, str)
        self._file = open(file, "w", encoding="utf-8") if isinstance(file, str) else file
        if self._file is not None:
            print("step,time (ps),outside the training range", file=self._file, flush=True)
        self.violations = 0
        self._range: TrainingRange | None = None

    def describeNextReport(self, simulation: Any) -> dict[str, Any]:
        """What the next report needs (called by Simulation)."""
        return next_report(simulation, self._interval, ["positions", "forces"])

    def report(self, simulation: Any, state: openmm.State) -> None:
        """Check one state (called by Simulation)."""
        if self._range is None:
            self._prepare(simulation)
        found = self._range.violations(self._observed(state), tolerance=self._tolerance)
        if not found:
            return
        self.violations += 1
        time = state.getTime().value_in_unit(unit.picosecond)
        if self._file is not None:
            for sentence in found:
                print(f'{simulation.currentStep},{time:.6g},"{sentence}"', file=self._file, flush=True)
        text = f"step {simulation.currentStep}: outside the model's training range: {'; '.join(found)}"
        if self._action == "raise":
            raise RuntimeError(text)
        if self._action == "warn" and self.violations == 1:
            warnings.warn(text, ExtrapolationWarning, stacklevel=2)

    def _prepare(self, simulation: Any) -> None:
        force, self._particles = the_force(simulation, "ExtrapolationReporter")
        self._range = _training_range(force)
        if self._range is None or not self._range.smallest_distances:
            raise ValueError("ExtrapolationReporter: the model says nothing of the range of its training data")
        # Otherwise other forces act on the atoms too.
        self._whole = len(self._particles) == simulation.system.getNumParticles()
        self._periodic = force.usesPeriodicBoundaryConditions()
        elements = [atom.element for atom in simulation.topology.atoms()]
        self._species = np.array([elements[i].atomic_number if elements[i] else 1 for i in self._particles])

    def _observed(self, state: openmm.State) -> TrainingRange:
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)[self._particles]
        box = None
        if self._periodic:
            box = np.array(state.getPeriodicBoxVectors().value_in_unit(unit.angstrom))
        reach = max(self._range.smallest_distances.values()) + 1e-6
        pairs, distances = close_pairs(positions, reach, box)
        forces = None
        if self._whole:
            values = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
            forces = values / units.FORCE_TO_OPENMM
        return TrainingRange.of(self._species, pairs, distances, forces)

    def __del__(self) -> None:
        if getattr(self, "_own", False) and getattr(self, "_file", None) is not None:
            self._file.close()


def _training_range(force: PolarMPForce) -> TrainingRange | None:
    """What the force's model says of the data it was trained with."""
    source = force.getModel()
    known = source.description if isinstance(source, NativeSource) else getattr(source, "model", None)
    return getattr(known, "training_range", None)
