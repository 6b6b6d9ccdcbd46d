"""Specs of classes and policies: which the API accepts, and with which message it rejects the others."""

from __future__ import annotations

from typing import Any

MODES = ["Dind", "HostSocket", "Sysbox", "UserNamespace", "Rootless"]


GRANT: dict[str, Any] = {"namespaceSelector": {}, "allowedClasses": ["standard"], "allowedModes": ["Dind"]}


CLASSES_ACCEPTED: dict[str, dict[str, Any]] = {
    "one mode": {"modes": ["Dind"]},
    "every setting": {
        "modes": MODES,
        "engine": {"image": "docker:29-dind", "mtu": 1400},
        "resources": {"limits": {"memory": "8Gi", "cpu": 4}},
        "storage": {"type": "EmptyDir", "emptyDir": {"sizeLimit": "20Gi"}},
        "podTemplate": {
            "metadata": {"labels": {"team": "ci"}},
            "spec": {"nodeSelector": {"ci": "true"}, "tolerations": [{"operator": "Exists"}], "hostAliases": []},
        },
        "runtimeClassName": "sysbox-runc",
        "hostSocket": {"access": "Raw", "path": "/run/docker.sock", "gid": 999},
        "lifetime": {"activeDeadlineSeconds": 3600, "idleTimeoutSeconds": 600, "ttlSecondsAfterFinished": 0},
        "networkPolicy": "Unmanaged",
        "injection": {"forms": ["Remote"]},
        "podNamespace": "docker-daemons",
        "childTemplate": {
            "metadata": {"labels": {"velero.io/exclude-from-backup": "false"}, "annotations": {"example.com/note": "x"}}
        },
        "securityModules": [
            {"mode": "Dind", "appArmorProfile": {"type": "Localhost", "localhostProfile": "dockerd"}},
            {
                "mode": "Sysbox",
                "seLinuxOptions": {"user": "u", "role": "r", "type": "container_engine_t", "level": "s0"},
            },
            {"mode": "HostSocket", "appArmorProfile": {"type": "RuntimeDefault"}},
            {"mode": "UserNamespace", "seccompProfile": {"type": "Localhost", "localhostProfile": "dockerd.json"}},
            {"mode": "Rootless", "seccompProfile": {"type": "Unconfined"}},
        ],
        "idleWatch": {"resources": {"requests": {"cpu": "50m"}, "limits": {"cpu": "100m", "memory": "64Mi"}}},
    },
    "a guard": {"modes": ["HostSocket"], "hostSocket": {"access": "Guarded"}},
    "greatest group": {"modes": ["HostSocket"], "hostSocket": {"gid": 4_294_967_294}},
}


CLASSES_REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "without modes": ({}, "spec.modes: Required value"),
    "with no mode": ({"modes": []}, "spec.modes in body should have at least 1 items"),
    "with an unknown mode": (
        {"modes": ["Podman"]},
        'spec.modes[0]: Unsupported value: "Podman": supported values: "Dind", "HostSocket", "Sysbox", '
        '"UserNamespace", "Rootless"',
    ),
    "with a mode twice": ({"modes": ["Dind", "Dind"]}, 'spec.modes[1]: Duplicate value: "Dind"'),
    "with too many modes": ({"modes": ["Dind"] * 6}, "spec.modes: Too many: 6: must have at most 5 items"),
    "with a bad image": ({"modes": MODES, "engine": {"image": "A B"}}, 'spec.engine.image: Invalid value: "A B"'),
    "with an impossible quantity": (
        {"modes": MODES, "resources": {"limits": {"cpu": "many"}}},
        'spec.resources.limits.cpu: Invalid value: "many"',
    ),
    "with two storages": (
        {"modes": MODES, "storage": {"type": "EmptyDir", "claim": {"size": "1Gi"}}},
        "claim belongs to type Claim: set type to Claim or leave claim out",
    ),
    "with a relative socket": (
        {"modes": MODES, "hostSocket": {"path": "docker.sock"}},
        'spec.hostSocket.path: Invalid value: "docker.sock"',
    ),
    "with a socket of several paths": (
        {"modes": MODES, "hostSocket": {"path": "/a:/b"}},
        'spec.hostSocket.path: Invalid value: "/a:/b"',
    ),
    "with half a guard": (
        {"modes": MODES, "hostSocket": {"access": "guarded"}},
        'spec.hostSocket.access: Unsupported value: "guarded": supported values: "Guarded", "Raw"',
    ),
    "with root's group": (
        {"modes": MODES, "hostSocket": {"gid": 0}},
        "spec.hostSocket.gid in body should be greater than or equal to 1",
    ),
    "with a group beyond the last": (
        {"modes": MODES, "hostSocket": {"gid": 4_294_967_295}},
        "spec.hostSocket.gid in body should be less than or equal to 4294967294",
    ),
    **{
        f"with the label {key} on every object": (
            {"modes": MODES, "childTemplate": {"metadata": {"labels": {key: "x"}}}},
            "the label prefixes nesteddocker.dev/ and app.kubernetes.io/ are reserved for the operator",
        )
        for key in ("nesteddocker.dev/uid", "nesteddocker.dev/x", "app.kubernetes.io/managed-by")
    },
    "with a reserved annotation on every object": (
        {"modes": MODES, "childTemplate": {"metadata": {"annotations": {"nesteddocker.dev/probed": "x"}}}},
        "the annotation prefix nesteddocker.dev/ is reserved for the operator",
    ),
    "with other metadata on every object": (
        {"modes": MODES, "childTemplate": {"metadata": {"finalizers": ["x"]}}},
        'unknown field "spec.childTemplate.metadata.finalizers"',
    ),
    "with a limit of the idle watch that is not in force": (
        {"modes": MODES, "idleWatch": {"resources": {"limits": {"memory": "1Ki"}}}},
        "the limit of memory must be at least 6Mi",
    ),
    "with a security module of a mode that it lacks": (
        {"modes": ["Dind"], "securityModules": [{"mode": "Sysbox"}]},
        "securityModules has a mode that modes does not have: add it there, or remove it here",
    ),
    "with two security modules of one mode": (
        {"modes": MODES, "securityModules": [{"mode": "Dind"}, {"mode": "Dind"}]},
        "spec.securityModules[1]: Duplicate value",
    ),
    "with an AppArmor profile without a name": (
        {"modes": MODES, "securityModules": [{"mode": "Dind", "appArmorProfile": {"type": "Localhost"}}]},
        "localhostProfile belongs to type Localhost, which needs it: set both, or neither",
    ),
    "with a name for the default AppArmor profile": (
        {
            "modes": MODES,
            "securityModules": [
                {"mode": "Dind", "appArmorProfile": {"type": "RuntimeDefault", "localhostProfile": "x"}}
            ],
        },
        "localhostProfile belongs to type Localhost, which needs it: set both, or neither",
    ),
    "with an unknown type of AppArmor profile": (
        {"modes": MODES, "securityModules": [{"mode": "Dind", "appArmorProfile": {"type": "Enforce"}}]},
        'Unsupported value: "Enforce": supported values: "RuntimeDefault", "Localhost", "Unconfined"',
    ),
    "with a seccomp profile without a name": (
        {"modes": MODES, "securityModules": [{"mode": "UserNamespace", "seccompProfile": {"type": "Localhost"}}]},
        "localhostProfile belongs to type Localhost, which needs it: set both, or neither",
    ),
    "with the runtime's seccomp profile": (
        {"modes": MODES, "securityModules": [{"mode": "UserNamespace", "seccompProfile": {"type": "RuntimeDefault"}}]},
        'Unsupported value: "RuntimeDefault": supported values: "Localhost", "Unconfined"',
    ),
    **{
        f"with a seccomp profile in mode {mode}": (
            {"modes": MODES, "securityModules": [{"mode": mode, "seccompProfile": {"type": "Unconfined"}}]},
            "seccompProfile is a setting of modes UserNamespace and Rootless: Dind has none, as it is privileged",
        )
        for mode in ("Dind", "HostSocket", "Sysbox")
    },
    "with an empty SELinux type": (
        {"modes": MODES, "securityModules": [{"mode": "Dind", "seLinuxOptions": {"type": ""}}]},
        "spec.securityModules[0].seLinuxOptions.type in body should be at least 1 chars long",
    ),
    "with an idle timeout too short": (
        {"modes": MODES, "lifetime": {"idleTimeoutSeconds": 9}},
        "spec.lifetime.idleTimeoutSeconds in body should be greater than or equal to 10",
    ),
    "with a deadline of none": (
        {"modes": MODES, "lifetime": {"activeDeadlineSeconds": 0}},
        "spec.lifetime.activeDeadlineSeconds in body should be greater than or equal to 1",
    ),
    "with a negative time to live": (
        {"modes": MODES, "lifetime": {"ttlSecondsAfterFinished": -1}},
        "spec.lifetime.ttlSecondsAfterFinished in body should be greater than or equal to 0",
    ),
    "with a claim that would be away from its owner": (
        {"modes": MODES, "podNamespace": "daemons", "storage": {"type": "Claim", "claim": {"size": "1Gi"}}},
        "a claim is in the NestedDocker's namespace, and podNamespace puts the pods into another one",
    ),
    "with a sidecar that would be in another namespace": (
        {"modes": MODES, "podNamespace": "daemons", "injection": {"forms": ["Remote", "Sidecar"]}},
        "a sidecar is in the labelled pod, and podNamespace puts daemons into another namespace",
    ),
    "with no form of injection": (
        {"modes": MODES, "injection": {"forms": []}},
        "spec.injection.forms in body should have at least 1 items",
    ),
    "with an unknown form of injection": (
        {"modes": MODES, "injection": {"forms": ["Beside"]}},
        'Unsupported value: "Beside": supported values: "Remote", "Sidecar"',
    ),
    "with a pod namespace that none can be": (
        {"modes": MODES, "podNamespace": "daemons.example"},
        'spec.podNamespace: Invalid value: "daemons.example"',
    ),
    "with a network policy of its own": (
        {"modes": MODES, "networkPolicy": "None"},
        'spec.networkPolicy: Unsupported value: "None": supported values: "Managed", "Unmanaged"',
    ),
    "with a bad runtime": (
        {"modes": MODES, "runtimeClassName": "Sysbox!"},
        'spec.runtimeClassName: Invalid value: "Sysbox!"',
    ),
    "with a pod template whose containers have no names": (
        {"modes": MODES, "podTemplate": {"spec": {"containers": [{"image": "x"}]}}},
        "spec.podTemplate.spec.containers[0].name: Required value",
    ),
    "with a pod template that is a list": (
        {"modes": MODES, "podTemplate": {"spec": []}},
        'spec.podTemplate.spec: Invalid value: "array"',
    ),
    "with labels that are no text": (
        {"modes": MODES, "podTemplate": {"metadata": {"labels": {"a": 1}}}},
        'spec.podTemplate.metadata.labels.a: Invalid value: "integer"',
    ),
    "with a field that does not exist": ({"modes": MODES, "mode": "Dind"}, 'unknown field "spec.mode"'),
}


def guarding(allow_raw: bool | None = None, **rules: Any) -> dict[str, Any]:
    """A policy for the guarded socket."""
    raw = {} if allow_raw is None else {"allowRaw": allow_raw}
    return {"allowedModes": MODES, "hostSocket": raw | {"guard": rules}}


POLICIES_ACCEPTED: dict[str, dict[str, Any]] = {
    "every namespace": {},
    "some namespaces": {"namespaceSelector": {"matchExpressions": [{"key": "ci", "operator": "Exists"}]}},
    "several classes and modes": {"allowedClasses": ["standard", "team.fast"], "allowedModes": MODES},
    "the raw socket": {"allowedModes": MODES, "hostSocket": {"allowRaw": True, "paths": ["/run/user/1/docker.sock"]}},
    "the guarded socket": guarding(),
    "a guard that enforces": guarding(enforcement="Enforce"),
    "a guard that only warns, and as much raw": guarding(allow_raw=True, enforcement="Warn"),
    "a guard that only records, and as much raw": guarding(allow_raw=True, enforcement="Audit"),
    "a guard with everything": guarding(
        containers={
            "exec": False,
            "binds": [{"path": "/srv/cache", "readOnly": True}],
            "capabilities": ["SYS_PTRACE"],
            "devices": ["/dev/fuse"],
            "sysctls": ["net.core.somaxconn"],
            "runtimes": ["runsc"],
            "publish": "Ephemeral",
        },
        networks={"bridge": True, "create": True, "subnets": ["10.200.0.0/16"]},
        images={"sharing": "Shared", "use": ["docker.io/library/**"], "save": True, "load": True},
        build={"allowed": True},
        limits={
            "containers": 0,
            "perContainer": {"cpu": "500m", "memory": 1073741824, "pids": 1},
            "total": {"memory": "4Gi"},
            "upload": "1Gi",
        },
    ),
    "images": {"allowedImages": {"patterns": ["docker:*-dind", "registry.example:5000/**"], "requireDigest": True}},
    "a workload": {"workload": {"allowed": True, "images": {"patterns": ["golang@sha256:*"]}}},
    "scheduling": {
        "scheduling": {
            "tolerationKeys": ["ci.example/*", "**"],
            "priorityClassNames": ["ci"],
            "podAnnotations": ["a.example/*"],
            "podLabels": ["a.example/*", "team"],
            "affinity": ["NodeAffinity", "PodAffinity", "PodAntiAffinity"],
            "affinityNamespaces": "Any",
        }
    },
    "clients of every namespace": {"connection": {"clientNamespaces": "Any"}},
    "no affinity": {"scheduling": {"affinity": []}},
    "further resources": {"allowedResources": ["ephemeral-storage", "hugepages-*", "example.com/gpu"]},
    "StorageClasses": {"allowedStorageClasses": ["fast", "ci-*"]},
    "maxima": {"max": {"cpu": 2, "memory": "4Gi", "storage": "20Gi", "lifetimeSeconds": 3600}},
    "a report instead of a stop": {"onViolation": "Report"},
}


POLICIES_REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a limit of the guard that means none": (
        guarding(limits={"perContainer": {"cpu": "0"}}),
        "the limit of cpu must be at least 10m, since a lower one is not in force: raise it or leave it out",
    ),
    "a total of the guard that means none": (
        guarding(limits={"total": {"memory": "1n"}}),
        "the limit of memory must be at least 6Mi, since a lower one is not in force: raise it or leave it out",
    ),
    "no mode": ({"allowedModes": []}, "spec.allowedModes in body should have at least 1 items"),
    "no class": ({"allowedClasses": []}, "spec.allowedClasses in body should have at least 1 items"),
    "an unknown mode": (
        {"allowedModes": ["Any"]},
        'spec.allowedModes[0]: Unsupported value: "Any": supported values: "Dind", "HostSocket", "Sysbox", '
        '"UserNamespace", "Rootless"',
    ),
    "a mode twice": ({"allowedModes": ["Dind", "Dind"]}, 'spec.allowedModes[1]: Duplicate value: "Dind"'),
    "a class twice": ({"allowedClasses": ["a", "a"]}, 'spec.allowedClasses[1]: Duplicate value: "a"'),
    "too many classes": (
        {"allowedClasses": [f"c{n}" for n in range(65)]},
        "spec.allowedClasses: Too many: 65: must have at most 64 items",
    ),
    "a pattern for a class": ({"allowedClasses": ["*"]}, 'spec.allowedClasses[0]: Invalid value: "*"'),
    "an unknown operator": (
        {"namespaceSelector": {"matchExpressions": [{"key": "ci", "operator": "Matches"}]}},
        'Unsupported value: "Matches": supported values: "In", "NotIn", "Exists", "DoesNotExist"',
    ),
    "too many requirements": (
        {"namespaceSelector": {"matchExpressions": [{"key": "ci", "operator": "Exists"}] * 33}},
        "spec.namespaceSelector.matchExpressions: Too many: 33: must have at most 32 items",
    ),
    "terms for a mode that it does not allow": (
        {"hostSocket": {"allowRaw": True}},
        "hostSocket has no effect without mode HostSocket: add HostSocket to allowedModes or leave hostSocket out",
    ),
    "a relative socket": (
        {"allowedModes": MODES, "hostSocket": {"paths": ["docker.sock"]}},
        'spec.hostSocket.paths[0]: Invalid value: "docker.sock"',
    ),
    "no socket at all": (
        {"allowedModes": MODES, "hostSocket": {"paths": []}},
        "spec.hostSocket.paths in body should have at least 1 items",
    ),
    **{
        f"a guard that only {what}": (
            guarding(allow_raw, enforcement=enforcement),
            "guard.enforcement: Warn and Audit allow as much as the raw socket: also set allowRaw to true, or use "
            "Enforce",
        )
        for what, enforcement, allow_raw in (
            ("warns", "Warn", None),
            ("records", "Audit", None),
            ("warns, and nothing raw", "Warn", False),
        )
    },
    "a guard that is off": (
        guarding(allow_raw=True, enforcement="Off"),
        'spec.hostSocket.guard.enforcement: Unsupported value: "Off": supported values: "Enforce", "Warn", "Audit"',
    ),
    "a bind of several paths": (
        guarding(containers={"binds": [{"path": "/a:/b"}]}),
        'spec.hostSocket.guard.containers.binds[0].path: Invalid value: "/a:/b"',
    ),
    "a bind of nothing": (
        guarding(containers={"binds": [{"readOnly": True}]}),
        "spec.hostSocket.guard.containers.binds[0].path: Required value",
    ),
    "a capability with its prefix in small letters": (
        guarding(containers={"capabilities": ["cap_sys_admin"]}),
        'spec.hostSocket.guard.containers.capabilities[0]: Invalid value: "cap_sys_admin"',
    ),
    "an image to pull with a blank": (
        guarding(images={"pull": ["docker :28"]}),
        'spec.hostSocket.guard.images.pull[0]: Invalid value: "docker :28"',
    ),
    "a limit of less than nothing": (
        guarding(limits={"containers": -1}),
        "spec.hostSocket.guard.limits.containers in body should be greater than or equal to 0",
    ),
    "an impossible limit": (
        guarding(limits={"total": {"cpu": "many"}}),
        'spec.hostSocket.guard.limits.total.cpu: Invalid value: "many"',
    ),
    "a rule that does not exist": (
        guarding(containers={"privileged": True}),
        'unknown field "spec.hostSocket.guard.containers.privileged"',
    ),
    "a guard for a mode that it does not allow": (
        {"hostSocket": {"guard": {}}},
        "hostSocket has no effect without mode HostSocket: add HostSocket to allowedModes or leave hostSocket out",
    ),
    "an image pattern with a blank": (
        {"allowedImages": {"patterns": ["docker :28"]}},
        'spec.allowedImages.patterns[0]: Invalid value: "docker :28"',
    ),
    "a regular expression for images": (
        {"workload": {"images": {"patterns": ["^docker$"]}}},
        'spec.workload.images.patterns[0]: Invalid value: "^docker$"',
    ),
    "an impossible maximum": ({"max": {"cpu": "two"}}, 'spec.max.cpu: Invalid value: "two"'),
    "a lifetime of none": (
        {"max": {"lifetimeSeconds": 0}},
        "spec.max.lifetimeSeconds in body should be greater than or equal to 1",
    ),
    "an unknown affinity": (
        {"scheduling": {"affinity": ["ClusterAffinity"]}},
        'spec.scheduling.affinity[0]: Unsupported value: "ClusterAffinity": supported values: "NodeAffinity", '
        '"PodAffinity", "PodAntiAffinity"',
    ),
    "a member of a pod's affinity": (
        {"scheduling": {"affinity": ["nodeAffinity"]}},
        'spec.scheduling.affinity[0]: Unsupported value: "nodeAffinity"',
    ),
    "affinity to namespaces by name": (
        {"scheduling": {"affinityNamespaces": "team-b"}},
        'spec.scheduling.affinityNamespaces: Unsupported value: "team-b": supported values: "Own", "Any"',
    ),
    "clients of a namespace by name": (
        {"connection": {"clientNamespaces": "team-b"}},
        'spec.connection.clientNamespaces: Unsupported value: "team-b": supported values: "Own", "Any"',
    ),
    "a label with a value": (
        {"scheduling": {"podLabels": ["app=db"]}},
        'spec.scheduling.podLabels[0]: Invalid value: "app=db"',
    ),
    "a resource with an amount": (
        {"allowedResources": ["example.com/gpu: 1"]},
        'spec.allowedResources[0]: Invalid value: "example.com/gpu: 1"',
    ),
    "a StorageClass twice": (
        {"allowedStorageClasses": ["fast", "fast"]},
        'spec.allowedStorageClasses[1]: Duplicate value: "fast"',
    ),
    "a violation that is ignored": (
        {"onViolation": "Ignore"},
        'spec.onViolation: Unsupported value: "Ignore": supported values: "Stop", "Report"',
    ),
    "allowRaw as text": (
        {"allowedModes": MODES, "hostSocket": {"allowRaw": "true"}},
        'spec.hostSocket.allowRaw: Invalid value: "string"',
    ),
    "a field that does not exist": ({"mode": "Dind"}, 'unknown field "spec.mode"'),
}
