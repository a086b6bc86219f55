"""Other packages' mesh sums for the same boxes, where they are installed.

Each runs with its best settings: the smeared kernel is smooth, so that there is no part in real space, and the coarsest mesh
that meets the accuracy is searched for. One step is the energy, the forces and the derivatives with respect to all moments.
None of them has induced charges or dipoles.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import torch

from openmm_polarmp.bench.timing import function_milliseconds
from openmm_polarmp.bench.water_box import water_multipoles
from openmm_polarmp.electrostatics import Multipoles, electrostatic_energy
from openmm_polarmp.units import COULOMB

SPACINGS = (1.2, 1.0, 0.85, 0.7, 0.6, 0.5, 0.42, 0.36, 0.3, 0.25, 0.2, 0.18, 0.16)  # A, tried from coarse to fine
SIGMA = 1.0  # A, width of the kernel erf(r / (sqrt(2) sigma)) / r

Step = Callable[[], tuple[torch.Tensor, ...]]


class NotInstalled(RuntimeError):
    """The package is not installed."""


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
    positions, fixed, cell = water_multipoles(atoms, "quQ", device=device)
    dipoles, quadrupoles = fixed.dipoles, fixed.quadrupoles
    assert dipoles is not None and quadrupoles is not None, "the rung has both"
    packed = torch.cat(
        [
            fixed.charges[:, None],
            dipoles[:, [1, 2, 0]],  # e3nn's order y, z, x
            cartesian_quadrupole_to_e3nn(quadrupoles),
        ],
        dim=1,
    ).requires_grad_()

    to_ev = 4 * math.pi * COULOMB / FIELD_CONSTANT  # the package's constant is rounded

    def make(spacing: float, dtype: torch.dtype) -> Step:
        points = (_fourier_size(math.ceil(float(cell[0, 0]) / spacing)),) * 3
        r, m, box = (x.detach().to(dtype).requires_grad_() for x in (positions, packed, cell))
        box = box.detach()

        def step() -> tuple[torch.Tensor, ...]:
            # Its sigma is the width of one atom's Gaussian, here sigma is that of a pair; alpha -> infinity: no real space.
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
    positions, fixed, cell = water_multipoles(atoms, "q", device=device)

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


def _forces(positions: torch.Tensor, cell: torch.Tensor, fixed: Multipoles) -> torch.Tensor:
    """Gradient of the energy with respect to the positions, converged far beyond the accuracy of the benchmark."""
    r = positions.detach().clone().requires_grad_()
    energy = electrostatic_energy(r, fixed, cell, method="pme", accuracy=1e-7).energy
    return torch.autograd.grad(energy, r)[0]


def _fastest(
    make: Callable[[float, torch.dtype], Step], exact: torch.Tensor, tolerance: float, device: str
) -> tuple[float, float]:
    """Milliseconds and force error with the coarsest mesh that meets the tolerance, in single precision if possible."""
    error = math.inf
    for dtype in (torch.float32, torch.float64):
        for spacing in SPACINGS:
            step = make(spacing, dtype)
            forces = step()[0].double()
            error = float(((forces - exact).square().mean() / exact.square().mean()).sqrt())
            if error <= tolerance:
                return function_milliseconds(step, device), error
    raise ValueError(f"tolerance is {tolerance:g}; a mesh of {SPACINGS[-1]} A reaches {error:.1e}")


def _fourier_size(points: int) -> int:
    """The next number whose only prime factors are 2, 3 and 5."""
    while True:
        rest = points
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return points
        points += 1
