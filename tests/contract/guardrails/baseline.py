"""Pod Security's level baseline, which every pod of the operator keeps."""

from __future__ import annotations

from typing import Any

from tests.contract.guardrails.children import BUG
from tests.contract.guardrails.entering import SHELL
from tests.contract.guardrails.making import annotations, beside, creates, daemon, merged, merged_with, patches
from tests.contract.guardrails.pods import CLASS, PRIVILEGED
from tests.contract.guardrails.site import DAEMON, RUNTIME, Attempt, Make, Manifest, Site

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
