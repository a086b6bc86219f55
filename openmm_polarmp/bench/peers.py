"""Other packages' mesh sums for the same boxes, where they are installed.

Each gets what suits it best: the smeared kernel is smooth, so that there is no part in real space, and the coarsest mesh
that meets the asked accuracy is searched for it. One step is the energy, forces and the derivatives by all moments.
None of them has induced charges or dipoles.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import torch

from openmm_polarmp.bench.electrostatics import moments, water
from openmm_polarmp.bench.timing import seconds
from openmm_polarmp.electrostatics import Multipoles, electrostatic_energy
from openmm_polarmp.units import COULOMB

SPACINGS = (1.2, 1.0, 0.85, 0.7, 0.6, 0.5, 0.42, 0.36, 0.3, 0.25, 0.2, 0.18, 0.16)  # A, tried from coarse to fine
SIGMA = 1.0  # A, of our kernel erf(r / (sqrt(2) sigma)) / r

Step = Callable[[], tuple[torch.Tensor, ...]]


class NotInstalled(RuntimeError):
    """The package is not there."""


def nvalchemi(atoms: int, tolerance: float = 5e-4, device: str = "cpu") -> tuple[float, float]:
    """Milliseconds and force error of nvalchemi-toolkit-ops' multipole PME: charges, dipoles and quadrupoles."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from nvalchemiops.torch.interactions.electrostatics._multipole_moments import cartesian_quadrupole_to_e3nn
            from nvalchemiops.torch.interactions.electrostatics.pme_multipole import multipole_pme_reciprocal_space
            from nvalchemiops.torch.math import FIELD_CONSTANT
    except ImportError as error:
        raise NotInstalled("nvalchemi-toolkit-ops") from error
    positions, cell, fixed = _box(atoms, "quQ", device)
    packed = torch.cat(
        [
            fixed.charges[:, None],
            fixed.dipoles[:, [1, 2, 0]],  # e3nn's order y, z, x
            cartesian_quadrupole_to_e3nn(fixed.quadrupoles),
        ],
        dim=1,
    ).requires_grad_()

    to_ev = 4 * math.pi * COULOMB / FIELD_CONSTANT  # its constant is a rounded one

    def make(spacing: float, dtype: torch.dtype) -> Step:
        points = (_good(math.ceil(float(cell[0, 0]) / spacing)),) * 3
        r, m, box = (x.detach().to(dtype).requires_grad_() for x in (positions, packed, cell))
        box = box.detach()

        def step() -> tuple[torch.Tensor, ...]:
            # Its Gaussian functions have the width of one atom, ours that of a pair; alpha -> infinity: no real space.
            energy = multipole_pme_reciprocal_space(
                r, m, box, sigma=SIGMA / math.sqrt(2), alpha=1e3, mesh_dimensions=points, spline_order=6
            )
            return torch.autograd.grad(to_ev * energy.sum(), [r, m])

        return step

    return _fastest(make, _forces(positions, cell, fixed), tolerance, device)


def torch_pme(atoms: int, tolerance: float = 5e-4, device: str = "cpu") -> tuple[float, float]:
    """Milliseconds and force error of torch-pme: charges."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import torchpme
    except ImportError as error:
        raise NotInstalled("torch-pme") from error
    positions, cell, fixed = _box(atoms, "q", device)

    def make(spacing: float, dtype: torch.dtype) -> Step:
        calculator = torchpme.PMECalculator(
            torchpme.CoulombPotential(smearing=SIGMA).to(device, dtype), mesh_spacing=spacing, interpolation_nodes=7
        ).to(device, dtype)
        r, q, box = positions.detach().to(dtype), fixed.charges.detach().to(dtype)[:, None], cell.to(dtype)
        r.requires_grad_(), q.requires_grad_()
        no_pairs = torch.zeros(0, 2, dtype=torch.long, device=device), torch.zeros(0, dtype=dtype, device=device)

        def step() -> tuple[torch.Tensor, ...]:
            energy = COULOMB * (q * calculator(q, box, r, *no_pairs)).sum()
            return torch.autograd.grad(energy, [r, q])

        return step

    return _fastest(make, _forces(positions, cell, fixed), tolerance, device)


PEERS = {"nvalchemi-toolkit-ops quQ": nvalchemi, "torch-pme q": torch_pme}


def _box(atoms: int, rung: str, device: str) -> tuple[torch.Tensor, torch.Tensor, Multipoles]:
    positions, species, edge = water(atoms)
    fixed = moments(species, rung)
    values = {
        name: torch.tensor(np.asarray(getattr(fixed, name)), dtype=torch.float64, device=device)
        for name in ("charges", "dipoles", "quadrupoles")
        if getattr(fixed, name) is not None
    }
    cell = 10 * edge * torch.eye(3, dtype=torch.float64, device=device)
    return torch.tensor(10 * positions, device=device), cell, Multipoles(**values)


def _forces(positions: torch.Tensor, cell: torch.Tensor, fixed: Multipoles) -> torch.Tensor:
    """Gradient of the energy by the positions, far stricter than asked."""
    r = positions.detach().clone().requires_grad_()
    energy = electrostatic_energy(r, fixed, cell, method="pme", accuracy=1e-7).energy
    return torch.autograd.grad(energy, r)[0]


def _fastest(
    make: Callable[[float, torch.dtype], Step], exact: torch.Tensor, tolerance: float, device: str
) -> tuple[float, float]:
    """Of the coarsest mesh that meets the tolerance, in single precision if that can, as ours does."""
    error = math.inf
    for dtype in (torch.float32, torch.float64):
        for spacing in SPACINGS:
            step = make(spacing, dtype)
            found = step()[0].double()
            error = float(((found - exact).square().mean() / exact.square().mean()).sqrt())
            if error <= tolerance:
                return 1e3 * seconds(step, device), error
    raise ValueError(f"no mesh down to {SPACINGS[-1]} A met the accuracy: {error:.1e}")


def _good(points: int) -> int:
    """The next number that Fourier transforms like."""
    while True:
        rest = points
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return points
        points += 1
