"""Contact with a daemon: mutual TLS to the pod's address, verified against the Service's name."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from nested_docker.api.v1alpha1.nested_docker import EngineStatus
from nested_docker.docker_api.client import session
from nested_docker.docker_api.engine import read_engine
from nested_docker.docker_api.errors import DockerApiError, NoAnswerError
from nested_docker.domain import names, pki
from nested_docker.net.streams import Stream, connect_tcp
from nested_docker.net.tls import TlsStream, client_context

CONTACT_SECONDS = 5.0
"""For the connection and both requests."""


class DaemonClient:
    """Asks daemons for their version and their storage."""

    async def ask(self, address: str, server_name: str, keys: Mapping[str, bytes]) -> EngineStatus:
        """Ask a daemon over mutual TLS.

        The client connects to the pod's address, which is known before any Service works; the
        server's certificate must have the name that users connect to.

        Args:
            address: the pod's IP address.
            server_name: name that the daemon's certificate must have.
            keys: the key set, by the keys of `nested_docker.domain.pki.KEYS`.

        Raises:
            DockerApiError: the daemon does not answer, or not with the expected certificate, or its
                answer is not usable; a retry may help.
        """
        host = f"[{address}]" if ":" in address else address
        daemon = f"https://{host}:{names.DOCKER_PORT}"
        context = _context(daemon, keys)

        connected = False

        async def connect() -> Stream:
            nonlocal connected
            plain = await connect_tcp(address, names.DOCKER_PORT)
            connected = True
            stream = TlsStream(plain, context, server_name=server_name)
            try:
                await stream.handshake()
            except BaseException:
                plain.close()
                raise
            return stream

        try:
            async with session(connect, daemon=daemon, seconds=CONTACT_SECONDS) as docker:
                return EngineStatus(**await read_engine(docker, last=True))
        except DockerApiError as error:
            if connected and isinstance(error.__cause__, TimeoutError):
                raise DockerApiError(str(error)) from NoAnswerError()
            raise


def tls_context(keys: Mapping[str, bytes]) -> ssl.SSLContext:
    """A client context for the operator's certificate; the private key is never written to a disk.

    Raises:
        KeyError: a file of the key set is missing.
        OSError, ValueError: one is not what its name says.
    """
    authority = keys[pki.CA_CERTIFICATE].decode()
    if not authority:
        raise ValueError(f"{pki.CA_CERTIFICATE} is empty")
    return client_context(authority, keys[pki.OPERATOR_CERTIFICATE] + keys[pki.OPERATOR_KEY])


def _context(daemon: str, keys: Mapping[str, bytes]) -> ssl.SSLContext:
    try:
        return tls_context(keys)
    except (OSError, ValueError, KeyError) as error:
        raise DockerApiError(f"{daemon} cannot be asked: the key set in its Secret is not usable: {error}") from error
