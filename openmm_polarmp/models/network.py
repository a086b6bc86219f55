"""PolarMPNet: the equivariant network that gives every atom its energy, moments and response coefficients."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import torch

from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.models._angular import SphericalHarmonics, slice_of
from openmm_polarmp.models._constants import ExactConstants
from openmm_polarmp.models._heads import Heads
from openmm_polarmp.models._layers import ChannelMixing, Density, Gate, Message, Products
from openmm_polarmp.models._radial import RadialBasis
from openmm_polarmp.models._rung import Rung
from openmm_polarmp.models.zbl import ZBLRepulsion


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that defines a `PolarMPNet` besides its weights.

    Attributes
    ----------
    species : tuple of int
        Atomic numbers the network knows.
    rung : str
        What it predicts: ``sr``, ``q``, ``qu``, ``quQ``, ``qu+k``, ``qu+a``, ``qu+ka``, ``quQ+ka``.
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
        Radial basis functions.
    hidden, radial_hidden : int
        Width of the heads and of the radial functions of messages.
    correlation : int
        Factors in the products of an atom's density: 2 is three-body, 3 four-body.
    polarizability : str
        ``"scalar"`` or ``"tensor"``.
    average_neighbors : float
        Typical number of neighbours; only scales the untrained network.
    energy_scale, energy_shift : dict
        eV per atomic number: spread and mean of an atom's energy, from the data. Missing ones are 1 and 0.
    zbl : bool
        Add the nuclear repulsion of Ziegler, Biersack and Littmark at distances below the covalent radii's sum.
    total_charge_input, multiplicity_input : bool
        Whether the network sees the structure's charge (e) and spin multiplicity.
    """

    species: tuple[int, ...]
    rung: str = "qu+ka"
    cutoff: float = 4.5
    layers: int = 2
    l_max: int = 2
    l_message: int = 1
    channels: int = 32
    message_channels: int = 16
    n_radial: int = 8
    hidden: int = 64
    radial_hidden: int = 16
    correlation: int = 3
    polarizability: str = "scalar"
    average_neighbors: float = 40.0
    energy_scale: dict[int, float] = field(default_factory=dict)
    energy_shift: dict[int, float] = field(default_factory=dict)
    zbl: bool = False
    total_charge_input: bool = False
    multiplicity_input: bool = False

    def __post_init__(self) -> None:
        species = tuple(int(z) for z in self.species)
        if not species or len(set(species)) != len(species) or not all(1 <= z <= 118 for z in species):
            raise ValueError(f"species must be different atomic numbers from 1 to 118, got {self.species}")
        object.__setattr__(self, "species", tuple(sorted(species)))
        rung = Rung.parse(self.rung)
        for name, low, high in (("layers", 1, 3), ("l_max", 1, 2), ("l_message", 0, 1), ("correlation", 1, 4)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must lie between {low} and {high}, got {value}")
        for name in ("channels", "message_channels", "n_radial", "hidden", "radial_hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.cutoff > 0:
            raise ValueError(f"cutoff must be a positive length in A, got {self.cutoff}")
        if self.polarizability not in ("scalar", "tensor"):
            raise ValueError(f"polarizability must be 'scalar' or 'tensor', got {self.polarizability!r}")
        needs_l2 = rung.quadrupoles or (rung.polarizability and self.polarizability == "tensor")
        if needs_l2 and self.l_max < 2:
            raise ValueError("quadrupoles and a tensor polarizability need l_max = 2, got 1")
        if self.l_message > self.l_max:
            raise ValueError(f"l_message must not exceed l_max = {self.l_max}, got {self.l_message}")
        for name in ("energy_scale", "energy_shift"):
            table = {int(z): float(value) for z, value in getattr(self, name).items()}
            unknown = sorted(set(table) - set(species))
            if unknown:
                raise ValueError(f"{name} has atomic numbers {unknown} that are not in species {self.species}")
            object.__setattr__(self, name, table)

    @classmethod
    def from_dict(cls, values: dict) -> NetworkConfig:
        """Read what `to_dict` wrote; an unknown entry is an error, not ignored."""
        unknown = sorted(set(values) - {f.name for f in dataclasses.fields(cls)})
        if unknown:
            raise ValueError(f"network configuration has unknown entries {unknown}")
        return cls(**values)

    def to_dict(self) -> dict:
        """Plain values for JSON."""
        values = dataclasses.asdict(self)
        values["species"] = list(self.species)
        return values


class PolarMPNet(ExactConstants):
    """Short-range equivariant network of the NequIP and MACE family.

    The neighbours' density of the first layer is expanded in products (body-ordered functions); further layers exchange
    messages. Every atom sees ``layers * cutoff`` far.

    Attributes
    ----------
    cutoff : float
        Range of one layer, A.
    receptive_field : float
        How far an atom's outputs depend on other atoms, A.
    species : tuple of int
        Atomic numbers the network knows.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.rung = Rung.parse(config.rung)
        self.cutoff = float(config.cutoff)
        self.receptive_field = config.layers * self.cutoff
        self.species = config.species
        n_species, c, m = len(config.species), config.channels, config.message_channels

        lookup = torch.full((119,), -1, dtype=torch.long)
        lookup[list(config.species)] = torch.arange(n_species)
        self.register_buffer("_lookup", lookup, persistent=False)
        shift = [config.energy_shift.get(z, 0.0) for z in config.species]
        scale = [config.energy_scale.get(z, 1.0) for z in config.species]
        # Total energies of electronic-structure codes are large: float32 would lose what matters.
        self.constant("energy_shift", torch.tensor(shift, dtype=torch.float64), always_float64=True)
        self.constant("energy_scale", torch.tensor(scale, dtype=torch.float64), always_float64=True)

        self.radial = RadialBasis(self.cutoff, config.n_radial)
        self.harmonics = SphericalHarmonics(config.l_max)
        self.embedding = torch.nn.Embedding(n_species, c)
        extra = int(config.total_charge_input) + int(config.multiplicity_input)
        self.state_embedding = torch.nn.Linear(extra, c, bias=False) if extra else None
        self.density = Density(n_species, config.n_radial, config.l_max, c, config.average_neighbors)
        self.senders, self.messages, self.products = _modules(), _modules(), _modules()
        self.gates, self.skips = _modules(), _modules()
        n_invariants = config.layers * c
        self.heads = Heads(self.rung, config.polarizability, n_species, n_invariants, c, config.hidden)
        l_in = config.l_max
        for layer in range(config.layers):
            last = layer + 1 == config.layers
            l_out = self.heads.l_max if last else max(config.l_message, self.heads.l_max)
            if layer > 0:
                self.senders.append(ChannelMixing(config.l_message, [c] * (config.l_message + 1), m))
                self.messages.append(
                    Message(
                        config.n_radial,
                        config.radial_hidden,
                        config.l_message,
                        config.l_max,
                        m,
                        config.average_neighbors,
                    )
                )
                # The message joins what the atom has: its features and the first layer's density.
                inputs = [m + c + (c if l <= l_in else 0) for l in range(config.l_max + 1)]
                self.skips.append(ChannelMixing(config.l_max, inputs, c))
            self.products.append(Products(config.l_max, l_out, c, config.correlation))
            self.gates.append(Gate(l_out, c))
            l_in = l_out
        self.zbl = ZBLRepulsion(list(config.species)) if config.zbl else None

    def forward(
        self,
        positions: torch.Tensor,
        species: torch.Tensor,
        edge_index: torch.Tensor,
        edge_shifts: torch.Tensor,
        cell: torch.Tensor | None,
        batch: torch.Tensor | None = None,
        total_charge: torch.Tensor | float | None = None,
        multiplicity: torch.Tensor | float | None = None,
    ) -> tuple[torch.Tensor, Multipoles]:
        """Energy per atom and raw multipoles (the total charge is not imposed here).

        Parameters
        ----------
        positions : Tensor [N, 3]
            A, in any floating precision: differences are taken in it, the rest runs in that of the weights.
        species : Tensor [N]
            Atomic numbers.
        edge_index : Tensor [2, E]
            Sender j and receiver i of each directed pair. Pairs beyond the cutoff contribute nothing.
        edge_shifts : Tensor [E, 3]
            Whole cells between them: the displacement is r_j + shift @ cell - r_i.
        cell : Tensor [3, 3] or [B, 3, 3] or None
            Rows are the box vectors, A.
        batch : Tensor [N], optional
            Structure of each atom.
        total_charge, multiplicity : Tensor [B] or float, optional
            Of each structure; needed only by a network that was configured to see them.
        """
        sender, receiver = edge_index[0], edge_index[1]
        vectors = displacements(positions, edge_index, edge_shifts, cell, batch)
        return self._predict(vectors, species, sender, receiver, batch, total_charge, multiplicity)

    def _predict(self, vectors, species, sender, receiver, batch, total_charge, multiplicity):
        kind = self._lookup.index_select(0, species)
        vectors = vectors.to(self.embedding.weight.dtype)
        distances = vectors.square().sum(1).sqrt()
        radial = self.radial(distances)
        harmonics = self.harmonics(vectors / distances[:, None])

        own = self.embedding(kind)
        if self.state_embedding is not None:
            own = own + self._state(total_charge, multiplicity, batch, kind.shape[0])
        density = self.density(radial, harmonics, sender, receiver, kind)
        density = density * (1 + 0.5 * own)
        features = self.gates[0](self.products[0](density) + _scalars_only(own, self.gates[0].l_max))
        invariants = [features[0]]
        for layer in range(1, self.config.layers):
            sent = self.senders[layer - 1](_degrees(features, self.config.l_message))
            message = self.messages[layer - 1](sent, radial, harmonics, sender, receiver)
            own_top = self.gates[layer - 1].l_max
            joined = [
                torch.cat([x[slice_of(l)] for x in (message, density, features)[: 3 if l <= own_top else 2]], dim=2)
                for l in range(self.config.l_max + 1)
            ]
            features = self.gates[layer](self.products[layer](self.skips[layer - 1](joined)))
            invariants.append(features[0])

        out = self.heads(torch.cat(invariants, dim=1), features, kind)
        energy = out.pop("energy").double() * self.energy_scale[kind] + self.energy_shift[kind]
        if self.zbl is not None:
            energy = energy + self.zbl(distances, sender, receiver, kind).double()
        charges = out.pop("charges", None)
        if charges is None:
            charges = distances.new_zeros(kind.shape[0])
        return energy, Multipoles(charges, **out)

    def _state(self, total_charge, multiplicity, batch, n_atoms: int) -> torch.Tensor:
        values = []
        if self.config.total_charge_input:
            values.append(_per_atom("total_charge", total_charge, batch, n_atoms, self.embedding.weight))
        if self.config.multiplicity_input:
            values.append(_per_atom("multiplicity", multiplicity, batch, n_atoms, self.embedding.weight) - 1)
        return self.state_embedding(torch.stack(values, dim=1))


def displacements(positions, edge_index, edge_shifts, cell, batch=None) -> torch.Tensor:
    """Vectors r_j + shift @ cell - r_i of each pair, [E, 3], in the precision of the positions."""
    vectors = positions.index_select(0, edge_index[0]) - positions.index_select(0, edge_index[1])
    if cell is None:
        return vectors
    shifts = edge_shifts.to(positions.dtype)
    cell = cell.to(positions.dtype)
    if cell.dim() == 2:
        return vectors + shifts @ cell
    structure = batch.index_select(0, edge_index[0]) if batch is not None else torch.zeros_like(edge_index[0])
    return vectors + (shifts[:, None, :] @ cell.index_select(0, structure))[:, 0]


def _modules() -> torch.nn.ModuleList:
    return torch.nn.ModuleList()


def _degrees(features: torch.Tensor, l_max: int) -> list[torch.Tensor]:
    """Features of degree 0 ... l_max, one tensor each."""
    return [features[slice_of(l)] for l in range(l_max + 1)]


def _scalars_only(values: torch.Tensor, l_max: int) -> torch.Tensor:
    """Put scalars [N, C] into features of degree 0 ... l_max."""
    return torch.nn.functional.pad(values[None], (0, 0, 0, 0, 0, (l_max + 1) ** 2 - 1))


def _per_atom(name: str, value, batch, n_atoms: int, like: torch.Tensor) -> torch.Tensor:
    if value is None:
        raise ValueError(f"this network was trained with {name} as an input: give {name} (a number per structure)")
    if not isinstance(value, torch.Tensor):
        return like.new_full((n_atoms,), float(value))  # no tensor to send to a GPU, which would wait
    value = value.to(like).reshape(-1)
    if batch is None:
        if value.numel() != 1:
            raise ValueError(f"{name} has {value.numel()} values for one structure: give batch, or one value")
        return value.expand(n_atoms)
    return value.expand(int(batch.max()) + 1)[batch] if value.numel() == 1 else value[batch]
