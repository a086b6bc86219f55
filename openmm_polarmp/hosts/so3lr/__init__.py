"""SO3LR, a pretrained general model for molecules of H, C, N, O, F, P, S and Cl.

A. Kabylda, J. T. Frank and others, "Molecular simulations with a pretrained neural network and universal pairwise force
fields", J. Am. Chem. Soc. 147, 33723 (2025). The weights, and the details that the paper leaves open, are those of the
package so3krates-torch (MIT licence).
"""

from typing import TYPE_CHECKING

from openmm_polarmp._torch import lazy_attributes
from openmm_polarmp.hosts.so3lr.config import SO3LRConfig

if TYPE_CHECKING:
    from openmm_polarmp.hosts.so3lr.convert import convert
    from openmm_polarmp.hosts.so3lr.network import SO3LR

__getattr__ = lazy_attributes(__name__, {"SO3LR": ".network", "convert": ".convert"})

__all__ = ["SO3LR", "SO3LRConfig", "convert"]
