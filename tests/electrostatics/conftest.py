"""An independent, slow implementation of theory.md: the oracle of these tests. It shares no code with the package."""

import itertools
import math
import warnings
from types import SimpleNamespace

import pytest
import torch
from torch.func import jacfwd, vmap

from openmm_polarmp.electrostatics import Multipoles

KE = 14.3996454784255

with warnings.catch_warnings():
    # The first use of forward derivatives scripts some of torch's own functions, which torch itself deprecates.
    warnings.simplefilter("ignore", DeprecationWarning)
    jacfwd(torch.sin)(torch.ones(()))


def _traceless(Q):
    Q = (Q + Q.mT) / 2
    return Q - Q.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * torch.eye(3, dtype=Q.dtype)


def _permanent_box(r, q, mu, Q, cell, sigma, k_max):
    """U_perm as in section 2: complex structure factors, all wave vectors of a sphere, own-atom energy."""
    reciprocal = 2 * math.pi * torch.linalg.inv(cell)
    bounds = [int(k_max * torch.linalg.norm(a) / (2 * math.pi)) + 1 for a in cell.detach()]
    n = torch.tensor(list(itertools.product(*(range(-b, b + 1) for b in bounds))), dtype=r.dtype)
    k = n @ reciprocal.T
    k2 = (k * k).sum(1)
    inside = (k2.detach() > 1e-12) & (k2.detach() <= k_max**2)
    k, k2 = k[inside], k2[inside]
    moments = torch.complex(q - 0.5 * torch.einsum("ka,nab,kb->kn", k, Q, k), k @ mu.T)
    S = (moments * torch.exp(1j * (k @ r.T))).sum(1)
    g = 4 * math.pi * KE * torch.exp(-(sigma**2) * k2 / 2) / k2
    own = (q**2).sum() / sigma + (mu**2).sum() / (3 * sigma**3) + (Q**2).sum() / (10 * sigma**5)
    volume = torch.linalg.det(cell).abs()
    return (g * S.abs() ** 2).sum() / (2 * volume) - KE / math.sqrt(2 * math.pi) * own


def _permanent_cluster(r, q, mu, Q, sigma):
    """U_perm by nested automatic differentiation of g(r): no recursion, no series, no multi-index."""

    def g(d):
        distance = torch.sqrt((d * d).sum())
        return KE * torch.erf(distance / (math.sqrt(2) * sigma)) / distance

    derivatives = [g]
    for _ in range(4):
        derivatives.append(jacfwd(derivatives[-1]))
    pairs = torch.tensor(list(itertools.combinations(range(len(r)), 2)))
    i, j = pairs[:, 0], pairs[:, 1]
    D = [vmap(f)(r[i] - r[j]) for f in derivatives]
    qi, qj, mi, mj, Qi, Qj = q[i], q[j], mu[i], mu[j], Q[i] / 2, Q[j] / 2

    def contract(text, *operands):
        return torch.einsum(text, *operands)

    # M_i acts on r_i, M_j on r_j: each derivative of M_j brings a minus sign
    energy = (qi * qj * D[0]).sum()
    energy = energy + contract("na,na->", qj[:, None] * mi - qi[:, None] * mj, D[1])
    energy = energy - contract("na,nb,nab->", mi, mj, D[2])
    energy = energy + contract("nab,nab->", qj[:, None, None] * Qi + qi[:, None, None] * Qj, D[2])
    energy = energy + contract("na,nbc,nabc->", mi, Qj, D[3]) - contract("na,nbc,nabc->", mj, Qi, D[3])
    return energy + contract("nab,ncd,nabcd->", Qi, Qj, D[4])


def _energy(r, m, cell=None, sigma=1.0, k_max=9.0, field=None, scaling=1.0):
    """U of one structure; Phi' and E' are dU_perm/dq and -dU_perm/dmu (section 4)."""
    zero = torch.zeros_like(r)
    q = m.charges
    mu = zero if m.dipoles is None else m.dipoles
    Q = zero[:, :, None].expand(-1, 3, 3) if m.quadrupoles is None else _traceless(m.quadrupoles)
    with torch.enable_grad():
        q, mu = q + 0.0 * r.sum(), mu + 0.0 * r.sum()
        if not q.requires_grad:
            q, mu = q.clone().requires_grad_(), mu.clone().requires_grad_()
        if cell is None:
            permanent = _permanent_cluster(r, q, mu, Q, sigma)
        else:
            permanent = _permanent_box(r, q, mu, Q, cell, sigma, k_max)
        potential, gradient = torch.autograd.grad(permanent, (q, mu), create_graph=True)
    felt_potential, felt_field, energy = potential, -gradient, permanent
    if field is not None:
        latent = scaling * field
        energy = energy - latent @ (q[:, None] * r + mu).sum(0)
        felt_field = felt_field + latent
        if cell is None and m.softness is not None:
            centre = (m.softness[:, None] * r).sum(0) / m.softness.sum()
            felt_potential = felt_potential - (r - centre) @ latent
    if m.softness is not None:
        energy = energy - 0.5 * (m.softness * felt_potential**2).sum()
    if m.polarizability is not None:
        alpha = m.polarizability
        if alpha.dim() == 1:
            alpha = alpha[:, None, None] * torch.eye(3, dtype=r.dtype)
        energy = energy - 0.5 * torch.einsum("na,nab,nb->", felt_field, alpha, felt_field)
    return SimpleNamespace(energy=energy, potential=potential, field=-gradient)


RUNGS = ("q", "qu", "quQ", "qu+k", "qu+a", "qu+ka", "quQ+ka")


def _random_multipoles(n, rung="quQ+ka", seed=0, dtype=torch.float64, tensor=True, neutral=False):
    """Moments and responses of the sizes that models learn."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    q, mu, Q, kappa, A = 0.5 * normal(n), 0.3 * normal(n, 3), 0.4 * normal(n, 3, 3), normal(n), 0.2 * normal(n, 3, 3)
    if neutral:
        q = q - q.mean()
    alpha = A @ A.mT
    members = {"charges": q}
    if "u" in rung:
        members["dipoles"] = mu
    if "Q" in rung:
        members["quadrupoles"] = _traceless(Q)
    response = rung.partition("+")[2]
    if "k" in response:
        members["softness"] = 0.01 * kappa**2
    if "a" in response:
        members["polarizability"] = alpha if tensor else alpha.diagonal(dim1=1, dim2=2).mean(1)
    return Multipoles(**{name: value.to(dtype) for name, value in members.items()})


CELLS = {
    "cubic": [[7.0, 0, 0], [0, 7.0, 0], [0, 0, 7.0]],
    "orthorhombic": [[6.0, 0, 0], [0, 7.5, 0], [0, 0, 9.0]],
    "triclinic": [[7.0, 0, 0], [2.0, 6.5, 0], [-1.5, 2.5, 7.2]],
    "left-handed": [[0, 6.8, 0.5], [7.1, 0.3, 0], [0.4, 0, 7.5]],
    "strongly triclinic": [[6.5, 0, 0], [9.0, 6.8, 0], [-14.0, 8.0, 7.0]],
}


def _leaves(r, multipoles, cell=None):
    """Copies that require gradients, as (list of leaves, positions, multipoles, cell)."""
    r = r.detach().clone().requires_grad_()
    m = multipoles.apply(lambda t: t.detach().clone().requires_grad_())
    cell = None if cell is None else cell.detach().clone().requires_grad_()
    leaves = [r, *(t for _, t in m.members()), *([] if cell is None else [cell])]
    return leaves, r, m, cell


@pytest.fixture
def oracle():
    """energy(r, multipoles, cell, ...): the independent implementation; and things that every test needs."""
    return SimpleNamespace(
        energy=_energy,
        random_multipoles=_random_multipoles,
        leaves=_leaves,
        rungs=RUNGS,
        cells={name: torch.tensor(cell, dtype=torch.float64) for name, cell in CELLS.items()},
        KE=KE,
    )
