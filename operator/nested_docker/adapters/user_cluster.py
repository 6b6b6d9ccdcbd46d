"""The cluster of a person's kubeconfig, or the one that this process runs in."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import yaml
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config.kube_config import FileOrData, KubeConfigLoader, KubeConfigMerger

from nested_docker.adapters.exec_plugin import run_exec_plugin
from nested_docker.adapters.kube import KubeClient
from nested_docker.adapters.port_forward import PortForwarder

SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
REFRESH_SECONDS = 60.0
"""The kubeconfig's token is read again at most so often: tokens of exec plugins expire, often after minutes."""


class KubeconfigError(ValueError):
    """The kubeconfig cannot be used; the message says why."""


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
    path = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    configuration = Configuration()
    in_cluster = not kubeconfig and not context and not any(map(_exists, path.split(os.pathsep)))
    if in_cluster:
        namespace = _from_pod(configuration, path)
    else:
        namespace = await _from_kubeconfig(configuration, path, context, private_directory)
    return _cluster(configuration, namespace, user_agent, in_cluster=in_cluster)


def _cluster(configuration: Configuration, namespace: str, user_agent: str, *, in_cluster: bool) -> UserCluster:
    configuration.client_session_kwargs = {"trust_env": False}
    configuration.connection_pool_maxsize = 16
    configuration.retries = None
    configuration.proxy = configuration.proxy or _proxy(configuration.host)
    try:
        api = ApiClient(configuration)
    except (OSError, ValueError) as error:
        raise KubeconfigError(f"the certificates for {configuration.host} cannot be used: {error}") from error
    api.user_agent = user_agent

    async def headers(path: str) -> dict[str, str]:
        found = {"User-Agent": user_agent}
        await api.update_params_for_auth(found, [], ["BearerToken"], path, "GET", None)
        return found

    https = configuration.host.startswith("https:")
    forwarder = PortForwarder(
        configuration.host,
        headers,
        context=api.rest_client.ssl_context if https else None,
        server_name=configuration.tls_server_name or "",
        proxy=configuration.proxy or "",
    )
    return UserCluster(KubeClient(api), forwarder, namespace, configuration.host, in_cluster)


def _from_pod(configuration: Configuration, path: str) -> str:
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException as error:
        raise KubeconfigError(f"no kubeconfig: {path} does not exist, and this is not a pod") from error
    with contextlib.suppress(OSError):
        return SERVICE_ACCOUNT_NAMESPACE.read_text().strip() or "default"
    return "default"


async def _from_kubeconfig(configuration: Configuration, path: str, context: str, private_directory: str | None) -> str:
    async def load(into: Configuration) -> _Loader:
        loader = _Loader(
            config_dict=KubeConfigMerger(path).config,
            config_base_path=None,
            active_context=context or None,
            temp_file_path=private_directory,
        )
        await loader.load_and_set(into)
        if "BearerToken" in into.api_key:
            into.api_key["BearerToken"] = _header(into.api_key["BearerToken"])
        return loader

    for each in filter(None, path.split(os.pathsep)):
        if not _exists(each) and os.pathsep not in path:
            raise KubeconfigError(f"kubeconfig {each} does not exist")
    try:
        loader = await load(configuration)
        namespace = loader.current_context["context"].get("namespace")
    except _UNUSABLE as error:
        raise KubeconfigError(f"kubeconfig {path} cannot be used: {' '.join(str(error).split())}") from error
    configuration.refresh_api_key_hook = _refresh(load, loader.expires)
    return str(namespace or "default")


_UNUSABLE = (config.ConfigException, yaml.YAMLError, OSError, KeyError, TypeError, AttributeError, ValueError)


class _Loader(KubeConfigLoader):  # type: ignore[misc]
    """The library's, which would go on without credentials if an exec plugin fails.

    Attributes:
        expires: when the credentials end, if the plugin says so.
    """

    expires: datetime | None = None

    async def load_from_exec_plugin(self) -> bool:
        """Get credentials from the user's exec plugin.

        Raises:
            ExecPluginError: there are none.
        """
        directory = self._get_base_path(self._user.path)
        found = await run_exec_plugin(self._user["exec"].value, self._cluster.value, directory)
        self.expires = found.expires
        if found.token:
            self.token = f"Bearer {found.token}"
        if found.certificate:
            self.cert_file, self.key_file = self._file(found.certificate), self._file(found.key)
        return True

    def _file(self, content: str) -> Any:
        data = {"content": content}
        return FileOrData(
            data, None, "content", base64_file_content=False, temp_file_path=self._temp_file_path
        ).as_file()


def _header(authorization: str) -> str:
    """The value of the header, without the line break at the end of a file with a token."""
    value = authorization.strip()
    if not value.isascii() or not value.isprintable():
        raise KubeconfigError("its token has characters that a header cannot have")
    return value


def _refresh(load: Any, expires: datetime | None) -> Any:
    """Reads the token again before it expires; if that fails, the old one is tried."""
    last = time.monotonic()

    async def refresh(configuration: Configuration) -> None:
        nonlocal last, expires
        now = time.monotonic()
        left = (expires - datetime.now(UTC)).total_seconds() if expires is not None else 0.0
        if "BearerToken" not in configuration.api_key or now - last < REFRESH_SECONDS or left > REFRESH_SECONDS:
            return
        last = now
        fresh = Configuration()
        with contextlib.suppress(*_UNUSABLE):
            expires = (await load(fresh)).expires
            configuration.api_key = fresh.api_key or configuration.api_key

    return refresh


def _exists(path: str) -> bool:
    return Path(path).expanduser().is_file()


def _proxy(server: str) -> str | None:
    """The proxy that the environment names for the API server, as kubectl uses it."""
    url = urlsplit(server)
    return None if proxy_bypass(url.hostname or "") else getproxies().get(url.scheme)
