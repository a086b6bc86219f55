"""Neighbour lists on the device of the positions."""

from openmm_polarmp.neighbors._pairs import neighbor_pairs
from openmm_polarmp.neighbors._verlet import NeighborList, Neighbors

__all__ = ["NeighborList", "Neighbors", "neighbor_pairs"]
