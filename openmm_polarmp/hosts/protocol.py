"""What a short-range network has to offer to carry multipole heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from typing_extensions import Self


class HostResult(NamedTuple):
    """What a host gives every atom.

    Attributes
    ----------
    energies : Tensor [N]
        eV in double precision, without the energies of the single atoms.
    features : list of Tensor [2 l + 1, N, n_l]
        For l = 0, 1, 2 as far as the host has them: scalars, vectors and symmetric traceless tensors that are even, odd and
        even under inversion, with components in e3nn's order.
    """

    energies: torch.Tensor
    features: list[torch.Tensor]


class Host(torch.nn.Module):
    """A short-range equivariant network of someone else, as `HostedNet` uses it.

    A host is a function of the vectors between neighbours and the elements. A subclass builds its network in ``__init__``
    from a configuration of plain values, in float64, calls `adopt` and defines ``forward``.

    Parameters
    ----------
    configuration : dict
        Plain JSON values from which the network, except for its weights, can be built again.
    species : sequence of int
        Atomic numbers that the network knows; the index of an atom's element counts in this order.
    cutoff, receptive_field : float
        Range of one layer, and how far an atom's outputs depend on other atoms, A.
    multiplicities : sequence of int
        Number n_l of the features of each degree l = 0, 1, 2.
    """

    def __init__(
        self,
        configuration: dict[str, Any],
        *,
        species: Sequence[int],
        cutoff: float,
        receptive_field: float,
        multiplicities: Sequence[int],
    ) -> None:
        super().__init__()
        self.configuration = configuration
        self.species = tuple(int(z) for z in species)
        self.cutoff, self.receptive_field = float(cutoff), float(receptive_field)
        self.multiplicities = tuple(int(n) for n in multiplicities)
        self._exact: list[tuple[torch.nn.Module, str, torch.Tensor]] = []

    def forward(self, vectors: torch.Tensor, edge_index: torch.Tensor, kind: torch.Tensor) -> HostResult:
        """Energies and features.

        Parameters
        ----------
        vectors : Tensor [E, 3]
            r_j - r_i of each directed pair, A. Pairs beyond the cutoff contribute nothing.
        edge_index : Tensor [2, E]
            Sender j and receiver i of each pair.
        kind : Tensor [N]
            Index of each atom's element in ``species``.
        """
        raise NotImplementedError

    def with_cuequivariance(self) -> Host:
        """The same host with products by NVIDIA's cuequivariance, in this precision and on this device.

        Raises
        ------
        ValueError
            If the host has none.
        """
        raise ValueError(
            f"tensor_products is 'cuequivariance'; with the host {type(self).__module__.rpartition('.')[2]!r} 'dense' is accepted"
        )

    def adopt(self, network: torch.nn.Module) -> torch.nn.Module:
        """Treat the buffers of a network that was built in float64 as constants, which follow from the configuration.

        They are rounded from float64 for each precision, as those of `ExactConstants`, and are not in the state dictionary.
        """
        for module in network.modules():
            for name, buffer in module.named_buffers(recurse=False):
                module._non_persistent_buffers_set.add(name)
                if buffer.is_floating_point():
                    self._exact.append((module, name, buffer.detach().double().cpu()))
        return network

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        for module, name, exact in self._exact:
            converted = module._buffers[name]
            assert converted is not None
            module._buffers[name] = exact.to(converted.device, converted.dtype)
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Built again: e3nn before 0.5 copies its generated code through TorchScript.
        with torch.random.fork_rng(devices=[]):
            twin = type(self)(self.configuration)  # type: ignore[call-arg]
        memo[id(self)] = twin
        weight = next(self.parameters())
        twin.to(weight.device, weight.dtype)
        twin.load_state_dict(self.state_dict())
        for copied, original in zip(twin.parameters(), self.parameters(), strict=True):
            copied.requires_grad_(original.requires_grad)
        return twin.train(self.training)
