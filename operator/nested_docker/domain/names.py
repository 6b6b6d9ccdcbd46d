"""Names, labels and annotations of all objects."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from nested_docker.api.meta import GROUP

MANAGED_BY = "app.kubernetes.io/managed-by"
OPERATOR = "nested-docker-operator"
LABEL_NAME = f"{GROUP}/name"
NAMESPACE_PATTERN = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
"""The whole name of a namespace."""
LABEL_NAMESPACE = f"{GROUP}/namespace"
"""Namespace of the NestedDocker, on children in another one, which cannot have an owner reference."""
LABEL_UID = f"{GROUP}/uid"
LABEL_KEY_SET = f"{GROUP}/key-set"
LABEL_ROLE = f"{GROUP}/role"
OWN_LABELS = frozenset({MANAGED_BY, LABEL_NAME, LABEL_NAMESPACE, LABEL_UID, LABEL_KEY_SET, LABEL_ROLE})

ANNOTATION_EFFECTIVE = f"{GROUP}/effective"
ANNOTATION_PROBED = f"{GROUP}/probed"
ANNOTATION_DATA_DIGEST = f"{GROUP}/data-digest"
ANNOTATION_NOT_AFTER = f"{GROUP}/not-after"
ANNOTATION_PAIRS_DIGEST = f"{GROUP}/pairs-digest"
ANNOTATION_REVISION = f"{GROUP}/revision"
ANNOTATION_RESTART = f"{GROUP}/restart"
ANNOTATION_SERVER_NOT_AFTER = f"{GROUP}/server-not-after"
ANNOTATION_ROTATE_AUTHORITY = f"{GROUP}/rotate-authority"
ANNOTATION_BOOT = f"{GROUP}/boot"
"""Boot of the node that a probe was created for."""
ANNOTATION_CLEANS_UP_AFTER = f"{GROUP}/cleans-up-after"
ANNOTATION_SECRET_CONTAINERS = f"{GROUP}/containers-with-secrets"
"""Containers of a workload that have something of a Secret; guardrails deny it to all others of the pod."""

LABEL_INJECT = f"{GROUP}/inject"
"""Label of a pod: the NestedDockerClass of the daemon that it gets."""
LABEL_INJECT_FROM = f"{GROUP}/inject-from"
"""Label of a pod: the existing NestedDocker whose connection it gets."""
LABEL_INJECTION_ID = f"{GROUP}/injection-id"
"""Label of a pod that the webhook has prepared; a part of its NestedDocker's name."""
ANNOTATION_INJECT_CONTAINERS = f"{GROUP}/inject-containers"
"""Containers of the pod that get the connection, separated by commas."""
ANNOTATION_INJECT_FORM = f"{GROUP}/inject-form"
"""Form of the pod's daemon: `Remote` or `Sidecar`; the webhook writes the class's default into a pod with a sidecar."""
ANNOTATION_GRANTED_BY = f"{GROUP}/granted-by"
"""The NestedDockerPolicy that grants the sidecar of a pod; empty: none does, and policy is not enforced."""
ANNOTATION_DENIAL = f"{GROUP}/denial"
"""The latest denial of a running sidecar, as JSON."""
ANNOTATION_INJECTION_SIGNATURE = f"{GROUP}/injection-signature"
"""The webhook's signature of the id."""
ANNOTATION_SIDECAR_SIGNATURE = f"{GROUP}/sidecar-signature"
"""What the webhook gave a pod as its sidecar, with its signature."""
SCHEDULING_GATE = f"{GROUP}/daemon"
"""Scheduling gate of a pod that waits for its own daemon to have a node."""
INJECTION_SELECTOR = LABEL_INJECT
"""Label selector of the pods that ask for a daemon."""

NAMESPACE_INJECTION = f"{GROUP}/injection"
"""Label of a namespace: with `enabled`, its pods may ask for daemons."""
INJECTION_ENABLED = "enabled"

NAMESPACE_ENFORCEMENT = f"{GROUP}/enforcement"
"""Label of a namespace: `Enforce`, `Warn` or `Audit`; it overrides the operator's setting."""

FINALIZER = f"{GROUP}/cleanup"
"""Keeps a NestedDocker until its objects in another namespace, or on a node, are deleted: no garbage collector does it.

On a guarded pod it keeps the pod's object until its node is clean.
"""

FIELD_MANAGER = OPERATOR
STATUS_FIELD_MANAGER = f"{OPERATOR}-status"
FINALIZER_FIELD_MANAGER = f"{OPERATOR}-finalizer"

WATCH_SELECTOR = f"{MANAGED_BY}={OPERATOR}"
"""Label selector of all children: the operator lists and watches only these."""


def digest(value: Any, length: int = 10) -> str:
    """A short stable hash of a JSON value, valid in names and labels.

    Args:
        value: any JSON value; the order of keys does not matter.
        length: hexadecimal digits to return.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def name_prefix(uid: str) -> str:
    """Prefix of children's names in a namespace with pods of NestedDockers of many namespaces."""
    return f"nd-{digest(uid)}"


def has_name_prefix(name: str) -> bool:
    """Whether a name has such a prefix, which only the operator uses."""
    return _NAME_PREFIX.match(name) is not None


def pod_name(name_prefix: str, key_set: str) -> str:
    """The pod that serves with that key set; each replacement has another, predictable name."""
    return f"{name_prefix}-{key_set[:5]}"


def workload_volume(name: str) -> str:
    """The pod's volume for a volume of its workload, beside those of the operator and of the class."""
    return f"workload-{name}"


def cleanup_pod(pod_uid: str) -> str:
    """The pod that removes from a node what that pod's clients have left there."""
    return f"{name_prefix(pod_uid)}-cleanup"


def node_probe_pod(node_uid: str) -> str:
    """The pod that finds out about a node what no API tells."""
    return f"{name_prefix(node_uid)}-probe"


def tls_secret(name_prefix: str, key_set: str) -> str:
    """The operator's Secret with that key set; it is named after the pod that mounts it."""
    return tls_secret_of(pod_name(name_prefix, key_set))


def tls_secret_of(pod: str) -> str:
    """The operator's Secret with the key set of the pod of that name."""
    return f"{pod}{_TLS_SUFFIX}"


def is_tls_secret(name: str) -> bool:
    """Whether one of our Secrets with that name has a key set."""
    return name.endswith(_TLS_SUFFIX)


def files_secret(name: str) -> str:
    """The connection Secret that clients mount, and wait for."""
    return f"{name}-docker"


def env_secret(name: str) -> str:
    """The connection Secret that clients take their environment from."""
    return f"{name}-docker-env"


def data_claim_name(name: str) -> str:
    """The claim that keeps the data-root of storage type `Claim`."""
    return f"{name}-data"


def injected_name(injection_id: str) -> str:
    """Name of the NestedDocker that the operator makes for the pod with that id."""
    return f"{_INJECTED_PREFIX}{injection_id}"


def injection_id(name: str) -> str:
    """The id in the name of a NestedDocker; empty: the operator has not made it for a pod."""
    found = _INJECTED_NAME.fullmatch(name)
    return found[1] if found else ""


def service_host(name: str, namespace: str) -> str:
    """The daemon's host name, as clients anywhere in the cluster resolve it."""
    return f"{name}.{namespace}.svc"


def endpoint(name: str, namespace: str) -> str:
    """The daemon's address, as `DOCKER_HOST` takes it."""
    return f"tcp://{service_host(name, namespace)}:{DOCKER_PORT}"


def common_labels(name: str, uid: str) -> dict[str, str]:
    """Labels of every child."""
    return {MANAGED_BY: OPERATOR, LABEL_NAME: name, LABEL_UID: uid}


_TLS_SUFFIX = "-tls"
_INJECTED_PREFIX = "injected-"
_INJECTED_NAME = re.compile(_INJECTED_PREFIX + "([0-9a-f]{20})")
_NAME_PREFIX = re.compile(r"nd-[0-9a-f]{10}(-|$)")

DOCKER_PORT = 2376
"""The port that Docker uses for TLS."""
