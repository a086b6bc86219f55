"""Neighbour lists on the device of the positions, and a search without torch."""

from openmm_polarmp._torch import lazy_attributes
from openmm_polarmp.neighbors.close import close_pairs

__getattr__ = lazy_attributes(
    __name__, {"NeighborList": "._verlet", "Neighbors": "._verlet", "neighbor_pairs": "._pairs"}
)

__all__ = ["NeighborList", "Neighbors", "close_pairs", "neighbor_pairs"]
