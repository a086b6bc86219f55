"""How SO3LR divides charge among molecules, and whether its energies are those of the parts when these are far apart.

    python examples/train_bio/teacher_charges.py data/bio_test.extxyz

Of frames with a charged molecule among others: the charges of the charged molecules beside their formal charges, and the energy of
all molecules 1,000 A apart, under the frame's total charge, less the energies of the molecules alone, each with its charge.
"""

from __future__ import annotations

import argparse

import ase
import ase.io
import numpy as np
import torch

from openmm_polarmp.models import PolarMPModel, load_model

APART = 1000.0


def evaluate(model: PolarMPModel, frame: ase.Atoms, charge: float) -> tuple[float, np.ndarray]:
    """Energy in eV and atomic charges in e of a cluster."""
    positions, species = torch.as_tensor(frame.positions), torch.as_tensor(frame.numbers)
    energy = float(model.energy(positions, species, total_charge=charge))
    return energy, model.multipoles(positions, species, total_charge=charge)[1].charges.numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("test")
    parser.add_argument("--frames", type=int, default=60, help="of each of neutral and charged frames (default 60)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model("so3lr").double().requires_grad_(False)
    results: dict[str, list[tuple[float, float]]] = {
        "neutral molecules only": [],
        "neutral, with ions": [],
        "charged": [],
    }
    for frame in ase.io.iread(options.test, ":"):
        members, formal = frame.arrays["molecules"], frame.arrays["molecule_charges"]
        if frame.pbc.any() or members.max() == 0 or len(frame) > 100:
            continue
        total = frame.info["total_charge"]
        kind = "charged" if total else "neutral, with ions" if formal.any() else "neutral molecules only"
        if len(results[kind]) >= options.frames:
            continue
        first = np.unique(members, return_index=True)[1]
        _, charges = evaluate(model, frame, total)
        missing = np.abs(np.bincount(members, charges) - formal[first])[formal[first] != 0]
        apart = frame.copy()
        apart.positions[:, 0] += APART * members
        alone = sum(evaluate(model, frame[members == n], formal[first[n]])[0] for n in range(len(first)))
        results[kind].append((float(missing.mean()) if len(missing) else 0.0, evaluate(model, apart, total)[0] - alone))
    for kind, values in results.items():
        if values:
            missing, excess = np.array(values).T
            print(
                f"{kind}: {len(values)} frames; charged molecules miss {missing.mean():.2f} e of their charge (mean), up to "
                f"{missing.max():.2f} e; far apart the energy exceeds that of the parts by {np.sqrt((excess**2).mean()):.3f} eV (rms)"
            )


if __name__ == "__main__":
    main()
