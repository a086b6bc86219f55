"""Labels by CP2K: clusters and boxes by whatever an input file asks for.

The template is a CP2K input with ``{coordinates}`` alone on a line in ``&COORD``, ``{cell}`` alone on a line in ``&CELL`` if the frames are
periodic, and ``{charge}`` (and ``{multiplicity}``) where these numbers belong. Its ``&PRINT`` sections decide which labels there are:
``&FORCES`` is necessary, ``&STRESS_TENSOR`` (with the keyword ``STRESS_TENSOR ANALYTICAL``) and ``&MOMENTS`` are used if they are there.
CP2K runs in a temporary folder: files that the template names have absolute paths or are in CP2K's data folder.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import ase
import numpy as np
from ase.units import Bohr, Debye, GPa, Hartree
from numpy.typing import NDArray

from openmm_polarmp.training.labelling.protocol import (
    Labels,
    NotConverged,
    Provenance,
    check_response,
    one_by_one,
    whole_charge,
)

PROGRAMS = ("cp2k.psmp", "cp2k.ssmp", "cp2k.popt", "cp2k")
DISPLACEMENT = 0.01
"""A, of the central differences that give Born charges."""
NUMBER = r"([-+]?\d*\.\d+(?:[EeDd][-+]?\d+)?)"
TRIPLE = rf"\s+{NUMBER}\s+{NUMBER}\s+{NUMBER}"


class CP2KMethod:
    """Calculations with one CP2K input.

    Parameters
    ----------
    template : Path
        See the module.
    """

    atoms_at_once = 0

    def __init__(self, template: Path) -> None:
        if not template.is_file():
            raise FileNotFoundError(f"template is {str(template)!r}; an existing CP2K input is accepted")
        self.template = template.read_text()
        if "{coordinates}" not in self.template:
            raise ValueError(f"template is {str(template)!r}; a CP2K input with {{coordinates}} in &COORD is accepted")
        program = next(filter(None, map(shutil.which, PROGRAMS)), None)
        if program is None:
            raise FileNotFoundError(
                f"labels of cp2k:{template} need the program CP2K; one of {', '.join(PROGRAMS)} in PATH is accepted"
            )
        self.program = program
        lines = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()
        checksum = hashlib.sha256(self.template.encode()).hexdigest()
        self.provenance = Provenance(f"cp2k:{template.name}", lines[0].strip(), {"sha256 of the template": checksum})

    def calculate(self, frames: Sequence[ase.Atoms], response: bool) -> list[Labels | NotConverged]:
        """As in `Method`; Born charges are differences of dipoles, and there is no polarizability."""
        check_response(frames, response)
        return one_by_one(frames, lambda frame: self._labels(frame, response))

    def _labels(self, frame: ase.Atoms, response: bool) -> Labels:
        labels = self._point(frame)
        return dataclasses.replace(labels, born_charges=self._born(frame)) if response else labels

    def _born(self, frame: ase.Atoms) -> NDArray[np.float64]:
        """Z*_i,ab = dD_a/dr_i,b [N, 3, 3] in e."""
        born = np.zeros((len(frame), 3, 3))
        for atom in range(len(frame)):
            for axis in range(3):
                dipoles = []
                for sign in (1, -1):
                    moved = frame.copy()
                    moved.positions[atom, axis] += sign * DISPLACEMENT
                    dipole = self._point(moved).dipole
                    if dipole is None:
                        raise ValueError("response is True; a template that prints &MOMENTS is accepted")
                    dipoles.append(dipole)
                born[atom, :, axis] = (dipoles[0] - dipoles[1]) / (2 * DISPLACEMENT)
        return born

    def _input(self, frame: ase.Atoms) -> str:
        periodic = bool(frame.pbc.any())
        if periodic != ("{cell}" in self.template):
            kind, accepted = ("periodic", "one with") if periodic else ("a cluster", "one without")
            raise ValueError(f"a frame is {kind}; a template {accepted} {{cell}} in &CELL is accepted")
        coordinates = "\n".join(
            f"      {symbol} {x:.10f} {y:.10f} {z:.10f}"
            for symbol, (x, y, z) in zip(frame.get_chemical_symbols(), frame.positions, strict=True)
        )
        cell = "\n".join(
            f"      {name} {x:.10f} {y:.10f} {z:.10f}" for name, (x, y, z) in zip("ABC", frame.cell.array, strict=True)
        )
        electrons = int(frame.numbers.sum()) - whole_charge(frame)
        values = {
            "{coordinates}": coordinates.strip(),
            "{cell}": cell.strip(),
            "{charge}": str(whole_charge(frame)),
            "{multiplicity}": str(frame.info.get("multiplicity", 1 + electrons % 2)),
        }
        text = self.template
        for place, value in values.items():
            text = text.replace(place, value)
        return text

    def _point(self, frame: ase.Atoms) -> Labels:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "frame.inp").write_text(self._input(frame))
            threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
            done = subprocess.run(
                [self.program, "-i", "frame.inp"],
                cwd=folder,
                env={**os.environ, **threads},
                capture_output=True,
                text=True,
                check=False,
            )
        return parsed(done.stdout + done.stderr, frame, done.returncode)


def parsed(output: str, frame: ase.Atoms, status: int = 0) -> Labels:
    """Labels from what CP2K printed.

    Parameters
    ----------
    output : str
        Of versions up to 2023 or later ones, which print forces in another form.
    frame : ase.Atoms
        The frame that was calculated.
    status : int
        The program's exit status.

    Raises
    ------
    NotConverged
        If the self-consistent iterations did not converge.
    RuntimeError
        If CP2K failed otherwise, with the end of its output.
    """
    if re.search(r"SCF run NOT converged|SCF not converged", output):
        raise NotConverged("no self-consistent solution within CP2K's number of iterations")
    energy = re.findall(rf"ENERGY\| Total FORCE_EVAL.*?:?\s+{NUMBER}\s*$", output, re.MULTILINE)
    if status != 0 or not energy:
        end = "\n".join(line for line in output.splitlines() if line.strip(" *"))[-800:]
        raise RuntimeError(f"CP2K stopped with status {status}. The end of its output:\n{end}")
    atom = rf"^ *(?:FORCES\|)? +\d+(?: +\d+ +[A-Z][a-z]?)?{TRIPLE}"
    section = re.split(r"ATOMIC FORCES in|Atomic forces \[", output)[-1]
    forces = np.array([numbers(row) for row in re.findall(atom, section, re.MULTILINE)[: len(frame)]])
    if forces.shape != (len(frame), 3):
        raise ValueError("CP2K printed no forces; a template with &FORCES in &PRINT of &FORCE_EVAL is accepted")
    stress = [numbers(row) for row in re.findall(rf"STRESS\|\s+[xyz]{TRIPLE}", output)[:3]]
    dipole = re.findall(rf"Dipole moment \[Debye\]\s+X=\s*{NUMBER}\s+Y=\s*{NUMBER}\s+Z=\s*{NUMBER}", output)
    periodic = bool(frame.pbc.all())
    return Labels(
        numbers(energy[-1:])[0] * Hartree,
        forces * Hartree / Bohr,
        stress=-np.array(stress) * GPa if periodic and len(stress) == 3 else None,  # CP2K counts compression positive
        dipole=np.array(numbers(dipole[-1])) * Debye if dipole and not periodic else None,
    )


def numbers(texts: Sequence[str]) -> list[float]:
    """Numbers as Fortran prints them."""
    return [float(text.replace("D", "E").replace("d", "e")) for text in texts]
