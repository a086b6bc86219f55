"""Contexts that come and go leave nothing behind."""

import gc
import resource

import numpy as np
from support.sources import DensitySource, force_with_source
from support.systems import TRICLINIC, make_system, random_atoms


def test_contexts_created_and_destroyed(platform_once):
    atoms = random_atoms(300, TRICLINIC)
    system = make_system(300, atoms.cell, force_with_source(DensitySource(atoms.charges), tolerance=1e-4))

    def peak_after(count: int) -> float:
        """MB"""
        for _ in range(count):
            context = platform_once.context(system)
            context.setPositions(0.1 * atoms.positions)
            if platform_once.name != "Reference":
                context.getState(forces=True)
            del context
        gc.collect()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    peaks = [peak_after(7) for _ in range(4)]
    # The first rounds fill caches, and single rounds may; PoCL's memory wanders by some MB. The arrays of one Context take
    # 1 MB and more: seven of them that leaked would show in every round.
    assert np.diff(peaks[1:]).min() < 6.0, peaks
