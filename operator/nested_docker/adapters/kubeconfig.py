"""Which cluster, user and namespace a kubeconfig means, as kubectl resolves it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from kubernetes.aio import config
from kubernetes.aio.config.kube_config import ConfigNode, FileOrData, KubeConfigLoader

from nested_docker.adapters.exec_plugin import run_exec_plugin
from nested_docker.adapters.kubeconfig_files import exists, merged_kubeconfig

UNUSABLE = (config.ConfigException, OSError, KeyError, TypeError, AttributeError, ValueError)
"""What reading a kubeconfig that is none, or that another program writes at the same time, may raise."""

HEADER_CHARACTERS = "!#$&'*+-.^_`|~"
"""Besides letters and digits; `%` escapes the others in the name of a header, as in client-go."""


class KubeconfigError(ValueError):
    """The kubeconfig cannot be used; the message says why."""


@dataclass(frozen=True)
class UserContext:
    """Where requests go, and as whom.

    Attributes:
        name: of the kubeconfig's context; empty: this is a pod's service account.
        server: URL of the API server.
        user: name of the kubeconfig's user; empty: none.
        namespace: of the context; empty: it has none.
        impersonation: headers that make the API server take the user for another one.
    """

    name: str
    server: str
    user: str
    namespace: str
    impersonation: tuple[tuple[str, str], ...] = ()

    def is_same_user(self, other: UserContext) -> bool:
        """Whether credentials of the one may be sent in the name of the other."""
        return (self.server, self.user, self.impersonation) == (other.server, other.user, other.impersonation)


def kubeconfig_path(kubeconfig: str = "") -> str:
    """The path as kubectl finds it; several files have `os.pathsep` between them."""
    return kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"


def has_kubeconfig(path: str) -> bool:
    """Whether at least one of the files exists; a pipe is a file too."""
    return any(map(exists, path.split(os.pathsep)))


def read_kubeconfig(path: str, context: str, directory: str | None = None) -> tuple[ContextLoader, UserContext]:
    """Read the files once. The context has a name afterwards, so that a later reading finds the same one.

    Args:
        path: of the files, as `kubeconfig_path` gives it.
        context: name of the context; empty: the current one, which the first file that has one chooses.
        directory: where the library for TLS finds certificates.

    Raises:
        KubeconfigError: the files cannot be used.
    """
    if not has_kubeconfig(path):
        raise KubeconfigError(f"kubeconfig {path} does not exist")
    try:
        merged = merged_kubeconfig(path)
        name = context or merged.current_context
        if not name:
            raise ValueError("it has no current-context: name one by --context")
        merged.check(name)
        loader = ContextLoader(
            config_dict=merged.node, config_base_path=None, active_context=name, temp_file_path=directory
        )
        return loader, loader.user_context(name)
    except UNUSABLE as error:
        raise KubeconfigError(f"kubeconfig {path} cannot be used: {' '.join(str(error).split())}") from error


class ContextLoader(KubeConfigLoader):  # type: ignore[misc]
    """The library's, which would go on without credentials if an exec plugin fails, and impersonates nobody.

    Attributes:
        expires: when the credentials end, if the plugin says so.
        has_plugin_certificate: whether an exec plugin gave a client certificate.
    """

    _user: Any
    expires: datetime | None = None
    has_plugin_certificate = False

    def set_active_context(self, context_name: str | None = None) -> None:
        """Take a context. One without a user is anonymous, for which the library would fail where there is TLS."""
        super().set_active_context(context_name)
        if self._user is None:
            self._user = ConfigNode("no user", {})

    def user_context(self, name: str) -> UserContext:
        """What the context says."""
        inner: Mapping[str, Any] = self.current_context["context"]
        user: Mapping[str, Any] = self._user.value
        return UserContext(
            name,
            str(self._cluster["server"]).rstrip("/"),
            str(inner.get("user") or ""),
            str(inner.get("namespace") or ""),
            tuple(_impersonation(user)),
        )

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
            self.has_plugin_certificate = True
        return True

    def _file(self, content: str) -> Any:
        data = {"content": content}
        return FileOrData(
            data, None, "content", base64_file_content=False, temp_file_path=self._temp_file_path
        ).as_file()


def _impersonation(user: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Headers of the user's fields `as`, `as-uid`, `as-groups` and `as-user-extra`."""
    whom, extra = user.get("as"), user.get("as-user-extra") or {}
    if not whom:
        if further := [key for key in ("as-uid", "as-groups", "as-user-extra") if user.get(key)]:
            raise ValueError(f"its user has {further[0]} without as: add the user name")
        return
    pairs = [("Impersonate-User", whom)]
    pairs += [("Impersonate-Uid", user["as-uid"])] if user.get("as-uid") else []
    pairs += [("Impersonate-Group", each) for each in user.get("as-groups") or []]
    pairs += [
        (f"Impersonate-Extra-{quote(str(key), safe=HEADER_CHARACTERS)}", value)
        for key, values in extra.items()
        for value in values or []
    ]
    for name, value in pairs:
        yield name, header_value(str(value), f"{name} of its user")


def header_value(text: str, what: str) -> str:
    """The value of a header, without the line break at the end of a file.

    Raises:
        ValueError: a header cannot have it.
    """
    value = text.strip()
    if not value.isascii() or not value.isprintable():
        raise ValueError(f"{what} has characters that a header cannot have")
    return value
