"""Training data, and models from energies and forces."""

from typing import TYPE_CHECKING

from openmm_polarmp._extras import require_training
from openmm_polarmp._torch import lazy_attributes

if TYPE_CHECKING:
    from openmm_polarmp.training.config import DataConfig, LossConfig, ModelConfig, OptimizerConfig, TrainingConfig
    from openmm_polarmp.training.data import Batch, Structure, fit_reference_energies, labels, read_frames
    from openmm_polarmp.training.evaluation import Comparison, compare
    from openmm_polarmp.training.prepare import training_range
    from openmm_polarmp.training.run import TrainingResult, train

__getattr__ = lazy_attributes(
    __name__,
    {
        "Batch": ".data",
        "Comparison": ".evaluation",
        "DataConfig": ".config",
        "LossConfig": ".config",
        "ModelConfig": ".config",
        "OptimizerConfig": ".config",
        "Structure": ".data",
        "TrainingConfig": ".config",
        "TrainingResult": ".run",
        "compare": ".evaluation",
        "training_range": ".prepare",
        "fit_reference_energies": ".data",
        "labels": ".data",
        "read_frames": ".data",
        "train": ".run",
    },
    require_training,
)

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
    "train",
    "training_range",
]
