"""`TorchScriptSource`: the moments of `PolarMPForce` from a TorchScript module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.models import project_total_charge
from openmm_polarmp.sources.buffers import MomentNames, not_finite, write_forces, write_moments
from openmm_polarmp.torchforce.outputs import read_outputs

TRIAL_SPACING = 3.0  # A, between the atoms of the lattice on which a module is asked what it returns


class TorchScriptSource(MomentNames):
    """A TorchScript module with the convention of `openmm_polarmp.torchforce`.

    Attributes of the module that are used where they exist: ``num_particles`` (int), ``sigma`` (nm, width of the pair
    kernel), ``k_max`` (1/nm, 0: none), ``total_charge`` (e, or None: the charges are shifted to this sum), ``reach`` (nm,
    how far the moments of an atom depend on others; 0: not known).

    Parameters
    ----------
    module : torch.jit.ScriptModule
    num_particles : int, optional
        Number of atoms, for a module that does not say.
    """

    evaluator = "torch"
    supports_cuda = (
        False  # openmm-torch works on the Reference and CPU platforms; others hand their moments over the host
    )

    def __init__(self, module: torch.jit.ScriptModule, num_particles: int | None = None) -> None:
        if not isinstance(module, torch.jit.ScriptModule):
            raise TypeError(f"module must be a torch.jit.ScriptModule, got {type(module).__name__}")
        own = getattr(module, "num_particles", None)
        if own is not None and num_particles is not None and own != num_particles:
            raise ValueError(f"num_particles is {num_particles}, but the module was made for {own}")
        if own is None and num_particles is None:
            raise TypeError(
                "num_particles is missing: the module has no attribute num_particles that says for how many"
            )
        self.module = module
        self.num_particles = int(num_particles if own is None else own)
        self.takes_box = len(module.forward.schema.arguments) > 2
        sigma, k_max = getattr(module, "sigma", None), getattr(module, "k_max", 0.0)
        self.sigma = None if sigma is None else 10 * float(sigma)  # A
        self.k_max = float(k_max) / 10 or None  # 1/A
        self.total_charge = getattr(module, "total_charge", None)
        self.reach = 10 * float(getattr(module, "reach", 0.0)) or None
        self._has = self._find_moments()

    def bind(self, buffers: Any) -> Evaluation:
        """Attach the memory of one Context; see `openmm_polarmp.sources.network.TorchSource.bind`."""
        n_atoms = buffers.positions.shape[0]
        if n_atoms != self.num_particles:
            raise ValueError(f"buffers hold {n_atoms} particles, but the module was made for {self.num_particles}")
        if buffers.periodic and not self.takes_box:
            raise ValueError(
                "the module's forward takes positions only: in a periodic box it needs (positions, boxvectors)"
            )
        return Evaluation(self, buffers)

    def evaluate(self, positions: torch.Tensor, cell: torch.Tensor | None) -> tuple[torch.Tensor, Multipoles]:
        """Energy (eV) and multipoles (model units, charges as they come) at positions in A."""
        if cell is None:
            result = self.module(positions / 10)
        else:
            result = self.module(positions / 10, cell / 10)
        return read_outputs(result, self.num_particles)

    def _find_moments(self) -> set[str]:
        """Names of the moments that come out, for atoms on a lattice."""
        side = max(1, round(self.num_particles ** (1 / 3) + 0.5))
        steps = torch.arange(side, dtype=torch.float64)
        lattice = TRIAL_SPACING * torch.cartesian_prod(steps, steps, steps)[: self.num_particles]
        box = torch.eye(3, dtype=torch.float64) * max(TRIAL_SPACING * side, 20.0)
        required = [a for a in self.module.forward.schema.arguments[1:] if not a.has_default_value()]
        with torch.no_grad():
            _, multipoles = self.evaluate(lattice, box if len(required) > 1 else None)
        return {name for name, _ in multipoles.members()}


class Evaluation:
    """One Context's use of a `TorchScriptSource`."""

    stream = 0  # works in host memory

    def __init__(self, source: TorchScriptSource, buffers: Any) -> None:
        self._source, self._buffers = source, buffers
        self._state: tuple[torch.Tensor, torch.Tensor, torch.Tensor, Multipoles] | None = None

    def forward(self, include_gradients: bool) -> None:
        """Positions and box in ``buffers`` -> energy and moments there."""
        source, buffers = self._source, self._buffers
        self._state = None
        positions = buffers.positions.detach().double().clone()
        if not torch.isfinite(positions).all():
            raise not_finite(buffers, positions)
        positions.requires_grad_(include_gradients)
        with torch.set_grad_enabled(include_gradients):
            energy, multipoles = source.evaluate(positions, buffers.cell.double() if buffers.periodic else None)
            raw_charges = multipoles.charges
            if source.total_charge is not None:
                charges = project_total_charge(raw_charges, source.total_charge)
                multipoles = Multipoles(**{**dict(multipoles.members()), "charges": charges})
        write_moments(buffers, energy, multipoles)
        if include_gradients:
            self._state = positions, energy, raw_charges, multipoles

    def backward(self, field: Sequence[float]) -> None:
        """Derivatives by the moments in ``buffers`` -> forces there."""
        if self._state is None:
            raise RuntimeError("backward() needs a forward(True) before it, once each")
        (positions, energy, raw_charges, multipoles), self._state = self._state, None
        source = self._source
        write_forces(
            self._buffers,
            positions,
            energy,
            multipoles,
            field,
            raw_charges=raw_charges,
            reach=source.reach,
            projected=source.total_charge is not None,
        )
