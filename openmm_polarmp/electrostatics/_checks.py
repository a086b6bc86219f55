"""Checks of the input, before anything is computed; each error names the argument, its value and what is accepted."""

import math

import numpy as np
import torch
from torch import Tensor

from openmm_polarmp.electrostatics.flows import check_flows
from openmm_polarmp.electrostatics.multipoles import Multipoles


def positive(name: str, value: float) -> float:
    """The value, if it is a positive finite number."""
    if isinstance(value, Tensor) or not isinstance(value, (int, float, np.floating, np.integer)):
        raise TypeError(f"{name} is of type {type(value).__name__}; a number is accepted")
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {value}; a positive finite number is accepted")
    return float(value)


def check_atoms(positions: Tensor, multipoles: Multipoles) -> None:
    """Check types, shapes, dtypes and devices, without waiting for a device."""
    if not isinstance(positions, Tensor):
        raise TypeError(f"positions is of type {type(positions).__name__}; a torch.Tensor is accepted")
    if positions.dim() != 2 or positions.shape[1] != 3:
        raise ValueError(f"positions has shape {list(positions.shape)}; [N, 3] is accepted")
    if positions.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"positions is {positions.dtype}; torch.float32 and torch.float64 are accepted")
    if not isinstance(multipoles, Multipoles):
        raise TypeError(f"multipoles is of type {type(multipoles).__name__}; Multipoles is accepted")
    charges = multipoles.charges
    if len(charges) != len(positions):
        raise ValueError(f"multipoles has {len(charges)} atoms; {len(positions)}, as positions has, are accepted")
    check_like("multipoles", charges, positions)


def check_like(name: str, value: Tensor, positions: Tensor) -> None:
    """Check that a tensor has the dtype and the device of the positions."""
    if value.dtype != positions.dtype or value.device != positions.device:
        raise ValueError(
            f"{name} is {value.dtype} on {value.device}; {positions.dtype} on {positions.device}, as positions is, is "
            "accepted"
        )


def check_values(positions: Tensor, multipoles: Multipoles, external_field: Tensor | None) -> None:
    """Check for NaN, infinity and negative responses; waits for the device."""
    if external_field is not None and not torch.isfinite(torch.as_tensor(external_field)).all():
        raise ValueError(f"external_field is {external_field}; finite numbers in V/A are accepted")
    for name, value in [("positions", positions), *multipoles.members()]:
        bad = ~torch.isfinite(value)
        if bad.any():
            atom = int(bad.reshape(len(value), -1).any(1).nonzero()[0])
            raise ValueError(f"{name} is NaN or infinite for atom {atom}; finite numbers are accepted")
    if multipoles.flows is not None:
        check_flows(multipoles.flows, len(positions))
    for name, response in (("softness", multipoles.softness), ("polarizability", multipoles.polarizability)):
        if response is None:
            continue
        smallest = response if response.dim() == 1 else response.diagonal(dim1=1, dim2=2).amin(1)
        if (smallest < 0).any():
            atom = int((smallest < 0).nonzero()[0])
            raise ValueError(f"{name} is {float(smallest[atom])} for atom {atom}; numbers >= 0 are accepted")


def check_cell(cell: Tensor | None, positions: Tensor) -> None:
    """Check type, shape, dtype and device of the box vectors."""
    if cell is None:
        return
    if not isinstance(cell, Tensor):
        raise TypeError(f"cell is of type {type(cell).__name__}; a torch.Tensor is accepted")
    if cell.dim() not in (2, 3) or cell.shape[-2:] != (3, 3):
        raise ValueError(f"cell has shape {list(cell.shape)}; [3, 3] and [B, 3, 3] are accepted")
    check_like("cell", cell, positions)


def check_periodic_cell(cell: np.ndarray, structure: int) -> None:
    """Check that a cell, of any handedness, has a volume."""
    if not np.isfinite(cell).all():
        raise ValueError(f"cell is NaN or infinite for structure {structure}; finite box vectors in A are accepted")
    lengths = np.linalg.norm(cell, axis=1)
    if abs(np.linalg.det(cell)) <= 1e-6 * max(lengths.prod(), np.finfo(float).tiny):
        raise ValueError(
            f"cell is {cell.tolist()}, singular, for structure {structure}; independent box vectors are accepted"
        )


def check_batch(batch: Tensor, positions: Tensor) -> None:
    """Check type, shape and device of the structures' numbers."""
    if not isinstance(batch, Tensor):
        raise TypeError(f"batch is of type {type(batch).__name__}; a tensor of integers is accepted")
    if batch.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"batch is {batch.dtype}; torch.int32 and torch.int64 are accepted")
    if batch.shape != (len(positions),):
        raise ValueError(f"batch has shape {list(batch.shape)}; [{len(positions)}] is accepted")
    if batch.device != positions.device:
        raise ValueError(f"batch is on {batch.device}; {positions.device}, where positions is, is accepted")


def check_field(name: str, value: Tensor, like: Tensor, num_structures: int) -> Tensor:
    """A field, or another quantity with three components for each structure, as [B, 3]."""
    value = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    if value.shape not in ((3,), (num_structures, 3)):
        raise ValueError(f"{name} has shape {list(value.shape)}; [3] and [{num_structures}, 3] are accepted")
    return value.expand(num_structures, 3)
