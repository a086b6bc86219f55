"""TorchForce as a source of moments: models from and to TorchScript modules.

The module's ``forward(positions, boxvectors)`` follows the convention of openmm-torch (positions [N, 3] and box vectors
[3, 3] in nm, energy in kJ/mol) and returns a dictionary with ``energy``, ``charges`` and any of ``dipoles``,
``quadrupoles``, ``softness``, ``polarizability``, all in OpenMM's units (see `openmm_polarmp.torchforce.outputs`).
"""

from openmm_polarmp.torchforce.export import ExportedModel, export_module
from openmm_polarmp.torchforce.serialize import from_bytes, to_bytes
from openmm_polarmp.torchforce.source import TorchScriptSource
from openmm_polarmp.torchforce.versions import TORCH_VERSIONS, check_versions

__all__ = [
    "TORCH_VERSIONS",
    "ExportedModel",
    "TorchScriptSource",
    "check_versions",
    "export_module",
    "from_bytes",
    "to_bytes",
]
