"""What a network predicts for every atom, theory.md section 1."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from openmm_polarmp.electrostatics.flows import Flows


@dataclass
class Multipoles:
    """Permanent moments and response coefficients of N atoms; an absent member (None) is switched off.

    Parameters
    ----------
    charges : [N]
        Latent charges q in e.
    dipoles : [N, 3], optional
        Latent dipoles mu in e A.
    quadrupoles : [N, 3, 3], optional
        Latent quadrupoles Q in e A^2. Only the symmetric traceless part acts: the rest is projected out.
    softness : [N] or [N, 1], optional
        kappa >= 0 in e^2/eV, the charge that an atom takes up per unit of potential.
    polarizability : [N], [N, 1] or [N, 3, 3], optional
        alpha in e^2 A^2/eV; [N] and [N, 1] mean the same scalars; tensors are symmetric and positive semi-definite
        (only the symmetric part acts).
    flows : Flows, optional
        Charge that neighbours exchange; what they have exchanged permanently is part of ``charges``.
    """

    charges: Tensor
    dipoles: Tensor | None = None
    quadrupoles: Tensor | None = None
    softness: Tensor | None = None
    polarizability: Tensor | None = None
    flows: Flows | None = None

    def __post_init__(self) -> None:
        for name, value in self.members():
            if not isinstance(value, Tensor):
                raise TypeError(f"{name}: expected a torch.Tensor, got {type(value).__name__}")
            if not value.is_floating_point():
                raise TypeError(f"{name}: expected a floating point tensor, got {value.dtype}")
        self.charges = _one_per_atom("charges", self.charges)
        n = len(self.charges)
        if self.softness is not None:
            self.softness = _one_per_atom("softness", self.softness)
        if self.polarizability is not None and self.polarizability.shape != (n, 3, 3):
            self.polarizability = _one_per_atom("polarizability", self.polarizability, " or [N, 3, 3]")
        shapes = {"dipoles": (n, 3), "quadrupoles": (n, 3, 3)}
        for name, value in self.members():
            if len(value) != n:
                raise ValueError(f"{name}: {len(value)} atoms, but charges has {n}")
            if name in shapes and value.shape != shapes[name]:
                raise ValueError(f"{name}: expected shape {list(shapes[name])}, got {list(value.shape)}")
            if value.dtype != self.charges.dtype or value.device != self.charges.device:
                q = self.charges
                raise ValueError(f"{name}: {value.dtype} on {value.device}, but charges is {q.dtype} on {q.device}")
        if self.flows is not None and len(self.flows.local_charges) != n:
            raise ValueError(f"flows: local_charges has {len(self.flows.local_charges)} atoms, but charges has {n}")

    def members(self) -> list[tuple[str, Tensor]]:
        """(name, tensor) of every atomic moment and coefficient that is present."""
        everything = [(field.name, getattr(self, field.name)) for field in fields(self) if field.name != "flows"]
        return [(name, value) for name, value in everything if value is not None]

    def __len__(self) -> int:
        return len(self.charges)

    def apply(self, change) -> "Multipoles":
        """A copy with every present tensor replaced by ``change(tensor)``."""
        flows = None if self.flows is None else self.flows.apply(change)
        return Multipoles(**{name: change(value) for name, value in self.members()}, flows=flows)

    def to(self, *args, **kwargs) -> "Multipoles":
        """A copy on another device or in another dtype, as torch.Tensor.to."""
        return self.apply(lambda value: value.to(*args, **kwargs))

    def detach(self) -> "Multipoles":
        return self.apply(Tensor.detach)

    def __getitem__(self, atoms) -> "Multipoles":
        """The multipoles of some atoms (a slice, a mask or indices)."""
        if self.flows is not None:
            raise ValueError("flows: charge that flows between atoms cannot be divided; take all atoms")
        return self.apply(lambda value: value[atoms])

    def traceless_quadrupoles(self) -> Tensor | None:
        """The part of Q that acts: symmetric and without trace (a trace differs between a box and vacuum)."""
        Q = self.quadrupoles
        if Q is None:
            return None
        trace = Q.diagonal(dim1=1, dim2=2).sum(1) / 3
        identity = torch.eye(3, dtype=Q.dtype, device=Q.device)
        return (Q + Q.transpose(1, 2)) / 2 - trace[:, None, None] * identity

    def isotropic_polarizability(self) -> Tensor:
        """tr(alpha)/3, [N]; zeros where polarizability is absent."""
        alpha = self.polarizability
        if alpha is None:
            return torch.zeros_like(self.charges)
        return alpha if alpha.dim() == 1 else alpha.diagonal(dim1=1, dim2=2).sum(1) / 3

    def polarizability_tensor(self) -> Tensor:
        """Alpha as [N, 3, 3] whatever it was given as; zeros where it is absent."""
        alpha = self.polarizability
        if alpha is not None and alpha.dim() == 3:
            return (alpha + alpha.transpose(1, 2)) / 2
        identity = torch.eye(3, dtype=self.charges.dtype, device=self.charges.device)
        return self.isotropic_polarizability()[:, None, None] * identity

    def induced_dipoles(self, field: Tensor) -> Tensor:
        """Alpha . field, [N, 3]; zeros where polarizability is absent."""
        alpha = self.polarizability
        if alpha is None:
            return torch.zeros_like(field)
        if alpha.dim() == 1:
            return alpha[:, None] * field
        return ((alpha + alpha.transpose(1, 2)) / 2 * field[:, None, :]).sum(2)


def _one_per_atom(name: str, value: Tensor, also: str = "") -> Tensor:
    if value.dim() == 2 and value.shape[1] == 1:
        return value[:, 0]
    if value.dim() != 1:
        raise ValueError(f"{name}: expected shape [N] or [N, 1]{also}, got {list(value.shape)}")
    return value
