"""Periodic stand-ins of published tests of non-local charge, to be labelled by `polarmp label`.

    python examples/stand_ins/make_solids.py au2_mgo au2_mgo.extxyz
    polarmp label au2_mgo.extxyz au2_mgo_labelled.extxyz --method gfn1
    python examples/stand_ins/make_solids.py au2_mgo_scan au2_mgo_scan.extxyz
    polarmp label au2_mgo_scan.extxyz au2_mgo_scan_labelled.extxyz --method gfn1
    python examples/stand_ins/make_solids.py perovskite perovskite.extxyz
    polarmp label perovskite.extxyz perovskite_labelled.extxyz --method gfn2

au2_mgo: a gold dimer on five layers of MgO(001), upright on an oxygen atom or lying across two of them, with and without
two aluminium atoms in place of magnesium in the lowest layer, which is 10 A away from the gold: what the aluminium does to
the gold is beyond a short-range model of one or two layers. GFN2-xTB does not converge for it, GFN1-xTB does.
au2_mgo_scan: the same four kinds without displacements, the gold at eight heights; preference.py compares models with it.
perovskite: methylammonium lead iodide, eight formula units of the cubic phase with molecules in random directions. GFN1-xTB's
forces on it exceed 200 eV/A in tblite 0.8, GFN2-xTB's are as they should be.
"""

from __future__ import annotations

import argparse

import ase
import ase.io
import numpy as np
from ase.build import bulk

MGO = 4.21  # A, lattice constants
PEROVSKITE = 6.31
AU2 = 2.55  # A, length of the gold dimer
HEIGHT = 2.2  # A, of the gold above the oxygen
SCAN = np.linspace(1.9, 2.6, 8)  # A; heights within the displacements of the frames
LAYERS = 5
VACUUM = 15.0  # A


def substrate(doped: bool) -> ase.Atoms:
    """Layers of MgO(001) with 16 atoms each; doped: two aluminium atoms in the lowest one."""
    cube = bulk("MgO", "rocksalt", a=MGO, cubic=True)
    slab = cube.repeat((2, 2, (LAYERS + 1) // 2))
    slab = slab[slab.positions[:, 2] < (LAYERS - 0.5) * MGO / 2]
    slab.set_cell([2 * MGO, 2 * MGO, (LAYERS - 1) * MGO / 2 + VACUUM])
    if doped:
        lowest = [atom.index for atom in slab if atom.symbol == "Mg" and atom.z < 0.1]
        slab.symbols[[lowest[0], lowest[-1]]] = "Al"
    return slab


def gold(doped: bool, upright: bool, height: float = HEIGHT) -> ase.Atoms:
    """The substrate with a gold dimer above an oxygen atom of its highest layer."""
    slab = substrate(doped)
    top = slab.positions[:, 2].max()
    oxygen = next(atom.position for atom in slab if atom.symbol == "O" and atom.z > top - 0.1)
    along = np.array([0, 0, 1.0]) if upright else np.array([1.0, 1.0, 0]) / np.sqrt(2)
    first = oxygen + np.array([0, 0, height])
    if not upright:  # the middle of the dimer is above the middle between two oxygen atoms
        first = first + (MGO / np.sqrt(2) - AU2) / 2 * along
    atoms = slab + ase.Atoms("Au2", [first, first + AU2 * along])
    kind = f"{'doped' if doped else 'pure'} {'upright' if upright else 'lying'}"
    atoms.info.update(total_charge=0.0, kind=kind)
    return atoms


def displaced_gold(frames: int, rng: np.random.Generator) -> list[ase.Atoms]:
    """The four kinds in turn, every atom displaced at random, the dimer moved and stretched as a whole besides."""
    results = []
    for number in range(frames):
        atoms = gold(doped=bool(number % 2), upright=bool(number // 2 % 2))
        atoms.positions += rng.normal(scale=0.04, size=atoms.positions.shape)
        atoms.positions[-2:] += rng.normal(scale=0.15, size=3)
        atoms.positions[-1] += rng.normal(scale=0.1, size=3)
        results.append(atoms)
    return results


def scanned_gold() -> list[ase.Atoms]:
    """The four kinds at each height."""
    return [gold(doped, upright, height) for doped in (False, True) for upright in (False, True) for height in SCAN]


def methylammonium() -> tuple[str, np.ndarray]:
    """Elements and positions (A) of CH3NH3 along x, about its middle."""
    turns = 2 * np.pi / 3 * np.arange(3)

    def hydrogens(x: float, radius: float, start: float) -> np.ndarray:
        return np.stack([np.full(3, x), radius * np.cos(turns + start), radius * np.sin(turns + start)], 1)

    heavy = [[-0.745, 0, 0], [0.745, 0, 0]]
    return "CNH6", np.concatenate([heavy, hydrogens(-1.105, 1.02, 0), hydrogens(1.085, 0.96, np.pi / 3)])


def displaced_perovskite(frames: int, rng: np.random.Generator) -> list[ase.Atoms]:
    """Boxes of lengths within 2 % of the cubic phase's, molecules in random directions, every atom displaced."""
    symbols, molecule = methylammonium()
    results = []
    for _ in range(frames):
        atoms = ase.Atoms(cell=[2 * PEROVSKITE] * 3, pbc=True)
        for corner in PEROVSKITE * np.stack(np.meshgrid(*[range(2)] * 3), -1).reshape(-1, 3):
            atoms += ase.Atoms("PbI3", corner + PEROVSKITE / 2 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]))
            turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
            atoms += ase.Atoms(symbols, corner + PEROVSKITE / 2 + molecule @ turn)
        atoms.set_cell(atoms.cell * rng.uniform(0.98, 1.02, 3)[:, None], scale_atoms=False)
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
        atoms.info["total_charge"] = 0.0
        results.append(atoms)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("au2_mgo", "au2_mgo_scan", "perovskite"))
    parser.add_argument("out")
    parser.add_argument("--frames", type=int, default=200, help="of those with random displacements (default 200)")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    if options.what == "au2_mgo_scan":
        frames = scanned_gold()
    else:
        frames = (displaced_gold if options.what == "au2_mgo" else displaced_perovskite)(options.frames, rng)
    ase.io.write(options.out, frames)


if __name__ == "__main__":
    main()
