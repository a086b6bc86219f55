"""The options of a source: what is accepted, what XML keeps of them, and which evaluator follows from them."""

import json

import numpy as np
import pytest
from openmm import unit

from openmm_polarmp.sources.options import NAMES, SourceOptions


def test_none_stands_for_the_default():
    plain = SourceOptions.of([8, 1, 1])
    assert SourceOptions.of(np.array([8, 1, 1]), **dict.fromkeys(NAMES)) == plain
    assert plain.atomic_numbers == (8, 1, 1)
    assert (plain.total_charge, plain.multiplicity, plain.precision, plain.evaluator) == (0.0, 1, "single", None)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"precision": "half"}, ValueError, "precision is 'half'; 'single' and 'double' are accepted"),
        ({"multiplicity": 1.5}, ValueError, "multiplicity is 1.5; a whole number is accepted"),
        ({"multiplicity": 0}, ValueError, "multiplicity is 0; 1, of singlets, or more is accepted"),
        ({"multiplicity": "triplet"}, ValueError, "multiplicity is 'triplet'; a whole number is accepted"),
        ({"total_charge": float("nan")}, ValueError, "total_charge is nan; a finite number of e"),
        ({"total_charge": "auto"}, ValueError, "total_charge is 'auto'; a finite number of e"),
        ({"total_charge": 1 * unit.nanometer}, ValueError, "total_charge is 1 nm; a finite number of e"),
        ({"evaluator": "jax"}, ValueError, "evaluator is 'jax'; 'native' and 'torch' are accepted"),
        ({"fast": True}, TypeError, r"unknown options \['fast'\]; accepted are atomic_numbers, embed, total_charge"),
    ],
)
def test_what_is_not_accepted(given, error, message):
    with pytest.raises(error, match=message):
        SourceOptions.of([1], **given)


def test_symbols_are_no_atomic_numbers():
    with pytest.raises(ValueError, match=r"atomic_numbers\[0\] is 'O'; a whole number is accepted"):
        SourceOptions.of(["O", "H", "H"])


def test_a_charge_with_its_unit():
    options = SourceOptions.of([11], total_charge=1 * unit.elementary_charge)
    assert options == SourceOptions.of([11], total_charge=1.0)
    assert SourceOptions.from_json(options.to_json()) == options


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"total_charge": -1.0, "multiplicity": 3, "precision": "double"},
        {"evaluator": "native", "interaction_energy": True},
        {"device": "cpu", "compile": True, "tensor_products": "cuequivariance", "evaluator": "torch"},
    ],
)
def test_json_round_trip(given):
    options = SourceOptions.of([8, 1, 1], **given)
    text = options.to_json()
    assert SourceOptions.from_json(text) == options
    assert set(json.loads(text)) == {"atomic_numbers", *given}  # what has its default is not written
    # OpenMM's reader of XML loses one character after an escaped quotation mark at the end of a value.
    assert not text.endswith('"}')


def test_json_of_older_and_newer_versions():
    older = SourceOptions.from_json('{"atomic_numbers": [1], "precision": "double", "compile": false, "device": "cpu"}')
    assert older == SourceOptions.of([1], precision="double", device="cpu")
    with pytest.raises(TypeError, match=r"unknown options \['future'\]"):
        SourceOptions.from_json('{"atomic_numbers": [1], "future": 1}')


def test_native_where_it_can():
    for given in ({}, {"total_charge": 1.0, "multiplicity": 2, "precision": "double", "interaction_energy": True}):
        options = SourceOptions.of([1], **given)
        assert options.resolved().evaluator == "native"
        assert options.resolved(["a network of somebody else"]).evaluator == "torch"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"compile": True}, "compile=True"),
        ({"device": "cpu"}, "device='cpu'"),
        ({"tensor_products": "cuequivariance"}, "tensor_products='cuequivariance'"),
        ({"device": "cuda", "compile": True}, "device='cuda' and compile=True"),
    ],
)
def test_what_only_torch_can(given, named):
    assert SourceOptions.of([1], **given).resolved().evaluator == "torch"
    with pytest.raises(ValueError, match=f"evaluator is 'native', which cannot be had with {named}: the plugin's own"):
        SourceOptions.of([1], evaluator="native", **given).resolved()


def test_what_was_asked_for_stays():
    assert SourceOptions.of([1], evaluator="torch").resolved().evaluator == "torch"
    with pytest.raises(ValueError, match="cannot be had with a network of somebody else"):
        SourceOptions.of([1], evaluator="native").resolved(["a network of somebody else"])
