"""A host's forward pass through torch.compile."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from openmm_polarmp.hosts.protocol import Host, HostResult

BACKEND = "inductor"  # of torch.compile
SAMPLE = 11
"""Atoms of the structure with which a host is traced, in pairs with one another."""


class CompiledHost(torch.nn.Module):
    """A host with constant weights, traced and compiled when it is first called; the results are the same to rounding.

    torch.compile cannot follow the Python of e3nn and of the NequIP framework. So the host's operations are recorded first
    (`make_fx`), with sizes that remain variables, and what is compiled is the record. It serves all numbers of atoms and
    pairs. If this fails, the host runs eagerly, with a warning.

    Parameters
    ----------
    host : Host
        In its final precision, on its device.
    """

    def __init__(self, host: Host) -> None:
        super().__init__()
        self.host = host
        self._compiled: Any = None
        self._failed = False

    def forward(self, vectors: torch.Tensor, edge_index: torch.Tensor, kind: torch.Tensor) -> HostResult:
        """See `Host.forward`."""
        # sizes 0 and 1 are never variables: what is compiled for them would serve nothing else
        if self._failed or min(edge_index.shape[1], kind.shape[0]) < 2:
            return self.host(vectors, edge_index, kind)
        try:
            if self._compiled is None:
                record = self._record(vectors, kind)
                self._check(record, vectors.detach(), edge_index, kind)
                self._compiled = torch.compile(record, dynamic=True, backend=BACKEND)
            energies, *features = self._compiled(vectors, edge_index.contiguous(), kind)
        except Exception as error:  # no compiler, an operation that cannot be recorded or lowered
            self._failed, self._compiled = True, None
            first = (str(error).splitlines() or [""])[0]
            warnings.warn(
                f"torch.compile failed ({type(error).__name__}: {first}); the network runs eagerly",
                RuntimeWarning,
                stacklevel=2,
            )
            return self.host(vectors, edge_index, kind)
        return HostResult(energies, features)

    def _record(self, vectors: torch.Tensor, kind: torch.Tensor) -> torch.fx.GraphModule:
        """The host's operations on a small structure, with variable sizes."""
        atoms = torch.arange(SAMPLE, device=kind.device)
        edge_index = torch.cartesian_prod(atoms, atoms)
        edge_index = edge_index[edge_index[:, 0] != edge_index[:, 1]].T.contiguous()
        angles = (2 * torch.pi / SAMPLE) * atoms
        helix = torch.stack([torch.cos(angles), torch.sin(angles), 0.1 * atoms], 1).to(vectors)
        sample = 0.4 * self.host.cutoff * (helix[edge_index[0]] - helix[edge_index[1]])

        def tensors(vectors: torch.Tensor, edge_index: torch.Tensor, kind: torch.Tensor) -> list[torch.Tensor]:
            result = self.host(vectors, edge_index, kind)
            return [result.energies, *result.features]

        with _without_torchscript(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            record = make_fx(tensors, tracing_mode="symbolic", _allow_non_fake_inputs=True)
            return record(sample.requires_grad_(vectors.requires_grad), edge_index, torch.zeros_like(atoms))

    def _check(self, record: torch.fx.GraphModule, *structure: torch.Tensor) -> None:
        """Raise an error if the record depends on the sizes of the sample, as it does where a host asks for ``len``."""
        with torch.no_grad():
            recorded, expected = record(*structure)[0], self.host(*structure).energies
        if not torch.allclose(recorded, expected, rtol=1e-4, atol=1e-4):
            raise RuntimeError("the recorded operations give other energies than the host")


@contextlib.contextmanager
def _without_torchscript() -> Iterator[None]:
    """The spherical harmonics of e3nn 0.4 as the Python that they were scripted from: TorchScript knows no variable sizes."""
    module = importlib.import_module("e3nn.o3._spherical_harmonics")
    scripted = getattr(module, "_spherical_harmonics", None)
    plain = getattr(scripted, "_torchdynamo_inline", None)
    if plain is None:
        yield
        return
    module._spherical_harmonics = plain  # type: ignore[attr-defined]
    try:
        yield
    finally:
        module._spherical_harmonics = scripted  # type: ignore[attr-defined]
