"""The entry point for OpenMM-ML, which imports nothing else.

`import openmmml` imports the modules of all entry points and fails with any of them. `openmm_polarmp` loads the plugin and
raises an ImportError for other versions of OpenMM: so it is imported only when a potential is created.
"""

from typing import Any


class PolarMPFactory:
    """Creates the implementation of ``MLPotential('polarmp')`` and of the names of the shipped models."""

    def createImpl(self, name: str, modelPath: Any = None, **args: Any) -> Any:
        """Create the implementation, see `openmm_polarmp.mlpotential.PolarMPPotentialImpl`."""
        from openmm_polarmp.mlpotential import PolarMPPotentialImpl

        return PolarMPPotentialImpl(name, modelPath, **args)
