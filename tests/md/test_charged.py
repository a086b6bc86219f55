"""Charged systems: what the neutralizing background means."""

import numpy as np
import openmm
import pytest
from openmmml import MLPotential
from support.models import tiny_model
from support.oracle import model_energy_and_forces
from support.systems import energy_and_forces, force_in, relative_error
from support.water import water

from openmm_polarmp import FixedMultipoles, PolarMPForce

CUBIC_WIGNER = 2.837297  # of a point charge in a cubic lattice and its background


def with_ion(symbol: str, periodic: bool):
    """Seven molecules of water and an ion in place of the eighth."""
    from openmm import app

    topology, positions = water(8, periodic)
    ion = app.Topology()
    chain = ion.addChain()
    kept = []
    for residue in list(topology.residues())[:-1]:
        new = ion.addResidue("HOH", chain)
        for atom in residue.atoms():
            ion.addAtom(atom.name, atom.element, new)
            kept.append(atom.index)
    last = next(list(topology.residues())[-1].atoms())
    ion.addAtom(symbol, app.Element.getBySymbol(symbol), ion.addResidue(symbol.upper(), chain))
    ion.setPeriodicBoxVectors(topology.getPeriodicBoxVectors())
    return ion, positions[[*kept, last.index]]


@pytest.mark.parametrize(("symbol", "charge", "periodic"), [("Na", 1, True), ("O", -2, False)], ids=["box", "cluster"])
def test_the_total_charge_is_what_was_asked(platform_once, symbol, charge, periodic):
    model = tiny_model((1, 8, 11), layers=1)
    topology, positions = with_ion(symbol, periodic)
    potential = MLPotential("polarmp", modelPath=model, charge=charge)
    system = potential.createSystem(topology, precision="double", returnEnergyType="energy")
    context = platform_once.context(system)
    context.setPositions(positions)
    energy, forces = energy_and_forces(context)
    force = force_in(system)
    assert force.getCharges(context).sum() == pytest.approx(charge, abs=1e-5)
    double = model.double()
    expected, expected_forces = model_energy_and_forces(double, topology, positions, total_charge=float(charge))
    assert energy == pytest.approx(expected, rel=1e-5)
    assert relative_error(forces, expected_forces) < 1e-3


def test_the_background_costs_what_the_lattice_of_charges_costs(platform_once):
    """E(L) = -k_e q^2 xi / (2 L) + 2 pi k_e q^2 s^2 / (2 V): Wigner's lattice, and the smearing against the background."""
    for edge in (2.0, 3.0, 4.0):
        system = openmm.System()
        system.setDefaultPeriodicBoxVectors(*(np.eye(3) * edge))
        for _ in range(2):
            system.addParticle(1.0)
        force = PolarMPForce(FixedMultipoles([1.0, 0.0]))
        force.setNonbondedMethod(PolarMPForce.PME)
        force.setEwaldErrorTolerance(1e-5)
        system.addForce(force)
        context = platform_once.context(system)
        context.setPositions([[0, 0, 0], [0.5, 0.5, 0.5]])
        energy = context.getState(energy=True).getPotentialEnergy()._value
        coulomb = 138.935457644
        # erf(r / sqrt(2) sigma) / r lacks, against 1/r, an integral of 2 pi sigma^2: the background feels it
        expected = -coulomb * CUBIC_WIGNER / (2 * edge) + coulomb * 2 * np.pi * 0.1**2 / (2 * edge**3)
        assert energy == pytest.approx(expected, rel=2e-4)
