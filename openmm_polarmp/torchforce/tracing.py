"""Networks as TorchScript: traced with one structure, compared with the network on others."""

from __future__ import annotations

import copy
import warnings

import torch

from openmm_polarmp.models import PolarMPModel, PolarMPNet
from openmm_polarmp.moments import CHARGES
from openmm_polarmp.neighbors import directed_pairs
from openmm_polarmp.sources.network import DTYPES
from openmm_polarmp.sources.protocol import check_no_flows

AGREEMENT = {"single": 1e-4, "double": 1e-9}  # largest relative difference of forces that a good trace may have


class TracedNetwork:
    """The network of a model, evaluated without Python.

    Parameters
    ----------
    model : PolarMPModel
        With a `PolarMPNet` as its network, and the direct response.
    species : Tensor [N]
        Atomic numbers for the tracing and the comparison; others may be given later.
    total_charge, multiplicity, precision, interaction_energy
        As in `PolarMPForce`.

    Attributes
    ----------
    script : torch.jit.ScriptModule
        ``script(species, positions, edge_index, edge_shifts, cell)`` returns tensors, the energy [N] in eV and the moments
        in the model's units. Charges are not yet shifted to the total charge.
    names : list of str
        Names of these tensors.

    Raises
    ------
    ValueError
        For another network or response.
    RuntimeError
        If trace and network do not agree.
    """

    def __init__(
        self,
        model: PolarMPModel,
        species: torch.Tensor,
        *,
        total_charge: float,
        multiplicity: float,
        precision: str,
        interaction_energy: bool = False,
    ) -> None:
        if not isinstance(model.network, PolarMPNet):
            raise ValueError(
                f"the model has a {type(model.network).__name__}; only a PolarMPNet can be exported. In OpenMM use the model file "
                "itself: PolarMPForce(path)"
            )
        check_no_flows(model.network.config.has_flows)
        if model.equilibrates_charges or model.network.config.mutual or model.network.config.rounds:
            raise ValueError(
                "the response of this model is self-consistent (response: mutual, rounds, or rung qeq), which a TorchScript "
                "module cannot evaluate"
            )
        model.check_species(species)
        network = copy.deepcopy(model.network).to("cpu", DTYPES[precision]).eval().requires_grad_(False)
        if interaction_energy:
            network.energy_shift.zero_()
        plain = _PlainNetwork(network, total_charge, multiplicity)
        self.names = plain.names
        with warnings.catch_warnings():
            # TorchScript is deprecated in newer versions of torch, and the tracer warns where shapes become numbers; the
            # comparison below is what counts.
            warnings.simplefilter("ignore")
            self.script = torch.jit.trace(plain, _sample(species, model.cutoff, seed=0), check_trace=False)
        for seed in (1, 2):
            # Other positions, another box, another number of neighbours and of atoms.
            chosen = species if seed == 1 else torch.cat([species, species[:1]])
            _compare(plain, self.script, _sample(chosen, (0.9 + 0.1 * seed) * model.cutoff, seed), AGREEMENT[precision])


class _PlainNetwork(torch.nn.Module):
    """The network with tensors as its only arguments and results."""

    def __init__(self, network: PolarMPNet, total_charge: float, multiplicity: float) -> None:
        super().__init__()
        self.network, self.total_charge, self.multiplicity = network, total_charge, multiplicity
        # Charges are there for every rung.
        self.names = ["energy", CHARGES.name, *(name for name in network.rung.moments if name != CHARGES.name)]

    def forward(
        self,
        species: torch.Tensor,
        positions: torch.Tensor,
        edge_index: torch.Tensor,
        edge_shifts: torch.Tensor,
        cell: torch.Tensor | None,
    ) -> list[torch.Tensor]:
        energies, multipoles = self.network(
            positions, species, edge_index, edge_shifts, cell, None, self.total_charge, self.multiplicity
        )
        return [energies, *(value for _, value in multipoles.members())]


def _sample(species: torch.Tensor, cutoff: float, seed: int) -> tuple[torch.Tensor, ...]:
    """Atoms in a random box of a liquid's density, with their neighbours."""
    n_atoms = len(species)
    generator = torch.Generator().manual_seed(seed)
    side = max(round((10.0 * n_atoms) ** (1 / 3), 3), 0.7 * cutoff)
    cell = side * (torch.eye(3, dtype=torch.float64) + 0.1 * torch.tril(torch.rand(3, 3, generator=generator), -1))
    positions = torch.rand(n_atoms, 3, generator=generator, dtype=torch.float64) @ cell
    return species, positions, *directed_pairs(positions, cutoff, cell), cell


def _compare(
    plain: _PlainNetwork, script: torch.jit.ScriptModule, sample: tuple[torch.Tensor, ...], tolerance: float
) -> None:
    """Values and derivatives of network and trace."""
    species, positions, *rest = sample
    results = []
    for evaluate in (plain, script, script):  # TorchScript optimizes after its first call
        leaf = positions.clone().requires_grad_()
        values = evaluate(species, leaf, *rest)
        weights = [torch.linspace(0.5, 1.5, v.numel()).reshape(v.shape).to(v) for v in values]
        scalar = sum((v * w).sum().double() for v, w in zip(values, weights, strict=True))
        results.append([*values, *torch.autograd.grad(scalar, leaf)])
    for other in results[1:]:
        for name, a, b in zip([*plain.names, "forces"], results[0], other, strict=True):
            error = (a - b).abs().max() / a.abs().max().clamp(min=1e-6)
            if not error < tolerance:
                raise RuntimeError(f"the exported module disagrees with the model: {name} by {float(error):.1e}")
