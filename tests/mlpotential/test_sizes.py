"""MLPotential on what it is for: boxes of 64 to 1,000 molecules, one in vacuum, a solvated peptide with ions."""

import numpy as np
import pytest
from openmm import app, unit
from openmmml import MLPotential
from support.models import tiny_model
from support.oracle import model_energy_and_forces
from support.peptide import solvated_dipeptide
from support.platforms import CPU
from support.systems import energy_and_forces, force_in, relative_error
from support.water import water

BIO = (1, 6, 7, 8, 11, 17)


@pytest.mark.parametrize(("molecules", "periodic"), [(1, False), (64, True), (1000, True)])
def test_water(molecules, periodic):
    model = tiny_model(channels=4, message_channels=2)
    topology, positions = water(molecules, periodic)
    system = MLPotential("polarmp", modelPath=model).createSystem(topology, returnEnergyType="energy")
    context = CPU.context(system)
    context.setPositions(positions)
    energy, forces = energy_and_forces(context)
    expected_energy, expected_forces = model_energy_and_forces(model, topology, positions)
    assert energy == pytest.approx(expected_energy, rel=1e-6)
    assert relative_error(forces, expected_forces) < 1e-3  # the default accuracy is 5e-4


def test_a_solvated_dipeptide_with_ions():
    """All of it by the model, then a few steps of MD."""
    topology, positions = solvated_dipeptide()
    assert {"ACE", "ALA", "NME", "NA", "CL", "HOH"} == {r.name for r in topology.residues()}
    model = tiny_model(BIO, channels=4, message_channels=2)
    system = MLPotential("polarmp", modelPath=model).createSystem(topology, returnEnergyType="energy")
    context = CPU.context(system)
    context.setPositions(positions)
    energy, forces = energy_and_forces(context)
    expected_energy, expected_forces = model_energy_and_forces(model, topology, positions)
    assert energy == pytest.approx(expected_energy, rel=1e-6)
    assert relative_error(forces, expected_forces) < 1e-3


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("solvent", ["tip3p", "tip4pew"])
@pytest.mark.parametrize("part", ["ACE ALA NME", "ALA NME"])
def test_the_dipeptide_by_the_model_in_water_by_a_force_field(solvent, part):
    """Mechanical embedding, also with a peptide bond between the two: the ends of the interpolation are the pure systems."""
    field = app.ForceField("amber14-all.xml", f"amber14/{solvent}.xml")
    topology, positions = solvated_dipeptide()
    modeller = app.Modeller(topology, positions * unit.nanometer)
    modeller.addExtraParticles(field)
    topology = modeller.topology
    mm = field.createSystem(topology, nonbondedMethod=app.PME, nonbondedCutoff=0.8 * unit.nanometer, constraints=None)
    atoms = [a.index for a in topology.atoms() if a.residue.name in part.split()]
    potential = MLPotential("polarmp", modelPath=tiny_model(BIO, channels=4, message_channels=2))
    info = potential.createMixedSystem(topology, mm, atoms, returnInfo=True)
    mixed = info["system"]
    caps = list(range(mm.getNumParticles(), mixed.getNumParticles()))
    assert len(caps) == (part == "ALA NME")
    assert info["oldToNew"] == list(range(mm.getNumParticles()))
    force = force_in(mixed)
    assert force.getParticles() == atoms + caps  # all that travels
    both = potential.createMixedSystem(topology, mm, atoms, interpolate=True)

    def start(system):
        context = CPU.context(system)
        r = np.zeros((system.getNumParticles(), 3))
        r[: len(modeller.positions)] = modeller.positions.value_in_unit(unit.nanometer)
        context.setPositions(r)
        context.computeVirtualSites()
        return context

    def forces_of(system, **parameters):
        context = start(system)
        for name, value in parameters.items():
            context.setParameter(name, value)
        return energy_and_forces(context)[1][: mm.getNumParticles()]

    assert relative_error(forces_of(both, lambda_interpolate=1), forces_of(mixed)) < 1e-5
    assert relative_error(forces_of(both, lambda_interpolate=0), forces_of(mm)) < 1e-5
    context = start(mixed)
    context.getIntegrator().setStepSize(0.0002)
    context.getIntegrator().step(5)
    assert np.isfinite(energy_and_forces(context)[0])
