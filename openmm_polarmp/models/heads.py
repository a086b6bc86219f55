"""Heads: from the features of an atom to its energy, moments and response coefficients."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from openmm_polarmp.electrostatics.potentials import Potentials
from openmm_polarmp.models._angular import slice_of, tensor_to_cartesian
from openmm_polarmp.models._constants import ExactConstants
from openmm_polarmp.models.electronegativity import PAULING
from openmm_polarmp.models.limits import (
    LARGEST_CHARGE,
    LARGEST_DIPOLE,
    LARGEST_ELECTRONEGATIVITY,
    LARGEST_MUTUAL_POLARIZABILITY,
    LARGEST_MUTUAL_SOFTNESS,
    LARGEST_POLARIZABILITY,
    LARGEST_QUADRUPOLE,
    LARGEST_RATIO,
    LARGEST_SOFTNESS,
    LOWEST_ENERGY,
    OWN_CHARGE,
)
from openmm_polarmp.models.potential_inputs import CURVATURE, FIELD, PotentialInputs, limited
from openmm_polarmp.models.rung import Rung

# Units of the heads: the outputs of an untrained network's last layer are about 0.2 of them, the responses about 1.
CHARGE = 0.5  # e
MOMENT = 0.5  # e A, e A^2
SOFTNESS = 0.003  # e^2/eV
POLARIZABILITY = 0.02  # e^2 A^2/eV; a water molecule has 0.1 in all
ELECTRONEGATIVITY = 3.0  # V
HARDNESS = 8.0  # eV/e^2, on top of the own energy of the smeared charge
UNIT_SOFTPLUS = math.log(math.e - 1)  # softplus of this is one


def bounded(value: torch.Tensor, limit: float) -> torch.Tensor:
    """Scalars [N], vectors [N, 3] or tensors [N, 3, 3], scaled smoothly so that no norm exceeds the limit."""
    ratio = shortened(value / limit)
    squares = ratio**2
    if value.dim() > 1:
        squares = squares.flatten(1).sum(1).view(-1, *[1] * (value.dim() - 1))
    return limit * ratio * torch.rsqrt(1 + squares)


def shortened(value: torch.Tensor) -> torch.Tensor:
    """The same direction with no component above `LARGEST_RATIO`, so that squares do not overflow in single precision."""
    largest = value.detach().abs()
    if value.dim() > 1:
        largest = largest.flatten(1).amax(1).view(-1, *[1] * (value.dim() - 1))
    return value * (LARGEST_RATIO / largest.clamp(min=LARGEST_RATIO))


class Heads(ExactConstants):
    """Energy and moments of each atom from invariants [N, n] and features [(l + 1)^2, N, channels].

    A vector or tensor is a sum of the channels' vectors or tensors, each weighted by a function of the invariants. Heads
    on a network that has an energy already give none.
    """

    to_matrix: torch.Tensor
    identity: torch.Tensor

    def __init__(
        self,
        rung: Rung,
        polarizability: str,
        n_species: int,
        n_invariants: int,
        channels: int,
        hidden: int,
        local_charges: bool = True,
        energy: bool = True,
        mutual: bool = False,
        rounds: bool = False,
    ) -> None:
        super().__init__()
        self.rung, self.channels, self.mutual = rung, channels, mutual
        self.tensor_polarizability = rung.polarizability and polarizability == "tensor"
        self.species = torch.nn.Embedding(n_species, hidden)
        self.trunk = torch.nn.Linear(n_invariants, hidden)
        equilibrated = rung.electronegativity
        scalars = ["energy"] if energy else []
        scalars += ["charge"] if rung.charges and local_charges and not equilibrated else []
        scalars += ["electronegativity", "hardness"] if equilibrated else ["softness"] if rung.softness else []
        scalars += ["polarizability"] if rung.polarizability else []
        self.potential_inputs = PotentialInputs(hidden) if rounds else None
        scalars += ["dipole_of_field"] if rounds and rung.dipoles else []
        scalars += ["quadrupole_of_curvature"] if rounds and rung.quadrupoles else []
        weighted = ["dipole"] if rung.dipoles else []
        weighted += ["quadrupole"] if rung.quadrupoles else []
        weighted += ["anisotropy"] if self.tensor_polarizability else []
        self.scalars, self.weighted = scalars, weighted
        self.of_species: torch.nn.Parameter | None = (
            None  # electronegativity of each element, before the network's part
        )
        if equilibrated:
            self.of_species = torch.nn.Parameter(torch.zeros(n_species))
        outputs = len(scalars) + len(weighted) * channels
        self.final = torch.nn.Linear(hidden, outputs) if outputs else None
        self.constant("to_matrix", tensor_to_cartesian().flatten(1))
        self.constant("identity", torch.eye(3))

    @property
    def l_max(self) -> int:
        """Highest degree of the features that the heads read."""
        return 2 if {"quadrupole", "anisotropy"} & set(self.weighted) else 1 if self.weighted else 0

    def hidden(self, invariants: torch.Tensor, kind: torch.Tensor, felt: Potentials | None = None) -> torch.Tensor:
        """The hidden layer of each atom [N, hidden]; ``kind`` [N] is the index of each atom's element."""
        inputs = self.trunk(invariants) + self.species(kind)
        if felt is not None and self.potential_inputs is not None:
            inputs = inputs + self.potential_inputs(felt)
        return torch.nn.functional.silu(inputs)

    def forward(
        self, hidden: torch.Tensor, features: torch.Tensor, kind: torch.Tensor, felt: Potentials | None = None
    ) -> dict[str, torch.Tensor]:
        """Energies and the members of `Multipoles` by name; ``kind`` [N] is the index of each atom's element."""
        if self.final is None:
            return {}
        out = self.final(hidden)
        scalar = dict(zip(self.scalars, out[:, : len(self.scalars)].unbind(1), strict=True))
        weights = out[:, len(self.scalars) :].view(out.shape[0], len(self.weighted), self.channels).unbind(1)
        weight = dict(zip(self.weighted, weights, strict=True))
        result = {}
        if "energy" in scalar:
            energy = scalar["energy"]
            result["energy"] = torch.where(energy < 0, bounded(energy, LOWEST_ENERGY), energy)
        if "charge" in scalar:
            result["charges"] = bounded(CHARGE * scalar["charge"], LARGEST_CHARGE)
        if "dipole" in weight:
            dipoles = MOMENT * self._combine(features, 1, weight["dipole"])
            if felt is not None:
                along = limited(felt.gradient / FIELD).to(dipoles.dtype)
                dipoles = dipoles - MOMENT * scalar["dipole_of_field"][:, None] * along
            result["dipoles"] = bounded(dipoles, LARGEST_DIPOLE)
        if "quadrupole" in weight:
            quadrupoles = MOMENT * self._matrix(self._combine(features, 2, weight["quadrupole"]))
            if felt is not None and felt.curvature is not None:
                along = limited(felt.curvature / CURVATURE).to(quadrupoles.dtype)
                quadrupoles = quadrupoles - MOMENT * scalar["quadrupole_of_curvature"][:, None, None] * along
            result["quadrupoles"] = bounded(quadrupoles, LARGEST_QUADRUPOLE)
        if "softness" in scalar:
            softness = SOFTNESS * torch.nn.functional.softplus(scalar["softness"] + UNIT_SOFTPLUS)
            result["softness"] = bounded(softness, LARGEST_MUTUAL_SOFTNESS if self.mutual else LARGEST_SOFTNESS)
        if "electronegativity" in scalar:
            assert self.of_species is not None
            electronegativity = ELECTRONEGATIVITY * (self.of_species[kind] + scalar["electronegativity"])
            result["electronegativity"] = bounded(electronegativity, LARGEST_ELECTRONEGATIVITY)
            hardness = HARDNESS * torch.nn.functional.softplus(scalar["hardness"] + UNIT_SOFTPLUS)
            result["softness"] = 1 / (OWN_CHARGE + hardness)
        if "polarizability" in scalar:
            limit = LARGEST_MUTUAL_POLARIZABILITY if self.mutual else LARGEST_POLARIZABILITY
            result["polarizability"] = bounded(self._polarizability(scalar, weight, features), limit)
        return result

    @torch.no_grad()
    def set_electronegativities(self, species: Sequence[int]) -> None:
        """Begin with the elements' electronegativities of Pauling's scale, so that charges of ordinary size flow."""
        assert self.of_species is not None
        known = [PAULING[z] for z in species if z in PAULING]
        mean = sum(known) / len(known) if known else 0.0
        self.of_species.copy_(torch.tensor([PAULING.get(z, mean) - mean for z in species]))

    @torch.no_grad()
    def flip_signs(self) -> None:
        """Reverse every permanent moment: energies and forces stay the same."""
        if self.final is None:
            return
        n = len(self.scalars)
        rows = [self.scalars.index(name) for name in ("charge", "electronegativity") if name in self.scalars]
        for name in ("dipole", "quadrupole"):
            if name in self.weighted:
                first = n + self.weighted.index(name) * self.channels
                rows += range(first, first + self.channels)
        self.final.weight[rows] *= -1
        self.final.bias[rows] *= -1
        if self.of_species is not None:
            self.of_species.mul_(-1)

    def _combine(self, features: torch.Tensor, l: int, weight: torch.Tensor) -> torch.Tensor:
        """Weighted sum of the channels' components of degree l, [N, 2 l + 1]."""
        return (features[slice_of(l)] * weight).sum(2).t() / math.sqrt(self.channels)

    def _matrix(self, l2: torch.Tensor) -> torch.Tensor:
        """Matrices [N, 3, 3] from components of l = 2, [N, 5]."""
        return (l2 @ self.to_matrix).unflatten(1, (3, 3))

    def _polarizability(
        self, scalar: dict[str, torch.Tensor], weight: dict[str, torch.Tensor], features: torch.Tensor
    ) -> torch.Tensor:
        if not self.tensor_polarizability:
            shifted = scalar["polarizability"] + UNIT_SOFTPLUS
            return POLARIZABILITY * torch.nn.functional.softplus(shifted)
        # alpha = A A with a symmetric A of degrees 0 and 2 has no negative eigenvalue.
        isotropic = (1 + scalar["polarizability"])[:, None, None] * self.identity
        root = shortened(isotropic + self._matrix(self._combine(features, 2, weight["anisotropy"])))
        return POLARIZABILITY * root @ root.transpose(1, 2)
