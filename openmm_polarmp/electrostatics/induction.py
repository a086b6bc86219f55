"""What potentials and fields induce: the coefficients R of theory.md sections 3, 8 and 9 as a linear map.

Where atoms and pairs *feel* something - a potential, the drop of the potential along a pair, the gradient of the potential -
they *take up* something: a charge, a flow, a dipole. Both are tuples of the same length, with what the model has among
charges [N], flows [P] and dipoles [N, 3], in this order.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.electrostatics.permanent import Moments, permanent_potential
from openmm_polarmp.electrostatics.plan import ElectrostaticPlan
from openmm_polarmp.electrostatics.potentials import Potentials

Parts = tuple[Tensor, ...]


@dataclass(frozen=True)
class Induction:
    """The linear maps of one configuration.

    Attributes
    ----------
    positions : Tensor [N, 3]
        A.
    multipoles : Multipoles
        Their response coefficients act.
    cells : Tensor [B, 3, 3] or None
        A.
    plan : ElectrostaticPlan
    groups : Tensor [N] of int64, optional
        Atoms with the same number share a charge that is constrained: within a group the induced charges sum to zero.
    """

    positions: Tensor
    multipoles: Multipoles
    cells: Tensor | None
    plan: ElectrostaticPlan
    groups: Tensor | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which of charges, flows and dipoles are induced."""
        m = self.multipoles
        conducts = m.flows is not None and m.flows.conductance is not None
        present = {
            "charges": m.softness is not None,
            "flows": conducts,
            "dipoles": m.polarizability is not None,
        }
        return tuple(kind for kind, there in present.items() if there)

    def coefficients(self) -> Parts:
        """The tensors that R consists of."""
        m = self.multipoles
        flows = None if m.flows is None else m.flows.conductance
        return tuple(value for value in (m.softness, flows, m.polarizability) if value is not None)

    def with_coefficients(self, positions: Tensor, cells: Tensor | None, coefficients: Parts) -> Induction:
        """The same with other positions, cells and response coefficients."""
        import dataclasses

        values = dict(zip(self.kinds, coefficients, strict=True))
        m = self.multipoles
        flows = m.flows
        if "flows" in values and flows is not None:
            flows = dataclasses.replace(flows, conductance=values["flows"])
        m = dataclasses.replace(m, softness=values.get("charges"), polarizability=values.get("dipoles"), flows=flows)
        return dataclasses.replace(self, positions=positions, cells=cells, multipoles=m)

    def felt(self, potential: Tensor, gradient: Tensor) -> Parts:
        """What charges, flows and dipoles feel of a potential [N] in V and its gradient [N, 3] in V/A."""
        parts = []
        for kind in self.kinds:
            if kind == "charges":
                parts.append(potential)
            elif kind == "flows":
                assert self.multipoles.flows is not None
                parts.append(self.multipoles.flows.drops(potential))
            else:
                parts.append(gradient)
        return tuple(parts)

    def taken_up(self, felt: Parts) -> Parts:
        """R applied: what is taken up per what is felt; the induced moments are -R times what is felt."""
        parts = []
        for kind, value in zip(self.kinds, felt, strict=True):
            if kind == "charges":
                softness = self.multipoles.softness
                assert softness is not None
                if self.groups is not None:
                    value = value - group_mean(value, softness, self.groups)
                parts.append(softness * value)
            elif kind == "flows":
                assert self.multipoles.flows is not None
                parts.append(-self.multipoles.flows.induced(value))
            else:
                parts.append(self.multipoles.induced_dipoles(value))
        return tuple(parts)

    def moments(self, induced: Parts) -> Moments:
        """The charges and dipoles at the atoms that induced charges, flows and dipoles amount to."""
        values = dict(zip(self.kinds, induced, strict=True))
        charges = values.get("charges")
        if "flows" in values:
            assert self.multipoles.flows is not None
            received = self.multipoles.flows.received(values["flows"])
            charges = received if charges is None else charges + received
        if charges is None:
            charges = torch.zeros_like(self.multipoles.charges)
        return Moments(charges, values.get("dipoles"))

    def interaction(self, induced: Parts) -> Parts:
        """T applied: what induced moments make the others feel."""
        _, others = permanent_potential(self.positions, self.moments(induced), self.cells, self.plan)
        return self.felt(others.potential, others.gradient)

    def interaction_of(self, charges: Tensor) -> Potentials:
        """What charges [N] at the atoms make the others feel."""
        return permanent_potential(self.positions, Moments(charges), self.cells, self.plan)[1]

    def dot(self, a: Parts, b: Parts) -> Tensor:
        """Sum over everything of the products, for each structure: [B]."""
        total = self.multipoles.charges.new_zeros(self.plan.num_structures)
        for kind, x, y in zip(self.kinds, a, b, strict=True):
            product = x * y if x.dim() == 1 else (x * y).sum(1)
            total = total.index_add(0, self.structure(kind), product)
        return total

    def structure(self, kind: str) -> Tensor:
        """The structure of each charge, flow or dipole."""
        flows = self.multipoles.flows
        return self.plan.batch[flows.pairs[0]] if kind == "flows" and flows is not None else self.plan.batch

    def scaled(self, factor: Tensor, parts: Parts) -> Parts:
        """Every part times the factor [B] of its structure."""
        scaled = []
        for kind, value in zip(self.kinds, parts, strict=True):
            of_row = factor[self.structure(kind)]
            scaled.append(of_row * value if value.dim() == 1 else of_row[:, None] * value)
        return tuple(scaled)


def group_mean(values: Tensor, weights: Tensor, groups: Tensor) -> Tensor:
    """Weighted mean of each atom's group, [N]; zero in groups without weight."""
    n_groups = int(groups.max()) + 1 if groups.numel() else 0
    zeros = values.new_zeros(n_groups)
    total = zeros.index_add(0, groups, weights)
    mean = zeros.index_add(0, groups, weights * values) / torch.where(total > 0, total, 1.0)
    return mean[groups]


def plus(a: Parts, b: Parts) -> Parts:
    """a + b."""
    return tuple(x + y for x, y in zip(a, b, strict=True))


def minus(a: Parts, b: Parts) -> Parts:
    """a - b."""
    return tuple(x - y for x, y in zip(a, b, strict=True))
