"""Small boxes of water at several densities from force-field dynamics at 280 to 600 K, without labels.

python examples/train_bio/boxes.py boxes.extxyz
"""

from __future__ import annotations

import argparse

import ase
import ase.io
import numpy as np
import openmm
from frames import annotated
from openmm import app, unit


def run(size: float, temperature: float, count: int, seed: int) -> list[ase.Atoms]:
    """Frames of a cubic box of 64 molecules of flexible water; size in nm, temperature in K."""
    field = app.ForceField("amber14/tip3p.xml")
    modeller = app.Modeller(app.Topology(), [])
    modeller.addSolvent(field, numAdded=64)
    topology, positions = modeller.topology, np.array(modeller.positions.value_in_unit(unit.nanometer))
    old = topology.getPeriodicBoxVectors()[0][0].value_in_unit(unit.nanometer)
    first = positions[::3].repeat(3, 0)
    positions = positions + (size / old - 1) * first  # molecules keep their shape
    topology.setPeriodicBoxVectors(np.eye(3) * size * unit.nanometer)
    cutoff = 0.45 * size * unit.nanometer
    system = field.createSystem(topology, nonbondedMethod=app.PME, nonbondedCutoff=cutoff, rigidWater=False)
    integrator = openmm.LangevinMiddleIntegrator(temperature, 5, 0.0005)
    integrator.setRandomNumberSeed(seed)
    simulation = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName("CPU"))
    simulation.context.setPositions(positions)
    simulation.minimizeEnergy(maxIterations=100)
    simulation.context.setVelocitiesToTemperature(temperature, seed)
    simulation.step(2000)
    frames = []
    for _ in range(count):
        simulation.step(500)
        r = simulation.context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.angstrom)
        frame = ase.Atoms([a.element.symbol for a in topology.atoms()], r, cell=[10 * size] * 3, pbc=True)
        frames.append(annotated(frame, np.arange(192) // 3, np.zeros(64), "box", f"box {size:.3f} {temperature:.0f}"))
    return frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--frames", type=int, default=8, help="of each box (default 8)")
    options = parser.parse_args()
    frames = []
    for seed, (stretch, temperature) in enumerate(
        [(1.0, 300), (1.0, 400), (0.97, 350), (1.03, 300), (1.06, 450), (0.98, 600), (1.0, 280), (1.02, 500)], 1
    ):
        frames += run(1.2417 * stretch, temperature, options.frames, seed)
    for n, frame in enumerate(frames):  # the last of each run is as far as they come
        frame.info["part"] = "train" if n % options.frames < options.frames - 1 else "test"
    ase.io.write(options.out, frames)
    print(f"{len(frames)} boxes in {options.out}")


if __name__ == "__main__":
    main()
