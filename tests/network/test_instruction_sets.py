"""The network's loops are compiled for several instruction sets: all that this machine can run equal the plain evaluation."""

import itertools

import numpy as np
import pytest
from support.networks import TRICLINIC, Evaluator, random_model, random_structure, results
from support.processes import run_python

LAYERS_AND_PRECISIONS = list(itertools.product((1, 2), ("single", "double")))
NAMES = ("forces", "charges", "quadrupoles", "polarizability")


def results_of(evaluator, layers):
    model = random_model(layers=layers, channels=19, n_radial=8, zbl=True, polarizability="tensor")
    found = results(evaluator.context(model, random_structure(40, TRICLINIC)))
    return {name: found[name] for name in NAMES}


PROGRAM = """
import sys
import numpy as np
from network.test_instruction_sets import LAYERS_AND_PRECISIONS, Evaluator, results_of
for layers, precision in LAYERS_AND_PRECISIONS:
    np.savez(f"{layers}{precision}.npz", **results_of(Evaluator("CPU", precision), layers))
"""


@pytest.fixture(scope="module")
def expected():
    """By number of layers."""
    return {layers: results_of(Evaluator("Reference", "double"), layers) for layers in (1, 2)}


@pytest.mark.parametrize("simd", ["baseline", "avx2", "avx512"])
def test_the_same_results(tmp_path, expected, simd):
    done = run_python(PROGRAM, folder=tmp_path, POLARMP_SIMD=simd)
    assert done.returncode == 0, done.stderr
    for layers, precision in LAYERS_AND_PRECISIONS:
        for name, found in np.load(tmp_path / f"{layers}{precision}.npz").items():
            # The CPU's forces are those of its mesh, which is asked for an accuracy of 1e-6.
            limit = 2e-5 if precision == "single" else 1e-6 if name == "forces" else 1e-9
            error, largest = np.abs(found - expected[layers][name]).max(), np.abs(expected[layers][name]).max()
            assert error <= limit * largest, (name, layers, precision)
