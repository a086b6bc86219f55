"""Configuration of SO3LR: sizes of its network and the ranges of its pair terms."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class SO3LRConfig:
    """Everything that defines an `SO3LR` network besides its weights.

    Attributes
    ----------
    species : tuple of int
        Atomic numbers that the network knows.
    network_cutoff : float
        Range of one layer, A.
    dispersion_cutoff, dispersion_switch : float
        Range of the dispersion, and the length at its end over which it is switched off, A.
    dispersion_damping : float
        Scales the distances below which the dispersion is damped.
    layers, features, heads, hidden : int
        Of the network; ``hidden`` is the width of the readouts.
    degrees : tuple of int
        Degrees (1 to 4) of the spherical harmonics, ascending.
    n_radial : int
        Number of radial basis functions.
    average_neighbors : float
        Divides the attention.
    """

    architecture: ClassVar[str] = "SO3LR"
    native_obstacles: ClassVar[tuple[str, ...]] = ("the network SO3LR",)
    rung: ClassVar[str] = "q"
    has_flows: ClassVar[bool] = False
    mutual: ClassVar[bool] = False

    species: tuple[int, ...]
    network_cutoff: float = 4.5
    dispersion_cutoff: float = 12.0
    dispersion_switch: float = 2.0
    dispersion_damping: float = 1.2
    layers: int = 3
    features: int = 128
    heads: int = 4
    hidden: int = 128
    degrees: tuple[int, ...] = (1, 2, 3, 4)
    n_radial: int = 32
    average_neighbors: float = 13.168995780096482

    def __post_init__(self) -> None:
        for name in ("species", "degrees"):
            object.__setattr__(self, name, tuple(int(x) for x in getattr(self, name)))
        if not self.species or any(not 1 <= z <= 118 for z in self.species) or not _ascending(self.species):
            raise ValueError(f"species is {self.species}; ascending atomic numbers from 1 to 118 are accepted")
        if not self.degrees or any(not 1 <= l <= 4 for l in self.degrees) or not _ascending(self.degrees):
            raise ValueError(f"degrees is {self.degrees}; ascending ones from 1 to 4 are accepted")
        for name in ("network_cutoff", "dispersion_cutoff", "dispersion_damping", "average_neighbors"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; a positive number is accepted")
        if not 0 < self.dispersion_switch <= self.dispersion_cutoff:
            raise ValueError(
                f"dispersion_switch is {self.dispersion_switch}; a length in A up to dispersion_cutoff is accepted"
            )
        for name, divisor in (("layers", 1), ("heads", 1), ("n_radial", 2), ("hidden", 2), ("features", 4)):
            value = getattr(self, name)
            if value < 1 or value % divisor:
                raise ValueError(f"{name} is {value}; positive multiples of {divisor} are accepted")
        for name, parts in (("heads", self.heads), ("degrees", len(self.degrees))):
            if self.features % parts:
                raise ValueError(
                    f"features is {self.features}; a multiple of the number of {name}, {parts}, is accepted"
                )

    @property
    def cutoff(self) -> float:
        """Within which the network needs all pairs, A: those of the dispersion."""
        return max(self.network_cutoff, self.dispersion_cutoff)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SO3LRConfig:
        """Read what `to_dict` wrote; an unknown entry is an error, not ignored."""
        known = [f.name for f in dataclasses.fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise ValueError(f"network configuration has the unknown entries {unknown}; known are {', '.join(known)}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(self).items()}

    def rows(self) -> list[tuple[str, str]]:
        """Names and values of what `polarmp info` prints of the network."""
        return [
            (
                "network",
                f"SO3LR, {self.layers} layers, cutoff {self.network_cutoff:g} A, degrees "
                f"{', '.join(map(str, self.degrees))}, {self.features} features",
            ),
            ("range of an atom", f"{self.layers * self.network_cutoff:g} A"),
            ("inputs", "positions, elements, total charge, multiplicity"),
            ("repulsion", "ZBL, fitted"),
            (
                "dispersion",
                f"up to {self.dispersion_cutoff:g} A, switched off over the last {self.dispersion_switch:g} A",
            ),
            ("evaluated by", "torch"),
        ]


def _ascending(values: tuple[int, ...]) -> bool:
    return all(a < b for a, b in itertools.pairwise(values))
