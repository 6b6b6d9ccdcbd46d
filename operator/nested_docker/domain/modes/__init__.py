"""The modes: each has one file, and one row here."""

from nested_docker.api.meta import Mode
from nested_docker.domain.modes.base import ModeBehaviour
from nested_docker.domain.modes.dind import Dind
from nested_docker.domain.modes.host_socket import HostSocket
from nested_docker.domain.modes.rootless import Rootless
from nested_docker.domain.modes.sysbox import Sysbox
from nested_docker.domain.modes.user_namespace import UserNamespace

MODES: dict[Mode, ModeBehaviour] = {
    behaviour.mode: behaviour for behaviour in (Dind(), HostSocket(), Sysbox(), UserNamespace(), Rootless())
}
"""Every mode's behaviour, by its name in the API."""

__all__ = ["MODES", "ModeBehaviour"]
