"""A model against labelled structures: all predictions, and the errors they amount to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ase.data
import numpy as np
import torch

from openmm_polarmp.electrostatics import polarizability
from openmm_polarmp.models import PolarMPModel
from openmm_polarmp.training.data.structure import Batch, Structure
from openmm_polarmp.training.metrics import UNITS
from openmm_polarmp.training.predict import Prediction, all_born_charges, predict

PER_ATOM = ("forces", "born_charges")


@dataclass
class Comparison:
    """Labels and predictions, side by side.

    Attributes
    ----------
    reference, predicted : dict of array
        By label, one row for each structure or atom: energy [S] in eV/atom, forces [A, 3], stress [S, 3, 3],
        dipole [S, 3], born_charges [A, 3, 3], polarizability of clusters [S, 3, 3] in e^2 A^2/eV; only structures that have the label.
    elements : dict of array
        Atomic numbers of the rows of forces and born_charges.
    species, charges : array
        Of all atoms: atomic numbers and latent charges (e).
    eps_inf : float
        Which the predicted dipoles and Born charges contain.
    sum_rule : dict of float
        For ``reference`` and ``predicted`` Born charges by how much, e, their sum over a structure is at most away from
        its total charge, as moving everything together demands; empty without such labels.
    """

    reference: dict[str, np.ndarray]
    predicted: dict[str, np.ndarray]
    elements: dict[str, np.ndarray]
    species: np.ndarray
    charges: np.ndarray
    eps_inf: float
    sum_rule: dict[str, float]

    @property
    def born_sign(self) -> int:
        """+1 or -1: the sign of all latent charges together, which energies and forces do not fix (against labels)."""
        if "born_charges" not in self.reference:
            return 1
        return 1 if (self.reference["born_charges"] * self.predicted["born_charges"]).sum() >= 0 else -1

    def statistics(self) -> dict[str, dict[str, float]]:
        """For each label its number of values, rmse, mae, r2; for forces and Born charges also for each element."""
        found = {}
        for name in UNITS:
            if name not in self.reference:
                continue
            reference, predicted = self.reference[name], self.predicted[name]
            found[name] = _statistics(reference, predicted)
            if name in PER_ATOM:
                for z in np.unique(self.elements[name]):
                    own = self.elements[name] == z
                    symbol = ase.data.chemical_symbols[z]
                    found[f"{name} {symbol}"] = _statistics(reference[own], predicted[own])
        return found

    def mean_charges(self) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation of the latent charges of each element, e."""
        return {
            ase.data.chemical_symbols[z]: (
                float(self.charges[self.species == z].mean()),
                float(self.charges[self.species == z].std()),
            )
            for z in np.unique(self.species)
        }

    def table(self) -> str:
        """The statistics as text."""
        lines = [f"{'':24}{'values':>9}{'RMSE':>11}{'MAE':>11}  {'unit':10}{'R2':>9}"]
        for name, values in self.statistics().items():
            unit, factor = UNITS[name.split()[0]]
            r2 = "" if np.isnan(values["r2"]) else f"{values['r2']:9.4f}"
            lines.append(
                f"{name:24}{values['count']:9d}{factor * values['rmse']:11.4g}{factor * values['mae']:11.4g}  {unit:10}{r2}"
            )
        for symbol, (mean, spread) in self.mean_charges().items():
            lines.append(f"{f'latent charge {symbol}':24}{mean:+.3f} e, standard deviation {spread:.3f} e")
        if "dipole" in self.reference or "born_charges" in self.reference:
            lines.append(f"dipoles and Born charges contain eps_inf = {self.eps_inf:g}")
        if self.sum_rule:
            found = [f"{self.sum_rule[name]:.1e} e ({name})" for name in ("predicted", "reference")]
            lines.append(
                f"acoustic sum rule: Born charges of a structure miss its total charge by up to {', '.join(found)}"
            )
        if self.born_sign < 0:
            lines.append("all latent moments have the opposite sign of the labels' (energies do not fix it)")
        return "\n".join(lines)


def compare(
    model: PolarMPModel,
    structures: Sequence[Structure],
    *,
    born_charges: bool = True,
    eps_inf: float = 1.0,
    device: torch.device | str = "cpu",
    progress: Callable[[int], None] | None = None,
) -> Comparison:
    """Predict everything that the structures are labelled with.

    Born charges in a box cost a backward pass for each atom; ``born_charges=False`` leaves them out. ``progress`` is
    called with the number of structures done.
    """
    model = model.to(device).eval()
    reference: dict[str, list] = {name: [] for name in UNITS}
    predicted: dict[str, list] = {name: [] for name in UNITS}
    elements: dict[str, list] = {name: [] for name in PER_ATOM}
    species, charges = [], []
    sum_rule: dict[str, float] = {}
    for done, structure in enumerate(structures):
        batch = Batch.of([structure], device)
        has_dipole = structure.dipole is not None and structure.cell is None
        wants_stress = structure.stress is not None and structure.cell is not None
        result = predict(model, batch, stress=wants_stress, dipole=has_dipole, eps_inf=eps_inf)
        found = {
            "energy": (structure.energy / len(structure), result.energy[0].cpu() / len(structure)),
            "forces": (structure.forces, result.forces),
        }
        if wants_stress:
            found["stress"] = structure.stress[None], result.stress
        if has_dipole:
            found["dipole"] = structure.dipole[None], result.dipole
        if born_charges and structure.born_charges is not None:
            found["born_charges"] = structure.born_charges, all_born_charges(model, batch, eps_inf)
            for which, born in zip(("reference", "predicted"), found["born_charges"], strict=True):
                missed = born.double().cpu().sum(0) - structure.total_charge * torch.eye(3)
                sum_rule[which] = max(sum_rule.get(which, 0.0), float(missed.abs().max()))
        if structure.polarizability is not None and structure.cell is None:
            found["polarizability"] = structure.polarizability[None], _polarizability(model, batch, result, eps_inf)
        for name, (label, value) in found.items():
            reference[name].append(np.atleast_1d(label.numpy()))
            predicted[name].append(np.atleast_1d(value.detach().cpu().numpy()))
            if name in elements:
                elements[name].append(structure.species.numpy())
        species.append(structure.species.numpy())
        charges.append(result.multipoles.charges.detach().cpu().numpy())
        if progress is not None:
            progress(done + 1)
    return Comparison(
        *(
            {name: np.concatenate(v).astype(float) for name, v in values.items() if v}
            for values in (reference, predicted)
        ),
        {name: np.concatenate(v) for name, v in elements.items() if v},
        np.concatenate(species),
        np.concatenate(charges).astype(float),
        eps_inf,
        sum_rule,
    )


def _polarizability(model: PolarMPModel, batch: Batch, result: Prediction, eps_inf: float) -> torch.Tensor:
    """[1, 3, 3] of a cluster."""
    if not model.has_electrostatics:
        return batch.positions.new_zeros(1, 3, 3)
    moments = result.multipoles.to(batch.positions.dtype)
    return polarizability(batch.positions, moments, batch=batch.batch, eps_inf=eps_inf).value


def _statistics(reference: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    error = predicted - reference
    spread = ((reference - reference.mean(0)) ** 2).sum()
    r2 = 1 - float((error**2).sum() / spread) if spread > 0 and reference.size > 1 else float("nan")
    return {
        "count": int(error.size),
        "rmse": float(np.sqrt((error**2).mean())),
        "mae": float(np.abs(error).mean()),
        "r2": r2,
    }
