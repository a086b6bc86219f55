"""A trained model as a TorchScript module for `openmmtorch.TorchForce`."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence

import torch

from openmm_polarmp import units
from openmm_polarmp.models import PolarMPModel, PolarMPNet
from openmm_polarmp.moments import CHARGES
from openmm_polarmp.neighbors import directed_pairs
from openmm_polarmp.sources.network import DTYPES
from openmm_polarmp.sources.options import SourceOptions
from openmm_polarmp.sources.protocol import check_no_flows
from openmm_polarmp.sources.script_outputs import TO_OPENMM

AGREEMENT = {"single": 1e-4, "double": 1e-9}  # largest relative difference of forces that a good export may have


class ExportedModel(torch.nn.Module):
    """The module that `export_module` compiles: search for neighbours, traced network, conversion to OpenMM's units.

    The neighbours are searched at each step. Charges are the network's, not yet shifted to ``total_charge``: `PolarMPForce`
    does that.
    """

    def __init__(
        self,
        network: torch.jit.ScriptModule,
        names: list[str],
        num_particles: int,
        cutoff: float,
        sigma: float,
        k_max: float,
        total_charge: float | None,
        reach: float,
    ) -> None:
        super().__init__()
        self.network = network
        self.names: list[str] = names
        self.factors: list[float] = [TO_OPENMM[name] for name in names]
        self.num_particles: int = num_particles
        self.cutoff: float = cutoff  # A
        self.sigma: float = sigma  # nm
        self.k_max: float = k_max  # 1/nm, 0: none
        self.total_charge: float | None = total_charge  # e
        self.reach: float = reach  # nm, 0: not known
        self.angstrom_per_nm: float = units.ANGSTROM_PER_NM

    def forward(self, positions: torch.Tensor, boxvectors: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        """Energy and moments in OpenMM's units.

        Parameters
        ----------
        positions : Tensor [N, 3]
            nm.
        boxvectors : Tensor [3, 3], optional
            nm; without it the atoms are a cluster.
        """
        r = positions.double() * self.angstrom_per_nm
        if r.shape[0] != self.num_particles:
            raise ValueError("positions: the module was made for another number of atoms")
        cell = torch.eye(3, dtype=torch.float64, device=r.device)
        box: torch.Tensor | None = None
        if boxvectors is not None:
            cell = boxvectors.double() * self.angstrom_per_nm
            box = cell
        index, shifts = directed_pairs(r.detach(), self.cutoff, box)
        values: list[torch.Tensor] = self.network(r, index, shifts, cell)
        result: dict[str, torch.Tensor] = {}
        for name, value, factor in zip(self.names, values, self.factors):  # noqa: B905  (TorchScript knows no strict)
            result[name] = value * factor
        return result


def export_module(
    model: PolarMPModel,
    atomic_numbers: Sequence[int],
    *,
    total_charge: float = 0.0,
    multiplicity: int = 1,
    precision: str = "single",
    interaction_energy: bool = False,
) -> torch.jit.ScriptModule:
    """Compile a model for one system; save it with ``torch.jit.save`` or ``.save(path)``.

    The module is compared with the model on other positions than it was traced with before it is returned.

    Parameters
    ----------
    model : PolarMPModel
        With a `PolarMPNet` as its network.
    atomic_numbers : sequence of int
        Of all atoms, in order.
    total_charge, multiplicity, precision, interaction_energy
        As in `PolarMPForce`.

    Raises
    ------
    ValueError
        For another network.
    RuntimeError
        If module and model do not agree.
    """
    if not isinstance(model.network, PolarMPNet):
        raise ValueError(
            f"the model has a {type(model.network).__name__}; only a PolarMPNet can be exported. In OpenMM use the model file "
            "itself: PolarMPForce(path)"
        )
    check_no_flows(model.network.config.has_flows)
    if model.equilibrates_charges or model.network.config.mutual:
        raise ValueError(
            "the response of this model is self-consistent (response: mutual, or rung qeq), which a TorchForce cannot evaluate"
        )
    options = SourceOptions.of(
        atomic_numbers, total_charge=total_charge, multiplicity=multiplicity, precision=precision
    )
    species = torch.tensor(options.atomic_numbers, dtype=torch.long)
    if len(species) == 0:
        raise ValueError("atomic_numbers is empty: at least one atom is needed")
    model.check_species(species)
    network = copy.deepcopy(model.network).to("cpu", DTYPES[precision]).eval().requires_grad_(False)
    if interaction_energy:
        network.energy_shift.zero_()
    bare = _Bare(network, species, options.total_charge, options.multiplicity)
    with warnings.catch_warnings():
        # TorchScript is deprecated in newer versions of torch, and the tracer warns where shapes become numbers; the
        # comparison below is what counts.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(bare, _sample(len(species), model.cutoff, seed=0), check_trace=False)
        module = torch.jit.script(
            ExportedModel(
                traced,
                bare.names,
                len(species),
                model.cutoff,
                model.sigma / units.ANGSTROM_PER_NM,
                (model.k_max or 0.0) * units.ANGSTROM_PER_NM,
                options.total_charge if model.imposes_total_charge else None,
                (model.receptive_field or 0.0) / units.ANGSTROM_PER_NM,
            )
        )
    _compare(bare, traced, model.cutoff, AGREEMENT[precision])
    return module


class _Bare(torch.nn.Module):
    """The network with everything but the geometry filled in."""

    species: torch.Tensor

    def __init__(self, network: PolarMPNet, species: torch.Tensor, total_charge: float, multiplicity: int) -> None:
        super().__init__()
        self.network, self.total_charge, self.multiplicity = network, total_charge, multiplicity
        self.register_buffer("species", species)
        # Charges are there for every rung.
        self.names = ["energy", CHARGES.name, *(name for name in network.rung.moments if name != CHARGES.name)]

    def forward(
        self,
        positions: torch.Tensor,
        edge_index: torch.Tensor,
        edge_shifts: torch.Tensor,
        cell: torch.Tensor | None,
    ) -> list[torch.Tensor]:
        energies, multipoles = self.network(
            positions, self.species, edge_index, edge_shifts, cell, None, self.total_charge, self.multiplicity
        )
        return [energies.sum(), *(value for _, value in multipoles.members())]


def _sample(n_atoms: int, cutoff: float, seed: int) -> tuple[torch.Tensor, ...]:
    """Atoms in a random box of a liquid's density, with their neighbours."""
    generator = torch.Generator().manual_seed(seed)
    side = max(round((10.0 * n_atoms) ** (1 / 3), 3), 0.7 * cutoff)
    cell = side * (torch.eye(3, dtype=torch.float64) + 0.1 * torch.tril(torch.rand(3, 3, generator=generator), -1))
    positions = torch.rand(n_atoms, 3, generator=generator, dtype=torch.float64) @ cell
    return positions, *directed_pairs(positions, cutoff, cell), cell


def _compare(bare: _Bare, traced: torch.jit.ScriptModule, cutoff: float, tolerance: float) -> None:
    """Values and derivatives with other positions, another box and another number of neighbours."""
    for seed in (1, 2):
        positions, index, shifts, cell = _sample(len(bare.species), (0.9 + 0.1 * seed) * cutoff, seed)
        results = []
        for evaluate in (bare, traced, traced):  # TorchScript optimizes after its first call
            leaf = positions.clone().requires_grad_()
            values = evaluate(leaf, index, shifts, cell)
            weights = [torch.linspace(0.5, 1.5, v.numel()).reshape(v.shape).to(v) for v in values]
            scalar = sum((v * w).sum().double() for v, w in zip(values, weights, strict=True))
            results.append([*values, *torch.autograd.grad(scalar, leaf)])
        for other in results[1:]:
            for name, a, b in zip([*bare.names, "forces"], results[0], other, strict=True):
                error = (a - b).abs().max() / a.abs().max().clamp(min=1e-6)
                if not error < tolerance:
                    raise RuntimeError(f"the exported module disagrees with the model: {name} by {float(error):.1e}")
