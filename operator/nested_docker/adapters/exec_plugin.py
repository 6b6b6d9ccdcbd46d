"""Credentials from an exec plugin of a kubeconfig, which runs as kubectl runs it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CLUSTER_CONFIG = "client.authentication.k8s.io/exec"
"""Name of the cluster's extension in the kubeconfig that its plugins get."""


class ExecPluginError(ValueError):
    """The plugin gives no credentials; the message says why."""


@dataclass(frozen=True)
class PluginCredentials:
    """What a plugin gives: a token, or a certificate with its key as PEM.

    Attributes:
        token: empty: there is none.
        certificate: empty: there is none.
        key: of the certificate.
        expires: when they end; None: the plugin does not say it.
    """

    token: str
    certificate: str
    key: str
    expires: datetime | None


async def run_exec_plugin(plugin: Mapping[str, Any], cluster: Mapping[str, Any], directory: str) -> PluginCredentials:
    """Run a plugin. Its standard error is this process's, as people log in there.

    Args:
        plugin: the user's `exec` in the kubeconfig.
        cluster: the cluster in the kubeconfig.
        directory: the kubeconfig's; a relative path of the plugin begins there.

    Raises:
        ExecPluginError: it cannot run, fails, or answers with something else.
    """
    command = str(plugin["command"])
    path = str(Path(directory, command)) if os.sep in command else command
    interactive = plugin.get("interactiveMode") != "Never" and sys.stdin is not None and sys.stdin.isatty()
    info = _exec_info(plugin, cluster, directory, interactive=interactive)
    variables = {each["name"]: str(each.get("value") or "") for each in plugin.get("env") or []}
    try:
        process = await asyncio.create_subprocess_exec(
            path,
            *map(str, plugin.get("args") or []),
            env=os.environ | variables | {"KUBERNETES_EXEC_INFO": json.dumps(info)},
            stdin=None if interactive else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        hint = f"; {plugin['installHint']}" if plugin.get("installHint") else ""
        raise ExecPluginError(f"its exec plugin {command} cannot be run: {error.strerror}{hint}") from error
    return _credentials(command, await _output(command, process))


async def _output(command: str, process: asyncio.subprocess.Process) -> bytes:
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise ExecPluginError(f"its exec plugin {command} failed with exit code {process.returncode}")
    return output


def _credentials(command: str, output: bytes) -> PluginCredentials:
    try:
        status = json.loads(output)["status"]
        ends = status.get("expirationTimestamp")
        found = PluginCredentials(
            token=str(status.get("token") or ""),
            certificate=str(status.get("clientCertificateData") or ""),
            key=str(status.get("clientKeyData") or ""),
            expires=datetime.fromisoformat(ends).astimezone(UTC) if ends else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExecPluginError(f"its exec plugin {command} did not print an ExecCredential") from error
    if not found.token and not (found.certificate and found.key):
        raise ExecPluginError(f"its exec plugin {command} printed neither a token nor a certificate with its key")
    return found


def _exec_info(
    plugin: Mapping[str, Any], cluster: Mapping[str, Any], directory: str, *, interactive: bool
) -> dict[str, Any]:
    """The variable KUBERNETES_EXEC_INFO: an ExecCredential without a status."""
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.get("provideClusterInfo"):
        keys = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
        spec["cluster"] = {key: cluster[key] for key in keys if key in cluster} | _further(cluster, directory)
    return {"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": spec}


def _further(cluster: Mapping[str, Any], directory: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if authority := cluster.get("certificate-authority"):
        try:
            content = Path(directory, authority).read_bytes()
        except OSError as error:
            raise ExecPluginError(f"certificate-authority {authority} cannot be read: {error.strerror}") from error
        found["certificate-authority-data"] = base64.b64encode(content).decode()
    for each in cluster.get("extensions") or []:
        if each.get("name") == CLUSTER_CONFIG:
            found["config"] = each.get("extension")
    return found
