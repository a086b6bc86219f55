"""From labelled structures to MD with a model of one's own.

    python examples/08_train_your_own.py --epochs 40 --output own-model

The data here is made on the spot by GFN2-xTB (the same as `polarmp label`): clusters of two water molecules. Yours is an
extended XYZ file with energies and forces; the configuration could as well be a YAML file for `polarmp train`.
"""

import argparse
from pathlib import Path

import ase
import ase.io
import numpy as np
import openmm
from ase.build import molecule
from openmm import app, unit
from openmmml import MLPotential

from openmm_polarmp.training import TrainingConfig, train
from openmm_polarmp.training.labelling import label

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--frames", type=int, default=200)
parser.add_argument("--epochs", type=int, default=40)
parser.add_argument("--steps", type=int, default=200, help="of MD with the model")
parser.add_argument("--output", type=Path, default=Path("own-model"))
options = parser.parse_args()
options.output.mkdir(parents=True, exist_ok=True)

rng = np.random.default_rng(1)
frames = []
for _ in range(options.frames):
    pair = []
    for place in (0.0, rng.uniform(2.7, 4.5)):
        water = molecule("H2O")
        water.rotate(rng.uniform(0, 360), rng.normal(size=3), center="COP")
        water.positions += rng.normal(0, 0.05, (3, 3)) + np.array([place, 0, 0])
        pair.append(water)
    frames.append(pair[0] + pair[1])
label(frames, options.output / "data.extxyz")

config = TrainingConfig.from_dict(
    {
        "data": {"train": "data.extxyz", "validation": 0.1, "test": 0.1},
        "output": "run",
        "model": {"rung": "qu+a", "cutoff": 4.0, "layers": 1, "channels": 16, "hidden": 32},
        "optimizer": {"epochs": options.epochs, "batch_size": 4, "learning_rate": 0.01},
    },
    options.output,
)
result = train(config)

topology = app.Topology()
for _ in range(2):
    residue = topology.addResidue("HOH", topology.addChain())
    for symbol in "OHH":
        topology.addAtom(symbol, app.Element.getBySymbol(symbol), residue)
system = MLPotential("polarmp", modelPath=str(options.output / "run" / "model.polarmp")).createSystem(topology)
integrator = openmm.LangevinMiddleIntegrator(100 * unit.kelvin, 1 / unit.picosecond, 0.5 * unit.femtosecond)
simulation = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName("CPU"))
start = next(f for f in ase.io.read(options.output / "data.extxyz", ":") if np.abs(f.get_forces()).max() < 10)
simulation.context.setPositions(start.positions / 10)
simulation.minimizeEnergy(maxIterations=20)
simulation.step(options.steps)
print("interaction energy after MD:", simulation.context.getState(energy=True).getPotentialEnergy())
