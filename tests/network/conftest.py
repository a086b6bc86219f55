"""Every way in which the plugin evaluates a network in the host's memory."""

import pytest
import torch
from support.networks import EVALUATORS, Evaluator


@pytest.fixture(params=EVALUATORS, ids=str)
def evaluator(request: pytest.FixtureRequest) -> Evaluator:
    return request.param


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
