"""Removes secrets from objects before they leave the cluster in a report."""

from __future__ import annotations

import re
from typing import Any

from nested_docker.domain.objects import Manifest

REDACTED = "redacted"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_URL_USER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/\s\"']*@")
SECRET_FIELDS = frozenset({"data", "stringData", "binaryData"})


def redacted(manifest: Manifest) -> Manifest:
    """A copy without secrets.

    Every value of a Secret's data is replaced by its length, and so is every literal value of an environment variable,
    the headers of probes, the arguments of containers, and the user of a URL, since people put passwords there. The
    annotation that repeats the whole object, and the managed fields, are left out.
    """
    copy: Manifest = _without_secrets(manifest)
    metadata = {key: value for key, value in (copy.get("metadata") or {}).items() if key != "managedFields"}
    if _LAST_APPLIED in (metadata.get("annotations") or {}):
        metadata["annotations"] = {key: value for key, value in metadata["annotations"].items() if key != _LAST_APPLIED}
    copy["metadata"] = metadata
    if copy.get("kind") == "Secret":
        for field in SECRET_FIELDS & copy.keys():
            copy[field] = {key: _length(value) for key, value in (copy[field] or {}).items()}
    return copy


def _without_secrets(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {each: _without_secrets(inner, each) for each, inner in value.items()}
    if isinstance(value, list):
        if key in {"env", "httpHeaders"}:
            return [_variable(each) for each in value]
        if key in {"args", "command"}:
            return [_length(each) for each in value]
        return [_without_secrets(each) for each in value]
    return without_url_users(value) if isinstance(value, str) else value


def without_url_users(text: str) -> str:
    """A text without user names and passwords in its URLs."""
    return _URL_USER.sub(rf"\1{REDACTED}@", text)


def _variable(variable: Any) -> Any:
    if isinstance(variable, dict) and "value" in variable:
        return variable | {"value": _length(variable["value"])}
    return variable


def _length(value: Any) -> str:
    return f"{REDACTED} ({len(str(value))} characters)"
