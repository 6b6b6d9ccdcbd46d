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
from tests.chart.conftest import CHART, Helm
from tests.support.api import APPLY, MERGE, Api
from tests.support.cluster import Cluster
from tests.support.manifests import nested_docker
from tests.support.waiting import wait_for

from nested_docker.adapters.resources import RESOURCES
from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerSpec
from nested_docker.api.v1alpha1.engine import StorageSpec
from nested_docker.api.v1alpha1.nested_docker import SecretTemplate
from nested_docker.domain import pki
from nested_docker.domain.effective import OperatorDefaults, resolve
from nested_docker.domain.manifests import secrets, storage
from nested_docker.domain.manifests.network_policy import network_policy
from nested_docker.domain.manifests.pod import pod
from nested_docker.domain.manifests.service import service
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import PodContext
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Owner
from nested_docker.domain.planning import node_cleanup as cleanup
from nested_docker.domain.ports import KubeError

Manifest = dict[str, Any]

SUFFIX = f"x{uuid.uuid4().hex[:6]}"
"""Begins with a letter, since YAML would take digits alone for a number."""

OPERATOR_IMAGE = "nested-docker-operator:0.1.0"
DEFAULTS = OperatorDefaults(operator_image=OPERATOR_IMAGE)
DAEMON, OURS, MINE, LOST = "build-abcde", "build-docker", "mine", "lost"
"""A daemon's pod, a Secret of the operator's, things of a user's, and a Secret that has lost its label."""

GUARDED = "build-guard"
"""A guarded pod."""

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
        who: operator, user, debugger or admin.
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
        return pod(PodContext(site.object_names(away=away), effective, DEFAULTS), mode, "12345fffff")

    return make


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
        return merged_with(step.manifest, *over)

    return make


def container(**fields: Any) -> Manifest:
    """Another container in the place of a pod's own."""
    own = {"name": "cleanup", "image": OPERATOR_IMAGE, "args": ["cleanup"]}
    return {"spec": {"containers": [{key: value for key, value in (own | fields).items() if value is not None}]}}


def by_template(**spec: Any) -> Make:
    """What a class's podTemplate comes to."""
    return daemon(class_spec={"podTemplate": {"spec": spec}})


def changed(*over: Manifest) -> Make:
    """A daemon's pod as no NestedDocker and no class makes it."""
    return lambda site: merged_with(daemon()(site), *over)


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
            "Pod": daemon()(site),
            "Service": service(place, "12345fffff"),
            "NetworkPolicy": network_policy(place, [], site.system),
            "Secret": secrets.files(place, SecretTemplate(), "x").filled(dict.fromkeys(pki.KEYS, b"pem")),
            "PersistentVolumeClaim": storage.data_claim(place, claim),
        }
        name = "build-other" if kind == "Pod" else "another"
        return merged_with(made[kind] or {}, {"metadata": {"name": name}}, *over)

    return make


def elsewhere(make: Make, namespace: str) -> Make:
    """The same in another namespace of the site, where an owner reference would lead nowhere."""

    def moved(site: Site) -> Manifest:
        return merged_with(make(site), {"metadata": {"namespace": getattr(site, namespace), "ownerReferences": None}})

    return moved


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
    return {"spec": {"containers": [..., {"name": "beside", "image": "docker:28-dind"} | fields]}}


def pods_needing_cleanup(*names: str, subresource: str = "") -> Callable[[Site], Request]:
    """Leaves a guarded pod these finalizers."""
    return patches("Pod", GUARDED, {"metadata": {"finalizers": [*names]}}, subresource)


# --- reserved labels: everybody but the operator ------------------------------------------------------

ONLY = "reserved: only system:serviceaccount:"
MARKED = {"Pod": ROLE, "Service": UID, "Secret": MANAGED_BY, "PersistentVolumeClaim": UID, "NetworkPolicy": ROLE}

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

BUG = "This is a bug, or somebody impersonates the operator"

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
            "on every node": {"type": "NodePort"},
            "for another's address": {"externalIPs": ["192.0.2.1"]},
            "that is an alias": {"type": "ExternalName", "externalName": "example.com"},
            "before another's pods": {"selector": {UID: None, "app": "other"}},
        }.items()
    },
    "a NetworkPolicy for every pod": Attempt(
        "operator",
        creates(child("NetworkPolicy", {"spec": {"podSelector": {"matchLabels": None}}})),
        (f"spec.podSelector.matchLabels: NetworkPolicy another must select by the label {UID}", BUG),
    ),
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

CLASS = "from the class's podTemplate"
JOB = {"workload": {"containers": [{"name": "job", "image": "docker:28-cli"}], "restartPolicy": "Never"}}
PRIVILEGED = {"securityContext": {"privileged": True}}
FIRST = {"name": "first", "image": "busybox:1"}
LABELS = {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}
ONE_KEY = {"secretKeyRef": {"name": MINE, "key": "key"}}

CLEANS_ONLY = ("only the operator's node cleanup pods may run in namespace ", "-cleanup. ", BUG)

IN_CLEANUP: dict[str, Attempt] = {
    name: Attempt("operator", creates(make), words)
    for name, make, words in (
        ("its own pod", cleans(), ()),
        ("another image", cleans(container(image="busybox:1")), CLEANS_ONLY),
        ("its image of another version", cleans(container(image=f"{OPERATOR_IMAGE}1")), CLEANS_ONLY),
        ("another command of its image", cleans(container(args=["relay"])), CLEANS_ONLY),
        ("no command of its image", cleans(container(args=None)), CLEANS_ONLY),
        ("another program of its image", cleans(container(command=["sh", "-c"])), CLEANS_ONLY),
        ("something beside it", cleans(beside(image="busybox:1")), CLEANS_ONLY),
        ("something before it", cleans({"spec": {"initContainers": [FIRST]}}), CLEANS_ONLY),
        ("a daemon", elsewhere(daemon(), "cleanup"), CLEANS_ONLY),
        ("a guarded one", elsewhere(daemon({"mode": "HostSocket"}), "cleanup"), CLEANS_ONLY),
        ("of nobody", cleans(labels({UID: None})), (f"metadata.labels: {UID} is missing", BUG)),
        ("on another socket", cleans(path="/run/other.sock"), ("hostPath.path: /run/other.sock: ",)),
        ("on the node's network", cleans({"spec": {"hostNetwork": True}}), ("spec.hostNetwork: true",)),
        ("in another namespace", elsewhere(cleans(), "pods"), ("-pods is not in the chart's podNamespaces",)),
    )
}

PODS: dict[str, Attempt] = {
    name: Attempt("operator", creates(make), words)
    for name, make, words in (
        ("Dind", daemon(), ()),
        ("HostSocket", daemon({"mode": "HostSocket"}), ()),
        ("HostSocket without a guard", daemon({"mode": "HostSocket"}, {"hostSocket": {"access": "Raw"}}), ()),
        ("HostSocket elsewhere", daemon({"mode": "HostSocket"}, {"hostSocket": {"path": "/run/docker.sock"}}), ()),
        ("Sysbox", daemon({"mode": "Sysbox"}, {"runtimeClassName": RUNTIME}), ()),
        ("with a workload", daemon(JOB), ()),
        ("with a workload on the node's daemon", daemon(JOB | {"mode": "HostSocket"}), ()),
        ("with an idle watch", daemon({"idleTimeoutSeconds": 60}), ()),
        ("on a claim", daemon({"storage": {"type": "Claim", "claim": {"size": "1Gi"}}}), ()),
        ("on a claim of its own", daemon({"storage": {"type": "Ephemeral", "ephemeral": {"size": "1Gi"}}}), ()),
        ("with authorities", daemon({"engine": {"caBundleRef": {"name": "ca", "key": "ca.crt"}}}), ()),
        ("with a pull secret", daemon({"engine": {"imagePullSecrets": [{"name": MINE}]}}), ()),
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
            ("secret.secretName: mine: a daemon's pod may mount only its own Secret, <name>-tls", CLASS),
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
            "with a Secret's variables",
            changed(beside(envFrom=[{"secretRef": {"name": MINE}}])),
            ("env: container beside takes a variable from a Secret",),
        ),
        (
            "on a network filesystem",
            changed(volume(nfs={"server": "192.0.2.1", "path": "/"})),
            ("spec.volumes: extra: the type must be one of configMap, ", "guardrails.volumeTypes", CLASS),
        ),
    )
}

# --- with every value set -----------------------------------------------------------------------------

EVERYTHING: dict[str, Any] = {
    "podNamespaces": [f"all-{SUFFIX}-pods"],
    "guardrails": {
        "hostSocketPaths": ["/run/other.sock"],
        "serviceAccountNames": ["builder"],
        "images": ["docker:28-(dind|cli)", r"images\.example/ci/[a-z-]+@sha256:[0-9a-f]{64}"],
        "volumeTypes": ["emptyDir", "nfs"],
        "denyExec": True,
        "execGroups": ["debuggers"],
    },
}
DIGEST = "sha256:" + "0" * 64
EPHEMERAL = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "busybox:1"}]}}
EXEC_DENIED = (
    "pod build-abcde runs a Docker daemon",
    "guardrails.denyExec denies access to its containers to all but debuggers",
)
NOT_THE_GUARDRAIL = ("does not have a host assigned",)
"""What the API server says to whoever is let into a pod that runs nowhere."""


def image(reference: str) -> Make:
    return daemon({"engine": {"image": reference}})


def none_matches(reference: str) -> tuple[str, ...]:
    return (f"image: {reference}: no pattern in the chart's guardrails.images matches",)


def enters(name: str, how: str) -> Callable[[Site], Request]:
    query = {"stdout": "true"} | ({"command": "true"} if how == "exec" else {})
    return lambda site: Request("POST", RESOURCES["Pod"].path(site.name, name, how), query=query)


WITH_EVERYTHING: dict[str, Attempt] = {
    "an image that is listed": Attempt("operator", creates(image("docker:28-dind"))),
    "an image that matches": Attempt("operator", creates(image(f"images.example/ci/dind@{DIGEST}"))),
    "the operator's own image": Attempt("operator", creates(daemon({"mode": "Dind", "idleTimeoutSeconds": 60}))),
    **{
        f"the image {reference}": Attempt("operator", creates(image(reference)), none_matches(reference))
        for reference in (
            "docker:27-dind",
            "docker:28-dind-rootless",
            "evil.example/docker:28-dind",
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
        "operator", creates(changed(volume(configMap={"name": "x"}))), ("extra: the type must be one of emptyDir, nfs",)
    ),
    "a pod in the namespace for pods": Attempt("operator", creates(daemon(away=True))),
    "a Service in the namespace for pods": Attempt(
        "operator", creates(lambda site: service(site.object_names(away=True), "12345fffff"))
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
}

# --- with no way to the node --------------------------------------------------------------------------

SEPARATED: dict[str, Any] = {"guardrails": {"privileged": False, "hostSocketPaths": []}}

WITHOUT_NODE: dict[str, Attempt] = {
    "Sysbox": Attempt("operator", creates(daemon({"mode": "Sysbox"}, {"runtimeClassName": RUNTIME}))),
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


def namespaces_of(site: Site) -> tuple[str, ...]:
    return site.name, site.system, site.pods, site.cleanup


def rendered(site: Site, values: Manifest) -> list[Manifest]:
    """The chart's guardrails, bound to the site's namespaces."""
    flags = [f"--set-json={key}={json.dumps(value)}" for key, value in values.items()]
    text = Helm()("template", site.name, str(CHART), "--namespace", site.system, "--kube-version=1.34.0", *flags)
    guardrails = [each for each in yaml.safe_load_all(text) if each and each["kind"].startswith("ValidatingAdmission")]
    here = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [*namespaces_of(site)]}
    for guardrail in guardrails:
        if guardrail["kind"] == "ValidatingAdmissionPolicyBinding":
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
                "metadata": {"name": namespace, "labels": {"guardrails": SUFFIX}},
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
        child("Pod", {"metadata": {"name": DAEMON}})(site),
        merged_with(daemon({"mode": "HostSocket"})(site), {"metadata": {"name": GUARDED}}),
        child("Secret", {"metadata": {"name": OURS}})(site),
        child("Secret", {"metadata": {"name": LOST}}, labels({MANAGED_BY: None}))(site),
        plain("Pod", name=MINE)(site),
        plain("Secret", name=MINE)(site),
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
    """Return when every guardrail refuses what it must: they are in force some time after they are made."""
    probes = {
        "reserved-labels": RESERVED["a Pod that looks like ours"],
        "children": CHILDREN["a Secret without the label"],
        "nesteddockers": REQUESTS["one of its own"],
        "nesting": Attempt("admin", creates(deep_managed_fields), ("nested 40 levels deep or more",)),
        "pods": PODS["of no NestedDocker"],
        "ephemeral-containers": WITH_EVERYTHING["a container put into a daemon's pod"],
        "exec": WITH_EVERYTHING["exec into a daemon"],
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


@pytest.mark.parametrize("attempt", WITH_EVERYTHING.values(), ids=WITH_EVERYTHING)
async def test_with_every_value_set(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["all"], attempt)


@pytest.mark.parametrize("attempt", WITHOUT_NODE.values(), ids=WITHOUT_NODE)
async def test_with_no_way_to_the_node(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["no-node"], attempt)


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

    policies = await wait_for(checked, 30, "the policies' types are checked")
    assert {item["metadata"]["name"]: item["status"].get("typeChecking", {}) for item in policies} == {
        item["metadata"]["name"]: {} for item in policies
    }
