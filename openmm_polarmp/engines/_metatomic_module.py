"""The module that metatomic compiles by TorchScript and engines evaluate."""

# ruff: noqa: UP006, UP035, UP045  (metatomic compares annotations with those of typing)
from typing import Dict, List, Optional

import torch
from metatensor.torch import Labels, TensorBlock, TensorMap
from metatomic.torch import ModelOutput, NeighborListOptions, System

from openmm_polarmp.electrostatics.scripted import ScriptedElectrostatics
from openmm_polarmp.models import PolarMPModel
from openmm_polarmp.torchforce import TracedNetwork


class Potential(torch.nn.Module):
    """The energy of a list of systems, in the interface of metatomic."""

    def __init__(
        self, model: PolarMPModel, total_charge: float, multiplicity: float, precision: str, accuracy: float
    ) -> None:
        super().__init__()
        species = torch.tensor(model.species, dtype=torch.long)
        traced = TracedNetwork(
            model,
            species.repeat(12)[: max(12, len(species))],
            total_charge=total_charge,
            multiplicity=multiplicity,
            precision=precision,
        )
        self.network = traced.script
        self.names: List[str] = traced.names
        self.pairs_within_cutoff = NeighborListOptions(cutoff=model.cutoff, full_list=True, strict=True)
        self.electrostatic: bool = model.has_electrostatics
        self.imposes_total_charge: bool = model.imposes_total_charge
        self.total_charge: float = float(total_charge)
        response = "softness" in traced.names or "polarizability" in traced.names
        self.electrostatics = ScriptedElectrostatics(
            model.sigma, accuracy, model.k_max, quadrupoles="quadrupoles" in traced.names, response=response
        )

    def requested_neighbor_lists(self) -> List[NeighborListOptions]:
        """What an engine has to search for."""
        return [self.pairs_within_cutoff]

    def forward(
        self, systems: List[System], outputs: Dict[str, ModelOutput], selected_atoms: Optional[Labels] = None
    ) -> Dict[str, TensorMap]:
        """Energies of the systems, eV (called by metatomic)."""
        results: Dict[str, TensorMap] = {}
        if "energy" not in outputs:
            return results
        if outputs["energy"].sample_kind == "atom":
            raise ValueError("energy is asked for each atom; that of whole systems is accepted")
        energies: List[torch.Tensor] = []
        n_atoms = 0
        for system in systems:
            energies.append(self.energy(system))
            n_atoms += len(system)
        if selected_atoms is not None and len(selected_atoms) != n_atoms:
            raise ValueError("selected_atoms is a part of the atoms; all atoms are accepted (a single MPI rank)")
        device = systems[0].positions.device
        block = TensorBlock(
            values=torch.stack(energies).reshape(-1, 1),
            samples=Labels(["system"], torch.arange(len(systems), dtype=torch.int32, device=device).reshape(-1, 1)),
            components=torch.jit.annotate(List[Labels], []),
            properties=Labels(["energy"], torch.zeros(1, 1, dtype=torch.int32, device=device)),
        )
        keys = Labels(["_"], torch.zeros(1, 1, dtype=torch.int32, device=device))
        results["energy"] = TensorMap(keys=keys, blocks=[block])
        return results

    def energy(self, system: System) -> torch.Tensor:
        """Of one system, eV."""
        pbc = system.pbc
        periodic = bool(pbc.all())
        if bool(pbc.any()) and not periodic:
            raise ValueError("pbc is true along some axes only; all three axes or none are accepted")
        pairs = system.get_neighbor_list(self.pairs_within_cutoff)
        columns = pairs.samples.values
        index = torch.stack([columns[:, 1], columns[:, 0]]).to(torch.int64)  # senders, receivers
        cell = system.cell if periodic else torch.eye(3, dtype=system.cell.dtype, device=system.cell.device)
        shifts = columns[:, 2:5].to(torch.float64)
        values: List[torch.Tensor] = self.network(system.types.to(torch.int64), system.positions, index, shifts, cell)
        energy = values[0].sum()
        if not self.electrostatic:
            return energy
        moments: Dict[str, torch.Tensor] = {}
        for name, value in zip(self.names, values):  # noqa: B905  (TorchScript knows no strict)
            moments[name] = value.to(torch.float64)
        if self.imposes_total_charge:
            charges = moments["charges"]
            moments["charges"] = charges - (charges.sum() - self.total_charge) / charges.shape[0]
        return energy + self.electrostatics(system.positions, cell, periodic, moments)
