"""Networks of other projects: MACE and others as hosts of multipole heads, and SO3LR as it is."""

from typing import TYPE_CHECKING

from openmm_polarmp._torch import lazy_attributes
from openmm_polarmp.hosts.config import HostedConfig
from openmm_polarmp.hosts.registry import HOSTS, HostKind

if TYPE_CHECKING:
    from openmm_polarmp.hosts.network import HostedNet
    from openmm_polarmp.hosts.protocol import Host, HostResult

__getattr__ = lazy_attributes(__name__, {"Host": ".protocol", "HostResult": ".protocol", "HostedNet": ".network"})

__all__ = ["HOSTS", "Host", "HostKind", "HostResult", "HostedConfig", "HostedNet"]
