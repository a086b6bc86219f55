"""Every way in which the plugin evaluates a network in the host's memory."""

import pytest
from support.networks import EVALUATORS, Evaluator


@pytest.fixture(params=EVALUATORS, ids=str)
def evaluator(request: pytest.FixtureRequest) -> Evaluator:
    return request.param
