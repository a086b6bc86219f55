"""Measures the table of mesh_table.py: ``python -m openmm_polarmp.electrostatics.measure_mesh``.

The error is the rms error of the force at fixed moments over the rms force, compared with the dense sum to k = 9/A (sigma =
1 A), in double precision, and the largest of these configurations: 80 random, overlapping atoms, in a cube with all moments
and responses (q, mu, Q, kappa, alpha) and in the triclinic cell of a rhombic dodecahedron without responses (other rungs have
smaller errors, as quadrupoles contribute less to their forces), two of each, and 27 water molecules. For each width the
smoothness m and beta are scanned for the coarsest spacing that meets the accuracy with a margin; the width of the lowest cost
is taken.
"""

import math

import numpy as np
import torch
from torch import Tensor

from openmm_polarmp.electrostatics._mesh import Mesh
from openmm_polarmp.electrostatics.energy import electrostatic_energy
from openmm_polarmp.electrostatics.mesh_table import MESH_RULES, MeshRule, legal_mesh_size
from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.electrostatics.plan import ElectrostaticPlan
from openmm_polarmp.electrostatics.window import Window, window

ACCURACIES = (1e-2, 3e-3, 1e-3, 5e-4, 2e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7)
MARGIN = 0.8
"""Rows must reach 0.8 of their accuracy here, so that they reach it for other configurations too."""

EDGE = 9.3
CUBE = EDGE * np.eye(3)
DODECAHEDRON = EDGE * np.array([[1, 0, 0], [0, 1, 0], [0.5, 0.5, math.sqrt(0.5)]])


class Configuration:
    """Positions and multipoles in a box, with their converged forces."""

    def __init__(self, cell: np.ndarray, positions: Tensor, multipoles: Multipoles):
        self.cell, self.positions, self.multipoles = torch.from_numpy(cell), positions, multipoles
        self.exact = self.forces(ElectrostaticPlan(positions, self.cell, method="ewald", k_max=9.0))

    def forces(self, plan: ElectrostaticPlan, dtype: torch.dtype = torch.float64) -> Tensor:
        """Forces in eV/A, by this plan and in this precision."""
        r = self.positions.to(dtype).requires_grad_()
        energy = electrostatic_energy(r, self.multipoles.to(dtype), self.cell.to(dtype), plan=plan).energy
        return -torch.autograd.grad(energy, r)[0].double()

    def error_of(self, forces: Tensor) -> float:
        """Rms error of forces over the rms force."""
        return float((forces - self.exact).norm() / self.exact.norm())

    def mesh_error(self, window: Window, points: int, dtype: torch.dtype = torch.float64) -> float:
        """Force error with this many mesh points along each box vector."""
        plan = ElectrostaticPlan(self.positions.to(dtype), self.cell.to(dtype), method="ewald", k_max=0.1)
        structure = plan.groups[0].structure
        plan.groups[0].basis = Mesh((points,) * 3, structure, 1, window, 1.0, None, dtype)
        return self.error_of(self.forces(plan, dtype))

    def cutoff_error(self, k_max: float) -> float:
        """Force error of the dense sum to this wave vector (1/A)."""
        return self.error_of(self.forces(ElectrostaticPlan(self.positions, self.cell, method="ewald", k_max=k_max)))


def random_configuration(cell: np.ndarray, seed: int, responses: bool = True, atoms: int = 80) -> Configuration:
    """Atoms at random positions, some of which overlap, with moments of the size that models learn."""
    rng = np.random.default_rng(seed)
    positions = torch.from_numpy(rng.random((atoms, 3)) @ cell)
    A = torch.from_numpy(0.2 * rng.normal(size=(atoms, 3, 3)))
    multipoles = Multipoles(
        charges=torch.from_numpy(0.5 * rng.normal(size=atoms)),
        dipoles=torch.from_numpy(0.3 * rng.normal(size=(atoms, 3))),
        quadrupoles=torch.from_numpy(0.4 * rng.normal(size=(atoms, 3, 3))),
        softness=torch.from_numpy(0.01 * rng.random(atoms)) if responses else None,
        polarizability=A @ A.mT if responses else None,
    )
    return Configuration(cell, positions, multipoles)


def water_configuration(seed: int, per_edge: int = 3, cell: np.ndarray = CUBE) -> Configuration:
    """Molecules of random orientation near a lattice, with dipoles and quadrupoles along their bonds."""
    rng = np.random.default_rng(seed)
    centres = np.stack(np.meshgrid(*[np.arange(per_edge)] * 3), -1).reshape(-1, 3) / per_edge @ cell
    oxygen = centres + 0.2 * rng.normal(size=centres.shape)
    rotation = np.linalg.qr(rng.normal(size=(len(oxygen), 3, 3)))[0]
    half = math.radians(104.5 / 2)
    bonds = 0.96 * np.array([[math.sin(half), 0, math.cos(half)], [-math.sin(half), 0, math.cos(half)]])
    bonds = np.einsum("nij,hj->nhi", rotation, bonds)
    positions = np.concatenate([oxygen[:, None], oxygen[:, None] + bonds], 1).reshape(-1, 3)
    atoms, is_oxygen = len(positions), np.arange(len(positions)) % 3 == 0
    dipoles = np.concatenate([0.1 * bonds.sum(1, keepdims=True), -0.1 * bonds], 1).reshape(-1, 3)
    unit = bonds / 0.96
    axial = unit[..., :, None] * unit[..., None, :] - np.eye(3) / 3
    quadrupoles = np.concatenate([0.3 * axial.sum(1, keepdims=True), 0.1 * axial], 1).reshape(-1, 3, 3)
    multipoles = Multipoles(
        charges=torch.from_numpy(np.where(is_oxygen, -0.7, 0.35) + 0.02 * rng.normal(size=atoms)),
        dipoles=torch.from_numpy(dipoles + 0.02 * rng.normal(size=(atoms, 3))),
        quadrupoles=torch.from_numpy(quadrupoles),
        softness=torch.from_numpy(np.where(is_oxygen, 0.02, 0.01)),
        polarizability=torch.from_numpy(np.where(is_oxygen, 0.05, 0.01)),
    )
    return Configuration(cell, torch.from_numpy(positions), multipoles)


def configurations(first_seed: int = 0) -> list[Configuration]:
    """The configurations of the measurement."""
    seeds = range(first_seed, first_seed + 2)
    cubes = [random_configuration(CUBE, seed) for seed in seeds]
    dodecahedra = [random_configuration(DODECAHEDRON, seed + 10, responses=False) for seed in seeds]
    return [*cubes, *dodecahedra, water_configuration(first_seed)]


def worst(window: Window, points: int, boxes: list[Configuration]) -> float:
    """Largest error of the configurations."""
    return max(box.mesh_error(window, points) for box in boxes)


def coarsest(trial: Window, accuracy: float, boxes: list[Configuration], most: int) -> float | None:
    """Coarsest spacing (A) with which this window meets the accuracy; None if ``most`` points along EDGE do not.

    Bisection in whole points, then interpolation of the error between the last two.
    """
    target = MARGIN * accuracy
    low, high = trial.width - 1, most
    error_low, error_high = None, worst(trial, most, boxes)
    if error_high > target:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        error = worst(trial, middle, boxes)
        if error <= target:
            high, error_high = middle, error
        else:
            low, error_low = middle, error
    if error_low is None:
        return EDGE / high
    between = math.log(target / error_high) / math.log(error_low / error_high)
    return EDGE / high * (high / low) ** between


def cost(rule: MeshRule) -> float:
    """Operations per atom of one step: four passes over the windows and four FFTs at 0.1 atoms/A^3.

    Ten for each window point; 5/2 log2 n, about 50, for each mesh point of a real FFT.
    """
    return 4 * 10 * rule.width**3 + 4 * 50 * 10 / rule.spacing**3


def smallest_degree(rule: MeshRule, boxes: list[Configuration]) -> int:
    """Lowest degree of the polynomials that does not increase the error."""
    points = math.ceil(EDGE / rule.spacing)
    full = worst(rule.window(), points, boxes)
    degrees = range(3, rule.degree)
    good = (d for d in degrees if worst(window(rule.width, rule.m, rule.beta, d), points, boxes) <= 1.05 * full)
    return next(good, rule.degree)


def measure(accuracy: float, boxes: list[Configuration]) -> MeshRule:
    """The row of the lowest cost for an accuracy."""
    digits = round(-math.log10(accuracy))
    best: MeshRule | None = None
    for width in range(max(4, digits + 1), digits + 7):
        coarsest_yet, most = 0.0, 40
        for m in range(1, 6):
            for beta in np.round(np.arange(1.4, 2.65, 0.1) * width, 2):
                spacing = coarsest(Window(width, m, beta, width + 6), accuracy, boxes, most)
                if spacing is None or spacing <= coarsest_yet:
                    continue
                coarsest_yet, most = spacing, math.ceil(EDGE / spacing)
                rule = MeshRule(accuracy, width, m, float(beta), width + 6, math.floor(1000 * spacing) / 1000)
                if best is None or cost(rule) < cost(best):
                    best = rule
    if best is None:
        raise ValueError(f"accuracy is {accuracy:g}, which no scanned window reaches; larger ones are accepted")
    return best._replace(degree=smallest_degree(best, boxes))


def main() -> None:
    """Measure and print the table."""
    torch.set_num_threads(1)
    boxes = configurations()
    print("error of the dense sum's cutoff k_max alone")
    for k_max in np.arange(3.5, 8.6, 0.5):
        print(f"  {k_max:.1f}  {max(box.cutoff_error(k_max) for box in boxes):.1e}")
    for accuracy in ACCURACIES:
        rule = measure(accuracy, boxes)
        print(f"    {rule},  # cost {cost(rule):.0f}", flush=True)


def verify() -> None:
    """Print the errors of every row for other configurations, in double and in single precision."""
    boxes = configurations(first_seed=100)
    print("force errors of the table's rows on new configurations (cube, cube, dodecahedron, dodecahedron, water)")
    for rule in MESH_RULES:
        points = legal_mesh_size(max(rule.width, math.ceil(EDGE / rule.spacing)))
        for dtype in (torch.float64, torch.float32):
            errors = [f"{box.mesh_error(rule.window(), points, dtype):.1e}" for box in boxes]
            print(f"  {rule.accuracy:7.0e} {str(dtype)[6:]}: " + "  ".join(errors))


if __name__ == "__main__":
    main()
    verify()
