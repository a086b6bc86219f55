"""Labelled structures: reading, checking, batches."""

from typing import TYPE_CHECKING

from openmm_polarmp._extras import require_training
from openmm_polarmp._torch import lazy_attributes

if TYPE_CHECKING:
    from openmm_polarmp.training.data._labels import labels
    from openmm_polarmp.training.data.frames import fit_reference_energies, read_frames
    from openmm_polarmp.training.data.structure import Batch, Structure

__getattr__ = lazy_attributes(
    __name__,
    {
        "Batch": ".structure",
        "Structure": ".structure",
        "fit_reference_energies": ".frames",
        "labels": "._labels",
        "read_frames": ".frames",
    },
    require_training,
)

__all__ = ["Batch", "Structure", "fit_reference_energies", "labels", "read_frames"]
