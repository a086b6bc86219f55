"""The dipole of the system along a run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TextIO

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from openmm_polarmp._free_charge import REASON, has_polarization
from openmm_polarmp._polarizability import arms_of_softness
from openmm_polarmp.force import PolarMPForce
from openmm_polarmp.molecules import joined_residues, molecular_dipoles, sums
from openmm_polarmp.reporters._polarization import ChargePolarization, born_sum
from openmm_polarmp.reporters.base import ForceReporter, TextFile
from openmm_polarmp.reporters.columns import (
    BORN_COLUMN,
    CHARGE_COLUMNS,
    DIPOLE_COLUMNS,
    MEAN_COLUMN,
    POLARIZATION_COLUMNS,
    VOLUME_COLUMN,
)
from openmm_polarmp.step_data import NO_SCALE
from openmm_polarmp.units import DEBYE_PER_E_NM

HOST_PLATFORMS = ("Reference", "CPU")
BORN_INTERVAL = 500
"""Reports from one evaluation of the Born charges to the next."""


class DipoleReporter(ForceReporter):
    """Writes the dipole of the system, its parts, and the mean dipole of the molecules, as comma-separated values.

    The moments come from the evaluation that the report makes, which on the CPU serves the next step as well; on a GPU a
    report costs an evaluation.

    Parameters
    ----------
    file : str, os.PathLike or file object
        Where to write.
    reportInterval : int
        In steps; 4 fs or less for infrared spectra of molecules with hydrogen.
    append : bool
        Continue an existing file. What the charges' polarization changed by since its last row is not known and left out.
    current : bool, optional
        Whether to write the polarization of the charges, whose time derivative is the current of infrared spectra. A report then
        takes about half a step more with a network of one layer that the plugin evaluates itself, on a GPU an evaluation of the
        network by the host's threads, and with a network in torch an evaluation of a larger cluster. Without this option: where the
        plugin evaluates the network itself on the CPU or Reference platform.

    Notes
    -----
    Columns: step, time (ps), the charges' part sum (q + dq) r x y z (e nm), the permanent dipoles' part, the induced
    dipoles' part, the mean dipole of a molecule (D), the volume of the box (nm^3, NaN without one), the charge of all atoms
    and the largest of a molecule (e). In a cluster the charges' part is sum q r + dq (r - the centre of softness), which depends
    on the origin where the cluster is charged. In a periodic box it is well defined only for molecules that are whole and
    neutral: every molecule (the topology's residues, joined where a bond joins them) is taken about its centre; charge that moves
    between molecules is not in it. Where neighbours exchange charge it is sum q0 r + sum (t + p) d instead, with the charges q0
    before the exchange and the pairs' vectors d, which needs no molecules (theory.md section 8).

    With ``current``: the polarization of the charges x y z (e nm), and sum_i Z_i:Z_i / m_i of the Born charges (e^2/Da), the
    f-sum of theory.md section 12, computed anew every 500 reports. In a periodic box that polarization begins with zero and is
    summed from report to report, Z_i (r_i(t) - r_i(t')) with the mean of the charges' part of Z_i at both times: it contains
    charge that moves between molecules, and ions that travel. Induced charges are not in it (`getBornEffectiveCharges`). In a
    cluster it is sum (q + dq) r, dq about the centre of softness. All are latent quantities, not yet multiplied by s = sqrt(eps_e).

    In a box whose charge moves freely (total charge constraint, Fermi level) neither exists, and with chi of 1 or more the f-sum
    does not (theory.md sections 6 and 9): such columns are left out, with a warning.
    """

    def __init__(
        self,
        file: str | os.PathLike[str] | TextIO,
        reportInterval: int,
        append: bool = False,
        current: bool | None = None,
    ) -> None:
        super().__init__(reportInterval)
        self._file, self._wants = TextFile(file, append), current
        self._polarization: ChargePolarization | None = None
        self._molecules: list[NDArray[np.int64]] = []
        self._masses = np.empty(0)
        self._reports, self._born, self._has_born = 0, np.nan, False

    def _prepare(self, simulation: Any, force: PolarMPForce) -> None:
        self._molecules = _molecules(simulation.topology, self._particles)
        self._masses = np.array([simulation.system.getParticleMass(i)._value for i in self._particles])
        titles = ["step", "time (ps)", *DIPOLE_COLUMNS, MEAN_COLUMN, VOLUME_COLUMN, *CHARGE_COLUMNS]
        wants = self._wants
        if wants is None:
            on_host = simulation.context.getPlatform().getName() in HOST_PLATFORMS
            wants = on_host and getattr(force.getModel(), "evaluator", "native") == "native"
        if wants and not has_polarization(force):
            self._leave_out("the polarization of charges and the f-sum", REASON)
            wants = False
        if wants:
            titles += POLARIZATION_COLUMNS
            self._has_born = bool(np.isfinite(force.getStepData(self._context).sqrt_eps_e))
            if self._has_born:
                titles.append(BORN_COLUMN)
            else:
                self._leave_out("the f-sum", NO_SCALE)
        last = self._file.begin(titles)
        if wants:
            start = np.zeros(3) if last is None else np.array([float(last[column]) for column in POLARIZATION_COLUMNS])
            self._polarization = ChargePolarization(force, self._particles, start)

    def _report(self, simulation: Any, state: openmm.State, force: PolarMPForce) -> None:
        step = force.getStepData(self._context)
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)[self._particles]
        charges = step.charges + step.induced_charges
        dipoles = step.dipoles + step.induced_dipoles
        molecular = molecular_dipoles(positions, charges, dipoles, self._molecules)
        molecular_charges = np.abs(sums(charges, self._molecules))
        periodic = force.usesPeriodicBoundaryConditions()
        flows = force.getPairFlows(self._context)
        if not periodic:
            arms = arms_of_softness(force, step.softness, positions)
            of_charges = step.charges @ positions + step.induced_charges @ arms
        elif len(flows.pairs):
            # Charge that has moved between the atoms of a pair counts as a dipole, whatever the molecules are.
            of_charges = flows.dipole_of_charges(step, positions)
        else:
            of_charges = molecular.sum(0) - dipoles.sum(0)
        mean = np.linalg.norm(molecular, axis=1).mean() * DEBYE_PER_E_NM
        numbers = [*of_charges, *step.dipoles.sum(0), *step.induced_dipoles.sum(0), mean]
        volume = state.getPeriodicBoxVolume().value_in_unit(unit.nanometer**3) if periodic else np.nan
        numbers += [volume, step.charges.sum(), molecular_charges.max()]
        if self._polarization is not None:
            numbers += list(self._polarization.at(self._context, step, positions))
        if self._has_born:
            if self._reports % BORN_INTERVAL == 0:
                self._born = born_sum(self._context, force, self._masses, step.sqrt_eps_e)
            numbers.append(self._born)
        self._reports += 1
        self._file.report(simulation, state, *(f"{x:.9g}" for x in numbers))


def _molecules(topology: Any, particles: Sequence[int]) -> list[NDArray[np.int64]]:
    """Molecules of an OpenMM topology, as indices into the force's particles."""
    place = {atom: i for i, atom in enumerate(particles)}
    residues = [[place[a.index] for a in r.atoms() if a.index in place] for r in topology.residues()]
    bonds = [(place[a.index], place[b.index]) for a, b in topology.bonds() if a.index in place and b.index in place]
    return joined_residues(residues, bonds, len(particles))
