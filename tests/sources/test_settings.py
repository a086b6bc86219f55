"""Settings that come with a model go with it; what the user has set since stays."""

import openmm
import pytest
from openmm import unit
from support.models import tiny_model

from openmm_polarmp import FixedMultipoles, PolarMPForce
from openmm_polarmp.models import PolarMPModel

ATOMS = {"atomic_numbers": [8, 1, 1]}
FIXED = FixedMultipoles([-0.8, 0.4, 0.4])


def equilibrated():
    """A model that brings every setting."""
    return PolarMPModel(tiny_model(rung="qeq").network, sigma=1.3, k_max=2.0)


def settings_of(force):
    constraint = force.getTotalChargeConstraint()
    return (
        force.getSigma().value_in_unit(unit.angstrom),
        force.getKMax().value_in_unit(unit.angstrom**-1),
        force.getPolarizationType(),
        None if constraint is None else constraint[0].tolist(),
    )


OF_MODEL = (pytest.approx(1.3), pytest.approx(2.0), PolarMPForce.Mutual, [1.0])
DEFAULT = settings_of(PolarMPForce(FIXED))


@pytest.mark.parametrize("evaluator", ["native", "torch"])
@pytest.mark.parametrize("copied", [False, True], ids=["made", "from XML"])
def test_another_model_comes(evaluator, copied):
    force = PolarMPForce(equilibrated(), **ATOMS, total_charge=1.0, evaluator=evaluator)
    assert settings_of(force) == OF_MODEL
    if copied:
        force = PolarMPForce.cast(openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(force)))
    force.setModel(FIXED)
    assert settings_of(force) == DEFAULT
    force.setModel(equilibrated(), **ATOMS, total_charge=1.0)
    assert settings_of(force) == OF_MODEL
    force.setModel(tiny_model(), **ATOMS)
    assert settings_of(force) == (pytest.approx(1.0), 0, PolarMPForce.Direct, None)


def test_what_was_set_since_stays():
    force = PolarMPForce(equilibrated(), **ATOMS)
    force.setSigma(0.9 * unit.angstrom)
    force.setKMax(3 / unit.angstrom)
    force.setPolarizationType(PolarMPForce.NoPolarization)
    force.setTotalChargeConstraint([0.0, 0.0], [[0], [1, 2]])
    chosen = settings_of(force)
    force.setModel(FIXED)
    assert settings_of(force) == chosen
    # without a model before nothing came from one
    force.setPolarizationType(PolarMPForce.Mutual)
    force.setModel(FIXED)
    assert settings_of(force)[2] == PolarMPForce.Mutual


def test_a_model_that_is_refused_changes_nothing():
    force = PolarMPForce(equilibrated(), **ATOMS)
    before = settings_of(force)
    with pytest.raises(ValueError, match="that the model does not know"):
        force.setModel(tiny_model(), atomic_numbers=[3, 1, 1])
    assert settings_of(force) == before
