"""A Docker daemon for as long as a `with` block runs."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from nested_docker.client.background import BackgroundLoop
from nested_docker.client.bridge import Bridge
from nested_docker.client.dialing import Dialer, Reach, connection_environment
from nested_docker.client.errors import ClusterError, NestedDockerError, user_error
from nested_docker.client.held_signals import signals_held
from nested_docker.client.lifecycle import KIND, OnProgress, create, find, look_up, wait_until_ready
from nested_docker.client.patience import PatientCluster
from nested_docker.client.platform import check_platform
from nested_docker.client.private_files import private_directory, process_directory
from nested_docker.client.request import DaemonRequest, is_created_by
from nested_docker.domain.objects import Manifest
from nested_docker.domain.ports import KubeError

if TYPE_CHECKING:
    import docker

    from nested_docker.adapters.user_cluster import UserCluster

OPEN_SECONDS = 20.0
"""How long the first connection to a daemon that is ready may take."""
DELETE_SECONDS = 15.0

LOCAL_VARIABLES = ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT", "DOCKER_TLS")
"""Variables that would lead Docker's clients away from the socket."""


class NestedDocker:
    """A Docker daemon in the cluster, as a context manager: `with` and `async with` both work.

    It creates a NestedDocker, or uses the one of that name, waits until it is ready, and opens a Docker socket that
    only this user can use. At its end, also after an error or a cancellation, it deletes what it has created.

    Args:
        name: of the NestedDocker; empty: a temporary one.
        namespace: empty: that of the kubeconfig's context.
        class_name: NestedDockerClass; empty: the default class.
        mode: `Dind`, `HostSocket`, …; empty: the least privileged one that class and policy offer.
        spec: further fields of the spec, as in YAML.
        labels: of the NestedDocker.
        timeout: seconds until it has to be ready.
        keep: do not delete it at the end.
        attach: use only a NestedDocker that exists.
        reach: how to reach the daemon.
        kubeconfig: path; empty: as kubectl finds it.
        context: of the kubeconfig; empty: the current one.
        socket: where the Docker socket is, in a directory that only this user can read; empty: in a new one.
        on_progress: gets each step on the way; called from another thread.

    Raises, when the block is entered:
        NestedDockerError: one of its subclasses says what is wrong; `remedy` says what to do.

    Attributes:
        name: of the NestedDocker.
        namespace: of the NestedDocker.
        created: whether this object has created it.
        docker_host: URL of the socket, for `DOCKER_HOST`.
    """

    def __init__(
        self,
        name: str = "",
        *,
        namespace: str = "",
        class_name: str = "",
        mode: str = "",
        spec: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        timeout: float = 300.0,
        keep: bool = False,
        attach: bool = False,
        reach: Reach | str = Reach.AUTO,
        kubeconfig: str = "",
        context: str = "",
        socket: str = "",
        on_progress: OnProgress = lambda _: None,
    ) -> None:
        self._request = DaemonRequest(name, namespace, class_name, mode, spec or {}, labels or {})
        self._request.check()
        self._timeout, self._keep, self._attach = timeout, keep, attach
        self._reach, self._kubeconfig, self._context = Reach(reach), kubeconfig, context
        self._on_progress, self._socket = on_progress, socket
        self.name, self.namespace, self.created, self.docker_host = name, namespace, False, ""
        self._environment: dict[str, str] = {}
        self._refused = False
        self._background: BackgroundLoop | None = None
        self._bridge: Bridge | None = None
        self._opening: asyncio.Task[None] | None = None
        self._resources = contextlib.AsyncExitStack()
        self._clients: list[docker.DockerClient] = []

    def client(self, **options: Any) -> docker.DockerClient:
        """A client of Docker's SDK, which is closed at the end of the block.

        Args:
            options: of `docker.DockerClient`, such as `timeout`.

        Raises:
            RuntimeError: the block has not been entered, or has ended.
        """
        import docker

        if not self.docker_host:
            raise RuntimeError("there is no daemon outside the with block: enter it first")
        client = docker.DockerClient(base_url=self.docker_host, **options)
        self._clients.append(client)
        return client

    @property
    def open_connections(self) -> int:
        """Number of connections to the daemon that clients have open."""
        return self._bridge.open_connections if self._bridge is not None else 0

    def environment(self) -> dict[str, str]:
        """Environment variables for Docker's clients: `DOCKER_HOST`, and what the NestedDocker adds."""
        return self._environment | {"DOCKER_HOST": self.docker_host}

    def __enter__(self) -> Self:
        """Create or find the NestedDocker, and open the socket."""
        try:
            with signals_held() as held:
                background = self._background = BackgroundLoop()
                opening = background.submit(self._open())
                held.then(opening.cancel)
                try:
                    opening.result()
                except CancelledError:
                    held.raise_error()
                    raise
        except BaseException:
            self._shut()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the socket, and delete what was created. Signals such as Ctrl-C wait for that, which takes seconds."""
        try:
            self._shut()
        except (KeyboardInterrupt, SystemExit):
            self._shut()  # the signal may have been faster than the first attempt
            raise

    async def __aenter__(self) -> Self:
        """As `__enter__`; the event loop goes on meanwhile."""
        background = self._background = BackgroundLoop()
        try:
            await asyncio.wrap_future(background.submit(self._open()))
        except BaseException:
            await self._finish(background)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As `__exit__`; a cancellation does not stop it."""
        if self._background is not None:
            await self._finish(self._background)

    # --- in the background loop -------------------------------------------------------------------------

    async def _open(self) -> None:
        check_platform()
        self._opening = asyncio.current_task()
        cluster = await self._connect()
        self.namespace = self._request.namespace or cluster.namespace
        nested_docker = await self._obtain(cluster)
        self.name = nested_docker["metadata"]["name"]
        await wait_until_ready(
            cluster.kube, self.namespace, self.name, seconds=self._timeout, on_progress=self._on_progress
        )
        dialer = Dialer(
            cluster.kube,
            cluster.forwarder,
            self.namespace,
            self.name,
            reach=self._reach,
            in_cluster=cluster.in_cluster,
        )
        (await dialer.connect(seconds=OPEN_SECONDS)).close()
        patient = PatientCluster(cluster.kube, time.monotonic() + OPEN_SECONDS)
        self._environment = await connection_environment(patient, self.namespace, self.name)
        await self._listen(dialer)

    async def _connect(self) -> UserCluster:
        from nested_docker.adapters.kubeconfig import KubeconfigError
        from nested_docker.adapters.user_cluster import connect_as_user

        try:
            cluster = await connect_as_user(self._kubeconfig, self._context, private_directory=str(process_directory()))
        except KubeconfigError as error:
            raise ClusterError(str(error), "name another file by --kubeconfig or KUBECONFIG") from error
        self._resources.push_async_callback(cluster.close)
        return cluster

    async def _obtain(self, cluster: UserCluster) -> Manifest:
        name = self._request.name
        if self._attach:
            return await find(cluster.kube, self.namespace, name)
        existing = await look_up(cluster.kube, self.namespace, name) if name else None
        if existing is not None:
            self._request.check_same(existing)
            return existing
        manifest = self._request.manifest(self.namespace)
        if not self._keep:
            self._resources.push_async_callback(self._delete, cluster, manifest)
        try:
            created = await create(cluster.kube, manifest)
        except NestedDockerError as error:
            self._refused = isinstance(error.__cause__, KubeError) and 400 <= error.__cause__.status < 500
            raise
        self.created = True
        return created

    async def _delete(self, cluster: UserCluster, manifest: Manifest) -> None:
        """Delete what was created, even if the answer to the creation was lost."""
        if self._refused:
            return
        name, problem = manifest["metadata"]["name"], f"no answer within {DELETE_SECONDS:g} s"
        patient = PatientCluster(cluster.kube, time.monotonic() + DELETE_SECONDS)
        try:
            async with asyncio.timeout(DELETE_SECONDS):
                found = await look_up(patient, self.namespace, name)
                if found is not None and is_created_by(manifest, found):
                    await patient.delete(KIND, self.namespace, name, found["metadata"]["uid"])
                return
        except TimeoutError:
            cause = None
        except NestedDockerError as error:
            problem, cause = error.message, error
        except KubeError as error:
            cause = user_error(error, "delete it")
            problem = cause.message
        raise NestedDockerError(
            f"NestedDocker {name} could not be deleted: {problem}", f"nested-docker rm {name} -n {self.namespace}"
        ) from cause

    async def _listen(self, dialer: Dialer) -> None:
        if self._socket:
            path = Path(self._socket)
            self._resources.callback(path.unlink, missing_ok=True)
        else:
            directory = private_directory()
            self._resources.callback(shutil.rmtree, directory, ignore_errors=True)
            path = directory / "docker.sock"
        self._bridge = Bridge(dialer)
        self._bridge.listen(path)
        self._resources.push_async_callback(self._bridge.close)
        self.docker_host = f"unix://{path}"

    async def _close(self) -> None:
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()
            await asyncio.wait([self._opening])
        await self._resources.aclose()

    # --- in the caller's thread -------------------------------------------------------------------------

    def _shut(self) -> None:
        with signals_held():
            background, self._background = self._background, None
            if background is None:
                return
            try:
                self._end(background).result()
            finally:
                background.stop()

    def _end(self, background: BackgroundLoop) -> Future[None]:
        for client in self._clients:
            client.close()
        self._clients.clear()
        self.docker_host = ""
        return background.submit(self._close())

    async def _finish(self, background: BackgroundLoop) -> None:
        self._background = None
        ending = asyncio.wrap_future(self._end(background))
        cancelled = False
        while not ending.done():  # it has time limits, so this ends even if it is cancelled several times
            try:
                await asyncio.wait([ending])
            except asyncio.CancelledError:
                cancelled = True
        background.stop()
        if cancelled:
            raise asyncio.CancelledError
        ending.result()
