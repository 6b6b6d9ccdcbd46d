"""The chart's ValidatingAdmissionPolicies before the real API server: whom they let do what, and how they refuse.

Everybody here may do everything by RBAC, so that what is refused is refused by a guardrail. Each copy of the chart's
guardrails is bound to namespaces of its own, where it disturbs no other test.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from tests.chart.conftest import CHART, RENDER, Helm
from tests.support.api import APPLY, MERGE, Api
from tests.support.cluster import Cluster
from tests.support.factory import BUILD_FILES
from tests.support.manifests import nested_docker
from tests.support.waiting import wait_for

from nested_docker.adapters.resources import RESOURCES
from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import API_VERSION, NestedDockerClassSpec, NestedDockerSpec
from nested_docker.api.v1alpha1.engine import StorageSpec
from nested_docker.api.v1alpha1.nested_docker import SecretTemplate
from nested_docker.domain import pki
from nested_docker.domain.effective import OperatorDefaults, resolve
from nested_docker.domain.injection.manifest import injected_nested_docker, owned_by_pod
from nested_docker.domain.manifests import secrets, storage
from nested_docker.domain.manifests.disruption_budget import disruption_budget
from nested_docker.domain.manifests.network_policy import network_policy
from nested_docker.domain.manifests.pod import pod
from nested_docker.domain.manifests.service import service
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import PodContext
from nested_docker.domain.modes.dockerd import RESTRICTED
from nested_docker.domain.modes.preflight import avoiding
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import NodeFacts, Owner
from nested_docker.domain.planning import node_cleanup as cleanup
from nested_docker.domain.planning.node_probe import KnownNode, StartProbe, probe_steps
from nested_docker.domain.ports import KubeError

Manifest = dict[str, Any]

SUFFIX = f"x{uuid.uuid4().hex[:6]}"
"""Begins with a letter, since YAML would take digits alone for a number."""

OPERATOR_IMAGE = "nested-docker-operator:0.1.0"
DEFAULTS = OperatorDefaults(operator_image=OPERATOR_IMAGE)
DAEMON, OURS, MINE, LOST = "build-abcde", "build-docker", "mine", "lost"
"""A daemon's pod, a Secret of the operator's, things of a user's, and a Secret that has lost its label."""

LABELLED = "build-abcde-tls"
"""A Secret of the operator's on which a user has put a label and an annotation."""

GUARDED, RAW = "build-guard", "build-raw"
"""A guarded pod, and a relay without a guard."""

GATED, UNASKED = "gated", "gated-without-label"
BESIDE, FORM = "with-a-sidecar", "nesteddocker.dev/inject-form"
"""A user's pods that wait behind gates; the first has the label of those that get a daemon."""

INJECT, INJECTION_ID, INJECTION = "nesteddocker.dev/inject", "nesteddocker.dev/injection-id", "0123456789abcdef0123"
GATE, KUEUE = "nesteddocker.dev/daemon", "kueue.x-k8s.io/admission"
GATES = {"spec": {"schedulingGates": [{"name": GATE}, {"name": KUEUE}]}}

CLEANUP = "nesteddocker.dev/cleanup"
"""The finalizer."""

RUNTIME = f"guardrails-{SUFFIX}"
NOWHERE = {"nodeSelector": {"guardrails": SUFFIX}}
"""Keeps a pod from ever running."""

KEPT = "example.com/kept"
"""A finalizer of somebody's on the NestedDocker."""

OTHER_OWNER = {"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": "1"}
US = "nested-docker-operator"
UID, ROLE, MANAGED_BY = "nesteddocker.dev/uid", "nesteddocker.dev/role", "app.kubernetes.io/managed-by"
CONTACT = "nesteddocker.dev/probed"


@dataclass(frozen=True)
class Site:
    """A copy of the guardrails, and namespaces that it stands in.

    Attributes:
        name: of the release and of the namespace that is served.
        uid: of the NestedDocker `build`, which the daemons here belong to.
    """

    name: str
    uid: str = ""

    def object_names(self, *, away: bool = False) -> ObjectNames:
        """Where the children of the NestedDocker are: beside it, or in the namespace for pods."""
        return ObjectNames(Owner("build", self.name, self.uid), self.pods if away else "")

    @property
    def system(self) -> str:
        """The operator's namespace."""
        return f"{self.name}-system"

    @property
    def pods(self) -> str:
        """A namespace for daemons' pods alone."""
        return f"{self.name}-pods"

    @property
    def cleanup(self) -> str:
        """The namespace from which nodes are cleaned up."""
        return f"{self.system}-cleanup"

    @property
    def operator(self) -> str:
        """The operator's user name."""
        return f"system:serviceaccount:{self.system}:{self.name}-operator"

    def acting_as(self, who: str, api: Api) -> Api:
        """The API server as somebody sees it: the operator, one of a group, or the admin that the tests are."""
        if who == "admin":
            return api
        if who == "operator-everywhere":
            return api.acting_as(self.operator, "system:masters")
        return api.acting_as(self.operator if who == "operator" else who, f"{who}s")


@dataclass(frozen=True)
class Request:
    """What is asked of the API server, without effect."""

    method: str
    path: str
    body: Manifest | None = None
    type_: str = ""
    query: dict[str, str] = field(default_factory=lambda: {"dryRun": "All", "fieldManager": "guardrails"})


Make = Callable[[Site], Manifest]
STRATEGIC = "application/strategic-merge-patch+json"
FORCED = {"dryRun": "All", "fieldManager": "guardrails", "force": "true"}


@dataclass(frozen=True)
class Attempt:
    """Something that somebody tries.

    Attributes:
        who: operator, operator-everywhere (in every namespace), user, debugger or admin.
        request: what is tried.
        words: what the refusal must say; none: it is let through.
    """

    who: str
    request: Callable[[Site], Request]
    words: tuple[str, ...] = ()


# --- what there is to try -----------------------------------------------------------------------------


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


SOCKET_NAME = "node-socket"
MOUNT = {"name": SOCKET_NAME, "mountPath": "/run/node/docker.sock"}
CLEANUP_ARGS = ["cleanup", "--socket=/run/node/docker.sock", "--owner-uid=UID"]
"""UID becomes that of the NestedDocker."""


def container(**fields: Any) -> Manifest:
    """A node cleanup pod's container, with these fields changed."""
    own = {
        "name": "cleanup",
        "image": OPERATOR_IMAGE,
        "args": CLEANUP_ARGS,
        "securityContext": RESTRICTED,
        "volumeMounts": [MOUNT],
    }
    return {"spec": {"containers": [{key: value for key, value in (own | fields).items() if value is not None}]}}


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


# --- reserved labels: everybody but the operator ------------------------------------------------------

ONLY = "reserved: only system:serviceaccount:"
MARKED = {
    "Pod": ROLE,
    "Service": UID,
    "Secret": MANAGED_BY,
    "PersistentVolumeClaim": UID,
    "NetworkPolicy": ROLE,
    "PodDisruptionBudget": UID,
}

KEPT_UNTIL_CLEAN = (
    f"metadata.finalizers: {CLEANUP} keeps Pod ",
    "until everything that its clients created on the node is removed",
    "-operator may add or remove it",
    "delete the Node",
)

RESERVED: dict[str, Attempt] = {
    **{f"a {kind} of his own": Attempt("user", creates(plain(kind, labels({"app": "x"})))) for kind in MARKED},
    **{
        f"a {kind} that looks like ours": Attempt(
            "user",
            creates(plain(kind, labels({key: US}))),
            (f"metadata.labels: {key}={US}: labels", ONLY, "Do not use them on your own objects"),
        )
        for kind, key in MARKED.items()
    },
    "an annotation of ours": Attempt(
        "user",
        creates(plain("Pod", annotations({CONTACT: "x"}))),
        (f"metadata.annotations: {CONTACT}=x: annotations", ONLY, "Do not use them on your own objects"),
    ),
    "two labels of ours": Attempt(
        "user", creates(plain("Pod", labels({ROLE: "daemon", UID: "1"}))), (f"{ROLE}=daemon", f"{UID}=1")
    ),
    "a cluster admin's": Attempt("admin", creates(plain("Pod", labels({ROLE: "daemon"}))), (ONLY,)),
    "helm's": Attempt("user", creates(plain("Secret", labels({MANAGED_BY: "Helm"})))),
    "keys that only look like ours": Attempt(
        "user", creates(plain("Pod", labels({"nesteddocker.dev.example.com/uid": "1", "my.nesteddocker.dev/uid": "1"})))
    ),
    "his own labelled": Attempt("user", patches("Secret", MINE, labels({"app": "x", MANAGED_BY: "Helm"}))),
    "his own marked": Attempt("user", patches("Secret", MINE, labels({MANAGED_BY: US})), (f"{MANAGED_BY}={US}", ONLY)),
    "ours labelled": Attempt("user", patches("Secret", OURS, labels({"team": "x"}))),
    "ours annotated": Attempt("user", patches("Secret", OURS, annotations({"example.com/x": "x"}))),
    "ours edited": Attempt("user", patches("Secret", OURS, {"stringData": {"key.pem": "x"}})),
    "ours deleted": Attempt("user", deletes("Secret", OURS)),
    "a label of ours changed": Attempt(
        "user",
        patches("Pod", DAEMON, labels({UID: "1"})),
        (f"metadata.labels: {UID}=1: labels", ONLY, "do not change them on others"),
    ),
    "a label of ours removed": Attempt("user", patches("Pod", DAEMON, labels({UID: None})), (f"labels: {UID}-: ",)),
    "managed by nobody": Attempt("user", patches("Secret", OURS, labels({MANAGED_BY: None})), (f"{MANAGED_BY}-: ",)),
    "managed by helm": Attempt("user", patches("Secret", OURS, labels({MANAGED_BY: "Helm"})), (f"{MANAGED_BY}=Helm",)),
    "an annotation changed": Attempt("user", patches("Secret", OURS, annotations({CONTACT: "y"})), (f"{CONTACT}=y: ",)),
    "an annotation removed": Attempt("user", patches("Secret", OURS, annotations({CONTACT: None})), (f"{CONTACT}-: ",)),
    "a guarded pod let go": Attempt("user", pods_needing_cleanup(), KEPT_UNTIL_CLEAN),
    "a guarded pod let go with its status": Attempt(
        "user", pods_needing_cleanup(subresource="status"), KEPT_UNTIL_CLEAN
    ),
    "a guarded pod let go by a cluster admin": Attempt("admin", pods_needing_cleanup()),
    "a guarded pod kept for himself": Attempt("user", pods_needing_cleanup("example.com/kept", CLEANUP)),
    "a guarded pod deleted": Attempt("user", deletes("Pod", GUARDED)),
    "his own pod kept as ours": Attempt(
        "user", creates(plain("Pod", {"metadata": {"finalizers": [CLEANUP]}})), KEPT_UNTIL_CLEAN
    ),
    "his own pod kept as ours later": Attempt(
        "user", patches("Pod", MINE, {"metadata": {"finalizers": [CLEANUP]}}), KEPT_UNTIL_CLEAN
    ),
    "his own pod kept": Attempt("user", creates(plain("Pod", {"metadata": {"finalizers": ["example.com/kept"]}}))),
    "a pod that looks as if it cleaned up": Attempt(
        "user", creates(elsewhere(plain("Pod", labels({ROLE: "cleanup"})), "cleanup")), (ONLY,)
    ),
    "a status": Attempt("admin", patches("Pod", DAEMON, {"status": {"reason": "x"}}, "status")),
    "a label with a status": Attempt("admin", patches("Pod", DAEMON, labels({UID: "1"}), "status"), (f"{UID}=1",)),
}

# --- around the operator: what it writes --------------------------------------------------------------

BUG = "A mutating webhook of this cluster changed it, somebody impersonates the operator, or this is a bug"

OWN_KEYS = "outside of pods and connection Secrets, childTemplate may set only keys that the chart lists"
RESERVED_KEY = "the key is reserved for Kubernetes or a container runtime"
FOREIGN_DATA: dict[str, Any] = {
    "volumeName": "somebody-s",
    "selector": {"matchLabels": {"app": "x"}},
    "dataSource": {"kind": "PersistentVolumeClaim", "name": MINE},
    "dataSourceRef": {"kind": "PersistentVolumeClaim", "name": MINE},
    "volumeAttributesClassName": "fast",
}
"""Fields of a claim by which it gets another volume than a new one."""

CHILDREN: dict[str, Attempt] = {
    **{f"a {kind}": Attempt("operator", creates(child(kind))) for kind in MARKED},
    "its own put right": Attempt("operator", patches("Secret", OURS, annotations({CONTACT: "y"}))),
    "a lost label given back": Attempt("operator", patches("Secret", LOST, labels({MANAGED_BY: US}))),
    "its own deleted": Attempt("operator", deletes("Pod", DAEMON)),
    "its own let go": Attempt("operator", pods_needing_cleanup()),
    **{
        f"a {kind} without the label": Attempt(
            "operator",
            creates(child(kind, labels({MANAGED_BY: None}))),
            (f"metadata.labels: {MANAGED_BY} of {kind} ", f"must be {US}", BUG),
        )
        for kind in MARKED
    },
    "the label given up": Attempt("operator", patches("Secret", OURS, labels({MANAGED_BY: None})), (f"must be {US}",)),
    "a user's taken over": Attempt(
        "operator",
        applies(plain("Secret", labels({MANAGED_BY: US}), name=MINE)),
        (
            "Secret mine is not managed by the operator",
            "no NestedDocker as its controller",
            "give the NestedDocker another name",
        ),
    ),
    "a user's deleted": Attempt(
        "operator", deletes("Secret", MINE), ("Secret mine is not managed by the operator", "Rename")
    ),
    "a user's pod deleted": Attempt("operator", deletes("Pod", MINE), ("Pod mine is not managed by the operator",)),
    "what has lost its label deleted": Attempt("operator", deletes("Secret", LOST), (f"it has no label {MANAGED_BY}",)),
    "something beside itself": Attempt(
        "operator",
        creates(elsewhere(child("Secret"), "system")),
        ("-system and creates nothing there", "create the NestedDocker in another namespace"),
    ),
    "its root key": Attempt("operator", creates(root_key())),
    "its root key with what another plugin adds": Attempt("operator", creates(root_key(labels({"team": "x"})))),
    "another Secret beside itself": Attempt(
        "operator", creates(root_key({"metadata": {"name": "other"}})), (f"must be {US}", "Secret other")
    ),
    "its root key in another namespace": Attempt(
        "operator",
        creates(lambda site: in_namespace(root_key()(site), site.name)),
        (f"must be {US}", "-root-key"),
    ),
    "a root key to be filled with a token": Attempt(
        "operator",
        creates(
            root_key(
                {"type": "kubernetes.io/service-account-token", "data": None},
                annotations({"kubernetes.io/service-account.name": "default"}),
            )
        ),
        (f"must be {US}", "-root-key"),
    ),
    "a Secret to be filled with a token": Attempt(
        "operator",
        creates(
            child(
                "Secret",
                {"type": "kubernetes.io/service-account-token"},
                annotations({"kubernetes.io/service-account.name": "default"}),
            )
        ),
        ("type: kubernetes.io/service-account-token of Secret another is not a type that the operator creates", BUG),
    ),
    **{
        f"a Service {what}": Attempt(
            "operator",
            creates(child("Service", {"spec": spec})),
            ("spec: Service another must be of type ClusterIP, without externalIPs", BUG),
        )
        for what, spec in {
            "on every node": {"type": "NodePort", "clusterIP": None},
            "for another's address": {"externalIPs": ["192.0.2.1"]},
            "that is an alias": {"type": "ExternalName", "externalName": "example.com", "clusterIP": None},
            "before another's pods": {"selector": {UID: None, "app": "other"}},
        }.items()
    },
    "a NetworkPolicy for every pod": Attempt(
        "operator",
        creates(child("NetworkPolicy", {"spec": {"podSelector": {"matchLabels": None}}})),
        (f"spec.podSelector.matchLabels: NetworkPolicy another must select by the label {UID}", BUG),
    ),
    **{
        f"a PodDisruptionBudget for {whose}": Attempt(
            "operator",
            creates(child("PodDisruptionBudget", {"spec": {"selector": selector}})),
            (f"spec.selector.matchLabels: PodDisruptionBudget another must select by the label {UID}", BUG),
        )
        for whose, selector in {
            "every pod": {"matchLabels": None},
            "another's pods": {"matchLabels": {UID: None, "app": "other"}},
            "pods without a label": {
                "matchLabels": None,
                "matchExpressions": [{"key": UID, "operator": "DoesNotExist"}],
            },
        }.items()
    },
    **{
        f"a {kind} with the {what} {key}": Attempt(
            "operator",
            creates(child(kind, {"metadata": {what: {key: "x"}}})),
            (f"metadata: the operator may not set {key} on {kind} ", OWN_KEYS, "guardrails.metadataKeys"),
        )
        for kind, what, key in (
            ("Service", "annotations", "external-dns.alpha.kubernetes.io/hostname"),
            ("Service", "labels", "endpointslice.kubernetes.io/managed-by"),
            ("Service", "labels", "app"),
            ("NetworkPolicy", "labels", "team"),
            ("NetworkPolicy", "annotations", "example.com/x"),
            ("PodDisruptionBudget", "labels", "team"),
            ("PersistentVolumeClaim", "annotations", "volume.kubernetes.io/selected-node"),
            ("PersistentVolumeClaim", "labels", "app.kubernetes.io/name"),
            ("Secret", "labels", "argocd.argoproj.io/secret-type"),
            ("Secret", "annotations", "replicator.v1.mittwald.de/replicate-to"),
        )
    },
    **{
        f"a pod with the {what} {key}": Attempt(
            "operator",
            creates(child("Pod", {"metadata": {what: {key: "x"}}})),
            (f"metadata: the operator may not set {key} on Pod build-other", RESERVED_KEY, "guardrails.metadataKeys"),
        )
        for what, key in (
            ("annotations", "k8s.v1.cni.cncf.io/networks"),
            ("annotations", "io.kubernetes.cri-o.userns-mode"),
            ("annotations", "io.katacontainers.config.hypervisor.path"),
            ("annotations", "run.oci.handler"),
            ("annotations", "cdi.k8s.io/devices"),
            ("annotations", "devices.nri.io/container.daemon"),
            ("annotations", "iam.amazonaws.com/role"),
            ("annotations", "cni.projectcalico.org/ipAddrs"),
            ("labels", "batch.kubernetes.io/job-name"),
            ("labels", "node-role.kubernetes.io/control-plane"),
        )
    },
    **{
        f"a {kind} left out of backups": Attempt(
            "operator", creates(child(kind, labels({"velero.io/exclude-from-backup": "true"})))
        )
        for kind in MARKED
    },
    "another key of Velero's on a Secret": Attempt(
        "operator",
        creates(child("Secret", annotations({"backup.velero.io/backup-volumes": "data"}))),
        ("metadata: the operator may not set backup.velero.io/backup-volumes on Secret another", OWN_KEYS),
    ),
    "a key of Kubernetes on a connection Secret": Attempt(
        "operator",
        creates(child("Secret", {"metadata": {"name": "other-docker"}}, labels({"kubernetes.io/metadata.name": "x"}))),
        ("metadata: the operator may not set kubernetes.io/metadata.name on Secret other-docker", RESERVED_KEY),
    ),
    "a key of Kubernetes put on its own": Attempt(
        "operator",
        patches("Pod", DAEMON, annotations({"k8s.v1.cni.cncf.io/networks": "x"})),
        ("metadata: the operator may not set k8s.v1.cni.cncf.io/networks on Pod build-abcde", RESERVED_KEY),
    ),
    "what podTemplate and scheduling set": Attempt(
        "operator",
        creates(
            child(
                "Pod",
                labels({"team": "x", "app.kubernetes.io/name": "x", "example.com/x": "x"}),
                annotations({"example.com/x": "x", "cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}),
                annotations({"karpenter.sh/do-not-disrupt": "true", "linkerd.io/inject": "disabled"}),
                labels({"sidecar.istio.io/inject": "false"}),
            )
        ),
    ),
    **{
        f"what secretTemplate sets on {name}": Attempt(
            "operator",
            creates(
                child(
                    "Secret",
                    {"metadata": {"name": name}},
                    labels({"argocd.argoproj.io/secret-type": "cluster"}),
                    annotations({"reflector/allowed": "true"}),
                )
            ),
        )
        for name in ("other-docker", "other-docker-env")
    },
    "its own put right that a user has labelled": Attempt(
        "operator", patches("Secret", LABELLED, annotations({CONTACT: "y"}))
    ),
    **{
        f"a claim with {name}": Attempt(
            "operator",
            creates(child("PersistentVolumeClaim", {"spec": {name: value}})),
            (
                "spec: PersistentVolumeClaim another must not set ",
                name,
                ": the operator creates only claims for new volumes",
                BUG,
            ),
        )
        for name, value in FOREIGN_DATA.items()
    },
    "a claim bound to a volume by name later": Attempt(
        "operator",
        patches("PersistentVolumeClaim", "build-data", {"spec": {"volumeName": "somebody-s"}}),
        ("spec: PersistentVolumeClaim build-data must not set volumeName: ", BUG),
    ),
    "its claim put right": Attempt("operator", patches("PersistentVolumeClaim", "build-data", labels({ROLE: "x"}))),
    **{
        f"a {kind} in the namespace for cleanup": Attempt(
            "operator",
            creates(elsewhere(child(kind), "cleanup")),
            ("metadata.namespace: the operator creates only pods in ", f"-cleanup, so not {kind} another", BUG),
        )
        for kind in MARKED
        if kind != "Pod"
    },
    **{
        f"a {kind} in {namespace}": Attempt(
            "operator-everywhere",
            creates(lambda site, kind=kind, namespace=namespace: in_namespace(child(kind)(site), namespace)),
            (f"metadata.namespace: {namespace} belongs to Kubernetes", f"so not {kind} ", "watchNamespaces"),
        )
        for kind in MARKED
        for namespace in ("kube-system", "kube-public", "kube-node-lease")
    },
    "another image in a running pod": Attempt(
        "operator",
        patches("Pod", DAEMON, {"spec": {"containers": [{"name": "daemon", "image": "busybox:1"}]}}, type_=STRATEGIC),
        ("spec.containers: the operator does not change the image of a running pod, so not of build-abcde", BUG),
    ),
}

# --- around the operator: Events ----------------------------------------------------------------------


def event(group: str = "events.k8s.io", **fields: Any) -> Callable[[Site], Request]:
    """An Event as the operator records it."""

    def request(site: Site) -> Request:
        regarding = {"apiVersion": API_VERSION, "kind": "NestedDocker", "name": "build", "namespace": site.name}
        changed = {key: value for key, value in fields.items() if key != "regarding"}
        regarding |= fields.get("regarding", {})
        recorded = {
            "metadata": {"name": "build.0123456789abcdef", "namespace": site.name},
            "type": "Normal",
            "reason": "Ready",
            "action": "Reconcile",
            "eventTime": "2026-01-01T00:00:00.000000Z",
            "reportingInstance": "x",
        }
        if group:
            about = {"regarding": regarding, "note": "x", "reportingController": "nesteddocker.dev/" + US}
        else:
            about = {"involvedObject": regarding, "message": "x", "reportingComponent": "nesteddocker.dev/" + US}
        kind = "Event" if group else "CoreEvent"
        body = recorded | about | changed | {"apiVersion": RESOURCES[kind].api_version, "kind": "Event"}
        return Request("POST", RESOURCES[kind].path(site.name), body)

    return request


def about(kind: str, name: str, version: str = "v1") -> Manifest:
    return {"apiVersion": version, "kind": kind, "name": name}


NOT_ABOUT = "the operator creates Events only about NestedDockers and its pods"

EVENTS: dict[str, Attempt] = {
    "about a NestedDocker": Attempt("operator", event()),
    "about its pod": Attempt("operator", event(regarding=about("Pod", DAEMON))),
    "about a pod that is gone": Attempt("operator", event(regarding=about("Pod", "gone"))),
    "about a user's pod": Attempt(
        "operator",
        event(regarding=about("Pod", MINE)),
        ("regarding: Pod mine is not managed by the operator", MANAGED_BY, BUG),
    ),
    "about a user's pod, in the core group": Attempt(
        "operator", event("", regarding=about("Pod", MINE)), ("regarding: Pod mine is not managed by the operator",)
    ),
    **{
        f"about a {kind}{where}": Attempt(
            "operator",
            event(group, regarding=about(kind, "other", version)),
            (f"regarding: {kind} other: ", NOT_ABOUT, BUG),
        )
        for where, group in (("", "events.k8s.io"), (" in the core group", ""))
        for kind, version in (
            ("Secret", "v1"),
            ("Node", "v1"),
            ("Deployment", "apps/v1"),
            ("Namespace", "v1"),
            ("NestedDocker", "example.com/v1"),
            ("Pod", "example.com/v1"),
        )
    },
    "about a NestedDocker and something else": Attempt(
        "operator", event(related=about("Secret", MINE)), ("regarding: NestedDocker build: ", "without related")
    ),
    "in another controller's name": Attempt(
        "operator",
        event(reportingController="kubelet"),
        ("reportingController: kubelet must be nesteddocker.dev/nested-docker-operator", BUG),
    ),
    "of a user's": Attempt("user", event(reportingController="example.com/x", regarding=about("Secret", MINE))),
}

# --- around the operator: requests --------------------------------------------------------------------

NOT_ITS_OWN = ("NestedDocker ", "the operator writes only status and the finalizer nesteddocker.dev/cleanup", BUG)


def finalizers(*names: str) -> Callable[[Site], Request]:
    return patches("NestedDocker", "build", {"metadata": {"finalizers": [*names]}})


REQUESTS: dict[str, Attempt] = {
    "its finalizer": Attempt("operator", finalizers(KEPT, CLEANUP)),
    "its finalizer alone": Attempt("operator", finalizers(CLEANUP), NOT_ITS_OWN),
    "no finalizer": Attempt("operator", finalizers(), NOT_ITS_OWN),
    "another finalizer": Attempt("operator", finalizers(KEPT, CLEANUP, "example.com/other"), NOT_ITS_OWN),
    "a status": Attempt("operator", patches("NestedDocker", "build", {"status": {"podName": "x"}}, "status")),
    "a spec": Attempt("operator", patches("NestedDocker", "build", {"spec": {"suspend": True}}), NOT_ITS_OWN),
    "a label": Attempt("operator", patches("NestedDocker", "build", labels({"app": "x"})), NOT_ITS_OWN),
    "an annotation": Attempt("operator", patches("NestedDocker", "build", annotations({"a.b/c": "x"})), NOT_ITS_OWN),
    "an owner": Attempt(
        "operator", patches("NestedDocker", "build", {"metadata": {"ownerReferences": [OTHER_OWNER]}}), NOT_ITS_OWN
    ),
    "one of its own": Attempt("operator", creates(lambda site: nested_docker(site.name, "own")), NOT_ITS_OWN),
    "a user's spec": Attempt("user", patches("NestedDocker", "build", {"spec": {"suspend": True}})),
}

# --- around the operator: its pods --------------------------------------------------------------------

CLASS = "from the class's podTemplate, or from the mutating webhook of this cluster that added it"
JOB = {"workload": {"containers": [{"name": "job", "image": "docker:29-cli"}], "restartPolicy": "Never"}}
PRIVILEGED = {"securityContext": {"privileged": True}}
FIRST = {"name": "first", "image": "busybox:1"}
TOKEN = {"path": "token"}
LABELS = {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}


def credentials_of(secret: str, key: str = "DOCKER_AUTH_CONFIG") -> dict[str, Any]:
    return {"secretKeyRef": {"name": secret, "key": key}}


FILES = {"workload": BUILD_FILES}
ONE_FILE = {
    "workload": {
        "containers": [
            {"name": "job", "image": "docker:29-cli", "volumeMounts": [{"name": "ssh", "mountPath": "/ssh"}]}
        ],
        "volumes": [{"name": "ssh", "secret": {"secretName": "deploy-key"}}],
    }
}
READERS = "nesteddocker.dev/containers-with-secrets"
THEIR_KEYS = "other-0a1b2-tls"


def in_container(name: str, **fields: Any) -> Make:
    """The pod of a workload with Secrets, one of whose containers has these fields in addition."""

    def make(site: Site) -> Manifest:
        made = daemon(FILES)(site)
        for each in [*made["spec"]["initContainers"], *made["spec"]["containers"]]:
            if each["name"] == name:
                each.update({key: [*each.get(key, []), *value] for key, value in fields.items()})
        return made

    return make


ONE_KEY = {"secretKeyRef": {"name": MINE, "key": "key"}}

DATA = {"spec": {"volumes": [..., {"name": "data", "persistentVolumeClaim": {"claimName": "build-data"}}]}}
CLEANS_ONLY = ("only the operator's node cleanup pods and node probes may run in namespace ", "-cleanup. ", BUG)

IN_CLEANUP: dict[str, Attempt] = {
    name: Attempt("operator", creates(make), words)
    for name, make, words in (
        ("its own pod", cleans(), ()),
        ("its own pod, as these tests write it", cleans(container()), ()),
        ("another image", cleans(container(image="busybox:1")), (*CLEANS_ONLY, "guardrails.cleanupImages")),
        *(
            (f"its image as {image}", cleans(container(image=image)), ())
            for image in (f"docker.io/{OPERATOR_IMAGE}", f"docker.io/library/{OPERATOR_IMAGE}")
        ),
        *(
            (f"the image {image}", cleans(container(image=image)), (*CLEANS_ONLY, "guardrails.cleanupImages"))
            for image in (
                f"evil.example/{OPERATOR_IMAGE}",
                f"docker.io/evil/{OPERATOR_IMAGE}",
                f"dockerxio/library/{OPERATOR_IMAGE}",
                f"docker.io/library/library/{OPERATOR_IMAGE}",
                f"{OPERATOR_IMAGE}@sha256:{'0' * 64}",
                f"mirror.example/ci/nested-docker-operator@sha256:{'0' * 64}",
            )
        ),
        ("its image of another version", cleans(container(image=f"{OPERATOR_IMAGE}1")), CLEANS_ONLY),
        ("another command of its image", cleans(container(args=["relay"])), CLEANS_ONLY),
        ("no command of its image", cleans(container(args=None)), CLEANS_ONLY),
        ("another program of its image", cleans(container(command=["sh", "-c"])), CLEANS_ONLY),
        *(
            (f"with {what} in its container", cleans(container(**fields)), (f"containers.{key}", *CLEANS_ONLY))
            for what, key, fields in (
                ("a lifecycle hook", "lifecycle", {"lifecycle": {"postStart": {"exec": {"command": ["sh"]}}}}),
                ("a hook before its end", "lifecycle", {"lifecycle": {"preStop": {"exec": {"command": ["sh"]}}}}),
                ("a liveness probe", "livenessProbe", {"livenessProbe": {"exec": {"command": ["sh"]}}}),
                ("a readiness probe", "readinessProbe", {"readinessProbe": {"exec": {"command": ["sh"]}}}),
                ("a startup probe", "startupProbe", {"startupProbe": {"exec": {"command": ["sh"]}}}),
                ("PYTHONPATH", "env", {"env": [{"name": "PYTHONPATH", "value": "/tmp"}]}),
                ("a ConfigMap's variables", "envFrom", {"envFrom": [{"configMapRef": {"name": "x"}}]}),
                ("a command", "command", {"command": ["nested-docker"]}),
                ("a folder to start in", "workingDir", {"workingDir": "/tmp"}),
                ("a port", "ports", {"ports": [{"containerPort": 1}]}),
                ("a terminal", "tty", {"tty": True}),
                ("standard input", "stdin", {"stdin": True}),
                ("another termination message", "terminationMessagePath", {"terminationMessagePath": "/usr/lib/x"}),
                ("privilege", "securityContext", {"securityContext": {"privileged": True}}),
                ("root", "securityContext", {"securityContext": RESTRICTED | {"runAsUser": 0, "runAsNonRoot": False}}),
                (
                    "a capability",
                    "securityContext",
                    {"securityContext": RESTRICTED | {"capabilities": {"add": ["KILL"]}}},
                ),
                ("no security context", "securityContext", {"securityContext": None}),
                ("the socket elsewhere", "volumeMounts", {"volumeMounts": [{"name": SOCKET_NAME, "mountPath": "/x"}]}),
                ("no mount", "volumeMounts", {"volumeMounts": []}),
                ("a second mount", "volumeMounts", {"volumeMounts": [MOUNT, {"name": SOCKET_NAME, "mountPath": "/y"}]}),
                ("another owner", "args", {"args": ["cleanup", "--socket=/run/node/docker.sock", "--owner-uid=other"]}),
                ("no owner", "args", {"args": ["cleanup", "--socket=/run/node/docker.sock"]}),
                ("another socket", "args", {"args": ["cleanup", "--socket=/x", "--owner-uid=UID"]}),
                ("an argument more", "args", {"args": [*CLEANUP_ARGS, "--verbose"]}),
            )
        ),
        *(
            (f"with {what}", cleans({"spec": spec}), (f"spec: {key}", *CLEANS_ONLY))
            for what, key, spec in (
                ("other names for hosts", "hostAliases", {"hostAliases": [{"ip": "192.0.2.1", "hostnames": ["x"]}]}),
                ("another runtime", "runtimeClassName", {"runtimeClassName": RUNTIME}),
                ("another DNS", "dnsConfig", {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.1"]}}),
                ("a group of files", "securityContext", {"securityContext": {"fsGroup": 0}}),
                ("a volume more", "volumes", {"volumes": [..., {"name": "extra", "emptyDir": {}}]}),
                ("another volume", "volumes", {"volumes": [{"name": SOCKET_NAME, "emptyDir": {}}]}),
                ("one process namespace", "shareProcessNamespace", {"shareProcessNamespace": True}),
            )
        ),
        ("a device", cleans(container(volumeDevices=[{"name": "data", "devicePath": "/x"}]), DATA), CLEANS_ONLY),
        ("something beside it", cleans(beside(image="busybox:1")), CLEANS_ONLY),
        ("something before it", cleans({"spec": {"initContainers": [FIRST]}}), CLEANS_ONLY),
        ("a node probe, which the values leave out", probes(), CLEANS_ONLY),
        ("a daemon", elsewhere(daemon(), "cleanup"), CLEANS_ONLY),
        ("a guarded one", elsewhere(daemon({"mode": "HostSocket"}), "cleanup"), CLEANS_ONLY),
        ("of nobody", cleans(labels({UID: None})), (f"metadata.labels: {UID} is missing", BUG)),
        ("on another socket", cleans(path="/run/other.sock"), ("hostPath.path: /run/other.sock: ",)),
        ("on the node's network", cleans({"spec": {"hostNetwork": True}}), ("spec.hostNetwork: true",)),
        ("in another namespace", elsewhere(cleans(), "pods"), ("-pods is not in the chart's podNamespaces",)),
    )
}

NAME_LABEL = "nesteddocker.dev/name"
MANY: Manifest = {
    "containers": [
        {
            "name": f"c{number}",
            "image": "registry.example.com/a/rather/long/name/of/an/image:with-a-tag",
            "ports": [{"containerPort": 1000 + port} for port in range(20)],
            "env": [{"name": f"NAME_{each}", "value": "x" * 100} for each in range(50)],
            "args": ["x" * 100] * 50,
            "livenessProbe": {"httpGet": {"port": 80}},
            "securityContext": RESTRICTED | {"capabilities": {"add": ["NET_BIND_SERVICE"] * 10}},
        }
        for number in range(50)
    ],
    "volumes": [{"name": f"v{number}", "configMap": {"name": "x"}} for number in range(50)],
}
"""Much of everything: an expression has a budget, and a pod that exceeds it would be refused."""

NEW_CLAIM = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}

IN_USER_NAMESPACE: Manifest = {"mode": "UserNamespace"}
UNCONFINED = {"securityModules": [{"mode": "UserNamespace", "seccompProfile": {"type": "Unconfined"}}]}
ROOTLESS: Manifest = {"mode": "Rootless"}
ROOTLESS_UNCONFINED = {
    "securityModules": [
        {"mode": "Rootless", "seccompProfile": {"type": "Unconfined"}, "appArmorProfile": {"type": "Unconfined"}}
    ]
}
TUN_OF_A_PLUGIN = {
    "podTemplate": {"spec": {"containers": [{"name": "daemon", "resources": {"limits": {"squat.ai/tun": "1"}}}]}}
}
UNSAFE_DAEMON = "container daemon adds more than Pod Security level baseline allows"
NO_CAPABILITIES = (
    "the chart's guardrails.userNamespaces is false, so no daemon may have capabilities in a user namespace"
)


def in_user_namespace(**context: Any) -> Make:
    """A pod of mode UserNamespace, with these fields in the security context of its daemon."""

    def make(site: Site) -> Manifest:
        made = daemon(IN_USER_NAMESPACE)(site)
        container = made["spec"]["containers"][0]
        container["securityContext"] = container["securityContext"] | context
        return made

    return make


PODS: dict[str, Attempt] = {
    name: Attempt("operator", creates(make), words)
    for name, make, words in (
        ("Dind", daemon(), ()),
        ("HostSocket", daemon({"mode": "HostSocket"}), ()),
        ("HostSocket without a guard", daemon({"mode": "HostSocket"}, {"hostSocket": {"access": "Raw"}}), ()),
        ("HostSocket elsewhere", daemon({"mode": "HostSocket"}, {"hostSocket": {"path": "/run/docker.sock"}}), ()),
        ("Sysbox", daemon({"mode": "Sysbox"}, {"runtimeClassName": RUNTIME}), ()),
        (
            "Sysbox that avoids nodes",
            merged(
                daemon({"mode": "Sysbox"}, {"runtimeClassName": RUNTIME}), {"spec": avoiding({}, ("old-1", "old-2"))}
            ),
            (),
        ),
        ("UserNamespace", daemon(IN_USER_NAMESPACE), ()),
        ("UserNamespace without a seccomp profile", daemon(IN_USER_NAMESPACE, UNCONFINED), ()),
        ("UserNamespace with a workload", daemon(IN_USER_NAMESPACE | JOB), ()),
        (
            "UserNamespace on the node's users",
            merged(in_user_namespace(procMount="Default"), {"spec": {"hostUsers": None}}),
            ("spec.hostUsers: must be false in mode UserNamespace", BUG),
        ),
        ("Rootless", daemon(ROOTLESS), ()),
        ("Rootless without profiles", daemon(ROOTLESS, ROOTLESS_UNCONFINED), ()),
        ("Rootless with a device plugin's resource", daemon(ROOTLESS, TUN_OF_A_PLUGIN), ()),
        ("Rootless with a workload", daemon(ROOTLESS | JOB), ()),
        (
            "Rootless on the node's users",
            merged(daemon(ROOTLESS), {"spec": {"hostUsers": None}}),
            ("hostUsers",),
        ),
        *(
            (
                f"UserNamespace with the capability {name}",
                in_user_namespace(capabilities={"add": [name]}),
                (UNSAFE_DAEMON,),
            )
            for name in ("ALL", "SYS_MODULE", "SYS_PTRACE", "NET_RAW", "BPF")
        ),
        *(
            (f"UserNamespace with {what} beside it", merged(daemon(IN_USER_NAMESPACE), beside(**fields)), (message,))
            for what, fields, message in (
                (
                    "a capability",
                    {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}},
                    "container beside adds more",
                ),
                (
                    "no seccomp",
                    {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
                    "type: beside must have",
                ),
                (
                    "no AppArmor",
                    {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}},
                    "type: beside must have",
                ),
                (
                    "all of /proc",
                    {"securityContext": {"procMount": "Unmasked"}},
                    "procMount: container beside must have",
                ),
            )
        ),
        ("with a workload", daemon(JOB), ()),
        ("with a workload on the node's daemon", daemon(JOB | {"mode": "HostSocket"}), ()),
        ("with an idle watch", daemon({"idleTimeoutSeconds": 60}), ()),
        ("on a claim", daemon({"storage": {"type": "Claim", "claim": {"size": "1Gi"}}}), ()),
        ("on a claim of its own", daemon({"storage": {"type": "Ephemeral", "ephemeral": {"size": "1Gi"}}}), ()),
        ("with authorities", daemon({"engine": {"caBundleRef": {"name": "ca", "key": "ca.crt"}}}), ()),
        ("with a pull secret", daemon({"engine": {"imagePullSecrets": [{"name": MINE}]}}), ()),
        ("with registry credentials", daemon({"connection": {"registryCredentials": {"name": MINE}}} | JOB), ()),
        ("with what its workload refers to", daemon(FILES), ()),
        ("with that on the node's daemon", daemon(FILES | {"mode": "HostSocket"}), ()),
        (
            "with that for a container of the class's",
            merged(daemon(FILES), beside(envFrom=[{"secretRef": {"name": "npm"}}])),
            ("env: container beside takes a variable from a Secret, which only containers of spec.workload may",),
        ),
        (
            "with a variable of that for a container of the class's",
            merged(daemon(FILES), beside(env=[{"name": "A", "valueFrom": ONE_KEY}])),
            ("env: container beside takes a variable from a Secret",),
        ),
        (
            "with a file of that for a container of the class's",
            merged(daemon(FILES), beside(volumeMounts=[{"name": "workload-ssh", "mountPath": "/x"}])),
            (
                "secret.secretName: deploy-key: a daemon's pod may mount only its own Secret",
                "what spec.workload.volumes",
            ),
        ),
        (
            "with a file of several for a container of the class's",
            merged(daemon(FILES), beside(volumeMounts=[{"name": "workload-tokens", "mountPath": "/x"}])),
            ("spec.volumes: workload-tokens: a projected volume may use only", "unless spec.workload.volumes has it"),
        ),
        *(
            (
                f"with that for the container {name}",
                merged(in_container(name, **fields), annotations({READERS: f"fetch,builder,{name}"})),
                words,
            )
            for name, fields, words in (
                ("daemon", {"env": [{"name": "A", "valueFrom": ONE_KEY}]}, ("env: container daemon takes a variable",)),
                ("daemon", {"envFrom": [{"secretRef": {"name": MINE}}]}, ("env: container daemon takes a variable",)),
                (
                    "daemon",
                    {"volumeMounts": [{"name": "workload-ssh", "mountPath": "/root/.ssh"}]},
                    ("secret.secretName: deploy-key",),
                ),
            )
        ),
        (
            "with that, unmarked",
            merged(daemon(FILES), annotations({READERS: None})),
            ("secret.secretName: deploy-key",),
        ),
        (
            "with that for a container that is not marked",
            in_container("other", env=[{"name": "A", "valueFrom": ONE_KEY}]),
            ("env: container other takes a variable from a Secret",),
        ),
        (
            "with another's keys as a variable of its workload",
            in_container(
                "builder", env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": THEIR_KEYS, "key": "key.pem"}}}]
            ),
            ("env: container builder takes a variable from a Secret", "not with keys of daemons"),
        ),
        (
            "with another's keys as variables of its workload",
            in_container("builder", envFrom=[{"secretRef": {"name": THEIR_KEYS}}]),
            ("env: container builder takes a variable from a Secret",),
        ),
        (
            "with another's keys as files of its workload",
            merged(daemon(FILES), volume(name="workload-x", secret={"secretName": THEIR_KEYS})),
            (f"secret.secretName: {THEIR_KEYS}", "but no keys of daemons"),
        ),
        (
            "with another's projected keys for its workload",
            merged(daemon(FILES), volume(name="workload-x", projected={"sources": [{"secret": {"name": THEIR_KEYS}}]})),
            ("spec.volumes: workload-x: a projected volume",),
        ),
        (
            "with a token for its workload",
            merged(daemon(FILES), volume(name="workload-x", projected={"sources": [{"serviceAccountToken": TOKEN}]})),
            ("spec.volumes: workload-x: a projected volume",),
        ),
        (
            "with a user's Secret beside its workload's",
            merged(daemon(FILES), volume(secret={"secretName": MINE})),
            ("secret.secretName: mine",),
        ),
        ("with everybody's account", by_template(serviceAccountName="default"), ()),
        ("with a ConfigMap's variables", changed(beside(envFrom=[{"configMapRef": {"name": "x"}}])), ()),
        ("with its own labels", changed(volume(downwardAPI=LABELS)), ()),
        ("with projected ConfigMaps", changed(volume(projected={"sources": [{"configMap": {"name": "x"}}]})), ()),
        ("of no NestedDocker", changed(labels({UID: None})), (f"metadata.labels: {UID} is missing", BUG)),
        (
            "without owner",
            changed({"metadata": {"ownerReferences": None}}),
            ("metadata.ownerReferences: there is no controller of kind NestedDocker", "the chart's podNamespaces"),
        ),
        ("of another kind's owner", owned_by(apiVersion="v1", kind="Pod"), ("no controller of kind NestedDocker",)),
        ("of another group's owner", owned_by(apiVersion="example.com/v1"), ("no controller of kind NestedDocker",)),
        ("of an owner without control", owned_by(controller=False), ("no controller of kind NestedDocker",)),
        ("of another one's owner", owned_by(uid="another"), ("no controller of kind NestedDocker with the uid",)),
        ("in another namespace", elsewhere(daemon(), "pods"), ("-pods is not in the chart's podNamespaces",)),
        ("on the node's network", by_template(hostNetwork=True), ("spec.hostNetwork: true", CLASS)),
        ("among the node's processes", by_template(hostPID=True), ("spec.hostPID: true", CLASS)),
        ("in the node's shared memory", by_template(hostIPC=True), ("spec.hostIPC: true", CLASS)),
        (
            "with privilege beside",
            changed(beside(**PRIVILEGED)),
            (
                "securityContext.privileged: true on container beside: only the container daemon may be privileged",
                CLASS,
            ),
        ),
        ("with privilege before", by_template(initContainers=[FIRST | PRIVILEGED]), ("true on container first: ",)),
        (
            "with a token",
            changed({"spec": {"automountServiceAccountToken": None}}),
            ("spec.automountServiceAccountToken: must be false", BUG),
        ),
        (
            "with another account",
            by_template(serviceAccountName="builder"),
            ("spec.serviceAccountName: builder is neither default nor", "guardrails.serviceAccountNames", CLASS),
        ),
        *(
            (
                f"with {path} of the node as {type_ or 'anything'}",
                changed(volume(hostPath={"path": path, "type": type_})),
                (
                    f"hostPath.path: {path}: ",
                    "only sockets (type Socket) at /var/run/docker.sock, /run/docker.sock are allowed",
                    "guardrails.hostSocketPaths",
                ),
            )
            for path, type_ in (
                ("/", ""),
                ("/var/run/docker.sock", ""),
                ("/var/run/docker.sock", "FileOrCreate"),
                ("/run/containerd/containerd.sock", "Socket"),
            )
        ),
        (
            "with a user's Secret",
            changed(volume(secret={"secretName": MINE})),
            ("secret.secretName: mine: a daemon's pod may mount only its own Secret, <pod>-tls", CLASS),
        ),
        ("with another's keys", changed(volume(secret={"secretName": "other-tls"})), ("secret.secretName: other-tls",)),
        (
            "with a projected token",
            changed(volume(projected={"sources": [{"serviceAccountToken": {"path": "token"}}]})),
            ("spec.volumes: extra: a projected volume may use only configMap and downwardAPI", CLASS),
        ),
        (
            "with a projected Secret",
            changed(volume(projected={"sources": [{"secret": {"name": MINE}}]})),
            ("spec.volumes: extra: a projected volume may use only",),
        ),
        (
            "with a Secret's variable",
            changed(beside(env=[{"name": "A", "valueFrom": ONE_KEY}])),
            ("env: container beside takes a variable from a Secret", "use a ConfigMap"),
        ),
        (
            "with registry credentials of another daemon",
            changed(beside(env=[{"name": "A", "valueFrom": credentials_of("other-docker-env")}])),
            ("env: container beside takes a variable from a Secret", "spec.connection.registryCredentials"),
        ),
        (
            "with registry credentials of anybody's",
            changed(beside(env=[{"name": "A", "valueFrom": credentials_of(MINE)}])),
            ("env: container beside takes a variable from a Secret",),
        ),
        (
            "with another key beside its registry credentials",
            changed(beside(env=[{"name": "A", "valueFrom": credentials_of("build-docker-env", "DOCKER_HOST")}])),
            ("env: container beside takes a variable from a Secret",),
        ),
        (
            "with a Secret's variables",
            changed(beside(envFrom=[{"secretRef": {"name": MINE}}])),
            ("env: container beside takes a variable from a Secret",),
        ),
        (
            "on a claim that is not the operator's",
            of_web(daemon({"storage": {"type": "Claim", "claim": {"size": "1Gi"}}})),
            ("persistentVolumeClaim.claimName: web-data is not managed by the operator", MANAGED_BY, "another name"),
        ),
        *(
            (
                f"on the claim {claim}",
                changed(volume(persistentVolumeClaim={"claimName": claim})),
                (f"persistentVolumeClaim.claimName: {claim}: a daemon's pod may mount only its own claim", CLASS),
            )
            for claim in ("other", "other-data", "build", "build-data-0", "other-build-data")
        ),
        (
            "on another's claim beside",
            by_template(volumes=[{"name": "extra", "persistentVolumeClaim": {"claimName": MINE}}]),
            ("persistentVolumeClaim.claimName: mine",),
        ),
        (
            "on a claim by the name in its labels",
            merged(daemon({"storage": {"type": "Claim", "claim": {"size": "1Gi"}}}), labels({NAME_LABEL: "web"})),
            ("metadata.ownerReferences: there is no controller of kind NestedDocker",),
        ),
        *(
            (
                f"on a claim of its own with {name}",
                changed(volume(ephemeral={"volumeClaimTemplate": merged_with(NEW_CLAIM, {"spec": {name: value}})})),
                ("ephemeral.volumeClaimTemplate: extra: it must be for a new volume", CLASS),
            )
            for name, value in FOREIGN_DATA.items()
        ),
        *(
            (
                f"on a claim of its own with {name}",
                changed(volume(ephemeral={"volumeClaimTemplate": NEW_CLAIM | {"metadata": {name: {"a.b/c": "x"}}}})),
                ("ephemeral.volumeClaimTemplate: extra: it must be for a new volume", CLASS),
            )
            for name in ("labels", "annotations")
        ),
        (
            "with others' devices",
            by_template(resourceClaims=[{"name": "x", "resourceClaimName": MINE}]),
            (
                "resourceClaims.resourceClaimName: mine: a daemon's pod may not use others' devices",
                "use resourceClaimTemplateName",
            ),
        ),
        (
            "with devices of its own",
            by_template(resourceClaims=[{"name": "x", "resourceClaimTemplateName": "gpu"}]),
            (),
        ),
        (
            "on a node",
            by_template(nodeName="control-plane"),
            ("spec.nodeName: control-plane would bypass the scheduler: use nodeSelector",),
        ),
        (
            "among its guard's processes",
            daemon({"mode": "HostSocket"}, {"podTemplate": {"spec": {"shareProcessNamespace": True}}}),
            ("spec.shareProcessNamespace: true would give the pod's other containers the node's socket", CLASS),
        ),
        ("among its processes", by_template(shareProcessNamespace=True), ()),
        ("with many containers, ports and volumes", by_template(**MANY), ()),
        (
            "on a network filesystem",
            changed(volume(nfs={"server": "192.0.2.1", "path": "/"})),
            ("spec.volumes: extra: the type must be one of configMap, ", "guardrails.volumeTypes", CLASS),
        ),
    )
}

SHELL = {"name": "debug", "image": "busybox:1"}
EPHEMERAL = {"spec": {"ephemeralContainers": [SHELL]}}
NOT_THE_GUARDRAIL = ("does not have a host assigned",)
"""What the API server says to whoever is let into a pod that runs nowhere."""


def enters(name: str, how: str, where: str = "name", **query: str) -> Callable[[Site], Request]:
    query |= {"stdout": "true"} | ({"command": "true"} if how == "exec" else {})
    return lambda site: Request("POST", RESOURCES["Pod"].path(getattr(site, where), name, how), query=query)


# --- Pod Security's level baseline --------------------------------------------------------------------

IN_VM: Manifest = {"mode": "Sysbox"}
UNSAFE = "securityContext.capabilities.add: container {} adds more than Pod Security level baseline allows"
SECCOMP = "securityContext.seccompProfile.type: {} must have RuntimeDefault or Localhost"
APPARMOR = "securityContext.appArmorProfile.type: {} must have RuntimeDefault or Localhost"
SELINUX = "securityContext.seLinuxOptions: {} sets a user, a role, or a type"
HOST_PROCESS = "securityContext.windowsOptions.hostProcess: true on {} would run it on the node"
PROC_MOUNT = "securityContext.procMount: container {} must have Default"
HOST_PORT = "ports.hostPort: container {} would take a port of the node"
HOST = "host: a probe or lifecycle hook of container {} would make the kubelet connect to another host"
SYSCTL = "securityContext.sysctls: {}: Pod Security level baseline does not allow it"
ELSEWHERE = {"httpGet": {"host": "192.0.2.1", "port": 80}}

IN_CONTAINERS: dict[str, tuple[Manifest, str]] = {
    **{
        f"the capability {name}": ({"securityContext": {"capabilities": {"add": [name]}}}, UNSAFE)
        for name in ("ALL", "SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "NET_ADMIN", "NET_RAW", "BPF", "DAC_READ_SEARCH")
    },
    "a capability among others": ({"securityContext": {"capabilities": {"add": ["KILL", "SYS_RAWIO"]}}}, UNSAFE),
    "no seccomp": ({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}, SECCOMP),
    "no AppArmor": ({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}, APPARMOR),
    "all of /proc": ({"securityContext": {"procMount": "Unmasked"}}, PROC_MOUNT),
    **{
        f"the SELinux {key} {value}": ({"securityContext": {"seLinuxOptions": {key: value}}}, SELINUX)
        for key, value in (("type", "spc_t"), ("type", "unconfined_t"), ("user", "system_u"), ("role", "system_r"))
    },
    "a port of the node": ({"ports": [{"containerPort": 1, "hostPort": 22}]}, HOST_PORT),
    "a port of the node after another": (
        {"ports": [{"containerPort": 1}, {"containerPort": 2, "hostPort": 10250, "protocol": "UDP"}]},
        HOST_PORT,
    ),
    "a liveness probe elsewhere": ({"livenessProbe": ELSEWHERE}, HOST),
    "a connection elsewhere for liveness": ({"livenessProbe": {"tcpSocket": {"host": "192.0.2.1", "port": 1}}}, HOST),
    "a readiness probe elsewhere": ({"readinessProbe": ELSEWHERE}, HOST),
    "a startup probe elsewhere": ({"startupProbe": ELSEWHERE}, HOST),
    "a hook elsewhere at its start": ({"lifecycle": {"postStart": ELSEWHERE}}, HOST),
    "a hook elsewhere before its end": ({"lifecycle": {"preStop": ELSEWHERE}}, HOST),
}
"""What no container may have, and the message, with the container's name to be filled in."""

IN_PODS: dict[str, tuple[Manifest, str]] = {
    "no seccomp": ({"seccompProfile": {"type": "Unconfined"}}, SECCOMP.format("the pod")),
    "no AppArmor": ({"appArmorProfile": {"type": "Unconfined"}}, APPARMOR.format("the pod")),
    "the SELinux type spc_t": ({"seLinuxOptions": {"type": "spc_t"}}, SELINUX.format("the pod")),
    "the SELinux user system_u": ({"seLinuxOptions": {"user": "system_u"}}, SELINUX.format("the pod")),
    **{
        f"the sysctl {name}": ({"sysctls": [{"name": name, "value": "1"}]}, SYSCTL.format(name))
        for name in ("kernel.msgmax", "net.core.somaxconn", "net.ipv4.ip_forward", "kernel.sem", "fs.mqueue.msg_max")
    },
}
"""What no pod may have in its security context."""

ALLOWED: dict[str, Manifest] = {
    "a harmless capability": {"securityContext": {"capabilities": {"add": ["NET_BIND_SERVICE", "CHOWN"]}}},
    "a seccomp profile of the node": {
        "securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "x"}}
    },
    "an AppArmor profile of the node": {
        "securityContext": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "x"}}
    },
    "a container's SELinux type": {"securityContext": {"seLinuxOptions": {"type": "container_t", "level": "s0:c1,c2"}}},
    "a port": {"ports": [{"containerPort": 22}]},
    "a probe": {"livenessProbe": {"httpGet": {"port": 80}}},
}


def one(place: str, fields: Manifest) -> Make:
    """A Sysbox pod with these fields in one container: `beside`, `first` (an init container) or `daemon`."""

    def make(site: Site) -> Manifest:
        made = daemon(IN_VM, {"runtimeClassName": RUNTIME})(site)
        extra = {"name": place, "image": "docker:29-dind"} | fields
        match place:
            case "beside":
                return merged_with(made, beside(**fields))
            case "first":
                late = {} if fields.keys() <= {"securityContext", "ports"} else {"restartPolicy": "Always"}
                return merged_with(made, {"spec": {"initContainers": [extra | late]}})
            case _:
                own, *others = made["spec"]["containers"]
                own = {key: value for key, value in own.items() if not key.endswith("Probe")}
                return merged_with(made, {"spec": {"containers": [own | fields, *others]}})

    return make


def in_pod(**context: Any) -> Make:
    return merged(daemon(IN_VM, {"runtimeClassName": RUNTIME}), {"spec": {"securityContext": context}})


ON_THE_NODE = {"hostNetwork": True, "hostUsers": None}
WINDOWS = {"windowsOptions": {"hostProcess": True}}

BASELINE: dict[str, Attempt] = {
    **{
        f"{what} in {place}": Attempt("operator", creates(one(place, fields)), (message.format(place),))
        for place in ("daemon", "beside", "first")
        for what, (fields, message) in IN_CONTAINERS.items()
    },
    **{
        f"{what} in the pod": Attempt("operator", creates(in_pod(**context)), (message, CLASS))
        for what, (context, message) in IN_PODS.items()
    },
    "a process of the node": Attempt(
        "operator",
        creates(merged(in_pod(**WINDOWS), {"spec": ON_THE_NODE})),
        (HOST_PROCESS.format("the pod"), CLASS),
    ),
    "a process of the node in a container": Attempt(
        "operator",
        creates(
            merged(
                in_pod(**WINDOWS),
                beside(securityContext=WINDOWS),
                {"spec": ON_THE_NODE},
            )
        ),
        ("securityContext.windowsOptions.hostProcess: true on the pod, beside would run it",),
    ),
    "no AppArmor, by annotation": Attempt(
        "operator",
        creates(
            merged(
                daemon(IN_VM, {"runtimeClassName": RUNTIME}),
                annotations({"container.apparmor.security.beta.kubernetes.io/daemon": "unconfined"}),
            )
        ),
        ("container.apparmor.security.beta.kubernetes.io/daemon",),
    ),
    "a harmless sysctl": Attempt(
        "operator", creates(in_pod(sysctls=[{"name": "net.ipv4.ping_group_range", "value": "0 1"}]))
    ),
    **{
        f"{what} in {place}": Attempt("operator", creates(one(place, fields)))
        for place in ("daemon", "beside", "first")
        for what, fields in ALLOWED.items()
    },
    **{
        f"an ephemeral container {what}": Attempt(
            "operator",
            patches("Pod", DAEMON, {"spec": {"ephemeralContainers": [SHELL | fields]}}, "ephemeralcontainers"),
            ("spec.ephemeralContainers: the operator adds no ephemeral containers", BUG),
        )
        for what, fields in {
            "": {},
            "with privilege": PRIVILEGED,
            "with a capability": {"securityContext": {"capabilities": {"add": ["ALL"]}}},
            "with the daemon's processes": {"targetContainerName": "daemon"},
            "with a volume": {"volumeMounts": [{"name": "data", "mountPath": "/x"}]},
        }.items()
    },
}

# --- guarded pods, by default -------------------------------------------------------------------------

BYPASSES = (
    "pod build-guard has the node's Docker socket, without its guard: only system:masters",
    "Use the Docker API",
)


def puts_image(pod: str, subresource: str = "") -> Callable[[Site], Request]:
    change = {"spec": {"containers": [{"name": "daemon", "image": "busybox:1"}]}}
    return patches("Pod", pod, change, subresource, STRATEGIC)


def named(name: str, how: str) -> Callable[[Site], Request]:
    return lambda site: Request("POST", RESOURCES["Pod"].path(site.name, name, how), query={})


GUARDED_PODS: dict[str, Attempt] = {
    **{
        f"{how} into the guard": Attempt("user", enters(GUARDED, how), BYPASSES)
        for how in ("exec", "attach", "portforward", "proxy")
    },
    **{
        f"proxy to {name}": Attempt("user", named(name, "proxy"), BYPASSES)
        for name in (f"{GUARDED}:8080", f"http:{GUARDED}:8080", f"https:{GUARDED}:")
    },
    **{
        f"{how} into a node cleanup pod": Attempt(
            "user", enters("cleaner", how, "cleanup"), ("pod cleaner has the node's Docker socket, without its guard",)
        )
        for how in ("exec", "attach", "portforward", "proxy")
    },
    "exec of an operator": Attempt("operator", enters(GUARDED, "exec"), BYPASSES),
    "exec of a debugger": Attempt("debugger", enters(GUARDED, "exec"), BYPASSES),
    "a container put beside the guard": Attempt(
        "user",
        patches("Pod", GUARDED, EPHEMERAL, "ephemeralcontainers"),
        ("ephemeralContainers: " + BYPASSES[0],),
    ),
    "another image in place of the guard": Attempt("user", puts_image(GUARDED), ("image: " + BYPASSES[0],)),
    "another image in place of the guard, by the operator": Attempt(
        "operator", puts_image(GUARDED), ("spec.containers: the operator does not change the image of a running pod",)
    ),
    "a label on the guard": Attempt("user", patches("Pod", GUARDED, labels({"team": "x"}))),
    "a deadline for the guard": Attempt("user", patches("Pod", GUARDED, {"spec": {"activeDeadlineSeconds": 1}})),
    "exec by an admin": Attempt("admin", enters(GUARDED, "exec"), NOT_THE_GUARDRAIL),
    "an admin's container": Attempt("admin", patches("Pod", GUARDED, EPHEMERAL, "ephemeralcontainers")),
    "an admin's image": Attempt("admin", puts_image(GUARDED)),
    **{
        f"{how} into a relay without a guard": Attempt("user", enters(RAW, how), NOT_THE_GUARDRAIL)
        for how in ("exec", "attach")
    },
    **{f"{how} into another pod": Attempt("user", enters(MINE, how), NOT_THE_GUARDRAIL) for how in ("exec", "attach")},
    "another image in a daemon": Attempt("user", puts_image(DAEMON)),
    "a guard's name in another pod's": Attempt("user", enters(f"{GUARDED}x", "exec"), ("not found",)),
}

# --- with every value set -----------------------------------------------------------------------------

EVERYTHING: dict[str, Any] = {
    "commonLabels": {"team": "ci", "example.com/cost-center": "42"},
    "podNamespaces": [f"all-{SUFFIX}-pods"],
    "injection": {"enabled": True},
    "nodeProbe": {"enabled": True},
    "guardrails": {
        "hostSocketPaths": ["/run/other.sock"],
        "serviceAccountNames": ["builder"],
        "images": ["docker:29-(dind|cli)", r"images\.example/ci/[a-z-]+@sha256:[0-9a-f]{64}"],
        "volumeTypes": ["emptyDir", "nfs", "persistentVolumeClaim"],
        "cleanupImages": [r"mirror\.example/ci/nested-docker-operator@sha256:[0-9a-f]{64}"],
        "metadataKeys": [r"k8s\.v1\.cni\.cncf\.io/networks", r"cloud\.example/neg"],
        "denyExec": True,
        "execGroups": ["debuggers"],
    },
}
DIGEST = "sha256:" + "0" * 64
EXEC_DENIED = (
    "pod build-abcde runs a Docker daemon",
    "guardrails.denyExec denies access to its containers to all but debuggers",
)


def image(reference: str) -> Make:
    return daemon({"engine": {"image": reference}})


def none_matches(reference: str) -> tuple[str, ...]:
    return (f"image: {reference}: no pattern in the chart's guardrails.images matches",)


NO_PROBE = ("only the operator's node cleanup pods and node probes may run in namespace ",)
AS_PROBE = labels({ROLE: "node-probe"})


def probe_container(**fields: Any) -> Manifest:
    """A probe's container, with these fields changed."""
    own = {
        "name": "node-probe",
        "image": OPERATOR_IMAGE,
        "args": ["probe-node"],
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": "data", "mountPath": "/run/probe"}],
    }
    return {"spec": {"containers": [own | fields]}}


PROBES: dict[str, Attempt] = {
    "a node probe": Attempt("operator", creates(probes())),
    "a node probe, as these tests write it": Attempt("operator", creates(probes(probe_container()))),
    **{
        f"a node probe with {what}": Attempt("operator", creates(probes(over)), words)
        for what, over, words in (
            ("another image", probe_container(image="busybox:1"), ("containers.image", *NO_PROBE)),
            ("another command", probe_container(args=["relay"]), ("containers.args", *NO_PROBE)),
            ("a program", probe_container(command=["sh"]), ("containers.command", *NO_PROBE)),
            ("a variable", probe_container(env=[{"name": "PYTHONPATH", "value": "/x"}]), ("containers.env", *NO_PROBE)),
            (
                "privilege",
                probe_container(securityContext={"privileged": True}),
                ("containers.securityContext", *NO_PROBE),
            ),
            ("no mount", probe_container(volumeMounts=[]), ("containers.volumeMounts", *NO_PROBE)),
            ("a container more", beside(image=OPERATOR_IMAGE), ("spec: containers", *NO_PROBE)),
            ("a first container", {"spec": {"initContainers": [FIRST]}}, ("spec: initContainers", *NO_PROBE)),
            (
                "a volume more",
                {"spec": {"volumes": [..., {"name": "x", "emptyDir": {}}]}},
                ("spec: volumes", *NO_PROBE),
            ),
            (
                "the node's socket",
                {"spec": {"volumes": [{"name": "data", "hostPath": {"path": "/run/other.sock", "type": "Socket"}}]}},
                ("spec: volumes", *NO_PROBE),
            ),
            ("a runtime", {"spec": {"runtimeClassName": RUNTIME}}, ("spec: runtimeClassName", *NO_PROBE)),
            ("the node's network", {"spec": {"hostNetwork": True}}, ("spec.hostNetwork: true",)),
            ("a token", {"spec": {"automountServiceAccountToken": True}}, ("spec: volumes", *NO_PROBE)),
            ("no node's uid", labels({UID: None}), (f"metadata.labels: {UID} is missing",)),
        )
    },
    "a node cleanup pod that poses as a probe": Attempt(
        "operator", creates(cleans(AS_PROBE, path="/run/other.sock")), ("spec: volumes", *NO_PROBE)
    ),
    "a node probe in a namespace for pods": Attempt(
        "operator", creates(elsewhere(probes(), "pods")), ("spec.nodeName: nowhere would bypass the scheduler",)
    ),
    "a node probe by a user": Attempt("user", creates(probes()), (ONLY,)),
}

WITH_EVERYTHING: dict[str, Attempt] = {
    **PROBES,
    "an image that is listed": Attempt("operator", creates(image("docker:29-dind"))),
    "an image that matches": Attempt("operator", creates(image(f"images.example/ci/dind@{DIGEST}"))),
    "the operator's own image": Attempt("operator", creates(daemon({"mode": "Dind", "idleTimeoutSeconds": 60}))),
    **{
        f"the image {reference}": Attempt("operator", creates(image(reference)), none_matches(reference))
        for reference in (
            "docker:27-dind",
            "docker:29-dind-rootless",
            "evil.example/docker:29-dind",
            "imagesxexample/ci/dind@" + DIGEST,
            "images.example/ci/dind:latest",
            "images.example/ci/dind/evil@" + DIGEST,
            OPERATOR_IMAGE.replace(".", "x"),
        )
    },
    "a workload's image": Attempt(
        "operator",
        creates(daemon({"workload": {"containers": [{"name": "job", "image": "busybox:1"}]}})),
        none_matches("busybox:1"),
    ),
    "an image before": Attempt("operator", creates(by_template(initContainers=[FIRST])), none_matches("busybox:1")),
    "an image put into a pod": Attempt(
        "operator",
        patches("Pod", DAEMON, {"spec": {"containers": [{"name": "daemon", "image": "busybox:1"}]}}, type_=STRATEGIC),
        none_matches("busybox:1"),
    ),
    "the account that is listed": Attempt("operator", creates(by_template(serviceAccountName="builder"))),
    "the socket that is listed": Attempt(
        "operator", creates(daemon({"mode": "HostSocket"}, {"hostSocket": {"path": "/run/other.sock"}}))
    ),
    "the socket that is not": Attempt(
        "operator",
        creates(daemon({"mode": "HostSocket"})),
        ("hostPath.path: /var/run/docker.sock: ", "/run/other.sock"),
    ),
    "an image that is listed, which cleans up": Attempt(
        "operator",
        creates(cleans(container(image=f"mirror.example/ci/nested-docker-operator@{DIGEST}"), path="/run/other.sock")),
    ),
    **{
        f"the image {reference}, which cleans up": Attempt(
            "operator",
            creates(cleans(container(image=reference), path="/run/other.sock")),
            ("containers.image", "guardrails.cleanupImages"),
        )
        for reference in (
            "mirror.example/ci/nested-docker-operator:0.1.0",
            f"mirror.example/evil/nested-docker-operator@{DIGEST}",
            f"mirrorxexample/ci/nested-docker-operator@{DIGEST}",
            "docker:29-dind",
        )
    },
    "an image that cleans up, in a daemon's pod": Attempt(
        "operator",
        creates(image(f"mirror.example/ci/nested-docker-operator@{DIGEST}")),
        none_matches(f"mirror.example/ci/nested-docker-operator@{DIGEST}"),
    ),
    **{
        f"a {kind} with the chart's labels": Attempt(
            "operator", creates(child(kind, labels({"team": "x", "example.com/cost-center": "42"})))
        )
        for kind in MARKED
    },
    "a Service with a key that begins like the chart's": Attempt(
        "operator",
        creates(child("Service", labels({"teams": "x"}))),
        ("metadata: the operator may not set teams on Service another", OWN_KEYS),
    ),
    "the socket that is listed, cleaned up after": Attempt("operator", creates(cleans(path="/run/other.sock"))),
    "a pod from before let go": Attempt("operator", pods_needing_cleanup()),
    "a pod from before changed on its way": Attempt(
        "operator",
        patches(
            "Pod",
            GUARDED,
            {"metadata": {"finalizers": []}, "spec": {"containers": [{"name": "daemon", "image": "busybox:1"}]}},
            type_=STRATEGIC,
        ),
        none_matches("busybox:1"),
    ),
    "a pod from before relabelled": Attempt(
        "operator", patches("Pod", GUARDED, labels({UID: None})), (f"metadata.labels: {UID} is missing",)
    ),
    "the volume that is listed": Attempt(
        "operator", creates(changed(volume(nfs={"server": "192.0.2.1", "path": "/"})))
    ),
    "the volume that is not": Attempt(
        "operator",
        creates(changed(volume(configMap={"name": "x"}))),
        ("extra: the type must be one of emptyDir, nfs, persistentVolumeClaim",),
    ),
    "a pod in the namespace for pods": Attempt("operator", creates(daemon(away=True))),
    "a Service in the namespace for pods": Attempt(
        "operator", creates(lambda site: service(site.object_names(away=True), "12345fffff"))
    ),
    "what a workload refers to in the namespace for pods": Attempt(
        "operator",
        creates(daemon(ONE_FILE, away=True)),
        ("secret.secretName: deploy-key",),
    ),
    "another's keys in the namespace for pods": Attempt(
        "operator",
        creates(lambda site: merged_with(daemon(away=True)(site), volume(secret={"secretName": "nd-0123456789-tls"}))),
        ("secret.secretName: nd-0123456789-tls",),
    ),
    "a pod there, of nobody": Attempt(
        "operator",
        creates(elsewhere(changed(labels({UID: None})), "pods")),
        (f"metadata.labels: {UID} is missing",),
    ),
    "a mark in the namespace for pods": Attempt(
        "user", creates(elsewhere(plain("Pod", labels({ROLE: "daemon"})), "pods")), (ONLY,)
    ),
    "a container put into a daemon's pod": Attempt(
        "user",
        patches("Pod", DAEMON, EPHEMERAL, "ephemeralcontainers"),
        ("ephemeralContainers: " + EXEC_DENIED[0], EXEC_DENIED[1]),
    ),
    "a container put into another pod": Attempt("user", patches("Pod", MINE, EPHEMERAL, "ephemeralcontainers")),
    "a container of one who is exempt": Attempt("debugger", patches("Pod", DAEMON, EPHEMERAL, "ephemeralcontainers")),
    "exec into a daemon": Attempt("user", enters(DAEMON, "exec"), EXEC_DENIED),
    "exec by an admin": Attempt("admin", enters(DAEMON, "exec"), EXEC_DENIED),
    "attach to a daemon": Attempt("user", enters(DAEMON, "attach"), EXEC_DENIED),
    "exec into another pod": Attempt("user", enters(MINE, "exec"), NOT_THE_GUARDRAIL),
    "exec of one who is exempt": Attempt("debugger", enters(DAEMON, "exec"), NOT_THE_GUARDRAIL),
    "exec into a guard": Attempt("user", enters(GUARDED, "exec"), ("its guard: only debuggers",)),
    "exec of one who is exempt into a guard": Attempt("debugger", enters(GUARDED, "exec"), NOT_THE_GUARDRAIL),
    "exec by an admin into a guard": Attempt("admin", enters(GUARDED, "exec"), ("its guard: only debuggers",)),
    "another image in a daemon": Attempt("user", puts_image(DAEMON), ("image: " + EXEC_DENIED[0], EXEC_DENIED[1])),
    "another image by one who is exempt": Attempt("debugger", puts_image(DAEMON)),
    "port-forward to a daemon": Attempt("user", enters(DAEMON, "portforward"), NOT_THE_GUARDRAIL),
    "a key that is listed": Attempt(
        "operator", creates(child("Pod", annotations({"k8s.v1.cni.cncf.io/networks": "x"})))
    ),
    "a key that is listed, on a Service": Attempt(
        "operator", creates(child("Service", annotations({"cloud.example/neg": "x"})))
    ),
    **{
        f"the key {key}": Attempt(
            "operator",
            creates(child("Service", annotations({key: "x"}))),
            (f"metadata: the operator may not set {key} on Service another", OWN_KEYS),
        )
        for key in ("cloud.example/negative", "xcloud.example/neg", "cloudxexample/neg")
    },
}

# --- with injection -----------------------------------------------------------------------------------

SIGNATURE = "nesteddocker.dev/injection-signature"
NOT_MANAGED = f"of Pod {GATED} must be {US}"


def opens(*gates: str, pod: str = GATED, **also: Any) -> Callable[[Site], Request]:
    """A pod's scheduling gates are removed, and something else is changed with them."""
    removed = [{"name": gate, "$patch": "delete"} for gate in gates]
    metadata = also.pop("metadata", {})
    return patches("Pod", pod, {"metadata": metadata, "spec": {"schedulingGates": removed} | also}, type_=STRATEGIC)


def asking(*over: Manifest) -> Make:
    return plain("Pod", labels({INJECT: "standard"}), *over)


def binds(pod: str, resource: str, change: Manifest) -> Callable[[Site], Request]:
    """A pod gets a node, and what a Binding carries with it."""

    def request(site: Site) -> Request:
        metadata = {"name": pod, "namespace": site.name} | change["metadata"]
        target = {"apiVersion": "v1", "kind": "Node", "name": "nowhere"}
        path = RESOURCES["Pod"].path(site.name, pod, "binding")
        if resource == "bindings":
            path = RESOURCES["Pod"].path(site.name).removesuffix("pods") + resource
        return Request("POST", path, {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target})

    return request


def injected(*over: Manifest) -> Make:
    """The NestedDocker that the operator makes for a pod."""

    def make(site: Site) -> Manifest:
        owner = {"name": GATED, "uid": "uid-of-the-pod"}
        return merged_with(owned_by_pod(injected_nested_docker(INJECTION, site.name, "standard"), owner), *over)

    return make


NOT_ITS_POD = ("creates NestedDockers only for pods with the label nesteddocker.dev/inject",)
SELECTOR = {"podSelector": {"matchLabels": {INJECTION_ID: INJECTION}}}
JOB_OWNER = {"apiVersion": "batch/v1", "kind": "Job", "name": "x", "uid": "x", "controller": True}

INJECTING: dict[str, Attempt] = {
    "the gate of its pod removed": Attempt("operator", opens(GATE)),
    "another gate removed": Attempt("operator", opens(KUEUE), (NOT_MANAGED,)),
    "both gates removed": Attempt("operator", opens(GATE, KUEUE), (NOT_MANAGED,)),
    "the gate of a pod without the label": Attempt(
        "operator", opens(GATE, pod=UNASKED), (f"of Pod {UNASKED} must be {US}",)
    ),
    **{
        f"the gate removed, and {what} changed": Attempt("operator", opens(GATE, **change), (NOT_MANAGED,))
        for what, change in {
            "an image": {"containers": [{"name": "main", "image": "evil:1"}]},
            "the deadline": {"activeDeadlineSeconds": 1},
            "the nodes": {"nodeSelector": {"a": "b"}},
            "a label": labels({"a": "b"}),
            "the label itself": labels({INJECT: None}),
            "an annotation": annotations({"a.b/c": "x"}),
            "a finalizer": {"metadata": {"finalizers": ["example.com/x"]}},
            "an owner": {"metadata": {"ownerReferences": [OTHER_OWNER]}},
        }.items()
    },
    "a label of such a pod": Attempt("operator", patches("Pod", GATED, labels({"a": "b"})), (NOT_MANAGED,)),
    "such a pod deleted": Attempt("operator", deletes("Pod", GATED), (f"Pod {GATED} is not managed by the operator",)),
    "the gate removed by its user": Attempt("user", opens(GATE)),
    "the NestedDocker of a pod": Attempt("operator", creates(injected())),
    **{
        f"the NestedDocker of a pod, with {what}": Attempt("operator", creates(injected(change)), NOT_ITS_POD)
        for what, change in {
            "another name": {"metadata": {"name": "injected-build"}},
            "a label": labels({"a": "b"}),
            "an annotation": annotations({"a.b/c": "x"}),
            "a finalizer": {"metadata": {"finalizers": [KEPT]}},
            "no owner": {"metadata": {"ownerReferences": None}},
            "another owner": {"metadata": {"ownerReferences": [JOB_OWNER]}},
            "a mode": {"spec": {"mode": "HostSocket"}},
            "an engine": {"spec": {"engine": {"image": "docker:29-dind"}}},
            "other clients": {"spec": {"connection": {"clients": [{"podSelector": {}}]}}},
            "more clients": {"spec": {"connection": {"clients": [..., {"podSelector": {}}]}}},
            "clients elsewhere": {"spec": {"connection": {"clients": [SELECTOR | {"namespaceSelector": {}}]}}},
            "all clients": {"spec": {"connection": {"clients": None}}},
        }.items()
    },
    "an Event about such a pod": Attempt("operator", event(regarding=about("Pod", GATED))),
    "an Event about a pod without the label": Attempt(
        "operator", event(regarding=about("Pod", UNASKED)), (f"Pod {UNASKED} is not managed by the operator",)
    ),
    "a pod that asks": Attempt("user", creates(asking())),
    "a pod with what the webhook adds": Attempt(
        "user", creates(asking(labels({INJECTION_ID: INJECTION}), annotations({SIGNATURE: "x"})))
    ),
    "a pod that asks, with another mark": Attempt("user", creates(asking(labels({UID: "x"}))), (ONLY,)),
    "an id without the label": Attempt("user", creates(plain("Pod", labels({INJECTION_ID: INJECTION}))), (ONLY,)),
    "a signature without the label": Attempt("user", creates(plain("Pod", annotations({SIGNATURE: "x"}))), (ONLY,)),
    **{
        f"a pod that asks, in {place}": Attempt(
            "user", creates(elsewhere(asking(), place)), ("get no daemon", "nesteddocker.dev/injection=enabled")
        )
        for place in ("system", "pods", "cleanup")
    },
    **{
        f"a pod that is there, with {what}": Attempt("user", patches("Pod", pod, change), (ONLY,))
        for what, pod, change in (
            ("the label later", MINE, labels({INJECT: "standard"})),
            ("an id later", MINE, labels({INJECTION_ID: INJECTION})),
            ("a signature later", MINE, annotations({SIGNATURE: "x"})),
            ("another class", GATED, labels({INJECT: "other"})),
            ("another id", GATED, labels({INJECTION_ID: "f" * 20})),
            ("no label", GATED, labels({INJECT: None})),
            ("other containers", GATED, annotations({"nesteddocker.dev/inject-containers": "main"})),
        )
    },
    **{
        f"{what} by a Binding to {resource}": Attempt("user", binds(MINE, resource, change), (ONLY,))
        for resource in ("bindings", "pods/binding")
        for what, change in (
            ("the label", labels({INJECT: "standard"})),
            ("an id", labels({INJECT: "standard", INJECTION_ID: INJECTION})),
            ("a signature", merged_with(labels({INJECT: "standard"}), annotations({SIGNATURE: "x"}))),
            ("another class", labels({INJECT: "other"})),
        )
    },
    **{
        f"a Binding to {resource} without marks": Attempt(
            "admin", binds(MINE, resource, {"metadata": {"annotations": {"a.b/c": "x"}}})
        )
        for resource in ("bindings", "pods/binding")
    },
    "a Service that asks": Attempt("user", creates(plain("Service", labels({INJECT: "standard"}))), (ONLY,)),
}

SIDECAR: Manifest = {
    "spec": {"initContainers": [{"name": "nested-docker", "image": "docker:29-dind", "restartPolicy": "Always"}]}
}
SIDECAR_CLOSED = ("container nested-docker of " + EXEC_DENIED[0].replace("build-abcde", BESIDE), EXEC_DENIED[1])


def debugs(pod: str, **fields: str) -> Callable[[Site], Request]:
    return patches("Pod", pod, {"spec": {"ephemeralContainers": [SHELL | fields]}}, "ephemeralcontainers")


def puts_image_of(field: str, container: str, pod: str = BESIDE) -> Callable[[Site], Request]:
    return patches("Pod", pod, {"spec": {field: [{"name": container, "image": "busybox:1"}]}}, type_=STRATEGIC)


SIDECARS: dict[str, Attempt] = {
    **{
        f"{how} into the daemon": Attempt("user", enters(BESIDE, how, container="nested-docker"), SIDECAR_CLOSED)
        for how in ("exec", "attach")
    },
    **{
        f"{how} into the job": Attempt("user", enters(BESIDE, how, container="main"), NOT_THE_GUARDRAIL)
        for how in ("exec", "attach")
    },
    "exec of one who is exempt": Attempt(
        "debugger", enters(BESIDE, "exec", container="nested-docker"), NOT_THE_GUARDRAIL
    ),
    "another image of the daemon": Attempt("user", puts_image_of("initContainers", "nested-docker"), SIDECAR_CLOSED),
    "another image by one who is exempt": Attempt("debugger", puts_image_of("initContainers", "nested-docker")),
    "another image of the job": Attempt("user", puts_image_of("containers", "main")),
    "a container put beside the daemon's processes": Attempt(
        "user", debugs(BESIDE, targetContainerName="nested-docker"), SIDECAR_CLOSED
    ),
    "a container put beside the job's processes": Attempt("user", debugs(BESIDE, targetContainerName="main")),
    "a pod that names its form": Attempt("user", creates(asking(annotations({FORM: "Sidecar"})))),
    "a form without the label": Attempt("user", creates(plain("Pod", annotations({FORM: "Sidecar"}))), (ONLY,)),
    "another form later": Attempt("user", patches("Pod", BESIDE, annotations({FORM: "Remote"})), (ONLY,)),
    "no form later": Attempt("user", patches("Pod", BESIDE, annotations({FORM: None})), (ONLY,)),
}

# --- with no way to the node --------------------------------------------------------------------------

SEPARATED: dict[str, Any] = {"guardrails": {"privileged": False, "userNamespaces": False, "hostSocketPaths": []}}

WITHOUT_NODE: dict[str, Attempt] = {
    "Sysbox": Attempt("operator", creates(daemon({"mode": "Sysbox"}, {"runtimeClassName": RUNTIME}))),
    "UserNamespace": Attempt("operator", creates(daemon(IN_USER_NAMESPACE)), (NO_CAPABILITIES, "choose mode Sysbox")),
    "Rootless": Attempt("operator", creates(daemon(ROOTLESS)), (NO_CAPABILITIES, "choose mode Sysbox")),
    "Dind": Attempt(
        "operator",
        creates(daemon()),
        (
            "securityContext.privileged: true on container daemon: the chart's guardrails.privileged",
            "choose mode Sysbox",
        ),
    ),
    "HostSocket": Attempt(
        "operator",
        creates(daemon({"mode": "HostSocket"})),
        ("hostPath.path: /var/run/docker.sock: ", "guardrails.hostSocketPaths is empty, so no path is allowed"),
    ),
    "a node cleaned up": Attempt("operator", creates(cleans()), ("hostPath.path: /var/run/docker.sock: ",)),
    "a pod from before let go": Attempt("operator", pods_needing_cleanup()),
}

# --- the guardrails ---------------------------------------------------------------------------------------


KUBERNETES = ("kube-system", "kube-public", "kube-node-lease")
"""Namespaces that the guardrail for children is also bound to, which limits only these sites' operators."""


def namespaces_of(site: Site) -> tuple[str, ...]:
    return site.name, site.system, site.pods, site.cleanup


def rendered(site: Site, values: Manifest) -> list[Manifest]:
    """The chart's guardrails, bound to the site's namespaces."""
    flags = [f"--set={RENDER}", *(f"--set-json={key}={json.dumps(value)}" for key, value in values.items())]
    text = Helm()("template", site.name, str(CHART), "--namespace", site.system, "--kube-version=1.34.0", *flags)
    guardrails = [each for each in yaml.safe_load_all(text) if each and each["kind"].startswith("ValidatingAdmission")]
    for guardrail in guardrails:
        if guardrail["kind"] == "ValidatingAdmissionPolicyBinding":
            also = KUBERNETES if guardrail["spec"]["policyName"].endswith("-children") else ()
            here = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [*namespaces_of(site), *also]}
            guardrail["spec"]["matchResources"] = {"namespaceSelector": {"matchExpressions": [here]}}
    return guardrails


def furnish(cluster: Cluster, name: str) -> Site:
    """Namespaces in which everybody may do everything, and what there is in the one that is served."""
    bare = Site(name)
    subjects = [
        {"kind": "User", "name": bare.operator},
        *({"kind": "Group", "name": group} for group in ("users", "debuggers")),
    ]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    for namespace in namespaces_of(bare):
        metadata = {"name": "everything", "namespace": namespace}
        cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "name": namespace,
                    "labels": {"guardrails": SUFFIX, "nesteddocker.dev/injection": "enabled"},
                },
            },
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": metadata,
                "roleRef": role,
                "subjects": subjects,
            },
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata | {"name": "builder"}},
        )
        cluster.kubectl("-n", namespace, "wait", "--for=create", "serviceaccount/default", "--timeout=30s")
    cluster.apply(merged_with(nested_docker(name), {"metadata": {"finalizers": [KEPT]}}))
    site = Site(name, cluster.kubectl("-n", name, "get", "nesteddocker", "build", "-o=jsonpath={.metadata.uid}"))
    cluster.apply(
        renamed(daemon()(site), DAEMON),
        renamed(daemon({"mode": "HostSocket"})(site), GUARDED),
        renamed(daemon({"mode": "HostSocket"}, {"hostSocket": {"access": "Raw"}})(site), RAW),
        merged_with(cleans({"metadata": {"name": "cleaner"}})(site), {"spec": NOWHERE | {"nodeName": None}}),
        child("Secret", {"metadata": {"name": OURS}})(site),
        child("Secret", {"metadata": {"name": LOST}}, labels({MANAGED_BY: None}))(site),
        child("Secret", {"metadata": {"name": LABELLED}}, labels({"team": "x"}), annotations({"a.b/c": "x"}))(site),
        child("PersistentVolumeClaim", {"metadata": {"name": "build-data"}})(site),
        plain("PersistentVolumeClaim", name="web-data")(site),
        plain("Pod", name=MINE)(site),
        plain("Pod", GATES, labels({INJECT: "standard", INJECTION_ID: INJECTION}), name=GATED)(site),
        plain("Pod", GATES, name=UNASKED)(site),
        plain("Pod", GATES, labels({INJECT: "standard"}), annotations({FORM: "Sidecar"}), SIDECAR, name=BESIDE)(site),
        plain("Secret", name=MINE)(site),
        plain("PersistentVolumeClaim", name=MINE)(site),
    )
    return site


async def refusal(api: Api, site: Site, attempt: Attempt) -> str:
    """How an attempt is refused; empty: it is not."""
    asked = attempt.request(site)
    client = site.acting_as(attempt.who, api)
    try:
        await client.request(asked.method, asked.path, query=asked.query, body=asked.body, type_=asked.type_)
    except KubeError as error:
        return error.message
    return ""


def deep_managed_fields(site: Site) -> Manifest:
    """A NestedDocker with more managed fields than any has."""
    fields: Manifest = {}
    for _ in range(45):
        fields = {"f:a": fields}
    entry = {"manager": "m", "operation": "Update", "apiVersion": RESOURCES["NestedDocker"].api_version}
    entry |= {"time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields}
    return merged_with(nested_docker(site.name, "deep"), {"metadata": {"managedFields": [entry]}})


async def wait_until_in_force(cluster: Cluster, site: Site, guardrails: Sequence[Manifest]) -> None:
    """Return when every guardrail refuses what it must: they are in force some time after they are made.

    If several guardrails refuse a request, the API server names any one of them, so each probe breaks only one.
    """
    claiming = daemon(
        {"mode": "Sysbox", "storage": {"type": "Claim", "claim": {"size": "1Gi"}}}, {"runtimeClassName": RUNTIME}
    )
    probes = {
        "reserved-labels": RESERVED["a Pod that looks like ours"],
        "children": CHILDREN["a Secret without the label"],
        "nesteddockers": REQUESTS["one of its own"],
        "nesting": Attempt("admin", creates(deep_managed_fields), ("nested 40 levels deep or more",)),
        "pods": PODS["of no NestedDocker"],
        "ephemeral-containers": GUARDED_PODS["a container put beside the guard"],
        "exec": GUARDED_PODS["exec into the guard"],
        "claims": Attempt("operator", creates(of_web(claiming)), ("web-data is not managed by the operator",)),
        "events": EVENTS["about a Secret"],
        "pod-events": EVENTS["about a user's pod"],
        "sidecars": SIDECARS["another image of the daemon"],
        "sidecar-exec": SIDECARS["exec into the daemon"],
    }
    async with Api.connect(cluster.kubeconfig) as api:
        for name in sorted({guardrail["metadata"]["name"] for guardrail in guardrails}):
            probe = probes[name.removeprefix(f"{site.name}-operator-")]

            async def in_force(name: str = name, probe: Attempt = probe) -> bool:
                message = await refusal(api, site, probe)
                assert name in message, message or "it was let through"
                return True

            await wait_for(in_force, 30, f"the guardrail {name} is in force")


@pytest.fixture(scope="module")
def sites(cluster: Cluster, crds: list[str]) -> Iterator[dict[str, Site]]:
    """Guardrails as they are by default, and with everything set that can be set."""
    runtime = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": RUNTIME}, "handler": "none"}
    made: list[Manifest] = [runtime]
    cluster.apply(runtime)
    sites = {}
    try:
        for key, values in (("default", {}), ("all", EVERYTHING), ("no-node", SEPARATED)):
            sites[key] = site = furnish(cluster, f"{key}-{SUFFIX}")
            guardrails = rendered(site, values)
            made += guardrails
            cluster.apply(*guardrails)
            asyncio.run(wait_until_in_force(cluster, site, guardrails))
        yield sites
    finally:
        text = yaml.safe_dump_all(made)
        cluster.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=text)
        for site in sites.values():
            release = '--patch={"metadata":{"finalizers":null}}'
            for held in ("nesteddocker/build", f"pod/{GUARDED}"):
                cluster.kubectl("-n", site.name, "patch", held, "--type=merge", release)
        cluster.kubectl("delete", "namespace", f"--selector=guardrails={SUFFIX}", "--wait=false")


async def look(api: Api, site: Site, attempt: Attempt) -> None:
    """The attempt is refused with its words, or let through."""
    message = await refusal(api, site, attempt)
    missing = [word for word in attempt.words if word not in message]
    assert not missing, f"{missing} not in: {message or 'it was let through'}"
    assert attempt.words or not message, message


@pytest.mark.parametrize("attempt", RESERVED.values(), ids=RESERVED)
async def test_our_marks(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["default"], attempt)


@pytest.mark.parametrize("attempt", CHILDREN.values(), ids=CHILDREN)
async def test_what_the_operator_writes(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["default"], attempt)


@pytest.mark.parametrize("attempt", REQUESTS.values(), ids=REQUESTS)
async def test_what_the_operator_asks_for(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["default"], attempt)


@pytest.mark.parametrize("attempt", PODS.values(), ids=PODS)
async def test_the_operator_s_pods(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["default"], attempt)


@pytest.mark.parametrize("attempt", IN_CLEANUP.values(), ids=IN_CLEANUP)
async def test_where_nodes_are_cleaned_up_from(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["default"], attempt)


@pytest.mark.parametrize("attempt", EVENTS.values(), ids=EVENTS)
async def test_the_operator_s_events(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["default"], attempt)


@pytest.mark.parametrize("site", ["default", "no-node"])
@pytest.mark.parametrize("attempt", BASELINE.values(), ids=BASELINE)
async def test_no_more_than_pod_security_s_baseline(
    api: Api, sites: dict[str, Site], site: str, attempt: Attempt
) -> None:
    await look(api, sites[site], attempt)


@pytest.mark.parametrize("attempt", GUARDED_PODS.values(), ids=GUARDED_PODS)
async def test_nobody_enters_a_guarded_pod(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["default"], attempt)


@pytest.mark.parametrize("attempt", WITH_EVERYTHING.values(), ids=WITH_EVERYTHING)
async def test_with_every_value_set(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["all"], attempt)


@pytest.mark.parametrize("attempt", WITHOUT_NODE.values(), ids=WITHOUT_NODE)
async def test_with_no_way_to_the_node(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["no-node"], attempt)


@pytest.mark.parametrize("attempt", INJECTING.values(), ids=INJECTING)
async def test_pods_that_ask_for_a_daemon(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["all"], attempt)


@pytest.mark.parametrize("attempt", SIDECARS.values(), ids=SIDECARS)
async def test_pods_with_a_sidecar(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["all"], attempt)


@pytest.mark.parametrize("who", ["user", "admin"])
async def test_whoever_is_no_operator_makes_what_pods_he_may(api: Api, sites: dict[str, Site], who: str) -> None:
    root = {"hostNetwork": True, "hostPID": True, "volumes": [{"name": "root", "hostPath": {"path": "/"}}]}
    await look(api, sites["default"], Attempt(who, creates(plain("Pod", {"spec": root}))))


async def test_exec_is_open_by_default(api: Api, sites: dict[str, Site]) -> None:
    await look(api, sites["default"], Attempt("user", enters(DAEMON, "exec"), NOT_THE_GUARDRAIL))
    await look(api, sites["default"], Attempt("user", patches("Pod", DAEMON, EPHEMERAL, "ephemeralcontainers")))


async def test_every_expression_fits_the_types(sites: dict[str, Site], api: Api) -> None:
    """A controller checks them some time after a policy is made, and leaves what it finds in its status."""
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"

    async def checked() -> list[Manifest]:
        items = (await api.request("GET", path))["items"]
        ours = [item for item in items if f"-{SUFFIX}-operator-" in item["metadata"]["name"]]
        return ours if all(item.get("status", {}).get("observedGeneration") for item in ours) else []

    policies = await wait_for(checked, 180, "the policies' types are checked")
    assert {item["metadata"]["name"]: item["status"].get("typeChecking", {}) for item in policies} == {
        item["metadata"]["name"]: {} for item in policies
    }
