"""The operator that one would write first: create everything in a handler, mark Ready when the pod is.

It makes the same objects as ours and writes the status as often, with the synchronous client that most
kopf operators use. It repairs nothing, checks no policy, and believes the pod's readiness probe.
"""

from __future__ import annotations

from datetime import UTC, datetime

import kopf
from kubernetes import client, config
from lab import SYSTEM
from tests.support.certificates import certificate_maker, key_set_of
from tests.support.factory import class_spec, observed

from nested_docker.domain import names, pki
from nested_docker.domain.admission.acceptance import accept
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.manifests import secrets
from nested_docker.domain.manifests.network_policy import network_policy
from nested_docker.domain.manifests.pod import pod as pod_manifest
from nested_docker.domain.manifests.service import service
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import PodContext
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Owner

KIND = ("nesteddocker.dev", "v1alpha1", "nesteddockers")


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_):
    config.load_kube_config()
    settings.execution.max_workers = 32
    settings.posting.enabled = False
    settings.watching.label_selectors["", "v1", "pods"] = names.WATCH_SELECTOR


@kopf.on.create(*KIND)
def create(name, namespace, uid, spec, **_):
    core, network, custom = client.CoreV1Api(), client.NetworkingV1Api(), client.CustomObjectsApi()
    owner, defaults = Owner(name, namespace, uid), OperatorDefaults(operator_namespace=SYSTEM)
    object_names = ObjectNames(owner)
    template = {"spec": {"nodeName": spec["scheduling"]["podAnnotations"]["bench/node"]}}
    classes = {"standard": class_spec(podTemplate=template)}
    accepted = accept(observed({"mode": "Dind"}, owner=owner, classes=classes), defaults)
    context = PodContext(object_names, accepted.effective, defaults)
    request = pki.certificate_request(
        object_names, cluster_domain="cluster.local", now=datetime.now(UTC), deadline=None
    )
    keys = certificate_maker().issue(request)
    key_set = key_set_of(keys)
    connection = accepted.spec.connection.secret_template
    core.create_namespaced_secret(namespace, secrets.tls(object_names, key_set).filled(keys))
    core.create_namespaced_pod(namespace, pod_manifest(context, MODES[accepted.effective.mode], key_set.id))
    core.create_namespaced_service(namespace, service(object_names, key_set.id))
    network.create_namespaced_network_policy(namespace, network_policy(object_names, [], SYSTEM, published_ports=True))
    core.create_namespaced_secret(namespace, secrets.env(object_names, connection).filled({}))
    core.create_namespaced_secret(namespace, secrets.files(object_names, connection, "none").filled(keys))
    set_ready(custom, namespace, name, "False")


@kopf.on.event("", "v1", "pods")
def pod_changed(body, namespace, **_):
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in body.get("status", {}).get("conditions", []))
    owner = body["metadata"].get("labels", {}).get(names.LABEL_NAME)
    if ready and owner:
        set_ready(client.CustomObjectsApi(), namespace, owner, "True")


def set_ready(custom: client.CustomObjectsApi, namespace: str, name: str, status: str) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = {"type": "Ready", "status": status, "reason": "Naive", "message": "", "lastTransitionTime": now}
    body = {"status": {"conditions": [condition]}}
    custom.patch_namespaced_custom_object_status(*KIND[:2], namespace, KIND[2], name, body)
