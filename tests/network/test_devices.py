"""The device kernels of the network equal torch's network: on CUDA in every configuration, on OpenCL in a few (compiling takes long)."""

import numpy as np
import openmm
import pytest
import torch
from support.networks import (
    CUBIC,
    THIN,
    TRICLINIC,
    Evaluator,
    Structure,
    assert_equal_results,
    context_of,
    native_source,
    random_model,
    random_structure,
    results,
)
from support.platforms import PlatformChoice, usable

from openmm_polarmp.models.limits import LARGEST_POLARIZABILITY
from openmm_polarmp.sources.network import TorchSource

from .test_charge_transfer import transfer_of
from .test_equals_torch import CONFIGURATIONS, FORMAL


class DeviceEvaluator(Evaluator):
    """A device platform in one of its precision modes; torch's network in double precision over the same mesh."""

    @property
    def tolerance(self) -> float:
        return 1e-9 if self.precision == "double" else 5e-5

    def require(self) -> None:
        usable(PlatformChoice(self.platform, self.precision))

    def properties(self) -> dict:
        return {"Precision": self.precision}


CUDA = [DeviceEvaluator("CUDA", p) for p in ("single", "mixed", "double")]
OPENCL = DeviceEvaluator("OpenCL", "double")


def compare(evaluator: DeviceEvaluator, model, structure: Structure, total_charge: float = 0.0, **parameters) -> None:
    options = {"total_charge": total_charge}
    contexts = [
        context_of(source, structure, evaluator.platform, **evaluator.properties())
        for source in (
            native_source(model, structure.species, **options),
            TorchSource(model, structure.species, precision="double", **options),
        )
    ]
    for context in contexts:
        for name, value in parameters.items():
            context.setParameter(name, value)
    found, expected = (results(context) for context in contexts)
    assert_equal_results(found, expected, evaluator.tolerance)
    again = results(contexts[0])
    assert np.array_equal(again["forces"], found["forces"]) and again["energy"] == found["energy"]


@pytest.mark.parametrize("config", CONFIGURATIONS, ids=str)
@pytest.mark.parametrize("evaluator", CUDA[2:], ids=str)
def test_configurations(evaluator, config):
    evaluator.require()
    structure = random_structure(20, TRICLINIC, species=config.get("species", (1, 8)))
    total = sum(FORMAL[z] for z in structure.species) if "formal_charges" in config else 0.0
    compare(evaluator, random_model(**config), structure, total)


# PoCL takes 20 s to compile a network for another number of atoms: what runs on OpenCL has the same.
ATOMS = 60
TALL = np.array([*THIN[:2], THIN[2] + [0, 0, 36.0]])
STRUCTURES = {
    "cluster": random_structure(ATOMS, None),
    "several images": random_structure(ATOMS, TALL),
    "no neighbours": Structure(5.0 * np.array(list(np.ndindex(4, 4, 4)))[:ATOMS], [1, 8, 8] * 20, 20.0 * np.eye(3)),
    "of one kind": Structure(random_structure(ATOMS, CUBIC).positions, [8] * ATOMS, CUBIC),
}
STRUCTURES_ON_CUDA = {
    "two atoms": random_structure(2, None),
    "many": random_structure(300, np.diag([15.0, 16.0, 17.0])),
}


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES.keys())
@pytest.mark.parametrize("evaluator", [*CUDA, OPENCL], ids=str)
def test_structures(evaluator, structure):
    evaluator.require()
    compare(evaluator, random_model(layers=2, zbl=True), structure)


@pytest.mark.parametrize("structure", STRUCTURES_ON_CUDA.values(), ids=STRUCTURES_ON_CUDA.keys())
@pytest.mark.parametrize("evaluator", CUDA, ids=str)
def test_few_and_many_atoms(evaluator, structure):
    evaluator.require()
    compare(evaluator, random_model(layers=2, zbl=True), structure)


def test_two_atoms_in_one_layer_on_opencl():
    OPENCL.require()
    compare(OPENCL, random_model(), random_structure(2, None))


@pytest.mark.parametrize("rung", ["qeq", "qu"])
def test_channels_that_fill_no_group_of_four(rung):
    """What pads them is written without a branch: PoCL compiled one wrong, for the rungs with the fewest features."""
    double = DeviceEvaluator("OpenCL", "double")
    double.require()
    compare(double, random_model(rung=rung, channels=6), random_structure(20, None))


def test_one_layer_with_everything_on_opencl():
    OPENCL.require()
    model = random_model(polarizability="tensor", zbl=True, channels=19, species=(1, 6, 8))
    compare(OPENCL, model, random_structure(20, TRICLINIC, species=(1, 6, 8)))


@pytest.mark.parametrize("cell", [np.array([[20.0, 0, 0], [4, 19, 0], [-5, 6, 21]]), None], ids=["slabs", "cluster"])
@pytest.mark.parametrize("evaluator", [CUDA[1], CUDA[2], OPENCL], ids=str)
def test_field(evaluator, cell):
    evaluator.require()
    structure = random_structure(ATOMS, cell)
    compare(evaluator, random_model(layers=2, zbl=True), structure, polarmp_field_x=0.7, polarmp_field_y=-0.4)


@pytest.mark.parametrize("evaluator", [CUDA[1], CUDA[2], OPENCL], ids=str)
def test_charge_transfer_and_a_field_in_a_thin_box(evaluator):
    evaluator.require()
    source = native_source(random_model(), (structure := random_structure(ATOMS, TALL)).species)
    contexts = (
        context_of(source, structure, evaluator.platform, **evaluator.properties()),
        context_of(source, structure),
    )
    found, expected = (transfer_of(context) for context in contexts)
    assert np.abs(found - expected).max() < evaluator.tolerance * np.abs(expected).max()
    changes = []
    for context in contexts:
        without = results(context)["forces"]
        context.setParameter("polarmp_field_x", 0.7)
        changes.append(results(context)["forces"] - without)
        context.setParameter("polarmp_field_x", 0.0)
        np.testing.assert_array_equal(results(context)["forces"], without)
    # the platforms' meshes differ by 1e-6 of the forces
    assert np.abs(changes[0] - changes[1]).max() < 1e-4 * np.abs(changes[1]).max()


FLOWS_ON_OPENCL = [DeviceEvaluator("OpenCL", p) for p in ("single", "mixed", "double")]


@pytest.mark.parametrize("formal", [True, False], ids=["formal charges", "charges that move"])
@pytest.mark.parametrize("structure", ["cluster", "several images"])
@pytest.mark.parametrize("evaluator", [*CUDA, *FLOWS_ON_OPENCL], ids=str)
def test_flows(evaluator, structure, formal):
    """Without a field and in one."""
    evaluator.require()
    if evaluator in (FLOWS_ON_OPENCL[0], FLOWS_ON_OPENCL[2]) and (structure == "cluster" or not formal):
        pytest.skip("mixed precision has all of these")
    atoms = STRUCTURES[structure]
    model = random_model(rung="quQ+ca", charges="flow", formal_charges=FORMAL if formal else {})
    total = sum(FORMAL[z] for z in atoms.species) if formal else 1.0
    compare(evaluator, model, atoms, total)
    if structure == "cluster" or formal:  # in a thin box torch takes nearest images, where the plugin follows the pairs
        compare(evaluator, model, atoms, total, polarmp_field_x=0.7, polarmp_field_y=-0.4, polarmp_field_z=0.3)


@pytest.mark.parametrize("evaluator", [CUDA[1], OPENCL], ids=str)
def test_conductance_alone(evaluator):
    evaluator.require()
    compare(evaluator, random_model(rung="quQ+c"), STRUCTURES["cluster"])


@pytest.mark.parametrize("evaluator", [CUDA[1], OPENCL], ids=str)
def test_limited_densities(evaluator):
    evaluator.require()
    compare(evaluator, random_model(layers=2, density_limit=0.7, rung="qu+a"), STRUCTURES["cluster"])


@pytest.mark.parametrize("evaluator", [CUDA[1], OPENCL], ids=str)
def test_atoms_at_the_same_place_are_an_error(evaluator):
    evaluator.require()
    structure = random_structure(ATOMS, CUBIC)
    structure.positions[3] = structure.positions[11]
    source = native_source(random_model(layers=2, zbl=True), structure.species)
    context = context_of(source, structure, evaluator.platform, **evaluator.properties())
    with pytest.raises(openmm.OpenMMException, match="not a finite number"):
        context.getState(energy=True, forces=True)


@pytest.mark.parametrize("evaluator", [CUDA[0], DeviceEvaluator("OpenCL", "single")], ids=str)
def test_outputs_of_any_size_stay_finite(evaluator):
    """Features of atoms that lie upon each other exceed what can be squared in single precision."""
    evaluator.require()
    structure = random_structure(ATOMS, CUBIC)
    model = random_model(polarizability="tensor", rung="quQ+ca", layers=1)
    with torch.no_grad():
        model.network.heads.final.weight *= 1e12
    source = native_source(model, structure.species)
    found = results(context_of(source, structure, evaluator.platform, **evaluator.properties()))
    assert np.isfinite(found["forces"]).all()
    largest = np.linalg.norm(found["polarizability"].reshape(-1, 9), axis=1).max()
    assert 0.9 * LARGEST_POLARIZABILITY < largest <= LARGEST_POLARIZABILITY * (1 + 1e-5)
