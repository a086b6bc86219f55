"""Networks of somebody else in a source: anything with the protocol."""

import pytest
import torch
from support.torch_sources import CELL, Springs, brute_force_field, fill_gradients, make_atoms, make_buffers

from openmm_polarmp.electrostatics import Multipoles
from openmm_polarmp.models import PolarMPModel
from openmm_polarmp.sources.network import TorchSource


def test_foreign_network():
    """Anything with the protocol works, bare or in a model; what it predicts is found out."""
    positions, species = make_atoms(9, CELL)
    results = []
    for model in (Springs(), PolarMPModel(Springs())):
        source = TorchSource(model, species.tolist(), precision="double")
        assert (source.has_dipoles, source.has_quadrupoles, source.has_softness, source.has_polarizability) == (
            True,
            False,
            False,
            False,
        )
        buffers = make_buffers(positions, CELL)
        fill_gradients(buffers)
        evaluation = source.bind(buffers)
        evaluation.forward(True)
        evaluation.backward((0.0, 0.0, 0.0))
        results.append(buffers)
    assert torch.equal(results[0].forces, results[1].forces)
    assert results[0].forces.abs().max() > 1e-3
    # Its reach is not known: a field takes the slow way.
    evaluation.forward(True)
    with pytest.warns(UserWarning, match="unknown"):
        evaluation.backward((0.0, 0.0, 0.1))
    got = results[1].forces - results[0].forces
    field = torch.tensor([0.0, 0.0, 0.1], dtype=torch.float64)
    expected = brute_force_field(PolarMPModel(Springs().double()), positions, species, CELL, field)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-10)


def test_constant_charges():
    """Outputs that do not depend on the positions have no force."""

    class Constant(Springs):
        def forward(self, positions, species, *more):
            charges = torch.where(species == 8, -0.8, 0.4).to(positions)
            return torch.zeros_like(charges), Multipoles(charges)

    positions, species = make_atoms(9, CELL)
    buffers = make_buffers(positions, CELL)
    evaluation = TorchSource(Constant(), species.tolist(), precision="double").bind(buffers)
    evaluation.forward(True)
    evaluation.backward((0.0, 0.1, 0.0))
    assert (buffers.forces == 0).all()
