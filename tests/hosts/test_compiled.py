"""Hosts through torch.compile: the same results for all sizes from one record, and a warning where that fails."""

import warnings

import openmm
import pytest
import torch
from support.hosts import hosted, hosted_model, require
from support.platforms import CPU
from support.systems import energy_and_forces, relative_error
from support.torch_sources import CELL, make_atoms

from openmm_polarmp import PolarMPForce
from openmm_polarmp.hosts.compiled import CompiledHost
from openmm_polarmp.neighbors import displacements, neighbor_pairs

SMALLER = {
    "toy": {},
    "mace": {"channels": 3, "l_max": 0, "max_ell": 1, "correlation": 1, "num_bessel": 3, "layers": 1},
    "nequip": {"channels": 3, "l_max": 1, "layers": 1},
}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore:The .grad")


@pytest.mark.parametrize("name", list(SMALLER))
def test_one_record_serves_all_sizes(name, monkeypatch):
    """Without inductor, which takes minutes for MACE: what it compiles is this record."""
    monkeypatch.setattr("openmm_polarmp.hosts.compiled.BACKEND", "eager")
    require(name)
    network = hosted(name, "q", settings=SMALLER[name]).eval().requires_grad_(False)
    compiled = CompiledHost(network.host)
    for n, cell in ((12, CELL), (9, None), (2, None), (1, None)):
        positions, species = make_atoms(n, CELL)
        index, shifts = neighbor_pairs(positions, network.cutoff, cell)
        results = []
        for host in (network.host, compiled):
            leaf = positions.clone().requires_grad_()
            result = host(displacements(leaf, index, shifts, cell), index, network._lookup[species])
            scalar = result.energies.sum() + sum((x**3).sum() for x in result.features)
            results.append((result.energies, *torch.autograd.grad(scalar, leaf)))
        for a, b in zip(*results, strict=True):
            torch.testing.assert_close(b, a, rtol=1e-12, atol=1e-12)
    with torch.compiler.set_stance("fail_on_recompile"):
        positions, species = make_atoms(10, CELL)
        index, shifts = neighbor_pairs(positions, network.cutoff, CELL)
        vectors = displacements(positions.requires_grad_(), index, shifts, CELL)
        compiled(vectors, index, network._lookup[species])


def evaluate(model, **options):
    positions, species = make_atoms(9, CELL)
    system = openmm.System()
    for _ in species:
        system.addParticle(16.0)
    force = PolarMPForce(model, atomic_numbers=species.tolist(), precision="double", **options)
    system.addForce(force)
    context = CPU.context(system)
    context.setPositions(0.1 * positions.numpy())
    return energy_and_forces(context)


def test_a_force_with_a_compiled_toy_host(monkeypatch):
    monkeypatch.setattr("openmm_polarmp.hosts.compiled.BACKEND", "aot_eager")
    model = hosted_model("toy")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        energy, forces = evaluate(model, compile=True)
    expected, expected_forces = evaluate(model)
    assert energy == pytest.approx(expected, rel=1e-10)
    assert relative_error(forces, expected_forces) < 1e-9


@pytest.mark.parametrize("fault", ["sizes", "compiler"])
def test_a_failure_is_announced(monkeypatch, fault):
    model = hosted_model("toy")
    if fault == "sizes":
        forward = type(model.network.host).forward

        def scaled(self, vectors, edge_index, kind):
            result = forward(self, vectors, edge_index, kind)
            return result._replace(energies=result.energies * len(kind))

        monkeypatch.setattr(type(model.network.host), "forward", scaled)
        reason = "RuntimeError: the recorded operations give other energies than the host"
    else:
        monkeypatch.setattr(torch, "compile", lambda *a, **k: 1 / 0)
        reason = "ZeroDivisionError: division by zero"
    expected, _ = evaluate(model)
    with pytest.warns(RuntimeWarning, match=rf"torch.compile failed \({reason}\); the network runs eagerly"):
        energy, _ = evaluate(model, compile=True)
    assert energy == pytest.approx(expected, rel=1e-12)
