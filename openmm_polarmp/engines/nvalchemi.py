"""A model as a potential of nvalchemi-toolkit, which moves batches of structures in torch."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from openmm_polarmp.engines._evaluation import evaluate, model_on
from openmm_polarmp.models import PolarMPModel

try:
    from nvalchemi.data import AtomicData, Batch
    from nvalchemi.models.base import BaseModelMixin, ModelConfig
except ImportError as error:
    raise ImportError(
        "openmm_polarmp.engines.nvalchemi needs nvalchemi-toolkit, not installed here: pip install 'openmm-polarmp[nvalchemi]'"
    ) from error

if TYPE_CHECKING:
    from torch import Tensor


class NvalchemiModel(torch.nn.Module, BaseModelMixin):
    """Energies, forces, stress and charges of a trained model for nvalchemi's dynamics and pipelines.

    Parameters
    ----------
    model, device, dtype, multiplicity, accuracy, eps_inf
        As in `openmm_polarmp.engines.torchsim.TorchSimModel`.

    Notes
    -----
    The results are ``energy`` [B, 1] in eV (energies of the single atoms included), ``forces`` [N, 3] in eV/A and, if they
    are among the active outputs, ``stress`` [B, 3, 3] in eV/A^3 and ``charges`` [N] in e. The total charges are those of the
    batch (``charge``), by default 0. Neighbours are searched for here: no hook is needed. Forces and stress are computed
    here too, also in a pipeline that differentiates the energies of other models.
    """

    def __init__(
        self,
        model: str | Path | PolarMPModel,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
        multiplicity: float = 1.0,
        accuracy: float | None = None,
        eps_inf: float = 1.0,
    ) -> None:
        super().__init__()
        self.model = model_on(model, device, dtype, accuracy)
        self.multiplicity, self.eps_inf = multiplicity, eps_inf
        self.model_config = ModelConfig(
            outputs=frozenset({"energy", "forces", "stress", "charges"}),
            active_outputs={"energy", "forces"},
            optional_inputs=frozenset({"cell", "pbc", "charge"}),
            supports_pbc=True,
        )

    def forward(self, data: AtomicData | Batch, **_kwargs: Any) -> OrderedDict[str, Tensor | None]:
        """Evaluate structures.

        Parameters
        ----------
        data : AtomicData or Batch
            Of nvalchemi; rows of its cells are the box vectors, A.
        """
        batch = data if isinstance(data, Batch) else Batch.from_data_list([data])
        active = BaseModelMixin.output_data(self)
        positions, count = batch.positions, batch.num_graphs
        pbc = getattr(batch, "pbc", None)
        pbc = torch.zeros(count, 3, dtype=torch.bool, device=positions.device) if pbc is None else pbc
        if bool((pbc.any(1) != pbc.all(1)).any()):
            raise ValueError(f"pbc is {pbc.tolist()}; all three axes or none are accepted for each structure")
        cell, charge = getattr(batch, "cell", None), getattr(batch, "charge", None)
        result = evaluate(
            self.model,
            positions.double(),
            batch.atomic_numbers.long(),
            None if cell is None else cell.double(),
            batch.batch_idx.long(),
            pbc=pbc.all(1),
            forces="forces" in active,
            stress="stress" in active,
            total_charge=positions.new_zeros(count).double() if charge is None else charge[:, 0].double(),
            multiplicity=torch.full((count,), self.multiplicity, dtype=torch.float64, device=positions.device),
            eps_inf=self.eps_inf,
        )
        values = {
            "energy": result.energy[:, None],
            "forces": result.forces,
            "stress": result.stress,
            "charges": result.charges,
        }
        return OrderedDict(
            (name, value.to(positions.dtype))
            for name, value in values.items()
            if name in active | {"energy"} and value is not None
        )

    def direct_derivative_keys(self) -> set[str]:
        """Outputs that a pipeline must not take from derivatives of its own."""
        return {"forces", "stress"}

    @property
    def embedding_shapes(self) -> dict[str, tuple[int, ...]]:
        """Empty: there are no embeddings."""
        return {}

    def compute_embeddings(self, data: AtomicData | Batch, **_kwargs: Any) -> AtomicData | Batch:
        """Not available."""
        raise NotImplementedError("NvalchemiModel has no embeddings")
