"""The multipoles and response coefficients of atoms (theory.md section 1)."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from openmm_polarmp.electrostatics.flows import Flows


@dataclass
class Multipoles:
    """Permanent moments and response coefficients of N atoms; members that are None have no effect.

    Parameters
    ----------
    charges : Tensor [N] or [N, 1]
        Latent charges q, e.
    dipoles : Tensor [N, 3], optional
        Latent dipoles mu, e A.
    quadrupoles : Tensor [N, 3, 3], optional
        Latent quadrupoles Q, e A^2. Only the symmetric traceless part acts: the rest is projected out.
    softness : Tensor [N] or [N, 1], optional
        kappa >= 0, the charge that an atom takes up per unit of potential, e^2/eV.
    polarizability : Tensor [N], [N, 1] or [N, 3, 3], optional
        alpha, e^2 A^2/eV; tensors are positive semi-definite, and only their symmetric part acts.
    electronegativity : Tensor [N] or [N, 1], optional
        chi, V: acts on the induced charges as a potential does (theory.md section 9).
    flows : Flows, optional
        Charge that neighbours exchange. What they have exchanged permanently is part of ``charges``.
    """

    charges: Tensor
    dipoles: Tensor | None = None
    quadrupoles: Tensor | None = None
    softness: Tensor | None = None
    polarizability: Tensor | None = None
    electronegativity: Tensor | None = None
    flows: Flows | None = None

    def __post_init__(self) -> None:
        for name, value in self.members():
            if not isinstance(value, Tensor):
                raise TypeError(f"{name} is of type {type(value).__name__}; a torch.Tensor is accepted")
            if not value.is_floating_point():
                raise TypeError(f"{name} is {value.dtype}; floating point tensors are accepted")
        self.charges = _one_per_atom("charges", self.charges)
        n = len(self.charges)
        if self.softness is not None:
            self.softness = _one_per_atom("softness", self.softness)
        if self.electronegativity is not None:
            self.electronegativity = _one_per_atom("electronegativity", self.electronegativity)
        if self.polarizability is not None and self.polarizability.shape != (n, 3, 3):
            self.polarizability = _one_per_atom("polarizability", self.polarizability, "[N], [N, 1] and [N, 3, 3]")
        shapes = {"dipoles": (n, 3), "quadrupoles": (n, 3, 3)}
        for name, value in self.members():
            if len(value) != n:
                raise ValueError(f"{name} has {len(value)} atoms; {n}, as charges has, are accepted")
            if name in shapes and value.shape != shapes[name]:
                raise ValueError(f"{name} has shape {list(value.shape)}; {list(shapes[name])} is accepted")
            if value.dtype != self.charges.dtype or value.device != self.charges.device:
                q = self.charges
                raise ValueError(
                    f"{name} is {value.dtype} on {value.device}; {q.dtype} on {q.device}, as charges is, is accepted"
                )
        if self.flows is not None and len(self.flows.local_charges) != n:
            raise ValueError(
                f"local_charges of flows has {len(self.flows.local_charges)} atoms; {n}, as charges has, are accepted"
            )

    def members(self) -> list[tuple[str, Tensor]]:
        """(name, tensor) of each atomic moment and response coefficient that is not None."""
        pairs = [(field.name, getattr(self, field.name)) for field in fields(self) if field.name != "flows"]
        return [(name, value) for name, value in pairs if value is not None]

    def __len__(self) -> int:
        return len(self.charges)

    def apply(self, change: Callable[[Tensor], Tensor]) -> "Multipoles":
        """A copy with every tensor replaced by ``change(tensor)``."""
        flows = None if self.flows is None else self.flows.apply(change)
        return Multipoles(**{name: change(value) for name, value in self.members()}, flows=flows)

    def to(self, *args: Any, **kwargs: Any) -> "Multipoles":
        """A copy on another device or in another dtype, as torch.Tensor.to."""
        return self.apply(lambda value: value.to(*args, **kwargs))

    def detach(self) -> "Multipoles":
        """A copy without a graph."""
        return self.apply(Tensor.detach)

    def __getitem__(self, atoms: Any) -> "Multipoles":
        """The multipoles of some atoms (a slice, a mask or indices)."""
        if self.flows is not None:
            raise ValueError("multipoles with flows cannot be divided: charge flows between the atoms")
        return self.apply(lambda value: value[atoms])

    def traceless_quadrupoles(self) -> Tensor | None:
        """Symmetric traceless part of Q, which is the one that acts (a trace would differ between a box and vacuum)."""
        Q = self.quadrupoles
        return None if Q is None else traceless((Q + Q.transpose(1, 2)) / 2)

    def isotropic_polarizability(self) -> Tensor:
        """tr(alpha)/3, [N]; zeros where polarizability is absent."""
        alpha = self.polarizability
        if alpha is None:
            return torch.zeros_like(self.charges)
        return alpha if alpha.dim() == 1 else alpha.diagonal(dim1=1, dim2=2).sum(1) / 3

    def polarizability_tensor(self) -> Tensor:
        """alpha as tensors [N, 3, 3]; zeros where it is absent."""
        alpha = self.polarizability
        if alpha is not None and alpha.dim() == 3:
            return (alpha + alpha.transpose(1, 2)) / 2
        identity = torch.eye(3, dtype=self.charges.dtype, device=self.charges.device)
        return self.isotropic_polarizability()[:, None, None] * identity

    def induced_dipoles(self, field: Tensor) -> Tensor:
        """alpha . field, [N, 3] in e A, of a field in V/A; zeros where polarizability is absent."""
        alpha = self.polarizability
        if alpha is None:
            return torch.zeros_like(field)
        if alpha.dim() == 1:
            return alpha[:, None] * field
        return ((alpha + alpha.transpose(1, 2)) / 2 * field[:, None, :]).sum(2)


def traceless(matrices: Tensor) -> Tensor:
    """Matrices [N, 3, 3] less a third of their trace on the diagonal."""
    trace = matrices.diagonal(dim1=1, dim2=2).sum(1) / 3
    return matrices - trace[:, None, None] * torch.eye(3, dtype=matrices.dtype, device=matrices.device)


def _one_per_atom(name: str, value: Tensor, accepted: str = "[N] and [N, 1]") -> Tensor:
    if value.dim() == 2 and value.shape[1] == 1:
        return value[:, 0]
    if value.dim() != 1:
        raise ValueError(f"{name} has shape {list(value.shape)}; {accepted} are accepted")
    return value
