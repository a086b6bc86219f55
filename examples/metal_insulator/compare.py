"""Each rung against the exact answer: `python compare.py ladder-metal OUT.png`, in the folder with test.extxyz and far.extxyz.

Prints root mean square errors at the learned distances and beyond them, and draws the force between slab and layer over
their distance. Of several seeds it prints mean and standard deviation.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ase.calculators.singlepoint
import ase.io
import numpy as np
from make_frames import FAR, NEAR, cluster
from matplotlib.figure import Figure
from reference import METAL, solve

from openmm_polarmp.models import RUNGS, PolarMPModel, load_model
from openmm_polarmp.training import Structure
from openmm_polarmp.training.data.structure import Batch
from openmm_polarmp.training.ladder_report import scatter
from openmm_polarmp.training.predict import predict

COLUMNS = ("energy (meV)", "F metal (meV/A)", "F ions (meV/A)", "q metal (me)", "q slab (me)")


def answer(model: PolarMPModel, frame: ase.Atoms) -> tuple[float, np.ndarray, np.ndarray]:
    """Energy in eV, forces in eV/A and charges in e."""
    result = predict(model, Batch.of([Structure.of(frame, model.cutoff)], "cpu"))
    return result.energy.item(), result.forces.detach().numpy(), result.charges.detach().numpy()


def errors(model: PolarMPModel, frames: list[ase.Atoms]) -> list[float]:
    """The columns of the table: root mean square errors."""
    deviations: list[list[np.ndarray]] = [[] for _ in COLUMNS]
    for frame in frames:
        energy, forces, charges = answer(model, frame)
        metal = np.array(frame.get_chemical_symbols()) == METAL
        wrong = charges - frame.arrays["reference_charges"]
        force_error = forces - frame.get_forces()
        for column, value in zip(
            deviations,
            (
                energy - frame.get_potential_energy(),
                force_error[metal],
                force_error[~metal],
                wrong[metal],
                wrong[metal].sum(),
            ),
            strict=True,
        ):
            column.append(np.ravel(value))
    return [1000 * float(np.sqrt(np.mean(np.concatenate(column) ** 2))) for column in deviations]


def draw(path: str, models: dict[str, PolarMPModel]) -> None:
    """The force that pulls the layer from the slab, for each total charge of the slab."""
    gaps = np.linspace(NEAR[0], FAR[1], 40)
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    for axis, charge in zip(figure.subplots(1, 3), (-1, 0, 1), strict=True):
        frames = [cluster(np.random.default_rng(5), gap) for gap in gaps]  # one and the same but for the distance
        for frame in frames:
            frame.info["total_charge"] = float(charge)
            solved = solve(frame, charge)
            frame.calc = ase.calculators.singlepoint.SinglePointCalculator(
                frame, energy=solved.energy, forces=solved.forces
            )
        ions = np.array(frames[0].get_chemical_symbols()) != METAL
        axis.plot(gaps, [frame.get_forces()[ions, 2].sum() for frame in frames], "k", linewidth=2, label="exact")
        for rung, model in models.items():
            axis.plot(gaps, [answer(model, frame)[1][ions, 2].sum() for frame in frames], label=rung)
        axis.axvline(NEAR[1], color="gray", linewidth=0.7, linestyle=":")
        axis.set(title=f"net charge {charge:+d} e" if charge else "neutral", xlabel="distance (A)", ylim=(-1, 1))
    figure.axes[0].set_ylabel("force on the layer (eV/A)")
    figure.axes[0].legend()
    figure.savefig(path, dpi=110)


def main(folder: str, out: str) -> None:
    drawn = {}
    for name in ("test", "far"):
        frames = ase.io.read(f"{name}.extxyz", ":")
        print(f"{name + '.extxyz':14}" + "".join(f"{column:>20}" for column in COLUMNS))
        for rung in RUNGS:
            paths = [p for p in (Path(folder) / rung, *sorted(Path(folder).glob(f"seed-*/{rung}"))) if p.is_dir()]
            models = [load_model(path / "model.polarmp").double() for path in paths]
            if models:
                drawn[rung] = models[0]
                table = np.array([errors(model, frames) for model in models])
                print(f"{rung:14}" + "".join(f"{scatter(column, '.1f'):>20}" for column in table.T))
    draw(out, drawn)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
