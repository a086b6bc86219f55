"""What training data covered, and sentences on what lies outside; each measure against a structure that is counted by hand."""

import dataclasses
import json
import math

import numpy as np
import pytest

from openmm_polarmp.models import TrainingRange
from openmm_polarmp.neighbors import close_pairs

WATER = np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
REACH = 4.0


def covered(species, positions, energy=None, forces=None):
    pairs, distances = close_pairs(np.asarray(positions, float), REACH)
    return TrainingRange.of(species, pairs, distances, forces, reach=REACH, energy=energy)


@pytest.fixture
def known():
    """Two molecules, 3 A apart, and a third nearby."""
    pair = np.concatenate([WATER, np.add(WATER, [0, 0, 3.0])])
    three = np.concatenate([pair, np.add(WATER, [0, 3.0, 0])])
    two = covered([8, 1, 1] * 2, pair, energy=-0.6, forces=[[1.0, 0, 0]])
    return two.extended(covered([8, 1, 1] * 3, three, energy=-0.72))


def said(known, *arguments, **options):
    return " | ".join(known.violations(covered(*arguments, **options)))


def test_what_is_counted(known):
    assert known.bonded == {(1, 1): (0, 0), (1, 8): (1, 1), (8, 1): (2, 2), (8, 8): (0, 0)}
    assert known.neighbors[8][0] == 5 and known.fewest_atoms == 6
    assert known.nearest[8, 8] == pytest.approx(3.0) and known.nearest[8, 1] == pytest.approx(0.96)
    assert known.energy == pytest.approx((-0.1, -0.08)) and known.largest_force == 1.0
    assert known.violations(known) == []


def test_json_keeps_everything_and_older_files_are_read(known):
    endless = dataclasses.replace(known, nearest={(8, 11): math.inf, (8, 1): 1.0})
    for training_range in (known, endless, TrainingRange()):
        text = json.dumps(training_range.to_dict(), allow_nan=False)
        again = TrainingRange.from_dict(json.loads(text))
        assert again == training_range
    old = TrainingRange.from_dict({"smallest_distances": {"1-8": 0.9}, "largest_force": 3.0})
    assert old == TrainingRange({(1, 8): 0.9}, 3.0)
    assert old.violations(covered([8, 1, 1], WATER, energy=99.0)) == []  # what is not known is not compared


def test_each_measure(known):
    far = np.add(WATER, [0, 0, 50.0])
    alone = said(known, [8, 1, 1] * 2, np.concatenate([WATER, far]))
    assert "O has no O within 4 A; in the training data it was at most 3.000 A away" in alone
    assert "O has 2 neighbours within 4 A; in the training data 5 to" in alone
    assert "no neighbour within 4 A" in said(known, [8, 1], [[0, 0, 0], [0, 0, 50.0]])
    stretched = np.concatenate([WATER, np.add(WATER, [0, 0, 3.0])])
    stretched[1, 0] = 1.4
    broken = said(known, [8, 1, 1] * 2, stretched)
    assert "H has its nearest O 1.400 A away; in the training data it was at most 0.960 A away" in broken
    assert "an atom of O is bonded to 1 of H; in the training data to 2" in broken
    short = np.concatenate([WATER, np.add(WATER, [0, 0, 3.0])])
    short[1, 0] = 0.7
    assert said(known, [8, 1, 1] * 2, short).endswith(
        "H and O are 0.700 A apart; the training data went down to 0.960 A"
    )
    pair = np.concatenate([WATER, np.add(WATER, [0, 0, 3.0])])
    accepted = (-0.1 - 0.02 - 0.0388, -0.08 + 0.02)
    for by_atom, outside in ((accepted[0] - 1e-3, True), (accepted[0] + 1e-3, False), (accepted[1] + 1e-3, True)):
        sentence = said(known, [8, 1, 1] * 2, pair, energy=6 * by_atom)
        assert ("eV by atom" in sentence) == outside
    assert "a force of nan" in said(known, [8, 1, 1] * 2, pair, forces=[[np.nan, 0, 0]])
    assert "nan eV by atom" in said(known, [8, 1, 1] * 2, pair, energy=math.nan)


def test_elements_that_are_not_always_together(known):
    """A sodium ion in one structure: an oxygen need not have one near, and may."""
    with_ion = covered([8, 1, 1, 11], np.concatenate([WATER, [[0, -2.3, 0]]]))
    for together in (known.extended(with_ion), with_ion.extended(known)):
        assert together.nearest[8, 11] == math.inf and together.nearest[11, 8] == pytest.approx(2.3)
        assert together.bonded[8, 11] == (0, 0)  # a metal has no counted bonds
        assert "nearest O" in said(together, [8, 1, 1, 11], np.concatenate([WATER, [[0, -3.5, 0]]]))
    assert "bonded to 1 of O; in the training data to 0" in said(known, [8, 8], [[0, 0, 0], [0, 0, 1.4]])


def test_ranges_that_do_not_go_together(known):
    with pytest.raises(ValueError, match=r"reach: neighbours were counted within 4.0 A and within 5.0 A"):
        known.extended(dataclasses.replace(known, reach=5.0))
    older = TrainingRange({(1, 8): 0.9}, 3.0)  # its neighbours are not known: those of both are not
    assert known.extended(older) == older.extended(known)
    assert known.extended(older).neighbors == {} and known.extended(older).largest_force == 3.0
