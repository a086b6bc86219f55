"""Couplings of spherical components l <= 2 in NumPy, in e3nn's basis, for networks without torch and e3nn.

Components of l = 1 are (x, y, z); those of l = 2 belong to the five matrices of `TENSORS`. A coupling of three degrees is
unique up to a factor, so that each follows from vectors and matrices: the sign is e3nn's, the size is such that outputs have
unit variance for unit inputs (`openmm_polarmp.models._angular` computes the same from e3nn; the tests compare them).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


def _tensors() -> NDArray[np.float64]:
    """Symmetric traceless matrices [5, 3, 3], orthonormal in the Frobenius product: xz, xy, 2yy-xx-zz, yz, zz-xx."""
    t = np.zeros((5, 3, 3))
    for row, (a, b) in ((0, (0, 2)), (1, (0, 1)), (3, (1, 2))):
        t[row, a, b] = t[row, b, a] = 1 / math.sqrt(2)
    t[2] = np.diag([-1, 2, -1]) / math.sqrt(6)
    t[4] = np.diag([-1, 0, 1]) / math.sqrt(2)
    return t


TENSORS = _tensors()


def components(l_max: int) -> int:
    """Number of components of l = 0 ... l_max."""
    return (l_max + 1) ** 2


def natural_paths(l1s: range, l2s: range, l3: int) -> list[tuple[int, int]]:
    """Pairs (l1, l2) that couple to l3 with natural parity, (-1)^l."""
    return [(a, b) for a in l1s for b in l2s if abs(a - b) <= l3 <= a + b and (a + b + l3) % 2 == 0]


def coupling(l1: int, l2: int, l3: int) -> NDArray[np.float64]:
    """Coefficients [2 l1 + 1, 2 l2 + 1, 2 l3 + 1] of (l1 x l2 -> l3) for degrees up to 2 whose sum is even."""
    degrees = (l1, l2, l3)
    if not all(0 <= l <= 2 for l in degrees) or (l1, l2) not in natural_paths(range(3), range(3), l3):
        raise ValueError(f"(l1, l2, l3) is {degrees}; degrees 0 to 2 that couple and have an even sum are accepted")
    order = tuple(np.argsort(degrees, kind="stable"))
    low, middle, high = sorted(degrees)
    if low == 0:
        tensor = np.eye(2 * high + 1)[None]
    elif (low, middle, high) == (1, 1, 2):
        tensor = TENSORS.transpose(1, 2, 0)
    else:
        tensor = np.einsum("aij,bjk,cki->abc", TENSORS, TENSORS, TENSORS)
        tensor = (tensor + tensor.transpose(1, 0, 2)) / 2
    tensor = tensor.transpose(np.argsort(order))
    return tensor * math.sqrt(2 * l3 + 1) / np.linalg.norm(tensor)


class SparseCoupling(NamedTuple):
    """Products of components y[row] = sum value * a[left] * b[right], as a list of their nonzero terms.

    Attributes
    ----------
    num_rows : int
        Number of rows: degree by degree, within a degree path by path, within a path component by component.
    paths : list of int
        Number of paths to each degree.
    row, left, right : list of int
        Components of each term; those of degree l begin at l^2.
    value : list of float
        Coefficient of each term.
    """

    num_rows: int
    paths: list[int]
    row: list[int]
    left: list[int]
    right: list[int]
    value: list[float]


def _sparse(paths_of_degree: list[list[tuple[int, int]]], left_starts: int = 0) -> SparseCoupling:
    result = SparseCoupling(0, [len(paths) for paths in paths_of_degree], [], [], [], [])
    n_rows = 0
    for l3, paths in enumerate(paths_of_degree):
        for l1, l2 in paths:
            block = coupling(l1, l2, l3)
            for i, j, k in zip(*np.nonzero(np.abs(block) > 1e-12), strict=True):
                result.row.append(n_rows + int(k))
                result.left.append(l1 * l1 - left_starts + int(i))
                result.right.append(l2 * l2 + int(j))
                result.value.append(float(block[i, j, k]))
            n_rows += 2 * l3 + 1
    return result._replace(num_rows=n_rows)


def product_couplings(l_max: int, l_out: int, correlation: int) -> list[SparseCoupling]:
    """Couplings of a density with itself for 2, 3, ... ``correlation`` factors, as in `_layers.Products`."""
    result = []
    for factors in range(2, correlation + 1):
        l_top = l_out if factors == correlation else l_max
        paths = [natural_paths(range(l_max + 1), range(l_max + 1), l3) for l3 in range(l_top + 1)]
        if factors == 2:
            paths = [[(a, b) for a, b in some if a <= b] for some in paths]
        result.append(_sparse(paths))
    return result


def message_coupling(l_message: int, l_max: int) -> SparseCoupling:
    """Coupling of the senders' vectors with the harmonics, as in `_layers.Message`; ``left`` is the vector's component."""
    if l_message == 0:
        return SparseCoupling(0, [0] * (l_max + 1), [], [], [], [])
    paths = [natural_paths(range(1, 2), range(l_max + 1), l3) for l3 in range(l_max + 1)]
    return _sparse(paths, left_starts=1)


def second_harmonics() -> SparseCoupling:
    """Y_2m of a unit vector u as sum value * u[left] * u[right], in ``component`` normalization."""
    matrices = math.sqrt(7.5) * TENSORS
    row, left, right = np.nonzero(np.abs(matrices) > 1e-12)
    values = matrices[row, left, right].tolist()
    return SparseCoupling(5, [0, 0, 1], row.tolist(), left.tolist(), right.tolist(), values)
