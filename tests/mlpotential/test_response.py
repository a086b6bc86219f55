"""Born charges of a model: out of a Context, and from finite differences of the polarization."""

import numpy as np
import pytest
from openmmml import MLPotential
from support.models import tiny_model
from support.platforms import REFERENCE
from support.water import water

from openmm_polarmp import PolarMPForce


@pytest.mark.parametrize("periodic", [True, False], ids=["box", "cluster"])
def test_born_charges(periodic):
    """Charges that move with the atoms, their imposed sum, dipoles and induced moments, all at once."""
    topology, positions = water(8, periodic)
    positions = positions + 0.01 * np.random.default_rng(0).normal(
        size=positions.shape
    )  # no distance is exactly half the box
    # A range of one layer's cutoff, 2.5 A, below half of the box: what a charge depends on has one nearest image.
    model = tiny_model(layers=1, cutoff=2.5)
    system = MLPotential("polarmp", modelPath=model).createSystem(topology, precision="double", removeCMMotion=False)
    force = PolarMPForce.cast(system.getForce(0))
    force.setEpsInf(1.78)
    context = REFERENCE.context(system)
    context.setPositions(positions)
    born = force.getBornEffectiveCharges(context)
    step = force._step(context)
    r = 10 * positions
    box = 10 * topology.getPeriodicBoxVectors()._value[0][0] if periodic else None
    h = 1e-4
    for i, b in [(0, 0), (4, 1), (11, 2), (23, 0)]:
        values = []
        for sign in (1, -1):
            moved = r.copy()
            moved[i, b] += sign * h
            context.setPositions(0.1 * moved)
            values.append(force._step(context))
        change = {
            k: (values[0][k] - values[1][k]) / (2 * h)
            for k in ("charges", "dipoles", "induced_charges", "induced_dipoles")
        }
        displacement = r - r[i]
        dq = step["induced_charges"]
        if periodic:
            displacement -= box * np.round(displacement / box)
            # charge that the box has taken up as a whole is no part of its response
            dq = dq - dq.mean()
            change["induced_charges"] -= change["induced_charges"].mean()
        expected = (change["charges"] + change["induced_charges"]) @ displacement
        expected += (change["dipoles"] + change["induced_dipoles"]).sum(0)
        expected[b] += step["charges"][i] + dq[i]
        if not periodic:  # the induced charges' dipole is taken from the centre of softness, which moves too
            kappa = [v["softness"] for v in values]
            centres = [
                k @ m / k.sum() for k, m in zip(kappa, (r + h * _unit(r, i, b), r - h * _unit(r, i, b)), strict=True)
            ]
            middle = step["softness"] @ r / step["softness"].sum()
            total = step["induced_charges"].sum()
            expected -= change["induced_charges"].sum() * (middle - r[i]) + total * (centres[0] - centres[1]) / (2 * h)
        np.testing.assert_allclose(born[i, :, b], step["field_scale"] * expected, atol=2e-6 * np.abs(born).max())
    if not periodic:  # moving everything moves a neutral cluster's polarization not at all
        context.setPositions(positions)
        assert np.abs(force.getBornEffectiveCharges(context).sum(0)).max() < 1e-6


def _unit(r, i, b):
    unit = np.zeros_like(r)
    unit[i, b] = 1
    return unit
