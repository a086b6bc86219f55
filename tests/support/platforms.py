"""OpenMM's platforms as the tests use them."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass

import openmm
import pytest
from numpy.typing import ArrayLike

REQUIRE_OPENCL = os.environ.get("POLARMP_REQUIRE_OPENCL") == "1"


@dataclass(frozen=True)
class PlatformChoice:
    name: str
    precision: str | None = None

    def __str__(self) -> str:
        return self.name if self.precision is None else f"{self.name}-{self.precision}"

    def context(
        self, system: openmm.System, integrator: openmm.Integrator | None = None, positions: ArrayLike | None = None
    ) -> openmm.Context:
        """A Context, at these positions (nm) if there are any."""
        properties = {} if self.precision is None else {"Precision": self.precision}
        platform = openmm.Platform.getPlatformByName(self.name)
        context = openmm.Context(system, integrator or openmm.VerletIntegrator(0.001), platform, properties)
        if positions is not None:
            context.setPositions(positions)
        return context

    @property
    def rounding(self) -> float:
        """Size of the rounding errors to expect in forces, relative to the largest."""
        if self.name == "Reference" or self.precision == "double":
            return 1e-8
        return 2e-5


REFERENCE = PlatformChoice("Reference")
CPU = PlatformChoice("CPU")
PLATFORMS = [
    REFERENCE,
    CPU,
    *(PlatformChoice(name, p) for name in ("OpenCL", "CUDA") for p in ("single", "mixed", "double")),
]


@functools.cache
def why_unusable(choice: PlatformChoice) -> str | None:
    """A registered platform need not be usable: decide by creating a Context with our force's plugin loaded."""
    from openmm_polarmp._platforms.loading import platform_status

    status = {s.name: s for s in platform_status()}[choice.name]
    if not status.loaded:
        return status.reason
    system = openmm.System()
    system.addParticle(1.0)
    system.addParticle(1.0)  # PoCL crashes with a single one, in OpenMM itself
    try:
        choice.context(system)
    except openmm.OpenMMException as error:
        return str(error)
    return None


def usable(choice: PlatformChoice) -> PlatformChoice:
    """The platform; skips the test where it is not usable, and fails it where the platform is required."""
    reason = why_unusable(choice)
    if reason is None:
        return choice
    if choice.name in ("Reference", "CPU") or (choice.name == "OpenCL" and REQUIRE_OPENCL):
        pytest.fail(f"{choice} is needed here, but: {reason}")
    pytest.skip(f"{choice}: {reason}")
