"""The registry of the kinds of network that a model file can hold."""

import pytest
from support.processes import run_python

from openmm_polarmp.models import PolarMPNet
from openmm_polarmp.models.kinds import KINDS, is_storable
from openmm_polarmp.models.rung import Rung

SMALLEST = {"PolarMPNet": {"species": [1, 8]}, "SO3LR": {"species": [1, 8], "features": 16, "layers": 1}}


@pytest.mark.parametrize("name", [name for name in KINDS if name in SMALLEST])
def test_a_kind_builds_what_it_names(name):
    configuration = KINDS[name].read(SMALLEST[name])
    assert configuration.architecture == name
    assert KINDS[name].read(configuration.to_dict()) == configuration
    network = KINDS[name].build(configuration)
    assert is_storable(network)
    assert network.config is configuration
    assert network.species == configuration.species == (1, 8)
    assert network.cutoff == configuration.cutoff
    assert network.rung == Rung.parse(configuration.rung)
    assert all(isinstance(row, tuple) and len(row) == 2 for row in configuration.rows())


def test_configurations_need_no_torch():
    code = "import sys\nsys.modules['torch'] = None\nfrom openmm_polarmp.models.kinds import KINDS\n"
    code += f"for name, values in {SMALLEST}.items():\n    print(KINDS[name].read(values).architecture)"
    done = run_python(code)
    assert done.stdout.split() == list(SMALLEST), done.stderr


def test_a_subclass_is_not_stored():
    class Changed(PolarMPNet):
        pass

    assert not is_storable(Changed(KINDS["PolarMPNet"].read(SMALLEST["PolarMPNet"])))
    assert not is_storable(object())
