"""The potential of TorchSim against the calculator of ASE, and in TorchSim's own integrator and optimizer."""

import importlib
import importlib.util
import sys
import warnings

import ase
import numpy as np
import pytest
import torch
from support.hosts import hosted_model
from support.models import tiny_model
from support.pages import run_code
from support.water import water

from openmm_polarmp.ase import PolarMPCalculator

if importlib.util.find_spec("torch_sim") is None:
    pytest.skip("TorchSim is not installed", allow_module_level=True)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # older versions of TorchSim use TorchScript
    import torch_sim as ts

from openmm_polarmp.engines.torchsim import TorchSimModel

CPU = torch.device("cpu")
TRICLINIC = np.array([[6.2, 0.1, -0.2], [3.4, 6.1, 0.3], [-2.5, 3.3, 6.4]])


def boxes():
    """Two boxes of different size and shape."""
    structures = []
    for molecules, cell in ((8, TRICLINIC), (6, np.diag([6.2, 6.3, 6.4]))):
        positions = 10 * water(molecules, seed=molecules)[1]
        structures.append(ase.Atoms("OH2" * molecules, positions @ (cell / 6.2), cell=cell, pbc=True))
    return structures


def clusters():
    return [ase.Atoms("OH2" * n, 10 * water(n, periodic=False, seed=n)[1]) for n in (3, 2)]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("model") / "tiny.polarmp"
    tiny_model().double().save(file)
    return file


def state_of(structures, dtype=torch.float64):
    return ts.io.atoms_to_state(structures, CPU, dtype)


@pytest.mark.parametrize("make", [boxes, clusters])
def test_a_batch_equals_the_calculator_of_ase(path, make):
    structures = make()
    result = TorchSimModel(path, accuracy=1e-8)(state_of(structures))
    first = 0
    for i, atoms in enumerate(structures):
        atoms.calc = PolarMPCalculator(path, platform="Reference", accuracy=1e-8)
        mine = slice(first, first + len(atoms))
        first += len(atoms)
        assert float(result["energy"][i]) == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
        np.testing.assert_allclose(result["forces"][mine], atoms.get_forces(), atol=1e-6)
        np.testing.assert_allclose(result["partial_charges"][mine], atoms.get_charges(), atol=1e-7)
        if atoms.pbc.all():
            np.testing.assert_allclose(result["stress"][i], atoms.get_stress(voigt=False), atol=1e-8)
        else:
            assert not result["stress"][i].any()


def test_charges_and_dipoles_of_the_atoms_make_the_dipole(tmp_path):
    """In a model without softness, whose induced charges would count from another origin."""
    file = tmp_path / "dipoles.polarmp"
    tiny_model(rung="quQ+a").double().save(file)
    atoms = clusters()[0]
    result = TorchSimModel(file, eps_inf=1.7)(state_of([atoms]))
    atoms.calc = PolarMPCalculator(file, eps_inf=1.7)
    dipole = result["partial_charges"] @ torch.tensor(atoms.positions) + result["atomic_dipoles"].sum(0)
    np.testing.assert_allclose(dipole, atoms.get_dipole_moment(), atol=1e-6)


def test_code_of_the_page():
    """From docs/use-in-your-own-code.md."""
    results = run_code("use-in-your-own-code.md", "TorchSim")["results"]
    assert results["energy"].shape == (2,) and results["forces"].shape == (6, 3)


def test_a_model_with_a_host():
    model = hosted_model("toy")
    structures = clusters()
    result = TorchSimModel(model)(state_of(structures))
    for i, atoms in enumerate(structures):
        energy = model.evaluate(torch.tensor(atoms.positions), torch.tensor(atoms.numbers)).energy
        assert float(result["energy"][i]) == pytest.approx(float(energy.detach()), abs=1e-8)


def test_total_charges(path):
    atoms = clusters()[0]
    charged = TorchSimModel(path, total_charge=-1.0, eps_inf=1.0)(state_of([atoms]))
    atoms.calc = PolarMPCalculator(path, charge=-1.0)
    assert float(charged["energy"][0]) == pytest.approx(atoms.get_potential_energy(), abs=1e-5)


def test_single_precision(path):
    double = TorchSimModel(path)(state_of(boxes()))
    single = TorchSimModel(path, dtype=torch.float32)(state_of(boxes(), torch.float32))
    assert all(value.dtype == torch.float32 for value in single.values())
    for name, value in double.items():
        np.testing.assert_allclose(single[name], value, atol=3e-5 * float(value.abs().max()), err_msg=name)


def test_what_is_not_asked_for_is_not_computed(path):
    model = TorchSimModel(path, compute_forces=False, compute_stress=False)
    assert {"forces", "stress"}.isdisjoint(model(state_of(clusters())))
    model.compute_stress = True
    assert "stress" in model(state_of(boxes())) and "forces" not in model(state_of(boxes()))


def test_interface_as_torchsim_checks_it(tmp_path):
    """With TorchSim's own validator, whose structures are of silicon, iron and others."""
    from torch_sim.models.interface import validate_model_outputs

    file = tmp_path / "metals.polarmp"
    tiny_model(species=(1, 6, 12, 14, 26), rung="qu").double().save(file)
    validate_model_outputs(TorchSimModel(file), CPU, torch.float64)


def test_dynamics_conserve_the_energy(path):
    """Both structures of a batch, over 50 steps of 0.5 fs."""
    model = TorchSimModel(path, compute_stress=False)
    state = state_of(clusters())
    energies = []

    def total(state, *_):
        kinetic = ts.quantities.calc_kinetic_energy(
            masses=state.masses, momenta=state.momenta, system_idx=state.system_idx
        )
        energies.append((state.energy + kinetic).numpy())

    dt = torch.tensor(0.0005 * ts.units.MetalUnits.time, dtype=torch.float64)
    kT = torch.tensor(100 * ts.units.MetalUnits.temperature, dtype=torch.float64)
    if hasattr(ts, "nve_init"):
        state = ts.nve_init(state=state, model=model, kT=kT)
        step = ts.nve_step
    else:
        init, update = ts.integrators.nve(model=model, dt=dt, kT=kT)
        state, step = init(state), None
    for _ in range(50):
        state = step(state=state, model=model, dt=dt) if step is not None else update(state)
        total(state)
    energies = np.array(energies)
    assert energies.shape == (50, 2)
    assert np.ptp(energies, axis=0).max() < 1e-3


def test_partial_periodicity_is_refused(path):
    state = state_of(boxes())
    state.pbc = torch.tensor([True, True, False])
    with pytest.raises(ValueError, match=r"pbc is .*all three axes or none are accepted"):
        TorchSimModel(path)(state)


def test_other_dtypes_are_refused(path):
    with pytest.raises(ValueError, match=r"dtype is torch\.float16; .* are accepted"):
        TorchSimModel(path, dtype=torch.float16)


def test_error_without_torchsim(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_sim.models.interface", None)
    monkeypatch.delitem(sys.modules, "openmm_polarmp.engines.torchsim")
    with pytest.raises(ImportError, match=r"pip install 'openmm-polarmp\[torchsim\]'"):
        importlib.import_module("openmm_polarmp.engines.torchsim")
