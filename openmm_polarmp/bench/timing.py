"""Medians of OpenMM steps."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import openmm
import torch

HEAVY = 1e4  # dalton: such atoms stay where they are


class Stepper:
    """A Context in which atoms hardly move: each step is one evaluation of the forces, and the host takes no part.

    Steps follow one another as in a simulation: the host waits for a GPU once for a bunch of them.

    Parameters
    ----------
    system : openmm.System
        Of `HEAVY` particles.
    positions : array [N, 3]
        nm.
    platform : str
    properties : dict
        Of the platform.
    """

    def __init__(self, system: openmm.System, positions: np.ndarray, platform: str, properties: dict[str, str]) -> None:
        self.integrator = openmm.VerletIntegrator(1e-6)
        chosen = openmm.Platform.getPlatformByName(platform)
        known = {name: value for name, value in properties.items() if name in chosen.getPropertyNames()}
        self.context = openmm.Context(system, self.integrator, chosen, known)
        self.context.setPositions(positions)
        self.context.computeVirtualSites()
        self.integrator.step(2)
        self._wait()

    def milliseconds(self, seconds: float) -> float:
        """Median time of a step, over bunches of steps that together take about so long."""
        start = time.perf_counter()
        self.integrator.step(1)
        self._wait()
        once = time.perf_counter() - start
        bunch = max(1, int(seconds / 10 / max(once, 1e-6)))
        times: list[float] = []
        while len(times) < 5 or (sum(times) * bunch < seconds and len(times) < 100):
            start = time.perf_counter()
            self.integrator.step(bunch)
            self._wait()
            times.append((time.perf_counter() - start) / bunch)
        return 1e3 * statistics.median(times)

    def forces(self) -> np.ndarray:
        """kJ/mol/nm."""
        return self.context.getState(forces=True).getForces(asNumpy=True)._value

    def _wait(self) -> None:
        # A small download waits for what a GPU still has to do.
        self.context.getState(parameters=True, velocities=False, energy=False, positions=True)


def seconds(run: Callable[[], object], device: str, at_least: float = 0.5) -> float:
    """Median of several repeats, after one that does not count."""
    run()
    times: list[float] = []
    while len(times) < 5 or (sum(times) < at_least and len(times) < 200):
        if device != "cpu":
            torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
