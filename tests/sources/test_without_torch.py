"""Dynamics with a model file imports neither torch nor e3nn, and works where they are not installed."""

import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from support.models import tiny_model
from support.processes import run_python

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]

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
        extra = "train" if ".training." in what else "torch"
        assert said.endswith(f"needs torch and e3nn, not installed here: pip install 'openmm-polarmp[{extra}]'"), line


COMMANDS = {  # the extra that installs all that each command needs
    "bench": "torch",
    "export --metatomic polarmp-water x.pt": "torch",
    "eps-inf polarmp-water x.extxyz": "train",
    "evaluate polarmp-water x.extxyz": "train",
    "range polarmp-water x.extxyz --output x.polarmp": "train",
    "train x.yaml": "train",
    "ladder x.yaml": "train",
    "label x.xyz y.xyz": "label",
    "label x.xyz y.xyz --method gfn1-xtb": "label",
    "label x.xyz y.xyz --method so3lr": "train",
    "label x.xyz y.xyz --method mine.polarmp": "train",
    "label x.xyz y.xyz --method pyscf:pbe0/def2-svp": "dft",
    "label x.xyz y.xyz --method cp2k:x.inp": "ase",
}
DISTRIBUTIONS = {"yaml": "pyyaml"}
"""Names on PyPI that differ from those that Python imports."""


def installed_by(extra):
    """Names on PyPI of what an extra installs, also by the extras that it contains."""
    names = set()
    for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
        inner = requirement.extras if requirement.name == PROJECT["name"] else ()
        names |= {requirement.name.lower()}.union(*map(installed_by, inner))
    return names


def test_commands_name_the_extra_that_installs_what_they_need(tmp_path):
    """Where no extra is installed, the first message names one that leaves nothing to be missed in the next run."""
    absent = ("torch", "e3nn", "ase", "yaml", "h5py", "tblite", "pyscf")
    code = f"""
        import sys
        sys.modules.update(dict.fromkeys({absent}))
        sys.stderr = sys.stdout
        from openmm_polarmp.cli import main
        for command in {list(COMMANDS)}:
            assert main(command.split()) == 1
    """
    lines = run(code, tmp_path).splitlines()
    for (command, extra), line in zip(COMMANDS.items(), lines, strict=True):
        said = re.fullmatch(
            rf"polarmp {command.split()[0]}: .* needs (.*), not installed here: pip install '(.*)'", line
        )
        assert said is not None and said[2] == f"openmm-polarmp[{extra}]", line
        missing = re.split(", | and ", said[1])
        assert {DISTRIBUTIONS.get(name, name) for name in missing} <= installed_by(extra), line


def test_torch_alone_is_not_enough_to_read_data(tmp_path):
    code = "import sys\nsys.modules['ase'] = None\nsys.stderr = sys.stdout\nfrom openmm_polarmp.cli import main\n"
    code += "sys.exit(1 - main(['evaluate', 'polarmp-water', 'x.extxyz']))"
    said = "polarmp evaluate: this command needs ase, not installed here: pip install 'openmm-polarmp[train]'\n"
    assert run(code, tmp_path) == said


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
