"""What runs on CUDA only."""

import pytest
from support.platforms import PlatformChoice, usable


@pytest.fixture
def cuda() -> PlatformChoice:
    """CUDA in mixed precision."""
    return usable(PlatformChoice("CUDA", "mixed"))
