"""Requests that somebody may try, and the objects in them: as the operator makes them, or as a user does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tests.contract.guardrails.site import DEFAULTS, FORCED, GUARDED, NOWHERE, Make, Manifest, Request, Site
from tests.support.api import APPLY, MERGE

from nested_docker.adapters.resources import RESOURCES
from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerSpec
from nested_docker.api.v1alpha1.engine import StorageSpec
from nested_docker.api.v1alpha1.nested_docker import SecretTemplate
from nested_docker.domain import pki
from nested_docker.domain.effective import resolve
from nested_docker.domain.manifests import secrets, storage
from nested_docker.domain.manifests.disruption_budget import disruption_budget
from nested_docker.domain.manifests.network_policy import network_policy
from nested_docker.domain.manifests.pod import pod
from nested_docker.domain.manifests.service import service
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import PodContext
from nested_docker.domain.objects import NodeFacts
from nested_docker.domain.planning import node_cleanup as cleanup
from nested_docker.domain.planning.node_probe import KnownNode, StartProbe, probe_steps


def creates(make: Make) -> Callable[[Site], Request]:
    def request(site: Site) -> Request:
        made = make(site)
        return Request("POST", RESOURCES[made["kind"]].path(made["metadata"]["namespace"]), made)

    return request


def patches(
    kind: str, name: str, change: Manifest, subresource: str = "", type_: str = MERGE
) -> Callable[[Site], Request]:
    return lambda site: Request("PATCH", RESOURCES[kind].path(site.name, name, subresource), change, type_)


def applies(make: Make) -> Callable[[Site], Request]:
    def request(site: Site) -> Request:
        made = make(site)
        metadata = made["metadata"]
        return Request(
            "PATCH", RESOURCES[made["kind"]].path(metadata["namespace"], metadata["name"]), made, APPLY, FORCED
        )

    return request


def deletes(kind: str, name: str) -> Callable[[Site], Request]:
    return lambda site: Request("DELETE", RESOURCES[kind].path(site.name, name))


def plain(kind: str, *over: Manifest, name: str = "another") -> Make:
    """Something of a user's own."""
    own: dict[str, Manifest] = {
        "Pod": {"spec": {"containers": [{"name": "main", "image": "busybox:1"}]} | NOWHERE},
        "Service": {"spec": {"selector": {"app": "other"}, "ports": [{"port": 80}]}},
        "Secret": {"stringData": {"key": "value"}},
        "PersistentVolumeClaim": {
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        },
        "NetworkPolicy": {"spec": {"podSelector": {"matchLabels": {"app": "other"}}}},
        "PodDisruptionBudget": {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "other"}}}},
    }

    def make(site: Site) -> Manifest:
        head = {"apiVersion": RESOURCES[kind].api_version, "kind": kind}
        return merged_with(head | own[kind], {"metadata": {"name": name, "namespace": site.name}}, *over)

    return make


def daemon(spec: Manifest | None = None, class_spec: Manifest | None = None, *, away: bool = False) -> Make:
    """The pod that the operator makes of a NestedDocker and a class."""

    def make(site: Site) -> Manifest:
        asked = NestedDockerSpec.model_validate({"mode": "Dind"} | (spec or {}))
        grown = merged_with({"modes": list(Mode), "podTemplate": {"spec": NOWHERE}}, class_spec or {})
        mode = MODES[asked.mode or Mode.DIND]
        effective = resolve(asked, NestedDockerClassSpec.model_validate(grown), mode, DEFAULTS)
        effective = mode.apply_policy(effective, None)
        made = pod(PodContext(site.object_names(away=away), effective, DEFAULTS), mode, "12345fffff")
        for reference in made["metadata"]["ownerReferences"]:
            reference.setdefault("uid", "uid-of-the-key-secret")
        return made

    return make


def renamed(made: Manifest, name: str) -> Manifest:
    """The daemon's pod of another key set: it has another name, and mounts the Secret of that name."""
    volumes = [
        each | {"secret": each["secret"] | {"secretName": f"{name}-tls"}} if "secret" in each else each
        for each in made["spec"]["volumes"]
    ]
    return merged_with(made, {"metadata": {"name": name}, "spec": {"volumes": volumes}})


def cleans(*over: Manifest, path: str = "/var/run/docker.sock") -> Make:
    """The pod that the operator makes to clean a node up."""

    def make(site: Site) -> Manifest:
        guarded = daemon({"mode": "HostSocket"}, {"hostSocket": {"path": path}})(site)
        status = {"phase": "Failed", "containerStatuses": [{"name": "daemon", "restartCount": 1}]}
        ended = merged_with(guarded, {"metadata": {"uid": "1"}, "spec": {"nodeName": "nowhere"}, "status": status})
        defaults = replace(DEFAULTS, cleanup_namespace=site.cleanup)
        step = cleanup.step(
            ended,
            None,
            owner=(site.name, "build"),
            others=[],
            node_exists=True,
            now=datetime.now(UTC),
            defaults=defaults,
        )
        assert isinstance(step, cleanup.Start)
        made = merged_with(step.manifest, *over)
        for each in made["spec"]["containers"]:
            if "args" in each:
                each["args"] = [argument.replace("=UID", f"={site.uid}") for argument in each["args"]]
        return made

    return make


def probes(*over: Manifest) -> Make:
    """The pod that the operator makes to probe a node."""

    def make(site: Site) -> Manifest:
        node = KnownNode("nowhere", "3c8b", NodeFacts(ready=True, boot_id="1"))
        defaults = replace(DEFAULTS, cleanup_namespace=site.cleanup)
        (step,) = probe_steps({node.name: node}, [], datetime.now(UTC), defaults)
        assert isinstance(step, StartProbe)
        return merged_with(step.manifest, *over)

    return make


def by_template(**spec: Any) -> Make:
    """What a class's podTemplate comes to."""
    return daemon(class_spec={"podTemplate": {"spec": spec}})


def changed(*over: Manifest) -> Make:
    """A daemon's pod as no NestedDocker and no class makes it."""
    return lambda site: merged_with(daemon()(site), *over)


def merged(make: Make, *over: Manifest) -> Make:
    return lambda site: merged_with(make(site), *over)


def of_web(make: Make) -> Make:
    """The same of a NestedDocker called `web`, whose claim would be a user's."""

    def moved(site: Site) -> Manifest:
        return json.loads(json.dumps(make(site)).replace('"build', '"web'))  # type: ignore[no-any-return]

    return moved


def owned_by(**fields: Any) -> Make:
    """A daemon's pod with another owner."""
    return lambda site: merged_with(
        daemon()(site), {"metadata": {"ownerReferences": [site.object_names().owner.reference() | fields]}}
    )


def child(kind: str, *over: Manifest) -> Make:
    """A child as the operator makes it beside a NestedDocker, under a name that is free."""

    def make(site: Site) -> Manifest:
        place, claim = site.object_names(), StorageSpec.model_validate({"type": "Claim", "claim": {"size": "1Gi"}})
        made: dict[str, Manifest | None] = {
            "Pod": renamed(daemon()(site), "build-other"),
            "Service": service(place, "12345fffff"),
            "NetworkPolicy": network_policy(place, [], site.system, published_ports=True),
            "PodDisruptionBudget": disruption_budget(place),
            "Secret": secrets.files(place, SecretTemplate(), "x").filled(dict.fromkeys(pki.KEYS, b"pem")),
            "PersistentVolumeClaim": storage.data_claim(place, claim),
        }
        free = {} if kind == "Pod" else {"metadata": {"name": "another"}}
        return merged_with(made[kind] or {}, free, *over)

    return make


def root_key(*over: Manifest) -> Make:
    """The Secret that the operator creates in its namespace at its first start."""
    return lambda site: merged_with(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"{site.name}-operator-root-key", "namespace": site.system},
            "data": {"key": "eA=="},
        },
        *over,
    )


def elsewhere(make: Make, namespace: str) -> Make:
    """The same in another namespace of the site, where an owner reference would lead nowhere."""

    def moved(site: Site) -> Manifest:
        return merged_with(make(site), {"metadata": {"namespace": getattr(site, namespace), "ownerReferences": None}})

    return moved


def in_namespace(manifest: Manifest, namespace: str) -> Manifest:
    return merged_with(manifest, {"metadata": {"namespace": namespace}})


def merged_with(under: Manifest, *layers: Manifest) -> Manifest:
    """Merge patches laid over a manifest; a list that begins with `...` is appended to the one below."""
    merged = dict(under)
    for key, value in (item for layer in layers for item in layer.items()):
        below = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = merged_with(below if isinstance(below, dict) else {}, value)
        elif isinstance(value, list) and value[:1] == [...]:
            merged[key] = [*(below or []), *value[1:]]
        else:
            merged[key] = value
    return merged


def labels(values: dict[str, str | None]) -> Manifest:
    return {"metadata": {"labels": values}}


def annotations(values: dict[str, str | None]) -> Manifest:
    return {"metadata": {"annotations": values}}


def volume(**source: Any) -> Manifest:
    return {"spec": {"volumes": [..., {"name": "extra"} | source]}}


def beside(**fields: Any) -> Manifest:
    return {"spec": {"containers": [..., {"name": "beside", "image": "docker:29-dind"} | fields]}}


def pods_needing_cleanup(*names: str, subresource: str = "") -> Callable[[Site], Request]:
    """Leaves a guarded pod these finalizers."""
    return patches("Pod", GUARDED, {"metadata": {"finalizers": [*names]}}, subresource)


FIRST = {"name": "first", "image": "busybox:1"}


def image(reference: str) -> Make:
    return daemon({"engine": {"image": reference}})
