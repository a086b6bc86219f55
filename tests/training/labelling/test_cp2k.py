"""Labels of CP2K: reading of its output, and, where the program is there, derivatives against finite differences."""

import shutil

import ase
import numpy as np
import pytest
from ase.units import Bohr, Debye, GPa, Hartree
from support.labelling import moved, strained, water

from openmm_polarmp.training import labels
from openmm_polarmp.training.labelling import NotConverged, label_frame, method_of
from openmm_polarmp.training.labelling.cp2k import PROGRAMS, parsed

TEMPLATE = """
&GLOBAL
  PROJECT frame
  RUN_TYPE ENERGY_FORCE
&END GLOBAL
&FORCE_EVAL
  METHOD Quickstep
  STRESS_TENSOR ANALYTICAL
  &PRINT
    &FORCES ON
    &END FORCES
    &STRESS_TENSOR ON
    &END STRESS_TENSOR
  &END PRINT
  &DFT
    BASIS_SET_FILE_NAME BASIS_MOLOPT
    POTENTIAL_FILE_NAME GTH_POTENTIALS
    CHARGE {charge}
    &MGRID
      CUTOFF 140
    &END MGRID
    &SCF
      EPS_SCF 1e-7
      MAX_SCF 30
    &END SCF
    &XC
      &XC_FUNCTIONAL PBE
      &END XC_FUNCTIONAL
    &END XC
  &END DFT
  &SUBSYS
    &CELL
      {cell}
    &END CELL
    &COORD
      {coordinates}
    &END COORD
    &KIND H
      BASIS_SET SZV-MOLOPT-GTH
      POTENTIAL GTH-PBE-q1
    &END KIND
  &END SUBSYS
&END FORCE_EVAL
"""
OUTPUT_2023 = """
  Dipole moment [Debye]
    X=  0.10000000E+01 Y= -0.20000000E+01 Z=  0.30000000E+00   Total=     2.26000000

 ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]:               -1.101661207139333

 ATOMIC FORCES in [a.u.]

 # Atom   Kind   Element          X              Y              Z
      1      1      H          -0.00100000    -0.00000000     0.06711098
      2      1      H           0.00100000     0.00000000    -0.06711098
 SUM OF ATOMIC FORCES          -0.00000000    -0.00000000     0.00000000     0.00000000

 STRESS| Analytical stress tensor [GPa]
 STRESS|                        x                   y                   z
 STRESS|      x        1.00000000000E+00   2.00000000000E-01   0.00000000000E+00
 STRESS|      y        2.00000000000E-01  -3.00000000000E+00   0.00000000000E+00
 STRESS|      z        0.00000000000E+00   0.00000000000E+00   4.00000000000E+00
 STRESS| 1/3 Trace                                             6.66666666667E-01
"""
OUTPUT_2025 = """
 ENERGY| Total FORCE_EVAL ( QS ) energy [hartree]              -1.101661207139333

 FORCES| Atomic forces [hartree/bohr]
 FORCES| Atom                    x                   y                   z                 |f|
 FORCES|      1 -1.00000000000E-03 -0.00000000000E-00  6.71109800000E-02  6.71184300000E-02
 FORCES|      2  1.00000000000E-03  0.00000000000E+00 -6.71109800000E-02  6.71184300000E-02
 FORCES| Sum    -0.00000000000E+00  0.00000000000E+00  0.00000000000E+00  0.00000000000E+00
"""


def hydrogen(periodic: bool = True) -> ase.Atoms:
    frame = ase.Atoms("HH", [[2, 2, 1.6], [2, 2.1, 2.4]])
    if periodic:
        frame.set_cell([[4, 0, 0], [0.2, 4, 0], [0, 0.3, 4.2]])
        frame.pbc = True
    return frame


@pytest.mark.parametrize("output", [OUTPUT_2023, OUTPUT_2025], ids=["2023", "2025"])
def test_what_is_printed_is_read(output):
    found = parsed(output, hydrogen())
    assert found.energy == pytest.approx(-1.101661207139333 * Hartree)
    forces = np.array([[-1e-3, 0, 0.06711098], [1e-3, 0, -0.06711098]]) * Hartree / Bohr
    np.testing.assert_allclose(found.forces, forces, atol=1e-12)
    if output == OUTPUT_2023:
        stress = -np.array([[1, 0.2, 0], [0.2, -3, 0], [0, 0, 4]]) * GPa
        np.testing.assert_allclose(found.stress, stress, atol=1e-12)
        np.testing.assert_allclose(parsed(output, hydrogen(False)).dipole, np.array([1, -2, 0.3]) * Debye, atol=1e-9)


def test_outputs_without_labels():
    with pytest.raises(NotConverged):
        parsed(OUTPUT_2023 + "*** WARNING: SCF run NOT converged ***", hydrogen())
    with pytest.raises(RuntimeError, match=r"CP2K stopped with status 1(.|\n)*basis set not found"):
        parsed("ABORT\nbasis set not found", hydrogen(), 1)
    with pytest.raises(ValueError, match="a template with &FORCES"):
        parsed(OUTPUT_2023.split(" ATOMIC")[0], hydrogen())


def test_wrong_templates(tmp_path):
    with pytest.raises(FileNotFoundError, match="an existing CP2K input"):
        method_of(f"cp2k:{tmp_path}/absent.inp")
    (tmp_path / "t.inp").write_text(TEMPLATE.replace("{coordinates}", "H 0 0 0"))
    with pytest.raises(ValueError, match=r"a CP2K input with \{coordinates\}"):
        method_of(f"cp2k:{tmp_path}/t.inp")


@pytest.mark.skipif(not any(map(shutil.which, PROGRAMS)), reason="needs CP2K")
def test_derivatives(tmp_path):
    (tmp_path / "t.inp").write_text(TEMPLATE)
    method, frame, step = method_of(f"cp2k:{tmp_path}/t.inp"), hydrogen(), 4e-3
    labelled = label_frame(frame, method)
    assert labelled.info["method"] == "cp2k:t.inp" and labelled.info["method_version"].startswith("CP2K version")
    found = labels(labelled)
    high, low = (labels(label_frame(moved(frame, 0, 2, s * step), method))["energy"] for s in (1, -1))
    assert found["forces"][0, 2] == pytest.approx(-(high - low) / (2 * step), rel=1e-2)
    high, low = (labels(label_frame(strained(frame, 1, 2, s * step), method))["energy"] for s in (1, -1))
    slope = (high - low) / (2 * step) / frame.get_volume()
    assert found["stress"][1, 2] == pytest.approx(slope, rel=5e-2)
    with pytest.raises(ValueError, match=r"a frame is a cluster; a template one without \{cell\}"):
        label_frame(water(), method)
    (tmp_path / "short.inp").write_text(TEMPLATE.replace("MAX_SCF 30", "MAX_SCF 2"))
    (failed,) = method_of(f"cp2k:{tmp_path}/short.inp").calculate([frame], False)
    assert isinstance(failed, NotConverged)
