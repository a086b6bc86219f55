"""What a method of labelling is, and the frames that come out of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import ase
import numpy as np
from ase.calculators.singlepoint import SinglePointCalculator
from numpy.typing import NDArray

PROVENANCE = ("method", "method_version", "method_settings")
"""Entries of a labelled frame's ``info`` that say where its labels come from."""
RESPONSE = "method_response"
"""Whether the response was asked for."""
FAILED = "failed"
"""Why a frame has no labels."""
RESULTS = ("energy", "forces", "stress", "dipole", "born_charges", "polarizability")
"""Labels that a method may give; other ones, such as the molecules' charges, are the frame's."""


class NotConverged(RuntimeError):
    """The calculation of a frame has no converged result."""


@dataclass(frozen=True)
class Labels:
    """Results for one frame; None where the method has none.

    Attributes
    ----------
    energy : float
        eV.
    forces : array [N, 3]
        eV/A.
    stress : array [3, 3], optional
        eV/A^3, of boxes.
    dipole : array [3], optional
        e A, of clusters.
    born_charges : array [N, 3, 3], optional
        e; row: polarization.
    polarizability : array [3, 3], optional
        e^2 A^2/eV.
    """

    energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64] | None = None
    dipole: NDArray[np.float64] | None = None
    born_charges: NDArray[np.float64] | None = None
    polarizability: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Provenance:
    """Where labels come from.

    Attributes
    ----------
    method, version : str
        Name of the method, and versions of the programs or checksum of the model.
    settings : dict
        Everything else that the results depend on, plain values.
    """

    method: str
    version: str
    settings: dict[str, str | float | int] = field(default_factory=dict)

    def entries(self) -> tuple[str, str, str]:
        """Values of `PROVENANCE`, as text."""
        return self.method, self.version, json.dumps(self.settings)


class Method(Protocol):
    """A way to compute labels.

    Attributes
    ----------
    provenance : Provenance
        Where its labels come from.
    atoms_at_once : int
        Number of atoms in the frames that are calculated together; 0: one frame at a time.
    """

    provenance: Provenance
    atoms_at_once: int

    def calculate(self, frames: Sequence[ase.Atoms], response: bool) -> list[Labels | NotConverged]:
        """Labels of frames, or why there are none.

        Parameters
        ----------
        frames : sequence of ase.Atoms
            Clusters or boxes; a missing ``info["total_charge"]`` (e) is 0.
        response : bool
            Born charges and, if the method has it, the polarizability of clusters too.
        """
        ...


def total_charge(frame: ase.Atoms) -> float:
    """Charge of a frame in e."""
    return float(frame.info.get("total_charge", 0.0))


def whole_charge(frame: ase.Atoms) -> int:
    """The charge of a frame for methods that count electrons."""
    charge = total_charge(frame)
    if abs(charge - round(charge)) > 1e-6:
        raise ValueError(f"total_charge is {charge:g} e; whole numbers are accepted")
    return round(charge)


def check_response(frames: Sequence[ase.Atoms], response: bool, in_fields: bool = False) -> None:
    """Raise a ValueError if the response of a box is asked for, or labels in a field that the method has not (`in_fields`)."""
    if response and any(frame.pbc.any() for frame in frames):
        raise ValueError("response is True for a periodic frame; clusters are accepted, as a box has no uniform field")
    if not any("external_field" in frame.info for frame in frames):
        return
    if not in_fields:
        raise ValueError("a frame has an external_field; methods gfn2 and gfn1 calculate in fields")
    if response:
        raise ValueError("response is True for a frame with an external_field; frames without are accepted")
    if any(frame.pbc.any() for frame in frames if "external_field" in frame.info):
        raise ValueError("a periodic frame has an external_field; clusters are accepted, as a box has no uniform field")


def one_by_one(frames: Sequence[ase.Atoms], labels: Callable[[ase.Atoms], Labels]) -> list[Labels | NotConverged]:
    """The labels of each frame by itself, or why there are none: a frame that fails does not stop the others."""
    results: list[Labels | NotConverged] = []
    for frame in frames:
        try:
            results.append(labels(frame))
        except NotConverged as error:
            results.append(error)
    return results


def with_labels(frame: ase.Atoms, labels: Labels, provenance: Provenance) -> ase.Atoms:
    """A copy of a frame, with its annotations, these labels and where they come from."""
    labelled = ase.Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
    results = {"energy": labels.energy, "forces": labels.forces}
    if labels.stress is not None:
        results["stress"] = labels.stress
    labelled.calc = SinglePointCalculator(labelled, **results)
    other = {"numbers", "positions", "bec", *RESULTS, *PROVENANCE, RESPONSE, FAILED}
    labelled.info = {key: value for key, value in frame.info.items() if key not in other}
    for key, values in frame.arrays.items():
        if key not in other:
            labelled.arrays[key] = values.copy()
    labelled.info["total_charge"] = total_charge(frame)
    for key in ("dipole", "polarizability"):
        if getattr(labels, key) is not None:
            labelled.info[key] = getattr(labels, key)
    if labels.born_charges is not None:
        labelled.arrays["born_charges"] = labels.born_charges.reshape(len(frame), 9)
    labelled.info |= dict(zip(PROVENANCE, provenance.entries(), strict=True))
    return labelled


def label_frame(frame: ase.Atoms, method: Method, *, response: bool = False) -> ase.Atoms:
    """A copy of a frame with its labels.

    Parameters
    ----------
    frame : ase.Atoms
        A cluster or a box.
    method : Method
        From `method_of`.
    response : bool
        Also Born charges (e) and polarizability (e^2 A^2/eV) of a cluster.

    Raises
    ------
    NotConverged
        If the calculation does not converge.
    """
    (result,) = method.calculate([frame], response)
    if isinstance(result, NotConverged):
        raise result
    return with_labels(frame, result, method.provenance)
