"""The files of a kubeconfig: their types are checked, and they are merged as kubectl merges them.

The library's own messages quote what they do not understand, and that may be a credential.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes.aio.config.kube_config import ConfigNode
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nested_docker.yaml_text.reading import UnreadableError, parse_leniently

ENTRY_KEYS = {"contexts": "context", "clusters": "cluster", "users": "user"}
"""The lists of a kubeconfig, and what each of their entries has besides its name."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class _Context(_Model):
    cluster: str | None = None
    user: str | None = None
    namespace: str | None = None


class _Cluster(_Model):
    server: str | None = None
    certificate_authority: str | None = Field(None, alias="certificate-authority")
    certificate_authority_data: str | None = Field(None, alias="certificate-authority-data")
    tls_server_name: str | None = Field(None, alias="tls-server-name")
    proxy_url: str | None = Field(None, alias="proxy-url")
    insecure_skip_tls_verify: bool | None = Field(None, alias="insecure-skip-tls-verify")
    extensions: list[dict[str, Any]] | None = None


class _Variable(_Model):
    name: str
    value: str | None = None


class _ExecPlugin(_Model):
    api_version: str = Field(alias="apiVersion")
    command: str
    args: list[str] | None = None
    env: list[_Variable] | None = None
    install_hint: str | None = Field(None, alias="installHint")
    interactive_mode: str | None = Field(None, alias="interactiveMode")
    provide_cluster_info: bool | None = Field(None, alias="provideClusterInfo")


class _AuthProvider(_Model):
    name: str
    config: dict[str, str] | None = None


class _User(_Model):
    token: str | None = None
    token_file: str | None = Field(None, alias="tokenFile")
    client_certificate: str | None = Field(None, alias="client-certificate")
    client_certificate_data: str | None = Field(None, alias="client-certificate-data")
    client_key: str | None = Field(None, alias="client-key")
    client_key_data: str | None = Field(None, alias="client-key-data")
    username: str | None = None
    password: str | None = None
    exec: _ExecPlugin | None = None
    auth_provider: _AuthProvider | None = Field(None, alias="auth-provider")
    whom: str | None = Field(None, alias="as")
    uid: str | None = Field(None, alias="as-uid")
    groups: list[str] | None = Field(None, alias="as-groups")
    extra: dict[str, list[str] | None] | None = Field(None, alias="as-user-extra")


class _NamedContext(_Model):
    name: str | None = None
    context: _Context | None = None


class _NamedCluster(_Model):
    name: str | None = None
    cluster: _Cluster | None = None


class _NamedUser(_Model):
    name: str | None = None
    user: _User | None = None


class _File(_Model):
    current_context: str | None = Field(None, alias="current-context")
    contexts: list[_NamedContext] | None = None
    clusters: list[_NamedCluster] | None = None
    users: list[_NamedUser] | None = None


@dataclass(frozen=True)
class MergedKubeconfig:
    """What several files say together.

    Attributes:
        node: for the library; each entry knows the file that it is from.
        current_context: empty: no file has one.
    """

    node: ConfigNode
    current_context: str

    def check(self, context: str) -> None:
        """Check that a context leads to a server, and to a user if it names one.

        Raises:
            ValueError: it does not.
        """
        found = self._entry("contexts", context)
        if found is None:
            names = ", ".join(sorted(each["name"] for each in self.node.value["contexts"]))
            raise ValueError(f"it has no context {context}, but {names or 'none at all'}")
        cluster = found.get("cluster")
        if not cluster:
            raise ValueError(f"its context {context} names no cluster")
        cluster_entry = self._entry("clusters", cluster)
        if cluster_entry is None:
            raise ValueError(f"its context {context} names cluster {cluster}, which it does not have")
        if not cluster_entry.get("server"):
            raise ValueError(f"its cluster {cluster} has no server")
        user = found.get("user")
        if user and self._entry("users", user) is None:
            raise ValueError(f"its context {context} names user {user}, which it does not have")

    def _entry(self, kind: str, name: str) -> Mapping[str, Any] | None:
        found = (each.value[ENTRY_KEYS[kind]] for each in self.node.value[kind] if each["name"] == name)
        return next(found, None)


def merged_kubeconfig(path: str) -> MergedKubeconfig:
    """Read each file that exists once; of several entries with one name the first one counts.

    Args:
        path: of the files, with `os.pathsep` between them.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file is no kubeconfig; the message says where, and quotes nothing.
    """
    lists: dict[str, list[ConfigNode]] = {kind: [] for kind in ENTRY_KEYS}
    current = ""
    for file in filter(exists, path.split(os.pathsep)):
        place = os.path.expanduser(file)  # noqa: PTH111 - the library joins it with relative paths as text
        content = parse_kubeconfig(Path(place).read_text(encoding="utf-8"))
        current = current or content.get("current-context", "")
        for kind, entry in _entries(content):
            if all(each["name"] != entry["name"] for each in lists[kind]):
                lists[kind].append(ConfigNode(f"{kind} {entry['name']}", entry, place))
    return MergedKubeconfig(ConfigNode("kubeconfig", lists), current)


def parse_kubeconfig(text: str) -> dict[str, Any]:
    """A kubeconfig without its nulls.

    Raises:
        ValueError: it is none; the message says where, and quotes nothing.
    """
    try:
        content = parse_leniently(text)
    except UnreadableError as error:
        raise ValueError(f"{f'line {error.line}' if error.line else 'it'} is not YAML") from error
    try:
        return _File.model_validate({} if content is None else content).model_dump(by_alias=True, exclude_none=True)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"])) or "the file"
        what = "Input should be a mapping" if problem["type"] == "model_type" else problem["msg"]
        raise ValueError(f"{where}: {what}") from None


def _entries(content: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind, inner in ENTRY_KEYS.items():
        for entry in content.get(kind, []):
            if entry.get("name"):
                yield kind, {inner: {}} | entry


def exists(path: str) -> bool:
    """Whether there is a file; a pipe is one too."""
    found = Path(path).expanduser()
    return bool(path) and os.path.exists(found) and not found.is_dir()  # noqa: PTH110 - Path.exists may raise
