"""The parts of a calculation that depend on sizes only: methods, meshes, wave vectors, pairs.

Everything that needs numbers on the host happens here, once; evaluating a plan is pure tensor code, which torch.compile
traces without a graph break.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from openmm_polarmp.electrostatics._checks import check_batch, check_cell, check_periodic_cell, positive
from openmm_polarmp.electrostatics._lattice import lattice_reduction, wave_vectors
from openmm_polarmp.electrostatics._mesh import Mesh
from openmm_polarmp.electrostatics._pair_potential import ClusterPairs
from openmm_polarmp.electrostatics._plane_waves import PlaneWaves
from openmm_polarmp.electrostatics.boundary import check_boundary
from openmm_polarmp.electrostatics.mesh_table import MESH_RULES, choose_mesh_rule, converged_k, mesh_shape

METHODS = ("auto", "direct", "ewald", "pme")
SMALLEST_ACCURACY, LARGEST_ACCURACY = 1e-14, 0.1

DENSE_SUM_LIMIT = 1.0e4
"""`auto` takes the mesh where atoms times wave vectors exceed this number: from about 30 atoms on at 0.1 atoms/A^3 and
accuracy 5e-4, from 22 on at 1e-6. Measured (bench/torch_electrostatics.py): including the planning the mesh is never slower
there, and 1.2 to 1.5 times faster at 30 to 60 atoms; of prepared plans the dense one is up to 1.4 times faster below 100
atoms. The number is that of one structure, so that its energy does not depend on the other structures of the batch."""


@dataclass
class PeriodicGroup:
    """Periodic structures that are evaluated together: meshes of one shape, or one dense sum.

    Attributes
    ----------
    basis : Mesh or PlaneWaves
        Basis functions of the reciprocal sum.
    atoms : Tensor [n] or None
        Indices of the group's atoms; None: all atoms.
    structure : Tensor [n]
        Structure of each of these atoms, counted within the group.
    structures : Tensor [b]
        The group's structures, counted within the batch.
    reduction : Tensor [b, 3, 3]
        Integers that transform the box vectors into short ones of the same lattice.
    """

    basis: Mesh | PlaneWaves
    atoms: Tensor | None
    structure: Tensor
    structures: Tensor
    reduction: Tensor


class ElectrostaticPlan:
    """Prepared electrostatics of a batch: build it once, evaluate it with `electrostatic_energy(..., plan=plan)`.

    A plan is valid as long as the structures keep their numbers of atoms and their cells change by a few per cent (the wave
    vectors and the meshes are those of the cells for which it was built).

    Parameters
    ----------
    positions : Tensor [N, 3]
        In A; only the number of atoms, the dtype and the device are used.
    cell, batch, pbc, sigma, accuracy, k_max, method, boundary
        As for `electrostatic_energy`.
    """

    def __init__(
        self,
        positions: Tensor,
        cell: Tensor | None = None,
        *,
        batch: Tensor | None = None,
        pbc: Tensor | bool | None = None,
        sigma: float = 1.0,
        accuracy: float = 1e-6,
        k_max: float | None = None,
        method: str = "auto",
        boundary: str = "conducting",
    ):
        self.sigma = positive("sigma", sigma)
        self.k_max = None if k_max is None else positive("k_max", k_max)
        self.accuracy = positive("accuracy", accuracy)
        if not SMALLEST_ACCURACY <= accuracy <= LARGEST_ACCURACY:
            raise ValueError(f"accuracy is {accuracy:g}; {SMALLEST_ACCURACY:g} to {LARGEST_ACCURACY:g} is accepted")
        if method not in METHODS:
            raise ValueError(f"method is {method!r}; {', '.join(map(repr, METHODS))} are accepted")
        check_cell(cell, positions)
        self.boundary = check_boundary(boundary, None if cell is None else cell.reshape(-1, 3, 3))
        if batch is not None:
            check_batch(batch, positions)
        self.num_atoms, self.device, self.dtype = len(positions), positions.device, positions.dtype
        self.batched = batch is not None
        self.num_structures = _count_structures(cell, batch, pbc)
        periodic = _periodicity(cell, pbc, self.num_structures)
        _check_method(method, periodic)
        self.periodic = torch.tensor(periodic, device=self.device)
        self.any_periodic, self.any_cluster = any(periodic), not all(periodic)
        if batch is None:
            batch = torch.zeros(self.num_atoms, dtype=torch.long, device=self.device)
        self.batch = batch.long()
        sizes = torch.bincount(self.batch, minlength=self.num_structures).tolist()
        self.methods = ["direct"] * self.num_structures
        self.groups: list[PeriodicGroup] = []
        self.pairs: ClusterPairs | None = None
        if self.any_cluster:
            self._prepare_clusters(periodic, sizes)
        if self.any_periodic and cell is not None:
            self._prepare_boxes(cell, periodic, sizes, method)

    def _prepare_clusters(self, periodic: list[bool], sizes: list[int]) -> None:
        order = torch.argsort(self.batch, stable=True)
        atoms = order[~self.periodic[self.batch[order]]]
        clusters = [size for size, box in zip(sizes, periodic, strict=True) if not box]
        self.pairs = ClusterPairs(atoms, clusters, self.sigma)

    def _prepare_boxes(self, cell: Tensor, periodic: list[bool], sizes: list[int], method: str) -> None:
        cells = cell.detach().to("cpu", torch.float64).expand(self.num_structures, 3, 3).numpy()
        meshes: dict[tuple[int, int, int], list[tuple[int, np.ndarray]]] = {}
        for structure in (b for b, in_box in enumerate(periodic) if in_box):
            check_periodic_cell(cells[structure], structure)
            reduction = lattice_reduction(cells[structure])
            reduced = reduction @ cells[structure]
            k_max = self.k_max or converged_k(self.accuracy, self.sigma)
            chosen = method if method != "auto" else self._cheaper(sizes[structure], reduced, k_max)
            self.methods[structure] = chosen
            if chosen == "pme":
                rule = choose_mesh_rule(self.accuracy)
                shape = mesh_shape(np.linalg.norm(reduced, axis=1), rule, self.sigma, self.k_max)
                meshes.setdefault(shape, []).append((structure, reduction))
            else:
                n = torch.from_numpy(wave_vectors(reduced, k_max)).to(self.device, self.dtype)
                self._add_group([(structure, reduction)], partial(self._plane_waves, n))
        for shape, members in meshes.items():
            self._add_group(members, partial(self._mesh, shape, len(members)))

    def _mesh(self, shape: tuple[int, int, int], num_structures: int, structure: Tensor) -> Mesh:
        window = choose_mesh_rule(self.accuracy).window()
        return Mesh(shape, structure, num_structures, window, self.sigma, self.k_max, self.dtype)

    def _plane_waves(self, n: Tensor, structure: Tensor) -> PlaneWaves:
        return PlaneWaves(n, self.sigma)

    def _cheaper(self, atoms: int, cell: np.ndarray, k_max: float) -> str:
        if self.accuracy < MESH_RULES[-1].accuracy:
            return "ewald"
        wave_vectors_in_sphere = abs(np.linalg.det(cell)) * k_max**3 / (12 * np.pi**2)
        return "pme" if atoms * wave_vectors_in_sphere > DENSE_SUM_LIMIT else "ewald"

    def _add_group(
        self, members: list[tuple[int, np.ndarray]], make_basis: Callable[[Tensor], Mesh | PlaneWaves]
    ) -> None:
        """Add the group of these structures with their reductions; ``make_basis`` takes the structure of each atom."""
        structures = torch.tensor([structure for structure, _ in members], device=self.device)
        reduction = torch.from_numpy(np.stack([r for _, r in members])).to(self.device, self.dtype)
        if len(members) == self.num_structures:
            atoms, structure = None, self.batch
        else:
            local = torch.full((self.num_structures,), -1, device=self.device)
            local[structures] = torch.arange(len(members), device=self.device)
            atoms = (local[self.batch] >= 0).nonzero()[:, 0]
            structure = local[self.batch[atoms]]
        self.groups.append(PeriodicGroup(make_basis(structure), atoms, structure, structures, reduction))

    def check_sizes(self, positions: Tensor, cell: Tensor | None) -> None:
        """Check that these atoms and box vectors (A) fit the plan, without waiting for a device."""
        if len(positions) != self.num_atoms or positions.dtype != self.dtype or positions.device != self.device:
            raise ValueError(
                f"positions has {len(positions)} atoms, {positions.dtype} on {positions.device}; {self.num_atoms} atoms, "
                f"{self.dtype} on {self.device}, for which the plan was built, are accepted"
            )
        check_cell(cell, positions)
        if self.any_periodic and cell is None:
            raise ValueError("cell is None; a plan with periodic structures accepts box vectors")
        if cell is not None and cell.dim() == 3 and len(cell) != self.num_structures:
            raise ValueError(f"cell has {len(cell)} cells; {self.num_structures}, as the plan has, are accepted")

    @staticmethod
    def check_options(**options: Any) -> None:
        """Check that the options of a call with a plan, which replaces them, have their defaults."""
        defaults = {"batch": None, "pbc": None, "sigma": 1.0, "accuracy": 1e-6, "k_max": None, "method": "auto"}
        defaults["boundary"] = "conducting"
        changed = [name for name, value in options.items() if value is not defaults[name] and value != defaults[name]]
        if changed:
            raise ValueError(
                f"{changed[0]} is {options[changed[0]]!r}; with a plan, which has it, only its default is accepted"
            )

    def per_structure(self, values: Tensor) -> Tensor:
        """Sums of a quantity of the atoms, in any unit, over each structure: [N, ...] -> [B, ...]."""
        total = values.new_zeros(self.num_structures, *values.shape[1:])
        return total.index_add(0, self.batch, values)

    def centre(self, positions: Tensor, weights: Tensor) -> Tensor:
        """Weighted mean of the positions (A) of each structure, [B, 3]; undefined where all weights are zero."""
        total = self.per_structure(weights).clamp_min(torch.finfo(weights.dtype).tiny)
        return self.per_structure(weights[:, None] * positions) / total[:, None]


def _count_structures(cell: Tensor | None, batch: Tensor | None, pbc: Tensor | bool | None) -> int:
    """The number of structures, which batch, cell and pbc must agree on."""
    counts = {}
    if cell is not None and cell.dim() == 3:
        counts["cell"] = len(cell)
    if pbc is not None:
        pbc = torch.as_tensor(pbc)
        if pbc.dtype != torch.bool or pbc.dim() > 1:
            raise ValueError(
                f"pbc is {pbc.dtype} of shape {list(pbc.shape)}; bools of shape [B], one for each structure, are accepted"
            )
        if pbc.dim() == 1:
            counts["pbc"] = len(pbc)
    if batch is None:
        counts["batch"] = 1
    elif len(batch):
        if int(batch.min()) < 0:
            raise ValueError(f"batch has the structure {int(batch.min())}; structures 0, 1, ... are accepted")
        needed = int(batch.max()) + 1
        if not counts:
            return needed
        if needed > max(counts.values()):
            raise ValueError(f"batch has the structure {needed - 1}, but {_listed(counts)}; equal numbers are accepted")
    if not counts:
        return 0
    if len(set(counts.values())) > 1:
        hint = " (pbc has one bool for each structure, not for each axis)" if counts.get("pbc") == 3 else ""
        raise ValueError(f"the numbers of structures differ: {_listed(counts)}; equal numbers are accepted{hint}")
    return next(iter(counts.values()))


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} has {count}" for name, count in counts.items())


def _periodicity(cell: Tensor | None, pbc: Tensor | bool | None, num_structures: int) -> list[bool]:
    if pbc is None:
        return [cell is not None] * num_structures
    periodic = torch.as_tensor(pbc).cpu().expand(num_structures).tolist()
    if any(periodic) and cell is None:
        raise ValueError("cell is None and pbc has periodic structures; [3, 3] and [B, 3, 3] are accepted")
    return periodic


def _check_method(method: str, periodic: list[bool]) -> None:
    if method == "direct" and any(periodic):
        raise ValueError("method is 'direct', a sum over pairs; 'ewald' and 'pme' are accepted for periodic structures")
    if method in ("ewald", "pme") and periodic and not any(periodic):
        raise ValueError(f"method is {method!r}; 'direct' is accepted without a periodic structure")
