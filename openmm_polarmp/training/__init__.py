"""Training data, and models from energies and forces."""

from openmm_polarmp.training.config import (
    DataConfig,
    LossConfig,
    ModelConfig,
    OptimizerConfig,
    TrainingConfig,
)
from openmm_polarmp.training.data import fit_reference_energies, labels, read_frames, split_frames
from openmm_polarmp.training.evaluation import Comparison, compare
from openmm_polarmp.training.run import TrainingResult, train
from openmm_polarmp.training.structure import Batch, Structure

__all__ = [
    "Batch",
    "Comparison",
    "DataConfig",
    "LossConfig",
    "ModelConfig",
    "OptimizerConfig",
    "Structure",
    "TrainingConfig",
    "TrainingResult",
    "compare",
    "fit_reference_energies",
    "labels",
    "read_frames",
    "split_frames",
    "train",
]
