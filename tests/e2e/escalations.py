"""What somebody with the right to NestedDockers, and to nothing else, might try; one row for each attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CLASS, GOLD, UNLISTED, SOCKET, ELSEWHERE = (
    "escalation",
    "escalation-gold",
    "escalation-unlisted",
    "escalation-socket",
    "escalation-elsewhere",
)
DIND = "docker:29-dind"


@dataclass(frozen=True)
class Attempt:
    """A NestedDocker that must come to nothing.

    Attributes:
        title: what is attempted.
        spec: of the NestedDocker; the class is `escalation` where it says none.
        words: parts of the answer.
        again: reason by which the reconciler refuses it too, where the webhook is gone; empty: only admission can tell.
    """

    title: str
    spec: dict[str, Any]
    words: tuple[str, ...]
    again: str = ""


def _denied(title: str, spec: dict[str, Any], *words: str) -> Attempt:
    return Attempt(title, spec, ("NotGranted", *words), "NotGranted")


def _engine(**fields: Any) -> dict[str, Any]:
    return {"engine": fields}


def _workload(image: str = "docker:29-cli", **fields: Any) -> dict[str, Any]:
    return {"workload": {"containers": [{"name": "main", "image": image} | fields]}}


def _job(volumes: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    """A workload with limits, and with these volumes."""
    workload = _workload(**SMALL, **fields)["workload"]
    return {"workload": workload | ({"volumes": volumes} if volumes else {})}


def _scheduling(**fields: Any) -> dict[str, Any]:
    return {"scheduling": fields}


_MOUNT = {"name": "v", "mountPath": "/v"}
SMALL = {"resources": {"limits": {"cpu": "100m", "memory": "64Mi"}}}

CLASSES_AND_MODES = [
    _denied("a class that no policy lists", {"className": UNLISTED}, "allowedClasses has only"),
    Attempt(
        "a class that others may use",
        {"className": GOLD},
        ("NotPermitted", f"may not use nesteddockerclasses.nesteddocker.dev {GOLD}"),
    ),
    Attempt(
        "a class that does not exist", {"className": "none"}, ("ClassNotFound", "none does not exist"), "ClassNotFound"
    ),
    Attempt(
        "a mode that the class lacks",
        {"mode": "HostSocket"},
        ("ModeNotOffered", "offers Dind, Sysbox"),
        "ModeNotOffered",
    ),
    _denied("a mode that policy lacks", {"mode": "Sysbox"}, "the mode is Sysbox, and allowedModes has only"),
    _denied("the node's socket", {"className": SOCKET}, "hostSocket.guard has no rules"),
    _denied("a socket at another path", {"className": ELSEWHERE}, "hostSocket.path is /run/containerd/containerd.sock"),
]

IMAGES = [
    _denied("another repository", _engine(image="evil:29-dind"), "spec.engine.image is evil:29-dind"),
    _denied("another tag", _engine(image="docker:30-dind-evil"), "allowedImages.patterns has only"),
    _denied("another tag by leaving it out", _engine(image="docker"), "spec.engine.image is docker,"),
    _denied("a repository of the same name elsewhere", _engine(image="evil.example/library/docker:29-dind")),
    _denied(
        "a registry that begins like the allowed one", _engine(image="docker.io.evil.example/library/docker:29-dind")
    ),
    _denied("another port of the allowed registry", _engine(image="docker.io:5000/library/docker:29-dind")),
    _denied("another owner in the allowed registry", _engine(image="docker.io/evil/docker:29-dind")),
    _denied("a digest instead of the allowed tag", _engine(image="docker@sha256:" + "a" * 64)),
    _denied("a registry whose name has a capital letter", _engine(image="EVIL/docker:29-dind")),
    _denied("a tag beside any digest", _engine(image="docker:29-dind@sha256:" + "a" * 64)),
    Attempt("any image on the node, by ID", _engine(image="sha256:" + "0a" * 32), ("must be named by its repository",)),
    _denied("an image of a workload", _workload("evil:1"), "spec.workload.containers.image is evil:1"),
]

BORROWED_RIGHTS = [
    Attempt("pods, as a workload", _workload(**SMALL), ("NotPermitted", "may not create pods")),
    Attempt(
        "a ConfigMap, as authorities", _engine(caBundleRef={"name": "private"}), ("may not get configmaps private",)
    ),
    *(
        Attempt(f"a Secret, {how}", _job(**fields), ("may not get secrets private",))
        for how, fields in {
            "as a variable": {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "private", "key": "k"}}}]},
            "as all variables": {"envFrom": [{"secretRef": {"name": "private", "optional": True}}]},
            "as a volume": {"volumes": [{"name": "v", "secret": {"secretName": "private"}}]},
            "in a projected volume": {
                "volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "private"}}]}}]
            },
        }.items()
    ),
    *(
        Attempt(f"a ConfigMap, {how}", _job(**fields), ("may not get configmaps private",))
        for how, fields in {
            "as a variable": {
                "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "private", "key": "k"}}}]
            },
            "as a volume": {"volumes": [{"name": "v", "configMap": {"name": "private"}}]},
        }.items()
    ),
    _denied(
        "a directory of the daemon's",
        _job(volumes=[{"name": "v", "emptyDir": {}, "sharedPath": "/srv"}]),
        "a sharedPath of spec.workload.volumes is /srv, and workload.sharedPaths has /builds",
    ),
    Attempt("a Secret, to pull with", _engine(imagePullSecrets=[{"name": "pull"}]), ("may not get secrets pull",)),
    Attempt(
        "a claim",
        {"storage": {"type": "Claim", "claim": {"size": "1Gi"}}},
        ("may not create persistentvolumeclaims",),
    ),
    Attempt(
        "a label that another controller obeys, on a Secret",
        {"connection": {"secretTemplate": {"labels": {"argocd.argoproj.io/secret-type": "cluster"}}}},
        ("may not create secrets",),
    ),
    Attempt(
        "an annotation that another controller obeys, on a Secret",
        {"connection": {"secretTemplate": {"annotations": {"replicator/replicate-to": "kube-system"}}}},
        ("may not create secrets",),
    ),
]

SCHEDULING = [
    _denied(
        "the control plane's nodes",
        _scheduling(tolerations=[{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]),
        "spec.scheduling.tolerations has node-role.kubernetes.io/control-plane",
    ),
    _denied("every node", _scheduling(tolerations=[{"operator": "Exists"}]), "tolerations has every key"),
    _denied(
        "every node, by an empty key",
        _scheduling(tolerations=[{"key": "", "operator": "Exists"}]),
        "tolerations has every key",
    ),
    _denied(
        "every node, by a key of null",
        _scheduling(tolerations=[{"key": None, "operator": "Exists"}]),
        "tolerations has every key",
    ),
    Attempt(
        "an annotation whose key has a newline",
        _scheduling(podAnnotations={"note\nx": "y"}),
        ("podAnnotations",),
    ),
    _denied("others' room", _scheduling(priorityClassName="system-node-critical"), "spec.scheduling.priorityClassName"),
    _denied(
        "no AppArmor, by annotation",
        _scheduling(podAnnotations={"container.apparmor.security.beta.kubernetes.io/daemon": "unconfined"}),
        "spec.scheduling.podAnnotations has container.apparmor",
    ),
    _denied(
        "another network, by annotation",
        _scheduling(podAnnotations={"k8s.v1.cni.cncf.io/networks": "kube-system/admin"}),
        "spec.scheduling.podAnnotations has k8s.v1.cni.cncf.io/networks",
    ),
    _denied(
        "an endpoint of any Service, by label",
        _scheduling(podLabels={"app": "database"}),
        "spec.scheduling.podLabels has app, and scheduling.podLabels has team",
    ),
    _denied(
        "nodes without any other pod",
        _scheduling(
            affinity={
                "podAntiAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [
                        {"topologyKey": "kubernetes.io/hostname", "namespaceSelector": {}}
                    ]
                }
            }
        ),
        "spec.scheduling.affinity has podAntiAffinity, and scheduling.affinity has NodeAffinity",
        "spec.scheduling.affinity is about pods of other namespaces",
    ),
    _denied(
        "clients of every namespace",
        {"connection": {"clients": [{"namespaceSelector": {}}]}},
        "spec.connection.clients has a namespaceSelector",
    ),
    Attempt(
        "nodes other than the class's",
        _scheduling(nodeSelector={"nested-docker-test/pool": "control-plane"}),
        ("ClassOverrideDenied", "spec.nodeSelector.nested-docker-test/pool"),
        "ClassOverrideDenied",
    ),
    Attempt(
        "away from where the class wants it",
        _scheduling(affinity={"nodeAffinity": {}}),
        ("ClassOverrideDenied", "spec.affinity"),
        "ClassOverrideDenied",
    ),
    Attempt(
        "another label than the class's",
        _scheduling(podLabels={"team": "mine"}),
        ("ClassOverrideDenied", "metadata.labels.team"),
        "ClassOverrideDenied",
    ),
    Attempt(
        "a label that the operator goes by",
        _scheduling(podLabels={"nesteddocker.dev/uid": "x"}),
        ("the label prefixes nesteddocker.dev/ and app.kubernetes.io/ are reserved for the operator",),
    ),
    Attempt(
        "an annotation that the operator goes by",
        _scheduling(podAnnotations={"nesteddocker.dev/effective": "{}"}),
        ("the annotation prefix nesteddocker.dev/ is reserved for the operator",),
    ),
    Attempt(
        "somebody else's connection Secret, by label",
        {"connection": {"secretTemplate": {"labels": {"nesteddocker.dev/name": "other"}}}},
        ("the label prefixes nesteddocker.dev/ and app.kubernetes.io/ are reserved for the operator",),
    ),
]

SIZE = [
    *(
        Attempt(
            f"no limit on CPU, by {value}",
            {"resources": {"limits": {"cpu": value, "memory": "1Gi"}}},
            ("the limit of cpu must be at least 10m",),
        )
        for value in ("0", "-0", "1n", "0m")
    ),
    Attempt(
        "no limit on memory, by 0",
        {"resources": {"limits": {"cpu": "1", "memory": "0"}}},
        ("the limit of memory must be at least 6Mi",),
    ),
    Attempt(
        "no limit on storage, by 0",
        {"storage": {"type": "EmptyDir", "emptyDir": {"sizeLimit": "0"}}},
        ("the size must be at least 1Mi; 0 would mean unlimited",),
    ),
    _denied(
        "no limit on CPU", {"resources": {"limits": {"memory": "1Gi"}}}, "limits.cpu", "must be set, since max.cpu"
    ),
    _denied("more memory", {"resources": {"limits": {"cpu": "1", "memory": "1Ti"}}}, "and max.memory is 2Gi"),
    _denied("no limit on storage", {"storage": {"type": "EmptyDir"}}, "the size of spec.storage must be set"),
    _denied(
        "more storage",
        {"storage": {"type": "Ephemeral", "ephemeral": {"size": "1Ti"}}},
        "the size of spec.storage is 1099511627776, and max.storage is 5Gi",
    ),
    _denied("a longer life", {"activeDeadlineSeconds": 86400}, "spec.activeDeadlineSeconds is 86400"),
    _denied(
        "devices",
        {"resources": {"limits": {"cpu": "1", "memory": "1Gi", "example.com/gpu": "8"}}},
        "spec.resources.limits has example.com/gpu, and allowedResources has nothing",
    ),
    _denied(
        "the node's disk",
        {"resources": {"limits": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Ti"}}},
        "spec.resources.limits has ephemeral-storage",
    ),
    _denied(
        "huge pages",
        {
            "resources": {
                "requests": {"hugepages-2Mi": "1Gi"},
                "limits": {"cpu": "1", "memory": "1Gi", "hugepages-2Mi": "1Gi"},
            }
        },
        "spec.resources.requests has hugepages-2Mi",
    ),
    _denied(
        "any StorageClass",
        {"storage": {"type": "Ephemeral", "ephemeral": {"size": "1Gi", "storageClassName": "gold"}}},
        "the storageClassName of spec.storage is gold, and allowedStorageClasses has nothing",
    ),
    _denied(
        "more CPU, by a workload without a limit",
        _workload(),
        "limits.cpu, summed up over the containers, must be set",
    ),
]

DAEMON_SETTINGS = [
    Attempt(
        f"daemon.json's {key}",
        _engine(config={key: value}),
        ("InvalidSpec", f"spec.engine.config: {key}"),
        "InvalidSpec",
    )
    for key, value in {
        "hosts": ["tcp://0.0.0.0:2375"],
        "Hosts": ["tcp://0.0.0.0:2375"],
        "tlsverify": False,
        "authorization-plugins": ["none"],
        "data-root": "/host",
        "cgroup-parent": "/",
        "exec-root": "/run/node",
        "userns-remap": "host",
    }.items()
]

FIELDS_OF_PODS = [
    Attempt(f"a pod's field, {path}", spec, (f'unknown field "spec.{path}"',))
    for path, spec in {
        "hostNetwork": {"hostNetwork": True},
        "podTemplate": {"podTemplate": {"spec": {"hostPID": True}}},
        "runtimeClassName": {"runtimeClassName": "other"},
        "podNamespace": {"podNamespace": "kube-system"},
        "hostSocket": {"hostSocket": {"path": "/run/containerd/containerd.sock"}},
        "scheduling.nodeName": _scheduling(nodeName="control-plane"),
        "scheduling.serviceAccountName": _scheduling(serviceAccountName="admin"),
        "scheduling.hostUsers": _scheduling(hostUsers=True),
        "workload.volumes[0].hostPath": {
            "workload": {"containers": [], "volumes": [{"name": "x", "hostPath": {"path": "/"}}]}
        },
        "workload.containers[0].securityContext": _workload(securityContext={"privileged": True}),
        "workload.containers[0].volumeMounts[0].subPathExpr": _workload(
            volumeMounts=[_MOUNT | {"subPathExpr": "$(A)"}]
        ),
        "workload.containers[0].volumeMounts[0].mountPropagation": _workload(
            volumeMounts=[_MOUNT | {"mountPropagation": "Bidirectional"}]
        ),
        "workload.containers[0].lifecycle": _workload(lifecycle={}),
        "storage.emptyDir.hostPath": {"storage": {"type": "EmptyDir", "emptyDir": {"hostPath": "/"}}},
    }.items()
]

CREATIONS = CLASSES_AND_MODES + IMAGES + BORROWED_RIGHTS + SCHEDULING + SIZE + DAEMON_SETTINGS + FIELDS_OF_PODS

CHANGES = [
    Attempt("another class", {"className": GOLD}, ("className cannot be changed",)),
    Attempt("another mode", {"mode": "Sysbox"}, ("mode cannot be changed",)),
    Attempt("another image", _engine(image="evil:29-dind"), ("NotGranted", "spec.engine.image is evil:29-dind")),
    Attempt("a workload", _workload(**SMALL), ("NotPermitted", "may not create pods")),
    Attempt("a ConfigMap", _engine(caBundleRef={"name": "private"}), ("may not get configmaps private",)),
    Attempt("a toleration", _scheduling(tolerations=[{"operator": "Exists"}]), ("tolerations has every key",)),
    Attempt("more memory", {"resources": {"limits": {"memory": "1Ti"}}}, ("and max.memory is 2Gi",)),
    Attempt("no end", {"activeDeadlineSeconds": None}, ("spec.activeDeadlineSeconds must be set",)),
    Attempt(
        "registry credentials",
        {"connection": {"registryCredentials": {"name": "private"}}},
        ("may not get secrets private",),
    ),
    Attempt("a label on the Secrets", {"connection": {"secretTemplate": {"labels": {"a": "b"}}}}, ("create secrets",)),
]
"""Changes of a NestedDocker that was granted."""
