"""Configuration of `PolarMPNet`: the settings that a user chooses, and those that follow from the data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

from openmm_polarmp.models.rung import Rung


@dataclass(frozen=True)
class NetworkSettings:
    """The settings of a `PolarMPNet` that do not depend on its training data.

    Attributes
    ----------
    rung : str
        What it predicts: ``sr``, ``q``, ``qu``, ``quQ``, ``qu+k``, ``qu+a``, ``qu+ka``, ``quQ+ka``, ``qu+c``, ``qu+ca``,
        ``quQ+ca``, ``qeq``, ``qeq+a``.
    response : str
        ``"direct"``: induced moments feel the permanent ones. ``"mutual"``: they feel each other, too (theory.md section 9).
        In rungs ``qeq`` and ``qeq+a`` they always do.
    charges : str
        ``"local"``: every atom has a charge of its own. ``"flow"``: neighbours exchange charge, which conserves it
        (theory.md section 8).
    formal_charges : dict
        With ``"flow"``: the charges before the exchange, e per atomic number, for every species; their sum is the total
        charge. Without them the atoms' own charges are exchanged further.
    cutoff : float
        Range of one layer, A.
    layers : int
        1 to 3. Each layer after the first carries messages between atoms.
    l_max : int
        Highest degree (1 or 2) of the neighbours' density.
    l_message : int
        Highest degree of the features that atoms send to each other.
    channels, message_channels : int
        Features of one kind on an atom, and in a message.
    n_radial : int
        Number of radial basis functions.
    hidden : int
        Width of the heads.
    correlation : int
        Factors in the products of an atom's density: 2 is three-body, 3 four-body.
    density_limit : float, optional
        Norm that no channel of an atom's density exceeds; longer ones are scaled smoothly. An untrained network's are about
        1, those of an ordinary structure at most 3 or so. None: no limit.
    polarizability : str
        ``"scalar"`` or ``"tensor"``.
    rounds : int
        How often (0 to 4) the moments are computed again from the potential, the field and its gradient that they make at
        the atoms: the fixed point of theory.md section 9.
    zbl : bool
        Add the nuclear repulsion of Ziegler, Biersack and Littmark at distances below the sum of the covalent radii.
    total_charge_input, multiplicity_input : bool
        Whether the network takes the structure's charge (e) and spin multiplicity as inputs.
    """

    rung: str = "qu+ka"
    response: str = "direct"
    charges: str = "local"
    formal_charges: dict[int, float] = field(default_factory=dict)
    cutoff: float = 4.5
    layers: int = 2
    l_max: int = 2
    l_message: int = 1
    channels: int = 32
    message_channels: int = 16
    n_radial: int = 8
    hidden: int = 64
    correlation: int = 3
    density_limit: float | None = None
    polarizability: str = "scalar"
    rounds: int = 0
    zbl: bool = False
    total_charge_input: bool = False
    multiplicity_input: bool = False

    def __post_init__(self) -> None:
        rung = Rung.parse(self.rung)
        if self.response not in ("direct", "mutual"):
            raise ValueError(f"response is {self.response!r}; 'direct' and 'mutual' are accepted")
        if rung.electronegativity and self.charges == "flow":
            raise ValueError(f"charges is 'flow'; 'local' is accepted with rung {self.rung!r}")
        if self.charges not in ("local", "flow"):
            raise ValueError(f"charges is {self.charges!r}; 'local' and 'flow' are accepted")
        if self.rounds and not rung.charges:
            raise ValueError(
                f"rounds is {self.rounds}; 0 is accepted with rung {self.rung!r}, which makes no potential"
            )
        if self.charges == "flow" and not rung.charges:
            raise ValueError(f"charges is 'flow'; rung {self.rung!r} has no charges that could flow")
        if self.formal_charges and self.charges != "flow":
            raise ValueError("formal_charges is given; it needs charges: flow")
        formal = {int(z): float(value) for z, value in self.formal_charges.items()}
        object.__setattr__(self, "formal_charges", formal)
        for name, low, high in (
            ("layers", 1, 3),
            ("l_max", 1, 2),
            ("l_message", 0, 1),
            ("correlation", 1, 4),
            ("rounds", 0, 4),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}; integers from {low} to {high} are accepted")
        for name in ("channels", "message_channels", "n_radial", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; a positive integer is accepted")
        if self.density_limit is not None and not self.density_limit > 0:
            raise ValueError(f"density_limit is {self.density_limit}; a positive number or nothing is accepted")
        if not self.cutoff > 0:
            raise ValueError(f"cutoff is {self.cutoff}; a positive length in A is accepted")
        if self.polarizability not in ("scalar", "tensor"):
            raise ValueError(f"polarizability is {self.polarizability!r}; 'scalar' and 'tensor' are accepted")
        needs_l2 = rung.quadrupoles or (rung.polarizability and self.polarizability == "tensor")
        if needs_l2 and self.l_max < 2:
            raise ValueError("l_max is 1; quadrupoles and a tensor polarizability need 2")
        if self.l_message > self.l_max:
            raise ValueError(f"l_message is {self.l_message}; at most l_max = {self.l_max} is accepted")

    @property
    def mutual(self) -> bool:
        """Whether induced moments feel each other."""
        return self.response == "mutual" or Rung.parse(self.rung).electronegativity

    @property
    def has_flows(self) -> bool:
        """Whether pairs of neighbours exchange charge, permanently or in response to potentials."""
        return self.charges == "flow" or Rung.parse(self.rung).conductance


@dataclass(frozen=True, kw_only=True)
class NetworkConfig(NetworkSettings):
    """Everything that defines a `PolarMPNet` besides its weights.

    Attributes
    ----------
    species : tuple of int
        Atomic numbers that the network knows.
    average_neighbors : float
        Typical number of neighbours; only scales the untrained network.
    energy_scale, energy_shift : dict
        eV per atomic number: spread and mean of an atom's energy, from the data. Missing ones are 1 and 0.
    """

    architecture: ClassVar[str] = "PolarMPNet"

    species: tuple[int, ...]
    average_neighbors: float = 40.0
    energy_scale: dict[int, float] = field(default_factory=dict)
    energy_shift: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        species = tuple(int(z) for z in self.species)
        if not species or len(set(species)) != len(species) or not all(1 <= z <= 118 for z in species):
            raise ValueError(f"species is {self.species}; different atomic numbers from 1 to 118 are accepted")
        object.__setattr__(self, "species", tuple(sorted(species)))
        missing = sorted(set(species) - set(self.formal_charges))
        if self.formal_charges and missing:
            raise ValueError(f"formal_charges lacks the atomic numbers {missing}; every species needs one")
        for name in ("energy_scale", "energy_shift"):
            table = {int(z): float(value) for z, value in getattr(self, name).items()}
            unknown = sorted(set(table) - set(species))
            if unknown:
                raise ValueError(f"{name} has the atomic numbers {unknown}; only those in species are accepted")
            object.__setattr__(self, name, table)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkConfig:
        """Read what `to_dict` wrote; an unknown entry is an error, not ignored."""
        known = [f.name for f in dataclasses.fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise ValueError(f"network configuration has the unknown entries {unknown}; known are {', '.join(known)}")
        return cls(**values)

    @property
    def native_obstacles(self) -> tuple[str, ...]:
        """What keeps the plugin's own kernels from evaluating the network, as a user reads it; empty if they can."""
        return (f"rounds: {self.rounds}",) if self.rounds else ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = dataclasses.asdict(self)
        values["species"] = list(self.species)
        return values

    def rows(self) -> list[tuple[str, str]]:
        """Names and values of what `polarmp info` prints of the network."""
        inputs = ["positions", "elements"]
        inputs += ["total charge"] if self.total_charge_input else []
        inputs += ["multiplicity"] if self.multiplicity_input else []
        return [
            (
                "network",
                f"{self.architecture}, {self.layers} layers, cutoff {self.cutoff} A, l_max {self.l_max}, "
                f"{self.channels} channels",
            ),
            ("range of an atom", f"{self.layers * self.cutoff} A"),
            ("limit of densities", "none" if self.density_limit is None else f"{self.density_limit:g}"),
            ("inputs", ", ".join(inputs)),
            ("repulsion", "ZBL" if self.zbl else "none"),
        ]
