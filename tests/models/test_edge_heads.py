"""Heads of pairs: antisymmetric transfers, symmetric conductances, conserved charge, forces, files and refusals."""

import pytest
import torch

from openmm_polarmp import PolarMPForce
from openmm_polarmp.models import NetworkConfig, PolarMPModel, PolarMPNet, load_model
from openmm_polarmp.neighbors import neighbor_pairs

FORMAL = {1: 1.0, 8: -2.0}
VARIANTS = {
    "transfers": {"rung": "qu", "charges": "flow"},
    "conductance": {"rung": "qu+ca"},
    "both, formal charges": {"rung": "quQ+ca", "charges": "flow", "formal_charges": FORMAL},
}


def flows_of(models, network, atoms, positions=None):
    positions = atoms.positions if positions is None else positions
    index, shifts = neighbor_pairs(positions, network.cutoff, atoms.cell)
    _, multipoles = network(positions, atoms.species, index, shifts, atoms.cell)
    return multipoles


def as_matrices(flows, n):
    """Sums over the images of each pair [N, N]: what j has given to i, and how well charge flows."""
    i, j = flows.pairs
    transfer = torch.zeros(n, n, dtype=torch.float64).index_put((i, j), flows.charges, accumulate=True)
    conductance = torch.zeros_like(transfer)
    if flows.conductance is not None:
        conductance = conductance.index_put((i, j), flows.conductance, accumulate=True)
    return transfer, conductance


def test_formal_charges_are_exact():
    """In double precision, of a network that is made in single."""
    given = {1: 0.1, 8: -0.2}
    network = PolarMPNet(NetworkConfig(species=(1, 8), rung="q", charges="flow", formal_charges=given))
    assert network.double().formal_charges.tolist() == [0.1, -0.2]


@pytest.mark.parametrize("variant", VARIANTS)
def test_symmetry_and_sums(models, variant):
    atoms = models.structure()
    network = models.make_network(**VARIANTS[variant])
    multipoles = flows_of(models, network, atoms)
    flows, n = multipoles.flows, len(atoms.species)
    transfer, conductance = as_matrices(flows, n)
    torch.testing.assert_close(transfer, -transfer.T, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(conductance, conductance.T, rtol=1e-12, atol=1e-14)
    assert (conductance >= 0).all()
    assert (network.config.charges == "flow") == bool(transfer.abs().max() > 1e-3)
    assert network.rung.conductance == bool(conductance.max() > 1e-5)
    # Each pair stands there twice, with half of its charge.
    torch.testing.assert_close(multipoles.charges, flows.local_charges + 2 * transfer.sum(1), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(flows.received(flows.charges), 2 * transfer.sum(1), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(multipoles.charges.sum(), flows.local_charges.sum(), rtol=0, atol=1e-13)
    if network.config.formal_charges:
        expected = torch.tensor([FORMAL[z] for z in atoms.species.tolist()], dtype=torch.float64)
        torch.testing.assert_close(flows.local_charges, expected)


def test_pairs_end_smoothly_at_the_cutoff(models):
    network = models.make_network(rung="qu+ca", charges="flow")
    species = torch.tensor([8, 1])

    def of(distance):
        positions = torch.tensor([[0.0, 0, 0], [0, 0, distance]], dtype=torch.float64, requires_grad=True)
        pairs = torch.tensor([[0, 1], [1, 0]]), torch.zeros(2, 3, dtype=torch.int64)
        _, multipoles = network(positions, species, *pairs, None)
        total = multipoles.flows.charges[0] + 100 * multipoles.flows.conductance[0]
        (slope,) = torch.autograd.grad(total, positions)
        return float(total.detach()), float(slope[1, 2])

    value, slope = of(0.6 * network.cutoff)
    near_value, near_slope = of(network.cutoff - 1e-4)
    assert abs(value) > 1e-3 and abs(slope) > 1e-3
    assert abs(near_value) < 1e-6 * abs(value) and abs(near_slope) < 1e-3 * abs(slope)
    assert of(network.cutoff + 1e-4) == (0.0, 0.0)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("box", [True, False], ids=["box", "cluster"])
def test_forces_are_the_gradient(models, variant, box):
    atoms = models.structure(cell=models.triclinic if box else None)
    model = PolarMPModel(models.make_network(**VARIANTS[variant]), accuracy=1e-9)
    r = atoms.positions.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model.energy(r, atoms.species, atoms.cell), r)
    h = 1e-4
    for atom, a in ((0, 0), (5, 2)):
        step = torch.zeros_like(atoms.positions)
        step[atom, a] = h
        up, down = (model.energy(atoms.positions + s * step, atoms.species, atoms.cell).detach() for s in (1, -1))
        torch.testing.assert_close(gradient[atom, a], (up - down) / (2 * h), rtol=1e-5, atol=1e-6)


def test_local_charges_are_projected_with_the_charges(models):
    atoms = models.structure()
    model = PolarMPModel(models.make_network(rung="qu", charges="flow"))
    _, multipoles = model.multipoles(atoms.positions, atoms.species, atoms.cell, total_charge=1.0)
    assert float(multipoles.charges.detach().sum()) == pytest.approx(1.0, abs=1e-12)
    assert float(multipoles.flows.local_charges.detach().sum()) == pytest.approx(1.0, abs=1e-12)


def test_file_round_trip(models, tmp_path):
    atoms = models.structure()
    model = PolarMPModel(models.make_network(**VARIANTS["both, formal charges"]), accuracy=1e-9)
    model.save(tmp_path / "flows.polarmp")
    again = load_model(tmp_path / "flows.polarmp")
    assert again.network.config == model.network.config and again.formal_charges == FORMAL
    expected, energy = (m.energy(atoms.positions, atoms.species, atoms.cell).detach() for m in (model, again))
    torch.testing.assert_close(energy, expected, rtol=0, atol=1e-10)
    for evaluator in ("native", "torch"):
        force = PolarMPForce(str(tmp_path / "flows.polarmp"), atomic_numbers=[8, 1, 1], evaluator=evaluator)
        assert force.getModel().has_flows and force.getModel().has_conductance


def test_total_charge_that_formal_charges_do_not_give(models):
    model = PolarMPModel(models.make_network(**VARIANTS["both, formal charges"]))
    atoms = models.structure()
    formal = sum(FORMAL[z] for z in atoms.species.tolist())
    model.multipoles(atoms.positions, atoms.species, atoms.cell, total_charge=formal)
    with pytest.raises(ValueError, match=r"total_charge is \[5\.0\]; the formal charges of these atoms sum to"):
        model.multipoles(atoms.positions, atoms.species, atoms.cell, total_charge=5.0)


def test_settings_that_make_no_sense():
    with pytest.raises(ValueError, match="charges is 'fluid'; 'local' and 'flow' are accepted"):
        NetworkConfig(species=(1, 8), charges="fluid")
    with pytest.raises(ValueError, match="rung 'sr' has no charges that could flow"):
        NetworkConfig(species=(1, 8), rung="sr", charges="flow")
    with pytest.raises(ValueError, match="formal_charges is given; it needs charges: flow"):
        NetworkConfig(species=(1, 8), formal_charges=FORMAL)
    with pytest.raises(ValueError, match=r"formal_charges lacks the atomic numbers \[1\]"):
        NetworkConfig(species=(1, 8), charges="flow", formal_charges={8: -2})
