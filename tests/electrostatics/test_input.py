"""Bad input: the argument is named, with what came and what is accepted, before anything is computed."""

import math

import pytest
import torch

from openmm_polarmp.electrostatics import (
    ElectrostaticPlan,
    Multipoles,
    born_effective_charges,
    electrostatic_energy,
    polarizability,
)

F64 = torch.float64
CELL = 6.0 * torch.eye(3, dtype=F64)
POSITIONS = torch.rand(5, 3, dtype=F64, generator=torch.Generator().manual_seed(0)) * 6
FLAT = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [1.0, 1.0, 0]], dtype=F64)


def moments(n=5, **members):
    return Multipoles(torch.ones(n, dtype=F64), **members)


def with_nan(*shape):
    value = torch.zeros(*shape, dtype=F64)
    value.view(-1)[-1] = math.nan
    return value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positions": torch.zeros(4, 2)}, r"positions: expected shape \[N, 3\], got \[4, 2\]"),
        ({"positions": POSITIONS.numpy()}, "positions: expected a torch.Tensor"),
        ({"positions": POSITIONS.long()}, "positions: expected float32 or float64"),
        ({"positions": torch.cat([POSITIONS, POSITIONS])}, "multipoles: 5 atoms, but positions has 10"),
        ({"positions": POSITIONS.float()}, "multipoles: torch.float64 on cpu, but positions is torch.float32"),
        ({"positions": with_nan(5, 3)}, "positions: NaN or infinite for atom 4"),
        ({"multipoles": torch.ones(5)}, "multipoles: expected Multipoles, got Tensor"),
        ({"multipoles": moments(dipoles=with_nan(5, 3))}, "dipoles: NaN or infinite for atom 4"),
        ({"multipoles": moments(quadrupoles=with_nan(5, 3, 3))}, "quadrupoles: NaN"),
        ({"multipoles": moments(softness=-torch.ones(5, dtype=F64))}, "softness: -1.0 for atom 0"),
        ({"multipoles": moments(polarizability=-torch.eye(3, dtype=F64).repeat(5, 1, 1))}, "polarizability: -1.0"),
        ({"cell": torch.eye(2, dtype=F64)}, r"cell: expected shape \[3, 3\] or \[B, 3, 3\], got \[2, 2\]"),
        ({"cell": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}, "cell: expected a torch.Tensor, got list"),
        ({"cell": CELL.float()}, "cell: torch.float32 on cpu, but positions is torch.float64"),
        ({"cell": torch.zeros(3, 3, dtype=F64)}, "cell: singular for structure 0"),
        ({"cell": FLAT}, "cell: singular"),
        ({"cell": with_nan(3, 3)}, "cell: NaN or infinite for structure 0"),
        ({"cell": None, "pbc": True}, "cell: None, but pbc has periodic structures"),
        ({"cell": None, "method": "pme"}, "method: 'pme' needs a periodic structure"),
        ({"pbc": torch.tensor([True, True, True])}, "pbc has one bool for each structure, not for each axis"),
        ({"pbc": torch.tensor([1])}, "pbc: expected bools"),
        ({"batch": torch.zeros(4, dtype=torch.long)}, r"batch: expected shape \[5\], got \[4\]"),
        ({"batch": torch.zeros(5)}, "batch: expected a tensor of integers"),
        ({"batch": torch.tensor([0, 0, 0, 0, -1])}, "batch: expected structures 0, 1, ..., got -1"),
        ({"batch": torch.tensor([0, 0, 0, 0, 2]), "cell": CELL.repeat(2, 1, 1)}, "names structure 2, but cell has 2"),
        ({"cell": CELL.repeat(2, 1, 1)}, "disagree on the number of structures"),
        ({"sigma": 0.0}, "sigma: expected a positive finite number, got 0.0"),
        ({"sigma": math.inf}, "sigma"),
        ({"sigma": "1"}, "sigma: expected a number, got str"),
        ({"k_max": -1.0}, "k_max"),
        ({"accuracy": 2.0}, "accuracy: expected 1e-14 to 0.1, got 2"),
        ({"accuracy": 0.0}, "accuracy"),
        ({"accuracy": 1e-9, "method": "pme"}, "accuracy: the mesh reaches 1e-07, got 1e-09"),
        ({"method": "magic"}, "method: expected one of auto, direct, ewald, pme, got 'magic'"),
        ({"method": "direct"}, "method: 'direct' sums the pairs of clusters"),
        ({"external_field": torch.ones(2)}, r"external_field: expected shape \[3\]"),
        ({"external_field": torch.tensor([math.nan, 0, 0])}, "external_field: NaN or infinite"),
        ({"eps_inf": -1.0}, "eps_inf: expected positive finite numbers, got -1.0"),
        ({"eps_inf": torch.ones(3)}, "eps_inf: expected a number or shape"),
    ],
)
def test_bad_input(change, message):
    arguments = {"positions": POSITIONS, "multipoles": moments(), "cell": CELL, **change}
    positions, multipoles = arguments.pop("positions"), arguments.pop("multipoles")
    with pytest.raises((ValueError, TypeError), match=message):
        electrostatic_energy(positions, multipoles, **arguments)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"charges": torch.ones(3, 2)}, r"charges: expected shape \[N\] or \[N, 1\], got \[3, 2\]"),
        ({"charges": [1.0]}, "charges: expected a torch.Tensor"),
        ({"charges": torch.ones(3, dtype=torch.long)}, "charges: expected a floating point tensor"),
        ({"dipoles": torch.ones(4, 3)}, "dipoles: 4 atoms, but charges has 3"),
        ({"dipoles": torch.ones(3)}, r"dipoles: expected shape \[3, 3\], got \[3\]"),
        ({"quadrupoles": torch.ones(3, 9)}, r"quadrupoles: expected shape \[3, 3, 3\]"),
        ({"softness": torch.ones(3, 3)}, r"softness: expected shape \[N\] or \[N, 1\]"),
        ({"polarizability": torch.ones(3, 6)}, r"polarizability: expected shape \[N\] or \[N, 1\] or \[N, 3, 3\]"),
        ({"dipoles": torch.ones(3, 3, dtype=F64)}, "dipoles: torch.float64 on cpu, but charges is torch.float32"),
    ],
)
def test_bad_multipoles(members, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Multipoles(**{"charges": torch.ones(3), **members})


def test_plan_is_for_its_sizes():
    plan = ElectrostaticPlan(POSITIONS, CELL)
    with pytest.raises(ValueError, match="plan: made for 5 atoms"):
        electrostatic_energy(POSITIONS[:4], moments(4), CELL, plan=plan)
    with pytest.raises(ValueError, match="cell: None, but the plan has periodic structures"):
        electrostatic_energy(POSITIONS, moments(), plan=plan)
    with pytest.raises(ValueError, match="cell: 2 cells, but the plan has 1"):
        electrostatic_energy(POSITIONS, moments(), CELL.repeat(2, 1, 1), plan=plan)
    with pytest.raises(ValueError, match="plan: has its own sigma, method"):
        electrostatic_energy(POSITIONS, moments(), CELL, sigma=2.0, method="pme", plan=plan)


def test_responses_check_too():
    with pytest.raises(ValueError, match="positions"):
        born_effective_charges(POSITIONS[:, :2], moments())
    with pytest.raises(TypeError, match="unexpected"):
        born_effective_charges(POSITIONS, moments(), colour="red")
    with pytest.raises(ValueError, match="eps_inf"):
        polarizability(POSITIONS, moments(), eps_inf=0.0)
