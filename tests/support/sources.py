"""Sources of moments written in Python: a small smooth function of the positions, with torch's derivatives."""

from __future__ import annotations

import openmm_polarmp._polarmp as extension
import torch

from openmm_polarmp import FixedMultipoles, PolarMPForce


def force_with_source(source, periodic: bool = True, tolerance: float = 5e-4) -> PolarMPForce:
    """A force with any source of moments: an object that follows the protocol in Python, or the plugin's own network."""
    force = PolarMPForce(FixedMultipoles([0.0]))
    native = isinstance(source, extension.NetworkSource)
    set_source = extension.set_network_source if native else extension.set_python_source
    set_source(int(force.this), source, "", {})
    force.setNonbondedMethod(PolarMPForce.PME if periodic else PolarMPForce.NoCutoff)
    force.setEwaldErrorTolerance(tolerance)
    return force


def neighbour_density(positions: torch.Tensor, cell: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """A smooth density of neighbours at each atom [N] and its gradient direction [N,3], within 3 A."""
    r = positions[None] - positions[:, None]
    if cell is not None:
        s = r @ torch.linalg.inv(cell)
        r = r - s.round().detach() @ cell
    r2 = (r**2).sum(-1) + torch.eye(len(r), dtype=r.dtype, device=r.device) * 100
    w = torch.clamp(1 - r2 / 9, min=0) ** 4
    return w.sum(1), (w[..., None] * r).sum(1)


class DensitySource:
    """Moments that depend on the neighbour density. Follows the protocol of `openmm_polarmp.sources.network.TorchSource`."""

    has_dipoles = has_quadrupoles = has_softness = has_polarizability = True

    def __init__(self, charges: torch.Tensor, fail_at: int | None = None, error: Exception | None = None) -> None:
        self.charges = torch.as_tensor(charges, dtype=torch.float64)
        self.num_particles = len(self.charges)
        self.fail_at, self.error = fail_at, error or ValueError("the source failed on purpose")
        self.calls = {"forward": 0, "backward": 0}

    def moments(self, positions: torch.Tensor, cell: torch.Tensor | None):
        """Short-range energy and the five moments."""
        density, direction = neighbour_density(positions, cell)
        eye = torch.eye(3, dtype=positions.dtype, device=positions.device)
        return (
            (0.3 * density**2).sum(),
            self.charges * (1 + 0.2 * density),
            0.4 * direction,
            0.3 * (direction[:, :, None] * direction[:, None, :]) + 0.1 * density[:, None, None] * eye,
            0.02 / (1 + density),
            0.05 * eye + 0.02 * direction[:, :, None] * direction[:, None, :],
        )

    def bind(self, buffers) -> _Evaluation:
        return _Evaluation(self, buffers)


class _Evaluation:
    def __init__(self, source: DensitySource, buffers) -> None:
        self.source, self.buffers = source, buffers

    def forward(self, include_gradients: bool) -> None:
        source, b = self.source, self.buffers
        source.calls["forward"] += 1
        if source.fail_at is not None and source.calls["forward"] == source.fail_at:
            raise source.error
        self.positions = b.positions.detach().clone().double().requires_grad_(True)
        self.moments = source.moments(self.positions, b.cell if b.periodic else None)
        with torch.no_grad():
            targets = (b.energy, b.charges, b.dipoles, b.quadrupoles, b.softness, b.polarizability)
            for target, value in zip(targets, self.moments, strict=True):
                target.copy_(value)

    def backward(self, field: tuple[float, float, float]) -> None:
        b = self.buffers
        self.source.calls["backward"] += 1
        self.field = field
        cotangents = (
            b.charge_gradients,
            b.dipole_gradients,
            b.quadrupole_gradients,
            b.softness_gradients,
            b.polarizability_gradients,
        )
        total = self.moments[0]
        for moment, gradient in zip(self.moments[1:], cotangents, strict=True):
            total = total + (moment * gradient.double()).sum()
        (gradient,) = torch.autograd.grad(total, self.positions)
        b.forces.copy_(-gradient)


class DeviceSource(DensitySource):
    """A `DensitySource` that works where the buffers are, as a user would write it: nothing about contexts or streams."""

    supports_cuda = True

    def moments(self, positions: torch.Tensor, cell: torch.Tensor | None):
        self.charges = self.charges.to(positions.device)
        return super().moments(positions, None if cell is None else cell.to(positions.device))
