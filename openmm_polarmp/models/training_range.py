"""What the training data of a model covered, and in what a structure leaves that range.

The measures were chosen on runs that go wrong (docs/training-range.md): simple ranges of distances, coordination, neighbours, energy and
forces notice the faults as early as a Mahalanobis distance between environments does, and say what is wrong.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openmm_polarmp.models.elements import SYMBOLS
from openmm_polarmp.models.radii import COVALENT_RADII

BOND_FACTOR = 1.25
"""Two atoms count as bonded up to so many times the sum of their covalent radii."""

NONMETALS = (1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 32, 33, 34, 35, 51, 52, 53)
"""Bonds are counted between these: around a metal ion the number of near atoms changes all the time."""

MARGIN = 0.1
"""By so much forces and longest nearest distances may exceed those of the data."""

NEIGHBOR_MARGIN = 0.2
"""The same for numbers of neighbours, whose extremes in some hundred frames are not those of all dynamics."""

THERMAL_ENERGY = 0.0388
"""eV, 3/2 kT at 300 K: by so much the energy of an atom falls when a structure is minimized."""

Pair = tuple[int, int]
Bounds = tuple[float, float]


@dataclass(frozen=True)
class TrainingRange:
    """What the training data covered. Members that are empty or None are not known, and nothing is compared with them.

    Attributes
    ----------
    smallest_distances : dict
        A, for each pair of atomic numbers (lower first) the shortest distance in the data.
    largest_force : float or None
        eV/A, the largest norm of a force on an atom in the data.
    reach : float or None
        A, how far neighbours were counted: the cutoff of the network.
    neighbors : dict
        For each atomic number the fewest and the most neighbours of one of its atoms.
    nearest : dict
        A, for (a, b) how far an atom of element a was at most from the nearest atom of element b; infinite if one had none.
    bonded : dict
        For (a, b) how many atoms of element b at least and at most were bonded to one of element a, see `BOND_FACTOR`.
    energy : (float, float) or None
        eV, lowest and highest energy of a structure by its number of atoms, without the reference energies of the elements.
    fewest_atoms : int or None
        In a structure of the data: energies of smaller ones fluctuate more.
    """

    smallest_distances: dict[Pair, float] = field(default_factory=dict)
    largest_force: float | None = None
    reach: float | None = None
    neighbors: dict[int, Bounds] = field(default_factory=dict)
    nearest: dict[Pair, float] = field(default_factory=dict)
    bonded: dict[Pair, Bounds] = field(default_factory=dict)
    energy: Bounds | None = None
    fewest_atoms: int | None = None

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainingRange:
        """Read what `to_dict` wrote, or an older version of it that knew distances and forces only."""
        pairs = {name: {_pair(key): v for key, v in values.get(name, {}).items()} for name in PAIR_TABLES}
        return cls(
            smallest_distances=pairs["smallest_distances"],
            largest_force=values.get("largest_force"),
            reach=values.get("reach"),
            neighbors={int(z): _bounds(v) for z, v in values.get("neighbors", {}).items()},
            nearest={pair: math.inf if d is None else d for pair, d in pairs["nearest"].items()},
            bonded={pair: _bounds(v) for pair, v in pairs["bonded"].items()},
            energy=None if values.get("energy") is None else _bounds(values["energy"]),
            fewest_atoms=values.get("fewest_atoms"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, in which an infinite distance is null."""
        values: dict[str, Any] = {
            name: {f"{a}-{b}": v for (a, b), v in sorted(getattr(self, name).items())} for name in PAIR_TABLES
        }
        values["nearest"] = {pair: d if math.isfinite(d) else None for pair, d in values["nearest"].items()}
        values["neighbors"] = {str(z): bounds for z, bounds in sorted(self.neighbors.items())}
        values |= {name: getattr(self, name) for name in ("largest_force", "reach", "energy", "fewest_atoms")}
        return values

    @classmethod
    def of(
        cls,
        species: ArrayLike,
        edge_index: ArrayLike,
        distances: ArrayLike,
        forces: ArrayLike | None = None,
        *,
        reach: float | None = None,
        energy: float | None = None,
    ) -> TrainingRange:
        """The range that one structure spans.

        Parameters
        ----------
        species : array_like [N]
            Atomic numbers.
        edge_index, distances : array_like [2, E], [E]
            Pairs in both directions, sender and receiver, with their distances in A, as
            `openmm_polarmp.neighbors.neighbor_pairs` has them.
        forces : array_like [N, 3], optional
            eV/A.
        reach : float, optional
            A. If it is given the pairs must be all that are closer, and neighbours are counted.
        energy : float, optional
            eV, of the structure without reference energies.
        """
        species, pairs, distances = np.asarray(species), np.asarray(edge_index), np.asarray(distances)
        ordered = np.sort(species[pairs], axis=0)
        code = ordered[0] * 1000 + ordered[1]
        smallest = {divmod(value, 1000): float(distances[code == value].min()) for value in np.unique(code).tolist()}
        forces = np.zeros((0, 3)) if forces is None else np.asarray(forces)
        largest = float(np.sqrt(np.square(forces).sum(1)).max()) if len(forces) else None
        n = len(species)
        counted = {} if reach is None or n == 0 else _environments(species, pairs, distances)
        energies = None if energy is None else (energy / n, energy / n)
        return cls(smallest, largest, reach, **counted, energy=energies, fewest_atoms=n or None)

    def extended(self, other: TrainingRange) -> TrainingRange:
        """The range of both data sets together; neighbours stay unknown where one of them does not know its own."""
        reaches = {r for r in (self.reach, other.reach) if r is not None}
        if len(reaches) > 1:
            raise ValueError(f"reach: neighbours were counted within {self.reach} A and within {other.reach} A")
        known = [r for r in (self, other) if r.smallest_distances]
        if not all(r.neighbors for r in known):
            first, second = (
                dataclasses.replace(r, reach=None, neighbors={}, nearest={}, bonded={}) for r in (self, other)
            )
            if (first, second) != (self, other):
                return first.extended(second)
        energies = [e for e in (self.energy, other.energy) if e is not None]
        return TrainingRange(
            _joined(self.smallest_distances, other.smallest_distances, min),
            _known(max, self.largest_force, other.largest_force),
            _known(max, self.reach, other.reach),
            _joined(self.neighbors, other.neighbors, _widest),
            _joined(*self._completed(other, "nearest", math.inf), max),
            _joined(*self._completed(other, "bonded", (0, 0)), _widest),
            (min(e[0] for e in energies), max(e[1] for e in energies)) if energies else None,
            _known(min, self.fewest_atoms, other.fewest_atoms),
        )

    def _completed(self, other: TrainingRange, name: str, nothing: Any) -> tuple[dict, dict]:
        """A table of both ranges, with what stands for pairs of which one range has atoms of the first element only."""
        tables = getattr(self, name), getattr(other, name)
        pairs = set(tables[0]) | set(tables[1])
        missing = [{p: nothing for p in pairs if p[0] in r.neighbors} for r in (self, other)]
        return missing[0] | tables[0], missing[1] | tables[1]

    def violations(self, observed: TrainingRange, *, tolerance: float = 0.0) -> list[str]:
        """Sentences for all in which ``observed`` leaves this range; distances may be ``tolerance`` A outside."""
        return [
            *self._too_near(observed, tolerance),
            *self._too_far(observed, tolerance),
            *self._other_neighbors(observed),
            *self._energy_and_force(observed),
        ]

    def _too_near(self, observed: TrainingRange, tolerance: float) -> list[str]:
        sentences = []
        for (a, b), d in sorted(observed.smallest_distances.items()):
            known = self.smallest_distances.get((a, b))
            if known is not None and d < known - tolerance:
                names = f"{SYMBOLS[a]} and {SYMBOLS[b]}"
                sentences.append(f"{names} are {d:.3f} A apart; the training data went down to {known:.3f} A")
        return sentences

    def _too_far(self, observed: TrainingRange, tolerance: float) -> list[str]:
        sentences = []
        for a, b in sorted(self.nearest):
            known = self.nearest[a, b]
            d = observed.nearest.get((a, b), math.inf if a in observed.neighbors else 0.0)
            if d > (1 + MARGIN) * known + tolerance:
                what = (
                    f"no {SYMBOLS[b]} within {self.reach:g} A"
                    if math.isinf(d)
                    else f"its nearest {SYMBOLS[b]} {d:.3f} A away"
                )
                sentences.append(
                    f"an atom of {SYMBOLS[a]} has {what}; in the training data it was at most {known:.3f} A away"
                )
        return sentences

    def _other_neighbors(self, observed: TrainingRange) -> list[str]:
        sentences = []
        for a, counts in sorted(observed.neighbors.items()):
            known = self.neighbors.get(a)
            if known is None:
                continue
            outside = _outside(counts, ((1 - NEIGHBOR_MARGIN) * known[0], (1 + NEIGHBOR_MARGIN) * known[1]))
            if outside is not None:
                number = f"{outside:g} neighbours" if outside else "no neighbour"
                sentences.append(
                    f"an atom of {SYMBOLS[a]} has {number} within {self.reach:g} A; in the training data {_span(known)}"
                )
        for (a, b), counts in sorted(observed.bonded.items()):
            if a not in self.neighbors or b not in self.neighbors:
                continue
            known = self.bonded.get((a, b), (0, 0))
            outside = _outside(counts, known)
            if outside is not None:
                sentences.append(
                    f"an atom of {SYMBOLS[a]} is bonded to {outside:g} of {SYMBOLS[b]}; in the training data to {_span(known)}"
                )
        return sentences

    def _energy_and_force(self, observed: TrainingRange) -> list[str]:
        sentences = []
        if self.energy is not None and observed.energy is not None:
            lowest, highest = self.energy
            width = highest - lowest
            if self.fewest_atoms and observed.fewest_atoms:
                width *= max(1.0, math.sqrt(self.fewest_atoms / observed.fewest_atoms))
            accepted = (lowest - width - THERMAL_ENERGY, highest + width)
            outside = _outside(observed.energy, accepted)
            if outside is not None:
                sentences.append(
                    f"an energy of {outside:.3f} eV by atom, reference energies left out; the training data had "
                    f"{lowest:.3f} to {highest:.3f} eV"
                )
        limit, force = self.largest_force, observed.largest_force
        if limit is not None and force is not None and not force <= (1 + MARGIN) * limit:
            sentences.append(f"a force of {force:.2f} eV/A; the training data went up to {limit:.2f} eV/A")
        return sentences


PAIR_TABLES = ("smallest_distances", "nearest", "bonded")


def _environments(species: NDArray, pairs: NDArray, distances: NDArray) -> dict[str, dict]:
    """Neighbours, nearest atoms and bonds of each element."""
    n, (senders, receivers) = len(species), pairs
    radii = np.asarray(COVALENT_RADII)
    bonds = distances < BOND_FACTOR * (radii[species[senders] - 1] + radii[species[receivers] - 1])
    counts = np.bincount(receivers, minlength=n)
    covalent = np.isin(species, NONMETALS)
    bonds &= covalent[senders] & covalent[receivers]
    elements = np.unique(species).tolist()
    neighbors = {a: _bounds(_extremes(counts[species == a])) for a in elements}
    nearest, bonded = {}, {}
    for b in elements:
        of_b = species[senders] == b
        closest = np.full(n, np.inf)
        np.minimum.at(closest, receivers[of_b], distances[of_b])
        bonds_to_b = np.bincount(receivers[of_b & bonds], minlength=n)
        for a in elements:
            nearest[a, b] = float(closest[species == a].max())
            bonded[a, b] = _bounds(_extremes(bonds_to_b[species == a]))
    return {"neighbors": neighbors, "nearest": nearest, "bonded": bonded}


def _extremes(values: NDArray) -> tuple[float, float]:
    return values.min().item(), values.max().item()


def _pair(key: str) -> Pair:
    a, b = key.split("-")
    return int(a), int(b)


def _bounds(values: Any) -> Bounds:
    low, high = values
    return low, high


def _widest(first: Bounds, second: Bounds) -> Bounds:
    return min(first[0], second[0]), max(first[1], second[1])


def _joined(first: dict, second: dict, join: Callable[[Any, Any], Any]) -> dict:
    """Entries of both tables, joined where both have them."""
    both = {key: join(first[key], second[key]) for key in set(first) & set(second)}
    return {**first, **second, **both}


def _known(choose: Callable[..., Any], *values: Any) -> Any:
    known = [v for v in values if v is not None]
    return choose(known) if known else None


def _outside(observed: Bounds, accepted: Bounds) -> float | None:
    """The end of ``observed`` that lies outside of ``accepted``; NaN counts as outside."""
    if not observed[0] >= accepted[0]:
        return observed[0]
    return None if observed[1] <= accepted[1] else observed[1]


def _span(bounds: Bounds) -> str:
    return f"{bounds[0]:g}" if bounds[0] == bounds[1] else f"{bounds[0]:g} to {bounds[1]:g}"
