"""Neighbour lists on the device of the positions."""

from openmm_polarmp.neighbors._pairs import neighbor_pairs

__all__ = ["neighbor_pairs"]
