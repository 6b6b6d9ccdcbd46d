"""The guardrails with every value of the chart set."""

from __future__ import annotations

from typing import Any

from tests.contract.guardrails.children import OWN_KEYS
from tests.contract.guardrails.entering import EPHEMERAL, NOT_THE_GUARDRAIL, enters
from tests.contract.guardrails.guarded_pods import puts_image
from tests.contract.guardrails.making import (
    FIRST,
    annotations,
    by_template,
    changed,
    child,
    cleans,
    creates,
    daemon,
    elsewhere,
    image,
    labels,
    merged_with,
    patches,
    plain,
    pods_needing_cleanup,
    volume,
)
from tests.contract.guardrails.node_cleanup import container
from tests.contract.guardrails.node_probes import PROBES
from tests.contract.guardrails.pods import ONE_FILE
from tests.contract.guardrails.reserved import MARKED, ONLY
from tests.contract.guardrails.site import (
    DAEMON,
    EXEC_DENIED,
    GUARDED,
    MINE,
    OPERATOR_IMAGE,
    ROLE,
    STRATEGIC,
    SUFFIX,
    UID,
    Attempt,
)

from nested_docker.domain.manifests.service import service

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


def none_matches(reference: str) -> tuple[str, ...]:
    return (f"image: {reference}: no pattern in the chart's guardrails.images matches",)


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
