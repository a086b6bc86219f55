"""A model as a file of metatomic, which LAMMPS, GROMACS, i-PI, ASE and others evaluate without this package."""

from __future__ import annotations

import warnings
from pathlib import Path

from openmm_polarmp.electrostatics.mesh_table import MESH_RULES
from openmm_polarmp.models import PolarMPModel

try:
    from metatomic.torch import AtomisticModel, ModelCapabilities, ModelMetadata, ModelOutput

    from openmm_polarmp.engines._metatomic_module import Potential
except ImportError as error:
    raise ImportError(
        "openmm_polarmp.engines.metatomic needs metatomic-torch, not installed here: pip install 'openmm-polarmp[metatomic]'"
    ) from error


def export_metatomic(
    model: PolarMPModel,
    path: str | Path | None = None,
    *,
    total_charge: float = 0.0,
    multiplicity: float = 1.0,
    precision: str = "single",
    accuracy: float | None = None,
    name: str = "openmm-polarmp model",
) -> AtomisticModel:
    """Compile a model, network and electrostatics, for any number of its atoms in boxes and clusters.

    Parameters
    ----------
    model : PolarMPModel
        With a `PolarMPNet` as its network, the direct response and no flows.
    path : str or path, optional
        File to write (``.pt``).
    total_charge, multiplicity : float
        Of every structure, the charge in e.
    precision : str
        ``"single"`` or ``"double"``: of the network. Positions, sums and results are in double precision.
    accuracy : float, optional
        Force error of the mesh over the rms force; by default that of the model, down to 1e-7.
    name : str
        Stands in the file.

    Raises
    ------
    ValueError
        For another network or response.
    RuntimeError
        If the traced network and the network do not agree.
    """
    accuracy = max(model.accuracy if accuracy is None else accuracy, MESH_RULES[-1].accuracy)
    module = Potential(model, total_charge, multiplicity, precision, accuracy).eval()
    capabilities = ModelCapabilities(
        outputs={"energy": ModelOutput(unit="eV", sample_kind="system")},
        atomic_types=list(model.species),
        interaction_range=float("inf") if model.has_electrostatics else model.receptive_field,
        length_unit="Angstrom",
        supported_devices=["cuda", "cpu"],
        dtype="float64",
    )
    metadata = ModelMetadata(
        name=name, description=f"training data: {model.training_data}; licence of the weights: {model.licence}"
    )
    atomistic = AtomisticModel(module, metadata, capabilities)
    if path is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript, which metatomic is built on
            atomistic.save(str(path))
    return atomistic
