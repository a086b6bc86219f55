"""The kinds of hosts by the names that configurations and model files have for them."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openmm_polarmp.hosts.protocol import Host


@dataclass(frozen=True)
class HostKind:
    """A kind of host.

    Attributes
    ----------
    module : str
        The module with its adapter: a class ``Adapter``, built from a configuration, and a dataclass ``Settings``.
    packages : tuple of str
        The Python packages that it imports.
    extra : str
        The extra of openmm-polarmp that installs them.
    versions : str
        The versions that work together.
    """

    module: str
    packages: tuple[str, ...]
    extra: str
    versions: str

    def missing(self) -> list[str]:
        """Packages that are not installed here."""
        return [name for name in self.packages if importlib.util.find_spec(name) is None]


HOSTS = {
    "mace": HostKind("openmm_polarmp.hosts.mace", ("mace",), "mace", "mace-torch 0.3.16 with e3nn 0.4.4"),
    "nequip": HostKind("openmm_polarmp.hosts.nequip", ("nequip",), "nequip", "nequip 0.19.0 with e3nn 0.6"),
    "allegro": HostKind(
        "openmm_polarmp.hosts.allegro",
        ("nequip", "allegro"),
        "allegro",
        "nequip-allegro 0.8.3, nequip 0.19.0 with e3nn 0.6",
    ),
}
"""The hosts that can be named. A package of your own adds its `HostKind` here before it loads or trains a model."""


def host_module(name: str) -> Any:
    """The module of a host's adapter.

    Raises
    ------
    ValueError
        For an unknown name.
    ImportError
        If the host's package is not installed; the message says how to install it.
    """
    if name not in HOSTS:
        raise ValueError(f"host is {name!r}; {', '.join(HOSTS)} are accepted")
    kind = HOSTS[name]
    if missing := kind.missing():
        raise ImportError(
            f"host {name!r} needs {' and '.join(missing)}, not installed here: pip install 'openmm-polarmp[{kind.extra}]' "
            f"({kind.versions}; hosts that need different versions of e3nn live in environments of their own)"
        )
    return importlib.import_module(kind.module)


def make_host(name: str, configuration: dict[str, Any]) -> Host:
    """The host of this name with random weights."""
    return host_module(name).Adapter(configuration)
