"""Labels by a model of this package, SO3LR among them: many small structures at once, in double precision."""

from __future__ import annotations

from collections.abc import Sequence

import ase
import numpy as np
import torch

from openmm_polarmp.models import load_model
from openmm_polarmp.neighbors import batched_pairs
from openmm_polarmp.training.data.structure import Batch, Structure
from openmm_polarmp.training.labelling.protocol import Labels, NotConverged, Provenance, check_response, total_charge
from openmm_polarmp.training.predict import all_born_charges, predict


class NetworkMethod:
    """A teacher's energies, forces, stress and dipoles.

    Parameters
    ----------
    model : str
        Name of a shipped model or a model file.
    """

    atoms_at_once = 400

    def __init__(self, model: str) -> None:
        self.model = load_model(model).double().requires_grad_(False)
        accuracy = f"{self.model.accuracy:g}"
        self.provenance = Provenance(
            model, f"sha256 {self.model.sha256}", {"precision": "double", "accuracy of electrostatics": accuracy}
        )

    def calculate(self, frames: Sequence[ase.Atoms], response: bool) -> list[Labels | NotConverged]:
        """As in `Method`; no polarizability."""
        check_response(frames, response)
        if response and not self.model.has_electrostatics:
            raise ValueError("response is True; a model with charges is accepted")
        batch = Batch.of([_structure(frame, self.model.cutoff) for frame in frames])
        self.model.check_species(batch.species)
        boxes = any(frame.pbc.any() for frame in frames)
        prediction = predict(self.model, batch, stress=boxes, dipole=True)
        born = all_born_charges(self.model, batch).numpy() if response else None
        ends = np.cumsum([len(frame) for frame in frames])
        results: list[Labels | NotConverged] = []
        for n, (frame, end) in enumerate(zip(frames, ends, strict=True)):
            atoms = slice(end - len(frame), end)
            energy, forces = float(prediction.energy[n]), prediction.forces[atoms].detach().numpy()
            if not (np.isfinite(energy) and np.isfinite(forces).all()):
                results.append(NotConverged("the result is not finite"))
                continue
            periodic = bool(frame.pbc.all())
            assert prediction.dipole is not None
            results.append(
                Labels(
                    energy,
                    forces,
                    stress=prediction.stress[n].numpy() if periodic and prediction.stress is not None else None,
                    dipole=prediction.dipole[n].numpy() if self.model.has_electrostatics and not periodic else None,
                    born_charges=None if born is None else born[atoms],
                )
            )
        return results


def _structure(frame: ase.Atoms, cutoff: float) -> Structure:
    """A frame without labels."""
    positions = torch.as_tensor(frame.positions, dtype=torch.float64)
    cell = torch.as_tensor(frame.cell.array, dtype=torch.float64) if frame.pbc.all() else None
    index, shifts = batched_pairs(positions, cutoff, cell)
    return Structure(
        positions,
        torch.as_tensor(frame.numbers, dtype=torch.long),
        cell,
        index,
        shifts.double(),
        energy=torch.zeros((), dtype=torch.float64),
        forces=torch.zeros_like(positions),
        total_charge=total_charge(frame),
    )
