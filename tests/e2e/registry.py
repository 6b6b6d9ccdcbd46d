"""A registry in the namespace, with TLS or a password where a test wants it."""

from __future__ import annotations

import base64
import json
from typing import Any

import trustme
from tests.e2e.environment import Environment

USER, PASSWORD = "ci", "letmein"
_HTPASSWD = f"{USER}:$2b$05$abcdefghijklmnopqrstuuKwWV7ESJpzKzf9FQg57dBvMuv92X9HS"
"""The password by bcrypt, which the registry wants."""


def registry(env: Environment, *, tls: bool = False, password: bool = False) -> tuple[str, bytes]:
    """A registry in the namespace; its host and port, and the authority of its certificate."""
    host = f"registry.{env.namespace}.svc"
    authority, variables, files = trustme.CA(), {}, {}
    if tls:
        certificate = authority.issue_cert(host)
        files |= {"tls.crt": certificate.cert_chain_pems[0].bytes(), "tls.key": certificate.private_key_pem.bytes()}
        variables |= {"REGISTRY_HTTP_TLS_CERTIFICATE": "/files/tls.crt", "REGISTRY_HTTP_TLS_KEY": "/files/tls.key"}
    if password:
        files["htpasswd"] = _HTPASSWD.encode()
        variables |= {
            "REGISTRY_AUTH": "htpasswd",
            "REGISTRY_AUTH_HTPASSWD_REALM": "registry",
            "REGISTRY_AUTH_HTPASSWD_PATH": "/files/htpasswd",
        }
    env.apply(_secret("registry", files), _pod(variables), _service())
    env.kubectl("wait", "--for=condition=Ready", "pod/registry", "--timeout=60s")
    return f"{host}:5000", authority.cert_pem.bytes()


def credentials(env: Environment, name: str, host: str) -> None:
    """A Secret with the registry's user and password, as `kubectl create secret docker-registry` makes it."""
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    entry = {"username": USER, "password": PASSWORD, "auth": auth}
    content = json.dumps({"auths": {host: entry}}).encode()
    secret = _secret(name, {".dockerconfigjson": content})
    env.apply(secret | {"type": "kubernetes.io/dockerconfigjson"})


def _secret(name: str, files: dict[str, bytes]) -> dict[str, Any]:
    data = {key: base64.b64encode(value).decode() for key, value in files.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


def _pod(variables: dict[str, str]) -> dict[str, Any]:
    container = {
        "name": "registry",
        "image": "registry:3",
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "volumeMounts": [
            {"name": "files", "mountPath": "/files"},
            {"name": "data", "mountPath": "/var/lib/registry"},
        ],
        "readinessProbe": {"tcpSocket": {"port": 5000}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "registry", "labels": {"app": "registry"}},
        "spec": {
            "containers": [container],
            "volumes": [{"name": "files", "secret": {"secretName": "registry"}}, {"name": "data", "emptyDir": {}}],
            "terminationGracePeriodSeconds": 0,
        },
    }


def _service() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "registry"},
        "spec": {"selector": {"app": "registry"}, "ports": [{"port": 5000}]},
    }
