"""The network: smoothness, derivatives, locality, positivity, precision and configuration."""

import itertools
import json

import pytest
import torch

from openmm_polarmp.models import RUNGS, NetworkConfig, PolarMPNet, Rung, heads
from openmm_polarmp.models._angular import SphericalHarmonics, o3, tensor_to_cartesian
from openmm_polarmp.neighbors import neighbor_pairs
from openmm_polarmp.units import COULOMB

MOMENTS = ("charges", "dipoles", "quadrupoles", "softness", "polarizability")


def functional(outputs, seed=0):
    """One number of all outputs, weighted at random: what forces with fixed moment gradients are derivatives of."""
    generator = torch.Generator().manual_seed(seed)
    total = 0.0
    for value in outputs.values():
        total = total + (value * torch.randn(value.shape, generator=generator, dtype=torch.float64)).sum()
    return total


@pytest.mark.parametrize("rung", RUNGS)
def test_outputs_of_each_rung(models, rung):
    atoms = models.structure()
    network = models.make_network(rung=rung)
    _, multipoles = network(
        atoms.positions, atoms.species, *neighbor_pairs(atoms.positions, 3.0, atoms.cell), atoms.cell
    )
    present = {name for name, _ in multipoles.members()}
    expected = {"charges"}
    expected |= {"dipoles"} if "u" in rung else set()
    expected |= {"quadrupoles"} if "Q" in rung else set()
    expected |= {"softness"} if "k" in rung else set()
    expected |= {"polarizability"} if "a" in rung.partition("+")[2] else set()
    expected |= {"softness", "electronegativity"} if "eq" in rung else set()
    assert present == expected
    assert bool(multipoles.charges.detach().any()) == (rung not in ("sr", "qeq", "qeq+a"))


@pytest.mark.parametrize("word", ["", "mu", "k", "q+", "q+b", "sr+k", "Q", "qu+ak", "QU+KA"])
def test_unknown_rung(word):
    with pytest.raises(ValueError, match=r"rung is .*; sr, q, qu"):
        Rung.parse(word)


@pytest.mark.parametrize("polarizability", ["scalar", "tensor"])
def test_heads_keep_their_signs_and_traces(models, polarizability):
    """kappa >= 0, alpha positive semi-definite, Q traceless and symmetric: for wild weights too."""
    atoms = models.structure()
    for seed in range(5):
        network = models.make_network(seed, polarizability=polarizability)
        torch.nn.init.normal_(network.heads.final.weight, std=50.0)
        out = models.evaluate(network, atoms.positions, atoms.species, atoms.cell)
        Q = out["quadrupoles"].detach()
        assert Q.abs().max() > 0.1
        assert Q.diagonal(dim1=1, dim2=2).sum(1).abs().max() < 1e-12 * Q.abs().max()
        torch.testing.assert_close(Q, Q.mT)
        assert (out["softness"] >= 0).all()
        alpha = out["polarizability"].detach()
        if polarizability == "scalar":
            assert (alpha >= 0).all()
        else:
            values = torch.linalg.eigvalsh(alpha)
            assert values.min() > -1e-12 * values.max()
            anisotropy = alpha - alpha.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * torch.eye(3)
            assert anisotropy.abs().max() > 1e-3 * alpha.abs().max()


@pytest.mark.parametrize("polarizability", ["scalar", "tensor"])
def test_outputs_stay_bounded_where_atoms_collide(models, polarizability):
    """Far from any data the moments keep a size, the energy does not fall without end, and forces stay finite."""
    species = torch.tensor([8, 1, 1, 8])
    for closest in (0.3, 0.05, 0.005):
        positions = closest * torch.tensor([[0.0, 0, 0], [1, 0.2, 0], [0, 1, 0.1], [0.3, 0.4, 1]], dtype=torch.float64)
        positions.requires_grad_()
        network = models.make_network(polarizability=polarizability)
        torch.nn.init.normal_(network.heads.final.weight, std=50.0)
        out = models.evaluate(network, positions, species)
        limits = {
            "charges": heads.LARGEST_CHARGE,
            "dipoles": heads.LARGEST_DIPOLE,
            "quadrupoles": heads.LARGEST_QUADRUPOLE,
            "softness": heads.LARGEST_SOFTNESS,
            "polarizability": heads.LARGEST_POLARIZABILITY,
        }
        for name, limit in limits.items():
            size = out[name].detach().flatten(1).norm(dim=1) if out[name].dim() > 1 else out[name].detach().abs()
            assert size.max() <= limit * (1 + 1e-12), name
            assert size.max() > 0.5 * limit or name in ("softness", "polarizability"), f"{name} is not near its limit"
        assert out["energy"].min() >= -heads.LOWEST_ENERGY
        (gradient,) = torch.autograd.grad(functional(out), positions)
        assert torch.isfinite(gradient).all()


def test_bounds_leave_small_values_as_they_are():
    """The correction is of third order: 5e-5 relative at a hundredth of the limit."""
    small = torch.tensor([0.02, -0.01, 0.005], dtype=torch.float64)
    torch.testing.assert_close(heads.bounded(small, 2.0), small, rtol=5e-5, atol=0)
    vector = torch.tensor([[300.0, -400.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(heads.bounded(vector, 2.0), 2.0 * vector / 500, rtol=1e-5, atol=0)


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 3, 3)])
@pytest.mark.parametrize("size", [1.0, 1e5, 1e10, 1e25])
def test_bounds_do_not_overflow_in_single_precision(shape, size):
    """Of values of any size the direction is kept, and derivatives are those of double precision."""
    value = size * torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found, expected = [], []
    for kind, results in ((torch.float32, found), (torch.float64, expected)):
        x = value.to(kind).requires_grad_()
        bounded = heads.bounded(x, 2.0)
        weights = torch.linspace(0.5, 1.5, value.numel(), dtype=kind).view(shape)
        (gradient,) = torch.autograd.grad((weights * bounded).sum(), x)
        results += [bounded.detach().double(), size * gradient.double()]
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{"zbl": True}, {"layers": 3}, {"l_message": 0}], ids=str)
def test_smooth_at_the_cutoff(models, options):
    """Value, force and its slope go to zero with the distance from the cutoff; no jump when a pair leaves the list."""
    network = models.make_network(polarizability="tensor", **options)
    species = torch.tensor([8, 1, 8])

    def value(x: float):
        positions = torch.tensor([[0.0, 0, 0], [0.9, 0.3, 0], [0, 0, x]], dtype=torch.float64, requires_grad=True)
        total = functional(models.evaluate(network, positions, species))
        (gradient,) = torch.autograd.grad(total, positions)
        return total.detach(), gradient

    far, far_gradient = value(network.cutoff + 1.0)
    inside, inside_gradient = value(network.cutoff - 0.5)
    assert (inside - far).abs() > 1e-6 and (inside_gradient - far_gradient).abs().max() > 1e-6
    # The functions begin with the third power of the depth: forces with the second.
    for depth in (1e-3, 1e-4):
        energy, gradient = value(network.cutoff - depth)
        assert (energy - far).abs() < 1e2 * depth**3
        assert (gradient - far_gradient).abs().max() < 1e3 * depth**2
    torch.testing.assert_close(value(network.cutoff + 1e-9)[0], far, rtol=0, atol=1e-14)


def test_pairs_beyond_the_cutoff_do_not_count(models):
    """A list with a skin gives the same result, also through all derivatives."""
    atoms = models.structure(n_atoms=12)
    network = models.make_network(zbl=True)
    results = []
    for extra in (0.0, 1.0):
        positions = atoms.positions.clone().requires_grad_()
        index, shifts = neighbor_pairs(positions, network.cutoff + extra, atoms.cell)
        energies, multipoles = network(positions, atoms.species, index, shifts, atoms.cell)
        total = functional({"energy": energies, **dict(multipoles.members())})
        (gradient,) = torch.autograd.grad(total, positions, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), positions)
        results.append((index.shape[1], total.detach(), gradient.detach(), second))
    assert results[1][0] > 1.3 * results[0][0]
    for with_skin, exact in zip(results[1][1:], results[0][1:], strict=True):
        torch.testing.assert_close(with_skin, exact, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "options", [{}, {"layers": 3, "polarizability": "tensor"}, {"zbl": True, "l_message": 0}], ids=str
)
def test_first_and_second_derivatives(models, options):
    """gradcheck and gradgradcheck: forces, and the derivatives of forces that training needs, also by the weights."""
    network = models.make_network(channels=3, message_channels=2, hidden=4, n_radial=3, **options)
    atoms = models.structure(n_atoms=4)
    index, shifts = neighbor_pairs(atoms.positions, network.cutoff, atoms.cell)
    weight = network.first.density.mixing.weights[1].detach().clone().requires_grad_()

    def run(positions, cell, w):
        arguments = (positions, atoms.species, index, shifts, cell)
        with torch.nn.utils.stateless._reparametrize_module(network, {"first.density.mixing.weights.1": w}):
            energies, multipoles = network(*arguments)
        return functional({"energy": energies, **dict(multipoles.members())})

    inputs = (atoms.positions.clone().requires_grad_(), atoms.cell.clone().requires_grad_(), weight)
    assert torch.autograd.gradcheck(run, inputs)
    assert torch.autograd.gradgradcheck(run, inputs)


def test_receptive_field(models):
    """No output depends on an atom beyond layers * cutoff; and it does depend on atoms just inside."""
    for layers in (1, 2, 3):
        network = models.make_network(layers=layers)
        assert network.receptive_field == layers * network.cutoff
        spacing = 0.9 * network.cutoff  # a chain in which only next atoms are neighbours
        positions = torch.zeros(6, 3, dtype=torch.float64)
        positions[:, 0] = spacing * torch.arange(6)
        positions[:, 1] = torch.tensor([0.0, 0.1, -0.1, 0.2, 0.0, 0.1])
        species = torch.tensor([8, 1, 1, 8, 1, 8])

        def first_atom(r, network=network, species=species):
            out = models.evaluate(network, r, species)
            return torch.stack([functional({name: value[:1]}) for name, value in out.items()])

        jacobian = torch.autograd.functional.jacobian(first_atom, positions).abs().amax((0, 2))
        assert (jacobian[: layers + 1] > 1e-12).all()
        assert (jacobian[layers + 1 :] == 0).all()


def test_energy_scale_and_shift(models):
    atoms = models.structure()
    plain = models.evaluate(models.make_network(), atoms.positions, atoms.species, atoms.cell)["energy"]
    options = {"energy_scale": {1: 0.5, 8: 2.0}, "energy_shift": {1: -13.6, 8: -432.1}}
    scaled = models.evaluate(models.make_network(**options), atoms.positions, atoms.species, atoms.cell)["energy"]
    oxygen = atoms.species == 8
    expected = torch.where(oxygen, 2.0, 0.5) * plain + torch.where(oxygen, -432.1, -13.6).double()
    torch.testing.assert_close(scaled, expected, rtol=1e-6, atol=0)  # -432.1 is float32 in torch.where


def test_large_shifts_do_not_cost_digits_in_single_precision(models):
    atoms = models.structure()
    single = models.make_network(energy_shift={8: -1e6}).float()
    energy = models.evaluate(single, atoms.positions, atoms.species, atoms.cell)["energy"]
    exact = models.evaluate(models.make_network(energy_shift={8: -1e6}), atoms.positions, atoms.species, atoms.cell)
    assert energy.dtype == torch.float64
    torch.testing.assert_close(energy, exact["energy"], rtol=0, atol=1e-5)  # float32 alone: 0.06 at 1e6


def test_a_changed_shift_survives_a_change_of_precision(models):
    """Taking the energies of single atoms out of a network, as for interaction energies."""
    atoms = models.structure()
    network = models.make_network(energy_shift={8: -432.1})
    expected = models.evaluate(models.make_network(), atoms.positions, atoms.species, atoms.cell)["energy"]
    network.energy_shift.zero_()
    again = network.float().double()
    assert (again.energy_shift == 0).all()
    energy = models.evaluate(again, atoms.positions, atoms.species, atoms.cell)["energy"]
    torch.testing.assert_close(energy, expected, rtol=1e-5, atol=1e-5)  # the weights went through float32


def test_constants_stay_exact_through_single_precision(models):
    """float() and back to double() rounds the weights, but not couplings and harmonics: equivariance stays exact."""
    network = models.make_network()
    names = [name for name, _ in network.named_buffers()]
    assert any("couplings" in name for name in names)
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    network.float()
    assert network.first.products.couplings2.dtype == torch.float32
    assert network.energy_shift.dtype == torch.float64
    network.double()
    for name, buffer in network.named_buffers():
        torch.testing.assert_close(buffer, before[name], rtol=0, atol=0)


def test_single_precision_agrees_with_double(models):
    atoms = models.structure(n_atoms=12)
    double = models.evaluate(models.make_network(), atoms.positions, atoms.species, atoms.cell)
    single = models.evaluate(models.make_network().float(), atoms.positions, atoms.species, atoms.cell)
    for name in MOMENTS:
        assert single[name].dtype == torch.float32
        scale = float(double[name].detach().abs().max())
        # 1e-5: a few hundred roundings of 6e-8 each
        torch.testing.assert_close(single[name].double(), double[name], rtol=0, atol=1e-5 * scale)


def test_harmonics_are_those_of_e3nn():
    directions = torch.nn.functional.normalize(torch.randn(20, 3, dtype=torch.float64), dim=1)
    ours = SphericalHarmonics(3).double()(directions)
    theirs = o3.spherical_harmonics([0, 1, 2, 3], directions, normalize=True, normalization="component")
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_tensor_basis_is_orthonormal_symmetric_traceless():
    basis = tensor_to_cartesian()
    torch.testing.assert_close(torch.einsum("aij,bij->ab", basis, basis), torch.eye(5, dtype=torch.float64))
    torch.testing.assert_close(basis, basis.mT)
    assert basis.diagonal(dim1=1, dim2=2).sum(1).abs().max() < 1e-14


def test_zbl_at_known_points(models):
    """Two bare nuclei: at short range the screened Coulomb energy, beyond the covalent radii nothing."""
    with_zbl, without = models.make_network(zbl=True), models.make_network()
    species = torch.tensor([8, 1])

    def repulsion(distance):
        positions = torch.tensor([[0.0, 0, 0], [0, distance, 0]], dtype=torch.float64)
        values = [models.evaluate(net, positions, species)["energy"].detach().sum() for net in (with_zbl, without)]
        return float(values[0] - values[1])

    # At r -> 0 the screening function is 1 - r / a * (weighted mean of the exponents).
    r = 1e-5
    a = 0.88534 * 0.529177210903 / (8**0.23 + 1)
    slope = (0.18175 * 3.1998 + 0.50986 * 0.94229 + 0.28022 * 0.4029 + 0.02817 * 0.20162) / a
    assert repulsion(r) == pytest.approx(COULOMB * 8 / r * (1 - slope * r), rel=1e-6)
    assert repulsion(0.5) > 1.0
    assert repulsion(0.98) == 0.0  # 0.66 + 0.31 = 0.97 A


def test_zbl_radii_are_those_of_ase():
    data = pytest.importorskip("ase.data")
    from openmm_polarmp.models.zbl import COVALENT_RADII

    assert len(COVALENT_RADII) == 96
    for z, radius in enumerate(COVALENT_RADII, start=1):
        assert radius == pytest.approx(data.covalent_radii[z], abs=1e-9), z


@pytest.mark.parametrize("which", ["total_charge", "multiplicity"])
def test_state_inputs(models, which):
    atoms = models.structure()
    network = models.make_network(**{f"{which}_input": True})
    arguments = {"total_charge": 0.0, "multiplicity": 1}
    before = models.evaluate(network, atoms.positions, atoms.species, atoms.cell, **arguments)
    after = models.evaluate(network, atoms.positions, atoms.species, atoms.cell, **{**arguments, which: 3})
    for name, value in before.items():
        assert (after[name] - value).abs().max() > 1e-4 * value.abs().max(), name
    with pytest.raises(ValueError, match=f"{which} is None; networks with this input"):
        models.evaluate(network, atoms.positions, atoms.species, atoms.cell, **{**arguments, which: None})
    with pytest.raises(ValueError, match=f"{which} has 2 values; without batch"):
        models.evaluate(
            network, atoms.positions, atoms.species, atoms.cell, **{**arguments, which: torch.tensor([1.0, 1.0])}
        )


def test_atoms_without_neighbours(models):
    out = models.evaluate(models.make_network(), torch.zeros(1, 3, dtype=torch.float64), torch.tensor([8]))
    for name, value in out.items():
        assert torch.isfinite(value).all(), name
    assert out["dipoles"].abs().max() == 0 and out["quadrupoles"].abs().max() == 0


def test_configuration_survives_json():
    config = NetworkConfig(species=(8, 1), rung="quQ+ka", energy_shift={8: -432.123456789012345, 1: -13.6}, zbl=True)
    again = NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert again.energy_shift[8] == -432.123456789012345
    with pytest.raises(ValueError, match="unknown entries \\['chanels'\\]"):
        NetworkConfig.from_dict({"species": [1], "chanels": 3})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"species": ()}, "; different atomic numbers from 1 to 118 are accepted"),
        ({"species": (1, 1)}, "; different atomic numbers from 1 to 118 are accepted"),
        ({"species": (0,)}, "; different atomic numbers from 1 to 118 are accepted"),
        ({"rung": "xx"}, "rung is 'xx'; sr, q, qu"),
        ({"cutoff": 0.0}, "; a positive length in A is accepted"),
        ({"cutoff": float("nan")}, "; a positive length in A is accepted"),
        ({"layers": 4}, "layers is 4; integers from 1 to 3"),
        ({"l_max": 3}, "l_max is 3; integers from 1 to 2"),
        ({"correlation": 5}, "correlation is 5; integers from 1 to 4"),
        ({"channels": 0}, "channels is 0; a positive integer"),
        ({"polarizability": "vector"}, "polarizability is 'vector'; 'scalar' and 'tensor' are accepted"),
        ({"rung": "quQ", "l_max": 1}, "l_max is 1; .* need 2"),
        ({"rung": "qu+a", "polarizability": "tensor", "l_max": 1}, "l_max is 1; .* need 2"),
        ({"energy_shift": {6: 1.0}}, "energy_shift has the atomic numbers \\[6\\]"),
    ],
    ids=str,
)
def test_bad_configurations(options, message):
    with pytest.raises(ValueError, match=message):
        NetworkConfig(**{"species": (1, 8), **options})


def test_every_parameter_matters(models):
    """Each weight has a part in the energy or a moment: no dead branch in any configuration."""
    atoms = models.structure(n_atoms=12)
    for layers, l_message, polarizability in itertools.product((1, 2, 3), (0, 1), ("scalar", "tensor")):
        network = models.make_network(
            layers=layers, l_message=l_message, polarizability=polarizability, total_charge_input=True
        )
        out = models.evaluate(network, atoms.positions, atoms.species, atoms.cell, total_charge=1.0)
        functional(out).backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, (layers, l_message, name)


def test_chunks_change_nothing(models, monkeypatch):
    """Values, forces and second derivatives of a network that runs in chunks of atoms."""
    atoms = models.structure(n_atoms=14)
    results = []
    for at_once in (4, 14):
        monkeypatch.setattr("openmm_polarmp.models.network.atoms_at_once", lambda *_, n=at_once: n)
        network = models.make_network(polarizability="tensor", layers=3).eval()
        positions = atoms.positions.clone().requires_grad_()
        out = models.evaluate(network, positions, atoms.species, atoms.cell)
        (gradient,) = torch.autograd.grad(functional(out), positions, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), positions, retain_graph=True)
        gradient.square().sum().backward()
        weights = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
        with torch.no_grad():
            silent = models.evaluate(network, positions, atoms.species, atoms.cell)
        results.append([*out.values(), *silent.values(), gradient, second, weights])
    for chunked, whole in zip(*results, strict=True):
        torch.testing.assert_close(chunked, whole, rtol=1e-10, atol=1e-12)


def test_traced_network_serves_other_sizes(models):
    """torch.jit.trace fixes no number of atoms or pairs: what TorchForce needs."""
    import warnings

    network = models.make_network()

    class Outputs(torch.nn.Module):
        def __init__(self, network: PolarMPNet) -> None:
            super().__init__()
            self.network = network

        def forward(self, positions, species, index, shifts, cell):
            energies, multipoles = self.network(positions, species, index, shifts, cell)
            return (energies, *(value for _, value in multipoles.members()))

    def arguments(atoms):
        return (atoms.positions, atoms.species, *neighbor_pairs(atoms.positions, 3.0, atoms.cell), atoms.cell)

    with warnings.catch_warnings():
        # torch announces the end of TorchScript, and that a size might have become a constant.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(Outputs(network), arguments(models.structure(n_atoms=5)), check_trace=False)
    other = arguments(models.structure(seed=4, n_atoms=11))
    for ours, theirs in zip(Outputs(network)(*other), traced(*other), strict=True):
        torch.testing.assert_close(theirs, ours, rtol=1e-12, atol=1e-12)
