"""Models in torch: those of model files, and those without the energies of single atoms."""

from __future__ import annotations

import copy
import threading
import weakref

import torch

from openmm_polarmp.models.file import ModelFile
from openmm_polarmp.models.model import PolarMPModel

_lock = threading.Lock()
# By checksum: copies of a force share one set of weights.
_loaded: weakref.WeakValueDictionary[str, PolarMPModel] = weakref.WeakValueDictionary()


def torch_model(contents: ModelFile) -> PolarMPModel:
    """The model of a file; all users of one file share one model."""
    with _lock:
        model = _loaded.get(contents.sha256)
        if model is None:
            model = _loaded[contents.sha256] = PolarMPModel.from_file(contents)
        return model


def without_atomic_energies(model: PolarMPModel) -> PolarMPModel:
    """A copy in which single atoms have no energy."""
    if not isinstance(getattr(model.network, "energy_shift", None), torch.Tensor):
        raise ValueError("interaction_energy: the network has no energy_shift, the energies of single atoms")
    model = copy.deepcopy(model)
    with torch.no_grad():
        model.network.energy_shift.zero_()
    return model
