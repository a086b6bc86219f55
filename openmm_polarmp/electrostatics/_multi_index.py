"""Multi-indices, in which moments and derivatives of a potential are stored.

A derivative d^(a+b+c) / dx^a dy^b dz^c of one function is one component, however often a tensor would repeat it. The
components are ordered by a+b+c, so that every lower order is a leading block. A multipole operator
M[f] = q f + mu.grad f + 1/2 Q:grad grad f (theory.md section 2) is then a list of coefficients C with
M[f] = sum_n C_n (d^n f); components 1, 2, 3 are d/dx, d/dy, d/dz; and moments and derivatives of the potential meet
in a plain dot product.
"""

import torch
from torch import Tensor

MAX_ORDER = 6
"""Highest order of a set of components. Moments take two derivatives, every differentiation takes one more."""


def count(order: int) -> int:
    """Number of components up to and with this order."""
    return (order + 1) * (order + 2) * (order + 3) // 6


def _all_up_to(order: int) -> tuple[tuple[int, int, int], ...]:
    return tuple(
        (a, b, total - a - b)
        for total in range(order + 1)
        for a in range(total, -1, -1)
        for b in range(total - a, -1, -1)
    )


# Tables instead of cached functions: torch.compile reads them as constants.
_INDICES = _all_up_to(2 * MAX_ORDER)
_PLACE = {index: place for place, index in enumerate(_INDICES)}

MEETING = tuple(
    tuple(_PLACE[a + d, b + e, c + f] for d, e, f in _INDICES[: count(MAX_ORDER)])
    for a, b, c in _INDICES[: count(MAX_ORDER)]
)
"""MEETING[m][n]: index of the component whose derivative is that of components m and n together."""


def multi_indices(order: int) -> tuple[tuple[int, int, int], ...]:
    """All (a, b, c) with a + b + c <= order, lower orders first."""
    return _INDICES[: count(order)]


def contract_raised(coefficients: Tensor, derivatives: Tensor, order: int) -> Tensor:
    """Gradient of sum_n C_n d^n f with respect to the atom's position, [N, 3].

    Parameters
    ----------
    coefficients : Tensor [N, count(order)]
        C.
    derivatives : Tensor [N, count(order + 1)] or more
        Derivatives of f at the atoms.
    order : int
        Highest order of the coefficients.
    """
    places = [place for axis in (1, 2, 3) for place in MEETING[axis][: count(order)]]
    raised = derivatives.index_select(1, torch.tensor(places, device=derivatives.device)).unflatten(
        1, (3, count(order))
    )
    return (coefficients[:, None] * raised).sum(2)


def coefficients_of(charges: Tensor, dipoles: Tensor | None, quadrupoles: Tensor | None) -> Tensor:
    """Moments as coefficients of the derivatives that they take: [N, 1], [N, 4] or [N, 10].

    Q_xy and Q_yx belong to the same component, hence 1/2 Q_xx for xx but Q_xy for xy.
    """
    columns = [charges[:, None]]
    if dipoles is not None or quadrupoles is not None:
        columns.append(dipoles if dipoles is not None else charges.new_zeros(len(charges), 3))
    if quadrupoles is not None:
        xx, xy, xz = quadrupoles[:, 0].unbind(1)
        _, yy, yz = quadrupoles[:, 1].unbind(1)
        zz = quadrupoles[:, 2, 2]
        columns.append(torch.stack([xx / 2, xy, xz, yy / 2, yz, zz / 2], 1))
    return torch.cat(columns, 1)


def matrices(second: Tensor) -> Tensor:
    """Symmetric matrices [N, 3, 3] of second derivatives [N, 6] in the order of the multi-indices."""
    return second[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].unflatten(1, (3, 3))


def components(matrices: Tensor) -> Tensor:
    """Second derivatives [N, 6] in the order of the multi-indices from symmetric matrices [N, 3, 3]."""
    return matrices.flatten(1)[:, [0, 1, 2, 4, 5, 8]]
