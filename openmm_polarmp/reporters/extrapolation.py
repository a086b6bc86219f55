"""A reporter that detects when a simulation leaves the range of its model's training data."""

from __future__ import annotations

import os
import warnings
from typing import Any, TextIO

import numpy as np
import openmm
from openmm import unit

from openmm_polarmp import units
from openmm_polarmp.force import PolarMPForce
from openmm_polarmp.models import TrainingRange
from openmm_polarmp.neighbors import close_pairs
from openmm_polarmp.reporters.base import ForceReporter, TextFile
from openmm_polarmp.sources.native import NativeSource

ACTIONS = ("warn", "raise", "record")


class ExtrapolationWarning(UserWarning):
    """The simulation is outside the range of the model's training data."""


class ExtrapolationReporter(ForceReporter):
    """Compares distances and forces with the range of the model's training data: outside, a learned force fails silently.

    Parameters
    ----------
    file : str, os.PathLike or file object, optional
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

    include = ("positions", "forces")

    def __init__(
        self, file: str | os.PathLike[str] | TextIO | None, reportInterval: int, action: str = "warn", tolerance: float = 0.0
    ) -> None:
        if action not in ACTIONS:
            raise ValueError(f"action: expected one of {', '.join(ACTIONS)}, got {action!r}")
        super().__init__(reportInterval)
        self._action, self._tolerance = action, tolerance * units.ANGSTROM_PER_NM
        self._file = None if file is None else TextFile(file, ["step", "time (ps)", "outside the training range"])
        self.violations = 0

    def _prepare(self, simulation: Any, force: PolarMPForce) -> None:
        training_range = _training_range(force)
        if training_range is None or not training_range.smallest_distances:
            raise ValueError("ExtrapolationReporter: the model says nothing of the range of its training data")
        self._range = training_range
        # In a mixed system the total forces are not the model's, and are not compared.
        self._whole = len(self._particles) == simulation.system.getNumParticles()
        elements = [atom.element for atom in simulation.topology.atoms()]
        self._species = np.array([elements[i].atomic_number if elements[i] else 1 for i in self._particles])

    def _report(self, simulation: Any, state: openmm.State, force: PolarMPForce) -> None:
        observed = self._observed(state, periodic=force.usesPeriodicBoundaryConditions())
        sentences = self._range.violations(observed, tolerance=self._tolerance)
        if not sentences:
            return
        self.violations += 1
        time = state.getTime().value_in_unit(unit.picosecond)
        if self._file is not None:
            for sentence in sentences:
                self._file.write(simulation.currentStep, f"{time:.6g}", f'"{sentence}"')
        text = f"step {simulation.currentStep}: outside the model's training range: {'; '.join(sentences)}"
        if self._action == "raise":
            raise RuntimeError(text)
        if self._action == "warn" and self.violations == 1:
            warnings.warn(text, ExtrapolationWarning, stacklevel=3)

    def _observed(self, state: openmm.State, periodic: bool) -> TrainingRange:
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)[self._particles]
        box = None
        if periodic:
            box = np.array(state.getPeriodicBoxVectors().value_in_unit(unit.angstrom))
        reach = max(self._range.smallest_distances.values()) + 1e-6
        pairs, distances = close_pairs(positions, reach, box)
        forces = None
        if self._whole:
            values = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
            forces = values / units.FORCE_TO_OPENMM
        return TrainingRange.of(self._species, pairs, distances, forces)


def _training_range(force: PolarMPForce) -> TrainingRange | None:
    """The range of the training data of the force's model, if it has one."""
    source = force.getModel()
    described = source.description if isinstance(source, NativeSource) else getattr(source, "model", None)
    return getattr(described, "training_range", None)
