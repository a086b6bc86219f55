"""Comparison of a model with labelled structures: all predictions, and their errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ase.data
import numpy as np
import torch
from numpy.typing import NDArray

from openmm_polarmp.electrostatics import polarizability
from openmm_polarmp.models import PolarMPModel
from openmm_polarmp.training.data.structure import Batch, Structure
from openmm_polarmp.training.metrics import UNITS, molecule_charges
from openmm_polarmp.training.predict import Prediction, all_born_charges, predict

PER_ATOM = ("forces", "born_charges")


@dataclass
class Comparison:
    """Labels and predictions, side by side.

    Attributes
    ----------
    reference, predicted : dict of array
        By label, one row for each structure or atom that has it: energy [S] in eV/atom (with a weight above 0), forces [A, 3] in eV/A, stress
        [S, 3, 3] in eV/A^3, dipole [S, 3] in e A, born_charges [A, 3, 3] in e, polarizability of clusters [S, 3, 3] in
        e^2 A^2/eV.
    elements : dict of array
        Atomic numbers of the rows of forces and born_charges.
    species, charges : array
        Atomic numbers and latent charges (e) of all atoms.
    eps_inf : float
        Optical dielectric constant that scales the predicted dipoles and Born charges.
    sum_rule : dict of float
        For ``reference`` and ``predicted`` Born charges the largest deviation (e) of their sum over a structure from its
        total charge, which translational invariance (the acoustic sum rule) demands; empty without such labels.
    atomic_energies : array [S] or float
        The sum of the atoms' reference energies of each structure, eV/atom; 0 for a network that has none.
    """

    reference: dict[str, NDArray]
    predicted: dict[str, NDArray]
    elements: dict[str, NDArray]
    species: NDArray
    charges: NDArray
    eps_inf: float
    sum_rule: dict[str, float]
    atomic_energies: NDArray | float = 0.0

    @property
    def born_sign(self) -> int:
        """+1 or -1: sign of the predicted Born charges relative to the labels; energies and forces do not determine it."""
        if "born_charges" not in self.reference:
            return 1
        return 1 if (self.reference["born_charges"] * self.predicted["born_charges"]).sum() >= 0 else -1

    def statistics(self) -> dict[str, dict[str, float]]:
        """For each label the number of values, rmse, mae and r2; for forces and Born charges also for each element."""
        statistics = {}
        for name in UNITS:
            if name not in self.reference:
                continue
            reference, predicted = self.reference[name], self.predicted[name]
            statistics[name] = _statistics(reference, predicted)
            if name in PER_ATOM:
                for z in np.unique(self.elements[name]):
                    of_element = self.elements[name] == z
                    symbol = ase.data.chemical_symbols[z]
                    statistics[f"{name} {symbol}"] = _statistics(reference[of_element], predicted[of_element])
        return statistics

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
            lines.append(f"dipoles and Born charges are scaled with eps_inf = {self.eps_inf:g}")
        if self.sum_rule:
            deviations = ", ".join(f"{self.sum_rule[name]:.1e} e ({name})" for name in ("predicted", "reference"))
            lines.append(f"acoustic sum rule: Born charges of a structure miss its total charge by up to {deviations}")
        if self.born_sign < 0:
            lines.append("all latent moments have the opposite sign of the labels (energies do not determine it)")
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
    """Predict all labels of the structures.

    Parameters
    ----------
    model : PolarMPModel
        Moved to the device.
    structures : sequence of Structure
        With labels.
    born_charges : bool
        Whether to predict Born charges, which in a box take a backward pass for each atom.
    eps_inf : float
        Optical dielectric constant of the medium.
    device : torch.device or str
        Where the model is evaluated.
    progress : callable, optional
        Called with the number of structures that are done.
    """
    model = model.to(device).eval()
    reference: dict[str, list[NDArray]] = {name: [] for name in UNITS}
    predicted: dict[str, list[NDArray]] = {name: [] for name in UNITS}
    elements: dict[str, list[NDArray]] = {name: [] for name in PER_ATOM}
    species, charges, atomic_energies = [], [], []
    references = _reference_energies(model)
    sum_rule: dict[str, float] = {}
    for done, structure in enumerate(structures):
        batch = Batch.of([structure], device)
        dipole = structure.dipole if structure.cell is None else None
        stress = structure.stress if structure.cell is not None else None
        result = predict(model, batch, stress=stress is not None, dipole=dipole is not None, eps_inf=eps_inf)
        pairs: dict[str, tuple[torch.Tensor, torch.Tensor]] = {
            "forces": (structure.forces, result.forces),
        }
        if structure.energy_weight > 0:
            pairs["energy"] = structure.energy / len(structure), result.energy[0].cpu() / len(structure)
            atomic_energies.append(np.mean([references.get(int(z), 0.0) for z in structure.species]))
        if stress is not None and result.stress is not None:
            pairs["stress"] = stress[None], result.stress
        if dipole is not None and result.dipole is not None:
            pairs["dipole"] = dipole[None], result.dipole
        if born_charges and structure.born_charges is not None:
            pairs["born_charges"] = structure.born_charges, all_born_charges(model, batch, eps_inf)
            for which, born in zip(("reference", "predicted"), pairs["born_charges"], strict=True):
                deviation = born.double().cpu().sum(0) - structure.total_charge * torch.eye(3)
                sum_rule[which] = max(sum_rule.get(which, 0.0), float(deviation.abs().max()))
        if structure.molecule_charges is not None and model.has_electrostatics:
            pairs["molecule_charges"] = molecule_charges(result, batch)[:2]
        if structure.polarizability is not None and structure.cell is None:
            pairs["polarizability"] = structure.polarizability[None], _polarizability(model, batch, result, eps_inf)
        for name, (label, value) in pairs.items():
            reference[name].append(np.atleast_1d(label.cpu().numpy()))
            predicted[name].append(np.atleast_1d(value.detach().cpu().numpy()))
            if name in elements:
                elements[name].append(structure.species.numpy())
        species.append(structure.species.numpy())
        charges.append(result.charges.detach().cpu().numpy())
        if progress is not None:
            progress(done + 1)
    return Comparison(
        reference={name: np.concatenate(values).astype(float) for name, values in reference.items() if values},
        predicted={name: np.concatenate(values).astype(float) for name, values in predicted.items() if values},
        elements={name: np.concatenate(values) for name, values in elements.items() if values},
        species=np.concatenate(species),
        charges=np.concatenate(charges).astype(float),
        eps_inf=eps_inf,
        sum_rule=sum_rule,
        atomic_energies=np.array(atomic_energies),
    )


def _reference_energies(model: PolarMPModel) -> dict[int, float]:
    """Energies of the single atoms, eV, by atomic number; none for a network that has none."""
    config = getattr(model.network, "config", None)
    return dict(config.energy_shift) if config is not None else {}


def _polarizability(model: PolarMPModel, batch: Batch, result: Prediction, eps_inf: float) -> torch.Tensor:
    """Polarizability of a cluster, [1, 3, 3] in e^2 A^2/eV."""
    if not model.has_electrostatics:
        return batch.positions.new_zeros(1, 3, 3)
    moments = result.multipoles.to(batch.positions.dtype)
    options = model.response_options(batch.total_charge, len(batch.sizes))
    return polarizability(
        batch.positions, moments, batch=batch.batch, sigma=model.sigma, eps_inf=eps_inf, **options
    ).value


def _statistics(reference: NDArray, predicted: NDArray) -> dict[str, float]:
    error = predicted - reference
    spread = ((reference - reference.mean(0)) ** 2).sum()
    r2 = 1 - float((error**2).sum() / spread) if spread > 0 and reference.size > 1 else float("nan")
    return {
        "count": int(error.size),
        "rmse": float(np.sqrt((error**2).mean())),
        "mae": float(np.abs(error).mean()),
        "r2": r2,
    }


def joined(parts: Sequence[Comparison]) -> Comparison:
    """Comparisons of one model on several sets of structures as one."""
    if len(parts) == 1:
        return parts[0]

    def concatenated(name: str) -> dict[str, NDArray]:
        tables: list[dict[str, NDArray]] = [getattr(part, name) for part in parts]
        labels = dict.fromkeys(label for table in tables for label in table)
        return {label: np.concatenate([table[label] for table in tables if label in table]) for label in labels}

    sum_rule: dict[str, float] = {}
    for part in parts:
        for which, deviation in part.sum_rule.items():
            sum_rule[which] = max(sum_rule.get(which, 0.0), deviation)
    energies = [
        np.broadcast_to(part.atomic_energies, len(part.reference["energy"]))
        for part in parts
        if "energy" in part.reference
    ]
    return Comparison(
        reference=concatenated("reference"),
        predicted=concatenated("predicted"),
        elements=concatenated("elements"),
        species=np.concatenate([part.species for part in parts]),
        charges=np.concatenate([part.charges for part in parts]),
        eps_inf=parts[0].eps_inf,
        sum_rule=sum_rule,
        atomic_energies=np.concatenate(energies) if energies else 0.0,
    )
