"""The add-ons for MACE and NequIP on the page 'Use it in your own code', in these packages' own calculators."""

import pytest
import torch
from support.calculators import check_derivatives, structures
from support.hosts import hosted, require
from support.pages import run_code
from support.processes import run_python

from openmm_polarmp.electrostatics import Multipoles, electrostatic_energy

PAGE = "use-in-your-own-code.md"


def test_plain_torch():
    names = run_code(PAGE, "The electrostatics as a function")
    assert names["result"].energy.shape == (2,)
    assert names["positions"].grad.abs().max() > 0 and names["charges"].grad.abs().max() > 0


@pytest.mark.filterwarnings("ignore")
def test_charges_in_mace():
    require("mace")
    from mace.calculators import MACECalculator

    names = run_code(PAGE, "In MACE")
    mace = hosted("mace").host.network
    torch.manual_seed(0)
    model = names["MACEWithCharges"](mace).requires_grad_(False)
    plain = MACECalculator(models=[mace], device="cpu", default_dtype="float64")
    calculator = MACECalculator(models=[model], device="cpu", default_dtype="float64")
    for atoms in structures():
        atoms.calc = calculator
        batch = calculator._atoms_to_batch(atoms)
        charges = model(batch.to_dict())["charges"]
        assert charges.abs().max() > 0.01 and abs(charges.sum()) < 1e-12
        cell = torch.tensor(atoms.cell.array) if atoms.pbc.all() else None
        added = electrostatic_energy(torch.tensor(atoms.positions), Multipoles(charges.detach()), cell).energy
        short = atoms.copy()
        short.calc = plain
        energy = short.get_potential_energy() + float(added)
        assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-8)
        check_derivatives(atoms)


# In a process of its own: the framework's builders change torch's default precision and seed its random numbers.
NEQUIP = """
    import warnings
    warnings.simplefilter("ignore")
    import numpy as np, torch
    from nequip.data import AtomicDataDict
    from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform
    from nequip.integrations.ase import NequIPCalculator
    from nequip.utils.global_state import set_global_state
    from openmm_polarmp.electrostatics import Multipoles, electrostatic_energy
    from support.pages import run_code
    from support.calculators import check_derivatives, structures

    set_global_state()
    names = run_code("use-in-your-own-code.md", "In NequIP")
    settings = dict(seed=1, model_dtype="float64", r_max=4.0, type_names=["H", "O"], l_max=1, num_layers=2,
                    num_features=6, radial_mlp_depth=1, radial_mlp_width=8, avg_num_neighbors=7.5,
                    per_type_energy_scales=0.7, per_type_energy_shifts={"H": -13.5, "O": -2042.0})
    transforms = [ChemicalSpeciesToAtomTypeMapper(model_type_names=["H", "O"]), NeighborListTransform(r_max=4.0)]
    both = [build(**settings) for build in (names["NequIPGNNModel"], names["NequIPWithCharges"])]
    both[1].load_state_dict(both[0].state_dict(), strict=False)
    both[1].model.func.charges.charges.weight.data *= 30
    plain, calculator = (NequIPCalculator(model.eval(), "cpu", transforms=transforms) for model in both)
    seen = []
    both[1].model.func.charges.register_forward_hook(lambda m, i, out: seen.append(out[AtomicDataDict.CHARGE_KEY].detach()))
    for atoms in structures():
        atoms.calc = calculator
        energy = atoms.get_potential_energy()
        charges = seen[-1][:, 0]
        assert charges.abs().max() > 0.01 and abs(charges.sum()) < 1e-12, charges
        cell = torch.tensor(atoms.cell.array) if atoms.pbc.all() else None
        added = electrostatic_energy(torch.tensor(atoms.positions), Multipoles(charges), cell).energy
        short = atoms.copy()
        short.calc = plain
        assert abs(energy - short.get_potential_energy() - float(added)) < 1e-7
        check_derivatives(atoms)
    print("equal")
"""


def test_charges_in_nequip():
    require("nequip")
    process = run_python(NEQUIP, options=("-W", "ignore"))
    assert "equal" in process.stdout, process.stderr
