"""Which agent serves which NestedDocker: options are resolved first, since what they mean may change."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from nested_docker.cli.user.running import ClusterOptions

if TYPE_CHECKING:
    from nested_docker.cli.user.agent import Agent


class Purpose(StrEnum):
    """Who uses a socket: each has its own, so that the end of one ends no other."""

    ENV = "env"
    CONTEXT = "context"


@dataclass(frozen=True)
class AgentTarget:
    """A NestedDocker of a cluster.

    Attributes:
        name: of the NestedDocker.
        options: with the names that the kubeconfig means now.
        identity: short hash of cluster, user, namespace and name.
    """

    name: str
    options: ClusterOptions
    identity: str

    def prefix(self, purpose: Purpose) -> str:
        """Beginning of the keys of all agents for a purpose."""
        return f"{self.identity}{purpose[0]}"

    def agent(self, purpose: Purpose, idle_seconds: int, reach: str) -> Agent:
        """The agent that serves in this way.

        Raises:
            OSError: its directory cannot be used.
        """
        from nested_docker.cli.user.agent import Agent
        from nested_docker.client.private_files import shared_directory
        from nested_docker.domain.names import digest

        return Agent(shared_directory(), self.prefix(purpose) + digest([idle_seconds, reach], length=4))

    def agents(self, purpose: Purpose) -> list[Agent]:
        """All agents for a purpose that there are.

        Raises:
            OSError: their directory cannot be used.
        """
        from nested_docker.cli.user.agent import agents_of
        from nested_docker.client.private_files import shared_directory

        return agents_of(shared_directory(), self.prefix(purpose))


def resolve_target(name: str, options: ClusterOptions) -> AgentTarget:
    """What the options mean now.

    Raises:
        ClusterError: there is no usable kubeconfig, or no other process could read it.
    """
    from nested_docker.adapters.kubeconfig import KubeconfigError, kubeconfig_path
    from nested_docker.adapters.user_cluster import resolve_context
    from nested_docker.client.errors import ClusterError
    from nested_docker.domain.names import digest

    files = [str(Path(each).expanduser().absolute()) for each in kubeconfig_path(options.kubeconfig).split(os.pathsep)]
    for each in files:
        if Path(each).is_fifo():
            raise ClusterError(
                f"kubeconfig {each} is a pipe, which the process in the background cannot read", "name a file"
            )
    try:
        found = resolve_context(options.kubeconfig, options.context)
    except KubeconfigError as error:
        raise ClusterError(str(error), "name another file by --kubeconfig, or a context by --context") from error
    namespace = options.namespace or found.namespace or "default"
    identity = digest([files, found.server, found.user, found.name, found.impersonation, namespace, name])
    return AgentTarget(name, ClusterOptions(namespace, found.name, options.kubeconfig), identity)
