"""The pods that the operator may create."""

from __future__ import annotations

from typing import Any

from tests.contract.guardrails.children import BUG, FOREIGN_DATA
from tests.contract.guardrails.making import (
    FIRST,
    annotations,
    beside,
    by_template,
    changed,
    creates,
    daemon,
    elsewhere,
    labels,
    merged,
    merged_with,
    of_web,
    owned_by,
    volume,
)
from tests.contract.guardrails.site import MANAGED_BY, MINE, RUNTIME, UID, Attempt, Make, Manifest, Site
from tests.support.factory import BUILD_FILES

from nested_docker.domain.modes.dockerd import RESTRICTED
from nested_docker.domain.modes.preflight import avoiding

CLASS = "from the class's podTemplate, or from the mutating webhook of this cluster that added it"
JOB = {"workload": {"containers": [{"name": "job", "image": "docker:29-cli"}], "restartPolicy": "Never"}}
PRIVILEGED = {"securityContext": {"privileged": True}}
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
