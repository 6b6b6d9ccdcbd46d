"""What the operator writes besides pods."""

from __future__ import annotations

from typing import Any

from tests.contract.guardrails.making import (
    annotations,
    applies,
    child,
    creates,
    deletes,
    elsewhere,
    in_namespace,
    labels,
    patches,
    plain,
    pods_needing_cleanup,
    root_key,
)
from tests.contract.guardrails.reserved import MARKED
from tests.contract.guardrails.site import (
    CONTACT,
    DAEMON,
    LABELLED,
    LOST,
    MANAGED_BY,
    MINE,
    OURS,
    ROLE,
    STRATEGIC,
    UID,
    US,
    Attempt,
)

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
