"""The API server through the official client's connection, with raw objects.

The client's typed models take six times as long and nearly three times the memory, and its default session
looks up netrc and proxy settings for every request; neither is used.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from nested_docker.adapters import bounded_json
from nested_docker.adapters.resources import RESOURCES
from nested_docker.domain.kube_types import ObjectMeta
from nested_docker.domain.names import FIELD_MANAGER, FINALIZER_FIELD_MANAGER, STATUS_FIELD_MANAGER
from nested_docker.domain.objects import Manifest
from nested_docker.domain.partial import PartialObject
from nested_docker.domain.ports import KubeError, WatchEvent

REQUEST_TIMEOUT_SECONDS = 15.0

WATCH_END_SECONDS = 300
"""After so long the API server ends a watch."""

SILENT_WATCH_SECONDS = 70.0
"""A watch without any event for this long has lost its connection; the API server sends a bookmark every minute."""

APPLY_PATCH = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
JSON = "application/json"

_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


async def connect_to_cluster(user_agent: str = "nested-docker-operator") -> KubeClient:
    """A client for the cluster that this process runs in, else for the current kubeconfig context."""
    configuration = Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        await config.load_kube_config(client_configuration=configuration)
    configuration.client_session_kwargs = {"trust_env": False}
    configuration.connection_pool_maxsize = 64
    configuration.retries = None
    api = ApiClient(configuration)
    api.user_agent = user_agent
    return KubeClient(api)


class EndingCredentials(Protocol):
    """Credentials that end before this process does."""

    async def before_request(self) -> None:
        """Get others if these end soon."""

    async def after_refusal(self) -> bool:
        """Get others; whether a request that was refused is sent once more."""


class KubeClient:
    """Reads and writes raw objects; implements `nested_docker.domain.ports.Kube`.

    Args:
        api: the connection.
        timeout: seconds for a request.
        credentials: those of the connection, if they end; None: the library knows when.

    Attributes:
        requests: number of requests, by method and kind.
    """

    def __init__(
        self,
        api: ApiClient,
        timeout: float = REQUEST_TIMEOUT_SECONDS,
        *,
        credentials: EndingCredentials | None = None,
    ) -> None:
        self._api, self._credentials = api, credentials
        self._timeout = timeout
        self.requests: dict[tuple[str, str], int] = {}

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create an object that must not exist yet; `dry_run` only checks whether the API server would accept it."""
        made = await self._write("POST", manifest, named=False, query={"dryRun": "All"} if dry_run else None)
        return _named(made) if manifest["metadata"].get("name") else made

    async def dry_run_create(self, manifest: Manifest) -> tuple[Manifest, list[str]]:
        """What `create` would create now, and the API server's warnings; nothing is created."""
        path = RESOURCES[manifest["kind"]].path(manifest["metadata"].get("namespace"), "")
        query = {"fieldManager": FIELD_MANAGER, "dryRun": "All"}
        response, data = await self._answer("POST", manifest["kind"], path, query=query, body=manifest)
        return _document(data), _warnings(response.headers.getall("Warning", []))

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply with force: the caller has checked that the operator owns the object."""
        return await self._write("PATCH", manifest, query={"force": "true"}, content_type=APPLY_PATCH)

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Server-side apply of the status, with the status field manager."""
        query = {"fieldManager": STATUS_FIELD_MANAGER, "force": "true"}
        return await self._write("PATCH", manifest, query=query, content_type=APPLY_PATCH, subresource="status")

    async def set_finalizers(self, manifest: Manifest) -> Manifest:
        """Write only an object's finalizers, at the manifest's resource version.

        A merge patch: server-side apply could not remove a finalizer that another field manager owns too.
        """
        query = {"fieldManager": FINALIZER_FIELD_MANAGER}
        return await self._write("PATCH", manifest, query=query, content_type=MERGE_PATCH)

    async def remove_scheduling_gate(self, pod: ObjectMeta, gate: str) -> Manifest:
        """Remove a scheduling gate from the pod with that name and uid; it is no error if the gate is gone.

        A strategic merge patch: others may add and remove their gates at the same time.
        """
        metadata = {key: pod[key] for key in ("namespace", "name", "uid")}
        gates = [{"name": gate, "$patch": "delete"}]
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"schedulingGates": gates}}
        return await self._write("PATCH", body, content_type=STRATEGIC_PATCH)

    async def annotate_pod(self, pod: ObjectMeta, key: str, value: str) -> Manifest:
        """Set an annotation of the pod with that name and uid."""
        metadata: Manifest = {name: pod[name] for name in ("namespace", "name", "uid")}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata | {"annotations": {key: value}}}
        return await self._write("PATCH", body, content_type=MERGE_PATCH)

    async def replace(self, manifest: Manifest) -> Manifest:
        """Replace an object, at the manifest's resource version."""
        return await self._write("PUT", manifest)

    async def get(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        """The object, or None if it does not exist."""
        try:
            return _named(await self._request("GET", kind, RESOURCES[kind].path(namespace, name)))
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    async def list(
        self, kind: str, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[Manifest]:
        """Objects of a kind in one namespace, or in all, at the most recent version."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        answer = await self._request("GET", kind, RESOURCES[kind].path(namespace), query=query)
        head = {"apiVersion": RESOURCES[kind].api_version, "kind": RESOURCES[kind].kind or kind}
        return [_with_head(_named(item), head) for item in _items(answer)]

    async def watch(self, kind: str, namespace: str | None = None, *, labels: str = "") -> AsyncIterator[WatchEvent]:
        """The objects of a kind that there are, and then their changes, until the API server ends the watch.

        Raises:
            KubeError: the watch was rejected, or its connection was lost.
        """
        path = RESOURCES[kind].path(namespace)
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_END_SECONDS),
            "labelSelector": labels,
        }
        timeout = aiohttp.ClientTimeout(sock_connect=self._timeout, sock_read=SILENT_WATCH_SECONDS)
        with _no_answer(f"watch {path}", SILENT_WATCH_SECONDS):
            # The API server also compresses watches, and an event must not wait in a compressor for the next one.
            plain = {"Accept-Encoding": "identity"}
            response = await self._send("GET", kind, path, query=query, headers=plain, timeout=timeout)
            async with response:
                if response.status >= 400:
                    raise _error(response.status, response.headers.get("Retry-After", ""), await response.read())
                async for line in _lines(response.content):
                    event = _document(line)
                    if event["type"] == "ERROR":
                        problem = event["object"]
                        raise KubeError(problem.get("code", 0), problem.get("reason", ""), problem.get("message", ""))
                    if event["type"] != "BOOKMARK":
                        yield WatchEvent(event["object"], gone=event["type"] == "DELETED")

    async def delete(self, kind: str, namespace: str, name: str, uid: str, *, grace_seconds: int | None = None) -> None:
        """Delete the object with that uid; if it is gone, or another object has its name, do nothing."""
        body: Manifest = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        body |= {} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
        try:
            await self._request(
                "DELETE", kind, RESOURCES[kind].path(namespace, name), body=body | {"preconditions": {"uid": uid}}
            )
        except KubeError as error:
            another = error.status == 409 and "precondition" in error.message.lower()
            if error.status != 404 and not another:
                raise

    async def stream_log(self, namespace: str, pod: str, query: dict[str, str]) -> AsyncIterator[bytes]:
        """The output of a container, in blocks as they arrive.

        Args:
            namespace: the pod's namespace.
            pod: the pod's name.
            query: parameters of the subresource `log`, such as `container` and `follow`; empty ones are left out.

        Raises:
            KubeError: the API server refuses or does not answer.
        """
        path = RESOURCES["Pod"].path(namespace, pod, "log")
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout)
        with _no_answer(f"GET {path}", self._timeout):
            response = await self._send("GET", "Pod", path, query=query, timeout=timeout)
            async with response:
                if response.status >= 400:
                    raise _error(response.status, "", await response.read())
                async for block in response.content.iter_any():
                    yield block

    async def _write(
        self,
        method: str,
        manifest: Manifest,
        *,
        named: bool = True,
        query: dict[str, str] | None = None,
        content_type: str = JSON,
        subresource: str = "",
    ) -> Manifest:
        kind, metadata = manifest["kind"], manifest["metadata"]
        path = RESOURCES[kind].path(metadata.get("namespace"), metadata["name"] if named else "", subresource)
        return await self._request(
            method,
            kind,
            path,
            query={"fieldManager": FIELD_MANAGER} | (query or {}),
            body=manifest,
            content_type=content_type,
        )

    async def _request(
        self,
        method: str,
        kind: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> Manifest:
        _, data = await self._answer(method, kind, path, query=query, body=body, content_type=content_type)
        return _document(data)

    async def _answer(
        self,
        method: str,
        kind: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """An answer that is no error, and its body."""
        timeout = aiohttp.ClientTimeout(total=self._timeout)
        with _no_answer(f"{method} {path}", self._timeout):
            response = await self._send(
                method, kind, path, query=query, body=body, content_type=content_type, timeout=timeout
            )
            data = await response.read()
        if response.status >= 400:
            raise _error(response.status, response.headers.get("Retry-After", ""), data)
        return response, data

    async def _send(
        self,
        method: str,
        kind: str,
        path: str,
        *,
        timeout: aiohttp.ClientTimeout,
        query: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
        headers: dict[str, str] | None = None,
    ) -> aiohttp.ClientResponse:
        self.requests[method, kind] = self.requests.get((method, kind), 0) + 1
        headers = {"Accept": JSON, "Content-Type": content_type, "User-Agent": self._api.user_agent} | (headers or {})
        response = await self._authenticated(method, path, query, body, headers=headers, timeout=timeout)
        if response.status == 401 and self._credentials is not None and await self._credentials.after_refusal():
            response.release()
            response = await self._authenticated(method, path, query, body, headers=headers, timeout=timeout)
        return response

    async def _authenticated(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None,
        body: Any,
        *,
        headers: dict[str, str],
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        if self._credentials is not None:
            await self._credentials.before_request()
        headers = dict(headers)
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        query_string = urlencode({key: value for key, value in (query or {}).items() if value})
        url = f"{self._api.configuration.host}{path}{'?' + query_string if query_string else ''}"
        answer = await self._api.rest_client.request(method, url, headers=headers, body=body, _request_timeout=timeout)
        response: aiohttp.ClientResponse = answer.response
        return response


@contextmanager
def _no_answer(request: str, seconds: float) -> Iterator[None]:
    """Turn the errors of a connection into a KubeError that names the request."""
    try:
        yield
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        silent = isinstance(error, TimeoutError)
        problem = f"no answer within {seconds:g} s" if silent else str(error) or type(error).__name__
        raise KubeError(0, "NoAnswer", f"{request}: {problem}") from error


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The lines of a body, however long they are."""
    rest = bytearray()
    async for data in content.iter_any():
        rest += data
        if b"\n" in data:
            *whole, last = rest.split(b"\n")
            rest = last
            for line in whole:
                yield bytes(line)


def _named(item: Any) -> Manifest:
    """An object that the API server has; a proxy may answer with other JSON.

    Raises:
        KubeError: it is none.
    """
    metadata = item.get("metadata") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise KubeError(0, "InvalidAnswer", "the API server's answer is no object with a name")
    return item


def _items(answer: Manifest) -> list[Any]:
    """The objects of a list; an empty one may be null.

    Raises:
        KubeError: it is none.
    """
    items = answer.get("items", "")
    if items is not None and not isinstance(items, list):
        raise KubeError(0, "InvalidAnswer", "the API server's answer is no list of objects")
    return items or []


def _with_head(item: Manifest, head: Manifest) -> Manifest:
    whole = head | item
    return PartialObject(whole, item.missing) if isinstance(item, PartialObject) else whole


def _warnings(headers: Iterable[str]) -> list[str]:
    """The texts of an answer's headers `Warning`, which the API server cuts after 256 characters."""
    return [re.sub(r"\\(.)", r"\1", text) for header in headers for text in _WARNING.findall(header)]


def _document(data: bytes) -> Manifest:
    """The JSON object of an answer.

    Raises:
        KubeError: the answer is not one.
    """
    try:
        document = bounded_json.loads(data)
    except ValueError as error:
        raise KubeError(0, "InvalidAnswer", f"the API server's answer is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise KubeError(0, "InvalidAnswer", "the API server's answer is not a JSON object")
    return document


def _error(status: int, retry_after: str, data: bytes) -> KubeError:
    try:
        answer = bounded_json.loads(data)
        reason, message = answer.get("reason", ""), answer.get("message", "")
    except (ValueError, AttributeError):
        reason, message = "", data.decode(errors="replace")[:500]
    return KubeError(status, reason, message, float(retry_after) if retry_after.isdigit() else 0)
