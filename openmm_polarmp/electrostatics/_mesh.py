"""The particle mesh: windows as basis functions, the reciprocal sum by FFT (theory.md section 5)."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from openmm_polarmp._cpu_loops import computes_in_loops
from openmm_polarmp.electrostatics._basis import rows_per_chunk
from openmm_polarmp.electrostatics._lattice import gaussian_coulomb
from openmm_polarmp.electrostatics._multi_index import MAX_ORDER, count, multi_indices
from openmm_polarmp.electrostatics.window import Window


class Mesh:
    """Meshes of one shape, one for each of several structures; u = n s are positions in grid units.

    Amplitudes are the meshes themselves, [B, nx, ny, nz].

    Parameters
    ----------
    shape : (int, int, int)
        Number of points along each box vector.
    structure : Tensor [N]
        Index of each atom's mesh, 0..num_structures-1.
    num_structures : int
        Number of meshes.
    window : Window
        The window function.
    sigma : float
        Width of the kernel, A.
    k_max : float or None
        Hard cutoff, 1/A.
    dtype : torch.dtype
        Of the meshes.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        structure: Tensor,
        num_structures: int,
        window: Window,
        sigma: float,
        k_max: float | None,
        dtype: torch.dtype,
    ):
        self.scale = shape
        self.num_structures = num_structures
        self.width, self.sigma, self.k_max = window.width, sigma, k_max
        device = structure.device
        points = math.prod(shape)
        index_type = torch.int32 if num_structures * points < 2**31 else torch.int64
        self.first_point = (structure * points).to(index_type)
        polynomials = [torch.from_numpy(window.derivative_coefficients(a)) for a in range(MAX_ORDER + 1)]
        # [degree + 1, derivative, point]
        self.polynomials = torch.stack(polynomials).permute(2, 0, 1).to(device, dtype).contiguous()
        deconvolution = [torch.from_numpy(window.inverse_transform(n) ** 2) for n in shape]
        frequencies = [torch.fft.fftfreq(n, 1 / n) for n in shape]
        # a real transform has half of the last axis
        half = shape[2] // 2 + 1
        deconvolution[2], frequencies[2] = deconvolution[2][:half], frequencies[2][:half].abs()
        along = ((-1, 1, 1), (1, -1, 1), (1, 1, -1))
        self.deconvolution = [d.to(device, dtype).reshape(v) for d, v in zip(deconvolution, along, strict=True)]
        self.frequencies = [f.to(device, dtype).reshape(v) for f, v in zip(frequencies, along, strict=True)]

    def _weights(self, u: Tensor, order: int) -> tuple[Tensor, Tensor]:
        """First grid point [n, 3] and weights with their derivatives [n, 3, order + 1, width]."""
        shifted = u - self.width / 2
        floor = torch.floor(shifted)
        t = shifted - floor - 0.5
        powers = [torch.ones_like(t)]
        for _ in range(1, len(self.polynomials)):
            powers.append(powers[-1] * t)
        weights = torch.stack(powers, 2) @ self._polynomials(order)
        return floor.to(self.first_point.dtype) + 1, weights.reshape(len(u), 3, order + 1, self.width)

    def _points(self, first: Tensor, first_point: Tensor) -> Tensor:
        """Flat indices of the width^3 mesh points of every atom: [n * width^3]."""
        _, ny, nz = self.scale
        offsets = torch.arange(self.width, device=first.device, dtype=first.dtype)
        x, y, z = ((first[:, axis, None] + offsets) % n for axis, n in enumerate(self.scale))
        # planes first: the last sum has most terms, and long rows make it fast
        plane = ((y * nz)[:, :, None] + z[:, None, :]).view(len(first), 1, -1)
        return ((first_point[:, None] + x * (ny * nz))[:, :, None] + plane).view(-1)

    def _chunks(self, u: Tensor, order: int) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Slices of the atoms with the indices of their mesh points and their weights."""
        size = rows_per_chunk(u.device, self.width**3)
        for first in range(0, len(u), size):
            part = slice(first, first + size)
            start, weights = self._weights(u[part], order)
            yield part, self._points(start, self.first_point[part]), weights

    def _loops(self) -> Any:
        """The loops in C++, for tensors on the CPU."""
        from openmm_polarmp import _polarmp

        degree = len(self.polynomials) - 1
        return _polarmp.MeshWindows(self.scale, self.width, degree, self.first_point.to(torch.int64))

    def _polynomials(self, order: int) -> Tensor:
        """Those of derivatives up to an order, [degree + 1, (order + 1) width]."""
        return self.polynomials[:, : order + 1].flatten(1).contiguous()

    def spread(self, u: Tensor, coefficients: Tensor, order: int) -> Tensor:
        """Meshes of moments, see `_basis.spread`."""
        if computes_in_loops(u):
            meshes = u.new_zeros(self.num_structures, math.prod(self.scale))
            moments = coefficients.detach().contiguous()
            self._loops().spread(self._polynomials(order), u.detach().contiguous(), moments, order, meshes)
            return meshes.view(self.num_structures, *self.scale)
        a, w = order + 1, self.width
        cube_indices = torch.tensor([(i * a + j) * a + k for i, j, k in multi_indices(order)], device=u.device)
        mesh = u.new_zeros(self.num_structures * math.prod(self.scale))
        for part, points, weights in self._chunks(u, order):
            wx, wy, wz = weights.unbind(1)
            n = len(wx)
            cube = u.new_zeros(n, a**3).index_copy(1, cube_indices, coefficients[part])
            patch = torch.bmm(cube.view(n, a * a, a), wz)  # [n, xy orders, z]
            patch = wy.transpose(1, 2)[:, None] @ patch.view(n, a, a, w)  # [n, x order, y, z]
            patch = torch.bmm(wx.transpose(1, 2), patch.reshape(n, a, w * w))
            mesh.index_add_(0, points, patch.view(-1))
        return mesh.view(self.num_structures, *self.scale)

    def gather(self, u: Tensor, amplitudes: Tensor, order: int) -> Tensor:
        """Derivatives [N, count(order)], see `_basis.gather`."""
        if computes_in_loops(u):
            result = u.new_empty(len(u), count(order))
            meshes = amplitudes.detach().flatten(1).contiguous()
            threads = torch.get_num_threads()
            self._loops().gather(self._polynomials(order), u.detach().contiguous(), meshes, order, result, threads)
            return result
        a, w = order + 1, self.width
        cube_indices = torch.tensor([(i * a + j) * a + k for i, j, k in multi_indices(order)], device=u.device)
        mesh = amplitudes.reshape(-1)
        derivatives = []
        for _, points, weights in self._chunks(u, order):
            wx, wy, wz = weights.unbind(1)
            n = len(wx)
            patch = mesh.index_select(0, points).view(n, w, w * w)
            patch = torch.bmm(wx, patch).view(n, a, w, w)
            patch = (wy[:, None] @ patch).view(n, a * a, w)
            derivatives.append(torch.bmm(patch, wz.transpose(1, 2)).view(n, a**3)[:, cube_indices])
        return torch.cat(derivatives) if derivatives else u.new_zeros(0, len(multi_indices(order)))

    def influence(self, inverse_cell: Tensor, volume: Tensor) -> Tensor:
        """g(k)/V / |W^(k)|^2 on the half mesh, [B, nx, ny, nz//2 + 1]."""
        metric = (4 * math.pi**2) * inverse_cell.transpose(1, 2) @ inverse_cell  # k^2 = n . metric . n
        n0, n1, n2 = self.frequencies

        def g(i: int, j: int) -> Tensor:
            return metric[:, i, j].view(-1, 1, 1, 1)

        plane = g(0, 0) * n0**2 + g(1, 1) * n1**2 + (2 * g(0, 1)) * (n0 * n1)
        k_squared = plane + n2 * ((2 * g(0, 2)) * n0 + (2 * g(1, 2)) * n1) + g(2, 2) * n2**2
        # rounding must not make k^2 negative at or, in single precision, next to k = 0
        k_squared = k_squared.clamp_min(0)
        g_k = gaussian_coulomb(k_squared, self.sigma)
        if self.k_max is not None:
            g_k = torch.where(k_squared <= self.k_max**2 * (1 + 1e-6), g_k, 0.0)
        d0, d1, d2 = self.deconvolution
        return g_k * (d0 * d1) * (d2 / volume.view(-1, 1, 1, 1))

    def potential(self, amplitudes: Tensor, inverse_cell: Tensor, volume: Tensor) -> Tensor:
        """Potential on the mesh; gathering it gives the potential at the atoms."""
        transformed = torch.fft.rfftn(amplitudes, dim=(1, 2, 3))
        transformed = transformed * self.influence(inverse_cell, volume)
        # the sum over k has no factor 1/N: the influence function contains 1/V
        return torch.fft.irfftn(transformed, s=self.scale, dim=(1, 2, 3), norm="forward")

    def energy(self, amplitudes: Tensor, potential: Tensor) -> Tensor:
        """Energy 1/2 sum of moments times potential, [B] in eV; includes the own-atom part."""
        return (amplitudes * potential).sum((1, 2, 3)) / 2
