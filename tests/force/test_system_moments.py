"""The moments of all particles together, beside those of AmoebaMultipoleForce, whose units and quadrupoles are others."""

import numpy as np
import openmm
from support.platforms import REFERENCE
from support.systems import evaluate, make_system, random_atoms

from openmm_polarmp.units import DEBYE


def test_they_differ_from_amoeba_s_by_units_and_a_factor():
    atoms = random_atoms(5, None, charged=True).without("dipoles", "quadrupoles", "softness", "polarizability")
    *_, force, context = evaluate(atoms, REFERENCE)
    amoeba = openmm.AmoebaMultipoleForce()
    for charge in atoms.charges:
        amoeba.addMultipole(charge, [0] * 3, [0] * 9, openmm.AmoebaMultipoleForce.NoAxisType, -1, -1, -1, 0.39, 0, 0)
    other = REFERENCE.context(make_system(5, None, amoeba), positions=0.1 * atoms.positions)
    expected = np.array(amoeba.getSystemMultipoleMoments(other))
    found = force.getSystemMultipoleMoments(context)
    expected[1:] *= DEBYE
    expected[1:4] /= 10
    expected[4:] /= 100 * 1.5
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)
