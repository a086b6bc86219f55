"""Which way to total charges is best? Short trainings of four, with errors on held-out molecules and charges beside a far ion.

    python examples/train_bio/charge_schemes.py PREFIX FOLDER

PREFIX_train.extxyz, PREFIX_validation.extxyz and PREFIX_test.extxyz come from divide.py. An interrupted call goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import ase
import ase.io
import numpy as np
import torch

from openmm_polarmp.models import PolarMPModel
from openmm_polarmp.training import TrainingConfig, train

SCHEMES = {
    "projection": ({}, 0.0),
    "molecules' charges": ({}, 2.0),
    "flows, molecules' charges": ({"charges": "flow"}, 2.0),
    "charge input, molecules' charges": ({"total_charge_input": True}, 2.0),
}
"""Entries of ``model``, and the weight ``loss.molecule_charges``, of each."""
APART = 40.0
"""Distance between a neutral molecule and an ion, A."""


def configuration(prefix: Path, folder: Path, scheme: str, epochs: int) -> TrainingConfig:
    """A short training of a small model."""
    model, weight = SCHEMES[scheme]
    return TrainingConfig.from_dict(
        {
            "data": {"train": [str(folder.resolve() / "train.extxyz")]}
            | {name: str(Path(f"{prefix}_{name}.extxyz").resolve()) for name in ("validation", "test")},
            "output": str((folder / scheme.replace("'", "").replace(", ", "-").replace(" ", "-")).resolve()),
            "model": {"rung": "qu+a", "layers": 1, "cutoff": 5.0, "zbl": True, **model},
            "loss": {"molecule_charges": weight},
            "optimizer": {
                "method": "muon",
                "epochs": epochs,
                "batch_size": 4,
                "learning_rate": 2e-3,
                "matrix_rate": 4e-3,
                "warmup": 300,
                "hold_charges": 300,
            },
        }
    )


def charges_apart(model: PolarMPModel, molecule: ase.Atoms, ion: ase.Atoms) -> float:
    """Charge in e of a neutral molecule far from an ion."""
    positions = np.concatenate([molecule.positions, ion.positions - ion.positions.mean(0) + [APART, 0, 0]])
    with torch.no_grad():
        _, multipoles = model.multipoles(
            torch.as_tensor(positions),
            torch.as_tensor(np.concatenate([molecule.numbers, ion.numbers])),
            total_charge=ion.info["total_charge"],
        )
    return float(multipoles.charges[: len(molecule)].sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prefix", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=3, help="of the training frames (default 3)")
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if not (options.folder / "train.extxyz").is_file():
        frames = ase.io.read(f"{options.prefix}_train.extxyz", slice(None, None, options.every))
        ase.io.write(options.folder / "train.extxyz", frames)
    held_out = [f for f in ase.io.iread(f"{options.prefix}_test.extxyz", ":") if f.arrays["molecules"].max() == 0]
    neutral = [f for f in held_out if f.info["total_charge"] == 0][::10]
    ions = [f for f in held_out if abs(f.info["total_charge"]) == 1][::5]
    print(f"a neutral molecule beside an ion: {len(neutral)} molecules, {len(ions)} ions, {APART:g} A apart")
    for scheme in SCHEMES:
        result = train(configuration(options.prefix, options.folder, scheme, options.epochs), quiet=True)
        assert result is not None
        errors, model = result.errors["test"], result.model.double().eval()
        apart = np.array([charges_apart(model, molecule, ion) for molecule in neutral for ion in ions])
        print(
            f"{scheme}: forces {1e3 * errors['forces']['rmse']:.1f} meV/A, energies {1e3 * errors['energy']['rmse']:.2f} meV/atom, "
            f"dipoles {errors['dipole']['rmse']:.3f} e A, molecules' charges before the total charge is imposed "
            f"{errors['molecule_charges']['rmse']:.3f} e; charge of a neutral molecule beside a far ion "
            f"{np.sqrt((apart**2).mean()):.3f} e (rms), {abs(apart).max():.3f} e (largest); "
            f"{sum(result.milliseconds.values()):.1f} ms for a frame",
            flush=True,
        )


if __name__ == "__main__":
    main()
