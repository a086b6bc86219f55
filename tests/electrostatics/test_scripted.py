"""The electrostatics in TorchScript have the energy and the derivatives of `electrostatic_energy`."""

import io

import pytest
import torch

from openmm_polarmp.electrostatics import electrostatic_energy
from openmm_polarmp.electrostatics.scripted import ScriptedElectrostatics, reduced_cell

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


def script(**options):
    """Compiled, written and read again, as an engine has it."""
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(ScriptedElectrostatics(1.0, 1e-7, **options)), file)
    file.seek(0)
    return torch.jit.load(file)


@pytest.mark.parametrize(
    ("kind", "rung", "k_max"),
    [
        ("cluster", "quQ+ka", None),
        ("strongly triclinic", "quQ+ka", None),
        ("triclinic", "qu", 2.5),
        ("left-handed", "q+k", None),
    ],
)
def test_equals_the_eager_energy(oracle, kind, rung, k_max):
    cell = oracle.cells.get(kind)
    r = torch.rand(12, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 9 - 2
    multipoles = oracle.random_multipoles(12, rung)
    module = script(k_max=k_max, quadrupoles="Q" in rung, response="+" in rung)
    values = []
    for scripted in (False, True, True):  # TorchScript optimizes after its first call
        leaves, positions, moments, box = oracle.leaves(r, multipoles, cell)
        if scripted:
            unused = torch.eye(3, dtype=torch.float64)
            energy = module(positions, unused if box is None else box, box is not None, dict(moments.members()))
        else:
            method = "direct" if box is None else "pme"
            energy = electrostatic_energy(positions, moments, box, method=method, accuracy=1e-7, k_max=k_max).energy
        values.append((energy, *torch.autograd.grad(energy, leaves)))
    for other in values[1:]:
        for a, b in zip(values[0], other, strict=True):
            torch.testing.assert_close(b, a, rtol=1e-9, atol=1e-9)


def test_isotropic_polarizabilities(oracle):
    r = torch.rand(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 5
    multipoles = oracle.random_multipoles(5, "qu+a", tensor=False)
    module = script(quadrupoles=False, response=True)
    energy = module(r, torch.eye(3, dtype=torch.float64), False, dict(multipoles.members()))
    torch.testing.assert_close(energy, electrostatic_energy(r, multipoles).energy)


def test_short_vectors_of_the_same_lattice(oracle):
    for cell in oracle.cells.values():
        short = reduced_cell(cell)
        integers = short @ torch.linalg.inv(cell)
        torch.testing.assert_close(integers, integers.round(), atol=1e-9, rtol=0)
        assert integers.det().abs() == pytest.approx(1)
        assert short.norm(dim=1).max() <= 1.01 * cell.norm(dim=1).max()
    assert reduced_cell(oracle.cells["strongly triclinic"]).norm(dim=1).max() < 10
