"""`TorchScriptSource`: the moments of `PolarMPForce` from a TorchScript module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from openmm_polarmp import units
from openmm_polarmp.models import with_total_charge
from openmm_polarmp.models.model import NetworkResult
from openmm_polarmp.sources.buffers import not_finite, write_forces, write_moments
from openmm_polarmp.sources.protocol import Buffers, MomentFlags
from openmm_polarmp.sources.script_outputs import read_outputs
from openmm_polarmp.sources.settings import ModelSettings

TRIAL_SPACING = 3.0  # A, of the lattice of atoms for which a module is evaluated to see what it returns


class TorchScriptSource(MomentFlags):
    """A TorchScript module with the convention of `openmm_polarmp.torchforce`.

    Attributes of the module that are used if it has them: ``num_particles`` (int), ``sigma`` (nm, width of the pair
    kernel), ``k_max`` (1/nm, 0: none), ``total_charge`` (e; the charges are shifted to this sum, unless it is None),
    ``reach`` (nm, the largest distance at which moments of an atom depend on another; 0: not known).

    Parameters
    ----------
    module : torch.jit.ScriptModule
    num_particles : int, optional
        Number of atoms, for a module that does not say.
    """

    evaluator = "torch"
    # openmm-torch works on the Reference and CPU platforms; on others the moments go through the host's memory.
    supports_cuda = False

    def __init__(self, module: torch.jit.ScriptModule, num_particles: int | None = None) -> None:
        if not isinstance(module, torch.jit.ScriptModule):
            raise TypeError(f"module must be a torch.jit.ScriptModule, got {type(module).__name__}")
        of_module = getattr(module, "num_particles", None)
        if of_module is not None and num_particles is not None and of_module != num_particles:
            raise ValueError(f"num_particles is {num_particles}, but the module was made for {of_module}")
        count = num_particles if of_module is None else of_module
        if count is None:
            raise TypeError(
                "num_particles is missing: the number of atoms, which the module has no attribute num_particles for"
            )
        self.module = module
        self.num_particles = int(count)
        self._schema: Any = module.forward.schema  # type: ignore[attr-defined]
        self.takes_box = len(self._schema.arguments) > 2
        sigma, k_max = getattr(module, "sigma", None), getattr(module, "k_max", 0.0)
        self.settings = ModelSettings(
            None if sigma is None else float(sigma) * units.ANGSTROM_PER_NM,  # A
            float(k_max) / units.ANGSTROM_PER_NM or None,  # 1/A
        )
        self.total_charge = getattr(module, "total_charge", None)  # e
        self.reach = float(getattr(module, "reach", 0.0)) * units.ANGSTROM_PER_NM or None  # A
        self.moments = self._returned_moments()

    def bind(self, buffers: Buffers) -> ScriptEvaluation:
        """Attach the memory of one Context; see `openmm_polarmp.sources.network.TorchSource.bind`."""
        n_atoms = buffers.positions.shape[0]
        if n_atoms != self.num_particles:
            raise ValueError(f"buffers hold {n_atoms} particles, but the module was made for {self.num_particles}")
        if buffers.periodic and not self.takes_box:
            raise ValueError(
                "the module's forward takes positions only: in a periodic box it needs (positions, boxvectors)"
            )
        return ScriptEvaluation(self, buffers)

    def evaluate(self, positions: torch.Tensor, cell: torch.Tensor | None) -> NetworkResult:
        """Energy and multipoles, their total charge imposed, in the model's units; positions and cell in A."""
        lengths = [positions] if cell is None else [positions, cell]
        energy, raw = read_outputs(self.module(*(x * units.LENGTH_TO_OPENMM for x in lengths)), self.num_particles)
        multipoles = raw if self.total_charge is None else with_total_charge(raw, self.total_charge)
        return NetworkResult(energy, multipoles, raw.charges)

    def _returned_moments(self) -> tuple[str, ...]:
        """Names of the moments in what the module returns for atoms on a lattice."""
        side = max(1, round(self.num_particles ** (1 / 3) + 0.5))
        steps = torch.arange(side, dtype=torch.float64)
        lattice = TRIAL_SPACING * torch.cartesian_prod(steps, steps, steps)[: self.num_particles]
        box = torch.eye(3, dtype=torch.float64) * max(TRIAL_SPACING * side, 20.0)
        required = [a for a in self._schema.arguments[1:] if not a.has_default_value()]
        with torch.no_grad():
            result = self.evaluate(lattice, box if len(required) > 1 else None)
        return tuple(name for name, _ in result.multipoles.members())


class ScriptEvaluation:
    """One Context's use of a `TorchScriptSource`."""

    stream = 0  # works in host memory

    def __init__(self, source: TorchScriptSource, buffers: Buffers) -> None:
        self._source, self._buffers = source, buffers
        self._state: tuple[torch.Tensor, NetworkResult] | None = None

    def forward(self, include_gradients: bool) -> None:
        """Positions and box in ``buffers`` -> energy and moments there."""
        buffers = self._buffers
        self._state = None
        positions = buffers.positions.detach().double().clone()
        if not torch.isfinite(positions).all():
            raise not_finite(buffers, positions)
        positions.requires_grad_(include_gradients)
        with torch.set_grad_enabled(include_gradients):
            result = self._source.evaluate(positions, buffers.cell.double() if buffers.periodic else None)
        write_moments(buffers, result)
        if include_gradients:
            self._state = positions, result

    def backward(self, field: Sequence[float]) -> None:
        """Derivatives by the moments in ``buffers`` -> forces there; ``field`` is the latent external one in V/A."""
        if self._state is None:
            raise RuntimeError("backward() needs a forward(True) before it, once each")
        (positions, result), self._state = self._state, None
        source = self._source
        write_forces(
            self._buffers, positions, result, field, reach=source.reach, projected=source.total_charge is not None
        )
