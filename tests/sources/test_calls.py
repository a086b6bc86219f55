"""How a source in torch may be called and by whom, and its errors."""

import threading

import pytest
import torch
from support.torch_sources import CELL, UNTOUCHED, fill_gradients, make_atoms, make_buffers, make_model

from openmm_polarmp.sources.network import TorchSource


@pytest.mark.parametrize("first", [True, False])
def test_positions_that_are_no_numbers(first):
    positions, species = make_atoms(6, CELL)
    buffers = make_buffers(positions, CELL, particles=[3, 5, 8, 21, 22, 23])
    evaluation = TorchSource(make_model(), species.tolist()).bind(buffers)
    if not first:
        evaluation.forward(True)
    buffers.positions[3, 1] = float("nan")
    with pytest.raises(ValueError, match=r"position of particle 21 is not finite: \[.*nan.*\] A"):
        evaluation.forward(True)
    buffers.positions[3, 1] = positions[3, 1]
    evaluation.forward(True)


def test_order_of_calls():
    positions, species = make_atoms(6, CELL)
    buffers = make_buffers(positions, CELL)
    evaluation = TorchSource(make_model(), species.tolist()).bind(buffers)
    with pytest.raises(RuntimeError, match="needs a forward"):
        evaluation.backward((0.0, 0.0, 0.0))
    evaluation.forward(False)
    with pytest.raises(RuntimeError, match="needs a forward"):
        evaluation.backward((0.0, 0.0, 0.0))
    evaluation.forward(True)
    evaluation.backward((0.0, 0.0, 0.0))
    with pytest.raises(RuntimeError, match="needs a forward"):
        evaluation.backward((0.0, 0.0, 0.0))


def test_bad_arguments():
    model = make_model()
    with pytest.raises(ValueError, match=r"atomic numbers \[6\] that the model does not know; it knows \[1, 8\]"):
        TorchSource(model, [8, 1, 6])
    with pytest.raises(ValueError, match="precision is 'half'; 'single' and 'double' are accepted"):
        TorchSource(model, [8, 1], precision="half")
    with pytest.raises(ValueError, match=r"multiplicity is 1\.5; a whole number is accepted"):
        TorchSource(model, [8, 1], multiplicity=1.5)
    with pytest.raises(TypeError, match=r"model must be a PolarMPModel or a torch.nn.Module, got str"):
        TorchSource("model", [8, 1])
    with pytest.raises(ValueError, match="buffers hold 3 particles, but the source was made for 2"):
        TorchSource(model, [8, 1]).bind(make_buffers(torch.zeros(3, 3)))


def test_the_callers_model_stays_as_it_is():
    positions, species = make_atoms(6, CELL)
    model = make_model()
    TorchSource(model, species.tolist(), precision="single").bind(make_buffers(positions, CELL)).forward(True)
    parameters = list(model.parameters())
    assert all(p.dtype == torch.float64 and p.requires_grad for p in parameters)
    assert model.training


def test_two_contexts_in_two_threads():
    """Two evaluations of one source, interleaved and in parallel, do not disturb each other."""
    species = make_atoms(9, CELL)[1]
    source = TorchSource(make_model(), species.tolist(), precision="double")
    expected, buffers = [], []
    for seed in (0, 1):
        positions, _ = make_atoms(9, CELL, seed)
        alone, own = make_buffers(positions, CELL), make_buffers(positions, CELL)
        fill_gradients(alone, seed)
        fill_gradients(own, seed)
        evaluation = source.bind(alone)
        evaluation.forward(True)
        evaluation.backward((0.0, 0.0, 0.0))
        expected.append(alone.forces)
        buffers.append(own)
    evaluations = [source.bind(b) for b in buffers]
    evaluations[0].forward(True)
    evaluations[1].forward(True)
    evaluations[0].backward((0.0, 0.0, 0.0))
    evaluations[1].backward((0.0, 0.0, 0.0))
    for own, forces in zip(buffers, expected, strict=True):
        assert torch.equal(own.forces, forces)

    errors = []
    start = threading.Barrier(2)

    def run(k):
        try:
            start.wait()
            for _ in range(30):
                buffers[k].forces.fill_(UNTOUCHED)
                evaluations[k].forward(True)
                evaluations[k].backward((0.0, 0.0, 0.0))
                assert torch.equal(buffers[k].forces, expected[k])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
