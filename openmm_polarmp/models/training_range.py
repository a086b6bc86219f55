"""The range of a model's training data, and whether a structure is inside: a learned force fails silently outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class TrainingRange:
    """The range of the training data.

    Attributes
    ----------
    smallest_distances : dict
        Shortest distance in the data for each pair of atomic numbers (lower first), A.
    largest_force : float or None
        Largest norm of a force on an atom in the data, eV/A.
    """

    smallest_distances: dict[tuple[int, int], float] = field(default_factory=dict)
    largest_force: float | None = None

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainingRange:
        """Read what `to_dict` wrote."""
        distances = {}
        for key, distance in values["smallest_distances"].items():
            low, high = map(int, key.split("-"))
            distances[low, high] = float(distance)
        return cls(distances, values.get("largest_force"))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        distances = {f"{a}-{b}": d for (a, b), d in sorted(self.smallest_distances.items())}
        return {"smallest_distances": distances, "largest_force": self.largest_force}

    def extended(self, other: TrainingRange) -> TrainingRange:
        """The range of both data sets together."""
        distances = dict(self.smallest_distances)
        for pair, d in other.smallest_distances.items():
            distances[pair] = min(d, distances.get(pair, d))
        forces = [f for f in (self.largest_force, other.largest_force) if f is not None]
        return TrainingRange(distances, max(forces) if forces else None)

    @classmethod
    def of(
        cls, species: ArrayLike, edge_index: ArrayLike, distances: ArrayLike, forces: ArrayLike | None = None
    ) -> TrainingRange:
        """The range of one structure.

        Parameters
        ----------
        species : array [N]
            Atomic numbers.
        edge_index : array [2, E]
            Pairs, as from `openmm_polarmp.neighbors.neighbor_pairs`; in host memory.
        distances : array [E]
            Of the pairs, A.
        forces : array [N, 3], optional
            eV/A.
        """
        pairs = np.sort(np.asarray(species)[np.asarray(edge_index)], axis=0)
        code, distances = pairs[0] * 1000 + pairs[1], np.asarray(distances)
        smallest = {}
        for value in np.unique(code).tolist():
            smallest[divmod(value, 1000)] = float(distances[code == value].min())
        forces = np.zeros((0, 3)) if forces is None else np.asarray(forces)
        largest = float(np.sqrt(np.square(forces).sum(1)).max()) if len(forces) else None
        return cls(smallest, largest)

    def violations(self, observed: TrainingRange, *, tolerance: float = 0.0) -> list[str]:
        """One sentence for each way in which ``observed`` leaves this range; ``tolerance`` (A) is for distances."""
        sentences = []
        for (a, b), d in sorted(observed.smallest_distances.items()):
            known = self.smallest_distances.get((a, b))
            if known is not None and d < known - tolerance:
                sentences.append(
                    f"elements {a} and {b} are {d:.3f} A apart; the training data went down to {known:.3f} A"
                )
        limit, force = self.largest_force, observed.largest_force
        if limit is not None and force is not None and not force <= limit:
            sentences.append(f"a force of {force:.2f} eV/A; the training data went up to {limit:.2f} eV/A")
        return sentences
