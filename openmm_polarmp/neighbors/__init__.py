"""Neighbour lists on the device of the positions, and a search without torch."""

from typing import TYPE_CHECKING

from openmm_polarmp._torch import lazy_attributes
from openmm_polarmp.neighbors._numpy_search import close_pairs

if TYPE_CHECKING:
    from openmm_polarmp.neighbors._search import directed_pairs, neighbor_pairs
    from openmm_polarmp.neighbors._verlet import NeighborList, Neighbors
    from openmm_polarmp.neighbors.batches import batched_pairs
    from openmm_polarmp.neighbors.table import NeighborTable, displacements, neighbor_table

__getattr__ = lazy_attributes(
    __name__,
    {
        "NeighborList": "._verlet",
        "NeighborTable": ".table",
        "Neighbors": "._verlet",
        "batched_pairs": ".batches",
        "directed_pairs": "._search",
        "displacements": ".table",
        "neighbor_pairs": "._search",
        "neighbor_table": ".table",
    },
)

__all__ = [
    "NeighborList",
    "NeighborTable",
    "Neighbors",
    "batched_pairs",
    "close_pairs",
    "directed_pairs",
    "displacements",
    "neighbor_pairs",
    "neighbor_table",
]
