"""SO3LR beside the package that it comes from: needs so3krates-torch."""

import contextlib
import io
import json
import zipfile

import ase
import numpy as np
import pytest
import torch
from support.host_structures import arguments, box, cluster, ion, short_range

from openmm_polarmp import load_model
from openmm_polarmp.cli import main
from openmm_polarmp.hosts.so3lr import convert
from openmm_polarmp.models import ModelFileError, shipped_models

pytest.importorskip("so3krates_torch")
pytestmark = pytest.mark.filterwarnings(
    "ignore:path is deprecated:DeprecationWarning"
)  # how its calculator finds a file

RELATIVE = 1e-6  # of the largest force; the package has another value of the Coulomb constant in its ninth digit


@pytest.fixture(autouse=True)
def _default_dtype():
    """The package changes torch's default for the whole process."""
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def model():
    return load_model("so3lr").double()


def calculator(pickled=None, **settings):
    """The package's calculator of ASE in double precision, which prints on its way."""
    from so3krates_torch.calculator.so3 import SO3LRCalculator, TorchkratesCalculator

    settings = {"r_max_lr": 12.0, "dispersion_energy_cutoff_lr_damping": 2.0, **settings}
    electrostatics = settings.pop("electrostatics", True)
    with contextlib.redirect_stdout(io.StringIO()):
        if pickled is None:
            calc = SO3LRCalculator(default_dtype="float64", **settings)
        else:
            calc = TorchkratesCalculator(models=pickled, default_dtype="float64", **settings)
    calc.models[0].electrostatic_energy_bool = electrostatics
    return calc


def by_package(atoms, charge=0, unpaired=0, **settings):
    """Energy, forces and charges."""
    atoms = atoms.copy()
    atoms.info.update(charge=charge, total_spin=unpaired / 2)
    atoms.calc = calculator(**settings)
    return atoms.get_potential_energy(), atoms.get_forces(), atoms.calc.results["partial_charges"]


def separate():
    """An atom alone, and two beyond the network's cutoff that have dispersion only."""
    return ase.Atoms("ClHO", [[0, 0, 0], [0, 0, 30], [0, 0, 38]])


CASES = {
    "one atom": (lambda: ase.Atoms("Cl", [[0, 0, 0]]), -1, 1),
    "no neighbours": (separate, 0, 1),
    "cluster": (cluster, 0, 1),
    "small box": (box, 0, 1),
    "anion": (ion, -1, 1),
    "radical": (ion, 0, 2),
    "triplet cation": (ion, 1, 3),
}


@pytest.mark.parametrize(("make", "charge", "multiplicity"), CASES.values(), ids=CASES)
def test_what_it_gives_without_electrostatics(model, make, charge, multiplicity):
    """Energy and forces of network, repulsion and dispersion, and the charges."""
    atoms = make()
    energy, forces, _ = by_package(atoms, charge, multiplicity - 1, electrostatics=False)
    charges = by_package(atoms, charge, multiplicity - 1)[2]
    e, f, q = short_range(model, atoms, total_charge=float(charge), multiplicity=multiplicity)
    assert e == pytest.approx(energy, rel=1e-9)
    np.testing.assert_allclose(f, forces, rtol=0, atol=RELATIVE * abs(forces).max() + 1e-15)
    np.testing.assert_allclose(q, charges, rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", [cluster, box])
def test_the_whole_with_its_cutoff(model, make):
    """Its own electrostatics, cut at 12 A, of the converted network's charges: energy and forces of its calculator."""
    from so3krates_torch.blocks.physical_potentials import ElectrostaticInteraction

    from openmm_polarmp.neighbors import batched_pairs, displacements

    atoms = make()
    energy, forces, _ = by_package(atoms)
    leaf, species, cell = arguments(atoms)
    edges = batched_pairs(leaf, 12.0, cell)
    energies, multipoles = model.multipoles(leaf, species, cell, edges=edges)
    distances = displacements(leaf, *edges, cell).norm(dim=1)
    electrostatics = ElectrostaticInteraction()(multipoles.charges, *edges[0], distances, len(leaf), 12.0, 4.0)
    total = energies.sum() + electrostatics.sum()
    (slope,) = torch.autograd.grad(total, leaf)
    assert total.item() == pytest.approx(energy, rel=1e-9)
    np.testing.assert_allclose(-slope.numpy(), forces, rtol=0, atol=RELATIVE * abs(forces).max())


def test_its_electrostatics_without_a_cutoff_are_ours(model):
    """The error of its cutoff falls as its inverse: two cutoffs extrapolate to the pair kernel without one."""
    atoms = cluster()
    leaf, *others = arguments(atoms)
    result = model.evaluate(leaf, *others)
    (slope,) = torch.autograd.grad(result.electrostatics.energy.sum(), leaf)
    parts = []
    for cutoff in (1000.0, 2000.0):
        (e_on, f_on, _), (e_off, f_off, _) = (
            by_package(atoms, r_max_lr=cutoff, electrostatics=x) for x in (True, False)
        )
        parts.append((e_on - e_off, f_on - f_off))
    energies, forces = zip(*parts, strict=True)
    assert 2 * energies[1] - energies[0] == pytest.approx(result.electrostatics.energy.item(), abs=1e-5)
    assert abs(energies[0] - energies[1]) > 1e-3
    np.testing.assert_allclose(2 * forces[1] - forces[0], -slope.numpy(), rtol=0, atol=1e-5)


def test_the_shipped_file_is_what_the_command_writes(tmp_path, capsys):
    out = tmp_path / "so3lr.polarmp"
    assert main(["import-so3lr", str(out)]) == 0
    assert "so3krates-torch 0.2.1" in capsys.readouterr().out
    assert out.read_bytes() == shipped_models()["so3lr"].read_bytes()


def random_host(**changes):
    """The package's network in small, with random weights and other settings than the pretrained model's."""
    from so3krates_torch.modules.models import SO3LR

    settings = {
        "r_max": 3.7,
        "num_radial_basis_fn": 6,
        "degrees": [1, 3],
        "num_features": 24,
        "num_heads": 3,
        "num_layers": 2,
        "energy_regression_dim": 10,
        "avg_num_neighbors": 7.0,
        "radial_basis_fn": "bernstein",
        "cutoff_fn": "phys",
        "layer_normalization_1": True,
        "layer_normalization_2": True,
        "residual_mlp_1": True,
        "use_charge_embed": True,
        "use_spin_embed": True,
        "energy_learn_atomic_type_shifts": True,
        "energy_learn_atomic_type_scales": True,
        "electrostatic_energy_scale": 3.0,
        "dispersion_energy_scale": 1.1,
        **changes,
    }
    torch.manual_seed(0)
    host = SO3LR(**settings)
    with torch.no_grad():  # nothing may be left at a value that hides an error
        for parameter in host.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return host


@pytest.mark.parametrize(("make", "charge"), [(cluster, 0), (box, 0), (ion, 1)])
def test_a_network_of_other_size(tmp_path, make, charge):
    host, path = random_host(), tmp_path / "mine.model"
    torch.save(host, path)
    converted = convert(path, dispersion_cutoff=9.0, dispersion_switch=1.5, licence="CC0")
    assert converted.sigma == pytest.approx(3 / 2**0.5)
    assert (converted.licence, converted.training_data) == ("CC0", "")
    assert converted.network.config.cutoff == 9.0
    atoms = make()
    settings = {"pickled": host, "r_max_lr": 9.0, "dispersion_energy_cutoff_lr_damping": 1.5, "electrostatics": False}
    energy, forces, _ = by_package(atoms, charge, 1, **settings)
    e, f, _ = short_range(converted.double(), atoms, total_charge=float(charge), multiplicity=2)
    assert e == pytest.approx(energy, rel=1e-7)
    np.testing.assert_allclose(f, forces, rtol=0, atol=RELATIVE * abs(forces).max())


def test_elements_that_are_kept(tmp_path, model):
    out = tmp_path / "water.polarmp"
    assert main(["import-so3lr", str(out), "--elements", "O", "H", "--dispersion-cutoff", "10"]) == 0
    small = load_model(out)
    assert small.species == (1, 8) and small.cutoff == 10.0
    np.testing.assert_allclose(short_range(small.double(), box())[2], short_range(model, box())[2], atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"residual_mlp_2": True}, "setting residual_mlp_2 is True; False is accepted"),
        ({"radial_basis_fn": "gaussian"}, "setting radial_basis_fn is 'gaussian'; 'bernstein' is accepted"),
        ({"cutoff_fn": "cosine"}, "setting cutoff_fn_name is 'cosine'"),
    ],
)
def test_settings_without_a_counterpart(tmp_path, changes, message):
    path = tmp_path / "mine.model"
    torch.save(random_host(**changes), path)
    with pytest.raises(ValueError, match=message):
        convert(path)


class Harm:
    def __reduce__(self):
        return print, ("executed",)


def test_pickles_that_are_no_model(tmp_path, capsys):
    path = tmp_path / "mine.model"
    torch.save(Harm(), path)
    with pytest.raises(ModelFileError, match=r"needs builtins.print|needs __builtin__.print"):
        convert(path)
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(ModelFileError, match="holds a Linear; a model of the class SO3LR"):
        convert(path)
    path.write_text(json.dumps({}))
    with pytest.raises(ModelFileError, match="not a model of so3krates-torch"):
        convert(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.txt", "nothing")
    with pytest.raises(ModelFileError, match="not a model of so3krates-torch"):
        convert(path)
    with pytest.raises(FileNotFoundError, match="an existing file is accepted"):
        convert(tmp_path / "none.model")
    assert "executed" not in capsys.readouterr().out


def test_wrong_arguments_of_the_command(tmp_path, capsys):
    assert main(["import-so3lr", str(tmp_path / "a.polarmp"), "--elements", "Water"]) == 1
    assert "elements has Water" in capsys.readouterr().err
    assert main(["import-so3lr", str(tmp_path / "a.polarmp"), "--elements", "H", "Na"]) == 1
    assert "species has the atomic numbers [11]; the elements of the training, 1, 6" in capsys.readouterr().err
    assert main(["import-so3lr", str(tmp_path / "a.polarmp"), "--licence", "CC0"]) == 1
    assert "licence is given without model" in capsys.readouterr().err
