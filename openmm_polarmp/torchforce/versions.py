"""Versions of torch with which openmm-torch computes correctly."""

from __future__ import annotations

import torch

TORCH_VERSIONS = ("2.9.0", "2.9.1")
"""With openmm-torch 1.5 (the package ``openmmtorch`` of PyPI), on the Reference and CPU platforms of OpenMM 8.6."""


def check_versions() -> None:
    """Raise ImportError if a TorchForce cannot be trusted with the torch that is installed."""
    installed = torch.__version__.split("+")[0]
    if installed not in TORCH_VERSIONS:
        raise ImportError(
            f"torch {installed} is installed, but openmm-torch 1.5 computes correctly with torch "
            f"{' and '.join(TORCH_VERSIONS)} only: pip install openmmtorch==1.5 torch=={TORCH_VERSIONS[-1]}. "
            "Without openmm-torch, a TorchScript module or a .polarmp file can be given to PolarMPForce with any torch."
        )
