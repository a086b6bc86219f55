"""Charge that flows between neighbours, between a network in torch and a platform's memory (theory.md section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from openmm_polarmp.electrostatics.flows import Flows, check_flows
from openmm_polarmp.sources.protocol import Buffers


class PairArrays(NamedTuple):
    """Pairs of `Flows` as NumPy arrays in the model's units, for `PolarMPForce.getPairFlows`."""

    pairs: NDArray[np.int64]
    vectors: NDArray[np.float64]
    charges: NDArray[np.float64]
    conductances: NDArray[np.float64]


@dataclass(frozen=True)
class FlowState:
    """What has flowed at one set of positions.

    Attributes
    ----------
    drops : Tensor [P]
        Phi'_i - Phi'_j - E.d_ij of each pair, V.
    responds : bool
        Whether charge flows in response to them.
    """

    drops: torch.Tensor
    responds: bool

    def gradients(self, flows: Flows, field: Sequence[float]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Tensors of the pairs, and the derivatives of the energy with respect to them beyond those that the charges have.

        ``field`` is what ``backward`` of a source takes: zero for a cluster, where the charges' gradients contain it.
        """
        result = []
        if self.responds and flows.conductance is not None:
            result.append((flows.conductance, -self.drops.square() / 2))
        if any(field):
            result.append((flows.charges, -(flows.vectors.detach() @ _row(field, flows))))
        return result


def write_flows(buffers: Buffers, flows: Flows) -> None:
    """Copy what a kernel needs of the pairs before their potentials are known."""
    if flows.charges.device.type == "cpu":  # elsewhere the check would wait for the device
        check_flows(flows, len(flows.local_charges))
    buffers.local_charges.copy_(flows.local_charges)
    buffers.flow_polarizability.copy_(flows.polarizability().diagonal(dim1=1, dim2=2).sum(1) / 3)


def let_flow(buffers: Buffers, flows: Flows, field: Sequence[float], responds: bool) -> FlowState:
    """From the potentials in the buffers to the charges and energies there."""
    with torch.no_grad():
        drops = flows.drops(buffers.flow_potential.to(flows.vectors))
        work = torch.zeros_like(drops)
        if any(field):
            work = flows.vectors @ _row(field, flows)
            drops = drops - work
        moved = flows.induced(drops) if responds else torch.zeros_like(drops)
        buffers.flow_charges.copy_(flows.received(moved))
        energies = moved * drops / 2 - flows.charges * work
        at_atoms = torch.zeros_like(flows.local_charges).index_add(0, flows.pairs[0], energies)
        buffers.flow_energies.copy_(at_atoms)
    return FlowState(drops, responds)


def pair_arrays(flows: Flows) -> PairArrays:
    """The pairs in which something has moved or can move."""
    conductance = torch.zeros_like(flows.charges) if flows.conductance is None else flows.conductance
    used = (flows.charges != 0) | (conductance != 0)

    def of_used(values: torch.Tensor) -> NDArray[np.float64]:
        return np.ascontiguousarray(values.detach()[used].double().cpu().numpy())

    pairs = np.ascontiguousarray(flows.pairs[:, used].t().cpu().numpy())
    return PairArrays(pairs, of_used(flows.vectors), of_used(flows.charges), of_used(conductance))


def _row(field: Sequence[float], flows: Flows) -> torch.Tensor:
    return torch.tensor([float(x) for x in field], dtype=torch.float64).to(flows.vectors)
