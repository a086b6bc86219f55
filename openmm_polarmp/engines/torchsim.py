"""A model as a potential of TorchSim, which moves batches of structures in torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from openmm_polarmp._torch import checked_device
from openmm_polarmp.engines._evaluation import evaluate, model_on
from openmm_polarmp.models import PolarMPModel

try:
    from torch_sim.models.interface import ModelInterface
    from torch_sim.state import SimState
except ImportError as error:
    raise ImportError(
        "openmm_polarmp.engines.torchsim needs torch_sim, not installed here: pip install 'openmm-polarmp[torchsim]'"
    ) from error


class TorchSimModel(ModelInterface):
    """Energies, forces, stress and moments of a trained model for TorchSim's integrators and optimizers.

    Parameters
    ----------
    model : str, path or PolarMPModel
        A model file, the name of a shipped model, or a model, which is copied.
    device : torch.device or str
        Where the model is evaluated, and where the states have to be.
    dtype : torch.dtype
        ``torch.float64`` (default) or ``torch.float32``: of the weights and the results. Positions are taken to float64
        in both, so that sums are in double precision.
    compute_forces, compute_stress : bool
        Whether forces and stress are computed.
    total_charge : float
        Total charge of every structure, e; states with an entry ``total_charge`` (TorchSim 0.6) have their own.
    multiplicity : float
        Spin multiplicity, for a model that sees it.
    accuracy : float, optional
        Force error of the electrostatics in boxes over the rms force; by default that of the model.
    eps_inf : float
        High-frequency dielectric constant, contained in charges and dipoles (theory.md section 6).

    Notes
    -----
    The results are ``energy`` [B] in eV (energies of the single atoms included), ``forces`` [N, 3] in eV/A, ``stress``
    [B, 3, 3] in eV/A^3 (zeros for clusters), ``partial_charges`` [N] in e and ``atomic_dipoles`` [N, 3] in e A. Structures
    are periodic along all axes or along none.
    """

    def __init__(
        self,
        model: str | Path | PolarMPModel,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
        compute_forces: bool = True,
        compute_stress: bool = True,
        total_charge: float = 0.0,
        multiplicity: float = 1.0,
        accuracy: float | None = None,
        eps_inf: float = 1.0,
    ) -> None:
        super().__init__()
        self._device, self._dtype = checked_device(device), dtype
        self._compute_forces, self._compute_stress = compute_forces, compute_stress
        self._memory_scales_with = "n_atoms_x_density"
        self.model = model_on(model, device, dtype, accuracy)
        self.total_charge, self.multiplicity, self.eps_inf = total_charge, multiplicity, eps_inf

    @property
    def compute_forces(self) -> bool:
        """Whether forces are computed."""
        return self._compute_forces

    @compute_forces.setter
    def compute_forces(self, value: bool) -> None:
        self._compute_forces = value

    @property
    def compute_stress(self) -> bool:
        """Whether the stress is computed."""
        return self._compute_stress

    @compute_stress.setter
    def compute_stress(self, value: bool) -> None:
        self._compute_stress = value

    def forward(self, state: SimState, **_kwargs: Any) -> dict[str, Tensor]:
        """Evaluate a state of one or several structures.

        Parameters
        ----------
        state : SimState
            Of TorchSim; its cells have the box vectors as columns.
        """
        pbc = torch.as_tensor(state.pbc)
        if bool(pbc.any()) and not bool(pbc.all()):
            raise ValueError(f"pbc is {pbc.tolist()}; all three axes or none are accepted")
        n_structures = len(state.cell)
        charge = getattr(state, "total_charge", None)
        charge = self.total_charge if charge is None else charge
        result = evaluate(
            self.model,
            state.positions.double(),
            state.atomic_numbers.long(),
            state.cell.double().transpose(1, 2),
            state.system_idx,
            pbc=bool(pbc.all()),
            forces=self._compute_forces,
            stress=self._compute_stress,
            total_charge=torch.as_tensor(charge, dtype=torch.float64, device=self._device).expand(n_structures),
            multiplicity=torch.full((n_structures,), self.multiplicity, dtype=torch.float64, device=self._device),
            eps_inf=self.eps_inf,
        )
        results = {
            "energy": result.energy,
            "forces": result.forces,
            "stress": result.stress,
            "partial_charges": result.charges,
            "atomic_dipoles": result.dipoles,
        }
        return {name: value.to(self._dtype) for name, value in results.items() if value is not None}
