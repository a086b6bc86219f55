"""Dataclasses from the plain values of a YAML file, each entry checked against its annotation."""

from __future__ import annotations

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any

from openmm_polarmp._extras import require


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the mapping that a YAML file holds."""
    require("a configuration file", "train", ["yaml"])
    import yaml

    if not path.is_file():
        raise FileNotFoundError(f"configuration is {str(path)!r}; an existing file is accepted")
    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"configuration {str(path)!r} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(
            f"configuration {str(path)!r} is a {type(values).__name__}; entries 'name: value' are accepted"
        )
    return values


def build(kind: type, values: Any, where: str = "") -> Any:
    """Build a dataclass from a mapping, each entry checked against its annotation.

    Parameters
    ----------
    kind : type
        The dataclass.
    values : dict
        Plain values; those of dataclasses within it are mappings.
    where : str
        The entry's name, for error messages.
    """
    name = where or "configuration"
    if not isinstance(values, dict):
        raise ValueError(f"{name} is {values!r}; entries 'name: value' are accepted")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    if unknown := sorted(set(values) - set(fields), key=str):
        raise ValueError(f"{name} has unknown entries {', '.join(map(str, unknown))}; known are {', '.join(fields)}")
    hints = typing.get_type_hints(kind)
    missing = [
        f.name
        for f in fields.values()
        if f.name not in values and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ValueError(f"{name} has no {', '.join(missing)}, which is required")
    prefix = f"{where}." if where else ""
    converted = {key: _convert(hints[key], value, prefix + key) for key, value in values.items()}
    try:
        return kind(**converted)
    except ValueError as error:
        raise ValueError(f"{prefix}{error}") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else build(hint, value, where)  # type: ignore[arg-type]
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for kind in kinds:
        origin = typing.get_origin(kind)
        if origin is list and isinstance(value, list | tuple):
            return [_convert(typing.get_args(kind)[0], item, where) for item in value]
        if origin is list and isinstance(value, str) and kinds == (kind,):
            return [value]
        if origin is dict and isinstance(value, dict):
            key, item = typing.get_args(kind)
            return {
                _convert(key, k, f"{where}: an entry's name"): _convert(item, v, f"{where}[{k}]")
                for k, v in value.items()
            }
        if origin is None and isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool):
            return value
        if kind is float and not isinstance(value, bool) and _is_number(value):
            return float(value)  # YAML reads 1e-3 as text
    names = " or ".join(getattr(kind, "__name__", str(kind)) for kind in kinds)
    raise ValueError(f"{where} is {value!r}; {names} is accepted")


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
