"""Frames whose numbers look as if they were in another unit."""

from __future__ import annotations

from collections.abc import Sequence

import ase
import numpy as np
from numpy.typing import NDArray

from openmm_polarmp.models.radii import COVALENT_RADII
from openmm_polarmp.neighbors import close_pairs
from openmm_polarmp.training.data._labels import labels

# Hartree-Fock energies of the atoms H to Ar, hartree.
ATOMS = (
    *(-0.5, -2.862, -7.433, -14.573, -24.529, -37.689, -54.401, -74.809, -99.409, -128.547, -161.859, -199.615),
    *(-241.877, -288.854, -340.719, -397.505, -459.482, -526.817),
)
ENERGY_UNITS = {"hartree": 1.0, "kcal/mol": 627.5095, "kJ/mol": 2625.4996}
HARTREE = 27.211386
"""1 hartree in eV."""
AGREEMENT = 0.06
"""All-electron energies of molecules are within this fraction of those of their atoms."""
LARGE_FORCE, SMALL_FORCE = 20.0, 0.03
"""eV/A, root mean square: what frames of dynamics hardly have."""
SAMPLE = 50


def suspicions(frames: Sequence[ase.Atoms]) -> list[str]:
    """Sentences on units that differ from A, eV and eV/A, as far as distances, energies and forces show it."""
    sample = list(frames[:: max(1, len(frames) // SAMPLE)])
    sentences = []
    nearest = np.concatenate([_nearest_by_radii(frame) for frame in sample])
    if len(nearest) and (ratio := float(np.median(nearest))) < 0.4:
        sentences.append(
            f"the nearest atom is at {ratio:.2g} times the sum of the covalent radii (median): positions may be in nm, A is needed"
        )
    elif len(nearest) and 1.7 < ratio < 2.2:
        sentences.append(
            f"the nearest atom is at {ratio:.2g} times the sum of the covalent radii (median): positions may be in bohr, A is needed"
        )
    if (unit := _energy_unit(sample)) is not None:
        sentences.append(f"energies are those of all electrons in {unit}: eV is needed, also eV/A for forces")
    force = float(np.sqrt(np.mean([np.mean(labels(frame)["forces"] ** 2) for frame in sample])))
    if force > LARGE_FORCE:
        sentences.append(f"forces are {force:.3g} eV/A (rms): they may be in kcal/mol/A or kJ/mol, eV/A is needed")
    elif 0 < force < SMALL_FORCE:
        sentences.append(f"forces are {force:.2g} eV/A (rms): they may be in hartree/bohr, eV/A is needed")
    return sentences


def shortest_bonds(frames: Sequence[ase.Atoms]) -> float:
    """Median distance of the nearest atom in some of the frames, A; 0 where there are no pairs."""
    sample = frames[:: max(1, len(frames) // SAMPLE)]
    distances = np.concatenate([_nearest(frame) for frame in sample])
    return float(np.median(distances)) if len(distances) else 0.0


def _nearest(frame: ase.Atoms) -> NDArray[np.float64]:
    """Distance of each atom's nearest one, A; atoms without any within 6 A are left out."""
    pairs, distances = close_pairs(frame.positions, 6.0, frame.cell.array if frame.pbc.all() else None)
    nearest = np.full(len(frame), np.inf)
    np.minimum.at(nearest, pairs[1], distances)
    return nearest[np.isfinite(nearest)]


def _nearest_by_radii(frame: ase.Atoms) -> NDArray[np.float64]:
    """The same by the sum of covalent radii of the two atoms."""
    pairs, distances = close_pairs(frame.positions, 6.0, frame.cell.array if frame.pbc.all() else None)
    radii = np.asarray(COVALENT_RADII)[frame.numbers - 1]
    nearest = np.full(len(frame), np.inf)
    np.minimum.at(nearest, pairs[1], distances / (radii[pairs[0]] + radii[pairs[1]]))
    return nearest[np.isfinite(nearest)]


def _energy_unit(frames: Sequence[ase.Atoms]) -> str | None:
    """The unit in which energies are those of all electrons; None if that is eV, or none."""
    light = [frame for frame in frames if len(frame) and frame.numbers.max() <= len(ATOMS)]
    if not light:
        return None
    ratio = np.median([float(labels(f)["energy"]) / sum(ATOMS[z - 1] for z in f.numbers) for f in light])
    return next((name for name, unit in ENERGY_UNITS.items() if abs(ratio / unit - 1) < AGREEMENT), None)
