"""The model file of SO3LR: round trips, XML, copies, its description, and what is refused."""

import copy
import pickle

import numpy as np
import openmm
import pytest
import torch
from openmmml import MLPotential
from support.host_structures import cluster, short_range
from support.platforms import REFERENCE
from support.processes import run_python
from support.systems import energy_and_forces, force_in
from support.water import water

from openmm_polarmp import PolarMPForce, load_model
from openmm_polarmp.cli import main
from openmm_polarmp.models import (
    ModelDescription,
    ModelFileError,
    PolarMPModel,
    file,
    model_info,
    shipped,
    shipped_models,
)

NUMBERS = [8, 1, 1] * 2


@pytest.fixture(scope="module")
def model():
    return load_model("so3lr")


def test_round_trip(model):
    data = model.to_bytes()
    assert data == shipped_models()["so3lr"].read_bytes()
    again = PolarMPModel.from_bytes(data)
    assert again.to_bytes() == data
    for mine, other in zip(
        short_range(again.double(), cluster()), short_range(copy.deepcopy(model).double(), cluster()), strict=True
    ):
        np.testing.assert_array_equal(mine, other)


def test_a_fresh_process_needs_no_package_of_others(model, tmp_path):
    """The same energy in a process in which neither so3krates-torch nor an unpickler can be had."""
    path = tmp_path / "mine.polarmp"
    model.save(path)
    topology, positions = water(2)
    system = MLPotential("polarmp", modelPath=str(path)).createSystem(topology)
    context = REFERENCE.context(system, positions=positions)
    energy, _ = energy_and_forces(context)
    (tmp_path / "system.xml").write_text(openmm.XmlSerializer.serialize(system))
    np.save(tmp_path / "positions.npy", positions)
    done = run_python(
        """
        import pickle, sys
        import numpy as np, openmm, torch
        from openmm_polarmp.hosts.so3lr import SO3LR
        from openmm_polarmp.sources.network import TorchSource  # imports e3nn, whose tables are pickles
        sys.modules["so3krates_torch"] = None
        def trap(*args, **kwargs):
            raise SystemExit("unpickling")
        pickle.load = pickle.loads = pickle.Unpickler = torch.load = trap
        system = openmm.XmlSerializer.deserialize(open("system.xml").read())
        platform = openmm.Platform.getPlatformByName("Reference")
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
        context.setPositions(np.load("positions.npy"))
        print(context.getState(energy=True).getPotentialEnergy()._value)
        """,
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(energy, rel=1e-7)


@pytest.mark.parametrize("embed", [False, True])
def test_xml_and_copies(embed):
    topology, positions = water(2)
    potential = MLPotential("polarmp", modelPath="so3lr")
    system = potential.createSystem(topology, embed=embed, precision="double")
    assert force_in(system).getModel().evaluator == "torch"
    text = openmm.XmlSerializer.serialize(system)
    assert (len(text) > 2_000_000) == embed
    energy, forces = energy_and_forces(REFERENCE.context(system, positions=positions))
    for other in (openmm.XmlSerializer.deserialize(text), copy.deepcopy(system)):
        e, f = energy_and_forces(REFERENCE.context(other, positions=positions))
        assert e == pytest.approx(energy, rel=1e-12)
        np.testing.assert_allclose(f, forces, atol=1e-6)


def test_it_knows_itself(model):
    description = ModelDescription.find("so3lr")
    assert description.species == model.species == (1, 6, 7, 8, 9, 15, 16, 17)
    assert description.has_electrostatics and model.rung.moments == ("charges",)
    # erf(r / 4 A) / r is the interaction of two Gaussian charges of this width.
    assert description.sigma == pytest.approx(4 / 2**0.5)
    assert MLPotential("polarmp", modelPath="so3lr")._impl.getMLLongRange()


def test_info(capsys):
    assert main(["info", "so3lr"]) == 0
    text = capsys.readouterr().out
    assert text.strip() == model_info("so3lr")
    for line in (
        "elements          H, C, N, O, F, P, S, Cl",
        "MIT",
        "so3krates-torch 0.2.1",
        "dispersion        up to 12 A",
    ):
        assert line in text


def test_only_torch_evaluates_it(model):
    for source in ("so3lr", model):
        with pytest.raises(ValueError, match="evaluator is 'native', which cannot be had with the network SO3LR"):
            PolarMPForce(source, atomic_numbers=NUMBERS, evaluator="native")
        assert PolarMPForce(source, atomic_numbers=NUMBERS).getModel().evaluator == "torch"


def test_elements():
    with pytest.raises(ValueError, match=r"atomic numbers \[11\] that the model does not know"):
        PolarMPForce("so3lr", atomic_numbers=[11])


def test_it_is_chosen_by_name_only(monkeypatch):
    """Other projects' models are not what MLPotential('polarmp') means, even where no other knows an element."""
    others = [name for name in shipped_models() if name != "polarmp-bio-fast"]
    monkeypatch.setattr(shipped, "shipped_models", lambda: others)
    topology = openmm.app.Topology()
    residue = topology.addResidue("PH3", topology.addChain())
    for symbol in ("P", "H", "H", "H"):
        topology.addAtom(symbol, openmm.app.Element.getBySymbol(symbol), residue)
    with pytest.raises(ValueError, match="only by its name: modelPath='so3lr'"):
        MLPotential("polarmp").createSystem(topology)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_a_pickle_is_not_loaded(tmp_path, how):
    path = tmp_path / "so3lr.model"
    if how == "torch":
        torch.save(torch.nn.Linear(1, 1), path)
    else:
        path.write_bytes(pickle.dumps(np.zeros(1000)))
    with pytest.raises(ModelFileError, match=r"a pickle, which is never loaded.*`polarmp import-so3lr"):
        load_model(path)
    with pytest.raises(ModelFileError, match=r"a pickle, which is never loaded.*`polarmp import-so3lr"):
        PolarMPForce(str(path), atomic_numbers=NUMBERS)


def test_damaged_configurations(model):
    settings = model.configuration()
    settings["network"]["layers"] = 2
    with pytest.raises(ModelFileError, match="does not describe a model"):
        PolarMPModel.from_bytes(file.pack(settings, dict(model.network.state_dict())))


def test_import_without_the_package(tmp_path, monkeypatch, capsys):
    """The command names what to install."""
    import importlib.util

    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "so3krates_torch" else find_spec(name, *a)
    )
    assert main(["import-so3lr", str(tmp_path / "out.polarmp")]) == 1
    assert "pip install 'openmm-polarmp[so3lr]' (so3krates-torch 0.2.1" in capsys.readouterr().err
