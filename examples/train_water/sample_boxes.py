"""Boxes of liquid water at several densities and temperatures, from a model's own dynamics, to be labelled.

    python examples/train_water/sample_boxes.py boxes.extxyz --model polarmp-water

Each box has 32 molecules. It runs at constant volume until it has forgotten how it was built, then one frame is kept every
picosecond (--between). The frames are in random order, so that any number of the first ones covers all densities and temperatures.
"""

from __future__ import annotations

import argparse

import ase
import ase.io
import numpy as np
import openmm
from openmm import unit
from openmmml import MLPotential

from openmm_polarmp.demo.run import water_box

DENSITIES = (0.90, 0.95, 1.00, 1.05, 1.10)  # g/cm^3
TEMPERATURES = (
    280,
    300,
    330,
    370,
    420,
)  # K; cold and hot for the quantum-like spread of bonds that classical nuclei lack
STEP = 0.0005  # ps
EQUILIBRATION = 2.0  # ps


def frames_of(
    model: str, molecules: int, density: float, temperature: float, count: int, between: float, seed: int
) -> list[ase.Atoms]:
    """Frames of one run, ``between`` ps apart, wrapped nowhere."""
    topology, positions = water_box(molecules)
    edge = (molecules * 18.0154 / 0.602214 / density * 1e-3) ** (1 / 3)  # nm
    atoms = positions.value_in_unit(unit.nanometer).reshape(-1, 3, 3)
    centres = atoms.mean(1, keepdims=True)
    before = topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer)[0][0]
    atoms = (atoms + centres * (edge / before - 1)).reshape(-1, 3)
    topology.setPeriodicBoxVectors(np.eye(3) * edge * unit.nanometer)
    system = MLPotential(model).createSystem(topology)
    integrator = openmm.LangevinMiddleIntegrator(temperature, 2, STEP)
    integrator.setRandomNumberSeed(seed)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"))
    context.setPositions(atoms)
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=30)
    context.setVelocitiesToTemperature(temperature, seed)
    integrator.step(round(EQUILIBRATION / STEP))
    frames = []
    for _ in range(count):
        integrator.step(round(between / STEP))
        at = context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.angstrom)
        frame = ase.Atoms([a.element.symbol for a in topology.atoms()], at, cell=10 * edge * np.eye(3), pbc=True)
        frame.info |= {"density": density, "temperature": temperature}
        frames.append(frame)
    return frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--model", default="polarmp-water")
    parser.add_argument("--molecules", type=int, default=32)
    parser.add_argument("--frames", type=int, default=8, help="of each density and temperature (default 8)")
    parser.add_argument("--between", type=float, default=1.0, help="ps between two frames (default 1)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    frames = []
    for density in DENSITIES:
        for temperature in TEMPERATURES:
            seed = options.seed + len(frames)
            frames += frames_of(
                options.model, options.molecules, density, temperature, options.frames, options.between, seed
            )
            print(f"{density} g/cm^3, {temperature} K: {options.frames} frames", flush=True)
    np.random.default_rng(options.seed).shuffle(frames)
    ase.io.write(options.out, frames)


if __name__ == "__main__":
    main()
