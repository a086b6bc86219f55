"""Which platforms this machine has, and how tests ask for them."""

import locale
import os

import pytest
from openmmml import MLPotential
from support.platforms import PLATFORMS, PlatformChoice, why_unusable

REQUIRE_OPENCL = os.environ.get("POLARMP_REQUIRE_OPENCL") == "1"

# In the source tree there are no entry points; where the package is installed tests/mlpotential looks at them.
if "polarmp" not in MLPotential._implFactories:
    from openmm_polarmp_entry import PolarMPFactory

    MLPotential.registerImplFactory("polarmp", PolarMPFactory())


@pytest.fixture(autouse=True)
def _locale():
    """PoCL puts the process into the C locale, in which Python, and torch's compiler with it, read files as ASCII."""
    locale.setlocale(locale.LC_CTYPE, "")


def _use(choice: PlatformChoice) -> PlatformChoice:
    reason = why_unusable(choice)
    if reason is None:
        return choice
    if choice.name in ("Reference", "CPU") or (choice.name == "OpenCL" and REQUIRE_OPENCL):
        pytest.fail(f"{choice} is needed here, but: {reason}")
    pytest.skip(f"{choice}: {reason}")


@pytest.fixture(params=PLATFORMS, ids=str)
def platform(request: pytest.FixtureRequest) -> PlatformChoice:
    """Every platform in every precision mode."""
    return _use(request.param)


@pytest.fixture(params=[p for p in PLATFORMS if p.precision in (None, "mixed")], ids=str)
def platform_once(request: pytest.FixtureRequest) -> PlatformChoice:
    """Every platform in one precision mode, for tests in which precision plays no part."""
    return _use(request.param)


@pytest.fixture(params=[p for p in PLATFORMS if p.name != "Reference"], ids=str)
def fast_platform(request: pytest.FixtureRequest) -> PlatformChoice:
    """Every platform but Reference, in every precision mode."""
    return _use(request.param)
