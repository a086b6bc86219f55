"""What charges and responses of pairs are before any training: those of bonds, however dense the matter."""

import pytest
import torch
from support.systems import water_like_atoms

from openmm_polarmp.models import NetworkConfig, PolarMPNet, RadialBasis
from openmm_polarmp.models.initial_flows import BOND_CONDUCTANCE, TRANSFER_PER_UNIT, bond_shape, bond_transfers
from openmm_polarmp.neighbors import neighbor_pairs

SPECIES = (1, 8, 17)


@pytest.mark.parametrize("cutoff", [3.5, 5.0, 7.0])
def test_bonds_have_one_and_far_pairs_nothing(cutoff):
    basis = RadialBasis(cutoff, 8)
    shape = bond_shape(SPECIES, basis)

    def at(distance):
        return (shape[0, 1] * basis(torch.tensor(distance, dtype=torch.float64))).sum().item()

    assert torch.equal(shape, shape.transpose(0, 1))
    assert at(0.97) == pytest.approx(1.0, abs=0.15)  # OH
    assert abs(at(1.94)) < 0.2
    assert max(abs(at(d)) for d in (2.5, 3.0, 3.4)) < 0.06


def test_transfers_follow_the_electronegativities_where_formal_charges_are_zero():
    transfers = bond_transfers(SPECIES, [0.0, 0.0, -1.0])
    assert torch.equal(transfers, -transfers.T)
    assert transfers[0, 1].item() == pytest.approx(TRANSFER_PER_UNIT * (3.44 - 2.20))  # hydrogen gains charge
    assert not transfers[2].any()
    assert not bond_transfers(SPECIES, None).any()
    assert not bond_transfers((1, 10), [0.0, 0.0]).any()  # neon has no electronegativity


@pytest.mark.parametrize("cutoff", [4.0, 6.0])
def test_dense_matter_begins_with_the_charges_of_molecules(cutoff):
    atoms = water_like_atoms()
    positions, cell = torch.as_tensor(atoms.positions), torch.as_tensor(atoms.cell)
    species = torch.tensor([8, 1, 1] * (len(positions) // 3))
    settings = {"species": (1, 8), "rung": "qu+c", "cutoff": cutoff, "charges": "flow"}
    network = PolarMPNet(NetworkConfig(**settings, formal_charges={1: 0, 8: 0})).double()
    _, multipoles = network(positions, species, *neighbor_pairs(positions, cutoff, cell), cell)
    oxygen = multipoles.charges.detach()[species == 8]
    assert -0.85 < oxygen.min() and oxygen.max() < -0.55
    response = multipoles.flows.conductance.detach().sum() / len(oxygen)
    assert 2 * BOND_CONDUCTANCE < response < 4 * BOND_CONDUCTANCE  # the bonds of a molecule, and hydrogen bonds
