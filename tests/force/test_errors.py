"""Bad input: every error names the argument, what came and what is accepted."""

import numpy as np
import openmm
import pytest
from openmm import app, unit
from support.systems import CUBIC, TRICLINIC, energy_and_forces, evaluate, make_force, make_system, random_atoms

import openmm_polarmp._platforms.loading as plugin
from openmm_polarmp import FixedMultipoles, PolarMPForce, units

ONE = np.ones(2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), r"charges has shape \(0,\)"),
        (([[1.0, 2.0]],), r"charges has shape \(1, 2\)"),
        ((["a"],), "charges cannot be read"),
        (([1.0, np.nan],), r"charges\[1\] is nan"),
        ((ONE, np.ones(3)), r"dipoles has shape \[3\]; \[2, 3\] is accepted"),
        ((ONE, None, np.ones((2, 9))), r"quadrupoles has shape \[2, 9\]; \[2, 3, 3\]"),
        ((ONE, None, None, [0.1, -0.1]), "softness of particle 1 is -0.1"),
        ((ONE, None, None, np.ones(3)), "softness has shape"),
        ((ONE, None, None, None, [0.1, -0.1]), "polarizability of particle 1 has the eigenvalue -0.1"),
        ((ONE, None, None, None, np.ones((2, 3))), "polarizability has shape"),
    ],
)
def test_fixed_multipoles(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        FixedMultipoles(*arguments)


def test_fixed_multipoles_with_units():
    """Quantities become what the same numbers in the model's units are; those of another kind are refused."""
    e, nm, mole = unit.elementary_charge, unit.nanometer, unit.AVOGADRO_CONSTANT_NA
    eV = units.EV_TO_KJ_PER_MOL * unit.kilojoule_per_mole
    atoms = random_atoms(3, CUBIC)
    given = FixedMultipoles(
        [q * e for q in atoms.charges],
        0.1 * atoms.dipoles * (e * nm),
        0.01 * atoms.quadrupoles * (e * nm**2),
        atoms.softness * e**2 / (eV / mole),
        unit.Quantity(0.01 * atoms.polarizability / units.EV_TO_KJ_PER_MOL, e**2 * nm**2 / unit.kilojoule_per_mole),
    )
    for name, values in atoms.moments().members().items():
        np.testing.assert_allclose(given.members()[name], values, rtol=1e-10)
    # OpenMM's debye is larger by 1.6e-4.
    np.testing.assert_allclose(
        FixedMultipoles(ONE, np.eye(3)[:2] * unit.debye).dipoles, units.DEBYE * np.eye(3)[:2], rtol=2e-4
    )
    with pytest.raises(ValueError, match=r"dipoles is in elementary charge; .* are accepted"):
        FixedMultipoles(ONE, np.eye(3)[:2] * e)


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("setSigma", (0.0,), "sigma is 0.*must be positive"),
        ("setSigma", (-1 * unit.angstrom,), "sigma is -0.1.* nm"),
        ("setSigma", (float("nan"),), "sigma is nan"),
        ("setEwaldErrorTolerance", (0.0,), "between 0 and 1"),
        ("setEwaldErrorTolerance", (1.5,), "between 0 and 1"),
        ("setKMax", (-1,), "kMax is -1"),
        ("setEpsInf", (0.5,), "epsInf is 0.5"),
        ("setPMEParameters", (10, 0, 10), "mesh is 10 x 0 x 10"),
        ("setNonbondedMethod", (7,), "method is 7; PolarMPForce.NoCutoff and PolarMPForce.PME are accepted"),
        ("setNonbondedMethod", ("PME",), "method is 'PME'; PolarMPForce.NoCutoff and PolarMPForce.PME are accepted"),
        ("setNonbondedMethod", (app.Ewald,), "method is Ewald; PolarMPForce.NoCutoff and PolarMPForce.PME are"),
        ("setNonbondedMethod", (True,), "method is True; PolarMPForce.NoCutoff"),
        ("setPolarizationType", (9,), "type is 9; PolarMPForce.Direct and"),
        ("setPolarizationType", ("mutual",), "type is 'mutual'; .* PolarMPForce.Mutual are accepted"),
        ("setPMEParameters", (32, 32.5, 32), "ny is 32.5; a whole number is accepted"),
        ("setEwaldErrorTolerance", ("x",), "ewaldErrorTolerance is 'x'; a finite number is accepted"),
        ("setMutualInducedTargetEpsilon", (None,), "mutualInducedTargetEpsilon is None; a finite number is accepted"),
        ("setMutualInducedMaxIterations", (1.5,), "iterations is 1.5; a whole number is accepted"),
        ("setSigma", (1 * unit.elementary_charge,), "sigma is 1 e; a finite number of nm or a quantity"),
        ("setKMax", ("x",), "k_max is 'x'; a finite number of 1/nm or a quantity of this dimension is accepted"),
        ("setEpsInf", (None,), "eps_inf is None; a finite number is accepted"),
        ("setFermiLevel", (1 * unit.nanometer,), "level is 1 nm; a finite number of kJ/mol or a quantity"),
        ("setTotalChargeConstraint", ("auto",), "charge is 'auto'; numbers of e or a quantity of this dimension are"),
        ("setTotalChargeConstraint", ([1.0], [0]), r"groups\[0\] is 0; a sequence of whole numbers is accepted"),
        ("setEmbeddingScale", ("x",), "embedding scale is 'x'; a finite number is accepted"),
        ("setEmbeddingCharges", ([0.5], [1.0]), r"particles\[0\] is 0.5; a whole number is accepted"),
        ("setEmbeddingCharges", ([1], [1 * unit.nanometer]), r"charges is \[1 nm\]; numbers of e or a quantity"),
        ("setParticles", ([0.7, 1.2],), r"particles\[0\] is 0.7; a whole number is accepted"),
        ("setParticles", ([True, False],), r"particles\[0\] is True; a whole number is accepted"),
        ("setParticles", (3,), "particles is 3; a sequence of whole numbers is accepted"),
        ("setParticles", ([0, -1],), "particles contains -1"),
        ("setParticles", ([1, 1],), "particles contains 1 twice"),
    ],
)
def test_settings(method, arguments, message):
    force = PolarMPForce(FixedMultipoles([1.0]))
    with pytest.raises((ValueError, RuntimeError, openmm.OpenMMException), match=message):
        getattr(force, method)(*arguments)


def test_numbers_that_stand_for_settings():
    """Whole numbers of NumPy and of the kind 32.0, units in each member of a list, constants of openmm.app."""
    force = PolarMPForce(FixedMultipoles([1.0]))
    force.setNonbondedMethod(app.PME)
    assert force.getNonbondedMethod() == PolarMPForce.PME
    force.setNonbondedMethod(app.NoCutoff)
    assert force.getNonbondedMethod() == PolarMPForce.NoCutoff
    force.setPMEParameters(32.0, np.int32(36), 42)
    assert force.getPMEParameters() == (32, 36, 42)
    force.setParticles(np.array([2.0]))
    assert force.getParticles() == [2]
    force.setEmbeddingCharges(range(2), [1 * unit.elementary_charge, -0.5 * unit.elementary_charge])
    np.testing.assert_allclose(force.getEmbeddingCharges()[1], [1.0, -0.5])
    force.setTotalChargeConstraint([2 * unit.elementary_charge], [np.array([2])])
    assert force.getTotalChargeConstraint()[0] == [2.0]


def test_wrong_number_of_particles(platform_once):
    force = PolarMPForce(FixedMultipoles([1.0, -1.0]))
    with pytest.raises(openmm.OpenMMException, match="describes 2 particles, but the force acts on 3"):
        platform_once.context(make_system(3, None, force))
    force = PolarMPForce(FixedMultipoles([1.0, -1.0]))
    force.setParticles([1, 5])
    with pytest.raises(openmm.OpenMMException, match="particles contains 5, but the System has 3"):
        platform_once.context(make_system(3, None, force))


def test_not_a_number_in_positions(platform_once):
    atoms = random_atoms(10, TRICLINIC)
    *_, context = evaluate(atoms, platform_once)
    positions = 0.1 * atoms.positions
    positions[7, 1] = np.nan
    context.setPositions(positions)
    # The CPU platform checks before any force is asked, and does not say which particle it is.
    message = "Particle coordinate is NaN" if platform_once.name == "CPU" else r"position of particle 7 is -?nan"
    with pytest.raises(openmm.OpenMMException, match=message):
        energy_and_forces(context)
    context.setPositions(0.1 * atoms.positions)  # the Context stays usable
    energy_and_forces(context)


def test_mesh_too_small_for_the_window(fast_platform_once):
    atoms = random_atoms(10, CUBIC)
    force = make_force(atoms)
    force.setPMEParameters(3, 30, 30)
    with pytest.raises(openmm.OpenMMException, match="mesh has 3 points"):
        evaluate(atoms, fast_platform_once, force=force)


def test_tolerance_that_no_mesh_reaches(fast_platform_once):
    atoms = random_atoms(10, CUBIC)
    with pytest.raises(openmm.OpenMMException, match=r"error tolerance is .*the mesh reaches"):
        evaluate(atoms, fast_platform_once, tolerance=1e-13)


def test_points_of_a_wrong_shape(platform_once):
    atoms = random_atoms(10, CUBIC)
    *_, force, context = evaluate(atoms, platform_once)
    with pytest.raises(ValueError, match=r"points has shape \[3\]; \[M, 3\]"):
        force.getElectrostaticPotential([0.0, 0.0, 0.0], context)
    with pytest.raises((RuntimeError, openmm.OpenMMException), match=r"points\[1\] is not finite"):
        force.getElectrostaticPotential([[0.0, 0.0, 0.0], [np.inf, 0, 0]], context)


def test_changed_source_of_another_size(platform_once):
    atoms = random_atoms(10, CUBIC)
    *_, force, context = evaluate(atoms, platform_once)
    force.setModel(FixedMultipoles([1.0]))
    with pytest.raises((RuntimeError, openmm.OpenMMException), match="describes 1 particles"):
        force.updateParametersInContext(context)


def test_changed_source_is_used(platform_once):
    atoms = random_atoms(10, CUBIC)
    other = random_atoms(10, CUBIC, seed=1)
    *_, force, context = evaluate(atoms, platform_once)
    force.setModel(other.moments())
    force.setSigma(0.13)
    force.updateParametersInContext(context)
    energy, _ = energy_and_forces(context)
    from dataclasses import replace

    expected, *_ = evaluate(replace(other, positions=atoms.positions, cell=atoms.cell, sigma=1.3), platform_once)
    assert energy == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        (
            "setNonbondedMethod",
            (PolarMPForce.NoCutoff,),
            "nonbonded method is NoCutoff, but the Context was created with PME",
        ),
        ("setParticles", (list(range(5))[::-1],), "particles differ from those that the Context was created with"),
        ("setModel", (FixedMultipoles([1.0]),), "describes 1 particles"),
        ("setEwaldErrorTolerance", (1e-13,), "the mesh reaches"),
    ],
)
def test_a_refused_update_leaves_the_context_as_it_was(platform_once, method, arguments, message):
    """What updateParametersInContext cannot change: PolarMPForce.h says it for all platforms."""
    if method == "setEwaldErrorTolerance" and platform_once.name == "Reference":
        pytest.skip("Reference uses no mesh")
    atoms = random_atoms(5, CUBIC)
    energy, forces, force, context = evaluate(atoms, platform_once)
    getattr(force, method)(*arguments)
    with pytest.raises((RuntimeError, openmm.OpenMMException), match=message):
        force.updateParametersInContext(context)
    energy_again, forces_again = energy_and_forces(context)
    assert energy_again == pytest.approx(energy, rel=1e-6)
    np.testing.assert_allclose(forces_again, forces, rtol=1e-5, atol=1e-5 * np.abs(forces).max())


def test_other_settings_are_updated(platform_once):
    """Tolerance, mesh, hard cutoff and polarization type, against a new Context."""

    def change(force: PolarMPForce) -> PolarMPForce:
        force.setPolarizationType(PolarMPForce.NoPolarization)
        force.setEwaldErrorTolerance(1e-5)
        force.setPMEParameters(40, 36, 42)
        force.setKMax(40)
        return force

    atoms = random_atoms(20, CUBIC)
    *_, force, context = evaluate(atoms, platform_once)
    change(force).updateParametersInContext(context)
    energy, forces = energy_and_forces(context)
    expected_energy, expected_forces, new_force, new_context = evaluate(
        atoms, platform_once, force=change(make_force(atoms))
    )
    assert force.getPMEParametersInContext(context) == new_force.getPMEParametersInContext(new_context)
    assert energy == pytest.approx(expected_energy, rel=1e-6)
    np.testing.assert_allclose(forces, expected_forces, rtol=1e-5, atol=1e-5 * np.abs(forces).max())


def test_other_versions_of_openmm_are_refused():
    plugin.check_openmm_version("8.6.1")
    for version in ("8.5.2", "8.7.0", "8.60.0"):
        with pytest.raises(ImportError, match=rf"built for OpenMM 8\.6.*OpenMM {version} is installed"):
            plugin.check_openmm_version(version)


def test_unknown_model_type():
    with pytest.raises(TypeError, match="model"):
        PolarMPForce(3.14)


def test_hard_cutoff_with_a_barostat_warns(platform_once):
    atoms = random_atoms(10, CUBIC)
    force = make_force(atoms)
    force.setKMax(40)
    with pytest.warns(UserWarning, match=r"kMax.*jumps when MonteCarloBarostat"):
        platform_once.context(make_system(10, atoms.cell, force, openmm.MonteCarloBarostat(1.0, 300.0)))


def test_a_force_whose_system_is_gone_is_an_error_and_no_crash():
    import gc

    def cast_from_a_system():
        system = make_system(2, CUBIC, make_force(random_atoms(2, CUBIC)))
        return PolarMPForce.cast(system.getForce(0))

    force = cast_from_a_system()
    gc.collect()
    with pytest.raises(Exception, match="no longer exists: it was deleted with its System"):
        force.getSigma()
    assert not PolarMPForce.isinstance(force)
