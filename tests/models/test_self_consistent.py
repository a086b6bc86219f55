"""Models whose induced moments feel each other, and charges that follow from electronegativities (theory.md section 9)."""

import openmm
import pytest
import torch
from support.platforms import CPU, REFERENCE
from support.systems import energy_and_forces, make_system, relative_error

from openmm_polarmp import PolarMPForce, units
from openmm_polarmp._polarizability import system_polarizability
from openmm_polarmp.electrostatics import ElectrostaticPlan, Multipoles, electrostatic_energy
from openmm_polarmp.electrostatics.induction import Induction
from openmm_polarmp.electrostatics.mutual import smallest_eigenvalue
from openmm_polarmp.models import PolarMPModel, load_model

VARIANTS = {
    "mutual": {"rung": "qu+ka", "response": "mutual"},
    "mutual, tensors": {"rung": "quQ+ka", "response": "mutual", "polarizability": "tensor"},
    "equilibrated": {"rung": "qeq"},
    "equilibrated, dipoles": {"rung": "qeq+a"},
}


def model_of(models, variant, **options):
    return PolarMPModel(models.make_network(**VARIANTS[variant]), accuracy=1e-8, **options)


@pytest.mark.parametrize("variant", VARIANTS)
def test_forces_by_differences(models, variant):
    atoms, model = models.structure(), model_of(models, variant)
    r = atoms.positions.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model.energy(r, atoms.species, atoms.cell), r)
    for atom, axis in ((0, 0), (3, 2)):
        step = torch.zeros_like(r)
        step[atom, axis] = 1e-4
        up, down = (model.energy(atoms.positions + s * step, atoms.species, atoms.cell).detach() for s in (1, -1))
        assert abs(float((up - down) / 2e-4 - gradient[atom, axis])) < 1e-6 * float(gradient.abs().max() + 1)


@pytest.mark.parametrize("variant", VARIANTS)
def test_file(models, variant, tmp_path):
    atoms, model = models.structure(), model_of(models, variant)
    model.save(tmp_path / "model.polarmp")
    again = load_model(tmp_path / "model.polarmp")
    assert again.mutual == model.mutual is not None
    energies = [m.energy(atoms.positions, atoms.species, atoms.cell, total_charge=1.0) for m in (model, again)]
    torch.testing.assert_close(*energies, rtol=0, atol=0)


@pytest.mark.parametrize("total_charge", (0.0, -1.0))
@pytest.mark.parametrize("variant", ("equilibrated", "equilibrated, dipoles"))
def test_equilibrated_charges(models, variant, total_charge):
    """They have the total charge, are those of lowest energy, and oxygen is negative from the beginning."""
    atoms, model = models.structure(), model_of(models, variant)
    result = model.evaluate(atoms.positions, atoms.species, atoms.cell, total_charge=total_charge)
    q = result.electrostatics.induced_charges
    torch.testing.assert_close(q.sum(), torch.tensor(total_charge, dtype=q.dtype), rtol=0, atol=1e-9)
    oxygen = atoms.species == 8
    assert q[oxygen].mean() < q[~oxygen].mean()
    assert (result.multipoles.charges == 0).all()
    # no other charge with the same sum has a lower energy
    m = result.multipoles
    chi, hardness = m.electronegativity, 1 / m.softness
    if m.polarizability is None:

        def energy(charges):
            between = electrostatic_energy(atoms.positions, Multipoles(charges), atoms.cell, accuracy=1e-8).energy
            return (between + (chi * charges + hardness * charges**2 / 2).sum()).detach()

        lowest = float(energy(q.detach()))
        generator = torch.Generator().manual_seed(0)
        for _ in range(5):
            change = 0.02 * torch.randn(len(q), generator=generator, dtype=q.dtype)
            assert float(energy(q.detach() + change - change.mean())) > lowest


@pytest.mark.parametrize("variant", VARIANTS)
def test_response_is_stable_even_where_atoms_nearly_touch(models, variant):
    """The limits of the heads keep every eigenvalue of 1 + R T positive."""
    atoms, model = models.structure(), model_of(models, variant)
    with torch.no_grad():
        model.network.heads.final.bias += 30.0  # the largest responses
    for scale in (1.0, 0.3):
        r = scale * atoms.positions
        cell = None if atoms.cell is None else scale * atoms.cell
        _, multipoles = model.multipoles(r, atoms.species, cell)
        cells = None if cell is None else cell[None]
        induction = Induction(r, multipoles, cells, ElectrostaticPlan(r, cell, accuracy=1e-6))
        assert float(smallest_eigenvalue(induction, steps=40)) > 0


def test_a_step_of_training_has_gradients_for_every_weight(models):
    """A loss of forces differentiates the solution of the self-consistent equation."""
    atoms, model = models.structure(), model_of(models, "equilibrated, dipoles")
    r = atoms.positions.clone().requires_grad_()
    energy = model.energy(r, atoms.species, atoms.cell)
    (gradient,) = torch.autograd.grad(energy, r, create_graph=True)
    (gradient**2).sum().backward()
    missing = [name for name, weight in model.network.named_parameters() if weight.grad is None]
    assert not missing
    assert model.network.heads.of_species.grad.abs().max() > 0


@pytest.mark.parametrize("evaluator", ("native", "torch"))
@pytest.mark.parametrize("variant", ("mutual", "mutual, tensors"))
def test_in_openmm(models, variant, evaluator):
    """The force knows from the model that its response is self-consistent."""
    atoms, model = models.structure(), model_of(models, variant)
    force = PolarMPForce(model, atomic_numbers=atoms.species.tolist(), precision="double", evaluator=evaluator)
    assert force.getPolarizationType() == PolarMPForce.Mutual
    force.setNonbondedMethod(PolarMPForce.PME)
    force.setMutualInducedTargetEpsilon(1e-9)
    context = REFERENCE.context(make_system(len(atoms.species), atoms.cell.numpy(), force))
    context.setPositions(0.1 * atoms.positions.numpy())
    _, forces = energy_and_forces(context)
    r = atoms.positions.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model.energy(r, atoms.species, atoms.cell), r)
    assert relative_error(forces, -gradient.numpy() * units.FORCE_TO_OPENMM) < 1e-5


def equilibrated_force(model, atoms, periodic, **options):
    force = PolarMPForce(model, atomic_numbers=atoms.species.tolist(), precision="double", **options)
    force.setNonbondedMethod(PolarMPForce.PME if periodic else PolarMPForce.NoCutoff)
    force.setEwaldErrorTolerance(1e-5)
    force.setMutualInducedTargetEpsilon(1e-8)
    return force


def context_at(atoms, force, platform):
    cell = atoms.cell.numpy() if force.usesPeriodicBoundaryConditions() else None
    return platform.context(make_system(len(atoms.species), cell, force), positions=0.1 * atoms.positions.numpy())


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("platform", [REFERENCE, CPU], ids=str)
@pytest.mark.parametrize(
    ("variant", "evaluator"),
    [("equilibrated", "native"), ("equilibrated, dipoles", "native"), ("equilibrated, dipoles", "torch")],
)
def test_equilibrated_charges_in_openmm(models, variant, evaluator, platform, periodic):
    """Energy, forces and charges are those of the model in torch, with a net charge; the force solves for them."""
    atoms, model = models.structure(), model_of(models, variant)
    force = equilibrated_force(model, atoms, periodic, total_charge=1.0, evaluator=evaluator)
    assert force.getPolarizationType() == PolarMPForce.Mutual
    context = context_at(atoms, force, platform)
    energy, forces = energy_and_forces(context)
    r = atoms.positions.clone().requires_grad_()
    result = model.evaluate(r, atoms.species, atoms.cell if periodic else None, total_charge=1.0)
    (gradient,) = torch.autograd.grad(result.energy, r)
    assert abs(energy - float(result.energy.detach()) * units.ENERGY_TO_OPENMM) < 1e-4 * abs(energy)
    assert relative_error(forces, -gradient.numpy() * units.FORCE_TO_OPENMM) < 1e-4
    charges = force.getCharges(context) + force.getInducedCharges(context)
    assert abs(charges - result.electrostatics.induced_charges.detach().numpy()).max() < 1e-5


def test_equilibrated_charges_in_a_field(models):
    """In a cluster a field moves charge. The energy is that of lowest charges in dense algebra."""
    atoms, model = models.structure(), model_of(models, "equilibrated")
    force = equilibrated_force(model, atoms, periodic=False, total_charge=-1.0)
    context = context_at(atoms, force, REFERENCE)
    field = 10 * torch.tensor([0.1, -0.2, 0.15], dtype=torch.float64)  # V/nm
    energies, charges = [], []
    for strength in (0.0, 1.0):
        force.setExternalField(context, strength * field.numpy())
        energies.append(energy_and_forces(context)[0])
        charges.append(force.getCharges(context) + force.getInducedCharges(context))
    with torch.no_grad():
        _, m = model.multipoles(atoms.positions, atoms.species)
        induction = Induction(atoms.positions, m, None, ElectrostaticPlan(atoms.positions, accuracy=1e-8))
        unit_charges = torch.eye(len(atoms.species), dtype=torch.float64)
        interaction = torch.stack([induction.interaction((q,))[0] for q in unit_charges])
        matrix = torch.diag(1 / m.softness) + interaction
        inverse = torch.linalg.inv(matrix)
        lowest = []
        for strength in (0.0, 0.1):  # V/nm to V/A
            felt = m.electronegativity - strength * atoms.positions @ field
            level = -(-1.0 + (inverse @ felt).sum()) / inverse.sum()
            q = -inverse @ (felt + level)
            lowest.append(float(q @ felt + 0.5 * q @ matrix @ q) * units.ENERGY_TO_OPENMM)
    assert energies[1] - energies[0] == pytest.approx(lowest[1] - lowest[0], rel=1e-6)
    assert abs(charges[1] - q.numpy()).max() < 1e-6
    assert abs(charges[1] - charges[0]).max() > 0.01
    # the derivative of the dipole, which the field's energy contains, by the atoms' motion
    born = force.getBornEffectiveCharges(context)
    assert abs(born.sum(0) + torch.eye(3).numpy()).max() < 1e-4
    alpha = system_polarizability(force, context, 0.1 * atoms.positions.numpy()) * units.POTENTIAL_TO_OPENMM
    level_of = (inverse @ atoms.positions).sum(0) / inverse.sum()
    expected = 0.01 * (atoms.positions.T @ inverse @ (atoms.positions - level_of)).numpy()  # e nm/(V/nm)
    assert abs(alpha - expected).max() < 1e-6 * abs(expected).max()


def test_equilibrated_charges_with_a_reservoir(models):
    """A Fermi level in place of the total charge; it stays when the model is set again."""
    atoms, model = models.structure(), model_of(models, "equilibrated")
    force = equilibrated_force(model, atoms, periodic=True, total_charge=1.0)
    context = context_at(atoms, force, CPU)
    energy, _ = energy_and_forces(context)
    (level,) = force.getFermiLevelsInContext(context)
    force.setTotalChargeConstraint(None)
    force.setFermiLevel(level)
    force.setModel(model, atomic_numbers=atoms.species.tolist(), precision="double")
    assert force.getTotalChargeConstraint() is None
    force.updateParametersInContext(context)
    assert energy_and_forces(context)[0] == pytest.approx(energy + level, rel=1e-5)
    charges = force.getCharges(context) + force.getInducedCharges(context)
    assert charges.sum() == pytest.approx(1.0, abs=1e-5)


def test_refusals(models, tmp_path):
    model = model_of(models, "equilibrated")
    force = PolarMPForce(model, atomic_numbers=[8, 1, 1], total_charge=-1)
    charges, groups = force.getTotalChargeConstraint()
    assert (charges.tolist(), groups) == ([-1.0], [])
    force.setPolarizationType(PolarMPForce.Direct)
    with pytest.raises(
        openmm.OpenMMException, match=r"a total charge constraint is set with polarization type 0; Mutual"
    ):
        REFERENCE.context(make_system(3, None, force))
    with pytest.raises(ValueError, match=r"sigma is 0\.8 A; at least 1 A"):
        model_of(models, "mutual", sigma=0.8)
    with pytest.raises(ValueError, match="response is 'scf'; 'direct' and 'mutual' are accepted"):
        models.make_network(rung="qu+a", response="scf")
    with pytest.raises(ValueError, match="charges is 'flow'; 'local' is accepted with rung 'qeq'"):
        models.make_network(rung="qeq", charges="flow")
