"""The device kernels of the network equal torch's network: on CUDA in every configuration, on OpenCL in a few (compiling takes long)."""

from contextlib import nullcontext

import numpy as np
import openmm
import pytest
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

from openmm_polarmp.sources.network import TorchSource

from .test_equals_torch import CONFIGURATIONS


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
OPENCL = [DeviceEvaluator("OpenCL", p) for p in ("mixed", "double")]


def compare(evaluator: DeviceEvaluator, model, structure: Structure, **parameters) -> None:
    contexts = [
        context_of(source, structure, evaluator.platform, **evaluator.properties())
        for source in (
            native_source(model, structure.species),
            TorchSource(model, structure.species, precision="double"),
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
    compare(evaluator, random_model(**config), random_structure(20, TRICLINIC, species=config.get("species", (1, 8))))


STRUCTURES = {
    "cluster": random_structure(50, None),
    "several images": random_structure(17, THIN),
    "two atoms": random_structure(2, None),
    "no neighbours": Structure(np.diag([6.0, 7.0, 8.0]), [1, 8, 8], np.diag([20.0, 20.0, 20.0])),
    "of one kind": Structure(random_structure(40, CUBIC).positions, [8] * 40, CUBIC),
    "many": random_structure(300, np.diag([15.0, 16.0, 17.0])),
}


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES.keys())
@pytest.mark.parametrize("evaluator", [*CUDA, OPENCL[1]], ids=str)
def test_structures(evaluator, structure):
    evaluator.require()
    compare(evaluator, random_model(layers=2, zbl=True), structure)


def test_one_layer_with_everything_on_opencl():
    evaluator = OPENCL[1]
    evaluator.require()
    model = random_model(polarizability="tensor", zbl=True, channels=19, species=(1, 6, 8))
    compare(evaluator, model, random_structure(20, TRICLINIC, species=(1, 6, 8)))


@pytest.mark.parametrize("kind", ["slabs", "atom by atom", "cluster"])
@pytest.mark.parametrize("evaluator", [CUDA[1], CUDA[2], OPENCL[1]], ids=str)
def test_field(evaluator, kind):
    evaluator.require()
    cell = {"slabs": np.array([[20.0, 0, 0], [4, 19, 0], [-5, 6, 21]]), "atom by atom": THIN, "cluster": None}[kind]
    structure = random_structure(12 if cell is THIN else 60, cell)
    with pytest.warns(UserWarning, match="thinner than twice the reach") if cell is THIN else nullcontext():
        compare(evaluator, random_model(layers=2, zbl=True), structure, polarmp_field_x=0.7, polarmp_field_y=-0.4)


@pytest.mark.parametrize("evaluator", [CUDA[1], OPENCL[0]], ids=str)
def test_atoms_at_the_same_place(evaluator):
    """An error, not a number."""
    evaluator.require()
    structure = random_structure(20, CUBIC)
    structure.positions[3] = structure.positions[11]
    source = native_source(random_model(layers=2, zbl=True), structure.species)
    context = context_of(source, structure, evaluator.platform, **evaluator.properties())
    with pytest.raises(openmm.OpenMMException, match="not a finite number"):
        context.getState(energy=True, forces=True)
