"""The plugin's own evaluation of a network equals torch's: energy, moments, their gradients, forces."""

import itertools

import numpy as np
import pytest
from support.networks import (
    CUBIC,
    THIN,
    TRICLINIC,
    Structure,
    assert_equal_results,
    random_model,
    random_structure,
    results,
)

from openmm_polarmp.models import RUNGS, Rung

FORMAL = {1: 1.0, 8: -2.0}
FLOWS = [
    {"rung": "qu+c", "layers": 2},
    {"rung": "qu", "charges": "flow"},
    {"rung": "quQ+ca", "charges": "flow", "n_radial": 8, "layers": 2},
    {"rung": "qu+ca", "charges": "flow", "formal_charges": FORMAL, "species": (1, 8)},
    {"rung": "q+c", "charges": "flow", "n_radial": 11, "species": (1, 6, 8), "charge_projection": False},
]
CONFIGURATIONS = [
    *(
        {"layers": layers, "l_max": l_max, "l_message": l_message, "rung": "qu+ka"}
        for layers, l_max, l_message in itertools.product((1, 2, 3), (1, 2), (0, 1))
        if layers > 1 or l_message == 0
    ),
    *({"correlation": correlation, "layers": layers} for correlation in (1, 2, 4) for layers in (1, 2)),
    *({"rung": rung, "layers": 2} for rung in RUNGS if not Rung.parse(rung).conductance and rung != "qeq"),
    *FLOWS,
    {"polarizability": "tensor"},
    {"polarizability": "tensor", "rung": "q+a", "layers": 2},
    {"channels": 1, "message_channels": 1, "n_radial": 1, "hidden": 1, "layers": 2},
    {"channels": 16, "message_channels": 8, "n_radial": 8, "hidden": 16, "layers": 2},
    {"channels": 19, "message_channels": 17, "n_radial": 11, "hidden": 21, "layers": 2},
    {"zbl": True, "species": (1, 6, 8), "layers": 2},
    *(
        {"density_limit": 0.7, "layers": layers, "l_max": l_max, "rung": "qu+ka"}
        for layers, l_max in ((1, 2), (2, 1), (3, 2))
    ),
    {"density_limit": 2.0, "layers": 2, "rung": "quQ+ca", "charges": "flow", "polarizability": "tensor"},
    {"charge_projection": False},
    {"total_charge_input": True, "multiplicity_input": True, "layers": 2},
]


@pytest.mark.parametrize("config", CONFIGURATIONS, ids=str)
def test_configurations(evaluator, config):
    model = random_model(**config)
    structure = random_structure(20, TRICLINIC, species=config.get("species", (1, 8)))
    options = {"total_charge": 2.0, "multiplicity": 3} if "total_charge_input" in config else {}
    if "formal_charges" in config:
        options["total_charge"] = sum(FORMAL[z] for z in structure.species)
    expected = results(evaluator.torch_context(model, structure, **options))
    assert_equal_results(results(evaluator.context(model, structure, **options)), expected, evaluator.tolerance)


STRUCTURES = {
    "cluster": random_structure(50, None),
    "cubic": random_structure(50, CUBIC),
    "several images": random_structure(17, THIN),
    "one atom": random_structure(1, None),
    "one atom and its images": random_structure(1, THIN),
    "no neighbours": Structure(np.diag([6.0, 7.0, 8.0]), [1, 8, 8], np.diag([20.0, 20.0, 20.0])),
    "a hundred box vectors away": Structure(
        random_structure(30, TRICLINIC).positions + 100 * TRICLINIC.sum(0), [1, 8, 1] * 10, TRICLINIC
    ),
    "of one kind": Structure(random_structure(40, CUBIC).positions, [8] * 40, CUBIC),
    "many": random_structure(300, np.diag([15.0, 16.0, 17.0])),
}


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES.keys())
def test_structures(evaluator, structure, layers):
    model = random_model(layers=layers, zbl=True)
    expected = results(evaluator.torch_context(model, structure))
    assert_equal_results(results(evaluator.context(model, structure)), expected, evaluator.tolerance)


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES.keys())
def test_structures_with_flows(evaluator, structure):
    model = random_model(layers=2, rung="qu+ca", charges="flow")
    expected = results(evaluator.torch_context(model, structure))
    assert_equal_results(results(evaluator.context(model, structure)), expected, evaluator.tolerance)


# In a thin box torch takes nearest images for charges that move, where the plugin follows the network's pairs.
@pytest.mark.parametrize(
    ("structure", "formal"),
    [("slabs", True), ("slabs", False), ("thin", True), ("cluster", True), ("cluster", False)],
)
def test_field_on_flows(evaluator, structure, formal):
    cell = {"slabs": np.array([[20.0, 0, 0], [4, 19, 0], [-5, 6, 21]]), "thin": THIN, "cluster": None}[structure]
    structure = random_structure(12 if cell is THIN else 60, cell)
    model = random_model(rung="qu+ca", charges="flow", formal_charges=FORMAL if formal else {})
    total = sum(FORMAL[z] for z in structure.species) if formal else 1.0
    found, expected = (
        make(model, structure, total_charge=total) for make in (evaluator.context, evaluator.torch_context)
    )
    without = results(found)
    for context in (found, expected):
        for axis, value in zip("xyz", (0.7, -0.4, 0.3), strict=True):
            context.setParameter(f"polarmp_field_{axis}", value)
    expected, found = results(expected), results(found)
    assert np.abs(found["forces"] - without["forces"]).max() > 30  # kJ/mol/nm
    assert_equal_results(found, expected, evaluator.tolerance)
    assert found["energy"] == pytest.approx(expected["energy"], rel=evaluator.tolerance)


@pytest.mark.parametrize("projection", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", [np.array([[20.0, 0, 0], [4, 19, 0], [-5, 6, 21]]), None], ids=["box", "cluster"])
def test_field(evaluator, cell, layers, projection):
    """The force of the moving charges in a field. In a box thinner than twice their reach torch takes nearest images."""
    structure = random_structure(60, cell)
    model = random_model(layers=layers, charge_projection=projection)
    found, expected = (make(model, structure) for make in (evaluator.context, evaluator.torch_context))
    without = results(found)
    for context in (found, expected):
        for axis, value in zip("xyz", (0.7, -0.4, 0.0), strict=True):
            context.setParameter(f"polarmp_field_{axis}", value)
    expected = results(expected)
    found = results(found)
    assert np.abs(found["forces"] - without["forces"]).max() > 1e-3 * np.abs(found["forces"]).max()
    assert_equal_results(found, expected, evaluator.tolerance)
