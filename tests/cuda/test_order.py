"""torch's and OpenMM's streams on a GPU are in order because of events, not by luck. Runs only where there is a GPU.

The source lets the GPU idle for a while before it works. Who does not wait for it, or for whom it does not wait, finds
the numbers of the evaluation before, at other positions.
"""

import pytest
from support.platforms import PlatformChoice, why_unusable
from support.processes import run_python

CODE = """
import sys
import torch
from support.platforms import PlatformChoice
from support.systems import energy_and_forces, make_system, random_atoms, relative_error
from support.sources import DeviceSource, force_with_source
import openmm_polarmp._polarmp as extension

N = 300
without_wait = sys.argv[1]  # "openmm" or "source" does not wait for the other
late = set()  # passes before which the GPU idles
extension.set_test_switches(source_waits=without_wait != "source", openmm_waits=without_wait != "openmm")


class Late(DeviceSource):
    def bind(self, buffers):
        evaluation = super().bind(buffers)
        if not buffers.positions.is_cuda:
            return evaluation
        stream = torch.cuda.Stream()

        def later(name):
            function = getattr(evaluation, name)

            def work(argument):
                with torch.cuda.stream(stream):
                    if name in late:
                        torch.cuda._sleep(400_000_000)  # 0.2 s: longer than the host needs for everything else
                    function(argument)

            return work

        evaluation.forward, evaluation.backward = later("forward"), later("backward")
        evaluation.stream = stream.cuda_stream
        return evaluation


before, now = random_atoms(N, None), random_atoms(N, None, seed=1)
forces = []
for platform in (PlatformChoice("Reference"), PlatformChoice("CUDA", "mixed")):
    force = force_with_source(Late(now.charges), periodic=False)
    context = platform.context(make_system(N, None, force))
    if platform.name == "CUDA":
        # What is done for the first time (loading kernels, allocating) takes long and makes the GPU wait.
        for _ in range(2):
            context.setPositions(0.1 * before.positions)
            context.getState(forces=True)
        torch.cuda.synchronize()
        late.update(sys.argv[2:])
    context.setPositions(0.1 * now.positions)
    forces.append(energy_and_forces(context)[1])
print("error", relative_error(forces[1], forces[0]))
"""


def error_of_forces(without_wait: str, *late: str) -> float:
    done = run_python(CODE, without_wait, *late)
    assert "error" in done.stdout, done.stderr
    return float(done.stdout.split()[-1])


@pytest.fixture(autouse=True)
def _needs_a_gpu():
    reason = why_unusable(PlatformChoice("CUDA", "mixed"))
    if reason is not None:
        pytest.skip(reason)


def test_with_waits_forces_are_right():
    assert error_of_forces("neither", "forward", "backward") < 1e-4


def test_without_openmms_waits_forces_are_wrong():
    assert error_of_forces("openmm", "forward", "backward") > 1e-2


def test_without_the_sources_waits_forces_are_wrong():
    # The source comes to its backward pass before OpenMM, which it kept waiting, has new derivatives.
    assert error_of_forces("source", "forward") > 1e-2
