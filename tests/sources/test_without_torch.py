"""Dynamics with a model file imports neither torch nor e3nn, and works where they are not installed."""

import pytest
from support.models import tiny_model
from support.processes import run_python

ABSENT = """
import sys
sys.modules.update(dict.fromkeys(("torch", "e3nn")))  # as if they were not installed
"""
RUN = """
import copy
import pickle
import sys

import numpy as np
import openmm
from openmm import app, unit
from openmmml import MLPotential
from support.water import water

from openmm_polarmp import PolarMPForce
from openmm_polarmp.reporters import ExtrapolationReporter
from openmm_polarmp.reporters import DipoleReporter, MultipoleReporter, PolarizabilityReporter

if "polarmp" not in MLPotential._implFactories:  # the source tree has no entry points
    from openmm_polarmp_entry import PolarMPFactory

    MLPotential.registerImplFactory("polarmp", PolarMPFactory())

topology, positions = water(27)
topology.setPeriodicBoxVectors(np.eye(3) * 1.05 * unit.nanometer)  # wider than twice the reach of the charges
system = MLPotential("polarmp").createSystem(topology)
text = openmm.XmlSerializer.serialize(system)
systems = [system, openmm.XmlSerializer.deserialize(text), copy.deepcopy(system), pickle.loads(pickle.dumps(system))]
for each in systems:
    integrator = openmm.LangevinMiddleIntegrator(300, 1, 0.0002)
    simulation = app.Simulation(topology, each, integrator, openmm.Platform.getPlatformByName(sys.argv[1]))
    simulation.context.setPositions(positions)
    simulation.step(1)
simulation.reporters += [
    DipoleReporter("dipoles.csv", 1, current=True),
    PolarizabilityReporter("polarizability.csv", 1),
    MultipoleReporter("moments", 1),
    ExtrapolationReporter("outside.csv", 1, action="record"),
]
simulation.step(2)
force = next(PolarMPForce.cast(f) for f in simulation.system.getForces() if PolarMPForce.isinstance(f))
assert len(force.getBornEffectiveCharges(simulation.context, induced_charges=False)) == 81
assert force.getModel().description.training_range.smallest_distances
print(force.getModel().evaluator, sys.modules.get("torch"), sys.modules.get("e3nn"))
"""


def run(code, folder, *arguments):
    done = run_python(code, *arguments, options=("-W", "error"), folder=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
def test_a_run_imports_no_torch(tmp_path, platform):
    assert run(RUN, tmp_path, platform).split() == ["native", "None", "None"]


def test_a_run_where_torch_is_not_installed(tmp_path):
    assert run(ABSENT + RUN, tmp_path, "CPU").split() == ["native", "None", "None"]


@pytest.mark.parametrize(
    "arguments", [["info", "polarmp-water"], ["check"], ["demo", "--molecules", "8", "--steps", "20"]]
)
def test_commands_that_need_no_torch(tmp_path, arguments):
    if arguments[0] == "demo":
        arguments = [*arguments, "--platform", "CPU", "--output", str(tmp_path)]
    code = f"{ABSENT}\nfrom openmm_polarmp.cli import main\nsys.exit(main({arguments!r}))"
    assert run(code, tmp_path)


def test_what_else_needs_no_torch(tmp_path):
    """Spectra, labels, and the packages whose names would import it."""
    packages = "analysis electrostatics hosts hosts.so3lr models neighbors reporters torchforce training training.labelling".split()
    code = ABSENT + "".join(f"import openmm_polarmp.{package}\n" for package in packages) + "print('done')"
    assert run(code, tmp_path) == "done\n"


NEEDS = {
    "evaluator='torch'": "PolarMPForce('polarmp-water', atomic_numbers=[8, 1, 1], evaluator='torch')",
    "compile=True": "PolarMPForce('polarmp-water', atomic_numbers=[8, 1, 1], compile=True)",
    "device='cpu'": "PolarMPForce('polarmp-water', atomic_numbers=[8, 1, 1], device='cpu')",
    "the network SO3LR": "PolarMPForce('so3lr', atomic_numbers=[8, 1, 1])",
    "openmm_polarmp.load_model": "from openmm_polarmp import load_model",
    "openmm_polarmp.models.PolarMPModel": "from openmm_polarmp.models import PolarMPModel",
    "openmm_polarmp.electrostatics.Multipoles": "from openmm_polarmp.electrostatics import Multipoles",
    "openmm_polarmp.neighbors.neighbor_pairs": "from openmm_polarmp.neighbors import neighbor_pairs",
    "openmm_polarmp.training.train": "from openmm_polarmp.training import train",
    "openmm_polarmp.torchforce.export_module": "from openmm_polarmp.torchforce import export_module",
    "the model of a force in torch": "PolarMPForce('polarmp-water', atomic_numbers=[8, 1, 1]).getModel().model",
    "the induced charges' part of Born charges": "soft_ions_in_a_box()",
}
SOFT_IONS = """
import openmm
from openmm_polarmp import FixedMultipoles, PolarMPForce

def soft_ions_in_a_box():
    force = PolarMPForce(FixedMultipoles([1.0, -1.0], softness=[0.01, 0.01]))
    force.setNonbondedMethod(PolarMPForce.PME)
    system = openmm.System()
    for _ in range(2):
        system.addParticle(1.0)
    system.addForce(force)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions([(0, 0, 0), (0.3, 0, 0)])
    force.getBornEffectiveCharges(context)
"""


def test_what_needs_torch_says_what_to_install(tmp_path):
    code = ABSENT + SOFT_IONS + f"needs = {NEEDS!r}"
    code += """
for what, statement in needs.items():
    try:
        exec(statement)
    except ImportError as error:
        print(what, "|", error)
    else:
        print(what, "| did not complain")
"""
    lines = run(code, tmp_path).splitlines()
    assert len(lines) == len(NEEDS)
    for line in lines:
        what, said = line.split(" | ")
        assert said.startswith(what), line
        assert said.endswith("needs torch and e3nn, not installed here: pip install 'openmm-polarmp[torch]'"), line


COMMANDS = [
    ["bench"],
    ["eps-inf", "polarmp-water", "x.extxyz"],
    ["evaluate", "polarmp-water", "x.extxyz"],
    ["train", "x.yaml"],
]


def test_commands_that_need_torch_say_so(tmp_path):
    code = f"{ABSENT}\nfrom openmm_polarmp.cli import main\nsys.stderr = sys.stdout\n"
    code += f"for arguments in {COMMANDS!r}:\n    assert main(arguments) == 1\n"
    assert run(code, tmp_path).count("pip install 'openmm-polarmp[torch]'") == len(COMMANDS)


def test_only_e3nn_is_missing(tmp_path):
    code = "import sys\nsys.modules['e3nn'] = None\nimport openmm_polarmp\ntry:\n    openmm_polarmp.load_model\n"
    code += "except ImportError as error:\n    print(error)"
    assert "openmm_polarmp.load_model needs e3nn, not installed here" in run(code, tmp_path)


def test_a_model_is_read_the_same_without_torch(tmp_path):
    """The arrays that safetensors reads into NumPy are the tensors."""
    import numpy as np

    from openmm_polarmp.models import file

    tiny_model().save(tmp_path / "tiny.polarmp")
    contents = file.read(tmp_path / "tiny.polarmp")
    arrays, tensors = contents.arrays(), contents.tensors()
    assert set(arrays) == set(tensors)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, tensors[name].numpy())
