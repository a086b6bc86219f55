"""Hosts with heads in OpenMM: forces of the whole, from network to kernel; XML, copies and files."""

import copy

import numpy as np
import openmm
import pytest
import torch
from openmm import unit
from openmmml import MLPotential
from support.hosts import hosted_model, require
from support.platforms import CPU, PLATFORMS, REFERENCE, usable
from support.processes import run_python
from support.systems import energy_and_forces, make_system
from support.torch_sources import CELL, make_atoms
from support.water import water

from openmm_polarmp import PolarMPForce, load_model
from openmm_polarmp.cli import main

BOX = 1.5 * CELL
DEVICES = [p for p in PLATFORMS if (p.name, p.precision) in (("OpenCL", "double"), ("CUDA", "double"))]


def system_of(model, positions, species, **options):
    force = PolarMPForce(model, atomic_numbers=species.tolist(), precision="double", **options)
    force.setNonbondedMethod(PolarMPForce.PME)
    force.setEwaldErrorTolerance(1e-6)
    return make_system(len(positions), BOX.numpy(), force)


@pytest.mark.parametrize("platform", [REFERENCE, CPU, *DEVICES], ids=str)
def test_forces_by_finite_differences(host, platform):
    """Through host, heads, projection of the charge, and the plugin's kernel with both responses."""
    platform = usable(platform)
    if platform.name in ("OpenCL", "CUDA") and host not in ("toy", "mace"):
        pytest.skip("the kernels do not know the host")
    positions, species = make_atoms(9, BOX, closest=1.1)
    context = platform.context(system_of(hosted_model(host), positions, species))
    place = 0.1 * positions.numpy()
    context.setPositions(place)
    _, forces = energy_and_forces(context)
    step = 2e-5 if platform.name in ("Reference", "CPU") else 1e-4
    for atom, axis in ((0, 0), (4, 1), (8, 2)):
        energies = []
        for sign in (1, -1):
            moved = place.copy()
            moved[atom, axis] += sign * step
            context.setPositions(moved)
            energies.append(energy_and_forces(context)[0])
        slope = (energies[0] - energies[1]) / (2 * step)
        assert forces[atom, axis] == pytest.approx(-slope, rel=2e-4, abs=2e-4 * np.abs(forces).max())


def test_the_same_as_torch_alone(host):
    compare_with_torch(hosted_model(host))


def test_moments_computed_again_from_their_potentials():
    compare_with_torch(hosted_model("toy", rounds=2))


def compare_with_torch(model):
    """Energy and forces in OpenMM, and of the model in torch."""
    positions, species = make_atoms(9, BOX, closest=1.1)
    context = CPU.context(system_of(model, positions, species))
    context.setPositions(0.1 * positions.numpy())
    energy, forces = energy_and_forces(context)
    moving = positions.clone().requires_grad_()
    model.accuracy = 1e-8
    expected = model.energy(moving, species, BOX)
    assert energy == pytest.approx(96.4853321233 * expected.item(), rel=1e-9, abs=0.05)
    expected_forces = -torch.autograd.grad(expected, moving)[0].numpy() * 964.853321233
    np.testing.assert_allclose(forces, expected_forces, rtol=0, atol=1e-3 * np.abs(expected_forces).max())


def test_xml_copies_and_files(host, tmp_path):
    """Path and checksum, or the whole model, in XML; a fresh process gets the same energy."""
    positions, species = make_atoms(9, BOX, closest=1.1)
    hosted_model(host).save(tmp_path / "model.polarmp")
    energies = []
    for options in ({}, {"embed": True}):
        system = system_of(str(tmp_path / "model.polarmp"), positions, species, **options)
        for one in (system, copy.deepcopy(system), openmm.XmlSerializer.clone(system)):
            context = CPU.context(one)
            context.setPositions(0.1 * positions.numpy())
            energies.append(energy_and_forces(context)[0])
    assert np.ptp(energies) < 1e-6 * abs(energies[0])
    (tmp_path / "system.xml").write_text(openmm.XmlSerializer.serialize(system))
    np.save(tmp_path / "positions.npy", 0.1 * positions.numpy())
    (tmp_path / "model.polarmp").unlink()
    code = """
        import sys, numpy, openmm, openmm_polarmp, support.hosts
        system = openmm.XmlSerializer.deserialize(open("system.xml").read())
        platform = openmm.Platform.getPlatformByName("CPU")
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
        context.setPositions(numpy.load("positions.npy"))
        print(context.getState(energy=True).getPotentialEnergy()._value)
    """
    process = run_python(code, options=("-W", "ignore"), folder=tmp_path)
    assert process.returncode == 0, process.stderr
    assert float(process.stdout.splitlines()[-1]) == pytest.approx(energies[0], rel=1e-6)


def test_water_moves_with_mlpotential(host, tmp_path):
    hosted_model(host, "qu+k").save(tmp_path / "model.polarmp")
    topology, positions = water(4, True)
    potential = MLPotential("polarmp", modelPath=str(tmp_path / "model.polarmp"))
    system = potential.createSystem(topology, returnEnergyType="interaction_energy")
    integrator = openmm.LangevinMiddleIntegrator(100 * unit.kelvin, 1 / unit.picosecond, 0.1 * unit.femtosecond)
    context = CPU.context(system, integrator, positions)
    before, _ = energy_and_forces(context)
    integrator.step(5)
    after, forces = energy_and_forces(context)
    assert np.isfinite(forces).all() and after != before
    assert abs(before) < 1e4  # without the energies of single atoms


def test_what_only_our_own_network_can(tmp_path, capsys):
    model = hosted_model("toy", "q")
    model.save(tmp_path / "model.polarmp")
    positions, species = make_atoms(9, BOX, closest=1.1)
    with pytest.raises(ValueError, match="evaluator is 'native', which cannot be had with the host 'toy'"):
        system_of(model, positions, species, evaluator="native")
    with pytest.raises(ValueError, match=r"atomic numbers \[6\] that the model does not know"):
        system_of(model, positions, torch.full_like(species, 6))
    topology, place = water(1, False)
    with (tmp_path / "water.pdb").open("w") as out:
        openmm.app.PDBFile.writeFile(topology, place, out)
    arguments = ["export", "--torchforce", str(tmp_path / "model.polarmp"), str(tmp_path / "water.pdb"), "out.pt"]
    assert main(arguments) == 1
    assert "the model has a HostedNet; only a PolarMPNet can be exported" in capsys.readouterr().err


def test_a_file_whose_host_is_not_installed(tmp_path, monkeypatch):
    require("toy")
    from openmm_polarmp.hosts import HOSTS, HostKind

    hosted_model("toy", "q").save(tmp_path / "model.polarmp")
    monkeypatch.setitem(HOSTS, "toy", HostKind("toys", ("not_a_package",), "toys", "toys 1.0 with e3nn 0.6"))
    words = (
        r"'toy' needs not_a_package, not installed here: pip install 'openmm-polarmp\[toys\]' \(toys 1.0 with e3nn 0.6"
    )
    with pytest.raises(ImportError, match=words):
        load_model(tmp_path / "model.polarmp")
    assert main(["info", str(tmp_path / "model.polarmp")]) == 0
