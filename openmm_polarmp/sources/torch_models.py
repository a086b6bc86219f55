"""Models in torch, for sources that evaluate them there and for whoever asks a native source for its model."""

from __future__ import annotations

import copy
import threading
import weakref

import torch

from openmm_polarmp.models.file import ModelFile
from openmm_polarmp.models.model import PolarMPModel
from openmm_polarmp.sources.network import TorchSource
from openmm_polarmp.sources.options import SourceOptions

_lock = threading.Lock()
# By checksum: copies of a force share one set of weights.
_loaded: weakref.WeakValueDictionary[str, PolarMPModel] = weakref.WeakValueDictionary()


def torch_model(contents: ModelFile) -> PolarMPModel:
    """The model of a file; one that is in use is not made again."""
    with _lock:
        model = _loaded.get(contents.sha256)
        if model is None:
            model = _loaded[contents.sha256] = PolarMPModel.from_file(contents)
        return model


def torch_source(model: PolarMPModel, options: SourceOptions) -> TorchSource:
    """A model evaluated by torch."""
    return TorchSource(
        without_atomic_energies(model) if options.interaction_energy else model,
        options.atomic_numbers,
        total_charge=options.total_charge,
        multiplicity=options.multiplicity,
        precision=options.precision,
        device=options.device,
        compile=options.compile,
        tensor_products=options.tensor_products,
    )


def without_atomic_energies(model: PolarMPModel) -> PolarMPModel:
    """A copy in which single atoms have no energy."""
    if getattr(model.network, "energy_shift", None) is None:
        raise ValueError("interaction_energy: the network has no energy_shift, the energies of single atoms")
    model = copy.deepcopy(model)
    with torch.no_grad():
        model.network.energy_shift.zero_()
    return model
