"""Files of metatomic against the calculator of ASE, in metatomic's own calculator and in i-PI's driver."""

import importlib
import importlib.util
import sys
import warnings

import ase
import ase.units
import numpy as np
import pytest
import torch
from support.models import tiny_model
from support.water import water

from openmm_polarmp.ase import PolarMPCalculator
from openmm_polarmp.cli import main

if importlib.util.find_spec("metatomic") is None:
    pytest.skip("metatomic-torch is not installed", allow_module_level=True)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # metatomic uses TorchScript, which torch deprecates
    from metatomic import torch as metatomic
    from metatomic_ase import MetatomicCalculator
    from vesin.metatomic import neighbor_lists_for_model

    from openmm_polarmp.engines.metatomic import export_metatomic

pytestmark = pytest.mark.filterwarnings("ignore")
TRICLINIC = np.array([[6.2, 0.1, -0.2], [3.4, 6.1, 0.3], [-2.5, 3.3, 6.4]])


def box(cell=TRICLINIC):
    return ase.Atoms("OH2" * 8, 10 * water(8, seed=8)[1] @ (cell / 6.2), cell=cell, pbc=True)


def cluster():
    return ase.Atoms("OH2" * 3, 10 * water(3, periodic=False, seed=3)[1])


def export(folder, precision="double", accuracy=1e-7, **options):
    """Paths of a model file and of the file for metatomic."""
    model = tiny_model(**options).double()
    model.save(folder / "tiny.polarmp")
    export_metatomic(model, folder / "tiny.pt", precision=precision, accuracy=accuracy)
    return folder / "tiny.polarmp", folder / "tiny.pt"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return export(tmp_path_factory.mktemp("files"))


def agree(files, atoms, tolerance=1e-6):
    """Energy, forces and stress of both calculators."""
    model, file = files
    atoms.calc = PolarMPCalculator(model, platform="Reference", accuracy=1e-8)
    copy = atoms.copy()
    copy.calc = MetatomicCalculator(file, device="cpu")
    for _ in range(2):  # TorchScript optimizes after its first call
        copy.calc.reset()
        assert copy.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=tolerance)
        np.testing.assert_allclose(copy.get_forces(), atoms.get_forces(), atol=tolerance)
    if atoms.pbc.all():
        np.testing.assert_allclose(copy.get_stress(), atoms.get_stress(), atol=tolerance)


@pytest.mark.parametrize("atoms", [box(), box(TRICLINIC[[1, 0, 2]]), cluster()], ids=["box", "left-handed", "cluster"])
def test_equals_the_calculator(files, atoms):
    agree(files, atoms)


def test_atoms_without_neighbors(files):
    agree(files, ase.Atoms("OH", [[0, 0, 0], [0, 0, 5.0]]))
    agree(files, ase.Atoms("O"))


def test_short_range_model_in_single_precision(tmp_path):
    files = export(tmp_path, precision="single", rung="sr")
    agree(files, cluster(), 1e-5)
    loaded = metatomic.load_atomistic_model(str(files[1]))
    assert loaded.capabilities().interaction_range == 7.0


def test_total_charge_and_metadata(tmp_path):
    model = tiny_model(rung="qu").double()
    model.licence = "CC0"
    model.save(tmp_path / "tiny.polarmp")
    file = tmp_path / "anion.pt"
    export_metatomic(model, file, total_charge=-1.0, precision="double")
    atoms = cluster()
    atoms.calc = PolarMPCalculator(tmp_path / "tiny.polarmp", charge=-1.0)
    charged = cluster()
    charged.calc = MetatomicCalculator(file, device="cpu")
    assert charged.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    loaded = metatomic.load_atomistic_model(str(file))
    assert loaded.capabilities().interaction_range == float("inf")
    assert "licence of the weights: CC0" in loaded.metadata().description


def systems_of(model, structures, length=1.0):
    """For metatomic, in units of which an A has ``length``."""
    systems = []
    for atoms in structures:
        cell = torch.tensor(atoms.cell.array * length)
        positions = torch.tensor(atoms.positions * length)
        pbc = torch.tensor(atoms.pbc)
        systems.append(metatomic.System(torch.tensor(atoms.numbers, dtype=torch.int32), positions, cell, pbc))
        for neighbors in neighbor_lists_for_model("Angstrom" if length == 1.0 else "nm", model):
            neighbors.add_neighbor_list(systems[-1])
    return systems


def test_units_of_an_engine_and_several_structures(files):
    """An engine that asks for kJ/mol and passes nm, as GROMACS does."""
    model = metatomic.load_atomistic_model(str(files[1]))
    options = metatomic.ModelEvaluationOptions("nm", {"energy": metatomic.ModelOutput(unit="kJ/mol")})
    structures = [box(), cluster()]
    result = model(systems_of(model, structures, 0.1), options, check_consistency=True)
    for atoms, energy in zip(structures, result["energy"].block().values, strict=True):
        atoms.calc = PolarMPCalculator(files[0])
        in_ev = float(energy) * (ase.units.kJ / ase.units.mol)
        assert in_ev == pytest.approx(atoms.get_potential_energy(), abs=1e-4)


def test_driver_of_ipi(files, tmp_path, monkeypatch):
    """Through i-PI's own atomic units."""
    driver = pytest.importorskip("ipi.pes.metatomic", reason="i-PI is not installed").MetatomicDriver
    from ipi.utils.units import unit_to_internal, unit_to_user

    atoms = box()
    atoms.write(tmp_path / "template.xyz")
    engine = driver(template=str(tmp_path / "template.xyz"), model=str(files[1]))
    cell = unit_to_internal("length", "angstrom", atoms.cell.array.T)
    energy, forces, virial, _ = engine(cell, unit_to_internal("length", "angstrom", atoms.positions))
    atoms.calc = PolarMPCalculator(files[0], platform="Reference", accuracy=1e-8)
    assert unit_to_user("energy", "electronvolt", float(energy)) == pytest.approx(
        atoms.get_potential_energy(), abs=1e-5
    )
    np.testing.assert_allclose(unit_to_user("force", "ev/ang", forces), atoms.get_forces(), atol=1e-6)
    stress = -unit_to_user("energy", "electronvolt", virial) / atoms.get_volume()
    np.testing.assert_allclose(stress, atoms.get_stress(voigt=False), atol=1e-6)


def evaluate(files, atoms, output):
    model = metatomic.load_atomistic_model(str(files[1]))
    options = metatomic.ModelEvaluationOptions("Angstrom", {"energy": output})
    return model(systems_of(model, [atoms]), options, check_consistency=False)


def test_what_is_refused(files, tmp_path):
    with pytest.raises(Exception, match="energy is asked for each atom; that of whole systems is accepted"):
        evaluate(files, cluster(), metatomic.ModelOutput(unit="eV", sample_kind="atom"))
    slab = box()
    slab.pbc = (True, True, False)
    slab.cell[2] = 0
    with pytest.raises(Exception, match="all three axes or none are accepted"):
        evaluate(files, slab, metatomic.ModelOutput(unit="eV"))
    with pytest.raises(ValueError, match="self-consistent"):
        export_metatomic(tiny_model(rung="qeq"))


def test_command(files, tmp_path, capsys):
    out = tmp_path / "out.pt"
    assert main(["export", "--metatomic", str(files[0]), str(out), "--precision", "double"]) == 0
    assert "compared with the model" in capsys.readouterr().out
    agree((files[0], out), cluster())
    assert main(["export", "--metatomic", str(files[0]), "water.pdb", str(out)]) == 1
    assert "a structure and --interaction-energy are accepted with --torchforce only" in capsys.readouterr().err


def test_error_without_metatomic(monkeypatch):
    monkeypatch.setitem(sys.modules, "metatomic.torch", None)
    monkeypatch.delitem(sys.modules, "openmm_polarmp.engines.metatomic")
    with pytest.raises(ImportError, match=r"pip install 'openmm-polarmp\[metatomic\]'"):
        importlib.import_module("openmm_polarmp.engines.metatomic")
