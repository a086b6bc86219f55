"""MACE with our electrostatics: multipole heads on its features, trained together, then MD.

    pip install 'openmm-polarmp[mace,train,label,ml]'
    python examples/15_mace_host.py --epochs 40 --output mace-model

A MACE model that exists already, for example a foundation model, is converted once and then carries the heads:

    polarmp import-mace mace-small.model mace-small.polarmp --licence MIT
    python examples/15_mace_host.py --start-host mace-small.polarmp --host-training slow
"""

import argparse
from pathlib import Path

import ase
import numpy as np
import openmm
from ase.build import molecule
from openmm import app, unit
from openmmml import MLPotential

from openmm_polarmp import PolarMPForce
from openmm_polarmp.models import model_info
from openmm_polarmp.training import TrainingConfig, train
from openmm_polarmp.training.labelling import label

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--frames", type=int, default=200)
parser.add_argument("--epochs", type=int, default=40)
parser.add_argument("--start-host", type=Path, help="a model file with a host, from polarmp import-mace")
parser.add_argument("--host-training", choices=("all", "frozen", "slow"), default="all")
parser.add_argument("--steps", type=int, default=200, help="of MD with the model")
parser.add_argument("--output", type=Path, default=Path("mace-model"))
options = parser.parse_args()
options.output.mkdir(parents=True, exist_ok=True)

rng = np.random.default_rng(1)  # the same data as in 08_train_your_own.py
frames = []
for _ in range(options.frames):
    pair = ase.Atoms()
    for place in (0.0, rng.uniform(2.7, 4.5)):
        water = molecule("H2O")
        water.rotate(rng.uniform(0, 360), rng.normal(size=3), center="COP")
        water.positions += rng.normal(0, 0.05, (3, 3)) + np.array([place, 0, 0])
        pair += water
    frames.append(pair)
label(frames, options.output / "data.extxyz")

host = {"host": "mace", "cutoff": 4.0, "host_settings": {"channels": 8, "l_max": 1, "radial_mlp": [16, 16]}}
if options.start_host is not None:
    host = {"start_host": str(options.start_host.resolve()), "host_training": options.host_training}
config = TrainingConfig.from_dict(
    {
        "data": {"train": "data.extxyz", "validation": 0.1, "test": 0.1},
        "output": "run",
        "model": {"rung": "qu+a", "channels": 8, "hidden": 32, **host},
        "optimizer": {"epochs": options.epochs, "batch_size": 4, "learning_rate": 0.01},
    },
    options.output,
)
train(config)
path = options.output / "run" / "model.polarmp"
print(model_info(path).split("\n\n")[0])

topology = app.Topology()
for _ in range(2):
    residue = topology.addResidue("HOH", topology.addChain())
    for symbol in "OHH":
        topology.addAtom(symbol, app.Element.getBySymbol(symbol), residue)
system = MLPotential("polarmp", modelPath=str(path)).createSystem(topology)
integrator = openmm.LangevinMiddleIntegrator(100 * unit.kelvin, 1 / unit.picosecond, 0.5 * unit.femtosecond)
context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"))
context.setPositions(0.1 * frames[0].positions)
integrator.step(options.steps)
force = next(PolarMPForce.cast(f) for f in system.getForces() if PolarMPForce.isinstance(f))
print("charges after MD, e:", np.round(force.getCharges(context), 3).tolist())
