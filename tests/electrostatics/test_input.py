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
        ({"positions": torch.zeros(4, 2)}, r"positions has shape \[4, 2\]; \[N, 3\] is accepted"),
        ({"positions": POSITIONS.numpy()}, "positions is of type ndarray; a torch.Tensor"),
        ({"positions": POSITIONS.long()}, "positions is torch.int64; torch.float32 and torch.float64"),
        ({"positions": torch.cat([POSITIONS, POSITIONS])}, "multipoles has 5 atoms; 10, as positions has"),
        ({"positions": POSITIONS.float()}, "multipoles is torch.float64 on cpu; torch.float32 on cpu, as positions is"),
        ({"positions": with_nan(5, 3)}, "positions is NaN or infinite for atom 4"),
        ({"multipoles": torch.ones(5)}, "multipoles is of type Tensor; Multipoles is accepted"),
        ({"multipoles": moments(dipoles=with_nan(5, 3))}, "dipoles is NaN or infinite for atom 4"),
        ({"multipoles": moments(quadrupoles=with_nan(5, 3, 3))}, "quadrupoles is NaN"),
        ({"multipoles": moments(softness=-torch.ones(5, dtype=F64))}, "softness is -1.0 for atom 0"),
        ({"multipoles": moments(polarizability=-torch.eye(3, dtype=F64).repeat(5, 1, 1))}, "polarizability is -1.0"),
        ({"cell": torch.eye(2, dtype=F64)}, r"cell has shape \[2, 2\]; \[3, 3\] and \[B, 3, 3\] are accepted"),
        ({"cell": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}, "cell is of type list; a torch.Tensor is accepted"),
        ({"cell": CELL.float()}, "cell is torch.float32 on cpu; torch.float64 on cpu, as positions is"),
        ({"cell": torch.zeros(3, 3, dtype=F64)}, "cell is .*, singular, for structure 0"),
        ({"cell": FLAT}, "cell is .*, singular"),
        ({"cell": with_nan(3, 3)}, "cell is NaN or infinite for structure 0"),
        ({"cell": None, "pbc": True}, "cell is None and pbc has periodic structures"),
        ({"cell": None, "method": "pme"}, "method is 'pme'; 'direct' is accepted"),
        ({"pbc": torch.tensor([True, True, True])}, "pbc has one bool for each structure, not for each axis"),
        ({"pbc": torch.tensor([1])}, "pbc is torch.int64 .*; bools"),
        ({"batch": torch.zeros(4, dtype=torch.long)}, r"batch has shape \[4\]; \[5\] is accepted"),
        ({"batch": torch.zeros(5)}, "batch is torch.float32; torch.int32 and torch.int64"),
        ({"batch": torch.tensor([0, 0, 0, 0, -1])}, "batch has the structure -1; structures 0, 1, ..."),
        (
            {"batch": torch.tensor([0, 0, 0, 0, 2]), "cell": CELL.repeat(2, 1, 1)},
            "batch has the structure 2, but cell has 2",
        ),
        ({"cell": CELL.repeat(2, 1, 1)}, "numbers of structures differ"),
        ({"sigma": 0.0}, "sigma is 0.0; a positive finite number"),
        ({"sigma": math.inf}, "sigma"),
        ({"sigma": "1"}, "sigma is of type str; a number"),
        ({"k_max": -1.0}, "k_max"),
        ({"accuracy": 2.0}, "accuracy is 2; 1e-14 to 0.1"),
        ({"accuracy": 0.0}, "accuracy"),
        ({"accuracy": 1e-9, "method": "pme"}, "accuracy is 1e-09; at least 1e-07"),
        ({"method": "magic"}, "method is 'magic'; 'auto', 'direct', 'ewald', 'pme' are accepted"),
        ({"method": "direct"}, "method is 'direct', a sum over pairs"),
        ({"external_field": torch.ones(2)}, r"external_field has shape \[2\]; \[3\]"),
        ({"external_field": torch.tensor([math.nan, 0, 0])}, "external_field is .*; finite numbers"),
        ({"eps_inf": -1.0}, "eps_inf is -1.0; positive finite numbers"),
        ({"eps_inf": torch.ones(3)}, "eps_inf has shape"),
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
        ({"charges": torch.ones(3, 2)}, r"charges has shape \[3, 2\]; \[N\] and \[N, 1\] are accepted"),
        ({"charges": [1.0]}, "charges is of type list; a torch.Tensor"),
        ({"charges": torch.ones(3, dtype=torch.long)}, "charges is torch.int64; floating point tensors"),
        ({"dipoles": torch.ones(4, 3)}, "dipoles has 4 atoms; 3, as charges has"),
        ({"dipoles": torch.ones(3)}, r"dipoles has shape \[3\]; \[3, 3\] is accepted"),
        ({"quadrupoles": torch.ones(3, 9)}, r"quadrupoles has shape \[3, 9\]; \[3, 3, 3\]"),
        ({"softness": torch.ones(3, 3)}, r"softness has shape \[3, 3\]; \[N\] and \[N, 1\]"),
        (
            {"polarizability": torch.ones(3, 6)},
            r"polarizability has shape \[3, 6\]; \[N\], \[N, 1\] and \[N, 3, 3\]",
        ),
        (
            {"dipoles": torch.ones(3, 3, dtype=F64)},
            "dipoles is torch.float64 on cpu; torch.float32 on cpu, as charges is",
        ),
    ],
)
def test_bad_multipoles(members, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Multipoles(**{"charges": torch.ones(3), **members})


def test_plan_is_for_its_sizes():
    plan = ElectrostaticPlan(POSITIONS, CELL)
    with pytest.raises(ValueError, match=r"positions has 4 atoms, .*; 5 atoms"):
        electrostatic_energy(POSITIONS[:4], moments(4), CELL, plan=plan)
    with pytest.raises(ValueError, match="cell is None; a plan with periodic structures"):
        electrostatic_energy(POSITIONS, moments(), plan=plan)
    with pytest.raises(ValueError, match="cell has 2 cells; 1, as the plan has"):
        electrostatic_energy(POSITIONS, moments(), CELL.repeat(2, 1, 1), plan=plan)
    with pytest.raises(ValueError, match=r"sigma is 2.0; with a plan"):
        electrostatic_energy(POSITIONS, moments(), CELL, sigma=2.0, method="pme", plan=plan)


def test_responses_check_too():
    with pytest.raises(ValueError, match="positions"):
        born_effective_charges(POSITIONS[:, :2], moments())
    with pytest.raises(TypeError, match="unexpected"):
        born_effective_charges(POSITIONS, moments(), colour="red")
    with pytest.raises(ValueError, match="eps_inf"):
        polarizability(POSITIONS, moments(), eps_inf=0.0)
