"""The potential of nvalchemi-toolkit against the calculator of ASE, in nvalchemi's own integrator and pipeline."""

import importlib
import importlib.util
import sys
import warnings

import ase
import numpy as np
import pytest
import torch
from support.models import tiny_model
from support.pages import run_code
from support.water import water

from openmm_polarmp.ase import PolarMPCalculator

if importlib.util.find_spec("nvalchemi") is None:
    pytest.skip("nvalchemi-toolkit is not installed", allow_module_level=True)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from nvalchemi.data import AtomicData, Batch
    from nvalchemi.dynamics import NVE

    from openmm_polarmp.engines.nvalchemi import NvalchemiModel

pytestmark = pytest.mark.filterwarnings("ignore")
TRICLINIC = np.array([[6.2, 0.1, -0.2], [3.4, 6.1, 0.3], [-2.5, 3.3, 6.4]])
CLUSTER = ase.Atoms("OH2" * 3, 10 * water(3, periodic=False, seed=3)[1])
BOX = ase.Atoms("OH2" * 8, 10 * water(8, seed=8)[1] @ (TRICLINIC / 6.2), cell=TRICLINIC, pbc=True)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("model") / "tiny.polarmp"
    tiny_model().double().save(file)
    return file


def batch_of(*structures, charges=None, **extra):
    """A batch in float64."""
    data = []
    for i, atoms in enumerate(structures):
        n = len(atoms)
        data.append(
            AtomicData(
                positions=torch.tensor(atoms.positions),
                atomic_numbers=torch.tensor(atoms.numbers),
                cell=torch.tensor(atoms.cell.array)[None],
                pbc=torch.tensor(atoms.pbc)[None],
                charge=torch.full((1, 1), 0.0 if charges is None else charges[i], dtype=torch.float64),
                velocities=torch.zeros(n, 3, dtype=torch.float64),
                forces=torch.zeros(n, 3, dtype=torch.float64),
                energy=torch.zeros(1, 1, dtype=torch.float64),
            )
        )
    return Batch.from_data_list(data)


def test_a_box_and_a_cluster_equal_the_calculator_of_ase(path):
    model = NvalchemiModel(path, accuracy=1e-8)
    model.set_config("active_outputs", {"energy", "forces", "stress", "charges"})
    result = model(batch_of(BOX, CLUSTER, charges=[0.0, -1.0]))
    first = 0
    for i, (atoms, charge) in enumerate(((BOX.copy(), 0), (CLUSTER.copy(), -1))):
        atoms.calc = PolarMPCalculator(path, platform="Reference", accuracy=1e-8, charge=charge)
        mine = slice(first, first + len(atoms))
        first += len(atoms)
        assert float(result["energy"][i, 0]) == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
        np.testing.assert_allclose(result["forces"][mine], atoms.get_forces(), atol=1e-6)
        np.testing.assert_allclose(result["charges"][mine], atoms.get_charges(), atol=1e-7)
        if atoms.pbc.all():
            np.testing.assert_allclose(result["stress"][i], atoms.get_stress(voigt=False), atol=1e-8)


def test_code_of_the_page():
    """From docs/use-in-your-own-code.md."""
    results = run_code("use-in-your-own-code.md", "nvalchemi-toolkit")["results"]
    assert results["energy"].shape == (2, 1) and results["forces"].shape == (6, 3)


def test_a_single_structure_without_a_box(path):
    data = AtomicData(positions=torch.tensor(CLUSTER.positions), atomic_numbers=torch.tensor(CLUSTER.numbers))
    result = NvalchemiModel(path)(data)
    assert set(result) == {"energy", "forces"}
    torch.testing.assert_close(result["forces"], NvalchemiModel(path)(batch_of(CLUSTER))["forces"])


def test_dynamics_conserve_the_energy(path):
    model, batch, energies = NvalchemiModel(path), batch_of(CLUSTER, BOX), []
    dynamics = NVE(model, dt=0.5)
    batch.forces.copy_(model(batch)["forces"])
    for _ in range(40):
        batch, _ = dynamics.step(batch)
        masses = batch.atomic_masses[:, None]
        kinetic = torch.zeros(2, dtype=torch.float64).index_add(
            0, batch.batch_idx.long(), (0.5 * masses * batch.velocities**2).sum(1)
        )
        energies.append(batch.energy[:, 0] + kinetic)
    energies = torch.stack(energies[1:])
    assert kinetic.min() > 1e-3
    assert (energies.max(0).values - energies.min(0).values).max() < 0.02 * kinetic.max()


def test_sum_with_another_model(path):
    model = NvalchemiModel(path)
    both = (model + NvalchemiModel(path))(batch_of(CLUSTER))
    one = model(batch_of(CLUSTER))
    for name in ("energy", "forces"):
        torch.testing.assert_close(both[name], 2 * one[name])


def test_partial_periodicity_is_refused(path):
    atoms = BOX.copy()
    atoms.pbc = (True, True, False)
    with pytest.raises(ValueError, match=r"pbc is .*all three axes or none are accepted"):
        NvalchemiModel(path)(batch_of(atoms))


def test_error_without_nvalchemi(monkeypatch):
    monkeypatch.setitem(sys.modules, "nvalchemi.models.base", None)
    monkeypatch.delitem(sys.modules, "openmm_polarmp.engines.nvalchemi")
    with pytest.raises(ImportError, match=r"pip install 'openmm-polarmp\[nvalchemi\]'"):
        importlib.import_module("openmm_polarmp.engines.nvalchemi")
