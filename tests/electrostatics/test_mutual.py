"""Self-consistent response (theory.md section 9), against dense matrices and torch's own solver of linear equations."""

import dataclasses

import pytest
import torch

from openmm_polarmp.electrostatics import (
    ElectrostaticPlan,
    Flows,
    Multipoles,
    Mutual,
    NoConvergence,
    PolarizationCatastrophe,
    TotalCharge,
    born_effective_charges,
    electrostatic_energy,
    polarizability,
    polarization,
)
from openmm_polarmp.electrostatics.induction import Induction
from openmm_polarmp.electrostatics.mutual import smallest_eigenvalue

F64 = torch.float64
MUTUAL = Mutual(tolerance=1e-12)
ACCURACY = {"accuracy": 1e-12}
BOXES = {
    "cluster": None,
    "cubic": 7.0 * torch.eye(3, dtype=F64),
    "triclinic": torch.tensor([[7.0, 0, 0], [2.0, 6.5, 0], [-1.5, 2.5, 7.2]], dtype=F64),
}
RESPONSES = ("k", "a", "ka", "c", "ca", "kca")


def atoms(box, n=7, seed=5):
    generator = torch.Generator().manual_seed(seed)
    cell = 4.5 * torch.eye(3, dtype=F64) if box is None else box
    return torch.rand(n, 3, generator=generator, dtype=F64) @ cell


def moments(oracle, response, n=7, neutral=False, strength=1.0):
    """Charges to quadrupoles with responses; atom 0 has no softness, and atom 1 no polarizability."""
    m = oracle.random_multipoles(n, "quQ+ka", seed=2, neutral=neutral)
    softness, alpha = strength * m.softness, strength * m.polarizability
    softness[0], alpha[1] = 0.0, 0.0
    generator = torch.Generator().manual_seed(9)
    pairs = torch.tensor([[i, j] for i in range(n) for j in range(i)]).T
    flows = Flows(
        pairs,
        torch.zeros(pairs.shape[1], 3, dtype=F64),
        torch.zeros(pairs.shape[1], dtype=F64),
        m.charges,
        strength * 0.006 * torch.rand(pairs.shape[1], generator=generator, dtype=F64),
    )
    return Multipoles(
        m.charges,
        m.dipoles,
        m.quadrupoles,
        softness=softness if "k" in response else None,
        polarizability=alpha if "a" in response else None,
        electronegativity=torch.linspace(-0.4, 0.6, n, dtype=F64) if "k" in response else None,
        flows=flows if "c" in response else None,
    )


class Dense:
    """The energy by matrices over all induced charges, flows and dipoles together."""

    def __init__(self, oracle, r, m, cell, total_charge=None, groups=None):
        n = len(r)
        Q = torch.zeros(n, 3, 3, dtype=F64) if m.quadrupoles is None else m.quadrupoles

        def permanent(x):
            bare = Multipoles(x[:n], x[n:].view(n, 3), Q)
            return oracle.energy(r, bare, cell).energy

        x = torch.cat([m.charges, m.dipoles.flatten()])
        x = x if x.requires_grad else x.requires_grad_()
        without_Q = Multipoles(m.charges, m.dipoles)
        zero = torch.zeros_like(Q)

        def pairs_only(x):
            return oracle.energy(
                r, dataclasses.replace(without_Q, charges=x[:n], dipoles=x[n:].view(n, 3), quadrupoles=zero), cell
            ).energy

        T = torch.autograd.functional.hessian(pairs_only, x, create_graph=True)
        (V,) = torch.autograd.grad(permanent(x), x, create_graph=True)
        # columns: what a unit of each unknown is in charges and dipoles of the atoms
        eye = torch.eye(4 * n, dtype=F64)
        blocks, stiffness, extra = [], [], []
        if m.softness is not None:
            chosen = m.softness > 0
            blocks.append(eye[:, :n][:, chosen])
            stiffness.append(torch.diag(1 / m.softness[chosen]))
            extra.append(m.electronegativity[chosen])
        if m.flows is not None:
            i, j = m.flows.pairs
            blocks.append(eye[:, i] - eye[:, j])
            stiffness.append(torch.diag(1 / m.flows.conductance))
            extra.append(torch.zeros(len(i), dtype=F64))
        if m.polarizability is not None:
            chosen = torch.arange(n) != 1
            blocks.append(eye[:, n:].view(4 * n, n, 3)[:, chosen].flatten(1))
            symmetric = (m.polarizability + m.polarizability.mT)[chosen] / 2
            stiffness.append(torch.block_diag(*torch.linalg.inv(symmetric)))
            extra.append(torch.zeros(3 * (n - 1), dtype=F64))
        B = torch.cat(blocks, 1)
        A = torch.block_diag(*stiffness) + B.T @ T @ B
        b = -(B.T @ V + torch.cat(extra))
        if total_charge is None:
            unknowns = torch.linalg.solve(A, b)
        else:
            # Lagrange multipliers
            G = len(total_charge)
            C = torch.stack([((groups == g).to(F64)) @ B[:n] for g in range(G)])
            lacking = total_charge - torch.stack([m.charges[groups == g].sum() for g in range(G)])
            K = torch.cat([torch.cat([A, C.T], 1), torch.cat([C, torch.zeros(G, G, dtype=F64)], 1)])
            unknowns = torch.linalg.solve(K, torch.cat([b, lacking]))[: len(b)]
        self.matrix, self.columns, self.interaction = A, B, T
        self.induced = B @ unknowns
        self.charges, self.dipoles = self.induced[:n], self.induced[n:].view(n, 3)
        self.energy = permanent(x) + unknowns @ A @ unknowns / 2 - b @ unknowns


def leaves(r, m, cell):
    r = r.clone().requires_grad_()
    m = m.apply(lambda t: t.detach().clone().requires_grad_())
    cell = None if cell is None else cell.clone().requires_grad_()
    tensors = [r, *(t for _, t in m.members())]
    if m.flows is not None:
        tensors.append(m.flows.conductance)
    return tensors + ([] if cell is None else [cell]), r, m, cell


@pytest.mark.parametrize("response", RESPONSES)
@pytest.mark.parametrize("box", BOXES)
def test_equals_dense_matrices(oracle, box, response):
    cell = BOXES[box]
    inputs, r, m, cell = leaves(atoms(cell), moments(oracle, response), cell)
    result = electrostatic_energy(r, m, cell, mutual=MUTUAL, **ACCURACY)
    dense = Dense(oracle, r, m, cell)
    torch.testing.assert_close(result.induced_charges, dense.charges, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(result.induced_dipoles, dense.dipoles, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(result.energy, dense.energy, rtol=1e-9, atol=1e-9)
    direct = electrostatic_energy(r, m, cell, **ACCURACY)
    assert (result.induced_dipoles - direct.induced_dipoles).abs().max() + (
        result.induced_charges - direct.induced_charges
    ).abs().max() > 1e-3
    ours = torch.autograd.grad(result.energy, inputs)
    theirs = torch.autograd.grad(dense.energy, inputs)
    # moving a pair's conductance or an atom's own coefficient acts on what exists in the matrices only
    for a, b in zip(ours, theirs, strict=True):
        mask = b.abs() > 0
        torch.testing.assert_close(a[mask], b[mask], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("response", ("ka", "ca"))
@pytest.mark.parametrize("box", ("cluster", "triclinic"))
def test_second_derivatives(oracle, box, response):
    """A loss of forces, as in training, and one of Born charges: derivatives of the solution itself."""
    cell = BOXES[box]
    inputs, r, m, cell = leaves(atoms(cell), moments(oracle, response), cell)
    weights = torch.linspace(-1, 1, r.numel(), dtype=F64).view_as(r)

    def losses(energy, charges, dipoles):
        (forces,) = torch.autograd.grad(energy, r, create_graph=True)
        dipole = (charges @ torch.linspace(0, 1, len(r), dtype=F64)) + dipoles[:, 0].sum()
        (born,) = torch.autograd.grad(dipole, r, create_graph=True)
        return (forces * weights).sum(), (born * weights).sum()

    result = electrostatic_energy(r, m, cell, mutual=MUTUAL, **ACCURACY)
    dense = Dense(oracle, r, m, cell)
    ours = losses(result.energy, result.induced_charges, result.induced_dipoles)
    theirs = losses(dense.energy, dense.charges, dense.dipoles)
    for mine, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-7, atol=1e-8)
        a = torch.autograd.grad(mine, inputs, retain_graph=True, allow_unused=True)
        b = torch.autograd.grad(expected, inputs, retain_graph=True, allow_unused=True)
        for x, y in zip(a, b, strict=True):
            assert (x is None) == (y is None)
            if x is not None:
                mask = y.abs() > 0
                torch.testing.assert_close(x[mask], y[mask], rtol=1e-5, atol=1e-6)


def test_forces_by_differences(oracle):
    cell = BOXES["triclinic"]
    m, r = moments(oracle, "kca"), atoms(cell)
    x = r.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(electrostatic_energy(x, m, cell, mutual=MUTUAL, **ACCURACY).energy, x)
    step = torch.zeros_like(r)
    step[3, 1] = 1e-4
    up, down = (electrostatic_energy(r + s * step, m, cell, mutual=MUTUAL, **ACCURACY).energy for s in (1, -1))
    assert abs(float((up - down) / 2e-4 - gradient[3, 1])) < 1e-6


@pytest.mark.parametrize("groups", (None, torch.tensor([0, 0, 0, 1, 1, 1, 1])))
@pytest.mark.parametrize("box", ("cluster", "cubic"))
def test_total_charge(oracle, box, groups):
    """Charges of a structure or of groups, against Lagrange multipliers."""
    cell = BOXES[box]
    inputs, r, m, cell = leaves(atoms(cell), moments(oracle, "ka"), cell)
    wanted = torch.tensor([1.0], dtype=F64) if groups is None else torch.tensor([1.0, -0.5], dtype=F64)
    result = electrostatic_energy(r, m, cell, mutual=MUTUAL, total_charge=TotalCharge(wanted, groups), **ACCURACY)
    of_atom = torch.zeros(7, dtype=torch.long) if groups is None else groups
    sums = torch.zeros(len(wanted), dtype=F64).index_add(0, of_atom, (m.charges + result.induced_charges).detach())
    torch.testing.assert_close(sums, wanted, rtol=0, atol=1e-12)
    dense = Dense(oracle, r, m, cell, wanted, of_atom)
    torch.testing.assert_close(result.induced_charges, dense.charges, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(result.energy, dense.energy, rtol=1e-9, atol=1e-9)
    for a, b in zip(torch.autograd.grad(result.energy, inputs), torch.autograd.grad(dense.energy, inputs), strict=True):
        mask = b.abs() > 0
        torch.testing.assert_close(a[mask], b[mask], rtol=1e-6, atol=1e-7)


def test_charge_equilibration_of_two_atoms():
    """Two atoms with electronegativities and hardnesses: the charge that flows, in closed form."""
    r = torch.tensor([[0.0, 0, 0], [1.4, 0, 0]], dtype=F64)
    chi, hardness = torch.tensor([2.0, 5.0], dtype=F64), torch.tensor([14.0, 11.0], dtype=F64)
    m = Multipoles(torch.zeros(2, dtype=F64), softness=1 / hardness, electronegativity=chi)
    g = 14.3996454784255 * torch.erf(torch.tensor(1.4 / 2**0.5, dtype=F64)) / 1.4
    for total in (0.0, 1.0):
        wanted = TotalCharge(torch.tensor([total], dtype=F64))
        result = electrostatic_energy(r, m, mutual=MUTUAL, total_charge=wanted)
        q = (chi[1] - chi[0] + total * (hardness[1] - g)) / (hardness.sum() - 2 * g)
        torch.testing.assert_close(result.induced_charges, torch.stack([q, total - q]))
        energy = (chi * result.induced_charges).sum() + (hardness * result.induced_charges**2).sum() / 2
        torch.testing.assert_close(result.energy, energy + g * result.induced_charges.prod())


def test_conductor_screens_a_charge():
    """Atoms with large softness and a given total charge are a metal: one potential on all of them."""
    grid = torch.tensor([[1.6 * x, 1.6 * y, 0.0] for x in range(4) for y in range(4)], dtype=F64)
    r = torch.cat([grid, torch.tensor([[2.4, 2.4, 3.0]], dtype=F64)])
    charges = torch.zeros(17, dtype=F64)
    charges[16] = 1.0
    softness = torch.full((17,), 1 / 15.0, dtype=F64)
    softness[16] = 0.0
    groups = torch.tensor([0] * 16 + [1])
    total = TotalCharge(torch.tensor([0.0, 1.0], dtype=F64), groups)
    m = Multipoles(charges, softness=softness)
    result = electrostatic_energy(r, m, mutual=MUTUAL, total_charge=total)
    dq = result.induced_charges[:16]
    felt = 15.0 * dq + electrostatic_energy(r, Multipoles(charges + result.induced_charges)).potential[:16]
    torch.testing.assert_close(felt, felt[0].expand(16), rtol=1e-9, atol=1e-9)
    assert dq[5] < 0 < dq[0], "negative charge gathers below the positive one"


@pytest.mark.parametrize("box", ("cluster", "cubic"))
def test_field_and_polarizability(oracle, box):
    """alpha_tot in three ways: by `polarizability`, by differences of P, and as second derivative of the energy."""
    cell = BOXES[box]
    m, r = moments(oracle, "ka" if box == "cluster" else "a", neutral=True), atoms(cell)
    total_charge = TotalCharge(torch.zeros(1, dtype=F64)) if box == "cluster" else None
    options = {"mutual": MUTUAL, "total_charge": total_charge, "eps_inf": 1.3, **ACCURACY}
    alpha = polarizability(r, m, cell, **options).value
    direct = polarizability(r, m, cell, eps_inf=1.3).value
    assert (alpha - direct).abs().max() > 1e-2 * direct.abs().max()
    field = torch.zeros(3, dtype=F64, requires_grad=True)
    result = electrostatic_energy(r, m, cell, external_field=field, **options)
    (slope,) = torch.autograd.grad(result.energy, field, create_graph=True)
    P = polarization(r, m, cell, external_field=field, **options).value
    torch.testing.assert_close(-slope, P, rtol=1e-8, atol=1e-8)
    second = torch.stack([torch.autograd.grad(-slope[a], field, retain_graph=True)[0] for a in range(3)])
    torch.testing.assert_close(second, alpha, rtol=1e-7, atol=1e-9)
    for a in range(3):
        step = torch.zeros(3, dtype=F64)
        step[a] = 1e-3
        up, down = (polarization(r, m, cell, external_field=s * step, **options).value for s in (1, -1))
        torch.testing.assert_close((up - down) / 2e-3, alpha[:, a], rtol=1e-6, atol=1e-8)


def test_born_charges_of_a_cluster_are_the_slope_of_the_dipole(oracle):
    m, r = moments(oracle, "ka"), atoms(None)
    born = born_effective_charges(r, m, mutual=MUTUAL).value
    for atom, b in ((0, 0), (4, 2)):
        step = torch.zeros_like(r)
        step[atom, b] = 1e-4
        up, down = (polarization(r + s * step, m, mutual=MUTUAL).value for s in (1, -1))
        torch.testing.assert_close((up - down) / 2e-4, born[atom, :, b], rtol=1e-6, atol=1e-7)


def test_batch_equals_single_structures(oracle):
    cells = torch.stack([BOXES["cubic"], BOXES["triclinic"], BOXES["cubic"]])
    m = moments(oracle, "kca")
    parts = [(atoms(cells[b], seed=b), b < 2) for b in range(3)]
    alone = [
        electrostatic_energy(r, m, cells[b] if box else None, mutual=MUTUAL, **ACCURACY)
        for b, (r, box) in enumerate(parts)
    ]
    flows = m.flows
    together = Multipoles(
        **{name: torch.cat([value] * 3) for name, value in m.members()},
        flows=Flows(
            torch.cat([flows.pairs + 7 * b for b in range(3)], 1),
            *(torch.cat([value] * 3) for value in (flows.vectors, flows.charges, flows.local_charges)),
            torch.cat([flows.conductance] * 3),
        ),
    )
    result = electrostatic_energy(
        torch.cat([r for r, _ in parts]),
        together,
        cells,
        batch=torch.arange(3).repeat_interleave(7),
        pbc=torch.tensor([box for _, box in parts]),
        mutual=MUTUAL,
        **ACCURACY,
    )
    for b, single in enumerate(alone):
        torch.testing.assert_close(result.energy[b], single.energy, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(
            result.induced_dipoles[7 * b : 7 * b + 7], single.induced_dipoles, rtol=1e-7, atol=1e-9
        )


def test_the_error_of_the_energy_is_the_square_of_the_tolerance(oracle):
    m, r = moments(oracle, "ka"), atoms(None)
    exact = electrostatic_energy(r, m, mutual=MUTUAL)
    for tolerance in (1e-2, 1e-4):
        rough = electrostatic_energy(r, m, mutual=Mutual(tolerance))
        scale = float((exact.induced_dipoles).norm())
        assert float((rough.induced_dipoles - exact.induced_dipoles).norm()) < 3 * tolerance * scale
        assert abs(float(rough.energy - exact.energy)) < 10 * tolerance**2 * abs(float(exact.energy))


def test_single_precision(oracle):
    m, r = moments(oracle, "ka"), atoms(BOXES["cubic"])
    exact = electrostatic_energy(r, m, BOXES["cubic"], mutual=MUTUAL)
    single = electrostatic_energy(
        r.float(), m.to(torch.float32), BOXES["cubic"].float(), mutual=Mutual(1e-5), accuracy=1e-5
    )
    torch.testing.assert_close(single.induced_dipoles.double(), exact.induced_dipoles, rtol=1e-4, atol=1e-5)


def test_nothing_to_induce(oracle):
    bare = oracle.random_multipoles(7, "quQ")
    r = atoms(None)
    torch.testing.assert_close(
        electrostatic_energy(r, bare, mutual=MUTUAL).energy, electrostatic_energy(r, bare).energy, rtol=0, atol=0
    )
    none = Multipoles(torch.zeros(7, dtype=F64), polarizability=bare.charges**2)
    assert float(electrostatic_energy(r, none, mutual=MUTUAL).energy) == 0.0


def test_catastrophe_names_the_atoms(oracle):
    r = torch.tensor([[0.0, 0.5, 0], [9.0, 0, 0], [10.2, 0.1, 0], [20.0, 1.0, 0]], dtype=F64)
    alpha = torch.tensor([0.1, 0.9, 0.9, 0.1], dtype=F64)
    charges = torch.tensor([0.5, -0.5, 0.3, -0.3], dtype=F64)
    with pytest.raises(PolarizationCatastrophe, match=r"atoms \[1, 2\]"):
        electrostatic_energy(r, Multipoles(charges, polarizability=alpha), mutual=Mutual())


@pytest.mark.parametrize("response", ("ka", "ca"))
@pytest.mark.parametrize("box", ("cluster", "triclinic"))
def test_smallest_eigenvalue(oracle, box, response):
    """Of 1 + R T, against all eigenvalues of the dense matrix."""
    cell, r = BOXES[box], atoms(BOXES[box])
    for strength in (1.0, 8.0):
        m = moments(oracle, response, strength=strength)
        dense = Dense(oracle, r, m, cell)
        # R^-1 is what is left of the matrix without the interaction: it is block diagonal
        stiffness = dense.matrix - dense.columns.T @ dense.interaction @ dense.columns
        root = torch.linalg.inv(torch.linalg.cholesky(stiffness))
        expected = torch.linalg.eigvalsh(root @ dense.matrix @ root.T)[0]
        induction = Induction(r, m, None if cell is None else cell[None], ElectrostaticPlan(r, cell, **ACCURACY))
        found = smallest_eigenvalue(induction, steps=60)
        torch.testing.assert_close(found, expected[None].detach(), rtol=1e-5, atol=1e-6)
    assert expected < 0, "eight times the response is unstable"


def test_bad_input(oracle):
    m, r = moments(oracle, "ka"), atoms(None)
    with pytest.raises(NoConvergence, match="2 iterations: the residual is"):
        electrostatic_energy(r, m, mutual=Mutual(1e-12, max_iterations=2))
    with pytest.raises(ValueError, match="tolerance is 0"):
        Mutual(0.0)
    with pytest.raises(ValueError, match="max_iterations is 0"):
        Mutual(max_iterations=0)
    wanted = torch.tensor([1.0], dtype=F64)
    with pytest.raises(ValueError, match="total_charge is given; multipoles with softness"):
        electrostatic_energy(r, Multipoles(m.charges), total_charge=TotalCharge(wanted))
    hard = dataclasses.replace(m, softness=0 * m.softness)
    with pytest.raises(ValueError, match=r"is 1\.0 e for group 0, which has .* no softness"):
        electrostatic_energy(r, hard, total_charge=TotalCharge(wanted))
    with pytest.raises(ValueError, match=r"has shape \[2\]; \[1\] is accepted"):
        electrostatic_energy(r, m, total_charge=TotalCharge(wanted.repeat(2)))
    with pytest.raises(ValueError, match=r"groups of total_charge is torch\.float64"):
        electrostatic_energy(r, m, total_charge=TotalCharge(wanted, m.charges))
