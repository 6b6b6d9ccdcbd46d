"""Registry credentials for clients: a dockerconfigjson Secret, in the form that `DOCKER_AUTH_CONFIG` takes.

Docker's client takes nothing but `auth` in that variable, and rejects the whole of it otherwise.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nested_docker.domain.objects import Identity, Manifest

VARIABLE = "DOCKER_AUTH_CONFIG"
TYPE, KEY = "kubernetes.io/dockerconfigjson", ".dockerconfigjson"

LONGEST = 100_000
"""Bytes; Linux starts no program with a variable of 128 KiB or more."""


class CredentialsError(Exception):
    """There are no credentials that clients can use; the message says why, with the remedy."""


@dataclass(frozen=True)
class RegistryCredentials:
    """What the operator remembers of them: enough to detect a change, and no more.

    Attributes:
        secret: the Secret that has them.
        digest: of the variable's value; empty: there is none.
        problem: why not, with the remedy; empty: there is a value.
    """

    secret: Identity
    digest: str = ""
    problem: str = ""


def auth_config(secret: Manifest | None, name: str) -> bytes:
    """The variable's value.

    Args:
        secret: the Secret; None: it does not exist.
        name: its name, for the message.

    Raises:
        CredentialsError: there is none.
    """
    if secret is None:
        raise CredentialsError(f"does not exist: create it with kubectl create secret docker-registry {name}")
    if secret.get("type") != TYPE:
        raise CredentialsError(f"has type {secret.get('type', 'Opaque')}: use one of type {TYPE}")
    entries = _entries(secret.get("data") or {})
    auths = {registry: {"auth": auth} for registry, entry in sorted(entries.items()) if (auth := _auth(entry))}
    if not auths:
        raise CredentialsError(f"has no registry with a user name and a password: correct its key {KEY}")
    value = json.dumps({"auths": auths}, separators=(",", ":")).encode()
    if len(value) > LONGEST:
        raise CredentialsError(
            f"has {len(value)} bytes of credentials, and a variable takes {LONGEST}: leave registries out"
        )
    return value


def _entries(data: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        content = json.loads(base64.b64decode(data.get(KEY, "")))
    except (ValueError, binascii.Error, RecursionError):
        content = None
    entries = content.get("auths") if isinstance(content, Mapping) else None
    if not isinstance(entries, Mapping):
        raise CredentialsError(f"has no JSON object with auths: correct its key {KEY}")
    return entries


def _auth(entry: Any) -> str:
    """User and password as Docker encodes them; empty: the entry has none, such as one with a token."""
    if not isinstance(entry, Mapping):
        return ""
    if isinstance(entry.get("auth"), str) and entry["auth"]:
        return str(entry["auth"])
    user, password = entry.get("username"), entry.get("password")
    if not (isinstance(user, str) and user and isinstance(password, str)):
        return ""
    return base64.b64encode(f"{user}:{password}".encode()).decode()
