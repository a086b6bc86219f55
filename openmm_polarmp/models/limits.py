"""Limits of what the heads give an atom.

Where atoms come far closer than in any training data the features grow without bound, and the electrostatic energy with
their square: without limits the first long step of a minimizer could end in a false minimum.
"""

from __future__ import annotations

import math

from openmm_polarmp.units import COULOMB

LARGEST_CHARGE = 3.0  # e
LARGEST_DIPOLE = 1.0  # e A
LARGEST_QUADRUPOLE = 1.5  # e A^2
LARGEST_SOFTNESS = 0.1  # e^2/eV
LARGEST_POLARIZABILITY = 0.5  # e^2 A^2/eV, 7 A^3
LARGEST_ELECTRONEGATIVITY = 30.0  # V
# Induced moments that feel each other are stable for certain where an atom's own smeared charge and dipole would cost more than
# k_e sqrt(2/pi)/sigma and k_e sqrt(2/pi)/(3 sigma^3): with these limits for every sigma of 1 A and more.
OWN_CHARGE = COULOMB * math.sqrt(2 / math.pi)  # eV/e^2
LARGEST_MUTUAL_SOFTNESS = 0.95 / OWN_CHARGE
LARGEST_MUTUAL_POLARIZABILITY = 0.95 * 3 / OWN_CHARGE
# Atoms that lie upon each other give values of any size. Beyond this many limits only the direction counts: squares would overflow in
# single precision, and derivatives would be no numbers.
LARGEST_RATIO = 1e6
LOWEST_ENERGY = 30.0  # eV below the energy of the single atom; upwards there is no limit
