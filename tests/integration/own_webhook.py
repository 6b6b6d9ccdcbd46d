"""Where an operator serves webhooks that the API server of the tests can ask."""

from __future__ import annotations

import base64
import socket
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.integration.world import Lab
from tests.support.api import own_address
from tests.support.certificates import certificate_maker

from nested_docker.domain import pki

FILES = {"tls.crt": pki.SERVER_CERTIFICATE, "tls.key": pki.SERVER_KEY, "ca.crt": pki.CA_CERTIFICATE}


@dataclass(frozen=True)
class OwnWebhook:
    """A port and a certificate for it.

    Attributes:
        settings: of the environment of the operator that serves there.
        server: the start of its URLs.
        bundle: the certificate authority, as a webhook configuration has it.
    """

    settings: dict[str, str]
    server: str
    bundle: str


def own_webhook(lab: Lab) -> OwnWebhook:
    """A new one, with its files in the lab's folder."""
    here = own_address(lab.access)
    now = datetime.now(UTC)
    begin, end = now - timedelta(hours=1), now + timedelta(hours=1)
    keys = certificate_maker().issue(pki.CertificateRequest("uid", "", "webhook", (), (here,), begin, end, end))
    folder = lab.folder / f"webhook-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    for file, key in FILES.items():
        (folder / file).write_bytes(keys[key])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"WEBHOOK_PORT": str(port), "WEBHOOK_CERTIFICATES": str(folder)}
    return OwnWebhook(settings, f"https://{here}:{port}", base64.b64encode(keys[pki.CA_CERTIFICATE]).decode())
