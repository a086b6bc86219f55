"""A box of water to measure on."""

from __future__ import annotations

import torch

MOLECULES_PER_VOLUME = 0.0334  # 1/A^3, water at 25 C


def water_box(n_atoms: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Positions [N, 3] in A, atomic numbers [N] and box [3, 3] of turned molecules on a jittered lattice."""
    n_molecules = max(1, round(n_atoms / 3))
    generator = torch.Generator().manual_seed(seed)
    side = (n_molecules / MOLECULES_PER_VOLUME) ** (1 / 3)
    per_side = 1
    while per_side**3 < n_molecules:
        per_side += 1
    grid = torch.cartesian_prod(*(torch.arange(per_side, dtype=torch.float64),) * 3)
    # The places that stay empty are spread, not all on one side.
    grid = grid[torch.randperm(len(grid), generator=generator)[:n_molecules].sort().values]
    oxygens = (grid + 0.1 * torch.rand(grid.shape, generator=generator, dtype=torch.float64)) * side / per_side
    first, second = torch.linalg.qr(torch.randn(n_molecules, 3, 2, generator=generator, dtype=torch.float64))[0].unbind(
        2
    )
    half = torch.deg2rad(torch.tensor(104.5 / 2, dtype=torch.float64))
    along, across = 0.9572 * torch.cos(half) * first, 0.9572 * torch.sin(half) * second
    positions = torch.stack([oxygens, oxygens + along + across, oxygens + along - across], dim=1).flatten(0, 1)
    return positions, torch.tensor([8, 1, 1] * n_molecules), side * torch.eye(3, dtype=torch.float64)
