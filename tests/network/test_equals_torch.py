"""The plugin's own evaluation of a network equals torch's: energy, moments, their gradients, forces."""

import itertools
from contextlib import nullcontext

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

CONFIGURATIONS = [
    *(
        {"layers": layers, "l_max": l_max, "l_message": l_message, "rung": "qu+ka"}
        for layers, l_max, l_message in itertools.product((1, 2, 3), (1, 2), (0, 1))
        if layers > 1 or l_message == 0
    ),
    *({"correlation": correlation, "layers": layers} for correlation in (1, 2, 4) for layers in (1, 2)),
    *(
        {"rung": rung, "layers": 2}
        for rung in RUNGS
        if not Rung.parse(rung).conductance and not Rung.parse(rung).electronegativity
    ),
    {"polarizability": "tensor"},
    {"polarizability": "tensor", "rung": "q+a", "layers": 2},
    {"channels": 1, "message_channels": 1, "n_radial": 1, "hidden": 1, "layers": 2},
    {"channels": 16, "message_channels": 8, "n_radial": 8, "hidden": 16, "layers": 2},
    {"channels": 19, "message_channels": 17, "n_radial": 11, "hidden": 21, "layers": 2},
    {"zbl": True, "species": (1, 6, 8), "layers": 2},
    {"charge_projection": False},
    {"total_charge_input": True, "multiplicity_input": True, "layers": 2},
]


@pytest.mark.parametrize("config", CONFIGURATIONS, ids=str)
def test_configurations(evaluator, config):
    model = random_model(**config)
    structure = random_structure(20, TRICLINIC, species=config.get("species", (1, 8)))
    options = {"total_charge": 2.0, "multiplicity": 3} if "total_charge_input" in config else {}
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


@pytest.mark.parametrize("projection", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("structure", ["slabs", "atom by atom", "cluster"])
def test_field(evaluator, structure, layers, projection):
    """The force of the moving charges in a field: by slabs, and atom by atom where the box is too thin for them."""
    cell = {"slabs": np.array([[20.0, 0, 0], [4, 19, 0], [-5, 6, 21]]), "atom by atom": THIN, "cluster": None}[
        structure
    ]
    structure = random_structure(12 if cell is THIN else 60, cell)
    model = random_model(layers=layers, charge_projection=projection)
    found, expected = (make(model, structure) for make in (evaluator.context, evaluator.torch_context))
    without = results(found)
    for context in (found, expected):
        for axis, value in zip("xyz", (0.7, -0.4, 0.0), strict=True):
            context.setParameter(f"polarmp_field_{axis}", value)
    with pytest.warns(UserWarning, match="thinner than twice the reach") if cell is THIN else nullcontext():
        expected = results(expected)
        found = results(found)
    assert np.abs(found["forces"] - without["forces"]).max() > 1e-3 * np.abs(found["forces"]).max()
    assert_equal_results(found, expected, evaluator.tolerance)
