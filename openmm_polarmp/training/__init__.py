"""Training of PolarMP models: reading labelled structures."""

from .data import fit_reference_energies, read_frames, split_frames

__all__ = ["fit_reference_energies", "read_frames", "split_frames"]
