"""The CPU platform's loops are compiled for several instruction sets: all that this machine can run give the same."""

import numpy as np
import pytest
from support.platforms import PlatformChoice
from support.processes import run_python
from support.systems import TRICLINIC, evaluate, random_atoms, relative_error

PROGRAM = """
import sys
import numpy as np
from support.platforms import PlatformChoice
from support.systems import TRICLINIC, evaluate, random_atoms
energy, forces, _, _ = evaluate(random_atoms(40, TRICLINIC), PlatformChoice("CPU"), float(sys.argv[1]))
np.savetxt(sys.argv[2], np.vstack([forces, np.full(3, energy)]), fmt="%.17g")
"""


def run(simd, tolerance, path):
    return run_python(PROGRAM, str(tolerance), str(path), POLARMP_SIMD=simd)


@pytest.mark.parametrize(
    "tolerance", [1e-2, 5e-4, 2e-4, 1e-5]
)  # windows of 7 to 10 points, single and double precision
@pytest.mark.parametrize("simd", ["baseline", "avx2", "avx512"])
def test_the_same_forces(tmp_path, simd, tolerance):
    done = run(simd, tolerance, tmp_path / "result")
    assert done.returncode == 0, done.stderr
    *forces, energy = np.loadtxt(tmp_path / "result")
    expected_energy, expected_forces, _, _ = evaluate(random_atoms(40, TRICLINIC), PlatformChoice("Reference"))
    assert energy[0] == pytest.approx(expected_energy, rel=tolerance)
    assert relative_error(np.array(forces), expected_forces) < tolerance


def test_an_unknown_one_is_named(tmp_path):
    done = run("sse5", 5e-4, tmp_path / "result")
    assert done.returncode != 0
    assert "POLARMP_SIMD is 'sse5'; baseline, avx2 and avx512 are accepted" in done.stderr
