"""Titles of the columns that the reporters write and the commands read."""

from __future__ import annotations

DIPOLE_PARTS = ("charges", "permanent dipoles", "induced dipoles")
DIPOLE_COLUMNS = [f"{part} {axis} (e nm)" for part in DIPOLE_PARTS for axis in "xyz"]
MEAN_COLUMN = "mean molecular dipole (D)"
VOLUME_COLUMN = "volume (nm^3)"
CHARGE_COLUMNS = ["charge (e)", "largest molecular charge (e)"]
# of files of earlier versions
CURRENT_COLUMNS = [f"current {axis} (e nm/ps)" for axis in "xyz"]
POLARIZATION_COLUMNS = [f"polarization of charges {axis} (e nm)" for axis in "xyz"]
BORN_COLUMN = "sum of Z:Z/m (e^2/Da)"
SCALE_COLUMN = "eps_e/eps_inf"
POLARIZABILITY_COLUMNS = [f"latent polarizability {c} (A^3)" for c in ("xx", "yy", "zz", "xy", "xz", "yz")]
