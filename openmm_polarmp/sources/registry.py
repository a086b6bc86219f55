"""From what a user gives as a model, or from what XML kept of it, to a source of moments.

XML keeps one of four kinds of source: ``file`` (path and checksum), ``bytes`` (the model file itself, as text),
``torchscript`` (a TorchScript module, as text) and ``object`` (a torch module of the user's own, which only the process
that made it can find again).
"""

from __future__ import annotations

import base64
import itertools
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openmm_polarmp._torch import is_torch_module, require_torch
from openmm_polarmp.models import ModelFileError
from openmm_polarmp.models import file as model_file
from openmm_polarmp.models.description import ModelDescription
from openmm_polarmp.sources.native import NativeSource
from openmm_polarmp.sources.options import SourceOptions

if TYPE_CHECKING:
    from openmm_polarmp.models import PolarMPModel

_lock = threading.Lock()
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
        See `openmm_polarmp.sources.options.SourceOptions`.
    """
    if _is_torchforce(model) or _is_torchscript(model):
        if atomic_numbers is not None:
            options["atomic_numbers"] = atomic_numbers
        return _torchscript(model, **options)
    from_file = isinstance(model, (str, os.PathLike))
    if not from_file and not is_torch_module(model):
        raise TypeError(
            f"model is a {type(model).__name__}; a path or name, a PolarMPModel, a torch.nn.Module, a TorchForce or FixedMultipoles is accepted"
        )
    if atomic_numbers is None:
        raise TypeError("atomic_numbers is missing: the atomic number of each of the force's particles")
    asked = SourceOptions.of(atomic_numbers, **options)
    if not from_file:
        return _from_object(model, asked)
    path = model_file.find(model)
    contents = model_file.read(path)
    if embed:
        return _from_contents(contents, asked)
    # A shipped model is found by name wherever the package lies.
    name = str(model) if str(model) in model_file.shipped_models() else str(path.resolve())
    return _from_contents(contents, asked, name)


def _from_contents(
    contents: model_file.ModelFile, asked: SourceOptions, path: str | None = None, model: PolarMPModel | None = None
) -> MadeSource:
    """The source for a model file, of which XML keeps the path or, without one, the bytes; ``model``: the same in torch."""
    options = asked.resolved()
    properties = {"options": options.to_json()}
    if path is None:
        properties["content"] = base64.b64encode(contents.data).decode()
    else:
        properties.update(path=path, sha256=contents.sha256)
    description = ModelDescription.of(contents)
    source = NativeSource(contents, options) if options.evaluator == "native" else _torch(model or contents, options)
    return MadeSource(source, "file" if path else "bytes", properties, description.sigma, description.k_max)


def _from_object(model: Any, asked: SourceOptions) -> MadeSource:
    """The source for a module: what can be written to a model file is treated as one."""
    from openmm_polarmp.models import PolarMPModel, PolarMPNet

    wrapped = model if isinstance(model, PolarMPModel) else PolarMPModel(model)
    if type(wrapped.network) is PolarMPNet:
        try:
            data = wrapped.to_bytes()
        except (TypeError, ValueError) as error:  # for example metadata that are no JSON
            obstacle = f"a model that no file can hold ({error})"
        else:
            return _from_contents(model_file.unpack(data, "model in memory"), asked, model=wrapped)
    else:
        obstacle = f"a network of the class {type(wrapped.network).__name__}"
    options = asked.resolved([obstacle])
    with _lock:
        key = f"{os.getpid()}-{next(_keys)}"
        _objects[key] = wrapped
    properties = {"options": options.to_json(), "key": key}
    return MadeSource(_torch(wrapped, options), "object", properties, wrapped.sigma, wrapped.k_max)


def _is_torchforce(model: Any) -> bool:
    return type(model).__module__.split(".")[0] == "openmmtorch"


def _is_torchscript(model: Any) -> bool:
    """Whether this is a compiled module with a convention of its own, not a compiled network."""
    return (
        is_torch_module(model)
        and isinstance(model, sys.modules["torch"].jit.ScriptModule)
        and not hasattr(model, "species")
    )


def _torchscript(
    model: Any, num_particles: int | None = None, evaluator: str | None = None, **options: Any
) -> MadeSource:
    """The source for a TorchForce or its module."""
    SourceOptions.of((), evaluator=evaluator).resolved(["a TorchForce"])
    require_torch("a TorchForce")
    from openmm_polarmp.torchforce import TorchScriptSource, check_versions, to_bytes

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
        require_torch("a force made from a TorchForce")
        from openmm_polarmp.torchforce import TorchScriptSource, from_bytes

        module = from_bytes(base64.b64decode(properties["content"]))
        return TorchScriptSource(module, int(properties["num_particles"]))
    if kind not in ("file", "bytes", "object"):
        raise ValueError(
            f"source of kind {kind!r} is unknown; 'fixed', 'file', 'bytes', 'torchscript' and 'object' are. Is the XML newer?"
        )
    options = SourceOptions.from_json(properties["options"])
    if kind == "object":
        with _lock:
            model = _objects.get(properties["key"])
        if model is None:
            raise ValueError(
                "this force takes its moments from a torch module that lives only in the process that made it; save a "
                "PolarMPModel to a file (model.save) and give its path to be able to read the force elsewhere"
            )
        return _torch(model, options.resolved(["a module that no file holds"]))
    if kind == "file":
        contents = _read_again(properties["path"], properties["sha256"])
    else:
        contents = model_file.unpack(base64.b64decode(properties["content"]), "model inside of the XML")
    options = options.resolved()
    return NativeSource(contents, options) if options.evaluator == "native" else _torch(contents, options)


def _read_again(path: str, sha256: str) -> model_file.ModelFile:
    found = model_file.find(path)
    contents = model_file.read(found)
    if contents.sha256 != sha256:
        raise ModelFileError(
            f"model file {found} has changed since the force was made: its checksum is {contents.sha256}, {sha256} was expected"
        )
    return contents


def _torch(model: model_file.ModelFile | PolarMPModel, options: SourceOptions) -> Any:
    """The model evaluated by torch."""
    require_torch(" and ".join(options.only_in_torch()) or "evaluator='torch'")
    from openmm_polarmp.sources.torch_models import torch_model, torch_source

    return torch_source(torch_model(model) if isinstance(model, model_file.ModelFile) else model, options)
