"""One set of constants, in Python and in C++."""

import re
from pathlib import Path

import pytest
from openmm import unit

from openmm_polarmp import units

E, A, NM = unit.elementary_charge, unit.angstrom, unit.nanometer
EV, KJ = E * unit.volt, unit.kilojoule / unit.AVOGADRO_CONSTANT_NA / unit.mole
CONVERSIONS = {
    "ENERGY_TO_OPENMM": (EV, KJ),
    "LENGTH_TO_OPENMM": (A, NM),
    "FORCE_TO_OPENMM": (EV / A, KJ / NM),
    "POTENTIAL_TO_OPENMM": (EV / E, KJ / E),
    "FIELD_TO_OPENMM": (unit.volt / A, unit.volt / NM),
    "DIPOLE_TO_OPENMM": (E * A, E * NM),
    "QUADRUPOLE_TO_OPENMM": (E * A**2, E * NM**2),
    "SOFTNESS_TO_OPENMM": (E**2 / EV, E**2 / KJ),
    "POLARIZABILITY_TO_OPENMM": (E**2 * A**2 / EV, E**2 * NM**2 / KJ),
}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_conversions(name):
    """OpenMM's own units know every quantity; its constants agree to 1e-6."""
    ours, openmm = CONVERSIONS[name]
    ratio = (1 * ours) / (1 * openmm)
    if unit.is_quantity(ratio):
        ratio = ratio.value_in_unit(unit.dimensionless)
    assert ratio == pytest.approx(getattr(units, name), rel=1e-6)


def test_debye():
    """1e-21/c C m by definition; the elementary charge is exact in SI."""
    assert units.DEBYE == pytest.approx(1e-21 / 299792458 / 1.602176634e-19 * 1e10, rel=1e-12)


def test_coulomb_constant():
    """theory.md section 1: together they are OpenMM's 138.935457644 kJ nm / mol e^2."""
    openmm = units.COULOMB * units.ENERGY_TO_OPENMM * units.LENGTH_TO_OPENMM
    assert openmm == pytest.approx(138.935457644, rel=1e-11)


def test_the_same_constants_as_in_the_plugin():
    header = Path(__file__).parents[2] / "plugin_cpp/openmmapi/include/openmm_polarmp/PolarMPUnits.h"
    constants = dict(re.findall(r"constexpr double (\w+) = ([\d.]+);", header.read_text()))
    assert float(constants["COULOMB"]) == units.COULOMB
    assert float(constants["EV_TO_KJ_PER_MOL"]) == units.EV_TO_KJ_PER_MOL
    assert float(constants["ANGSTROM_PER_NM"]) == units.ANGSTROM_PER_NM
    assert 1 / float(constants["VOLT_PER_ANGSTROM_PER_VOLT_PER_NM"]) == units.FIELD_TO_OPENMM
