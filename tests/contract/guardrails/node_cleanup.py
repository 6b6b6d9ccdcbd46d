"""Pods that clean a node up, and the namespace for them."""

from __future__ import annotations

from typing import Any

from tests.contract.guardrails.children import BUG
from tests.contract.guardrails.making import FIRST, beside, cleans, creates, daemon, elsewhere, labels, probes
from tests.contract.guardrails.site import OPERATOR_IMAGE, RUNTIME, UID, Attempt, Manifest

from nested_docker.domain.modes.dockerd import RESTRICTED

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
