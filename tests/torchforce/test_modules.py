"""TorchScript modules of a user's own as a source of moments."""

import sys
import types

import numpy as np
import openmm
import pytest
import torch
from support.platforms import REFERENCE
from support.systems import TRICLINIC, energy_and_forces, make_system, random_atoms, relative_error

from openmm_polarmp import PolarMPForce
from openmm_polarmp.torchforce import TORCH_VERSIONS, check_versions

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


class InShells(torch.nn.Module):
    """Charges and dipoles from the distance to the box' middle; in OpenMM's units."""

    def __init__(self, num_particles: int, sigma: float = 0.08) -> None:
        super().__init__()
        self.num_particles: int = num_particles
        self.sigma: float = sigma

    def forward(self, positions: torch.Tensor, boxvectors: torch.Tensor) -> dict[str, torch.Tensor]:
        away = positions - 0.5 * boxvectors.sum(0)
        r2 = (away * away).sum(1)
        return {
            "energy": 3.0 * r2.sum(),
            "charges": torch.exp(-2.0 * r2) - 0.5,
            "dipoles": 0.02 * away,
            "softness": 1e-4 * torch.exp(-r2),
        }


class Cluster(torch.nn.Module):
    def __init__(self, wrong: str = "") -> None:
        super().__init__()
        self.wrong: str = wrong

    def forward(self, positions: torch.Tensor) -> dict[str, torch.Tensor]:
        r2 = (positions * positions).sum(1)
        out = {"energy": r2.sum(), "charges": torch.cos(r2)}
        if self.wrong == "missing":
            out.pop("charges")
        elif self.wrong == "unknown":
            out["octupoles"] = r2
        elif self.wrong == "atoms":
            out["charges"] = r2[1:]
        elif self.wrong == "shape":
            out["dipoles"] = positions[:, :2]
        return out


class OnlyEnergy(torch.nn.Module):
    def forward(self, positions: torch.Tensor):
        return positions.sum()


def script(module: torch.nn.Module) -> torch.jit.ScriptModule:
    return torch.jit.script(module)


def context_of(force, atoms, platform=REFERENCE):
    context = platform.context(make_system(len(atoms), atoms.cell, force))
    context.setPositions(0.1 * atoms.positions)
    return context


def test_forces_are_the_derivative(platform_once):
    atoms = random_atoms(12, TRICLINIC, seed=4)
    force = PolarMPForce(script(InShells(12)))
    force.setNonbondedMethod(PolarMPForce.PME)
    force.setEwaldErrorTolerance(1e-6)
    context = context_of(force, atoms, platform_once)
    _, forces = energy_and_forces(context)
    assert force.getSigma()._value == pytest.approx(0.08)
    if platform_once.name != "Reference":
        _, expected = energy_and_forces(context_of(PolarMPForce.cast(openmm.XmlSerializer.clone(force)), atoms))
        assert relative_error(forces, expected) < 1e-4
        return
    step = 1e-5
    for atom, axis in ((0, 0), (5, 1), (11, 2)):
        energies = []
        for sign in (1, -1):
            moved = 0.1 * atoms.positions.copy()
            moved[atom, axis] += sign * step
            context.setPositions(moved)
            energies.append(energy_and_forces(context)[0])
        assert forces[atom, axis] == pytest.approx((energies[1] - energies[0]) / (2 * step), rel=1e-5, abs=1e-4)


def test_xml_holds_the_module():
    atoms = random_atoms(10, None, seed=1)
    force = PolarMPForce(script(Cluster()), num_particles=10)
    context = context_of(force, atoms)  # its System owns the force
    energy, forces = energy_and_forces(context)
    again = PolarMPForce.cast(openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(force)))
    same_energy, same_forces = energy_and_forces(context_of(again, atoms))
    assert same_energy == energy
    np.testing.assert_array_equal(same_forces, forces)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("missing", r"no entry \['charges'\]; a dictionary with energy, charges and any of dipoles"),
        ("unknown", r"unknown entries \['octupoles'\]"),
        ("atoms", "charges of 4 atoms; the force has 5"),
        ("shape", r"dipoles has shape \[5, 2\]; \[5, 3\] is accepted"),
    ],
)
def test_wrong_outputs(wrong, message):
    with pytest.raises(ValueError, match=message):
        PolarMPForce(script(Cluster(wrong)), num_particles=5)


def test_a_plain_energy_is_not_enough():
    with pytest.raises(TypeError, match="returned a Tensor; a dictionary with energy, charges"):
        PolarMPForce(script(OnlyEnergy()), num_particles=2)


def test_number_of_particles():
    with pytest.raises(TypeError, match="num_particles is missing"):
        PolarMPForce(script(Cluster()))
    with pytest.raises(ValueError, match="num_particles is 3, but the module was made for 2"):
        PolarMPForce(script(InShells(2)), num_particles=3)
    with pytest.raises(TypeError, match=r"num_particles only, but got \['precision'\]"):
        PolarMPForce(script(Cluster()), num_particles=3, precision="double")


def test_box_without_box_vectors():
    force = PolarMPForce(script(Cluster()), num_particles=10)
    force.setNonbondedMethod(PolarMPForce.PME)
    with pytest.raises(ValueError, match="in a periodic box it needs"):
        context_of(force, random_atoms(10, TRICLINIC))


def test_nan_positions():
    atoms = random_atoms(5, None)
    context = context_of(PolarMPForce(script(Cluster()), num_particles=5), atoms)
    positions = 0.1 * atoms.positions
    positions[3, 1] = np.nan
    context.setPositions(positions)
    with pytest.raises(openmm.OpenMMException, match="position of particle 3 is nan"):
        energy_and_forces(context)


class FakeTorchForce:
    """What PolarMPForce uses of openmmtorch.TorchForce, where that package cannot be installed."""

    def __init__(self, module, *, periodic=False, forces=False, parameters=0):
        self.module, self.periodic, self.forces, self.parameters = module, periodic, forces, parameters

    def getModule(self):
        return self.module

    def usesPeriodicBoundaryConditions(self):
        return self.periodic

    def getOutputsForces(self):
        return self.forces

    def getNumGlobalParameters(self):
        return self.parameters


@pytest.fixture
def torchforce(monkeypatch):
    """The fake class, in a module of the right name and with the right torch."""
    module = types.ModuleType("openmmtorch")
    monkeypatch.setitem(sys.modules, "openmmtorch", module)
    monkeypatch.setattr(FakeTorchForce, "__module__", "openmmtorch")
    monkeypatch.setattr(torch, "__version__", TORCH_VERSIONS[-1] + "+cpu")
    return FakeTorchForce


def test_torchforce_tells_whether_it_is_periodic(torchforce):
    assert PolarMPForce(torchforce(script(Cluster())), num_particles=4).getNonbondedMethod() == PolarMPForce.NoCutoff
    force = PolarMPForce(torchforce(script(InShells(4)), periodic=True))
    assert force.getNonbondedMethod() == PolarMPForce.PME


def test_torchforce_that_cannot_serve(torchforce):
    with pytest.raises(ValueError, match="outputs forces"):
        PolarMPForce(torchforce(script(Cluster()), forces=True), num_particles=4)
    with pytest.raises(ValueError, match="global parameters"):
        PolarMPForce(torchforce(script(Cluster()), parameters=1), num_particles=4)


def test_versions_that_cannot_work_together(torchforce, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.13.0+cpu")
    with pytest.raises(ImportError, match=r"torch 2\.13\.0 is installed.*2\.9\.0 and 2\.9\.1 only: pip install"):
        PolarMPForce(torchforce(script(Cluster())), num_particles=4)
    monkeypatch.setattr(torch, "__version__", "2.9.1+cu128")
    check_versions()
