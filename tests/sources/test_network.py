"""What the plugin calls each step, on a plain namespace of tensors in place of a platform's memory."""

import threading
from types import SimpleNamespace

import pytest
import torch

from openmm_polarmp.electrostatics import Multipoles, electrostatic_energy
from openmm_polarmp.electrostatics.moving_charges import _mean_wrapped, _slabs, field_force
from openmm_polarmp.models import NetworkConfig, PolarMPModel, PolarMPNet
from openmm_polarmp.neighbors import NeighborList, neighbor_pairs
from openmm_polarmp.sources.network import TorchSource

MOMENTS = ("charges", "dipoles", "quadrupoles", "softness", "polarizability")
GRADIENTS = ("charge", "dipole", "quadrupole", "softness", "polarizability")
UNTOUCHED = -77.0  # what the moments hold that a model does not have


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def make_model(seed=0, **options):
    defaults = {
        "species": (1, 8),
        "rung": "quQ+ka",
        "cutoff": 3.0,
        "channels": 6,
        "message_channels": 4,
        "n_radial": 4,
        "hidden": 8,
        "average_neighbors": 10.0,
    }
    settings = {"charge_projection": options.pop("charge_projection", True)}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = PolarMPNet(NetworkConfig(**{**defaults, **options})).double()
        for parameter in network.heads.final.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    return PolarMPModel(network, **settings)


def make_atoms(n_atoms, cell, seed=0, closest=0.8):
    generator = torch.Generator().manual_seed(seed)
    positions = torch.empty(0, 3, dtype=torch.float64)
    while len(positions) < n_atoms:
        trial = torch.cat([positions, torch.rand(1, 3, generator=generator, dtype=torch.float64) @ cell])
        if neighbor_pairs(trial, closest, cell)[0].shape[1] == 0:
            positions = trial
    return positions, torch.where(torch.arange(n_atoms) % 3 == 0, 8, 1)


def make_buffers(positions, cell=None, dtype=torch.float64, particles=None):
    n = len(positions)
    shapes = ((n,), (n, 3), (n, 3, 3), (n,), (n, 3, 3))
    buffers = SimpleNamespace(
        periodic=cell is not None,
        particles=particles or list(range(n)),
        positions=positions.to(dtype).clone(),
        cell=torch.full((3, 3), float("nan"), dtype=torch.float64) if cell is None else cell.clone(),
        energy=torch.zeros(1, dtype=dtype),
        forces=torch.full((n, 3), UNTOUCHED, dtype=dtype),
    )
    for name, gradient, shape in zip(MOMENTS, GRADIENTS, shapes, strict=True):
        setattr(buffers, name, torch.full(shape, UNTOUCHED, dtype=dtype))
        setattr(buffers, f"{gradient}_gradients", torch.zeros(shape, dtype=dtype))
    return buffers


def fill_gradients(buffers, seed=0):
    """Random derivatives as a kernel gives them: symmetric, for the quadrupole traceless."""
    generator = torch.Generator().manual_seed(seed)
    for gradient in GRADIENTS:
        tensor = getattr(buffers, f"{gradient}_gradients")
        value = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        if value.dim() == 3:
            value = value + value.mT
            if gradient == "quadrupole":
                value = value - value.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * torch.eye(3)
        tensor.copy_(value)


CELL = torch.tensor([[6.0, 0.0, 0.0], [1.5, 5.5, 0.0], [-1.0, 2.0, 6.5]], dtype=torch.float64)


@pytest.mark.parametrize("where", ["box", "cluster"])
@pytest.mark.parametrize("polarizability", ["scalar", "tensor"])
def test_energy_and_moments(where, polarizability):
    cell = CELL if where == "box" else None
    positions, species = make_atoms(9, CELL)
    model = make_model(polarizability=polarizability)
    source = TorchSource(model, species.tolist(), total_charge=1.0, precision="double")
    assert source.has_dipoles and source.has_quadrupoles and source.has_softness and source.has_polarizability
    assert source.num_particles == 9
    for include_gradients in (True, False):
        buffers = make_buffers(positions, cell)
        evaluation = source.bind(buffers)
        assert evaluation.stream == 0
        evaluation.forward(include_gradients)
        energies, multipoles = model.multipoles(positions, species, cell, total_charge=1.0)
        assert float(buffers.energy) == pytest.approx(float(energies.detach().sum()), rel=1e-13)
        for name in ("charges", "dipoles", "quadrupoles", "softness"):
            torch.testing.assert_close(getattr(buffers, name), getattr(multipoles, name).detach(), rtol=0, atol=1e-13)
        alpha = multipoles.polarizability.detach()
        if polarizability == "scalar":
            alpha = alpha[:, None, None] * torch.eye(3, dtype=torch.float64)
        torch.testing.assert_close(buffers.polarizability, alpha, rtol=0, atol=1e-13)
        assert float(buffers.charges.sum()) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("rung", ["sr", "q", "qu", "quQ", "qu+k", "qu+a"])
def test_only_what_the_model_has_is_written(rung):
    positions, species = make_atoms(9, CELL)
    source = TorchSource(make_model(rung=rung), species.tolist())
    buffers = make_buffers(positions, CELL)
    evaluation = source.bind(buffers)
    evaluation.forward(True)
    evaluation.backward((0.0, 0.0, 0.0))
    has = {"charges": True} | {name: getattr(source, f"has_{name}") for name in MOMENTS[1:]}
    assert has == {
        "charges": True,
        "dipoles": "u" in rung,
        "quadrupoles": "Q" in rung,
        "softness": "k" in rung,
        "polarizability": "a" in rung.partition("+")[2],
    }
    for name, present in has.items():
        assert bool((getattr(buffers, name) == UNTOUCHED).all()) != present, name
    assert (buffers.charges == 0).all() == (rung == "sr")
    assert (buffers.forces != UNTOUCHED).all()


@pytest.mark.parametrize("where", ["box", "cluster"])
@pytest.mark.parametrize("polarizability", ["scalar", "tensor"])
def test_forces_by_finite_differences(where, polarizability):
    """forces = -d/dr (sum e + lambda . M) at fixed lambda."""
    cell = CELL if where == "box" else None
    positions, species = make_atoms(6, CELL)
    buffers = make_buffers(positions, cell)
    fill_gradients(buffers)
    evaluation = TorchSource(make_model(polarizability=polarizability), species.tolist(), precision="double").bind(
        buffers
    )
    evaluation.forward(True)
    evaluation.backward((0.0, 0.0, 0.0))
    forces = buffers.forces.clone()

    def value():
        evaluation.forward(False)
        total = buffers.energy[0].clone()
        for moment, gradient in zip(MOMENTS, GRADIENTS, strict=True):
            total += (getattr(buffers, moment) * getattr(buffers, f"{gradient}_gradients")).sum()
        return float(total)

    step = 1e-4
    for index in [(0, 0), (2, 1), (5, 2)]:
        differences = []
        for sign in (1, -1):
            buffers.positions.copy_(positions)
            buffers.positions[index] += sign * step
            differences.append(value())
        slope = (differences[0] - differences[1]) / (2 * step)
        assert float(forces[index]) == pytest.approx(-slope, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("where", ["box", "cluster"])
def test_with_electrostatics_it_is_the_models_force(where):
    """lambda from the electrostatics' autograd, the plugin's sum of forces: equals the gradient of model.energy."""
    cell = CELL if where == "box" else None
    positions, species = make_atoms(9, CELL)
    model = make_model(polarizability="tensor")
    buffers = make_buffers(positions, cell)
    evaluation = TorchSource(model, species.tolist(), precision="double").bind(buffers)
    evaluation.forward(True)
    leaves = {name: getattr(buffers, name).clone().requires_grad_() for name in MOMENTS}
    fixed = positions.clone().requires_grad_()
    energy = electrostatic_energy(fixed, Multipoles(**leaves), cell, sigma=model.sigma, accuracy=1e-8).energy
    gradients = torch.autograd.grad(energy, [fixed, *leaves.values()])
    for name, value in zip(GRADIENTS, gradients[1:], strict=True):
        getattr(buffers, f"{name}_gradients").copy_(value)
    evaluation.backward((0.0, 0.0, 0.0))
    moving = positions.clone().requires_grad_()
    model.accuracy = 1e-8
    whole = model.energy(moving, species, cell)
    assert float(whole.detach()) == pytest.approx(float(buffers.energy) + float(energy.detach()), rel=1e-12)
    expected = -torch.autograd.grad(whole, moving)[0]
    torch.testing.assert_close(buffers.forces - gradients[0], expected, rtol=1e-10, atol=1e-10)


def test_single_precision():
    positions, species = make_atoms(9, CELL)
    results = []
    for precision, dtype in (("double", torch.float64), ("single", torch.float32), ("single", torch.float64)):
        buffers = make_buffers(positions, CELL, dtype)
        fill_gradients(buffers)
        evaluation = TorchSource(make_model(), species.tolist(), precision=precision).bind(buffers)
        evaluation.forward(True)
        evaluation.backward((0.0, 0.0, 0.0))
        results.append(buffers)
    for single in results[1:]:
        for name in (*MOMENTS, "forces", "energy"):
            exact = getattr(results[0], name)
            # float32, some hundred operations
            scale = float(exact.abs().max())
            torch.testing.assert_close(getattr(single, name).double(), exact, rtol=0, atol=3e-5 * scale, msg=name)


@pytest.mark.parametrize("guesses", [False, True], ids=["", "as on a GPU"])
def test_along_a_trajectory_with_wrapped_atoms(guesses):
    """The kept list, atoms wrapped at will, a box that changes: the same as a fresh evaluation each time."""
    cell = CELL.clone()
    positions, species = make_atoms(9, cell)
    model = make_model()
    source = TorchSource(model, species.tolist(), precision="double", skin=0.6)
    buffers = make_buffers(positions, cell)
    fill_gradients(buffers)
    kept = source.bind(buffers)
    if guesses:
        kept._guesses, kept._list = True, NeighborList(model.cutoff, source.skin, cut=False)
    generator = torch.Generator().manual_seed(1)
    for step in range(15):
        # Now and then a long step, which no list survives and no guess foresees.
        length = 0.5 if step in (4, 11) else 0.03
        positions = positions + length * torch.randn(9, 3, generator=generator, dtype=torch.float64)
        cell = 1.001 * cell if step == 7 else cell
        jumps = torch.randint(-1, 2, (9, 3), generator=generator).double() @ cell
        fresh = make_buffers(positions, cell)
        fill_gradients(fresh)
        buffers.positions.copy_(positions + jumps)
        buffers.cell.copy_(cell)
        for evaluation in (kept, source.bind(fresh)):
            evaluation.forward(True)
            evaluation.backward((0.0, 0.0, 0.0))
        for name in (*MOMENTS, "forces", "energy"):
            torch.testing.assert_close(getattr(buffers, name), getattr(fresh, name), rtol=0, atol=1e-10)
    assert 2 <= kept._list.builds < 10


# ---- external field: theory.md section 6 --------------------------------------------------------------------------


def brute_force_field(model, positions, species, cell, field, network_only=False):
    """sum_j E.(r_j - r_i) dq_j/dr_i from the full Jacobian of the projected charges, nearest images pair by pair."""

    def charges(r):
        index, shifts = neighbor_pairs(r, model.cutoff, cell)
        raw = model.network(r, species, index, shifts.double(), cell)[1].charges
        return raw - raw.mean() if model.charge_projection else raw

    jacobian = torch.autograd.functional.jacobian(charges, positions)  # [j, i, b]
    fractional = (positions[None] - positions[:, None]) @ torch.linalg.inv(cell)  # [i, j]: r_j - r_i
    nearest = (fractional - torch.round(fractional)) @ cell
    return torch.einsum("ijx,x,jib->ib", nearest, field, jacobian)


def field_case(n_atoms, cell, field, **options):
    positions, species = make_atoms(n_atoms, cell)
    model = make_model(**options)
    buffers = make_buffers(positions, cell)
    evaluation = TorchSource(model, species.tolist(), precision="double").bind(buffers)
    forces = []
    for applied in ((0.0, 0.0, 0.0), tuple(field.tolist())):
        evaluation.forward(True)
        evaluation.backward(applied)
        forces.append(buffers.forces.clone())
    return forces[1] - forces[0], brute_force_field(model, positions, species, cell, field)


ORTHORHOMBIC = torch.diag(torch.tensor([9.0, 8.0, 14.0], dtype=torch.float64))
SKEWED = torch.tensor([[9.0, 0, 0], [2.5, 9.0, 0], [-3.0, 2.0, 10.0]], dtype=torch.float64)


@pytest.mark.parametrize("projection", [True, False])
@pytest.mark.parametrize("cell", [ORTHORHOMBIC, SKEWED], ids=["orthorhombic", "triclinic"])
@pytest.mark.parametrize("field", [(0.0, 0.0, 0.3), (0.2, -0.1, 0.25)], ids=str)
def test_force_of_a_field_on_moving_charges(cell, field, projection):
    """Slabs: boxes wider than twice the reach (3 A), against the full Jacobian."""
    field = torch.tensor(field, dtype=torch.float64)
    got, expected = field_case(60, cell, field, layers=1, charge_projection=projection)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-11 * float(expected.abs().max()))


def test_force_of_a_field_with_messages():
    """Two layers reach 6 A: a long box is cut along its length only when the field points along it."""
    cell = torch.diag(torch.tensor([4.0, 4.5, 26.0], dtype=torch.float64))
    got, expected = field_case(40, cell, torch.tensor([0.0, 0.0, 0.3], dtype=torch.float64), layers=2)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-11 * float(expected.abs().max()))


def test_force_of_a_field_in_a_small_box():
    """Thinner than twice the reach: atom by atom, and says so."""
    field = torch.tensor([0.2, -0.1, 0.25], dtype=torch.float64)
    with pytest.warns(UserWarning, match=r"thinner than twice the reach .* \(6 A\).* one backward pass for every atom"):
        got, expected = field_case(9, CELL, field, layers=2)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-11 * float(expected.abs().max()))


def test_field_needs_few_passes():
    """The number of backward passes does not grow with the number of atoms."""
    cell = torch.diag(torch.tensor([15.0, 15.0, 15.0], dtype=torch.float64))
    for n_atoms in (30, 200):
        positions, species = make_atoms(n_atoms, cell, closest=0.5)
        model = make_model(layers=1)
        positions = positions.requires_grad_()
        index, shifts = neighbor_pairs(positions, model.cutoff, cell)
        charges = model.network(positions, species, index, shifts, cell)[1].charges
        passes = []
        charges.register_hook(lambda _, passes=passes: passes.append(1))
        field = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
        field_force(positions, charges, cell, field, reach=3.0, projected=True)
        assert len(passes) == 3 * 2 + 1


@pytest.mark.parametrize(
    ("height", "reach", "n"), [(12.0, 3.0, 2), (9.0, 3.0, 3), (100.0, 3.0, 2), (6.0, 3.0, None), (6.1, 3.0, 61)]
)
def test_number_of_slabs(height, reach, n):
    assert _slabs(height, reach) == n
    if n is not None:  # the reason: half a slab and the reach fit into half of the box
        assert 0.5 / n + reach / height <= 0.5 + 1e-9


def test_mean_displacement_by_sorting():
    s = torch.rand(101, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    differences = s[None, :] - s[:, None]
    torch.testing.assert_close(_mean_wrapped(s), (differences - torch.round(differences)).mean(1))


def test_no_field_term_in_a_cluster():
    """A cluster's field is in the moment gradients; the source must not add it again."""
    positions, species = make_atoms(9, CELL)
    buffers = make_buffers(positions)
    fill_gradients(buffers)
    evaluation = TorchSource(make_model(), species.tolist(), precision="double").bind(buffers)
    forces = []
    for field in ((0.0, 0.0, 0.0), (0.3, 0.2, 0.1)):
        evaluation.forward(True)
        evaluation.backward(field)
        forces.append(buffers.forces.clone())
    assert torch.equal(*forces)


# ---- what can go wrong --------------------------------------------------------------------------------------------


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
    with pytest.raises(ValueError, match="precision must be 'single' or 'double', got 'half'"):
        TorchSource(model, [8, 1], precision="half")
    with pytest.raises(ValueError, match="multiplicity must be a positive whole number"):
        TorchSource(model, [8, 1], multiplicity=1.5)
    with pytest.raises(TypeError, match=r"model must be a PolarMPModel or a torch.nn.Module, got str"):
        TorchSource("model", [8, 1])
    with pytest.raises(ValueError, match="buffers hold 3 particles, but the source was made for 2"):
        TorchSource(model, [8, 1]).bind(make_buffers(torch.zeros(3, 3)))


class Springs(torch.nn.Module):
    """A network of somebody else: charges from the number of neighbours, dipoles along their directions."""

    cutoff = 3.0
    species = (1, 8)

    def __init__(self):
        super().__init__()
        self.strength = torch.nn.Parameter(torch.tensor(0.3))

    def forward(
        self, positions, species, edge_index, edge_shifts, cell, batch=None, total_charge=None, multiplicity=None
    ):
        vectors = positions[edge_index[0]] - positions[edge_index[1]]
        if cell is not None:
            vectors = vectors + edge_shifts @ cell
        weight = self.strength * (1 - vectors.norm(dim=1) / 3.0).clamp(min=0) ** 3
        zeros = positions.new_zeros(len(positions))
        charges = zeros.index_add(0, edge_index[1], weight) * (species == 1)
        dipoles = torch.zeros_like(positions).index_add(0, edge_index[1], weight[:, None] * vectors)
        return charges**2, Multipoles(charges.to(self.strength.dtype), dipoles.to(self.strength.dtype))


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


def test_state_reaches_the_network():
    positions, species = make_atoms(9, CELL)
    model = make_model(total_charge_input=True, multiplicity_input=True)
    energies = []
    for charge, multiplicity in ((0.0, 1), (1.0, 1), (0.0, 3)):
        buffers = make_buffers(positions, CELL)
        source = TorchSource(
            model, species.tolist(), total_charge=charge, multiplicity=multiplicity, precision="double"
        )
        source.bind(buffers).forward(False)
        energies.append(float(buffers.energy))
        expected = model.multipoles(positions, species, CELL, total_charge=charge, multiplicity=multiplicity)[0]
        assert energies[-1] == pytest.approx(float(expected.detach().sum()), rel=1e-12)
    assert len({round(e, 6) for e in energies}) == 3
