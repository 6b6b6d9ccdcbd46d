"""The cluster of a person's kubeconfig, or the one that this process runs in."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from nested_docker.adapters.kube import KubeClient
from nested_docker.adapters.kubeconfig import (
    UNUSABLE,
    KubeconfigError,
    UserContext,
    has_kubeconfig,
    kubeconfig_path,
    read_kubeconfig,
)
from nested_docker.adapters.port_forward import PortForwarder
from nested_docker.adapters.proxies import proxy_of
from nested_docker.adapters.renewal import Renewal

SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True)
class UserCluster:
    """A connection to a cluster, with the rights of whoever runs this process.

    Attributes:
        kube: the API server.
        forwarder: connections to ports of pods.
        namespace: namespace of the kubeconfig's context, or of this process's pod.
        server: URL of the API server, for messages.
        in_cluster: whether this process runs in a pod of the cluster.
    """

    kube: KubeClient
    forwarder: PortForwarder
    namespace: str
    server: str
    in_cluster: bool

    async def close(self) -> None:
        """Close all connections."""
        await self.forwarder.close()
        await self.kube.close()


def resolve_context(kubeconfig: str = "", context: str = "") -> UserContext:
    """What a connection with these options would reach, without one.

    Args:
        kubeconfig: path of the file; empty: `KUBECONFIG`, else `~/.kube/config`.
        context: context of the kubeconfig; empty: the current one.

    Raises:
        KubeconfigError: there is no usable kubeconfig, and this process does not run in a pod.
    """
    path = kubeconfig_path(kubeconfig)
    if _is_in_cluster(kubeconfig, context):
        return _of_pod(Configuration(), path)
    _, found = read_kubeconfig(path, context)
    return found


async def connect_as_user(
    kubeconfig: str = "", context: str = "", *, private_directory: str | None = None, user_agent: str = "nested-docker"
) -> UserCluster:
    """Connect as kubectl does: by the kubeconfig, or by the pod's service account if there is none.

    Args:
        kubeconfig: path of the file; empty: `KUBECONFIG`, else `~/.kube/config`.
        context: context of the kubeconfig; empty: the current one.
        private_directory: where client certificates of the kubeconfig are kept until this process ends, as the
            library for TLS reads only files.
        user_agent: names this program in the API server's audit log.

    Raises:
        KubeconfigError: there is no usable kubeconfig, and this process does not run in a pod.
    """
    path = kubeconfig_path(kubeconfig)
    configuration = Configuration()
    if _is_in_cluster(kubeconfig, context):
        found = _of_pod(configuration, path)
        return _Connection(configuration, found, user_agent).cluster(found.namespace, in_cluster=True)
    loader, found = read_kubeconfig(path, context, private_directory)
    connection = _Connection(configuration, found, user_agent)
    renewal = Renewal(
        lambda: read_kubeconfig(path, found.name, private_directory), found, configuration, connection.use_certificate
    )
    try:
        await renewal.load(loader)
        configuration.proxy = proxy_of(configuration.host, configuration.proxy or "") or None
    except UNUSABLE as error:
        raise KubeconfigError(f"kubeconfig {path} cannot be used: {' '.join(str(error).split())}") from error
    return connection.cluster(
        found.namespace or "default", renewal=renewal, changing_certificate=loader.has_plugin_certificate
    )


class _Connection:
    """The clients of one cluster, which share credentials."""

    def __init__(self, configuration: Configuration, context: UserContext, user_agent: str) -> None:
        self._configuration, self._context, self._user_agent = configuration, context, user_agent
        self._api: ApiClient | None = None
        self._renewal: Renewal | None = None

    def cluster(
        self,
        namespace: str,
        *,
        renewal: Renewal | None = None,
        in_cluster: bool = False,
        changing_certificate: bool = False,
    ) -> UserCluster:
        """Make the clients.

        Raises:
            KubeconfigError: the certificates cannot be used.
        """
        configuration, api = self._configuration, self._open()
        self._renewal = renewal
        https = configuration.host.startswith("https:")
        if changing_certificate:
            # A connection keeps the certificate that it began with, so none may be used twice.
            limit, tls = configuration.connection_pool_maxsize, api.rest_client.ssl_context
            api.rest_client._create_connector = lambda: aiohttp.TCPConnector(limit=limit, ssl=tls, force_close=True)  # noqa: SLF001

        forwarder = PortForwarder(
            configuration.host,
            self._headers,
            renewal.after_refusal if renewal is not None else None,
            context=api.rest_client.ssl_context if https else None,
            server_name=configuration.tls_server_name or "",
            proxy=configuration.proxy or "",
            always=self._context.impersonation,
        )
        return UserCluster(KubeClient(api, credentials=renewal), forwarder, namespace, configuration.host, in_cluster)

    def use_certificate(self, certificate: str, key: str) -> None:
        """Make later connections use it."""
        if self._api is not None:
            self._api.rest_client.ssl_context.load_cert_chain(certificate, key)

    def _open(self) -> ApiClient:
        configuration = self._configuration
        configuration.client_session_kwargs = {
            "trust_env": False,
            "headers": list(self._context.impersonation),
        }
        configuration.connection_pool_maxsize = 16
        configuration.retries = None
        try:
            self._api = ApiClient(configuration)
        except (OSError, ValueError) as error:
            raise KubeconfigError(f"the certificates for {configuration.host} cannot be used: {error}") from error
        self._api.user_agent = self._user_agent
        return self._api

    async def _headers(self, path: str) -> Mapping[str, str]:
        found = {"User-Agent": self._user_agent}
        if self._renewal is not None:
            await self._renewal.before_request()
        assert self._api is not None  # noqa: S101 - the forwarder is made after it
        await self._api.update_params_for_auth(found, [], ["BearerToken"], path, "GET", None)
        return found


def _is_in_cluster(kubeconfig: str, context: str) -> bool:
    return not kubeconfig and not context and not has_kubeconfig(kubeconfig_path())


def _of_pod(configuration: Configuration, path: str) -> UserContext:
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException as error:
        raise KubeconfigError(f"no kubeconfig: {path} does not exist, and this is not a pod") from error
    namespace = ""
    with contextlib.suppress(OSError):
        namespace = SERVICE_ACCOUNT_NAMESPACE.read_text().strip()
    return UserContext("", configuration.host, "", namespace or "default")
