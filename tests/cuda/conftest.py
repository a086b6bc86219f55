"""Platforms whose kernels run on a device: CUDA, and OpenCL, which has the same kernels and runs on a processor too."""

import pytest
from support.platforms import PlatformChoice, usable


@pytest.fixture(params=["OpenCL", "CUDA"])
def device(request: pytest.FixtureRequest) -> PlatformChoice:
    """Each device platform in mixed precision."""
    return usable(PlatformChoice(request.param, "mixed"))


@pytest.fixture
def cuda() -> PlatformChoice:
    """CUDA in mixed precision."""
    return usable(PlatformChoice("CUDA", "mixed"))
