"""Networks, atoms and a plain namespace of tensors in place of a platform's memory, for sources in torch."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from openmm_polarmp.electrostatics import Multipoles
from openmm_polarmp.models import PolarMPModel
from openmm_polarmp.moments import MOMENTS, QUADRUPOLES
from openmm_polarmp.neighbors import neighbor_pairs

from .models import random_network

UNTOUCHED = -77.0  # what the moments hold that a model does not have


def make_model(seed: int = 0, **options) -> PolarMPModel:
    """A random network in float64."""
    settings = {"charge_projection": options.pop("charge_projection", True)}
    return PolarMPModel(random_network(seed, **options), **settings)


def make_atoms(n_atoms: int, cell: torch.Tensor, seed: int = 0, closest: float = 0.8):
    """Positions (A) that keep a distance, and species."""
    generator = torch.Generator().manual_seed(seed)
    positions = torch.empty(0, 3, dtype=torch.float64)
    while len(positions) < n_atoms:
        trial = torch.cat([positions, torch.rand(1, 3, generator=generator, dtype=torch.float64) @ cell])
        if neighbor_pairs(trial, closest, cell)[0].shape[1] == 0:
            positions = trial
    return positions, torch.where(torch.arange(n_atoms) % 3 == 0, 8, 1)


def make_buffers(positions, cell=None, dtype=torch.float64, particles=None) -> SimpleNamespace:
    """What the plugin gives to a source."""
    n = len(positions)
    buffers = SimpleNamespace(
        periodic=cell is not None,
        particles=particles or list(range(n)),
        positions=positions.to(dtype).clone(),
        cell=torch.full((3, 3), float("nan"), dtype=torch.float64) if cell is None else cell.clone(),
        energy=torch.zeros(1, dtype=dtype),
        forces=torch.full((n, 3), UNTOUCHED, dtype=dtype),
    )
    for moment in MOMENTS:
        setattr(buffers, moment.name, torch.full((n, *moment.shape), UNTOUCHED, dtype=dtype))
        setattr(buffers, moment.gradient, torch.zeros(n, *moment.shape, dtype=dtype))
    return buffers


def fill_gradients(buffers, seed=0):
    """Random derivatives as a kernel gives them: symmetric, for the quadrupole traceless."""
    generator = torch.Generator().manual_seed(seed)
    for moment in MOMENTS:
        tensor = getattr(buffers, moment.gradient)
        value = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        if value.dim() == 3:
            value = value + value.mT
            if moment is QUADRUPOLES:
                value = value - value.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * torch.eye(3)
        tensor.copy_(value)


CELL = torch.tensor([[6.0, 0.0, 0.0], [1.5, 5.5, 0.0], [-1.0, 2.0, 6.5]], dtype=torch.float64)


class Springs(torch.nn.Module):
    """A network of somebody else: charges from the number of neighbours, dipoles along their directions."""

    cutoff = 3.0
    species = (1, 8)

    def __init__(self):
        super().__init__()
        self.strength = torch.nn.Parameter(torch.tensor(0.3))

    def forward(
        self, positions, species, edge_index, edge_shifts, cell, batch=None, total_charge=None, multiplicity=None
    ):
        vectors = positions[edge_index[0]] - positions[edge_index[1]]
        if cell is not None:
            vectors = vectors + edge_shifts @ cell
        weight = self.strength * (1 - vectors.norm(dim=1) / 3.0).clamp(min=0) ** 3
        zeros = positions.new_zeros(len(positions))
        charges = zeros.index_add(0, edge_index[1], weight) * (species == 1)
        dipoles = torch.zeros_like(positions).index_add(0, edge_index[1], weight[:, None] * vectors)
        return charges**2, Multipoles(charges.to(self.strength.dtype), dipoles.to(self.strength.dtype))


def brute_force_field(model, positions, species, cell, field, network_only=False):
    """sum_j E.(r_j - r_i) dq_j/dr_i from the full Jacobian of the projected charges, nearest images pair by pair."""

    def charges(r):
        index, shifts = neighbor_pairs(r, model.cutoff, cell)
        raw = model.network(r, species, index, shifts.double(), cell)[1].charges
        return raw - raw.mean() if model.charge_projection else raw

    jacobian = torch.autograd.functional.jacobian(charges, positions)  # [j, i, b]
    fractional = (positions[None] - positions[:, None]) @ torch.linalg.inv(cell)  # [i, j]: r_j - r_i
    nearest = (fractional - torch.round(fractional)) @ cell
    return torch.einsum("ijx,x,jib->ib", nearest, field, jacobian)
