"""torch's and OpenMM's streams on a GPU are in order because of events, not by luck. Runs only where there is a GPU."""

import os
import subprocess
import sys

import pytest
from support.platforms import PlatformChoice, why_unusable

CODE = """
import numpy as np
import torch
from support.platforms import PlatformChoice
from support.systems import TRICLINIC, energy_and_forces, make_system, random_atoms, relative_error
from support.sources import DensitySource
import openmm_polarmp._polarmp as extension
from openmm_polarmp import FixedMultipoles, PolarMPForce


class Late(DensitySource):
    '''Lets the GPU idle for a while before each of its passes: who does not wait reads old numbers.'''

    supports_cuda = True

    def bind(self, buffers):
        evaluation = super().bind(buffers)
        if not buffers.positions.is_cuda:
            return evaluation
        stream = torch.cuda.Stream()
        forward, backward = evaluation.forward, evaluation.backward

        def late(function, *arguments):
            with torch.cuda.stream(stream):
                torch.cuda._sleep(50_000_000)
                function(*arguments)

        evaluation.forward = lambda *a: late(forward, *a)
        evaluation.backward = lambda *a: late(backward, *a)
        evaluation.stream = stream.cuda_stream
        return evaluation


atoms = random_atoms(40, None)
forces = []
for platform in (PlatformChoice("Reference"), PlatformChoice("CUDA", "mixed")):
    source = Late(torch.as_tensor(atoms.charges))
    if platform.name == "CUDA":
        source.charges = source.charges.cuda()
    force = PolarMPForce(FixedMultipoles([0.0]))
    extension.set_python_source(int(force.this), source, "", {})
    context = platform.context(make_system(40, None, force))
    context.setPositions(0.1 * atoms.positions)
    forces.append(energy_and_forces(context)[1])
print("error", relative_error(forces[1], forces[0]))
"""


def error_of_forces(**environment) -> float:
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )
    assert "error" in done.stdout, done.stderr
    return float(done.stdout.split()[-1])


def test_waits_are_what_makes_it_right():
    reason = why_unusable(PlatformChoice("CUDA", "mixed"))
    if reason is not None:
        pytest.skip(reason)
    assert error_of_forces() < 1e-4
    assert error_of_forces(POLARMP_TEST_WITHOUT_WAIT="1") > 1e-2
