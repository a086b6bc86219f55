"""MLPotential('polarmp'): the force that it makes, and the same energy from torch alone."""

import contextlib
import copy
import importlib.metadata
import pickle
import re

import numpy as np
import openmm
import pytest
import torch
from openmm import app, unit
from openmmml import MLPotential
from support.models import tiny_model
from support.oracle import model_energy_and_forces
from support.platforms import REFERENCE
from support.processes import run_python
from support.systems import energy_and_forces, relative_error, rms
from support.water import water

from openmm_polarmp import PolarMPForce, units

try:
    importlib.metadata.version("openmm-polarmp")
    INSTALLED = True
except importlib.metadata.PackageNotFoundError:  # tests run in the source tree: no entry points
    INSTALLED = False


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture
def path(model, tmp_path):
    model.save(tmp_path / "tiny.polarmp")
    return tmp_path / "tiny.polarmp"


def context_of(system, positions, platform=REFERENCE):
    return platform.context(system, positions=positions)


@pytest.mark.parametrize("periodic", [True, False], ids=["box", "cluster"])
@pytest.mark.parametrize("rung", ["quQ+ka", "q", "sr"])
def test_same_as_torch(platform_once, periodic, rung):
    if platform_once.name == "OpenCL" and (rung != "quQ+ka" or not periodic):
        pytest.skip("compiling takes long; tests/network has other networks on OpenCL")
    platform, model = platform_once, tiny_model(rung=rung)
    topology, positions = water(8, periodic)
    potential = MLPotential("polarmp", modelPath=model)
    system = potential.createSystem(
        topology, precision="double", ewaldErrorTolerance=1e-4, returnEnergyType="energy", removeCMMotion=False
    )
    energy, forces = energy_and_forces(context_of(system, positions, platform))
    model = model.double()
    model.accuracy = 1e-13
    method = "ewald" if periodic else "direct"
    expected_energy, expected_forces = model_energy_and_forces(model, topology, positions, method=method)
    exact = platform.name == "Reference"
    assert energy == pytest.approx(expected_energy, rel=1e-8 if exact else 1e-5)
    assert relative_error(forces, expected_forces) < (1e-8 if exact else 2e-4)


def test_forces_are_derivatives(platform_once):
    """Through network and electrostatics, in a box."""
    topology, positions = water(8)
    system = MLPotential("polarmp", modelPath=tiny_model()).createSystem(
        topology, precision="double", ewaldErrorTolerance=1e-5
    )
    context = context_of(system, positions, platform_once)
    _, forces = energy_and_forces(context)
    step = 1e-5 if platform_once.name == "Reference" else 1e-3
    for seed in range(2):
        direction = np.random.default_rng(seed).normal(size=forces.shape)

        def energy(h, direction=direction):
            context.setPositions(positions + h * direction)
            return context.getState(energy=True).getPotentialEnergy()._value

        slope = (8 * (energy(step) - energy(-step)) - (energy(2 * step) - energy(-2 * step))) / (12 * step)
        allowed = (1e-6 if platform_once.name == "Reference" else 2e-4) * rms(forces) * np.sqrt(forces.size)
        assert slope == pytest.approx(-np.sum(forces * direction), abs=allowed)


def test_interaction_energy(path):
    """The default leaves the energies of the single atoms out."""
    topology, positions = water(4)
    potential = MLPotential("polarmp", modelPath=str(path))
    energies = [
        energy_and_forces(
            context_of(potential.createSystem(topology, returnEnergyType=t, precision="double"), positions)
        )[0]
        for t in ("energy", "interaction_energy")
    ]
    assert energies[0] - energies[1] == pytest.approx(12 * -3.0 * units.ENERGY_TO_OPENMM, rel=1e-9)


def test_polarization_none(path):
    topology, positions = water(4)
    potential = MLPotential("polarmp", modelPath=str(path), polarization="none")
    context = context_of(potential.createSystem(topology), positions)
    force = PolarMPForce.cast(context.getSystem().getForce(0))
    assert force.getPolarizationType() == PolarMPForce.NoPolarization
    assert np.all(force.getInducedDipoles(context) == 0)
    assert np.all(force.getMomentGradients(context)["softness"] == 0)


@pytest.mark.parametrize("how", ["file", "embed", "object in memory", "own network"])
def test_round_trips(path, model, how, tmp_path):
    class Own(torch.nn.Module):
        """Somebody's own network, with the protocol and nothing else."""

        def __init__(self, network):
            super().__init__()
            self.network, self.cutoff, self.species = network, network.cutoff, network.species

        def forward(self, *arguments):
            return self.network(*arguments)

    model_path = {"file": str(path), "embed": str(path), "object in memory": model, "own network": Own(model.network)}[
        how
    ]
    topology, positions = water(4)
    energy_type = {"returnEnergyType": "energy"} if how == "own network" else {}
    system = MLPotential("polarmp", modelPath=model_path).createSystem(topology, embed=how == "embed", **energy_type)
    expected, _ = energy_and_forces(context_of(system, positions))
    text = openmm.XmlSerializer.serialize(system)
    for other in (openmm.XmlSerializer.deserialize(text), copy.deepcopy(system), pickle.loads(pickle.dumps(system))):
        assert energy_and_forces(context_of(other, positions))[0] == pytest.approx(expected, rel=1e-12)
    if how in ("file", "own network"):
        # Elsewhere the file is missing, or the network was never there.
        moved = text.replace(str(path), str(tmp_path / "gone.polarmp")).replace("-0&quot;", "-999&quot;")
        code = (
            "import sys, openmm, openmm_polarmp\n"
            "system = openmm.XmlSerializer.deserialize(sys.stdin.read())\n"
            "try:\n    openmm.Context(system, openmm.VerletIntegrator(1), openmm.Platform.getPlatformByName('Reference'))\n"
            "except (FileNotFoundError, ValueError) as error:\n    print(type(error).__name__, error)\n"
        )
        done = run_python(code, text=moved)
        message = "gone.polarmp" if how == "file" else "save"
        assert message in done.stdout, done.stdout + done.stderr


def test_changed_file(path):
    topology, positions = water(4)
    text = openmm.XmlSerializer.serialize(MLPotential("polarmp", modelPath=str(path)).createSystem(topology))
    tiny_model(seed=1).save(path)
    with pytest.raises(ValueError, match=r"tiny\.polarmp has changed .*checksum"):
        context_of(openmm.XmlSerializer.deserialize(text), positions)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"tiny\.polarmp"):
        context_of(openmm.XmlSerializer.deserialize(text), positions)


def test_bad_input(path):
    topology, positions = water(4)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        MLPotential("polarmp", modelPath="nowhere.polarmp").createSystem(topology)
    with pytest.raises(ValueError, match="polarization is 'all'"):
        MLPotential("polarmp", modelPath=str(path)).createSystem(topology, polarization="all")
    with pytest.raises(ValueError, match="returnEnergyType is 'all'"):
        MLPotential("polarmp", modelPath=str(path)).createSystem(topology, returnEnergyType="all")
    with pytest.raises(ValueError, match="precision"):
        MLPotential("polarmp", modelPath=str(path)).createSystem(topology, precision="half")
    salt = app.Topology()
    residue = salt.addResidue("NA", salt.addChain())
    salt.addAtom("Na", app.Element.getBySymbol("Na"), residue)
    with pytest.raises(ValueError, match=r"11|Na"):
        MLPotential("polarmp", modelPath=str(path)).createSystem(salt, charge=1)
    other = app.Topology()
    other.addAtom("K", app.Element.getBySymbol("K"), other.addResidue("K", other.addChain()))
    with pytest.raises(ValueError, match="no shipped model covers the elements K"):
        MLPotential("polarmp").createSystem(other, charge=1)
    salt.addAtom("X", None, residue)
    with pytest.raises(ValueError, match=r"atom 1 \(X\) has no element"):
        MLPotential("polarmp", modelPath=str(path)).createSystem(salt, charge=1)
    positions[5, 0] = np.nan
    context = context_of(MLPotential("polarmp", modelPath=str(path)).createSystem(topology), positions)
    with pytest.raises(openmm.OpenMMException, match="position of particle 5 is nan"):
        context.getIntegrator().step(1)


def test_no_net_force_on_a_single_molecule(platform_once):
    topology, positions = water(1, periodic=False)
    system = MLPotential("polarmp", modelPath=tiny_model(layers=1)).createSystem(topology)
    context = context_of(system, positions, platform_once)
    _, forces = energy_and_forces(context)
    assert np.abs(forces.sum(0)).max() < 1e-3 * rms(forces)
    assert not PolarMPForce.cast(system.getForce(0)).usesPeriodicBoundaryConditions()


def test_importing_openmmml_stays_light():
    """No torch because of us, and no failure when OpenMM has another version."""
    code = "import sys, openmmml; print('torch' in sys.modules, 'openmm_polarmp' in sys.modules)"
    done = run_python(code)
    assert done.stdout.split() == ["False", "False"], done.stderr


@pytest.mark.parametrize(
    ("elements", "name"),
    [("HHO", "water"), ("HCNO", "bio-fast"), (["Cl", "S"], "bio-fast"), (["H", "O", "Na"], "demo-bio")],
    ids=str,
)
def test_the_model_for_some_elements(elements, name):
    """The one with the fewest others, and a demonstration only if there is no other."""
    topology = app.Topology()
    residue = topology.addResidue("ALL", topology.addChain())
    for element in elements:
        topology.addAtom(element, app.Element.getBySymbol(element), residue)
    demonstration = pytest.warns(UserWarning, match="only polarmp-demo-bio knows all elements, a demonstration")
    with demonstration if name.startswith("demo") else contextlib.nullcontext():
        system = MLPotential("polarmp").createSystem(topology)
    assert re.findall("polarmp-[a-z-]+", openmm.XmlSerializer.serialize(system)) == [f"polarmp-{name}"]


@pytest.mark.skipif(not INSTALLED, reason="entry points exist only where the package is installed")
def test_entry_points():
    names = {e.name for e in importlib.metadata.entry_points(group="openmmml.potentials")}
    assert {"polarmp", "polarmp-water", "polarmp-bio-fast", "polarmp-demo-bio"} <= names
    assert "polarmp" in MLPotential._implFactories


def test_heavier_hydrogens():
    """Of the same total mass, as ForceField.createSystem makes them."""
    topology, _ = water(2)
    system = MLPotential("polarmp-water").createSystem(topology, hydrogenMass=3 * unit.dalton)
    plain = MLPotential("polarmp-water").createSystem(topology)
    masses, before = ([s.getParticleMass(i)._value for i in range(6)] for s in (system, plain))
    assert masses[1:3] == [3.0, 3.0] and sum(masses) == pytest.approx(sum(before))
    with pytest.raises(
        ValueError, match="hydrogenMass is 'heavy'; a finite number of Da or a quantity of this dimension"
    ):
        MLPotential("polarmp-water").createSystem(topology, hydrogenMass="heavy")
    with pytest.raises(ValueError, match=r"hydrogenMass is 9 Da, which leaves .* Da for atom 0 \(O\)"):
        MLPotential("polarmp-water").createSystem(topology, hydrogenMass=9)
    bare = app.Topology()
    residue = bare.addResidue("HOH", bare.addChain())
    for symbol in "OHH":
        bare.addAtom(symbol, app.Element.getBySymbol(symbol), residue)
    with pytest.raises(ValueError, match="needs the bonds of hydrogens, and atom 1 has none"):
        MLPotential("polarmp-water").createSystem(bare, hydrogenMass=2)


@pytest.mark.parametrize("keyword", [{"constraints": app.HBonds}, {"rigidWater": True}])
def test_constraints_are_refused_with_a_way_out(keyword):
    with pytest.raises(TypeError, match=r"a model has no bond lengths that could be fixed\. Use hydrogenMass"):
        MLPotential("polarmp-water").createSystem(water(2)[0], **keyword)
