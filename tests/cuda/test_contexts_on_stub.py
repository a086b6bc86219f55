"""In which context CUDA is called, in which order, and for what the host stops: without a GPU, on a stub of the driver.

The stub refuses kernels, events and memory outside of their contexts. What a real driver makes of the same calls is
tested by the other files of this folder, where there is a GPU.
"""

import subprocess
import sys

import pytest
from support.cuda_stub import stub_environment

CODE = """
import ctypes
import gc
import sys

import openmm
import torch.utils.dlpack

import openmm_polarmp._polarmp as extension
from openmm_polarmp import FixedMultipoles, PolarMPForce

torch.utils.dlpack.from_dlpack = lambda capsule: capsule  # torch would look for the memory on a GPU
driver = ctypes.CDLL("libcuda.so.1")
driver.stub_mark.argtypes = driver.cuCtxPushCurrent_v2.argtypes = [ctypes.c_char_p]
driver.cuCtxPushCurrent_v2.argtypes = [ctypes.c_void_p]
driver.stub_calls.restype = ctypes.c_char_p
primary = ctypes.c_void_p()
driver.cuDevicePrimaryCtxRetain(ctypes.byref(primary), 0)


def in_context():
    context = ctypes.c_void_p()
    driver.cuCtxGetCurrent(ctypes.byref(context))
    return {None: "none", primary.value: "primary"}.get(context.value, "private")


def mark(what):
    driver.stub_mark(f"{what} in {in_context()}".encode())


def calls_of(function, *arguments):
    driver.stub_forget()
    try:
        function(*arguments)
    except ValueError as error:
        mark(error)
    return driver.stub_calls().decode().splitlines()


class Source:
    num_particles = 8
    has_dipoles = has_quadrupoles = has_softness = has_polarizability = True
    fails = False

    def __init__(self, on_device):
        self.supports_cuda = on_device

    def bind(self, buffers):
        mark("bind")
        return Evaluation(self)

    def __del__(self):
        mark("source released")


class Evaluation:
    def __init__(self, source):
        self.source = source
        stream = ctypes.c_void_p()
        driver.cuStreamCreate(ctypes.byref(stream), 0)
        self.stream = stream.value

    def forward(self, include_gradients):
        mark("forward")
        if self.source.fails:
            raise ValueError("failed")

    def backward(self, field):
        mark("backward")

    def __del__(self):
        mark("evaluation released")


def make(source, periodic=True):
    force = PolarMPForce(FixedMultipoles([1.0, -1.0] * 4))
    if source is not None:
        extension.set_python_source(int(force.this), source, "", {})
    force.setNonbondedMethod(int(periodic))
    system = openmm.System()
    for _ in range(8):
        system.addParticle(1.0)
    system.addForce(force)
    platform = openmm.Platform.getPlatformByName("CUDA")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform, {"Precision": "mixed"})
    context.setPositions([(0.5 * i, 0.5 * j, 0.5 * k) for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    return force, context


def stops(context):
    context.getIntegrator().step(2)
    return [c for c in calls_of(context.getIntegrator().step, 3) if c.startswith("stop")]
"""

LIFE = """
on_device = bool(int(sys.argv[1]))
source = Source(on_device)
made = calls_of(lambda: make(source)[1].getState(energy=True, forces=True))
assert [c for c in made if " in " in c] == [
    "bind in primary", "forward in primary", "backward in primary", "evaluation released in primary"
], made

force, context = make(source)
step = calls_of(context.getIntegrator().step, 1)
if on_device:
    # Each waits for the other, and nobody's host waits.
    around = ["record private", "wait primary", "{} in primary", "record primary", "wait private"]
    for turn in ("forward", "backward"):
        at = step.index(f"{turn} in primary")
        assert step[at - 2 : at + 3] == [a.format(turn) for a in around], step

source.fails = True
failed = calls_of(context.getIntegrator().step, 1)
assert "failed in none" in failed, failed
if on_device:
    assert failed[-3:] == ["record primary", "wait private", "failed in none"], failed
source.fails = False
gc.collect()
assert "backward in primary" in calls_of(context.getIntegrator().step, 1)

# The last reference to a source that is replaced is the Context's.
del source
extension.set_python_source(int(force.this), Source(on_device), "", {})
replaced = calls_of(force.updateParametersInContext, context)
assert [c for c in replaced if " in " in c] == [
    "bind in primary", "evaluation released in primary", "source released in primary"
], replaced
context.getState(energy=True)
assert in_context() == "none"
"""

STOPS = """
fixed = make(None)[1]
assert stops(fixed) == []
fixed.setParameter("polarmp_field_x", 1.0)
assert stops(fixed) == []
for periodic in (True, False):
    for field in (0.0, 1.0):
        context = make(Source(True), periodic)[1]
        context.setParameter("polarmp_field_x", field)
        assert stops(context) == [], (periodic, field, stops(context))
assert "stop: cuMemcpyDtoH" in stops(make(Source(False))[1])  # over the host there is no other way
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    return stub_environment(tmp_path_factory.mktemp("stub"))


def run(environment, code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", CODE + code + "print('done')", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )
    assert done.returncode == 0 and "done" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("on_device", [1, 0], ids=["device", "host"])
def test_sources_live_in_the_primary_context(environment, on_device):
    run(environment, LIFE, str(on_device))


def test_a_step_stops_for_nothing(environment):
    run(environment, STOPS)
