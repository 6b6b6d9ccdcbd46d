"""First contact with a daemon: mutual TLS to the pod's address, verified against the Service's name."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp

from nested_docker.api.v1alpha1.nested_docker import EngineStatus
from nested_docker.domain import names, pki

TIMEOUT_SECONDS = 5.0


class DaemonClient:
    """Asks daemons what they are."""

    async def ask(self, address: str, server_name: str, keys: Mapping[str, bytes]) -> EngineStatus:
        """What the daemon tells of itself.

        The pod's address is dialled, since it is known before any Service is programmed; the
        certificate is checked for the name that clients use.

        Raises:
            OSError: it does not answer, or not with the expected certificate.
        """
        host = f"[{address}]" if ":" in address else address
        connector = aiohttp.TCPConnector(ssl=tls_context(keys), limit=1)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        base = f"https://{host}:{names.DOCKER_PORT}"
        try:
            async with aiohttp.ClientSession(base, connector=connector, timeout=timeout) as session:
                version = await _get(session, "/version", server_name)
                info = await _get(session, "/info", server_name)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ConnectionError(f"{base}: {error or type(error).__name__}") from error
        return engine_status(version, info)


def tls_context(keys: Mapping[str, bytes]) -> ssl.SSLContext:
    """A client context for the operator's own pair; the key touches memory only.

    OpenSSL's loader takes files alone, so the pair is handed over as an anonymous memory file.
    """
    context = ssl.create_default_context(cadata=keys[pki.CA_CERTIFICATE].decode())
    handle = os.memfd_create("operator-pair", os.MFD_CLOEXEC)
    try:
        os.write(handle, keys[pki.OPERATOR_CERTIFICATE] + keys[pki.OPERATOR_KEY])
        context.load_cert_chain(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)
    return context


def engine_status(version: Mapping[str, Any], info: Mapping[str, Any]) -> EngineStatus:
    """Status from the answers to `GET /version` and `GET /info`."""
    driver_status = {str(pair[0]): str(pair[1]) for pair in info.get("DriverStatus") or [] if len(pair) == 2}
    return EngineStatus(
        version=str(version.get("Version", ""))[:64],
        api_version=str(version.get("ApiVersion", ""))[:16],
        storage_driver=str(info.get("Driver", ""))[:64],
        backing_filesystem=driver_status.get("Backing Filesystem", "")[:64],
        cgroup_version=str(info.get("CgroupVersion", ""))[:8],
        security_options=[str(option)[:256] for option in (info.get("SecurityOptions") or [])[:16]],
    )


async def _get(session: aiohttp.ClientSession, path: str, server_name: str) -> dict[str, Any]:
    async with session.get(path, server_hostname=server_name) as response:
        response.raise_for_status()
        answer: dict[str, Any] = await response.json(content_type=None)
        return answer
