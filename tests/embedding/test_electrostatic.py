"""``embedding='electrostatic'``: the force field's charges act on the model's atoms, and these act back."""

import copy
import warnings

import numpy as np
import openmm
import pytest
from openmm import app, unit
from openmmml import MLPotential
from support.models import tiny_model
from support.peptide import solvated_dipeptide
from support.platforms import CPU
from support.systems import energy_and_forces, force_in, relative_error
from support.water import water


def water_in_water(molecules=27, water_model="amber14/tip3p.xml", method=app.PME):
    """Topology, positions (nm), force-field System, and the particles of the first molecule."""
    topology, positions = water(molecules, periodic=method == app.PME)
    forcefield = app.ForceField(water_model)
    modeller = app.Modeller(topology, positions * unit.nanometer)
    modeller.addExtraParticles(forcefield)
    system = forcefield.createSystem(
        modeller.topology,
        nonbondedMethod=method,
        nonbondedCutoff=0.4 * unit.nanometer,
        switchDistance=0.3 * unit.nanometer,
        ewaldErrorTolerance=1e-5,
        constraints=None,
        rigidWater=True,
    )
    first = [a.index for a in next(modeller.topology.residues()).atoms()]
    return modeller.topology, np.array(modeller.positions.value_in_unit(unit.nanometer)), system, first


def embed(topology, system, atoms, model=None, **options):
    potential = MLPotential("polarmp", modelPath=model or tiny_model())
    return potential.createMixedSystem(topology, system, atoms, embedding="electrostatic", **options)


def state(system, positions, platform=CPU, **parameters):
    context = platform.context(system)
    context.setPositions(positions)
    context.computeVirtualSites()
    for name, value in parameters.items():
        context.setParameter(name, value)
    return energy_and_forces(context)


def nonbonded_force(system):
    return next(f for f in system.getForces() if isinstance(f, openmm.NonbondedForce))


def test_named_among_the_embeddings():
    assert {"electrostatic", "mechanical"} <= set(MLPotential("polarmp").getSupportedEmbeddings())


@pytest.mark.parametrize("water_model", ["amber14/tip3p.xml", "amber14/tip4pew.xml"])
def test_parts_of_the_system(water_model):
    """The model's atoms lose their charges and keep Lennard-Jones; the others' charges are the embedding charges."""
    topology, _, mm, atoms = water_in_water(water_model=water_model)
    system = embed(topology, mm, atoms)
    before, after, force = nonbonded_force(mm), nonbonded_force(system), force_in(system)
    particles, charges = force.getEmbeddingCharges()
    expected = {}
    for i in range(mm.getNumParticles()):
        q, sigma, epsilon = before.getParticleParameters(i)
        new_q, new_sigma, new_epsilon = after.getParticleParameters(i)
        assert (new_sigma, new_epsilon) == (sigma, epsilon)
        assert new_q._value == (0 if i in atoms else q._value)
        if i not in atoms and q._value != 0:
            expected[i] = q._value
    assert dict(zip(particles, charges, strict=True)) == expected
    assert force.getParticles() == [i for i in atoms if list(topology.atoms())[i].element is not None]
    assert force.usesPeriodicBoundaryConditions()
    for i in range(after.getNumExceptions()):
        one, other, product, _, epsilon = after.getExceptionParameters(i)
        if one in atoms or other in atoms:
            assert product._value == 0
        if one in atoms and other in atoms:
            assert epsilon._value == 0


@pytest.mark.parametrize("method", [app.PME, app.NoCutoff])
@pytest.mark.parametrize("water_model", ["amber14/tip3p.xml", "amber14/tip4pew.xml"])
def test_energy_is_the_sum_of_its_parts(platform_once, water_model, method):
    """Force field of the rest, Lennard-Jones with the model's atoms, model in the charges' potential; forces by differences."""
    if platform_once.name == "OpenCL" and "tip3p" in water_model:
        pytest.skip("four-point water has the same kernels and one more kind of particle")
    topology, positions, mm, atoms = water_in_water(27, water_model, method)
    system = embed(topology, mm, atoms, ewaldErrorTolerance=1e-4)
    context = platform_once.context(system)
    context.setPositions(positions)
    context.computeVirtualSites()
    _, forces = energy_and_forces(context)
    real = [i for i in range(system.getNumParticles()) if not system.isVirtualSite(i)]
    rng = np.random.default_rng(0)
    for moving in (real, [i for i in real if i in atoms]):
        direction = np.zeros_like(positions)
        direction[moving] = rng.normal(size=(len(moving), 3))

        def energy(h, direction=direction):
            context.setPositions(positions + h * direction)
            context.computeVirtualSites()
            return context.getState(energy=True).getPotentialEnergy()._value

        h = 5e-4
        slope = (8 * (energy(h) - energy(-h)) - (energy(2 * h) - energy(-2 * h))) / (12 * h)
        size = np.linalg.norm(forces[real])
        assert slope == pytest.approx(-np.sum(forces * direction), abs=1e-3 * size)
    assert np.abs(forces[real].sum(0)).max() < 1e-3 * size


def test_charges_of_zero_equal_lennard_jones_alone():
    """Without its charges the force field does to the model's atoms what it does in mechanical embedding."""
    topology, positions, mm, atoms = water_in_water()
    nonbonded = nonbonded_force(mm)
    electrostatic = embed(topology, mm, atoms)
    force = force_in(electrostatic)
    particles, charges = force.getEmbeddingCharges()
    force.setEmbeddingCharges(particles, 0 * charges)
    for i in atoms:
        _, sigma, epsilon = nonbonded.getParticleParameters(i)
        nonbonded.setParticleParameters(i, 0, sigma, epsilon)
    mechanical = MLPotential("polarmp", modelPath=tiny_model()).createMixedSystem(topology, mm, atoms)
    (energy, forces), (expected, expected_forces) = state(electrostatic, positions), state(mechanical, positions)
    assert energy == pytest.approx(expected, rel=1e-5)
    assert relative_error(forces, expected_forces) < 1e-4


@pytest.mark.parametrize("water_model", ["amber14/tip3p.xml", "amber14/tip4pew.xml"])
def test_interpolation(platform_once, water_model):
    """lambda 0 is the force field, 1 the mixed system, electrostatics included; between them a straight line."""
    if platform_once.name == "OpenCL" and "tip3p" in water_model:
        pytest.skip("four-point water has the same kernels and one more kind of particle")
    topology, positions, mm, _ = water_in_water(27, water_model)
    atoms = [a.index for a in topology.atoms() if a.residue.index < 2]
    mixed = embed(topology, mm, atoms)
    interpolated = embed(topology, mm, atoms, interpolate=True)
    (e0, f0), (e1, f1) = (state(s, positions, platform_once) for s in (copy.deepcopy(mm), mixed))
    for value in (0.0, 0.5, 1.0):
        energy, forces = state(interpolated, positions, platform_once, lambda_interpolate=value)
        assert energy == pytest.approx((1 - value) * e0 + value * e1, rel=1e-5, abs=1e-2)
        assert relative_error(forces, (1 - value) * f0 + value * f1) < 1e-4


def dipeptide():
    topology, positions = solvated_dipeptide(2.0)
    field = app.ForceField("amber14-all.xml", "amber14/tip3p.xml")
    system = field.createSystem(
        topology,
        nonbondedMethod=app.PME,
        nonbondedCutoff=0.8 * unit.nanometer,
        useDispersionCorrection=False,  # contains the number of particles, which a link atom changes
    )
    return topology, positions, system


@pytest.mark.parametrize("scheme", ["shift", "zero"])
def test_cut_bond(scheme):
    """The model has the side chain of alanine: the charge of the carbon that it was cut from acts on it no more."""
    topology, positions, mm = dipeptide()
    names = {a.name: a.index for a in topology.atoms() if a.residue.name == "ALA"}
    atoms = [names[n] for n in ("CB", "HB1", "HB2", "HB3")]
    info = embed(topology, mm, atoms, "polarmp-demo-bio", linkCharges=scheme, returnInfo=True)
    system = info["system"]
    force = force_in(system)
    charges = dict(zip(*force.getEmbeddingCharges(), strict=True))
    before = nonbonded_force(mm)
    q = [before.getParticleParameters(i)[0]._value for i in range(mm.getNumParticles())]
    outer, bonded = names["CA"], [names[n] for n in ("N", "HA", "C")]
    assert outer not in charges
    for i in bonded:
        assert charges[i] == pytest.approx(q[i] + (q[outer] / 3 if scheme == "shift" else 0))
    outside = sum(q[i] for i in range(len(q)) if i not in atoms)
    assert sum(charges.values()) == pytest.approx(outside if scheme == "shift" else outside - q[outer], abs=1e-10)
    # Among force-field atoms nothing changes.
    assert nonbonded_force(system).getParticleParameters(outer)[0]._value == q[outer]
    (cap,) = (i for i in range(system.getNumParticles()) if system.isVirtualSite(i))
    assert force.getParticles() == [*atoms, cap]
    extended = np.zeros((system.getNumParticles(), 3))
    extended[info["oldToNew"]] = positions
    energy, forces = state(system, extended)
    assert np.isfinite(energy) and np.isfinite(forces).all()
    again = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(system))
    assert state(again, extended)[0] == pytest.approx(energy, rel=1e-6)
    interpolated = embed(topology, mm, atoms, "polarmp-demo-bio", linkCharges=scheme, interpolate=True)
    assert state(interpolated, extended, lambda_interpolate=1.0)[0] == pytest.approx(energy, rel=1e-5)
    pure = state(mm, positions)[0]
    assert state(interpolated, extended, lambda_interpolate=0.0)[0] == pytest.approx(pure, abs=2e-2)


def test_constant_pressure_and_contexts():
    """A barostat changes the box of the force too; the surroundings' potential polarizes the molecule."""
    topology, positions, mm, atoms = water_in_water(27)
    system = embed(topology, mm, atoms)
    system.addForce(openmm.MonteCarloBarostat(1 * unit.bar, 300 * unit.kelvin, 2))
    context = CPU.context(system, openmm.LangevinMiddleIntegrator(300, 5, 0.0002))
    context.setPositions(positions)
    context.getIntegrator().step(10)
    assert np.isfinite(context.getState(energy=True).getPotentialEnergy()._value)
    assert np.abs(force_in(system).getEmbeddingField(context)).max() > 0


def with_offset(nonbonded):
    nonbonded.addGlobalParameter("lambda", 1.0)
    nonbonded.addParticleParameterOffset("lambda", 5, 0.1, 0, 0)


def without_charges(nonbonded):
    for i in range(nonbonded.getNumParticles()):
        nonbonded.setParticleParameters(i, 0, 0.3, 0.1)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (with_offset, {}, "charge of particle 5 has an offset by the global parameter 'lambda'"),
        (without_charges, {}, "no charge outside the model's atoms; use embedding='mechanical'"),
        (
            lambda f: f.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic),
            {},
            "needs a NonbondedForce with Ewald, PME",
        ),
        (None, {"linkCharges": "spread"}, "linkCharges is 'spread'"),
        (None, {"embeddingKernel": "slater"}, "embeddingKernel is 'slater'"),
        (None, {"mlLongRange": True}, "unknown keywords"),
    ],
)
def test_errors(change, options, message):
    topology, _, mm, atoms = water_in_water()
    if change is not None:
        change(nonbonded_force(mm))
    with pytest.raises((ValueError, TypeError), match=message):
        embed(topology, mm, atoms, **options)


def test_forces_with_other_charges():
    topology, _, mm, atoms = water_in_water()
    mm.addForce(openmm.AmoebaMultipoleForce())
    with pytest.raises(ValueError, match="AmoebaMultipoleForce"):
        embed(topology, mm, atoms)
    for i in reversed(range(mm.getNumForces())):
        if isinstance(mm.getForce(i), (openmm.NonbondedForce, openmm.AmoebaMultipoleForce)):
            mm.removeForce(i)
    with pytest.raises(ValueError, match="one NonbondedForce; the System has none"):
        embed(topology, mm, atoms)


def test_model_without_charges():
    topology, _, mm, atoms = water_in_water()
    with pytest.raises(ValueError, match="rung sr"):
        embed(topology, mm, atoms, tiny_model(rung="sr"))


def test_model_of_a_medium():
    topology, _, mm, atoms = water_in_water()
    model = tiny_model()
    model.metadata["eps_inf"] = 1.78
    with pytest.warns(UserWarning, match=r"eps_inf = 1.78.*embeddingScale"):
        embed(topology, mm, atoms, model)
    with pytest.warns(UserWarning, match=r"eps_inf = 1.78.*embeddingScale"):
        embed(topology, mm, atoms, "polarmp-water")


def test_charge_of_the_model_s_atoms():
    """An ion's charge has to be said."""
    topology, _, mm = dipeptide()
    (sodium,) = (a.index for a in topology.atoms() if a.residue.name == "NA")
    with pytest.warns(UserWarning, match=r"charge of 1 e, but charge=0"):
        embed(topology, mm, [sodium], "polarmp-demo-bio")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embed(topology, mm, [sodium], "polarmp-demo-bio", charge=1)
        system = embed(topology, mm, [sodium], "polarmp-demo-bio", charge="auto")
    assert force_in(system).getModel().options.total_charge == 1
