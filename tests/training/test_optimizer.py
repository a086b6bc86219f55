"""Orthogonal steps for matrices, Adam for the rest."""

import pytest
import torch

from openmm_polarmp.training import train
from openmm_polarmp.training.config import OptimizerConfig
from openmm_polarmp.training.optimizer import Muon, WeightOptimizer, orthogonalized

SHAPES = [(40, 12), (12, 40), (16, 16)]


@pytest.mark.parametrize(("dtype", "accuracy"), [(torch.float64, 1e-12), (torch.float32, 2e-3)], ids=str)
def test_steps_are_orthogonal(dtype, accuracy):
    """The singular vectors of the gradient, with singular values near one though the gradient's differ a hundredfold."""
    generator = torch.Generator().manual_seed(0)
    vectors, matrices = [], []
    for shape in SHAPES:
        random = torch.randn(shape, generator=generator, dtype=torch.float64)
        left, _, right = torch.linalg.svd(random, full_matrices=False)
        vectors.append((left, right))
        matrices.append(((left * torch.logspace(0, -2, min(shape), dtype=torch.float64)) @ right).to(dtype))
    for (left, right), step in zip(vectors, orthogonalized(matrices), strict=True):
        values = left.t() @ step.double() @ right.t()
        diagonal = values.diagonal()
        assert (values - torch.diag(diagonal)).abs().max() < accuracy
        assert diagonal.min() > 0.5
        assert diagonal.max() < 1.3


def test_the_first_step_has_the_size_that_was_asked_for():
    """Taller matrices move further: their step's root mean square is that of square ones."""
    matrices = [torch.nn.Parameter(torch.zeros(shape, dtype=torch.float64)) for shape in SHAPES]
    generator = torch.Generator().manual_seed(1)
    for matrix in matrices:
        matrix.grad = torch.randn(matrix.shape, generator=generator, dtype=torch.float64)
    Muon([{"params": matrices}], lr=0.1).step()
    for matrix, factor in zip(matrices, ((40 / 12) ** 0.5, 1.0, 1.0), strict=True):
        sizes = torch.linalg.svdvals(matrix.detach()) / (0.1 * factor)
        assert 0.5 < sizes.min() < sizes.max() < 1.3


@pytest.mark.parametrize(("method", "taken"), [("adam", []), ("muon", [(9, 20)])])
def test_which_weights_take_orthogonal_steps(method, taken):
    """Matrices of two long sides; not vectors, not embeddings of few elements."""
    weights = [torch.nn.Parameter(torch.zeros(shape)) for shape in [(9, 20), (8, 20), (20,), (9, 9, 9)]]
    held = [torch.nn.Parameter(torch.zeros(3))]
    groups = [{"params": weights, "rate": 1.0, "held": False}, {"params": held, "rate": 0.5, "held": True}]
    optimizer = WeightOptimizer(groups, OptimizerConfig(method=method, learning_rate=0.01, matrix_rate=0.02))
    found = [
        tuple(p.shape)
        for part, _ in optimizer.parts
        if isinstance(part, Muon)
        for group in part.param_groups
        for p in group["params"]
    ]
    assert found == taken
    for fixed, rates in ((False, {0.005, 0.0025}), (True, {0.005, 0.0})):
        optimizer.set_rates(0.5, fixed)
        adam = optimizer.parts[0][0]
        assert {group["lr"] for group in adam.param_groups} == rates
        for part, _ in optimizer.parts[1:]:
            assert {group["lr"] for group in part.param_groups} == {0.01}


def test_it_learns(tmp_path, runs):
    config = runs.configure(
        tmp_path,
        model={"channels": 16, "hidden": 24},
        optimizer={"method": "muon", "epochs": 40, "learning_rate": 3e-3, "hold_charges": 3},
    )
    rows = train(config, quiet=True).rows
    assert rows[-1]["train_forces"] < 0.7 * rows[0]["train_forces"]


def test_a_method_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match=r"method is 'sgd'; .*'adam'.*'muon'"):
        OptimizerConfig(method="sgd")
    with pytest.raises(ValueError, match=r"matrix_rate is 0\.0; a positive number is accepted"):
        OptimizerConfig(matrix_rate=0.0)
