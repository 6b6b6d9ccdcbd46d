"""A NestedDocker to create, and whether one that exists is what was requested."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import API_VERSION
from nested_docker.api.v1alpha1.nested_docker import NAME_PATTERN
from nested_docker.client.errors import InvalidRequestError
from nested_docker.domain.objects import Manifest

ABANDONED_SECONDS = 900
"""After so long without use the operator stops a temporary daemon, in case this process could not delete it."""
FORGOTTEN_SECONDS = 60
"""How long a stopped temporary NestedDocker stays, for whoever looks for the reason."""

CREATION = "client.nested-docker/creation"
"""Annotation with a random value: it shows who created the object when the answer to the creation was lost."""


def check_name(name: str) -> None:
    """Check the name of a NestedDocker before it becomes a part of a request's path.

    Raises:
        InvalidRequestError: no NestedDocker can have it.
    """
    if not re.fullmatch(NAME_PATTERN.removesuffix("$"), name):
        raise InvalidRequestError(
            f"{name!r} is not a name of a NestedDocker",
            "use at most 52 lower-case letters, digits and -, with a letter first and no - last",
        )


@dataclass(frozen=True)
class DaemonRequest:
    """What a user wants.

    Attributes:
        name: of the NestedDocker; empty: a temporary one gets a random name.
        namespace: empty: that of the kubeconfig's context.
        class_name: `spec.className`; empty: the default class.
        mode: `spec.mode`; empty: the least privileged one that class and policy offer.
        spec: the other fields of the spec.
        labels: of the NestedDocker.
    """

    name: str = ""
    namespace: str = ""
    class_name: str = ""
    mode: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Check what can be checked without a cluster.

        Raises:
            InvalidRequestError: the name or the mode is invalid.
        """
        if self.name:
            check_name(self.name)
        if self.mode and self.mode not in set(Mode):
            raise InvalidRequestError(f"{self.mode!r} is not a mode", f"use one of {', '.join(Mode)}")

    @property
    def wanted(self) -> dict[str, Any]:
        """The fields of the spec that the user has set."""
        fields = {"className": self.class_name, "mode": self.mode}
        return {key: value for key, value in fields.items() if value} | dict(self.spec)

    def manifest(self, namespace: str) -> Manifest:
        """The NestedDocker to create; a temporary one has limits, so that it never outlives its user for long."""
        limits = {} if self.name else _LIMITS
        metadata: dict[str, Any] = {
            "name": self.name or f"tmp-{secrets.token_hex(4)}",
            "namespace": namespace,
            "annotations": {CREATION: secrets.token_hex(8)},
        }
        if self.labels:
            metadata["labels"] = dict(self.labels)
        return {
            "apiVersion": API_VERSION,
            "kind": "NestedDocker",
            "metadata": metadata,
            "spec": limits | self.wanted,
        }

    def check_same(self, existing: Manifest) -> None:
        """Compare with a NestedDocker of that name.

        Raises:
            InvalidRequestError: a field that the user has set has another value there.
        """
        spec, name = existing.get("spec") or {}, existing["metadata"]["name"]
        for key, value in self.wanted.items():
            if spec.get(key) != value:
                raise InvalidRequestError(
                    f"NestedDocker {name} exists with spec.{key} {spec.get(key)!r}, not {value!r}",
                    "choose another name, or leave the option out to use it as it is",
                )


def is_created_by(manifest: Manifest, found: Manifest) -> bool:
    """Whether an object was created with that manifest, and not by somebody else under the same name."""
    mine = manifest["metadata"]["annotations"][CREATION]
    return bool((found["metadata"].get("annotations") or {}).get(CREATION) == mine)


_LIMITS = {"idleTimeoutSeconds": ABANDONED_SECONDS, "ttlSecondsAfterFinished": FORGOTTEN_SECONDS}
