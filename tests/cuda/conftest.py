"""Platforms whose kernels run on a device: CUDA, and OpenCL, which has the same kernels and runs on a processor too."""

import pytest
from support.platforms import PlatformChoice, why_unusable


def _usable(choice: PlatformChoice) -> PlatformChoice:
    reason = why_unusable(choice)
    if reason is not None:
        pytest.skip(f"{choice}: {reason}")
    return choice


@pytest.fixture(params=["OpenCL", "CUDA"])
def device(request: pytest.FixtureRequest) -> PlatformChoice:
    """Each device platform in mixed precision."""
    return _usable(PlatformChoice(request.param, "mixed"))


@pytest.fixture
def cuda() -> PlatformChoice:
    """CUDA in mixed precision."""
    return _usable(PlatformChoice("CUDA", "mixed"))
