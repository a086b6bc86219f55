"""Labelled structures: reading, checking, batches."""

from openmm_polarmp._torch import lazy_attributes

__getattr__ = lazy_attributes(
    __name__,
    {
        "Batch": ".structure",
        "Structure": ".structure",
        "fit_reference_energies": ".frames",
        "labels": "._labels",
        "read_frames": ".frames",
    },
)

__all__ = ["Batch", "Structure", "fit_reference_energies", "labels", "read_frames"]
