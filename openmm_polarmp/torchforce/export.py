"""A trained model as a TorchScript module for `openmmtorch.TorchForce`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch

from openmm_polarmp import units
from openmm_polarmp.models import PolarMPModel
from openmm_polarmp.neighbors import directed_pairs
from openmm_polarmp.sources.options import SourceOptions
from openmm_polarmp.sources.script_outputs import TO_OPENMM
from openmm_polarmp.torchforce.tracing import TracedNetwork


class ExportedModel(torch.nn.Module):
    """The module that `export_module` compiles: search for neighbours, traced network, conversion to OpenMM's units.

    The neighbours are searched at each step. Charges are the network's, not yet shifted to ``total_charge``: `PolarMPForce`
    does that.
    """

    def __init__(
        self,
        network: torch.jit.ScriptModule,
        names: list[str],
        species: torch.Tensor,
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
        self.register_buffer("atomic_numbers", species)  # not "species", which a network has
        self.num_particles: int = len(species)
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
        values: list[torch.Tensor] = self.network(self.atomic_numbers, r, index, shifts, cell)
        result: dict[str, torch.Tensor] = {}
        for name, value, factor in zip(self.names, values, self.factors):  # noqa: B905  (TorchScript knows no strict)
            result[name] = (value.sum() if name == "energy" else value) * factor
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

    The traced network is compared with the model on other positions than it was traced with.

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
    options = SourceOptions.of(
        atomic_numbers, total_charge=total_charge, multiplicity=multiplicity, precision=precision
    )
    species = torch.tensor(options.atomic_numbers, dtype=torch.long)
    if len(species) == 0:
        raise ValueError("atomic_numbers is empty: at least one atom is needed")
    traced = TracedNetwork(
        model,
        species,
        total_charge=options.total_charge,
        multiplicity=options.multiplicity,
        precision=precision,
        interaction_energy=interaction_energy,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated in newer versions of torch
        module = torch.jit.script(
            ExportedModel(
                traced.script,
                traced.names,
                species,
                model.cutoff,
                model.sigma / units.ANGSTROM_PER_NM,
                (model.k_max or 0.0) * units.ANGSTROM_PER_NM,
                options.total_charge if model.imposes_total_charge else None,
                (model.receptive_field or 0.0) / units.ANGSTROM_PER_NM,
            )
        )
    return module
