"""Networks that give every atom its short-range energy, multipoles and response coefficients, and their files."""

from typing import TYPE_CHECKING

from openmm_polarmp._torch import lazy_attributes
from openmm_polarmp.models.config import NetworkConfig, NetworkSettings
from openmm_polarmp.models.description import ModelDescription
from openmm_polarmp.models.file import ModelFileError, shipped_models
from openmm_polarmp.models.info import model_info
from openmm_polarmp.models.rung import RUNGS, Rung
from openmm_polarmp.models.training_range import TrainingRange

if TYPE_CHECKING:
    from openmm_polarmp.models._constants import ExactConstants
    from openmm_polarmp.models._radial import RadialBasis
    from openmm_polarmp.models.evaluator import TableEvaluator
    from openmm_polarmp.models.model import PolarMPModel, load_model
    from openmm_polarmp.models.network import PolarMPNet
    from openmm_polarmp.models.tensor_products import TENSOR_PRODUCTS, use_tensor_products
    from openmm_polarmp.models.total_charge import project_total_charge, with_total_charge

__getattr__ = lazy_attributes(
    __name__,
    {
        "ExactConstants": "._constants",
        "PolarMPModel": ".model",
        "PolarMPNet": ".network",
        "RadialBasis": "._radial",
        "TENSOR_PRODUCTS": ".tensor_products",
        "TableEvaluator": ".evaluator",
        "load_model": ".model",
        "project_total_charge": ".total_charge",
        "use_tensor_products": ".tensor_products",
        "with_total_charge": ".total_charge",
    },
)

__all__ = [
    "RUNGS",
    "TENSOR_PRODUCTS",
    "ExactConstants",
    "ModelDescription",
    "ModelFileError",
    "NetworkConfig",
    "NetworkSettings",
    "PolarMPModel",
    "PolarMPNet",
    "RadialBasis",
    "Rung",
    "TableEvaluator",
    "TrainingRange",
    "load_model",
    "model_info",
    "project_total_charge",
    "shipped_models",
    "use_tensor_products",
    "with_total_charge",
]
