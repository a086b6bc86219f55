"""Each rung against the exact answer: `python compare.py ladder-metal OUT.png`, in the folder of the frames.

Prints root mean square errors on test.extxyz and, beside a metal, at the larger distances of far.extxyz; of several seeds mean
and standard deviation. Draws the energies of test.extxyz for an oxide; beside a metal the force that pulls the layer from the
slab, where the layer lacks an anion.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ase
import ase.io
import numpy as np
from make_frames import FAR, NEAR, labelled, metal
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from reference import METAL

from openmm_polarmp.models import PolarMPModel, load_model
from openmm_polarmp.training import Structure
from openmm_polarmp.training.data.structure import Batch
from openmm_polarmp.training.ladder import finished
from openmm_polarmp.training.ladder_report import by_rung, scatter
from openmm_polarmp.training.predict import predict

COLUMNS = ("energy (meV)", "forces (meV/A)", "charges (me)", "metal's charge (me)")


def answer(model: PolarMPModel, frame: ase.Atoms) -> tuple[float, np.ndarray, np.ndarray]:
    """Energy in eV, forces in eV/A and charges in e."""
    result = predict(model, Batch.of([Structure.of(frame, model.cutoff)], "cpu"))
    return result.energy.item(), result.forces.detach().numpy(), result.charges.detach().numpy()


def errors(model: PolarMPModel, frames: list[ase.Atoms]) -> list[float]:
    """The columns of the table."""
    deviations: list[list[np.ndarray]] = [[] for _ in COLUMNS]
    for frame in frames:
        energy, forces, charges = answer(model, frame)
        wrong = charges - frame.arrays["reference_charges"]
        of_metal = wrong[np.array(frame.get_chemical_symbols()) == METAL].sum()
        values = energy - frame.get_potential_energy(), forces - frame.get_forces(), wrong, of_metal
        for column, value in zip(deviations, values, strict=True):
            column.append(np.ravel(value))
    return [1000 * float(np.sqrt(np.mean(np.concatenate(column) ** 2))) for column in deviations]


def draw_force(axis: Axes, charge: int, models: dict[str, PolarMPModel]) -> None:
    """The force on the layer over its distance, for one net charge."""
    gaps = np.linspace(NEAR[0], FAR[1], 40)
    # one and the same slab and layer at every distance
    frames = [labelled(metal(np.random.default_rng(5), gap, "Cl"), charge) for gap in gaps]
    ions = np.array(frames[0].get_chemical_symbols()) != METAL
    axis.plot(gaps, [frame.get_forces()[ions, 2].sum() for frame in frames], "k", linewidth=2, label="exact")
    for rung, model in models.items():
        axis.plot(gaps, [answer(model, frame)[1][ions, 2].sum() for frame in frames], label=rung)
    axis.axvline(NEAR[1], color="gray", linewidth=0.7, linestyle=":")
    axis.set(
        title=f"net charge {charge} e", xlabel="distance (A)", ylabel="force on the layer (eV/A)", ylim=(-0.25, 0.25)
    )


def draw_energies(axis: Axes, charge: int, models: dict[str, PolarMPModel], frames: list[ase.Atoms]) -> None:
    """Predicted over exact energies for one net charge, relative to the mean exact energy of the neutral crystal."""
    zero = np.mean([frame.get_potential_energy() for frame in frames if frame.info["total_charge"] == 0])
    chosen = [frame for frame in frames if frame.info["total_charge"] == charge]
    exact = np.array([frame.get_potential_energy() for frame in chosen]) - zero
    axis.plot(exact, exact, "k", linewidth=1)
    for rung, model in models.items():
        axis.plot(exact, [answer(model, frame)[0] - zero for frame in chosen], "o", markersize=3, label=rung)
    axis.set(title=f"net charge {charge} e", xlabel="exact energy (eV)", ylabel="energy (eV)")


def main(folder: str, out: str) -> None:
    runs = by_rung(finished(Path(folder)))
    models = {rung: [load_model(Path(folder) / run["model"]).double() for run in of] for rung, of in runs.items()}
    sets = {name: ase.io.read(name, ":") for name in ("test.extxyz", "far.extxyz") if Path(name).is_file()}
    shown = COLUMNS if "far.extxyz" in sets else COLUMNS[:-1]
    for name, frames in sets.items():
        print(f"{name:14}" + "".join(f"{column:>22}" for column in shown))
        for rung, of_seeds in models.items():
            table = np.array([errors(model, frames) for model in of_seeds]).T[: len(shown)]
            print(f"{rung:14}" + "".join(f"{scatter(column, '.1f'):>22}" for column in table))
    first = {rung: of_seeds[0] for rung, of_seeds in models.items()}
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    charges = sorted({int(frame.info["total_charge"]) for frame in sets["test.extxyz"]})
    for axis, charge in zip(figure.subplots(1, len(charges)), charges, strict=True):
        if "far.extxyz" in sets:
            draw_force(axis, charge, first)
        else:
            draw_energies(axis, charge, first, sets["test.extxyz"])
    figure.axes[0].legend()
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
