"""Molecular dynamics with learned, polarizable electrostatics: a force plugin for OpenMM.

Importing the package loads the plugin into OpenMM, so that Systems that contain a `PolarMPForce` can be read from XML.
torch is imported only when something needs it: dynamics with a model file does not.
"""

from __future__ import annotations

import os

# OpenMM's threads and torch's run alternately in each step. By default torch's idle threads spin for milliseconds on the
# cores that OpenMM's threads need: on 2 cores a step took 1.5 times as long, on a busy machine many times. This is
# read when torch is first imported; a value that is set already is kept.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from openmm_polarmp._platforms import loading
from openmm_polarmp._torch import lazy_attributes
from openmm_polarmp._version import __version__

loading.load()

from openmm_polarmp.force import FixedMultipoles, PolarMPForce  # noqa: E402  (needs the plugin)

__getattr__ = lazy_attributes(__name__, {"PolarMPModel": ".models", "load_model": ".models"})

__all__ = ["FixedMultipoles", "PolarMPForce", "PolarMPModel", "__version__", "load_model"]
