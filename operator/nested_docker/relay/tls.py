"""The TLS context of the relay's TCP listener."""

from __future__ import annotations

import ssl


def server_context(directory: str) -> ssl.SSLContext:
    """A context that accepts clients of the key set, and no others.

    Args:
        directory: has ca.pem, cert.pem and key.pem.

    Raises:
        OSError: a file is missing or does not hold what its name says; the message names the directory.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A renegotiation would make a read depend on a write.
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(f"{directory}/cert.pem", f"{directory}/key.pem")
        context.load_verify_locations(f"{directory}/ca.pem")
    except OSError as error:  # OpenSSL's message does not name the file
        raise OSError(f"{directory} does not have a usable ca.pem, cert.pem and key.pem: {error}") from error
    context.verify_mode = ssl.CERT_REQUIRED
    return context
