"""What is refused, and what is said then."""

import re

import numpy as np
import openmm
import openmm_polarmp._polarmp as extension
import pytest
import torch
from support import networks
from support.networks import CUBIC, Structure, random_model, random_structure, results

from openmm_polarmp.models.heads import LARGEST_CHARGE, LARGEST_POLARIZABILITY
from openmm_polarmp.sources.native import network_source


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_position_not_finite(evaluator, value):
    structure = random_structure(20, CUBIC)
    context = evaluator.context(random_model(), structure)
    expected = results(context)
    broken = structure.positions.copy()
    broken[7, 1] = value
    context.setPositions(0.1 * broken)
    with pytest.raises(openmm.OpenMMException, match=r"position of particle 7 is (nan|inf)|Particle coordinate is NaN"):
        context.getState(energy=True)
    context.setPositions(0.1 * structure.positions)
    networks.assert_equal_results(results(context), expected, evaluator.tolerance)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", [None, CUBIC], ids=["cluster", "box"])
def test_atoms_at_the_same_place(evaluator, cell, layers):
    structure = random_structure(20, cell)
    positions = structure.positions.copy()
    positions[4] = positions[11] + (0 if cell is None else cell[1])
    context = evaluator.context(random_model(layers=layers), Structure(positions, structure.species, cell))
    with pytest.raises(openmm.OpenMMException, match=r"particles (4 and 11|11 and 4) lie at the same place"):
        context.getState(energy=True)
    context.setPositions(0.1 * structure.positions)
    anew = evaluator.context(random_model(layers=layers), structure)
    networks.assert_equal_results(results(context), results(anew), evaluator.tolerance)


def test_collapsed_box(evaluator):
    structure = random_structure(20, CUBIC)
    context = evaluator.context(random_model(), structure)
    context.setPeriodicBoxVectors(*(0.1 * 0.1 * CUBIC))
    with pytest.raises(
        openmm.OpenMMException, match=r"box vectors of 0.9, 0.9, 0.9 A for 20 atoms are too short: .* 3000 are accepted"
    ):
        context.getState(energy=True)


def test_close_atoms_stay_finite(evaluator):
    """Moments are bounded, however close atoms come."""
    structure = random_structure(20, CUBIC)
    positions = structure.positions.copy()
    positions[4] = positions[11] + [1e-3, 0, 0]
    found = results(evaluator.context(random_model(zbl=True), Structure(positions, structure.species, CUBIC)))
    # each within its bound, then shifted by their mean
    assert np.abs(found["charges"]).max() <= 2 * LARGEST_CHARGE
    assert np.isfinite(found["forces"]).all()


def test_outputs_of_any_size_stay_finite(evaluator):
    """Features of atoms that lie upon each other exceed what can be squared in single precision."""
    structure = random_structure(20, CUBIC)
    model = random_model(polarizability="tensor", rung="quQ+ca", layers=2)
    with torch.no_grad():
        model.network.heads.final.weight *= 1e12
    found = results(evaluator.context(model, structure))
    assert np.isfinite(found["forces"]).all()
    largest = np.linalg.norm(found["polarizability"].reshape(-1, 9), axis=1).max()
    assert 0.9 * LARGEST_POLARIZABILITY < largest <= LARGEST_POLARIZABILITY * (1 + 1e-5)


@pytest.mark.parametrize("name", ["heads.trunk.bias", "first.products.mixing.weights.2", "layers.0.join.weights.1"])
@pytest.mark.parametrize("change", ["shape", "missing"])
def test_weights(name, change):
    """A weight of a wrong shape, or none, is named."""
    model = random_model(layers=2)
    weights = {key: value.numpy() for key, value in model.network.state_dict().items()}
    if change == "shape":
        weights[name] = weights[name][..., :-1]
        said = f"the weight '{name}' has the shape [{', '.join(map(str, weights[name].shape))}]; "
    else:
        del weights[name]
        said = f"the weight '{name}' is missing"
    with pytest.raises(RuntimeError, match=re.escape(said)):
        network_source(model.network.config, weights, [1, 8], charge_projection=True)


def test_number_of_particles(evaluator):
    structure = random_structure(5, CUBIC)
    source = networks.native_source(random_model(), structure.species[:4])
    with pytest.raises(openmm.OpenMMException, match="describes 4 particles, but the force acts on 5"):
        networks.context_of(source, structure, evaluator.platform)


def test_precision():
    with pytest.raises(ValueError, match="precision is 'mixed'; 'single' and 'double' are accepted"):
        networks.native_source(random_model(), [1, 8], precision="mixed")
    assert extension.NetworkSource is type(networks.native_source(random_model(), [1, 8], precision="double"))
