"""A reporter that detects when a simulation leaves the range of its model's training data."""

from __future__ import annotations

import os
import warnings
from typing import Any, TextIO

import numpy as np
import openmm
from numpy.typing import NDArray
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
    """Compares a run with the range of the model's training data: outside, a learned force fails silently.

    It looks after the first step and then every ``reportInterval`` steps at distances that are too short, atoms that are
    isolated or too far from their nearest neighbours, bonds, the number of neighbours, the energy by atom and the forces, as
    far as the model file knows their ranges (`polarmp range` adds them to older files).

    Parameters
    ----------
    file : str, os.PathLike or file object, optional
        Where to write a line (comma-separated: step, time, what) for each violation.
    reportInterval : int
        In steps.
    action : str
        ``"warn"``: an `ExtrapolationWarning` for the first violation; ``"raise"``: a RuntimeError at the first, which stops
        the run; ``"record"``: neither, see `violations`.
    tolerance : float
        How much shorter or longer than in the data a distance may be, in nm.
    append : bool
        Continue an existing file.

    Attributes
    ----------
    reports, violations : int
        Reports so far, and those of them in which something was outside.
    """

    include = ("positions", "forces", "energy")

    def __init__(
        self,
        file: str | os.PathLike[str] | TextIO | None,
        reportInterval: int,
        action: str = "warn",
        tolerance: float = 0.005,
        append: bool = False,
    ) -> None:
        if action not in ACTIONS:
            raise ValueError(f"action: expected one of {', '.join(ACTIONS)}, got {action!r}")
        super().__init__(reportInterval)
        self._action, self._tolerance = action, tolerance * units.ANGSTROM_PER_NM
        self._file = None if file is None else TextFile(file, append)
        if self._file is not None:
            self._file.begin(["step", "time (ps)", "outside the training range"])
        self.reports = self.violations = 0

    def describeNextReport(self, simulation: Any) -> dict[str, Any]:
        """What the next report needs (called by Simulation). The first is due at once: a run can end before the second."""
        return super().describeNextReport(simulation) | ({} if self.reports else {"steps": 1})

    def _prepare(self, simulation: Any, force: PolarMPForce) -> None:
        described = _described(force)
        training_range = getattr(described, "training_range", None)
        if training_range is None or not training_range.smallest_distances:
            raise ValueError("ExtrapolationReporter: the model says nothing of the range of its training data")
        self._range = training_range
        # In a mixed system total energy and forces are not the model's, and are not compared.
        self._whole = len(self._particles) == simulation.system.getNumParticles()
        elements = [atom.element for atom in simulation.topology.atoms()]
        self._species = np.array([elements[i].atomic_number if elements[i] else 1 for i in self._particles])
        self._reference_energy = _reference_energy(force, described, self._species)

    def _report(self, simulation: Any, state: openmm.State, force: PolarMPForce) -> None:
        self.reports += 1
        sentences = self._range.violations(self._observed(state, force), tolerance=self._tolerance)
        if not sentences:
            return
        self.violations += 1
        if self._file is not None:
            for sentence in sentences:
                self._file.report(simulation, state, f'"{sentence}"')
        text = f"step {simulation.currentStep}: outside the model's training range: {'; '.join(sentences)}"
        if self._action == "raise":
            raise RuntimeError(text)
        if self._action == "warn" and self.violations == 1:
            warnings.warn(text, ExtrapolationWarning, stacklevel=3)

    def _observed(self, state: openmm.State, force: PolarMPForce) -> TrainingRange:
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)[self._particles]
        box = None
        if force.usesPeriodicBoundaryConditions():
            box = np.array(state.getPeriodicBoxVectors().value_in_unit(unit.angstrom))
        reach = self._range.reach
        pairs, distances = close_pairs(positions, reach or max(self._range.smallest_distances.values()) + 1e-6, box)
        forces = energy = None
        if self._whole:
            values = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
            forces = values / units.FORCE_TO_OPENMM
        if self._whole and self._reference_energy is not None:
            total = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
            energy = total / units.ENERGY_TO_OPENMM - self._reference_energy
        return TrainingRange.of(self._species, pairs, distances, forces, reach=reach, energy=energy)


def _described(force: PolarMPForce) -> Any:
    """What knows the range of the training data of the force's model: its description, or the model in torch."""
    source = force.getModel()
    return source.description if isinstance(source, NativeSource) else getattr(source, "model", None)


def _reference_energy(force: PolarMPForce, described: Any, species: NDArray[np.int64]) -> float | None:
    """The part of the source's energy that belongs to single atoms, eV; None if it is not known."""
    options = getattr(force.getModel(), "options", None)
    if options is None:
        return None
    if options.interaction_energy:
        return 0.0
    config = getattr(described, "config", None) or getattr(getattr(described, "network", None), "config", None)
    return None if config is None else sum(config.energy_shift.get(z, 0.0) for z in species.tolist())
