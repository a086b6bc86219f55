"""From what a user gives as a model, or from what XML kept of it, to a source of moments.

XML keeps one of four kinds of source: ``file`` (path and checksum), ``bytes`` (the model file itself, as text),
``torchscript`` (a TorchScript module, as text) and ``object`` (a torch module of the user's own, which only the process
that made it can find again).
"""

from __future__ import annotations

import base64
import copy
import itertools
import json
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .models import ModelFileError, PolarMPModel
from .models import file as model_file
from .source import TorchSource

OPTIONS = ("total_charge", "multiplicity", "precision", "device", "interaction_energy", "compile", "tensor_products")

_lock = threading.Lock()
_loaded: dict[str, PolarMPModel] = {}  # by checksum: copies of a force share one set of weights
_objects: dict[str, Any] = {}  # a module that has no file; kept as long as the process lives
_keys = itertools.count()


@dataclass(frozen=True)
class MadeSource:
    """A source, how XML keeps it, and the settings that its model brings along (A, 1/A; None: the force's own)."""

    source: Any
    kind: str
    properties: dict[str, str]
    sigma: float | None
    k_max: float | None
    periodic: bool | None = None


def make_source(
    model: Any, *, atomic_numbers: Sequence[int] | None = None, embed: bool = False, **options: Any
) -> MadeSource:
    """The source for a model.

    Parameters
    ----------
    model : str, os.PathLike, PolarMPModel, torch.nn.Module or openmmtorch.TorchForce
        A path or shipped name, a model, a network with the protocol of `PolarMPNet`, a TorchForce or its module with the
        convention of `openmm_polarmp.torchforce` (then the one option is num_particles).
    atomic_numbers : sequence of int
        Of the force's particles, in their order.
    embed : bool
        Whether XML holds the model itself instead of its path.
    **options
        total_charge (e), multiplicity, precision ('single', 'double'), device, interaction_energy (leave the energies of
        the single atoms out), compile (the network through torch.compile), tensor_products ('dense', 'cuequivariance').
    """
    if _is_torchforce(model) or (isinstance(model, torch.jit.ScriptModule) and not hasattr(model, "species")):
        if atomic_numbers is not None:
            options["atomic_numbers"] = atomic_numbers
        return _torchscript(model, **options)
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise TypeError(f"unknown options {unknown}; accepted are atomic_numbers, embed, {', '.join(OPTIONS)}")
    if not isinstance(model, (str, os.PathLike, torch.nn.Module)):
        raise TypeError(
            f"model is a {type(model).__name__}; a path or name, a PolarMPModel, a torch.nn.Module, a TorchForce or FixedMultipoles is accepted"
        )
    if atomic_numbers is None:
        raise TypeError("atomic_numbers is missing: the atomic number of each of the force's particles")
    kept = {"atomic_numbers": [int(z) for z in atomic_numbers]}
    kept.update({name: str(v) if name == "device" else v for name, v in options.items() if v is not None})
    properties = {"options": json.dumps(kept)}
    if isinstance(model, (str, os.PathLike)):
        path = model_file.find(model)
        data = model_file.read_bytes(path)
        loaded = _load(data, str(path))
        sha256 = model_file.unpack(data, str(path)).sha256
        if embed:
            kind = "bytes"
            properties["content"] = base64.b64encode(data).decode()
        else:
            kind = "file"
            # A shipped model is found by name wherever the package lies.
            name = str(model) if str(model) in model_file.shipped_models() else str(path.resolve())
            properties.update(path=name, sha256=sha256)
        model = loaded
    else:
        wrapped = model if isinstance(model, PolarMPModel) else PolarMPModel(model)
        try:
            properties["content"] = base64.b64encode(wrapped.to_bytes()).decode()
            kind = "bytes"
        except (TypeError, ValueError, AttributeError):
            kind = "object"
            with _lock:
                key = f"{os.getpid()}-{next(_keys)}"
                _objects[key] = wrapped
            properties["key"] = key
        model = wrapped
    return MadeSource(_source(model, kept), kind, properties, model.sigma, model.k_max)


def _is_torchforce(model: Any) -> bool:
    return type(model).__module__.split(".")[0] == "openmmtorch"


def _torchscript(model: Any, num_particles: int | None = None, **options: Any) -> MadeSource:
    """The source for a TorchForce or its module."""
    from .torchforce import TorchScriptSource, check_versions, to_bytes

    if options:
        raise TypeError(f"a TorchForce takes the option num_particles only, but {sorted(options)} came")
    periodic = None
    if _is_torchforce(model):
        check_versions()
        if model.getOutputsForces():
            raise ValueError("the TorchForce outputs forces: its module must return energy and moments instead")
        if model.getNumGlobalParameters() > 0:
            raise ValueError("the TorchForce has global parameters: PolarMPForce cannot pass them to its module")
        periodic, model = model.usesPeriodicBoundaryConditions(), model.getModule()
    source = TorchScriptSource(model, num_particles)
    properties = {
        "content": base64.b64encode(to_bytes(source.module)).decode(),
        "num_particles": str(source.num_particles),
    }
    return MadeSource(source, "torchscript", properties, source.sigma, source.k_max, periodic)


def create_source(kind: str, properties: dict[str, str]) -> Any:
    """The source that `make_source` described, for a force that was read from XML."""
    if kind == "torchscript":
        from .torchforce import TorchScriptSource, from_bytes

        module = from_bytes(base64.b64decode(properties["content"]))
        return TorchScriptSource(module, int(properties["num_particles"]))
    kept = json.loads(properties["options"])
    if kind == "file":
        return _source(_reload(properties["path"], properties["sha256"]), kept)
    if kind == "bytes":
        return _source(_load(base64.b64decode(properties["content"]), "model inside of the XML"), kept)
    if kind == "object":
        with _lock:
            model = _objects.get(properties["key"])
        if model is None:
            raise ValueError(
                "this force takes its moments from a torch module that lives only in the process that made it; save a "
                "PolarMPModel to a file (model.save) and give its path to be able to read the force elsewhere"
            )
        return _source(model, kept)
    raise ValueError(
        f"source of kind {kind!r} is unknown; 'fixed', 'file', 'bytes', 'torchscript' and 'object' are. Is the XML newer?"
    )


def _reload(path: str, sha256: str) -> PolarMPModel:
    found = model_file.find(path)
    data = model_file.read_bytes(found)
    actual = model_file.unpack(data, str(found)).sha256
    if actual != sha256:
        raise ModelFileError(
            f"model file {found} has changed since the force was made: its checksum is {actual}, {sha256} was expected"
        )
    return _load(data, str(found))


def _load(data: bytes, where: str) -> PolarMPModel:
    sha256 = model_file.unpack(data, where).sha256
    with _lock:
        if sha256 not in _loaded:
            _loaded[sha256] = PolarMPModel.from_bytes(data, where)
        return _loaded[sha256]


def _source(model: PolarMPModel, kept: dict[str, Any]) -> TorchSource:
    options = dict(kept)
    if options.pop("interaction_energy", False):
        model = _without_atomic_energies(model)
    return TorchSource(model, options.pop("atomic_numbers"), **options)


def _without_atomic_energies(model: PolarMPModel) -> PolarMPModel:
    shift = getattr(model.network, "energy_shift", None)
    if shift is None:
        raise ValueError("interaction_energy: the network has no energy_shift, the energies of single atoms")
    model = copy.deepcopy(model)
    with torch.no_grad():
        model.network.energy_shift.zero_()
    return model
