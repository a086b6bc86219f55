"""The platforms that a test runs on, and the state of the process that every test starts with."""

import locale

import pytest
import torch
from openmmml import MLPotential
from support.platforms import PLATFORMS, PlatformChoice, usable

# In the source tree there are no entry points; where the package is installed tests/mlpotential looks at them.
if "polarmp" not in MLPotential._implFactories:
    from openmm_polarmp_entry import PolarMPFactory

    MLPotential.registerImplFactory("polarmp", PolarMPFactory())


@pytest.fixture(autouse=True)
def _locale():
    """PoCL puts the process into the C locale, in which Python, and torch's compiler with it, read files as ASCII."""
    locale.setlocale(locale.LC_CTYPE, "")


@pytest.fixture(autouse=True)
def _one_torch_thread():
    """Test systems are too small for torch's threads, which would take the cores of the other test process."""
    torch.set_num_threads(1)


@pytest.fixture(params=PLATFORMS, ids=str)
def platform(request: pytest.FixtureRequest) -> PlatformChoice:
    """Every platform in every precision mode."""
    return usable(request.param)


@pytest.fixture(params=[p for p in PLATFORMS if p.precision in (None, "mixed")], ids=str)
def platform_once(request: pytest.FixtureRequest) -> PlatformChoice:
    """Every platform in one precision mode, for tests in which precision plays no part."""
    return usable(request.param)


@pytest.fixture(params=[p for p in PLATFORMS if p.name != "Reference"], ids=str)
def fast_platform(request: pytest.FixtureRequest) -> PlatformChoice:
    """Every platform but Reference, in every precision mode."""
    return usable(request.param)


@pytest.fixture(params=[p for p in PLATFORMS if p.name != "Reference" and p.precision in (None, "mixed")], ids=str)
def fast_platform_once(request: pytest.FixtureRequest) -> PlatformChoice:
    """Every platform but Reference, in one precision mode."""
    return usable(request.param)


@pytest.fixture(params=[p for p in PLATFORMS if p.name not in ("Reference", "CPU")], ids=str)
def device_platform(request: pytest.FixtureRequest) -> PlatformChoice:
    """The platforms whose kernels are compiled when a Context is made, in every precision mode."""
    return usable(request.param)


@pytest.fixture(params=[p for p in PLATFORMS if p.precision == "mixed"], ids=str)
def device(request: pytest.FixtureRequest) -> PlatformChoice:
    """The same in mixed precision. OpenCL has the kernels of CUDA and runs on a processor too."""
    return usable(request.param)
