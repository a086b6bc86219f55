"""Structures for licence-free stand-ins of published benchmarks, to be labelled by `polarmp label`.

    python examples/stand_ins/make_clusters.py nacl nacl.extxyz
    polarmp label nacl.extxyz nacl_labelled.extxyz
    python examples/stand_ins/make_clusters.py water water.extxyz
    polarmp label water.extxyz water_labelled.extxyz --response
    python examples/stand_ins/make_clusters.py water fields.extxyz --frames 2400 --seed 100 --fields
    polarmp label fields.extxyz fields_labelled.extxyz

nacl: Na9Cl8+ and Na8Cl8+, where taking away one neutral sodium atom changes the charges everywhere, also beyond the reach
of a short-range model. water: two to six molecules, whose Born charges and polarizabilities are the exact answer of the
method that a model learns from. Both are snapshots of short runs with GFN2-xTB itself. --fields puts each cluster into a
uniform electric field, so that energies and forces tell how the molecules respond. (Ions at a distance would not do:
GFN2-xTB damps electrostatics between shells of atoms, and a neutral molecule repels a fluoride ion by 0.8 meV at 10 A.)
"""

from __future__ import annotations

import argparse

import ase
import ase.io
import numpy as np
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.optimize import BFGS
from ase.units import fs
from tblite.ase import TBLite

NACL_DISTANCE = 2.7  # A, in clusters
FIELD = 1.0  # V/A


def nacl(sodium: int) -> ase.Atoms:
    """A block of 3 x 3 x 2 ions without one corner (Na9Cl8), and without the sodium farthest from it (Na8Cl8)."""
    places = np.array([(x, y, z) for z in range(2) for y in range(3) for x in range(3)])
    symbols = ["Na" if sum(p) % 2 else "Cl" for p in places]
    cluster = ase.Atoms(symbols, NACL_DISTANCE * places)
    corner = int(np.flatnonzero((places == (0, 0, 0)).all(1))[0])
    del cluster[corner]
    if sodium == 8:
        far = [i for i, s in enumerate(cluster.symbols) if s == "Na"]
        del cluster[max(far, key=lambda i: np.linalg.norm(cluster.positions[i]))]
    cluster.info["total_charge"] = 1.0
    return cluster


def water(molecules: int, rng: np.random.Generator) -> ase.Atoms:
    """Molecules in random orientations around a random chain of places 2.8 A apart."""
    one = np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    centres = [np.zeros(3)]
    while len(centres) < molecules:
        step = rng.normal(size=3)
        place = centres[int(rng.integers(len(centres)))] + 2.8 * step / np.linalg.norm(step)
        if min(np.linalg.norm(place - c) for c in centres) > 2.6:
            centres.append(place)
    positions = []
    for centre in centres:
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        positions.append(centre + one @ turn)
    return ase.Atoms("OHH" * molecules, np.concatenate(positions), info={"total_charge": 0.0})


def in_fields(frames: list[ase.Atoms], rng: np.random.Generator) -> list[ase.Atoms]:
    """The frames, each in a strong uniform field of any direction."""
    for frame in frames:
        direction = rng.normal(size=3)
        frame.info["external_field"] = FIELD * direction / np.linalg.norm(direction)
    return frames


def dynamics(start: ase.Atoms, count: int, temperature: float, seed: int) -> list[ase.Atoms]:
    """Snapshots 25 fs apart, after a rough optimization and 100 fs."""
    atoms = start.copy()
    atoms.calc = TBLite(method="GFN2-xTB", charge=start.info["total_charge"], verbosity=0)
    BFGS(atoms, logfile=None).run(fmax=0.3, steps=60)
    rng = np.random.default_rng(seed)
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
    run = Langevin(atoms, 1 * fs, temperature_K=temperature, friction=0.02 / fs, rng=rng)
    run.run(100)
    frames = []
    for _ in range(count):
        run.run(25)
        frame = ase.Atoms(atoms.numbers, atoms.positions, info=dict(start.info))
        frames.append(frame)
    return frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("nacl", "water"))
    parser.add_argument("out")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument(
        "--seed", type=int, default=0, help="of the first run; other runs with seeds far from it are independent"
    )
    parser.add_argument("--fields", action="store_true", help="each frame in a uniform electric field")
    options = parser.parse_args()
    rng, frames = np.random.default_rng(options.seed), []
    if options.what == "nacl":
        runs = [
            (nacl(sodium), 600.0, 2 * seed + sodium % 2)
            for seed in range(options.seed, options.seed + 5)
            for sodium in (9, 8)
        ]
    else:
        runs = [(water(2 + seed % 5, rng), 300.0, seed) for seed in range(options.seed, options.seed + 30)]
    for start, temperature, seed in runs:
        frames += dynamics(start, -(-options.frames // len(runs)), temperature, seed)
        print(f"{len(frames)} frames", flush=True)
    if options.fields:
        frames = in_fields(frames, rng)
    order = np.random.default_rng(1).permutation(len(frames))  # a file cut off anywhere is a fair sample
    ase.io.write(options.out, [frames[i] for i in order])


if __name__ == "__main__":
    main()
