"""Median times of OpenMM's steps and of functions of torch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import openmm
import torch
from numpy.typing import NDArray

HEAVY = 1e4  # dalton: atoms of this mass hardly move


def median_milliseconds(run: Callable[[int], object], wait: Callable[[], object], seconds: float) -> float:
    """Median time of a call, after a first call that does not count.

    Calls follow one another as in a simulation: a device works through a batch of them, and the host waits for it once.

    Parameters
    ----------
    run : callable
        Takes the number of calls.
    wait : callable
        Waits until the device has finished.
    seconds : float
        Approximate duration of the measurement; there are at least five batches.
    """

    def batch(calls: int) -> float:
        start = time.perf_counter()
        run(calls)
        wait()
        return (time.perf_counter() - start) / calls

    batch(1)
    calls = max(1, int(seconds / 10 / max(batch(1), 1e-6)))
    times: list[float] = []
    while len(times) < 5 or (sum(times) * calls < seconds and len(times) < 100):
        times.append(batch(calls))
    return 1e3 * statistics.median(times)


def function_milliseconds(function: Callable[[], object], device: str | torch.device, seconds: float = 0.5) -> float:
    """`median_milliseconds` of a function that computes with torch on a device."""
    device = torch.device(device)

    def run(calls: int) -> None:
        for _ in range(calls):
            function()

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return median_milliseconds(run, wait, seconds)


class Stepper:
    """A Context in which atoms hardly move: each step is one evaluation of the forces, without work on the host.

    Parameters
    ----------
    system : openmm.System
        Of `HEAVY` particles.
    positions : array [N, 3]
        nm.
    platform : str
        Name of OpenMM's platform.
    properties : dict
        Properties of the platform; those that it does not have are ignored.
    """

    def __init__(
        self, system: openmm.System, positions: NDArray[np.float64], platform: str, properties: dict[str, str]
    ) -> None:
        self.integrator = openmm.VerletIntegrator(1e-6)
        chosen = openmm.Platform.getPlatformByName(platform)
        known = {name: value for name, value in properties.items() if name in chosen.getPropertyNames()}
        self.context = openmm.Context(system, self.integrator, chosen, known)
        self.context.setPositions(positions)
        self.context.computeVirtualSites()
        self.integrator.step(2)
        self._wait()

    def milliseconds(self, seconds: float) -> float:
        """Median time of a step, measured for about this number of seconds."""
        return median_milliseconds(self.integrator.step, self._wait, seconds)

    def forces(self) -> NDArray[np.float64]:
        """Forces [N, 3] in kJ/mol/nm."""
        return self.context.getState(forces=True).getForces(asNumpy=True)._value

    def _wait(self) -> None:
        # A small download waits for what a GPU still has to do.
        self.context.getState(parameters=True, velocities=False, energy=False, positions=True)
