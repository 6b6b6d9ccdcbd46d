"""Names in objects' metadata and of images, by the rules of the programs that read them."""

from __future__ import annotations

import re
from typing import Any

_DOMAIN_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_DOMAIN_LABEL}(?:\.{_DOMAIN_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_NAME = rf"(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*"
IMAGE_REFERENCE = rf"^{_NAME}(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[a-f0-9]{{64}})?$"
"""The grammar of distribution/reference, whose only digests here are those of SHA-256."""

IMAGE_ID = r"^(sha256:)?[a-f0-9]{64}$"
"""What container runtimes read as the ID of any image on the node, and not as a name."""

_QUALIFIED_NAME = re.compile(
    r"(?:(?P<prefix>[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*)/)?"
    r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
MAX_PREFIX = 253
RESERVED_PREFIXES = ("nesteddocker.dev/", "app.kubernetes.io/", "helm.sh/")
"""Prefixes of labels that the operator and its chart set themselves."""


def require_key(key: str) -> str:
    """A key of a label, an annotation, a taint or a resource, in Kubernetes' syntax.

    Raises:
        ValueError: it has another form.
    """
    match = _QUALIFIED_NAME.fullmatch(key)
    if match is None or len(match["prefix"] or "") > MAX_PREFIX:
        raise ValueError(
            f"the key {key[:80]!r} is not a qualified name, such as example.com/name: use letters, digits, '-', '_' "
            "and '.', at most 63 after an optional DNS prefix"
        )
    return key


def require_keys(values: dict[str, str]) -> dict[str, str]:
    """Annotations, or amounts of resources, with keys in Kubernetes' syntax.

    Raises:
        ValueError: a key has another form.
    """
    for key in values:
        require_key(key)
    return values


def require_labels(labels: dict[str, str]) -> dict[str, str]:
    """Labels in Kubernetes' syntax.

    Raises:
        ValueError: a key or value has another form.
    """
    for key, value in require_keys(labels).items():
        if _LABEL_VALUE.fullmatch(value) is None:
            raise ValueError(
                f"the value {value[:80]!r} of label {key} has other characters than letters, digits, '-', '_' and '.' "
                "or does not begin and end with a letter or digit: choose another value"
            )
    return labels


def require_common_labels(labels: dict[str, str]) -> dict[str, str]:
    """Labels for every object, whose keys are not the operator's.

    Raises:
        ValueError: a key or value has another form, or a key is reserved.
    """
    for key in require_labels(labels):
        if key.startswith(RESERVED_PREFIXES):
            raise ValueError(f"the prefix of label {key} is reserved for the operator: choose another prefix")
    return labels


def require_template_metadata(template: dict[str, Any]) -> dict[str, Any]:
    """A pod template whose labels and annotations have Kubernetes' syntax.

    Raises:
        ValueError: a key or value has another form.
    """
    metadata = template.get("metadata")
    for field, check in (("labels", require_labels), ("annotations", require_keys)):
        values = metadata.get(field) if isinstance(metadata, dict) else None
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            continue  # absent, or rejected for its type
        try:
            check(values)
        except ValueError as error:
            raise ValueError(f"metadata.{field}: {error}") from None
    return template


def require_toleration(toleration: dict[str, Any]) -> dict[str, Any]:
    """A toleration with a key in Kubernetes' syntax; an empty, null or absent key tolerates every taint.

    Raises:
        ValueError: the key is not text, or has another form.
    """
    key = toleration.get("key")
    if key is not None and not isinstance(key, str):
        raise ValueError("key is not a string: write the key of a taint, or leave it out")
    if key:
        require_key(key)
    return toleration


def require_image_name(reference: str) -> str:
    """An image reference that runtimes cannot read as the ID of an image on the node.

    Raises:
        ValueError: they can.
    """
    if re.fullmatch(IMAGE_ID, reference):
        raise ValueError(IMAGE_ID_MESSAGE)
    return reference


IMAGE_ID_MESSAGE = (
    "an image must be named by its repository, since an ID means any image on the node: use repository[:tag][@digest]"
)
