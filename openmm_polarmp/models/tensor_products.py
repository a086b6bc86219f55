"""Backends of the tensor products of an atom's density with itself: our own, or cuequivariance.

The network's products are fixed sums of a[i] b[j] in each channel. On a CPU the terms that are not zero are summed in C++
(`openmm_polarmp.models.sparse_products`). Elsewhere, and while torch compiles, a dense matrix product needs an array of all a[i] b[j],
most of which no coupling uses. On a GPU NVIDIA's cuequivariance avoids it, in one kernel (``uniform_1d``, from the package
cuequivariance-ops-torch-cu12 or -cu13); elsewhere its plain torch version computes the same numbers with one small operation
for each coupling, which is slower than the dense products for small systems.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import torch

from openmm_polarmp.models._layers import Products

TENSOR_PRODUCTS = ("dense", "cuequivariance")


class CuequivarianceCoupling:
    """sum_ij C[k, i, j] a[i] b[j] in every channel, as one operation of cuequivariance.

    Parameters
    ----------
    couplings : Tensor [rows, I J]
        C, in float64 on the CPU.
    channels : int
        Number of channels of a and b.
    like : Tensor
        A tensor with the precision and the device of a and b.
    """

    def __init__(self, couplings: torch.Tensor, channels: int, like: torch.Tensor) -> None:
        cue = importlib.import_module("cuequivariance")
        primitives = importlib.import_module("cuequivariance_torch")
        components = round(couplings.shape[1] ** 0.5)
        product = cue.SegmentedTensorProduct.from_subscripts("u,u,u")
        for operand, segments in enumerate((components, components, couplings.shape[0])):
            for _ in range(segments):
                product.add_segment(operand, (channels,))
        for row, pair in (couplings.abs() > 1e-12).nonzero().tolist():
            product.add_path(pair // components, pair % components, row, c=couplings[row, pair].item())
        self.operation = primitives.SegmentedPolynomial(
            cue.SegmentedPolynomial.eval_last_operand(product),
            method="uniform_1d" if like.device.type == "cuda" else "naive",
            math_dtype=like.dtype,
        ).to(like.device)

    def __call__(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """[rows, N channels] from two arrays [components, N, channels]."""
        (result,) = self.operation([x.transpose(0, 1).flatten(1) for x in (a, b)])
        return result.unflatten(1, (-1, a.shape[2])).transpose(0, 1).flatten(1)


def check_tensor_products(name: str) -> None:
    """Raise an error unless `use_tensor_products` accepts this name.

    Raises
    ------
    ValueError
        For a name other than 'dense' and 'cuequivariance'.
    ImportError
        If cuequivariance is not installed.
    """
    if name not in TENSOR_PRODUCTS:
        raise ValueError(f"tensor_products is {name!r}; {' and '.join(map(repr, TENSOR_PRODUCTS))} are accepted")
    if name == "cuequivariance" and importlib.util.find_spec("cuequivariance_torch") is None:
        raise ImportError(
            "tensor_products='cuequivariance' needs cuequivariance-torch (and cuequivariance-ops-torch-cu12 or -cu13 on a "
            "GPU), which is not installed; 'dense' needs nothing"
        )


def use_tensor_products(network: torch.nn.Module, name: str) -> None:
    """Compute the products of a network by our own operations, 'dense', or by 'cuequivariance', with the same results.

    The products of a network with a host are the host's (`Host.with_cuequivariance`).
    """
    check_tensor_products(name)
    host: Any = getattr(network, "host", None)
    if name == "cuequivariance" and host is not None:
        network.host = host.with_cuequivariance()
    for module in network.modules():
        if isinstance(module, Products):
            module.couple_with(CuequivarianceCoupling if name == "cuequivariance" else None)
