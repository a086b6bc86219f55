"""MACE as a host: models of mace-torch, imported, against its own calculator."""

import warnings

import ase
import numpy as np
import pytest
import torch
from support.hosts import hosted, hosted_model, require
from support.processes import run_python
from support.torch_sources import CELL, make_atoms

from openmm_polarmp import load_model
from openmm_polarmp.ase import PolarMPCalculator
from openmm_polarmp.cli import main
from openmm_polarmp.models import ModelFileError, PolarMPModel, model_info
from openmm_polarmp.neighbors import neighbor_pairs
from openmm_polarmp.sources.network import TorchSource

SINGLE = {1: -13.587, 6: -1029.5, 8: -2042.3}

VARIANTS = {
    "as trained by default": {},
    "all layers": {"keep_last_layer_irreps": True, "num_interactions": 3},
    "one layer": {"num_interactions": 1},
    "density, Agnesi, ZBL": {
        "interaction_cls_first": "RealAgnosticDensityInteractionBlock",
        "interaction_cls": "RealAgnosticDensityResidualInteractionBlock",
        "distance_transform": "Agnesi",
        "pair_repulsion": True,
    },
    "two heads": {"heads": ["first", "second"]},
    "scalars, gaussian": {"hidden_irreps": "6x0e", "radial_type": "gaussian"},
    "no cutoff in the basis": {"apply_cutoff": False, "correlation": [3, 2]},
}


def saved_mace(path, dtype=torch.float64, **changes):
    """A MACE network with random weights in a file as mace-torch writes it."""
    require("mace")
    from e3nn import o3
    from mace.modules import ScaleShiftMACE, gate_dict, interaction_classes

    heads = changes.get("heads")
    count = len(heads or [""])
    values = {
        "r_max": 4.0,
        "num_bessel": 5,
        "num_polynomial_cutoff": 5,
        "max_ell": 2,
        "interaction_cls": "RealAgnosticResidualInteractionBlock",
        "interaction_cls_first": "RealAgnosticInteractionBlock",
        "num_interactions": 2,
        "num_elements": 3,
        "hidden_irreps": "6x0e+6x1o+6x2e",
        "MLP_irreps": "4x0e",
        "avg_num_neighbors": 7.5,
        "atomic_numbers": [1, 6, 8],
        "correlation": 2,
        "gate": gate_dict["silu"],
        "radial_MLP": [8, 8],
        "atomic_energies": np.array([list(SINGLE.values())]) - np.arange(count)[:, None],
        "atomic_inter_scale": 0.7 if heads is None else [0.7, 0.9],
        "atomic_inter_shift": 0.1 if heads is None else [0.1, -0.2],
        **changes,
    }
    for name in ("hidden_irreps", "MLP_irreps"):
        values[name] = o3.Irreps(values[name])
    for name in ("interaction_cls", "interaction_cls_first"):
        values[name] = interaction_classes[values[name]]
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    torch.manual_seed(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.save(ScaleShiftMACE(**values), path)
    finally:
        torch.set_default_dtype(default)
    return path


def calculator(path, **options):
    from mace.calculators import MACECalculator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MACECalculator(model_paths=str(path), device="cpu", default_dtype="float64", **options)


def some_atoms(where):
    positions, _ = make_atoms(12, CELL)
    box = {"cell": CELL.numpy(), "pbc": True} if where == "box" else {}
    return ase.Atoms([1, 6, 8] * 4, positions.numpy(), **box)


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_an_imported_model_has_the_energies_of_maces_own_calculator(tmp_path, variant, capsys):
    path = saved_mace(tmp_path / "some.model", **variant)
    head = variant.get("heads", [None])[-1]
    arguments = ["import-mace", str(path), str(tmp_path / "some.polarmp"), "--licence", "MIT"]
    assert main(arguments + ([] if head is None else ["--head", head])) == 0
    assert "host's licence" in capsys.readouterr().out
    model = load_model(tmp_path / "some.polarmp")
    assert model.rung.word == "sr" and model.species == (1, 6, 8)
    for where in ("cluster", "box"):
        atoms = some_atoms(where)
        atoms.calc = calculator(path, **({} if head is None else {"head": head}))
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = PolarMPCalculator(tmp_path / "some.polarmp", precision="double", platform="Reference")
        assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-6)
        np.testing.assert_allclose(atoms.get_forces(), forces, rtol=0, atol=1e-6)


def test_an_imported_file_needs_no_pickle_and_says_whose_it_is(tmp_path, capsys):
    path = saved_mace(tmp_path / "some.model", dtype=torch.float32)
    out = tmp_path / "some.polarmp"
    assert main(["import-mace", str(path), str(out), "--licence", "ASL", "--origin", "a test"]) == 0
    path.unlink()
    text = model_info(out)
    for words in ("multipole heads on the host 'mace'", "ASL", "a test", "H, C, O"):
        assert words in text
    here = load_model(out)
    assert next(here.parameters()).dtype == torch.float32
    code = """
        import pickle, sys, torch
        def refuse(*arguments, **options):
            raise AssertionError("something was unpickled")
        from openmm_polarmp import load_model
        from openmm_polarmp.hosts.registry import host_module
        host_module("mace")
        pickle.load = pickle.loads = torch.load = refuse
        model = load_model(sys.argv[1])
        positions = torch.tensor([[0.0, 0, 0], [1.1, 0, 0.2], [0, 1.3, 0]], dtype=torch.float64)
        print(repr(model.double().energy(positions, torch.tensor([8, 1, 6])).item()))
    """
    process = run_python(code, str(out), options=("-W", "ignore"))
    assert process.returncode == 0, process.stderr
    positions = torch.tensor([[0.0, 0, 0], [1.1, 0, 0.2], [0, 1.3, 0]], dtype=torch.float64)
    energy = here.double().energy(positions, torch.tensor([8, 1, 6]))
    assert float(process.stdout.splitlines()[-1]) == pytest.approx(energy.item(), abs=1e-9)


def test_what_is_no_model_for_import(tmp_path, capsys):
    require("mace")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "linear.model")
    (tmp_path / "text.model").write_text("not a pickle")
    two = saved_mace(tmp_path / "two.model", heads=["first", "second"])
    so3 = saved_mace(tmp_path / "so3.model", use_so3=True, hidden_irreps="6x0e+6x1e")
    for path, words in (
        (tmp_path / "missing.model", "an existing file is accepted"),
        (tmp_path / "linear.model", "holds a Linear; MACE and ScaleShiftMACE are accepted"),
        (tmp_path / "text.model", "cannot be read here"),
        (two, "head is missing; this model has the heads first, second"),
        (so3, "use_so3"),
    ):
        assert main(["import-mace", str(path), str(tmp_path / "out.polarmp"), "--licence", "MIT"]) == 1
        assert words in capsys.readouterr().err
    assert not (tmp_path / "out.polarmp").exists()


def test_a_pickle_in_place_of_a_model_file_names_the_command(tmp_path):
    path = tmp_path / "some.model"
    torch.save({"weight": torch.zeros(2)}, path)
    with pytest.raises(ModelFileError, match=r"never loaded because it can contain code.*polarmp import-mace"):
        load_model(path)


def test_features_of_the_last_layer_follow_the_heads():
    """Without vectors in the last layer the heads read those of the layers before."""
    module = require("mace")
    settings = module.Settings(channels=4, l_max=1, layers=3, radial_mlp=[4], correlation=2)
    for degree, expected in ((0, (12, 8, 0)), (1, (12, 12, 0))):
        configuration = settings.configuration([1, 8], 4.0, 10.0, 1.0, degree)
        assert module.Adapter(configuration).multiplicities == expected


def test_species_that_the_host_does_not_know(tmp_path):
    model = PolarMPModel(hosted("mace", "q"))
    with pytest.raises(ValueError, match=r"atomic numbers \[6\] that the model does not know; it knows \[1, 8\]"):
        model.energy(torch.zeros(1, 3, dtype=torch.float64), torch.tensor([6]))


def test_cuequivariance_in_both_precisions(tmp_path):
    """Its operations have a precision of their own; elsewhere than on a GPU they run as plain torch."""
    require("mace")
    pytest.importorskip("cuequivariance_torch")
    settings = {"cuequivariance": True}
    model = hosted_model("mace", settings=settings)
    positions, species = make_atoms(9, CELL)
    expected = model.evaluate(positions, species, CELL)
    weights = list(model.network.host.parameters())
    single = model.float().evaluate(positions, species, CELL)
    assert single.energy.item() == pytest.approx(expected.energy.item(), abs=1e-4)
    torch.testing.assert_close(single.multipoles.dipoles.double(), expected.multipoles.dipoles, rtol=1e-4, atol=1e-6)
    assert all(a is b for a, b in zip(weights, model.network.host.parameters(), strict=True))
    model.double().save(tmp_path / "model.polarmp")
    again = load_model(tmp_path / "model.polarmp").evaluate(positions, species, CELL)
    assert again.energy.item() == pytest.approx(model.evaluate(positions, species, CELL).energy.item(), abs=1e-9)
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))
    turned = model.evaluate(positions @ rotation.T, species, CELL @ rotation.T)
    before = model.evaluate(positions, species, CELL)
    torch.testing.assert_close(turned.multipoles.dipoles, before.multipoles.dipoles @ rotation.T, rtol=0, atol=1e-12)
    assert before.multipoles.dipoles.abs().max() > 1e-3


def test_cuequivariance_for_a_model_without_it(monkeypatch):
    """``tensor_products`` converts the weights for one use; the model keeps its own."""
    require("mace")
    model = hosted_model("mace", "qu", settings={"channels": 3, "l_max": 1, "max_ell": 1, "num_bessel": 3})
    positions, species = make_atoms(9, CELL)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    results = []
    for name in ("dense", "cuequivariance"):
        if name == "cuequivariance":
            pytest.importorskip("cuequivariance_torch")
        source = TorchSource(model, species.tolist(), precision="double", tensor_products=name)
        network = source.network_on(torch.device("cpu"))
        assert network.host.configuration["cuequivariance"] == (name == "cuequivariance")
        leaf = positions.clone().requires_grad_()
        energies, multipoles = network(leaf, species, *neighbor_pairs(leaf.detach(), model.cutoff, CELL), CELL)
        scalar = energies.sum() + sum((value**2).sum() for _, value in multipoles.members())
        results.append((energies, *(v for _, v in multipoles.members()), torch.autograd.grad(scalar, leaf)[0]))
    for dense, accelerated in zip(*results, strict=True):
        torch.testing.assert_close(accelerated, dense, rtol=1e-7, atol=1e-9)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="needs cuequivariance-torch"):
        TorchSource(model, species.tolist(), tensor_products="cuequivariance")


def test_cuequivariance_that_mace_cannot_convert():
    require("mace")
    pytest.importorskip("cuequivariance_torch")
    model = hosted_model("mace", "q", settings={"correlation": 1})
    with pytest.raises(ValueError, match="correlation is 1; with cuequivariance mace-torch accepts 2 and 3"):
        TorchSource(model, [8, 1, 1], tensor_products="cuequivariance").network_on(torch.device("cpu"))


def test_settings_that_make_no_network():
    module = require("mace")
    with pytest.raises(ValueError, match="num_bessel is 0; integers from 1 are accepted"):
        module.Settings(num_bessel=0)
    with pytest.raises(ValueError, match=r"radial_mlp is \[8, -1\]; integers from 1 are accepted"):
        module.Settings(radial_mlp=[8, -1])
