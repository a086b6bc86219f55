"""The network's loops are compiled for several instruction sets: all that this machine can run equal the plain evaluation."""

import numpy as np
import pytest
from support.networks import TRICLINIC, Evaluator, random_model, random_structure, results
from support.processes import run_python

PROGRAM = """
import sys
import numpy as np
from support.networks import TRICLINIC, Evaluator, random_model, random_structure, results
layers, precision, path = sys.argv[1:]
structure = random_structure(40, TRICLINIC)
model = random_model(layers=int(layers), channels=19, n_radial=8, zbl=True, polarizability="tensor")
found = results(Evaluator("CPU", precision).context(model, structure))
np.savez(path, **{name: found[name] for name in ("forces", "charges", "quadrupoles", "polarizability")})
"""


@pytest.mark.parametrize("precision", ["single", "double"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("simd", ["baseline", "avx2", "avx512"])
def test_the_same_results(tmp_path, simd, layers, precision):
    done = run_python(PROGRAM, str(layers), precision, str(tmp_path / "found.npz"), POLARMP_SIMD=simd)
    assert done.returncode == 0, done.stderr
    structure = random_structure(40, TRICLINIC)
    model = random_model(layers=layers, channels=19, n_radial=8, zbl=True, polarizability="tensor")
    expected = results(Evaluator("Reference", "double").context(model, structure))
    tolerance = 1e-9 if precision == "double" else 2e-5
    for name, found in np.load(tmp_path / "found.npz").items():
        # The CPU's forces are those of its mesh, which is asked for an accuracy of 1e-6.
        limit = 1e-6 if name == "forces" and precision == "double" else tolerance
        assert np.abs(found - expected[name]).max() <= limit * np.abs(expected[name]).max(), name
