"""With openmm-torch itself: `make test-torchforce` makes an environment in which this can run."""

import os
import subprocess
import sys
from pathlib import Path

import openmm
import pytest
from support.models import tiny_model
from support.platforms import PlatformChoice
from support.systems import energy_and_forces, relative_error
from support.water import water

from openmm_polarmp import PolarMPForce
from openmm_polarmp.torchforce import export_module

openmmtorch = pytest.importorskip(
    "openmmtorch", reason="openmm-torch is not installed: make test-torchforce", exc_type=ImportError
)


@pytest.mark.parametrize("precision", ["single", "double"])
@pytest.mark.parametrize("periodic", [True, False], ids=["box", "cluster"])
@pytest.mark.parametrize("platform", ["Reference", "CPU"])
def test_same_as_the_direct_route(platform, periodic, precision):
    model = tiny_model()
    topology, positions = water(27, periodic)
    numbers = [atom.element.atomic_number for atom in topology.atoms()]
    torch_force = openmmtorch.TorchForce(export_module(model, numbers, precision=precision))
    torch_force.setUsesPeriodicBoundaryConditions(periodic)
    answers = []
    for force in (PolarMPForce(torch_force), PolarMPForce(model, atomic_numbers=numbers, precision=precision)):
        if periodic:
            force.setNonbondedMethod(PolarMPForce.PME)
        system = openmm.System()
        for atom in topology.atoms():
            system.addParticle(atom.element.mass)
        if periodic:
            system.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
        system.addForce(force)
        context = PlatformChoice(platform).context(system)
        context.setPositions(positions)
        answers.append(energy_and_forces(context))
    close = 1e-9 if precision == "double" and platform == "Reference" else 2e-5
    assert answers[0][0] == pytest.approx(answers[1][0], rel=close)
    assert relative_error(answers[0][1], answers[1][1]) < close


BESIDE = """
import torch  # first: OpenMM loads openmm-torch's plugins only where libtorch is already there
import sys
import numpy as np
import openmm, openmmtorch
from support.models import tiny_model
from support.water import water
from openmm_polarmp import PolarMPForce
from openmm_polarmp.torchforce import export_module


class Spring(torch.nn.Module):
    def forward(self, positions: torch.Tensor):
        return 100.0 * (positions * positions).sum()


topology, positions = water(8, False)
numbers = [atom.element.atomic_number for atom in topology.atoms()]
system = openmm.System()
for atom in topology.atoms():
    system.addParticle(atom.element.mass)
system.addForce(PolarMPForce(openmmtorch.TorchForce(export_module(tiny_model(), numbers))))
spring = openmmtorch.TorchForce(torch.jit.script(Spring()))
spring.setForceGroup(1)
system.addForce(spring)
context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName(sys.argv[1]))
context.setPositions(positions)
forces = context.getState(forces=True, groups={1}).getForces(asNumpy=True)._value
np.testing.assert_allclose(forces, -200.0 * positions, rtol=1e-4, atol=1e-3)
together = context.getState(energy=True).getPotentialEnergy()._value
alone = context.getState(energy=True, groups={0}).getPotentialEnergy()._value
np.testing.assert_allclose(together, alone + 100.0 * (positions**2).sum(), rtol=1e-6)
"""


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
def test_beside_an_ordinary_torchforce(platform, tmp_path):
    """Both forces in one System, each computed by its own plugin."""
    (tmp_path / "beside.py").write_text(BESIDE)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, str(tmp_path / "beside.py"), platform]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
