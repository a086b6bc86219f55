"""Conditions of a run, from the file of a DipoleReporter: volume, charges, sampling."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from numpy.typing import NDArray

if TYPE_CHECKING:
    from openmm_polarmp.analysis import Table

LARGEST_CHARGE = 0.5
"""e: molecules that exchange charge have less, ions have more."""
HIGHEST_MODE = 4000.0
"""1/cm: bonds to hydrogen vibrate up to here."""


def warn(text: str) -> None:
    """A line of its own on the standard error, which does not mix with results."""
    print(f"warning: {text}", file=sys.stderr)


def volume_of(path: str, option: float | None) -> float:
    """The mean volume of the box in nm^3, from the file or, for older files without it, from the option.

    Raises
    ------
    ValueError
        If there is none, or the option differs from the file: it may be in A^3.
    """
    import numpy as np

    from openmm_polarmp.analysis import has_column, read_columns
    from openmm_polarmp.reporters.columns import VOLUME_COLUMN

    if not has_column(path, VOLUME_COLUMN):
        if option is None:
            raise ValueError(f"--volume is missing, and {path!r} has no column {VOLUME_COLUMN!r}")
        return option
    volume = float(np.mean(read_columns(path, [VOLUME_COLUMN])[1]))
    if np.isnan(volume):
        raise ValueError(f"{path!r} is of a run without a periodic box; one in a box is accepted")
    if option is not None and abs(option / volume - 1) > 0.05:
        unit = ", as if it were in A^3" if abs(option / volume / 1000 - 1) < 0.05 else ""
        raise ValueError(f"--volume is {option:g} nm^3, but the run's box has {volume:.4g} nm^3{unit}")
    return volume


def charges_in(path: str) -> tuple[float, float]:
    """Charge of all atoms and the largest of a molecule, e; zeros for older files that do not have them."""
    import numpy as np

    from openmm_polarmp.analysis import has_column, read_columns
    from openmm_polarmp.reporters.columns import CHARGE_COLUMNS

    if not all(has_column(path, column) for column in CHARGE_COLUMNS):
        return 0.0, 0.0
    total, largest = np.abs(read_columns(path, CHARGE_COLUMNS)[1]).max(0).tolist()
    return total, largest


def born_sum_in(path: str) -> float | None:
    """The mean of sum_i Z_i:Z_i / m_i in e^2/Da; None for a file that does not have it."""
    import numpy as np

    from openmm_polarmp.analysis import has_column, read_columns
    from openmm_polarmp.reporters.columns import BORN_COLUMN

    if not has_column(path, BORN_COLUMN):
        return None
    return float(np.mean(read_columns(path, [BORN_COLUMN])[1]))


def after(skip: float, interval: float, rows: NDArray, path: str) -> NDArray:
    """The rows, ``interval`` ps apart, without the first ``skip`` ps.

    Raises
    ------
    ValueError
        If no row is left.
    """
    first = round(skip / interval)
    if first >= len(rows):
        raise ValueError(
            f"--skip is {skip:g} ps; less than the {len(rows) * interval:.3g} ps of the series in {path!r} is accepted"
        )
    return rows[first:]


def check_sampling(table: Table) -> float:
    """The highest wavenumber of the series; warns where faster motion would be folded into its spectrum."""
    from openmm_polarmp.analysis.spectra import C

    highest = 1 / (2 * table.interval * 1e-12 * C)
    if highest < HIGHEST_MODE:
        enough = 1e3 / (2 * HIGHEST_MODE * 1e-12 * C)
        warn(
            f"rows are {1000 * table.interval:g} fs apart: the spectrum ends at {highest:.0f} 1/cm, and faster motion is folded "
            f"into it; report every {enough:.1f} fs or more often"
        )
    return highest
