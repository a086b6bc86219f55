"""Makes the source of moments for a model, and again from what XML holds of it.

XML has one of four kinds of source: ``file`` (path and checksum), ``bytes`` (the model file itself, as text),
``torchscript`` (a TorchScript module, as text) and ``object`` (a torch module of the user's own, which only the process
that made it can find again).
"""

from __future__ import annotations

import base64
import dataclasses
import itertools
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openmm_polarmp._extras import require_torch
from openmm_polarmp._torch import is_torch_module
from openmm_polarmp.models import ModelDescription, ModelFileError
from openmm_polarmp.models import file as model_file
from openmm_polarmp.models.file import ModelFile
from openmm_polarmp.sources.native import NativeSource
from openmm_polarmp.sources.options import SourceOptions

if TYPE_CHECKING:
    from openmm_polarmp.models import PolarMPModel
    from openmm_polarmp.sources.network import TorchSource

_lock = threading.Lock()
_objects: dict[str, PolarMPModel] = {}  # modules that no file holds; kept as long as the process lives
_keys = itertools.count()


@dataclass(frozen=True)
class DescribedSource:
    """A source, and its description in XML.

    Attributes
    ----------
    source : NativeSource, TorchSource or TorchScriptSource
    kind : str
        Of the description: ``"file"``, ``"bytes"``, ``"torchscript"`` or ``"object"``.
    properties : dict
        The description.
    periodic : bool or None
        Whether the particles fill a periodic box; None: as the force has it.
    """

    source: Any
    kind: str
    properties: dict[str, str]
    periodic: bool | None = None


def make_source(
    model: Any, *, atomic_numbers: Sequence[int] | None = None, embed: bool = False, **options: Any
) -> DescribedSource:
    """The source for a model.

    Parameters
    ----------
    model : str, os.PathLike, ModelFile, PolarMPModel, torch.nn.Module or openmmtorch.TorchForce
        A path or shipped name, a model file that has been read, a model, a network with the protocol of `PolarMPNet`, a
        TorchForce or its module with the convention of `openmm_polarmp.torchforce` (then the one option is num_particles).
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
    if not isinstance(model, (str, os.PathLike, ModelFile)) and not is_torch_module(model):
        raise TypeError(
            f"model is a {type(model).__name__}; a path or name, a PolarMPModel, a torch.nn.Module, a TorchForce or "
            "FixedMultipoles is accepted"
        )
    if atomic_numbers is None:
        raise TypeError("atomic_numbers is missing: the atomic number of each of the force's particles")
    source_options = SourceOptions.of(atomic_numbers, **options)
    if is_torch_module(model):
        return _from_object(model, source_options)
    contents = model if isinstance(model, ModelFile) else model_file.load(model)
    return _from_file(contents, source_options, embed)


def _from_file(
    contents: ModelFile, options: SourceOptions, embed: bool, model: PolarMPModel | None = None
) -> DescribedSource:
    """The source for a model file; ``model`` is the same in torch, if it is there already."""
    obstacles = ModelDescription.of(contents).config.native_obstacles
    options = options.resolved(obstacles)
    properties = {"options": options.to_json()}
    if embed or contents.location is None:
        kind = "bytes"
        properties["content"] = base64.b64encode(contents.data).decode()
    else:
        kind = "file"
        properties.update(path=contents.location, sha256=contents.sha256)
    if options.evaluator == "native":
        return DescribedSource(NativeSource(contents, options), kind, properties)
    return DescribedSource(_torch(model or contents, options, obstacles), kind, properties)


def _from_object(module: Any, options: SourceOptions) -> DescribedSource:
    """The source for a module: one that a model file can hold is treated as that file."""
    from openmm_polarmp.models import PolarMPModel
    from openmm_polarmp.models.kinds import is_storable

    model = module if isinstance(module, PolarMPModel) else PolarMPModel(module)
    if is_storable(model.network):
        try:
            data = model.to_bytes()
        except (TypeError, ValueError) as error:  # for example metadata that are no JSON
            obstacle = f"a model that no file can hold ({error})"
        else:
            return _from_file(model_file.unpack(data, "model in memory"), options, embed=True, model=model)
    else:
        obstacle = f"a network of the class {type(model.network).__name__}"
    options = options.resolved([obstacle])
    with _lock:
        key = f"{os.getpid()}-{next(_keys)}"
        _objects[key] = model
    properties = {"options": options.to_json(), "key": key}
    return DescribedSource(_torch(model, options), "object", properties)


def _is_torchforce(model: Any) -> bool:
    return type(model).__module__.split(".")[0] == "openmmtorch"


def _is_torchscript(model: Any) -> bool:
    """Whether this is a TorchScript module with the convention of `openmm_polarmp.torchforce`, not a compiled network."""
    return (
        is_torch_module(model)
        and isinstance(model, sys.modules["torch"].jit.ScriptModule)
        and not hasattr(model, "species")
    )


def _torchscript(
    model: Any, num_particles: int | None = None, evaluator: str | None = None, **options: Any
) -> DescribedSource:
    """The source for a TorchForce or its module."""
    SourceOptions.of((), evaluator=evaluator).resolved(["a TorchForce"])
    require_torch("a TorchForce")
    from openmm_polarmp.torchforce import TorchScriptSource, check_versions, to_bytes

    if options:
        raise TypeError(f"a TorchForce takes the option num_particles only, but got {sorted(options)}")
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
    return DescribedSource(source, "torchscript", properties, periodic)


def create_source(kind: str, properties: dict[str, str]) -> Any:
    """The source of a `DescribedSource`, for a force that was read from XML."""
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
        contents = _unchanged(properties["path"], properties["sha256"])
    else:
        contents = model_file.unpack(base64.b64decode(properties["content"]), "model inside of the XML")
    obstacles = ModelDescription.of(contents).config.native_obstacles
    options = options.resolved(obstacles)
    return NativeSource(contents, options) if options.evaluator == "native" else _torch(contents, options, obstacles)


def _unchanged(path_or_name: str, sha256: str) -> ModelFile:
    """A model file that still has its checksum."""
    contents = model_file.load(path_or_name)
    if contents.sha256 != sha256:
        raise ModelFileError(
            f"model file {contents.source} has changed since the force was made: its checksum is {contents.sha256}, "
            f"{sha256} was expected"
        )
    return contents


def _torch(model: ModelFile | PolarMPModel, options: SourceOptions, obstacles: Sequence[str] = ()) -> TorchSource:
    """The model evaluated by torch, for which `obstacles` in the model and options are the reasons."""
    require_torch(" and ".join([*obstacles, *options.only_in_torch()]) or "evaluator='torch'")
    from openmm_polarmp.sources.network import TorchSource
    from openmm_polarmp.sources.torch_models import torch_model

    if isinstance(model, ModelFile):
        model = torch_model(model)
    return TorchSource(model, **dataclasses.asdict(options))
