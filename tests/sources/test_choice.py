"""Who evaluates a force's network: what was asked for, else native where it can; and it stays so in XML and copies."""

import copy
import pickle
import re
import warnings

import numpy as np
import openmm
import pytest
import torch
from openmmml import MLPotential
from support.models import tiny_model
from support.platforms import REFERENCE
from support.systems import energy_and_forces, force_in
from support.water import water

from openmm_polarmp import PolarMPForce
from openmm_polarmp.models import ModelFileError, PolarMPModel, PolarMPNet, file
from openmm_polarmp.sources.native import NativeSource
from openmm_polarmp.sources.network import TorchSource

NUMBERS = [8, 1, 1] * 4


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture
def path(model, tmp_path):
    model.save(tmp_path / "tiny.polarmp")
    return tmp_path / "tiny.polarmp"


class Own(torch.nn.Module):
    """Somebody's own network, with the protocol and nothing else."""

    def __init__(self, network):
        super().__init__()
        self.network, self.cutoff, self.species = network, network.cutoff, network.species

    def forward(self, *arguments):
        return self.network(*arguments)


class Changed(PolarMPNet):
    """A PolarMPNet that does something else: a model file could not tell."""

    def forward(self, *arguments):
        energy, multipoles = super().forward(*arguments)
        return 2 * energy, multipoles


def evaluator(force):
    return PolarMPForce.cast(force).getModel().evaluator


@pytest.mark.parametrize("how", ["file", "embedded", "model", "network", "shipped"])
def test_native_by_default(model, path, how):
    given = {"network": model.network, "model": model, "shipped": "polarmp-water"}.get(how, path)
    force = PolarMPForce(given, atomic_numbers=NUMBERS, embed=how == "embedded")
    assert isinstance(force.getModel(), NativeSource)
    assert evaluator(force) == "native"
    assert isinstance(PolarMPForce(given, atomic_numbers=NUMBERS, evaluator="torch").getModel(), TorchSource)


def test_what_torch_has_to_do(model, path):
    changed = PolarMPModel(Changed(model.network.config))
    unwritable = copy.deepcopy(model)
    unwritable.metadata = {"a set": {1, 2}}
    cases = [
        (path, {"compile": True}, "compile=True"),
        (path, {"device": "cpu"}, "device='cpu'"),
        (path, {"tensor_products": "cuequivariance"}, "tensor_products='cuequivariance'"),
        (Own(model.network), {}, "a network of the class Own"),
        (changed, {}, "a network of the class Changed"),
        (unwritable, {}, "a model that no file can hold"),
    ]
    for given, options, named in cases:
        force = PolarMPForce(given, atomic_numbers=NUMBERS, **options)
        assert evaluator(force) == "torch", named
        assert evaluator(copy.deepcopy(force)) == "torch", named
        with pytest.raises(ValueError, match=f"evaluator is 'native', which cannot be had with {re.escape(named)}"):
            PolarMPForce(given, atomic_numbers=NUMBERS, evaluator="native", **options)


def test_a_torchscript_module_is_torch_s():
    class Cluster(torch.nn.Module):
        def forward(self, positions: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"energy": positions.square().sum(), "charges": torch.zeros(len(positions))}

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated in newer versions of torch
        module = torch.jit.script(Cluster())
    for asked in (None, "torch"):
        assert evaluator(PolarMPForce(module, num_particles=2, evaluator=asked)) == "torch"
    with pytest.raises(ValueError, match="cannot be had with a TorchForce"):
        PolarMPForce(module, num_particles=2, evaluator="native")
    with pytest.raises(ValueError, match="evaluator is 'jax'"):
        PolarMPForce(module, num_particles=2, evaluator="jax")


def test_a_changed_polarmpnet_stays_changed_in_copies(model):
    """It was once written as a plain PolarMPNet, so that copies computed something else."""
    changed = Changed(model.network.config)
    changed.load_state_dict(model.network.state_dict())
    topology, positions = water(4)
    energies = []
    for network in (model.network, changed):
        system = MLPotential("polarmp", modelPath=network).createSystem(topology, returnEnergyType="energy")
        for each in (system, copy.deepcopy(system)):
            context = REFERENCE.context(each)
            context.setPositions(positions)
            force = force_in(context.getSystem())
            energies.append(force._step(context)["source_energy"])
    assert energies[1] == pytest.approx(energies[0], rel=1e-12) and energies[3] == pytest.approx(energies[2], rel=1e-12)
    assert energies[2] == pytest.approx(2 * energies[0], rel=1e-5)


def test_the_word_of_openmm_ml(path):
    topology, _ = water(4)
    for asked, found in ((None, "native"), ("native", "native"), ("torch", "torch")):
        system = MLPotential("polarmp", modelPath=str(path)).createSystem(topology, evaluator=asked)
        assert evaluator(system.getForce(0)) == found
        system = MLPotential("polarmp", modelPath=str(path), evaluator=asked).createSystem(topology)
        assert evaluator(system.getForce(0)) == found
    assert evaluator(MLPotential("polarmp").createSystem(topology, compile=True).getForce(0)) == "torch"
    with pytest.raises(ValueError, match="evaluator is 'jax'; 'native' and 'torch' are accepted"):
        MLPotential("polarmp").createSystem(topology, evaluator="jax")
    with pytest.raises(ValueError, match="cannot be had with compile=True"):
        MLPotential("polarmp").createSystem(topology, evaluator="native", compile=True)


@pytest.mark.parametrize("asked", [None, "native", "torch"])
@pytest.mark.parametrize("embed", [False, True])
def test_xml_copies_and_pickles_keep_the_choice(path, asked, embed):
    options = {"total_charge": -1.0, "multiplicity": 3, "precision": "double", "interaction_energy": True}
    force = PolarMPForce(path, atomic_numbers=NUMBERS, embed=embed, evaluator=asked, **options)
    expected = force.getModel()
    assert expected.evaluator == (asked or "native")
    text = openmm.XmlSerializer.serialize(force)
    for other in (
        PolarMPForce.cast(openmm.XmlSerializer.deserialize(text)),
        copy.copy(force),
        copy.deepcopy(force),
        pickle.loads(pickle.dumps(force)),
    ):
        source = other.getModel()
        assert type(source) is type(expected)
        assert source.options == expected.options
        assert source.num_particles == expected.num_particles == len(NUMBERS)
        assert source.model.network.energy_shift.abs().max() == 0
        assert openmm.XmlSerializer.serialize(other) == text


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ('{"atomic_numbers": [8, 1, 1], "total_charge": 0, "multiplicity": 1, "precision": "single"}', "native"),
        ('{"atomic_numbers": [8, 1, 1], "tensor_products": "cuequivariance", "embed": 1}', None),
        ('{"atomic_numbers": [8, 1, 1], "compile": true}', "torch"),
    ],
)
def test_xml_of_before_the_choice(options, found):
    text = openmm.XmlSerializer.serialize(PolarMPForce("polarmp-water", atomic_numbers=[8, 1, 1]))
    older = re.sub('name="options" value="[^"]*"', f'name="options" value="{options.replace(chr(34), "&quot;")}"', text)
    force = PolarMPForce.cast(openmm.XmlSerializer.deserialize(older))
    if found is None:
        with pytest.raises(TypeError, match=r"unknown options \['embed'\]"):
            force.getModel()
    else:
        assert evaluator(force) == found


def test_a_checkpoint_goes_on_with_either(path):
    """A checkpoint knows nothing of the evaluator: what one has written the other reads."""
    topology, positions = water(4)
    energies = []
    checkpoint = None
    for word in ("native", "torch"):
        potential = MLPotential("polarmp", modelPath=str(path))
        system = potential.createSystem(topology, evaluator=word, precision="double")
        context = REFERENCE.context(system, openmm.VerletIntegrator(0.0001))
        context.setPositions(positions)
        if checkpoint is None:
            context.getIntegrator().step(2)
            checkpoint = context.createCheckpoint()
        context.loadCheckpoint(checkpoint)
        context.getIntegrator().step(2)
        energies.append(energy_and_forces(context)[0])
    assert energies[1] == pytest.approx(energies[0], rel=1e-9)


def test_another_model_in_the_same_context(path, model):
    """setModel and updateParametersInContext go from one evaluator to the other and back."""
    topology, positions = water(4)
    system = MLPotential("polarmp", modelPath=str(path)).createSystem(topology, precision="double")
    context = REFERENCE.context(system)
    context.setPositions(positions)
    force = PolarMPForce.cast(system.getForce(0))
    expected, _ = energy_and_forces(context)
    for word in ("torch", "native"):
        force.setModel(
            path, atomic_numbers=NUMBERS, precision="double", interaction_energy=True, evaluator=word, embed=True
        )
        assert evaluator(force) == word
        force.updateParametersInContext(context)
        context.setPositions(positions + 0.01)
        assert energy_and_forces(context)[0] == pytest.approx(expected, rel=1e-9)


def test_the_object_is_the_same_each_time(path, model):
    force = PolarMPForce(path, atomic_numbers=NUMBERS)
    source = force.getModel()
    assert source is force.getModel()
    source.remark = "kept"
    assert force.getModel().remark == "kept"
    assert isinstance(source.model, PolarMPModel)
    assert source.model is force.getModel().model is copy.deepcopy(force).getModel().model
    state = model.network.state_dict()
    for name, value in source.model.network.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_a_later_change_of_the_model_does_not_act(model):
    changed = copy.deepcopy(model)
    force = PolarMPForce(changed, atomic_numbers=NUMBERS)
    with torch.no_grad():
        for parameter in changed.parameters():
            parameter.zero_()
    assert force.getModel().model.network.embedding.weight.abs().max() > 0
    assert force.getModel().description.training_range == model.training_range


def test_what_is_wrong_with_a_model_is_said_at_once(model, tmp_path):
    with pytest.raises(ValueError, match=r"atomic numbers \[6\] that the model does not know; it knows \[1, 8\]"):
        PolarMPForce(model, atomic_numbers=[8, 6])
    with pytest.raises(TypeError, match="atomic_numbers is missing"):
        PolarMPForce("polarmp-water")
    with pytest.raises(TypeError, match=r"unknown options \['fast'\]"):
        PolarMPForce("polarmp-water", atomic_numbers=[8], fast=True)
    state = dict(model.network.state_dict())
    del state["embedding.weight"]
    (tmp_path / "broken.polarmp").write_bytes(file.pack(model.configuration(), state))
    for word in ("native", "torch"):
        with pytest.raises(
            ModelFileError, match=r"broken\.polarmp: the configuration does not describe a model: (.|\n)*embedding"
        ):
            PolarMPForce(tmp_path / "broken.polarmp", atomic_numbers=[8], evaluator=word)


def test_numpy_numbers_and_generators(path):
    expected = PolarMPForce(path, atomic_numbers=NUMBERS).getModel().options
    for numbers in (np.array(NUMBERS), torch.tensor(NUMBERS), (z for z in NUMBERS)):
        assert PolarMPForce(path, atomic_numbers=numbers).getModel().options == expected
    assert expected.atomic_numbers == tuple(NUMBERS)
