"""What it costs on this GPU to hand over from one CUDA context to another, through events, without torch or OpenMM: handover.py

OpenMM computes in a private context, torch in the device's primary one; a step with a network hands over four times. Also
tries that each context can use the other's memory, which the plugin relies on.
"""

import ctypes
import time

cuda = ctypes.CDLL("libcuda.so.1")
P, U = ctypes.c_void_p, ctypes.c_uint


def call(name, *arguments):
    status = getattr(cuda, name)(*arguments)
    if status:
        text = ctypes.c_char_p()
        cuda.cuGetErrorName(status, ctypes.byref(text))
        raise RuntimeError(f"{name}: {(text.value or b'?').decode()}")


def new(name, kind, *arguments):
    value = kind()
    call(name, ctypes.byref(value), *arguments)
    return value


class Side:
    """A context with a stream, an event and memory in it."""

    def __init__(self, context, stream=None):
        self.context = context
        with self:
            self.stream = stream if stream is not None else new("cuStreamCreate", P, U(1))
            self.event = new("cuEventCreate", P, U(2))
            self.memory = new("cuMemAlloc_v2", ctypes.c_uint64, ctypes.c_size_t(4096))

    def __enter__(self):
        call("cuCtxPushCurrent_v2", self.context)
        return self

    def __exit__(self, *_):
        call("cuCtxPopCurrent_v2", ctypes.byref(P()))

    def work_on(self, memory, value):
        with self:
            call("cuMemsetD32Async", memory, U(value), ctypes.c_size_t(64), self.stream)

    def hand_to(self, other):
        with self:
            call("cuEventRecord", self.event, self.stream)
        with other:
            call("cuStreamWaitEvent", other.stream, self.event, U(0))

    def finish(self):
        with self:
            call("cuStreamSynchronize", self.stream)


def microseconds(a, b, times=2000):
    """Of one hand-over, with a tiny kernel on each side."""
    for count in (50, times):
        a.finish(), b.finish()
        start = time.perf_counter()
        for i in range(count):
            a.work_on(a.memory, i)
            a.hand_to(b)
            b.work_on(b.memory, i)
            b.hand_to(a)
        a.finish()
        result = 1e6 * (time.perf_counter() - start) / (2 * count)
    return result


call("cuInit", U(0))
device = new("cuDeviceGet", ctypes.c_int, ctypes.c_int(0))
primary = new("cuDevicePrimaryCtxRetain", P, device)
private = new("cuCtxCreate_v2", P, U(0), device)
call("cuCtxPopCurrent_v2", ctypes.byref(P()))
torch_side, torch_other, openmm_side = (
    Side(primary),
    Side(primary),
    Side(private, stream=P(0)),
)  # OpenMM works in stream 0
same = microseconds(torch_side, torch_other)
across = microseconds(torch_side, openmm_side)
print(f"case hand-over within one context {same:.1f} us, between two contexts {across:.1f} us")
for who, whose, name in (
    (torch_side, openmm_side, "primary uses private memory"),
    (openmm_side, torch_side, "private uses primary memory"),
):
    try:
        who.work_on(whose.memory, 0x12345678)
        who.finish()
        value = ctypes.c_uint32()
        with whose:
            call("cuMemcpyDtoH_v2", ctypes.byref(value), whose.memory, ctypes.c_size_t(4))
        print(f"case {name}: {'ok' if value.value == 0x12345678 else 'WRONG'}")
    except RuntimeError as error:
        print(f"case {name}: FAILED {error}")
print(f"RESULT hand-over {same:.1f} us within a context, {across:.1f} us between two; a step has four")
