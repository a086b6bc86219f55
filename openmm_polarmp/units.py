"""Units of the models and of OpenMM, and the conversions between them.

The models and their electrostatics work in eV, Angstrom, electron charges and V/A; OpenMM works in kJ/mol, nm, electron
charges and V/nm. Multiply by ``<quantity>_TO_OPENMM`` to leave the model side and divide by it to come back
(theory.md section 1). The same constants stand in plugin_cpp/openmmapi/include/openmm_polarmp/PolarMPUnits.h.
"""

COULOMB = 14.3996454784255
"""k_e in eV A / e^2."""

EV_TO_KJ_PER_MOL = 96.48533212331
ANGSTROM_PER_NM = 10.0

ENERGY_TO_OPENMM = EV_TO_KJ_PER_MOL
"""eV -> kJ/mol."""

LENGTH_TO_OPENMM = 1 / ANGSTROM_PER_NM
"""A -> nm."""

FORCE_TO_OPENMM = EV_TO_KJ_PER_MOL * ANGSTROM_PER_NM
"""eV/A -> kJ/mol/nm."""

POTENTIAL_TO_OPENMM = EV_TO_KJ_PER_MOL
"""eV/e (volt) -> kJ/mol/e."""

FIELD_TO_OPENMM = ANGSTROM_PER_NM
"""V/A -> V/nm: 1 V/nm = 0.1 V/A."""

DIPOLE_TO_OPENMM = LENGTH_TO_OPENMM
"""e A -> e nm."""

QUADRUPOLE_TO_OPENMM = LENGTH_TO_OPENMM**2
"""e A^2 -> e nm^2."""

SOFTNESS_TO_OPENMM = 1 / EV_TO_KJ_PER_MOL
"""e^2/eV -> e^2 mol/kJ."""

POLARIZABILITY_TO_OPENMM = LENGTH_TO_OPENMM**2 / EV_TO_KJ_PER_MOL
"""e^2 A^2/eV -> e^2 nm^2 mol/kJ."""

DEBYE = 0.208194332709356
"""1 debye in e A."""

DEBYE_PER_E_NM = ANGSTROM_PER_NM / DEBYE
"""1 e nm in debye."""
