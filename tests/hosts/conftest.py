"""The hosts that are installed here; a toy host always is."""

import pytest
from support.hosts import SMALL, require


@pytest.fixture(params=list(SMALL))
def host(request: pytest.FixtureRequest) -> str:
    """Name of each kind of host."""
    require(request.param)
    return request.param
