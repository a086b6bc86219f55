"""Labelled structures as tensors, and batches of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ase
import torch

from openmm_polarmp.models import TrainingRange
from openmm_polarmp.neighbors import batched_pairs
from openmm_polarmp.training.data._labels import labels


@dataclass
class Structure:
    """One structure, its pairs within the cutoff and its labels; missing labels are None.

    Attributes
    ----------
    positions : Tensor [N, 3]
        A.
    species : Tensor [N]
        Atomic numbers.
    cell : Tensor [3, 3] or None
        A; None for a cluster.
    edge_index, edge_shifts : Tensor [2, E], [E, 3]
        Pairs within the cutoff, as from `neighbor_pairs`.
    energy : Tensor []
        eV, always in float64.
    forces : Tensor [N, 3]
        eV/A.
    total_charge : float
        e.
    external_field : Tensor [3] or None
        V/A, in which a cluster has its energy and forces.
    stress : Tensor [3, 3] or None
        eV/A^3.
    dipole : Tensor [3] or None
        e A.
    born_charges : Tensor [N, 3, 3] or None
        e.
    polarizability : Tensor [3, 3] or None
        e^2 A^2/eV; used in evaluations only.
    molecules : Tensor [N] or None
        Molecule of each atom, 0 to M - 1.
    molecule_charges : Tensor [M] or None
        e.
    weight : float
        Weight of the structure in the loss, above 0, without a unit.
    energy_weight : float
        Weight of the energy in the loss and in mean errors, 0 to 1, without a unit.
    number : int
        Index of the structure in its data set.
    """

    positions: torch.Tensor
    species: torch.Tensor
    cell: torch.Tensor | None
    edge_index: torch.Tensor
    edge_shifts: torch.Tensor
    energy: torch.Tensor
    forces: torch.Tensor
    total_charge: float = 0.0
    external_field: torch.Tensor | None = None
    stress: torch.Tensor | None = None
    dipole: torch.Tensor | None = None
    born_charges: torch.Tensor | None = None
    polarizability: torch.Tensor | None = None
    molecules: torch.Tensor | None = None
    molecule_charges: torch.Tensor | None = None
    weight: float = 1.0
    energy_weight: float = 1.0
    number: int = 0

    @classmethod
    def of(cls, atoms: ase.Atoms, cutoff: float, dtype: torch.dtype = torch.float64, number: int = 0) -> Structure:
        """Tensors of a frame that `read_frames` has accepted; ``cutoff`` (A) is that of the pairs."""
        values = {name: torch.as_tensor(value, dtype=torch.float64) for name, value in labels(atoms).items()}
        positions = torch.as_tensor(atoms.positions, dtype=torch.float64)
        cell = torch.as_tensor(atoms.cell.array, dtype=torch.float64) if atoms.pbc.all() else None
        edge_index, edge_shifts = batched_pairs(positions, cutoff, cell)
        energy, charge = values.pop("energy"), float(values.pop("total_charge", torch.zeros(())))
        weight, energy_weight = (float(values.pop(name, torch.ones(()))) for name in ("weight", "energy_weight"))
        molecules, charges = values.pop("molecules", None), values.pop("molecule_charges", None)
        if molecules is None or charges is None:
            molecules, charges = None, None
        else:
            molecules = torch.unique(molecules, return_inverse=True)[1]
            charges = charges.new_zeros(int(molecules.max()) + 1).index_put((molecules,), charges)
        return cls(
            positions.to(dtype),
            torch.as_tensor(atoms.numbers, dtype=torch.long),
            None if cell is None else cell.to(dtype),
            edge_index,
            edge_shifts.to(dtype),
            energy=energy,
            total_charge=charge,
            molecules=molecules,
            molecule_charges=None if charges is None else charges.to(dtype),
            weight=weight,
            energy_weight=energy_weight,
            number=number,
            **{name: value.to(dtype) for name, value in values.items()},
        )

    def __len__(self) -> int:
        return len(self.species)

    def covered_range(self, cutoff: float, energy_shift: Mapping[int, float]) -> TrainingRange:
        """Distances, neighbours, energy and largest force of the structure.

        Parameters
        ----------
        cutoff : float
            A, that of its pairs.
        energy_shift : dict
            Reference energies of the elements, eV.
        """
        j, i = self.edge_index
        shifts = 0 if self.cell is None else self.edge_shifts @ self.cell
        distances = (self.positions[j] + shifts - self.positions[i]).norm(dim=1)
        reference = sum(energy_shift.get(z, 0.0) for z in self.species.tolist())
        energy = float(self.energy) - reference if self.energy_weight > 0 else None
        return TrainingRange.of(self.species, self.edge_index, distances, self.forces, reach=cutoff, energy=energy)


@dataclass
class Batch:
    """Several structures, clusters and boxes of any sizes, whose atoms are numbered consecutively.

    Attributes
    ----------
    structures : list of Structure
        The members.
    weights : Tensor [B]
        Of the structures in the loss; 0 for a structure that only fills up the last batch.
    positions, species, edges
        As in `Structure`, for the atoms of all structures.
    batch : Tensor [N]
        Structure of each atom.
    sizes : Tensor [B]
        Number of atoms of each structure.
    cells : Tensor [B, 3, 3] or None
        Box vectors, A; None if all structures are clusters. The cell of a cluster among boxes has no meaning.
    periodic : Tensor [B] of bool
        Which structures are boxes.
    total_charge, energy : Tensor [B]
        e and eV.
    external_field : Tensor [B, 3] or None
        V/A; None if no structure is in a field.
    forces : Tensor [N, 3]
        eV/A.
    """

    structures: list[Structure]
    weights: torch.Tensor
    positions: torch.Tensor
    species: torch.Tensor
    edges: tuple[torch.Tensor, torch.Tensor]
    batch: torch.Tensor
    sizes: torch.Tensor
    cells: torch.Tensor | None
    periodic: torch.Tensor
    total_charge: torch.Tensor
    energy: torch.Tensor
    forces: torch.Tensor
    external_field: torch.Tensor | None = None

    @classmethod
    def of(
        cls,
        structures: Sequence[Structure],
        device: torch.device | str = "cpu",
        weights: Sequence[float] | None = None,
    ) -> Batch:
        """Join structures on a device; ``weights`` are by default the structures' own."""
        sizes = torch.tensor([len(s) for s in structures])
        first = torch.cumsum(sizes, 0) - sizes
        dtype = structures[0].positions.dtype
        periodic = torch.tensor([s.cell is not None for s in structures])
        cells = None
        if periodic.any():
            cells = torch.stack([torch.eye(3, dtype=dtype) if s.cell is None else s.cell for s in structures])
        field = None
        if any(s.external_field is not None for s in structures):
            none = torch.zeros(3, dtype=dtype)
            field = torch.stack([none if s.external_field is None else s.external_field for s in structures]).to(device)
        index = torch.cat([s.edge_index + start for s, start in zip(structures, first.tolist(), strict=True)], dim=1)
        return cls(
            structures=list(structures),
            weights=torch.tensor([s.weight for s in structures] if weights is None else list(weights), dtype=dtype).to(
                device
            ),
            positions=torch.cat([s.positions for s in structures]).to(device),
            species=torch.cat([s.species for s in structures]).to(device),
            edges=(index.to(device), torch.cat([s.edge_shifts for s in structures]).to(device)),
            batch=torch.repeat_interleave(torch.arange(len(structures)), sizes).to(device),
            sizes=sizes.to(device),
            cells=None if cells is None else cells.to(device),
            periodic=periodic.to(device),
            total_charge=torch.tensor([s.total_charge for s in structures], dtype=dtype).to(device),
            energy=torch.stack([s.energy for s in structures]).to(device),
            forces=torch.cat([s.forces for s in structures]).to(device),
            external_field=field,
        )

    @property
    def options(self) -> dict[str, Any]:
        """What a network is told of the batch beside positions, species and cells; the energy depends on the field too."""
        return {"pbc": self.periodic, "batch": self.batch, "total_charge": self.total_charge, "edges": self.edges}

    def energy_weights(self) -> torch.Tensor:
        """Weight of the energy of each structure, [B]."""
        return torch.tensor([s.energy_weight for s in self.structures]).to(self.energy)

    def per_structure(self, values: torch.Tensor) -> torch.Tensor:
        """Sums of a quantity of the atoms, in any unit, over each structure: [N, ...] -> [B, ...]."""
        return values.new_zeros(len(self.structures), *values.shape[1:]).index_add(0, self.batch, values)

    def molecules(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Molecule of each atom [N] (-1 where it is not known), structure of each molecule [M], and its charge [M] in e."""
        numbers, structures, charges, first = [], [], [], 0
        for n, s in enumerate(self.structures):
            if s.molecules is None or s.molecule_charges is None:
                numbers.append(torch.full((len(s),), -1))
                continue
            numbers.append(s.molecules + first)
            charges.append(s.molecule_charges)
            structures.append(torch.full((len(s.molecule_charges),), n))
            first += len(s.molecule_charges)
        device = self.positions.device
        if not charges:
            none = torch.zeros(0, dtype=torch.long, device=device)
            return torch.cat(numbers).to(device), none, self.positions.new_zeros(0)
        return torch.cat(numbers).to(device), torch.cat(structures).to(device), torch.cat(charges).to(device)

    def label(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """An optional label of all structures, joined, and [B] which of them have it; the others have zeros."""
        values = [getattr(s, name) for s in self.structures]
        rows = [len(s) if name == "born_charges" else 1 for s in self.structures]
        shape = (3,) if name == "dipole" else (3, 3)
        filled = [
            s.positions.new_zeros(n, *shape) if value is None else value.reshape(n, *shape)
            for s, n, value in zip(self.structures, rows, values, strict=True)
        ]
        present = torch.tensor([value is not None for value in values], device=self.positions.device)
        return torch.cat(filled).to(self.positions.device), present
