"""What OpenMM-ML loads at its own import: nothing but a name.

OpenMM-ML imports the modules of all entry points without a guard. `openmm_polarmp` itself loads the plugin and refuses
other versions of OpenMM, which must not make `import openmmml` fail; so it is imported when a potential is asked for.
"""

from typing import Any


class PolarMPFactory:
    """Makes the implementation of ``MLPotential('polarmp')`` and of the shipped models' names."""

    def createImpl(self, name: str, modelPath: Any = None, **args: Any) -> Any:
        """See `openmm_polarmp.mlpotential.PolarMPPotentialImpl`."""
        from openmm_polarmp.mlpotential import PolarMPPotentialImpl

        return PolarMPPotentialImpl(name, modelPath, **args)
