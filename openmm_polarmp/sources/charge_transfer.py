"""The charge that an atom's motion moves to others, for sources in torch: sum_j (r_j - r_i)_a dq_j/dr_i,b (theory.md section 6).

The plugin's own evaluation of a network has it in one backward pass. A network in torch is asked for the charges of a cluster:
of the box and of everything within the network's reach around it. There every displacement is unique, and four backward passes
are enough.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from openmm_polarmp.electrostatics.born_charges import charge_transfer as between_nearest_images
from openmm_polarmp.electrostatics.moving_charges import mean_wrapped
from openmm_polarmp.neighbors import neighbor_pairs
from openmm_polarmp.sources.equilibration import without_electronegativities
from openmm_polarmp.sources.network import TorchSource
from openmm_polarmp.sources.torchscript import TorchScriptSource


def charge_transfer(
    source: Any, positions: NDArray[np.float64], cell: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """The charge transfer of a source's permanent charges, [N,3,3] in e, row: polarization, column: displacement.

    Parameters
    ----------
    source : TorchSource or TorchScriptSource
    positions : array [N,3]
        A.
    cell : array [3,3] or None
        A; None for a cluster.

    Notes
    -----
    The change of the sum of the charges that an imposed total charge takes back acts between nearest images, as everything does
    for a network that does not say how far it reaches: then there is one backward pass for each atom.
    """
    r = torch.from_numpy(np.array(positions, dtype=np.float64))
    box = None if cell is None else torch.from_numpy(np.array(cell, dtype=np.float64))
    if isinstance(source, TorchSource):
        # what asks for potentials depends on all atoms
        reach = None if source.model.asks_for_potentials else source.model.receptive_field
        projected = source.model.imposes_total_charge
    elif isinstance(source, TorchScriptSource):
        reach, projected = None, source.total_charge is not None
    else:
        raise TypeError(
            f"the charge transfer needs a TorchSource or a TorchScriptSource, got {type(source).__name__}; write the file without the "
            "polarization of the charges (DipoleReporter's current=False)"
        )
    if box is not None and reach is None:
        leaf = r.requires_grad_()
        return between_nearest_images(_charges(source, leaf, box), leaf, box).detach().numpy()
    r, owner = (r, torch.arange(len(r))) if box is None or reach is None else _unfolded(r, box, reach)
    leaf = r.requires_grad_()
    transfer, gradient = _of_a_cluster(_charges(source, leaf, None, owner), leaf, owner, len(positions))
    if projected:
        transfer -= _mean_displacements(torch.from_numpy(positions), box)[:, :, None] * gradient[:, None, :]
    return transfer.numpy()


def _unfolded(r: torch.Tensor, cell: torch.Tensor, reach: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The box's atoms, wrapped, and behind them their images within reach of the box; and the atom of each."""
    fractional = r @ torch.linalg.inv(cell)
    fractional = fractional - fractional.floor()
    margins = reach * torch.linalg.inv(cell).norm(dim=0) + 1e-9
    repeats = [range(-n, n + 1) for n in margins.ceil().long().tolist()]
    sites, owners = [fractional], [torch.arange(len(r))]
    for shift in itertools.product(*repeats):
        if any(shift):
            image = fractional + torch.tensor(shift, dtype=r.dtype)
            near = ((image > -margins) & (image < 1 + margins)).all(1)
            sites.append(image[near])
            owners.append(owners[0][near])
    return torch.cat(sites) @ cell, torch.cat(owners)


def _charges(
    source: TorchSource | TorchScriptSource,
    r: torch.Tensor,
    cell: torch.Tensor | None,
    owner: torch.Tensor | None = None,
) -> torch.Tensor:
    """Charges in double precision; those of a cluster before the total charge is imposed on them."""
    if isinstance(source, TorchScriptSource):
        result = source.evaluate(r, cell)
    else:
        species = torch.tensor(source.options.atomic_numbers)
        result = without_electronegativities(
            copy.deepcopy(source.model)
            .double()
            .evaluate_network(
                r,
                species if owner is None else species[owner],
                cell,
                _pairs(r, source.model.cutoff, cell),
                total_charge=source.options.total_charge,
                multiplicity=source.options.multiplicity,
            )
        )
    if cell is None:
        return result.raw_charges.double()
    # Where neighbours exchange charge, the rest of the polarization is in their flows.
    flows = result.multipoles.flows
    return (result.multipoles.charges if flows is None else flows.local_charges).double()


def _pairs(r: torch.Tensor, cutoff: float, cell: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    index, shifts = neighbor_pairs(r.detach(), cutoff, cell)
    return index, shifts.double()


def _of_a_cluster(
    charges: torch.Tensor, leaf: torch.Tensor, owner: torch.Tensor, n: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Transfer [n,3,3] from the motion of all sites to the first n, and the gradient [n,3] of these charges' sum."""
    sites = leaf.detach()

    def slope(weights: torch.Tensor) -> torch.Tensor:
        if not charges.requires_grad:
            return torch.zeros_like(sites)
        return torch.autograd.grad(charges[:n], leaf, weights, retain_graph=True)[0]

    total = slope(torch.ones(n, dtype=sites.dtype))
    rows = [slope(sites[:n, a]) - sites[:, a, None] * total for a in range(3)]
    sums = torch.zeros(n, 3, 3, dtype=sites.dtype).index_add(0, owner, torch.stack(rows, 1))
    return sums, torch.zeros(n, 3, dtype=sites.dtype).index_add(0, owner, total)


def _mean_displacements(r: torch.Tensor, cell: torch.Tensor | None) -> torch.Tensor:
    """mean_j (r_j - r_i), [N,3] in A; in a box between nearest images."""
    if cell is None:
        return r.mean(0) - r
    fractional = r @ torch.linalg.inv(cell)
    fractional = fractional - fractional.floor()
    return torch.stack([mean_wrapped(fractional[:, d]) for d in range(3)], 1) @ cell
