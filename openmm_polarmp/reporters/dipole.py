"""The dipole of the system along a run."""

from __future__ import annotations

import os
from typing import Any, TextIO

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from openmm_polarmp.force import PolarMPForce
from openmm_polarmp.reporters.base import ForceReporter, TextFile
from openmm_polarmp.reporters.columns import CHARGE_COLUMNS, CURRENT_COLUMNS, DIPOLE_COLUMNS, VOLUME_COLUMN
from openmm_polarmp.units import DEBYE_PER_E_NM


class DipoleReporter(ForceReporter):
    """Writes the dipole of the system, its parts, and the mean dipole of the molecules, as comma-separated values.

    The numbers come from the evaluation that the report makes, which on the CPU serves the next step as well; on a GPU a
    report costs an evaluation.

    Parameters
    ----------
    file : str, os.PathLike or file object
        Where to write.
    reportInterval : int
        In steps.
    append : bool
        Continue an existing file.
    current : bool
        Also write the polarization current J = sum_i Z_i v_i from Born effective charges Z and velocities, which counts
        charge that moves between molecules and ions that travel. It takes six more evaluations of the force at each report. In
        a periodic box the long-ranged part of the induced charges is not in it (`getBornEffectiveCharges`).

    Notes
    -----
    Columns: step, time (ps), the charges' part sum (q + dq) r x y z (e nm), the permanent dipoles' part, the induced
    dipoles' part, the mean dipole of a molecule (D), the volume of the box (nm^3, NaN without one), the charge of all atoms
    and the largest of a molecule (e). In a periodic box the charges' part is well defined only for
    molecules that are whole and neutral: every molecule is taken together, with the molecules that the System's topology
    knows. Where neighbours exchange charge it is sum q0 r + sum (t + p) d instead, with the charges q0 before the exchange and
    the pairs' vectors d, which needs no molecules (theory.md section 8). The current, x y z (e nm/ps), follows. All are latent quantities, not yet multiplied by s = sqrt(eps_e).
    """

    def __init__(
        self, file: str | os.PathLike[str] | TextIO, reportInterval: int, append: bool = False, current: bool = False
    ) -> None:
        super().__init__(reportInterval)
        self._current = current
        if current:
            self.include = (*self.include, "velocities")
        titles = ["step", "time (ps)", *DIPOLE_COLUMNS, "mean molecular dipole (D)", VOLUME_COLUMN, *CHARGE_COLUMNS]
        titles += CURRENT_COLUMNS * current
        self._file = TextFile(file, titles, append)
        self._molecules: list[NDArray[np.int64]] = []

    def _prepare(self, simulation: Any, force: PolarMPForce) -> None:
        place = {atom: i for i, atom in enumerate(self._particles)}
        residues = [[place[a.index] for a in r.atoms() if a.index in place] for r in simulation.topology.residues()]
        self._molecules = [np.array(atoms) for atoms in residues if atoms]

    def _report(self, simulation: Any, state: openmm.State, force: PolarMPForce) -> None:
        step = force.getStepData(simulation.context)
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)[self._particles]
        charges = step.charges + step.induced_charges
        dipoles = step.dipoles + step.induced_dipoles
        of_charges, molecular, molecular_charges = np.zeros(3), [], []
        for atoms in self._molecules:
            q, r = charges[atoms], positions[atoms]
            dipole = q @ (r - r.mean(0))  # a neutral molecule's does not depend on the origin
            of_charges += dipole
            molecular_charges.append(abs(q.sum()))
            molecular.append(np.linalg.norm(dipole + dipoles[atoms].sum(0)))
        flows = force.getPairFlows(simulation.context)
        if len(flows.pairs):
            # Charge that has moved between the atoms of a pair counts as a dipole, whatever the molecules are.
            of_charges = flows.dipole_of_charges(step, positions)
        numbers = [*of_charges, *step.dipoles.sum(0), *step.induced_dipoles.sum(0), np.mean(molecular) * DEBYE_PER_E_NM]
        periodic = force.usesPeriodicBoundaryConditions()
        volume = state.getPeriodicBoxVolume().value_in_unit(unit.nanometer**3) if periodic else np.nan
        numbers += [volume, step.charges.sum(), max(molecular_charges)]
        if self._current:
            velocities = state.getVelocities(asNumpy=True).value_in_unit(unit.nanometer / unit.picosecond)
            born = force.getBornEffectiveCharges(simulation.context, induced_charges=not periodic)
            numbers += list(np.einsum("iab,ib->a", born, velocities[self._particles]) / step.field_scale)
        time = state.getTime().value_in_unit(unit.picosecond)
        self._file.write(simulation.currentStep, f"{time:.6g}", *(f"{x:.8g}" for x in numbers))
