"""TorchForce as a source of moments: models from and to TorchScript modules.

The module's ``forward(positions, boxvectors)`` follows the convention of openmm-torch (positions [N, 3] and box vectors
[3, 3] in nm, energy in kJ/mol) and returns a dictionary with ``energy``, ``charges`` and any of ``dipoles``,
``quadrupoles``, ``softness``, ``polarizability``, all in OpenMM's units (see `openmm_polarmp.sources.script_outputs`).
"""

from openmm_polarmp._torch import lazy_attributes

__getattr__ = lazy_attributes(
    __name__,
    {
        "ExportedModel": ".export",
        "TORCH_VERSIONS": ".versions",
        "TorchScriptSource": "..sources.torchscript",
        "check_versions": ".versions",
        "export_module": ".export",
        "TracedNetwork": ".tracing",
        "from_bytes": ".serialize",
        "to_bytes": ".serialize",
    },
)

__all__ = [
    "TORCH_VERSIONS",
    "ExportedModel",
    "TorchScriptSource",
    "TracedNetwork",
    "check_versions",
    "export_module",
    "from_bytes",
    "to_bytes",
]
