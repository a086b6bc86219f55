"""`polarmp export`: the module and the model it was made from give the same simulation."""

import numpy as np
import openmm
import pytest
import torch
from openmm import app
from support.models import tiny_model
from support.platforms import REFERENCE
from support.systems import energy_and_forces, relative_error
from support.water import water

from openmm_polarmp import PolarMPForce
from openmm_polarmp.cli import main
from openmm_polarmp.torchforce import TORCH_VERSIONS, export_module, from_bytes


def numbers_of(topology):
    return [atom.element.atomic_number for atom in topology.atoms()]


def system_with(force, topology):
    system = openmm.System()
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
    box = topology.getPeriodicBoxVectors()
    if box is not None:
        system.setDefaultPeriodicBoxVectors(*box)
        force.setNonbondedMethod(PolarMPForce.PME)
    force.setEwaldErrorTolerance(1e-5)
    system.addForce(force)
    return system


def results(platform, force, topology, positions, field=(0, 0, 0)):
    context = platform.context(system_with(force, topology))
    context.setPositions(positions)
    for axis, value in zip("xyz", field, strict=True):
        context.setParameter(f"polarmp_field_{axis}", value)
    return energy_and_forces(context)


@pytest.mark.parametrize("precision", ["single", "double"])
@pytest.mark.parametrize("periodic", [True, False], ids=["box", "cluster"])
def test_same_as_the_direct_route(platform_once, periodic, precision):
    model = tiny_model(layers=1)  # its reach fits into the box, which the field needs
    topology, positions = water(27, periodic)
    options = {"total_charge": 1.0, "precision": precision}
    module = export_module(model, numbers_of(topology), **options)
    field = (0.3, -0.2, 0.1)
    direct = PolarMPForce(model, atomic_numbers=numbers_of(topology), evaluator="torch", **options)
    expected = results(platform_once, direct, topology, positions, field)
    energy, forces = results(platform_once, PolarMPForce(module), topology, positions, field)
    close = 1e-9 if precision == "double" and platform_once.name == "Reference" else 2e-5
    assert energy == pytest.approx(expected[0], rel=close)
    assert relative_error(forces, expected[1]) < close


@pytest.mark.parametrize("rung", ["sr", "q", "quQ+ka"])
@pytest.mark.parametrize("atoms", [1, 3])
def test_rungs_and_few_atoms(rung, atoms):
    model = tiny_model(rung=rung)
    numbers = [8, 1, 1][:atoms]
    positions = 0.1 * np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])[:atoms]
    module = export_module(model, numbers, precision="double")
    answers = []
    for force in (PolarMPForce(module), PolarMPForce(model, atomic_numbers=numbers, precision="double")):
        system = openmm.System()
        for _ in numbers:
            system.addParticle(1.0)
        system.addForce(force)
        context = REFERENCE.context(system)
        context.setPositions(positions)
        answers.append(energy_and_forces(context))
    assert answers[0][0] == pytest.approx(answers[1][0], rel=1e-10)
    np.testing.assert_allclose(answers[0][1], answers[1][1], atol=1e-7)


def test_atomic_energies_left_out():
    model = tiny_model()  # -3 eV an atom
    out = export_module(model, [8, 1, 1], interaction_energy=True)(torch.eye(3))
    whole = export_module(model, [8, 1, 1])(torch.eye(3))
    assert (whole["energy"] - out["energy"]).item() == pytest.approx(-9.0 * 96.48533212331, abs=1e-3)


def test_only_our_network():
    model = tiny_model()
    model.network = torch.nn.Identity()
    model.network.species, model.network.cutoff = (1, 8), 4.0
    with pytest.raises(ValueError, match="the model has a Identity; only a PolarMPNet can be exported"):
        export_module(model, [1])


def test_unknown_element():
    with pytest.raises(ValueError, match="11"):
        export_module(tiny_model(), [1, 11])


@pytest.fixture
def pdb(tmp_path):
    topology, positions = water(8, True)
    with open(tmp_path / "water.pdb", "w") as stream:
        app.PDBFile.writeFile(topology, 10 * positions, stream)
    return tmp_path / "water.pdb"


def test_command(pdb, tmp_path, capsys):
    tiny_model().save(tmp_path / "tiny.polarmp")
    out = tmp_path / "water.pt"
    assert main(["export", "--torchforce", str(tmp_path / "tiny.polarmp"), str(pdb), str(out)]) == 0
    printed = capsys.readouterr().out
    assert "24 atoms, compared with the model" in printed
    assert torch.__version__.split("+")[0] in TORCH_VERSIONS or "2.9.0 and 2.9.1 only" in printed
    module = from_bytes(out.read_bytes())
    assert module.num_particles == 24 and module.sigma == pytest.approx(0.1)


def test_command_without_structure(tmp_path, capsys):
    assert main(["export", "--torchforce", "polarmp-water", str(tmp_path / "no.pdb"), str(tmp_path / "out.pt")]) == 1
    assert "no.pdb" in capsys.readouterr().err
    assert main(["export", "--torchforce", "polarmp-water", str(tmp_path / "out.pt")]) == 1
    assert "structure is missing" in capsys.readouterr().err
    assert not (tmp_path / "out.pt").exists()
