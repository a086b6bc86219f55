"""The CPU platform's loops are compiled for several instruction sets: all that this machine can run give the same."""

import numpy as np
import pytest
from support.platforms import REFERENCE
from support.processes import run_python
from support.systems import TRICLINIC, evaluate, random_atoms, relative_error

TOLERANCES = (1e-2, 5e-4, 2e-4, 1e-5)  # windows of 7 to 10 points, single and double precision
PROGRAM = """
import sys
import numpy as np
from support.platforms import CPU
from support.systems import TRICLINIC, evaluate, random_atoms
for tolerance in sys.argv[1:]:
    energy, forces, _, _ = evaluate(random_atoms(40, TRICLINIC), CPU, float(tolerance))
    np.savetxt(tolerance, np.vstack([forces, np.full(3, energy)]), fmt="%.17g")
"""


@pytest.mark.parametrize("simd", ["baseline", "avx2", "avx512"])
def test_the_same_forces(tmp_path, simd):
    done = run_python(PROGRAM, *map(str, TOLERANCES), folder=tmp_path, POLARMP_SIMD=simd)
    assert done.returncode == 0, done.stderr
    expected_energy, expected_forces, _, _ = evaluate(random_atoms(40, TRICLINIC), REFERENCE)
    for tolerance in TOLERANCES:
        *forces, energy = np.loadtxt(tmp_path / str(tolerance))
        assert energy[0] == pytest.approx(expected_energy, rel=0.1 * tolerance)
        assert relative_error(np.array(forces), expected_forces) < tolerance


def test_an_unknown_one_is_named(tmp_path):
    done = run_python(PROGRAM, "5e-4", folder=tmp_path, POLARMP_SIMD="sse5")
    assert done.returncode != 0
    assert "POLARMP_SIMD is 'sse5'; baseline, avx2 and avx512 are accepted" in done.stderr
