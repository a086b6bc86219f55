"""Bad input is named before anything is computed."""

import math

import numpy as np
import torch
from torch import Tensor

from openmm_polarmp.electrostatics.flows import Flows
from openmm_polarmp.electrostatics.multipoles import Multipoles


def positive(name: str, value: float) -> float:
    if isinstance(value, Tensor) or not isinstance(value, (int, float, np.floating, np.integer)):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name}: expected a positive finite number, got {value}")
    return float(value)


def check_atoms(positions: Tensor, multipoles: Multipoles) -> None:
    """Types, shapes, dtypes and devices; costs nothing on any device."""
    if not isinstance(positions, Tensor):
        raise TypeError(f"positions: expected a torch.Tensor, got {type(positions).__name__}")
    if positions.dim() != 2 or positions.shape[1] != 3:
        raise ValueError(f"positions: expected shape [N, 3], got {list(positions.shape)}")
    if positions.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"positions: expected float32 or float64, got {positions.dtype}")
    if not isinstance(multipoles, Multipoles):
        raise TypeError(f"multipoles: expected Multipoles, got {type(multipoles).__name__}")
    charges = multipoles.charges
    if len(charges) != len(positions):
        raise ValueError(f"multipoles: {len(charges)} atoms, but positions has {len(positions)}")
    if charges.dtype != positions.dtype or charges.device != positions.device:
        raise ValueError(
            f"multipoles: {charges.dtype} on {charges.device}, but positions is {positions.dtype} on {positions.device}"
        )


def check_values(positions: Tensor, multipoles: Multipoles, external_field: Tensor | None) -> None:
    """NaN, infinity and negative responses; waits for the device."""
    if external_field is not None and not torch.isfinite(torch.as_tensor(external_field)).all():
        raise ValueError(f"external_field: NaN or infinite, got {external_field}; expected finite numbers in V/A")
    for name, value in [("positions", positions), *multipoles.members()]:
        bad = ~torch.isfinite(value)
        if bad.any():
            atom = int(bad.reshape(len(value), -1).any(1).nonzero()[0])
            raise ValueError(f"{name}: NaN or infinite for atom {atom}; expected finite numbers")
    if multipoles.flows is not None:
        _check_flows(multipoles.flows, len(positions))
    responses = {"softness": multipoles.softness, "polarizability": multipoles.polarizability}
    for name, value in responses.items():
        if value is None:
            continue
        smallest = value if value.dim() == 1 else value.diagonal(dim1=1, dim2=2).amin(1)
        if (smallest < 0).any():
            atom = int((smallest < 0).nonzero()[0])
            raise ValueError(f"{name}: {float(smallest[atom])} for atom {atom}; expected no negative response")


def _check_flows(flows: Flows, n_atoms: int) -> None:
    """Pairs of atoms that exist, finite numbers and conductances that are not negative."""
    if flows.pairs.numel() and not 0 <= int(flows.pairs.min()) <= int(flows.pairs.max()) < n_atoms:
        raise ValueError(f"flows: pairs has atoms {int(flows.pairs.min())} to {int(flows.pairs.max())} of {n_atoms}")
    for name, value in flows.members():
        bad = ~torch.isfinite(value)
        if bad.any():
            raise ValueError(
                f"flows: {name} is NaN or infinite at {int(bad.reshape(len(value), -1).any(1).nonzero()[0])}"
            )
    if flows.conductance is not None and (flows.conductance < 0).any():
        pair = int((flows.conductance < 0).nonzero()[0])
        raise ValueError(
            f"flows: conductance is {float(flows.conductance[pair])} between atoms {flows.pairs[:, pair].tolist()}; "
            "expected no negative response"
        )


def check_cell(cell: Tensor | None, positions: Tensor) -> None:
    if cell is None:
        return
    if not isinstance(cell, Tensor):
        raise TypeError(f"cell: expected a torch.Tensor, got {type(cell).__name__}")
    if cell.dim() not in (2, 3) or cell.shape[-2:] != (3, 3):
        raise ValueError(f"cell: expected shape [3, 3] or [B, 3, 3], got {list(cell.shape)}")
    if cell.dtype != positions.dtype or cell.device != positions.device:
        raise ValueError(
            f"cell: {cell.dtype} on {cell.device}, but positions is {positions.dtype} on {positions.device}"
        )


def check_periodic_cell(cell: np.ndarray, structure: int) -> None:
    """A cell of any handedness, if it has a volume."""
    if not np.isfinite(cell).all():
        raise ValueError(f"cell: NaN or infinite for structure {structure}; expected finite box vectors in A")
    lengths = np.linalg.norm(cell, axis=1)
    if abs(np.linalg.det(cell)) <= 1e-6 * max(lengths.prod(), np.finfo(float).tiny):
        raise ValueError(
            f"cell: singular for structure {structure}: {cell.tolist()}; expected three independent box vectors"
        )


def check_batch(batch: Tensor, positions: Tensor) -> None:
    if not isinstance(batch, Tensor) or batch.dtype not in (torch.int32, torch.int64):
        raise TypeError("batch: expected a tensor of integers, the structure of each atom")
    if batch.shape != (len(positions),):
        raise ValueError(f"batch: expected shape [{len(positions)}], got {list(batch.shape)}")
    if batch.device != positions.device:
        raise ValueError(f"batch: on {batch.device}, but positions is on {positions.device}")


def check_field(name: str, value: Tensor, like: Tensor, num_structures: int) -> Tensor:
    """A field, or anything with three components a structure, as [B, 3]."""
    value = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    if value.shape not in ((3,), (num_structures, 3)):
        raise ValueError(f"{name}: expected shape [3] or [{num_structures}, 3], got {list(value.shape)}")
    return value.expand(num_structures, 3)
