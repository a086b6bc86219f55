"""Training data, and models from energies and forces."""

from openmm_polarmp._torch import lazy_attributes

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
        "covered_by": ".prepare",
        "fit_reference_energies": ".data",
        "labels": ".data",
        "read_frames": ".data",
        "train": ".run",
    },
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
    "covered_by",
    "fit_reference_energies",
    "labels",
    "read_frames",
    "train",
]
