"""A trajectory without moments, through mdtraj."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from openmm import app

from openmm_polarmp._extras import require


def read_dcd(trajectory: Path, structure: Path) -> tuple[NDArray, NDArray, NDArray | None]:
    """Atomic numbers, positions (nm) and box vectors (nm; None without a box) of a DCD file, which has no times."""
    require("a DCD trajectory", "plot", ["mdtraj"])
    import mdtraj

    topology = app.PDBFile(str(structure)).topology
    with tempfile.TemporaryDirectory() as plain:  # mdtraj's reader takes paths of ASCII letters only
        copy = shutil.copy(trajectory, Path(plain) / "run.dcd")
        with _silent():
            frames = mdtraj.load_dcd(str(copy), top=mdtraj.Topology.from_openmm(topology))
    numbers = [0 if atom.element is None else atom.element.atomic_number for atom in topology.atoms()]
    box = frames.unitcell_vectors
    return np.array(numbers), frames.xyz, None if box is None else box.astype(float)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Nothing on the standard output and error, not even from C code, as mdtraj's readers write there."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(descriptor) for descriptor in (1, 2)]
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        for descriptor in (1, 2):
            os.dup2(nothing, descriptor)
        yield
    finally:
        for descriptor, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)
        os.close(nothing)
