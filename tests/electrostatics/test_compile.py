"""torch.compile takes the whole calculation as one graph once the sizes are planned."""

import pytest
import torch

from openmm_polarmp.electrostatics import ElectrostaticPlan, Multipoles, electrostatic_energy


@pytest.mark.parametrize("method", ["direct", "ewald", "pme"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's own compiler
def test_one_graph(oracle, method):
    cell = None if method == "direct" else oracle.cells["triclinic"]
    r = torch.rand(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 6
    # the direct sum unrolls into many small operations, with quadrupoles into too many for a quick test
    rung = "qu+ka" if method == "direct" else "quQ+ka"
    multipoles = oracle.random_multipoles(6, rung)
    names = [name for name, _ in multipoles.members()]
    plan = ElectrostaticPlan(r, cell, method=method, accuracy=1e-3)
    field = torch.tensor([0.1, -0.2, 0.05], dtype=torch.float64)

    def energy(positions, box, *moments):
        m = Multipoles(**dict(zip(names, moments, strict=True)))
        return electrostatic_energy(positions, m, box, plan=plan, external_field=field, eps_inf=1.5).energy

    torch._dynamo.reset()
    compiled = torch.compile(energy, fullgraph=True, backend="aot_eager")  # fullgraph: a break is an error
    values = []
    for function in (compiled, energy):
        leaves, r1, m1, c1 = oracle.leaves(r, multipoles, cell)
        value = function(r1, c1, *(t for _, t in m1.members()))
        values.append((value, *torch.autograd.grad(value, leaves)))
    for got, expected in zip(*values, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-14)
    # other positions and another cell, the same sizes: no new compilation, the right answer
    with torch.compiler.set_stance("fail_on_recompile"):
        moved, box = r + 0.3, None if cell is None else 1.01 * cell
        arguments = moved.requires_grad_(), box, *(t.requires_grad_() for _, t in multipoles.members())
        if box is not None:
            box.requires_grad_()
        torch.testing.assert_close(compiled(*arguments), energy(*arguments), rtol=1e-12, atol=1e-14)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("method", ["direct", "ewald", "pme"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_gpu(oracle, method, dtype):
    """The same numbers as on the CPU, second derivatives too."""
    cell = None if method == "direct" else oracle.cells["triclinic"].to(dtype)
    r = (torch.rand(30, 3, generator=torch.Generator().manual_seed(0)) * 6).to(dtype)
    multipoles = oracle.random_multipoles(30, dtype=dtype)
    values = []
    for device in ("cpu", "cuda"):
        leaves, r1, m1, c1 = oracle.leaves(
            r.to(device), multipoles.to(device), None if cell is None else cell.to(device)
        )
        energy = electrostatic_energy(r1, m1, c1, method=method, accuracy=1e-4).energy
        first = torch.autograd.grad(energy, leaves, create_graph=True)
        second = torch.autograd.grad((first[0] ** 2).sum(), leaves)
        values.append([v.cpu() for v in (energy, *first, *second)])
    tolerance = 1e-9 if dtype == torch.float64 else 1e-3
    for got, expected in zip(*values, strict=True):
        assert (got - expected).norm() <= tolerance * expected.norm()
