"""Opens connections to a NestedDocker's daemon: directly or through the API server, with TLS, across replaced pods."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import ssl
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from nested_docker.client.cluster import Cluster
from nested_docker.client.errors import NestedDockerError, NotReadyError, UnreachableError, user_error
from nested_docker.client.lifecycle import find
from nested_docker.client.patience import PatientCluster
from nested_docker.client.progress import DaemonStage, progress_of
from nested_docker.domain import names
from nested_docker.domain.client_variables import client_variables
from nested_docker.domain.objects import Manifest
from nested_docker.domain.ports import KubeError
from nested_docker.net.streams import Stream, connect_tcp
from nested_docker.net.tls import TlsStream, client_context

DIRECT_SECONDS = 3.0
TLS_SECONDS = 15.0
RETRY_SECONDS = 1.0
REPLACED_SECONDS = 60.0
"""How long a new connection waits for another pod when the known one is gone."""


class Reach(StrEnum):
    """How connections reach the daemon."""

    AUTO = "auto"
    """Directly from a pod of the cluster if that works, else by port forwarding."""
    DIRECT = "direct"
    PORT_FORWARD = "port-forward"


class Forwarder(Protocol):
    """Port forwarding; `PortForwarder` has it."""

    async def connect(self, namespace: str, pod: str, port: int) -> Stream:
        """A connection to a port of a pod; raises KubeError."""


@dataclass(frozen=True)
class DaemonTarget:
    """A daemon that is ready.

    Attributes:
        namespace: the pod's namespace.
        pod: the pod's name.
        host: the daemon's host name, which its certificate has.
        port: the daemon's port.
        context: TLS with the client's certificate.
    """

    namespace: str
    pod: str
    host: str
    port: int
    context: ssl.SSLContext


class Dialer:
    """Opens connections to one NestedDocker's daemon.

    Args:
        kube: the API server.
        forwarder: connects to ports of pods.
        namespace: the NestedDocker's namespace.
        name: the NestedDocker's name.
        reach: how connections reach the daemon.
        in_cluster: whether this process runs in a pod; `AUTO` then tries the direct way.
    """

    def __init__(
        self, kube: Cluster, forwarder: Forwarder, namespace: str, name: str, *, reach: Reach, in_cluster: bool
    ) -> None:
        self._kube, self._forwarder = kube, forwarder
        self._namespace, self._name = namespace, name
        self._ways = [Reach.DIRECT, Reach.PORT_FORWARD] if in_cluster else [Reach.PORT_FORWARD]
        if reach is not Reach.AUTO:
            self._ways = [reach]
        self._target: DaemonTarget | None = None

    async def connect(self, *, seconds: float = REPLACED_SECONDS) -> Stream:
        """A connection, after TLS's handshake. If the pod has been replaced, it waits for the next one.

        Raises:
            NestedDockerError: there is none within that time, or waiting has no point.
        """
        deadline = time.monotonic() + seconds
        patient = PatientCluster(self._kube, deadline)
        while True:
            try:
                return await self._attempt(patient)
            except (UnreachableError, NotReadyError):
                self._target = None
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(RETRY_SECONDS)

    async def _attempt(self, kube: Cluster) -> Stream:
        if self._target is None:
            self._target = await find_target(kube, self._namespace, self._name)
        *first, last = self._ways
        for way in first:
            with contextlib.suppress(UnreachableError):
                return await self._secured(way, self._target)
        stream = await self._secured(last, self._target)
        self._ways = [last, *first]
        return stream

    async def _secured(self, way: Reach, target: DaemonTarget) -> Stream:
        try:
            plain = await self._plain(way, target)
            stream = TlsStream(plain, target.context, server_name=target.host)
            try:
                async with asyncio.timeout(TLS_SECONDS):
                    await stream.handshake()
            except BaseException:
                plain.close()
                raise
        except KubeError as error:
            if error.status in {401, 403}:
                raise user_error(
                    error, f"forward a port of pod {target.pod} in namespace {target.namespace}"
                ) from error
            raise UnreachableError(f"no connection to NestedDocker {self._name} ({way}): {error.message}") from error
        except OSError as error:
            why = "no answer in time" if isinstance(error, TimeoutError) else " ".join(str(error).split())
            raise UnreachableError(
                f"no connection to NestedDocker {self._name} ({way}): {why}", f"nested-docker why {self._name}"
            ) from error
        return stream

    async def _plain(self, way: Reach, target: DaemonTarget) -> Stream:
        if way is Reach.PORT_FORWARD:
            return await self._forwarder.connect(target.namespace, target.pod, target.port)
        async with asyncio.timeout(DIRECT_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port)
            return await connect_tcp(str(found[0][4][0]), target.port)


async def find_target(kube: Cluster, namespace: str, name: str) -> DaemonTarget:
    """The daemon of a NestedDocker that is ready.

    Raises:
        NotReadyError: it is not ready, or its Secret is not there yet.
        NestedDockerError: the cluster cannot be asked, or the NestedDocker does not exist.
    """
    nested_docker = await find(kube, namespace, name)
    progress = progress_of(nested_docker)
    if progress.stage is not DaemonStage.READY:
        raise NotReadyError(
            progress.reason, f"NestedDocker {name} is not ready: {progress.message}", f"nested-docker why {name}"
        )
    secret = await _secret(kube, namespace, files_secret_name(nested_docker))
    if secret is None:
        raise NotReadyError("", f"the Secret {files_secret_name(nested_docker)} does not exist any more", "try again")
    status = nested_docker["status"]
    return _target(secret, status.get("podNamespace") or namespace, status.get("podName", ""))


async def connection_environment(kube: Cluster, namespace: str, name: str) -> dict[str, str]:
    """What the env Secret has for clients besides the address: credentials of registries, and what its mode adds."""
    secret = await _secret(kube, namespace, names.env_secret(name))
    return client_variables({key: value.decode(errors="replace") for key, value in secret_data(secret or {}).items()})


def files_secret_name(nested_docker: Manifest) -> str:
    """Name of the Secret that clients mount."""
    binding = (nested_docker.get("status") or {}).get("binding") or {}
    return str(binding.get("name") or names.files_secret(nested_docker["metadata"]["name"]))


def secret_data(secret: Manifest) -> dict[str, bytes]:
    """The decoded data of a Secret; what is not base64 is left out."""
    found = {}
    for key, value in (secret.get("data") or {}).items():
        try:
            found[key] = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError, TypeError):
            continue
    return found


async def _secret(kube: Cluster, namespace: str, name: str) -> Manifest | None:
    try:
        return await kube.get("Secret", namespace, name)
    except KubeError as error:
        raise user_error(error, f"read Secret {name}") from error


def _target(secret: Manifest, pod_namespace: str, pod: str) -> DaemonTarget:
    data, name = secret_data(secret), secret["metadata"]["name"]
    try:
        context = client_context(data["ca.pem"].decode(), data["cert.pem"] + data["key.pem"])
        return DaemonTarget(pod_namespace, pod, data["host"].decode(), int(data["port"]), context)
    except (KeyError, OSError, ValueError) as error:
        what = f"key {error} is missing" if isinstance(error, KeyError) else str(error)
        raise NestedDockerError(
            f"the Secret {name} cannot be used: {what}", "delete the Secret: the operator writes it again"
        ) from error
