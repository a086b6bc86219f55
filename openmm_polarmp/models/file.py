"""The model file: safetensors whose metadata holds the configuration as JSON. Data only, nothing in it is executed.

Layout: the safetensors format (8 bytes with the header's length, a JSON header, the tensors' bytes). The header's
``__metadata__`` has the entries ``format`` ("polarmp"), ``format_version``, ``configuration`` (JSON) and ``sha256``,
which covers the configuration, the names, types and shapes of the tensors, and their bytes.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from openmm_polarmp._files import write_atomically

if TYPE_CHECKING:
    import torch

FORMAT = "polarmp"
FORMAT_VERSION = 1
SUFFIX = ".polarmp"
SHIPPED = Path(__file__).parent / "data"
# How files of torch.save (new and old) and of pickle begin; no header of a model file is as long as these bytes would say.
PICKLES = (b"PK\x03\x04", b"\x80\x02\x8a\n", b"\x80\x04\x95", b"\x80\x05\x95")
LONGEST_HEADER = 100_000_000  # bytes; as the safetensors format has it


class ModelFileError(ValueError):
    """A file that is damaged, changed, of another kind, or of a newer format than this version reads."""


@dataclass(frozen=True)
class ModelFile:
    """A model file whose checksum has been verified.

    Attributes
    ----------
    configuration : dict
    sha256 : str
        The checksum.
    data : bytes
        The whole file.
    source : str
        Name of the file in error messages.
    location : str or None
        Path of the file, or the name of a shipped model, which is found wherever the package lies; None: in memory only.
    """

    configuration: dict[str, Any]
    sha256: str
    data: bytes = field(repr=False)
    source: str
    location: str | None = None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The tensors by name, in NumPy."""
        from safetensors.numpy import load

        return self._load(load)

    def tensors(self) -> dict[str, torch.Tensor]:
        """The tensors by name, in torch on the CPU."""
        from safetensors.torch import load

        return self._load(load)

    def _load(self, load: Callable[[bytes], dict[str, Any]]) -> dict[str, Any]:
        try:
            return load(self.data)
        except Exception as error:
            raise ModelFileError(f"{self.source}: the tensors cannot be read ({error}); the file is damaged") from error


def pack(configuration: dict[str, Any], tensors: dict[str, torch.Tensor]) -> bytes:
    """Bytes of a model file with this configuration and these tensors."""
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(configuration, sort_keys=True, allow_nan=False)
    entries, body = _split(save(tensors), "new file")
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "configuration": text,
        "sha256": _checksum(text, entries, body),
    }
    # The header is written here: safetensors orders metadata at random, but equal models shall give equal files.
    header = json.dumps({"__metadata__": metadata, **entries}).encode()
    header += b" " * (-len(header) % 8)  # aligns the tensors
    return struct.pack("<Q", len(header)) + header + body


def unpack(data: bytes, source: str = "model data", location: str | None = None) -> ModelFile:
    """Contents of the bytes of a model file; ``source`` names them in errors."""
    configuration, checksum = _verify(data, source)
    return ModelFile(configuration, checksum, data, source, location)


def read(path: str | Path) -> ModelFile:
    """Contents of a model file on disk."""
    return unpack(read_bytes(path), str(path), str(Path(path).resolve()))


def load(path_or_name: str | os.PathLike[str]) -> ModelFile:
    """Contents of a model file, or of the shipped model of that name."""
    contents = read(find(path_or_name))
    name = str(path_or_name)
    return dataclasses.replace(contents, location=name) if name in shipped_models() else contents


def read_bytes(path: str | Path) -> bytes:
    """Bytes of a file; a FileNotFoundError names a missing one."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"model file is {str(path)!r}; an existing file is accepted")
    return path.read_bytes()


def write(path: str | Path, data: bytes) -> None:
    """Replace the file as a whole: an interrupted write leaves the old one."""
    path = Path(path)
    if path.suffix != SUFFIX:
        raise ValueError(f"path is {str(path)!r}; file names that end in {SUFFIX} are accepted")
    write_atomically(path, data)


def shipped_models() -> dict[str, Path]:
    """Name and path of each model that comes with the package."""
    return {path.stem: path for path in sorted(SHIPPED.glob(f"*{SUFFIX}"))}


def find(path_or_name: str | os.PathLike[str]) -> Path:
    """Path of a model file, or of the shipped model of that name."""
    if not isinstance(path_or_name, (str, os.PathLike)):
        raise TypeError(
            f"model is of type {type(path_or_name).__name__}; the path of a model file or the name of a shipped model is accepted"
        )
    text = str(path_or_name)
    shipped = shipped_models()
    if text in shipped:
        return shipped[text]
    if Path(text).is_file():
        return Path(text)
    if Path(text).suffix == SUFFIX or os.sep in text:
        raise FileNotFoundError(f"model file is {text!r}; an existing file is accepted")
    nearest = difflib.get_close_matches(text, shipped, n=1)
    meant = f" (is {nearest[0]!r} meant?)" if nearest else ""
    raise FileNotFoundError(
        f"model is {text!r}{meant}; a model file or a shipped model ({', '.join(shipped)}) is accepted"
    )


def _split(data: bytes, source: str) -> tuple[dict[str, Any], bytes]:
    """Header without metadata, and body, of safetensors bytes."""
    header, body = _header(data, source)
    header.pop("__metadata__", None)
    return header, body


def _header(data: bytes, source: str) -> tuple[dict[str, Any], bytes]:
    if data.startswith(PICKLES):
        raise ModelFileError(
            f"{source}: not a model file, but a pickle, which is never loaded because it can contain code; "
            "`polarmp import-mace FILE OUT.polarmp` converts a model of mace-torch, `polarmp import-so3lr OUT.polarmp --model "
            "FILE` one of so3krates-torch"
        )
    if len(data) < 8:
        raise ModelFileError(f"{source}: not a model file, as it has only {len(data)} bytes")
    (length,) = struct.unpack("<Q", data[:8])
    if length > min(len(data) - 8, LONGEST_HEADER):
        raise ModelFileError(
            f"{source}: not a model file, or an incomplete one (header of {length} bytes, file of {len(data)})"
        )
    try:
        header = json.loads(data[8 : 8 + length])
    except ValueError as error:
        raise ModelFileError(f"{source}: not a model file, as its header is not JSON") from error
    if not isinstance(header, dict):
        raise ModelFileError(f"{source}: not a model file, as its header is not a JSON object")
    return header, data[8 + length :]


def _verify(data: bytes, source: str) -> tuple[dict[str, Any], str]:
    """Configuration and checksum of a model file, which must match its contents."""
    header, body = _header(data, source)
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise ModelFileError(f"{source}: not a model file of openmm-polarmp, but another safetensors file")
    version = str(metadata.get("format_version", ""))
    if not version.isdigit():
        raise ModelFileError(f"{source}: format version is {version!r}, not a number; the file is damaged")
    if int(version) > FORMAT_VERSION:
        raise ModelFileError(
            f"{source}: format version is {version}; versions up to {FORMAT_VERSION} are accepted: upgrade openmm-polarmp"
        )
    text, expected = metadata.get("configuration"), metadata.get("sha256")
    if not isinstance(text, str) or not isinstance(expected, str):
        raise ModelFileError(f"{source}: configuration or checksum is missing; the file is damaged")
    checksum = _checksum(text, header, body)
    if checksum != expected:
        raise ModelFileError(f"{source}: checksum {checksum} differs from the recorded {expected}: damaged or changed")
    return json.loads(text), checksum


def _checksum(configuration: str, entries: dict[str, Any], body: bytes) -> str:
    digest = hashlib.sha256()
    for part in (configuration.encode(), json.dumps(entries, sort_keys=True).encode(), body):
        digest.update(struct.pack("<Q", len(part)))
        digest.update(part)
    return digest.hexdigest()
