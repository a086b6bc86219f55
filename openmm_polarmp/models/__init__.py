"""Networks that give every atom its short-range energy, multipoles and response coefficients, and their files."""

from openmm_polarmp.models._config import NetworkConfig
from openmm_polarmp.models._geometry import displacements
from openmm_polarmp.models._rung import RUNGS, Rung
from openmm_polarmp.models._tensor_products import TENSOR_PRODUCTS, use_tensor_products
from openmm_polarmp.models.file import ModelFileError, shipped_models
from openmm_polarmp.models.info import model_info
from openmm_polarmp.models.model import PolarMPModel, batched_pairs, load_model, project_total_charge
from openmm_polarmp.models.network import PolarMPNet
from openmm_polarmp.models.training_range import TrainingRange

__all__ = [
    "RUNGS",
    "TENSOR_PRODUCTS",
    "ModelFileError",
    "NetworkConfig",
    "PolarMPModel",
    "PolarMPNet",
    "Rung",
    "TrainingRange",
    "batched_pairs",
    "displacements",
    "load_model",
    "model_info",
    "project_total_charge",
    "shipped_models",
    "use_tensor_products",
]
