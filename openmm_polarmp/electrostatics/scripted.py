"""The electrostatics of one structure in TorchScript, for engines in C++ that cannot run Python.

The same physics as `electrostatic_energy` with direct response (theory.md sections 2, 3 and 5), as an energy alone: forces
and the virial come from autograd. Boxes are always summed on a mesh, whose size follows from the cell at each call.
"""

import math

import torch
from torch import Tensor

from openmm_polarmp.electrostatics._lattice import gaussian_coulomb, inverse_and_volume
from openmm_polarmp.electrostatics._pair_potential import boys
from openmm_polarmp.electrostatics.mesh_table import choose_mesh_rule, legal_mesh_size
from openmm_polarmp.electrostatics.multipoles import traceless
from openmm_polarmp.units import COULOMB


class ScriptedElectrostatics(torch.nn.Module):
    """Energy of smeared multipoles and of the charges and dipoles that they induce; `torch.jit.script` compiles it.

    Parameters
    ----------
    sigma : float
        Width of the pair kernel, A.
    accuracy : float
        Force error in boxes over the rms force, down to 1e-7.
    k_max : float, optional
        Hard cutoff of the reciprocal sum, 1/A.
    quadrupoles, response : bool
        Whether there are quadrupoles, and softness or polarizability; without them the sums are shorter.
    """

    polynomials: Tensor
    nodes: Tensor
    node_weights: Tensor
    factors: list[float]
    own: list[float]

    def __init__(
        self,
        sigma: float,
        accuracy: float,
        k_max: float | None = None,
        *,
        quadrupoles: bool = True,
        response: bool = True,
    ) -> None:
        super().__init__()
        rule = choose_mesh_rule(accuracy)
        window = rule.window()
        self.sigma, self.k_max = float(sigma), float(k_max or 0.0)
        self.spacing = rule.spacing * sigma if k_max is None else min(rule.spacing * sigma, math.pi / k_max)
        self.width = window.width
        self.orders = 3 if quadrupoles else 2  # number of derivatives of the window, the zeroth among them
        self.response = response
        polynomials = [torch.from_numpy(window.derivative_coefficients(order)) for order in range(self.orders)]
        self.register_buffer("polynomials", torch.stack(polynomials).permute(2, 0, 1).contiguous())
        nodes, weights = window.quadrature()
        self.register_buffer("nodes", torch.from_numpy(nodes))
        self.register_buffer("node_weights", torch.from_numpy(weights))
        # F_n enters the derivatives of the kernel with this factor (theory.md section 2)
        a2 = 1 / (2 * sigma**2)
        self.a2 = a2
        self.factors = [COULOMB * 2 * math.sqrt(a2 / math.pi) * (2 * a2) ** n for n in range(5)]
        self.own = [COULOMB * math.sqrt(2 / math.pi) / sigma ** (2 * n + 1) for n in range(3)]

    def forward(self, positions: Tensor, cell: Tensor, periodic: bool, moments: dict[str, Tensor]) -> Tensor:
        """The energy, eV.

        Parameters
        ----------
        positions : Tensor [N, 3]
            A, float64 as everything else.
        cell : Tensor [3, 3]
            Rows are the box vectors, A; without meaning in a cluster.
        periodic : bool
            Box or cluster.
        moments : dict of Tensor
            Those of the fields of `Multipoles` that this module was made for, by their names and in their units.
        """
        charges = moments["charges"]
        dipoles = moments["dipoles"] if "dipoles" in moments else torch.zeros_like(positions)
        quadrupoles = torch.zeros_like(positions)[:, :, None].expand(-1, -1, 3)
        if "quadrupoles" in moments:
            quadrupoles = traceless(symmetric(moments["quadrupoles"]))
        if periodic:
            energy, potential, gradient = self.box(positions, cell, charges, dipoles, quadrupoles)
        else:
            energy, potential, gradient = self.cluster(positions, charges, dipoles, quadrupoles)
        if "softness" in moments:
            energy = energy - (moments["softness"] * potential**2).sum() / 2
        if "polarizability" in moments:
            alpha = moments["polarizability"]
            if alpha.dim() == 1:
                induced = alpha[:, None] * gradient
            else:
                induced = (symmetric(alpha) * gradient[:, None, :]).sum(2)
            energy = energy - (induced * gradient).sum() / 2
        return energy

    def cluster(
        self, positions: Tensor, charges: Tensor, dipoles: Tensor, quadrupoles: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Energy, potential [N] and gradient [N, 3] by the sum over all pairs."""
        pairs = torch.triu_indices(positions.shape[0], positions.shape[0], 1, device=positions.device)
        i, j = pairs[0], pairs[1]
        r = positions[i] - positions[j]
        radial = boys(self.a2 * (r * r).sum(1), 4)
        g0, g1, g2, g3, g4 = [radial[n] * self.factors[n] for n in range(5)]
        q_i, q_j, mu_i, mu_j = charges[i], charges[j], dipoles[i], dipoles[j]
        mu_i_r, mu_j_r = (mu_i * r).sum(1), (mu_j * r).sum(1)
        Q_i_r = (quadrupoles[i] * r[:, None, :]).sum(2)
        Q_j_r = (quadrupoles[j] * r[:, None, :]).sum(2)
        r_Q_i_r, r_Q_j_r = (Q_i_r * r).sum(1), (Q_j_r * r).sum(1)

        # what j makes i feel, and i makes j feel: odd derivatives change the sign
        at_i = q_j * g0 + mu_j_r * g1 + r_Q_j_r * g2 / 2
        at_j = q_i * g0 - mu_i_r * g1 + r_Q_i_r * g2 / 2
        along_i = -q_j * g1 - mu_j_r * g2 - r_Q_j_r * g3 / 2
        along_j = q_i * g1 - mu_i_r * g2 + r_Q_i_r * g3 / 2
        gradient_i = mu_j * g1[:, None] + Q_j_r * g2[:, None] + r * along_i[:, None]
        gradient_j = mu_i * g1[:, None] - Q_i_r * g2[:, None] + r * along_j[:, None]

        energies = q_i * at_i + (mu_i * gradient_i).sum(1)
        # 1/2 Q_i : second derivatives of what j makes i feel
        energies = energies + r_Q_i_r * (q_j * g2 + mu_j_r * g3 + r_Q_j_r * g4 / 2) / 2
        energies = energies - (mu_j * Q_i_r).sum(1) * g2 - (Q_i_r * Q_j_r).sum(1) * g3
        energies = energies + (quadrupoles[i] * quadrupoles[j]).sum(2).sum(1) * g2 / 2

        potential = torch.zeros_like(charges).index_add(0, i, at_i).index_add(0, j, at_j)
        gradient = torch.zeros_like(positions).index_add(0, i, gradient_i).index_add(0, j, gradient_j)
        return energies.sum(), potential, gradient

    def box(
        self, positions: Tensor, cell: Tensor, charges: Tensor, dipoles: Tensor, quadrupoles: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Energy, potential [N] and gradient [N, 3] by the mesh."""
        cell = reduced_cell(cell)
        lengths = cell.detach().square().sum(1).sqrt()
        nx, ny, nz = self.points_along(lengths[0]), self.points_along(lengths[1]), self.points_along(lengths[2])
        inverse, volume = inverse_and_volume(cell[None])
        shape = torch.tensor([nx, ny, nz], dtype=positions.dtype, device=positions.device)
        basis = inverse[0] * shape  # du/dr
        fractional = positions @ inverse[0]
        u = (fractional - torch.floor(fractional).detach()) * shape

        shifted = u - self.width / 2
        first = torch.floor(shifted).detach()
        t = shifted - first - 0.5
        powers = [torch.ones_like(t)]
        for _ in range(1, self.polynomials.shape[0]):
            powers.append(powers[-1] * t)
        n, w, a = positions.shape[0], self.width, self.orders
        weights = (torch.stack(powers, 2) @ self.polynomials.flatten(1)).reshape(n, 3, a, w)
        points = (first.to(torch.int64) + 1)[:, :, None] + torch.arange(w, device=u.device)
        x, y, z = points[:, 0] % nx, points[:, 1] % ny, points[:, 2] % nz
        flat = ((x[:, :, None] * ny + y[:, None, :])[:, :, :, None] * nz + z[:, None, None, :]).reshape(-1)
        wx, wy, wz = weights[:, 0], weights[:, 1], weights[:, 2]

        coefficients = self.coefficients(charges, dipoles @ basis, basis.t() @ quadrupoles @ basis)
        patch = torch.bmm(coefficients.reshape(n, a * a, a), wz).reshape(n, a, a, w)
        patch = torch.matmul(wy.transpose(1, 2)[:, None], patch).reshape(n, a, w * w)
        patch = torch.bmm(wx.transpose(1, 2), patch)
        mesh = torch.zeros(nx * ny * nz, dtype=u.dtype, device=u.device).index_add(0, flat, patch.reshape(-1))
        mesh = mesh.reshape(nx, ny, nz)
        influence = self.influence(inverse[0], volume[0], nx, ny, nz)
        # as pairs of real numbers: TorchScript's derivative of a complex times a real number is wrong
        transformed = torch.view_as_real(torch.fft.rfftn(mesh)) * influence[..., None]
        felt = torch.fft.irfftn(torch.view_as_complex(transformed), s=[nx, ny, nz], norm="forward")
        energy = (mesh * felt).sum() / 2

        own = self.own[0] * (charges**2).sum() + self.own[1] / 3 * (dipoles**2).sum()
        energy = energy - (own + self.own[2] / 10 * (quadrupoles**2).sum()) / 2
        if not self.response:
            return energy, charges, dipoles
        near = felt.reshape(-1).index_select(0, flat).reshape(n, w, w * w)
        by_x = torch.bmm(wx[:, :2], near).reshape(n, 2, w, w)
        by_xy = torch.matmul(wy[:, None, :2], by_x).reshape(n, 4, w)
        by_u = torch.bmm(by_xy, wz[:, :2].transpose(1, 2)).reshape(n, 8)  # 4 d/dx + 2 d/dy + d/dz
        potential = by_u[:, 0] - self.own[0] * charges
        slope = torch.stack([by_u[:, 4], by_u[:, 2], by_u[:, 1]], 1)
        gradient = slope @ basis.t() - self.own[1] / 3 * dipoles
        return energy, potential, gradient

    def points_along(self, length: Tensor) -> int:
        """Number of mesh points along a box vector of this length, as `mesh_shape` has it."""
        return legal_mesh_size(max(self.width, math.ceil(float(length) / self.spacing - 1e-9)))

    def coefficients(self, charges: Tensor, dipoles: Tensor, quadrupoles: Tensor) -> Tensor:
        """Moments by the derivatives that they take along x, y and z: [N, a, a, a] with a = ``orders``."""
        cube = torch.zeros(
            charges.shape[0], self.orders, self.orders, self.orders, dtype=charges.dtype, device=charges.device
        )
        cube[:, 0, 0, 0] = charges
        cube[:, 1, 0, 0], cube[:, 0, 1, 0], cube[:, 0, 0, 1] = dipoles[:, 0], dipoles[:, 1], dipoles[:, 2]
        if self.orders == 3:
            Q = quadrupoles
            cube[:, 2, 0, 0], cube[:, 0, 2, 0], cube[:, 0, 0, 2] = Q[:, 0, 0] / 2, Q[:, 1, 1] / 2, Q[:, 2, 2] / 2
            cube[:, 1, 1, 0], cube[:, 1, 0, 1], cube[:, 0, 1, 1] = Q[:, 0, 1], Q[:, 0, 2], Q[:, 1, 2]
        return cube

    def influence(self, inverse: Tensor, volume: Tensor, nx: int, ny: int, nz: int) -> Tensor:
        """g(k)/V / |W^(k)|^2 on the half mesh, [nx, ny, nz//2 + 1]."""
        metric = (4 * math.pi**2) * inverse.t() @ inverse
        n0, n1 = self.frequencies(nx)[:, None, None], self.frequencies(ny)[None, :, None]
        n2 = self.frequencies(nz)[None, None, : nz // 2 + 1].abs()
        k_squared = metric[0, 0] * n0**2 + metric[1, 1] * n1**2 + metric[2, 2] * n2**2
        k_squared = k_squared + 2 * (metric[0, 1] * n0 * n1 + metric[0, 2] * n0 * n2 + metric[1, 2] * n1 * n2)
        k_squared = k_squared.clamp_min(0.0)
        g = gaussian_coulomb(k_squared, self.sigma)
        if self.k_max > 0:
            g = torch.where(k_squared <= self.k_max**2 * (1 + 1e-6), g, torch.zeros_like(g))
        deconvolution = self.deconvolution(n0, nx) * self.deconvolution(n1, ny) * self.deconvolution(n2, nz)
        return g * deconvolution / volume

    def frequencies(self, n: int) -> Tensor:
        """0, 1, ..., -2, -1."""
        return torch.fft.fftfreq(n, 1.0 / n, dtype=self.nodes.dtype, device=self.nodes.device)

    def deconvolution(self, frequencies: Tensor, n: int) -> Tensor:
        """1 / W^(k)^2 along an axis of n points."""
        transform = torch.cos((2 * math.pi / n) * frequencies[..., None] * self.nodes) @ self.node_weights
        return 1 / transform**2


def symmetric(matrices: Tensor) -> Tensor:
    """Symmetric part of matrices [N, 3, 3]."""
    return (matrices + matrices.transpose(1, 2)) / 2


def reduced_cell(cell: Tensor) -> Tensor:
    """Short vectors of the same lattice, by integer combinations of two vectors at a time: [3, 3]."""
    for _ in range(100):
        changed = False
        for i in range(3):
            for j in range(3):
                if i != j:
                    ratio = (cell[i] * cell[j]).sum() / (cell[j] * cell[j]).sum()
                    steps = torch.round(ratio.detach() * (1 - 1e-9))
                    if bool(steps != 0):
                        row = cell[i] - steps * cell[j]
                        cell = torch.stack([row if k == i else cell[k] for k in range(3)])
                        changed = True
        if not changed:
            break
    return cell
