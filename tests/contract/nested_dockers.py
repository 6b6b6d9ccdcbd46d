"""Specs of NestedDockers: which the API accepts, and with which message it rejects the others."""

from __future__ import annotations

from typing import Any

from tests.support.factory import BUILD_FILES

DIGEST = "sha256:" + "0123456789abcdef" * 4


RESERVED_LABELS = (
    "the label prefixes nesteddocker.dev/ and app.kubernetes.io/ are reserved for the operator: choose another prefix"
)


RESERVED_ANNOTATIONS = "the annotation prefix nesteddocker.dev/ is reserved for the operator: choose another prefix"


NAME_RULE = (
    "metadata.name must start with a letter, contain only lower-case letters, digits and '-', end with a letter or "
    "digit, and have at most 52 characters: Services and Secrets are named after it"
)


NOT_AN_ADDRESS = "a name server is an IP address, such as 10.0.0.53 or fd00::53: names and ports are not possible"


NOT_A_REGISTRY = (
    "an insecure registry is a host with or without a port, such as registry.example.com:5000, or a range of "
    "addresses, such as 10.0.0.0/8: remove paths and other schemes than http:// and https://"
)


DEFAULT = "default"


YEAR = 31_536_000


def workload(**container: Any) -> dict[str, Any]:
    return {"containers": [{"name": "main", "image": "busybox"} | container]}


KEY = {"name": "s", "key": "k"}


def variable(**source: Any) -> dict[str, Any]:
    return {"name": "A", "valueFrom": source}


def projected(**source: Any) -> dict[str, Any]:
    return {"name": "v", "projected": {"sources": [source]}}


ACCEPTED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "mode Dind": {"mode": "Dind"},
    "mode HostSocket": {"mode": "HostSocket"},
    "mode Sysbox": {"mode": "Sysbox"},
    "mode UserNamespace": {"mode": "UserNamespace"},
    "mode Rootless": {"mode": "Rootless"},
    "class with dots": {"className": "team.standard"},
    "image": {"engine": {"image": "docker"}},
    "image with registry, port, path, tag and digest": {
        "engine": {"image": f"registry.example.com:5000/mirror/library/docker:28.1.1-dind@{DIGEST}"}
    },
    "every setting of the engine": {
        "engine": {
            "image": "docker:29-dind",
            "storageDriver": "overlay2",
            "mirrors": {
                "docker.io": ["https://mirror.example.com", "http://10.0.0.1:5000/"],
                "registry.example.com:5000": ["https://[fd00::1]:5000/v2/team"],
            },
            "insecureRegistries": ["registry.local:5000", "10.0.0.0/8", "[fd00::1]:5000"],
            "caBundleRef": {"name": "authorities"},
            "imagePullSecrets": [{"name": "pull"}],
            "mtu": 1400,
            "iptables": "Nft",
            "addressPools": [{"base": "10.200.0.0/16", "size": 24}, {"base": "fd00::/80", "size": 96}],
            "dns": ["10.96.0.10", "fd00::10"],
            "proxy": {
                "httpProxy": "http://proxy:3128",
                "httpsProxy": "http://proxy:3128",
                "noProxy": ".svc,10.0.0.0/8",
            },
            "config": {
                "log-level": "debug",
                "features": {"containerd-snapshotter": True},
                "max-concurrent-downloads": 3,
            },
        }
    },
    "least mtu": {"engine": {"mtu": 576}},
    "greatest mtu": {"engine": {"mtu": 65535}},
    "quantities as text": {"resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "8Gi", "cpu": "1.5"}}},
    "quantities as numbers": {"resources": {"limits": {"cpu": 4, "memory": 8589934592}}},
    "emptyDir": {"storage": {"type": "EmptyDir"}},
    "emptyDir in memory": {"storage": {"type": "EmptyDir", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}},
    "emptyDir with a number": {"storage": {"type": "EmptyDir", "emptyDir": {"sizeLimit": 1073741824}}},
    "ephemeral": {"storage": {"type": "Ephemeral", "ephemeral": {"size": "10Gi", "storageClassName": "fast"}}},
    "claim": {"storage": {"type": "Claim", "claim": {"size": "10Gi", "whenDeleted": "Delete"}}},
    "workload": {"workload": workload()},
    "every setting of a workload": {
        "workload": {"restartPolicy": "Never"}
        | workload(
            command=["sh", "-ec"],
            args=["docker build ."],
            env=[{"name": "A", "value": "1"}, {"name": "_b.c-d"}],
            workingDir="/workspace/src",
            resources={"limits": {"memory": "1Gi"}},
        )
    },
    "every reference of a workload": {"workload": BUILD_FILES},
    "every volume of a workload": {
        "workload": workload(
            volumeMounts=[{"name": f"v{n}", "mountPath": f"/mnt/{n}", "readOnly": True} for n in range(12)]
        )
        | {"volumes": [{"name": f"v{n}", "emptyDir": {"sizeLimit": "1Gi"}} for n in range(12)]}
    },
    "fields of the pod": {
        "workload": workload(
            env=[
                {"name": f"V{n}", "valueFrom": {"fieldRef": {"fieldPath": path}}}
                for n, path in enumerate(
                    [
                        "metadata.uid",
                        "metadata.labels['nesteddocker.dev/name']",
                        "metadata.annotations['example.com/a']",
                        "spec.nodeName",
                        "status.podIPs",
                    ]
                )
            ]
        )
    },
    "init containers": {
        "workload": {
            "initContainers": [{"name": "fetch", "image": "alpine/git", "args": ["clone"]}],
            "containers": [{"name": "main", "image": "busybox"}],
        }
    },
    "eight containers": {"workload": {"containers": [{"name": f"c{n}", "image": "busybox"} for n in range(8)]}},
    "suspend": {"suspend": True},
    "least times": {"activeDeadlineSeconds": 1, "idleTimeoutSeconds": 10, "ttlSecondsAfterFinished": 0},
    "greatest times": {
        "activeDeadlineSeconds": YEAR,
        "idleTimeoutSeconds": YEAR,
        "ttlSecondsAfterFinished": YEAR,
    },
    "connection": {
        "connection": {
            "secretTemplate": {"labels": {"team": "a"}, "annotations": {"reflector/allowed": "true"}},
            "registryCredentials": {"name": "regcred"},
            "clients": [
                {"podSelector": {"matchLabels": {"app": "ci"}}},
                {
                    "namespaceSelector": {
                        "matchExpressions": [
                            {"key": "team", "operator": "In", "values": ["a", "b"]},
                            {"key": "off", "operator": "DoesNotExist"},
                        ]
                    }
                },
            ],
        }
    },
    "scheduling": {
        "scheduling": {
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}},
            "tolerations": [{"key": "ci", "operator": "Exists", "effect": "NoSchedule"}],
            "priorityClassName": "low",
            "podLabels": {"team": "a"},
            "podAnnotations": {"example.com/x": "y"},
        }
    },
}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown mode": (
        {"mode": "Podman"},
        'spec.mode: Unsupported value: "Podman": supported values: "Dind", "HostSocket", "Sysbox", "UserNamespace", '
        '"Rootless"',
    ),
    "empty mode": (
        {"mode": ""},
        'spec.mode: Unsupported value: "": supported values: "Dind", "HostSocket", "Sysbox", "UserNamespace", '
        '"Rootless"',
    ),
    "mode of another case": ({"mode": "dind"}, 'spec.mode: Unsupported value: "dind"'),
    "class in upper case": ({"className": "Fast"}, 'spec.className: Invalid value: "Fast"'),
    "class too long": ({"className": "a" * 254}, "spec.className: Too long: may not be more than 253"),
    "impossible memory": (
        {"resources": {"limits": {"memory": "lots"}}},
        'spec.resources.limits.memory: Invalid value: "lots"',
    ),
    "impossible cpu": (
        {"resources": {"requests": {"cpu": "2 cores"}}},
        'spec.resources.requests.cpu: Invalid value: "2 cores"',
    ),
    "fractional number": (
        {"resources": {"limits": {"cpu": 1.5}}},
        "spec.resources.limits.cpu: Invalid value",
    ),
    "too many resources": (
        {"resources": {"limits": {f"example.com/r{n}": 1 for n in range(17)}}},
        "spec.resources.limits: Too many: 17: must have at most 16 items",
    ),
    "image in upper case": ({"engine": {"image": "UPPER CASE"}}, 'spec.engine.image: Invalid value: "UPPER CASE"'),
    "image with a scheme": (
        {"engine": {"image": "https://docker.io/docker"}},
        'spec.engine.image: Invalid value: "https://docker.io/docker"',
    ),
    "image with a short digest": (
        {"engine": {"image": "docker@sha256:abc"}},
        'spec.engine.image: Invalid value: "docker@sha256:abc"',
    ),
    "image of nothing": ({"engine": {"image": ""}}, 'spec.engine.image: Invalid value: ""'),
    "storage driver": (
        {"engine": {"storageDriver": "Over lay"}},
        'spec.engine.storageDriver: Invalid value: "Over lay"',
    ),
    "mirror without a scheme": (
        {"engine": {"mirrors": {"docker.io": ["mirror.example.com"]}}},
        'spec.engine.mirrors.docker.io[0]: Invalid value: "mirror.example.com"',
    ),
    "too many mirrors": (
        {"engine": {"mirrors": {"docker.io": [f"https://m{n}" for n in range(9)]}}},
        "spec.engine.mirrors.docker.io: Too many: 9: must have at most 8 items",
    ),
    "no mirror of a registry": (
        {"engine": {"mirrors": {"ghcr.io": []}}},
        "spec.engine.mirrors.ghcr.io in body should have at least 1 items",
    ),
    "mirrors of too many registries": (
        {"engine": {"mirrors": {f"r{n}.example": ["https://m"] for n in range(17)}}},
        "spec.engine.mirrors: Too many: 17: must have at most 16 items",
    ),
    **{
        f"mirrors of {name}": (
            {"engine": {"mirrors": {name: ["https://m.example"]}}},
            "a key of mirrors is a registry as image references name it",
        )
        for name in ("GHCR.io", "https://ghcr.io", "ghcr.io/org", "_default", "../x")
    },
    "mirror with a quote": (
        {"engine": {"mirrors": {"ghcr.io": ['https://m.example/"']}}},
        "spec.engine.mirrors.ghcr.io[0]: Invalid value",
    ),
    "insecure registry with a question mark": ({"engine": {"insecureRegistries": ["http://r?"]}}, NOT_A_REGISTRY),
    "insecure registry with a path": ({"engine": {"insecureRegistries": ["a/b"]}}, NOT_A_REGISTRY),
    "insecure registry with another scheme": ({"engine": {"insecureRegistries": ["ftp://a"]}}, NOT_A_REGISTRY),
    "name server with a number above 255": ({"engine": {"dns": ["10.0.0.999"]}}, NOT_AN_ADDRESS),
    "registry credentials without a name": (
        {"connection": {"registryCredentials": {}}},
        "spec.connection.registryCredentials.name: Required value",
    ),
    "registry credentials of another namespace": (
        {"connection": {"registryCredentials": {"name": "other/regcred"}}},
        'spec.connection.registryCredentials.name: Invalid value: "other/regcred"',
    ),
    "bundle without a name": ({"engine": {"caBundleRef": {}}}, "spec.engine.caBundleRef.name: Required value"),
    "bundle with an impossible key": (
        {"engine": {"caBundleRef": {"name": "a", "key": "a/b"}}},
        'spec.engine.caBundleRef.key: Invalid value: "a/b"',
    ),
    "mtu too small": (
        {"engine": {"mtu": 575}},
        "spec.engine.mtu: Invalid value: 575: spec.engine.mtu in body should be greater than or equal to 576",
    ),
    "mtu too great": (
        {"engine": {"mtu": 65536}},
        "spec.engine.mtu: Invalid value: 65536: spec.engine.mtu in body should be less than or equal to 65535",
    ),
    "mtu as text": ({"engine": {"mtu": "1400"}}, 'spec.engine.mtu: Invalid value: "string"'),
    "iptables": (
        {"engine": {"iptables": "nft"}},
        'spec.engine.iptables: Unsupported value: "nft": supported values: "Auto", "Legacy", "Nft"',
    ),
    "pool without a prefix": (
        {"engine": {"addressPools": [{"base": "10.0.0.0", "size": 24}]}},
        'spec.engine.addressPools[0].base: Invalid value: "10.0.0.0"',
    ),
    "pool without a size": (
        {"engine": {"addressPools": [{"base": "10.0.0.0/8"}]}},
        "spec.engine.addressPools[0].size: Required value",
    ),
    "pool too wide": (
        {"engine": {"addressPools": [{"base": "10.0.0.0/8", "size": 7}]}},
        "should be greater than or equal to 8",
    ),
    "pool too narrow": (
        {"engine": {"addressPools": [{"base": "10.0.0.0/8", "size": 129}]}},
        "should be less than or equal to 128",
    ),
    "name server by name": ({"engine": {"dns": ["dns.google"]}}, NOT_AN_ADDRESS),
    "too many name servers": (
        {"engine": {"dns": ["10.0.0.1"] * 9}},
        "spec.engine.dns: Too many: 9: must have at most 8 items",
    ),
    "proxy": (
        {"engine": {"proxy": {"httpProxy": "proxy:3128"}}},
        'spec.engine.proxy.httpProxy: Invalid value: "proxy:3128"',
    ),
    "networks that are larger than their range": (
        {"engine": {"addressPools": [{"base": "10.1.0.0/24", "size": 16}]}},
        "size is the prefix length of each network in base, so it may not be less than that of base",
    ),
    "networks without room for a container": (
        {"engine": {"addressPools": [{"base": "10.1.0.0/24", "size": 31}]}},
        "an IPv4 network with a size above 30 has no address for a container",
    ),
    "millions of networks": (
        {"engine": {"addressPools": [{"base": "10.128.0.0/9", "size": 30}]}},
        "a range may have at most 65536 networks",
    ),
    "no IPv4 network for the default one": (
        {"engine": {"addressPools": [{"base": "fd00::/48", "size": 64}]}},
        "the first range of addressPools must be IPv4",
    ),
    "config as text": ({"engine": {"config": "{}"}}, 'spec.engine.config: Invalid value: "string"'),
    "storage without a type": ({"storage": {}}, "spec.storage.type: Required value"),
    "storage of another type": (
        {"storage": {"type": "HostPath"}},
        'spec.storage.type: Unsupported value: "HostPath": supported values: "EmptyDir", "Ephemeral", "Claim"',
    ),
    "emptyDir with a claim": (
        {"storage": {"type": "EmptyDir", "claim": {"size": "1Gi"}}},
        "claim belongs to type Claim: set type to Claim or leave claim out",
    ),
    "claim with an emptyDir": (
        {"storage": {"type": "Claim", "claim": {"size": "1Gi"}, "emptyDir": {}}},
        "emptyDir belongs to type EmptyDir: set type to EmptyDir or leave emptyDir out",
    ),
    "emptyDir with an ephemeral": (
        {"storage": {"type": "EmptyDir", "ephemeral": {"size": "1Gi"}}},
        "ephemeral belongs to type Ephemeral: set type to Ephemeral or leave ephemeral out",
    ),
    "ephemeral of nothing": ({"storage": {"type": "Ephemeral"}}, "type Ephemeral needs ephemeral.size"),
    "claim of nothing": ({"storage": {"type": "Claim"}}, "type Claim needs claim.size"),
    "claim without a size": ({"storage": {"type": "Claim", "claim": {}}}, "spec.storage.claim.size: Required value"),
    "claim of an impossible size": (
        {"storage": {"type": "Claim", "claim": {"size": "big"}}},
        'spec.storage.claim.size: Invalid value: "big"',
    ),
    "emptyDir of an impossible size": (
        {"storage": {"type": "EmptyDir", "emptyDir": {"sizeLimit": "1 Gi"}}},
        'spec.storage.emptyDir.sizeLimit: Invalid value: "1 Gi"',
    ),
    "cpu that the kubelet does not set": (
        {"resources": {"limits": {"cpu": "0"}}},
        "the limit of cpu must be at least 10m, since a lower one is not in force: raise it or leave it out",
    ),
    "cpu that the kubelet rounds up": (
        {"resources": {"limits": {"cpu": "1n"}}},
        "the limit of cpu must be at least 10m, since a lower one is not in force: raise it or leave it out",
    ),
    "memory of a negative zero": (
        {"resources": {"limits": {"memory": "-0"}}},
        "the limit of memory must be at least 6Mi, since a lower one is not in force: raise it or leave it out",
    ),
    "memory of zero as a number": (
        {"resources": {"limits": {"memory": 0}}},
        "the limit of memory must be at least 6Mi, since a lower one is not in force: raise it or leave it out",
    ),
    "cpu of nothing for a workload": (
        {"workload": {"containers": [{"name": "a", "image": "a", "resources": {"limits": {"cpu": "0m"}}}]}},
        "the limit of cpu must be at least 10m, since a lower one is not in force: raise it or leave it out",
    ),
    "emptyDir of nothing": (
        {"storage": {"type": "EmptyDir", "emptyDir": {"sizeLimit": "0"}}},
        "the size must be at least 1Mi; 0 would mean unlimited: raise it or leave it out",
    ),
    "claim of nothing as a number": (
        {"storage": {"type": "Claim", "claim": {"size": 0}}},
        "the size must be at least 1Mi; 0 would mean unlimited: raise it or leave it out",
    ),
    "ephemeral volume of a byte": (
        {"storage": {"type": "Ephemeral", "ephemeral": {"size": "1n"}}},
        "the size must be at least 1Mi; 0 would mean unlimited: raise it or leave it out",
    ),
    "image by an ID": (
        {"engine": {"image": "sha256:" + "0a" * 32}},
        "an image must be named by its repository, since an ID means any image on the node",
    ),
    "medium": (
        {"storage": {"type": "EmptyDir", "emptyDir": {"medium": "Tape"}}},
        'spec.storage.emptyDir.medium: Unsupported value: "Tape": supported values: "Disk", "Memory"',
    ),
    "retention": (
        {"storage": {"type": "Claim", "claim": {"size": "1Gi", "whenDeleted": "Keep"}}},
        'spec.storage.claim.whenDeleted: Unsupported value: "Keep": supported values: "Retain", "Delete"',
    ),
    "two containers of one name": (
        {
            "workload": {
                "initContainers": [{"name": "main", "image": "busybox"}],
                "containers": [{"name": "main", "image": "busybox"}],
            }
        },
        "containers and initContainers must have different names: rename one of them",
    ),
    "privileged init container": (
        {
            "workload": {
                "initContainers": [{"name": "first", "image": "busybox", "securityContext": {"privileged": True}}],
                "containers": [{"name": "main", "image": "busybox"}],
            }
        },
        'unknown field "spec.workload.initContainers[0].securityContext"',
    ),
    "workload of nothing": ({"workload": {}}, "spec.workload.containers: Required value"),
    "workload without containers": (
        {"workload": {"containers": []}},
        "spec.workload.containers in body should have at least 1 items",
    ),
    "too many containers": (
        {"workload": {"containers": [{"name": f"c{n}", "image": "busybox"} for n in range(9)]}},
        "spec.workload.containers: Too many: 9: must have at most 8 items",
    ),
    "containers of one name": (
        {"workload": {"containers": [{"name": "a", "image": "x"}, {"name": "a", "image": "y"}]}},
        'spec.workload.containers[1]: Duplicate value: {"name":"a"}',
    ),
    "container without an image": (
        {"workload": {"containers": [{"name": "a"}]}},
        "spec.workload.containers[0].image: Required value",
    ),
    "container with a bad name": (
        {"workload": workload(name="A_b")},
        'spec.workload.containers[0].name: Invalid value: "A_b"',
    ),
    "variable with a bad name": (
        {"workload": workload(env=[{"name": "1ST", "value": "x"}])},
        'spec.workload.containers[0].env[0].name: Invalid value: "1ST"',
    ),
    "variable with an equals sign": (
        {"workload": workload(env=[{"name": "A=B"}])},
        'spec.workload.containers[0].env[0].name: Invalid value: "A=B"',
    ),
    "variable from two places": (
        {"workload": workload(env=[variable(secretKeyRef=KEY, configMapKeyRef=KEY)])},
        "set exactly one of secretKeyRef, configMapKeyRef, fieldRef, resourceFieldRef",
    ),
    "variable from nowhere": (
        {"workload": workload(env=[variable()])},
        "set exactly one of secretKeyRef, configMapKeyRef, fieldRef, resourceFieldRef",
    ),
    "variable with a value from elsewhere": (
        {"workload": workload(env=[variable(secretKeyRef=KEY) | {"value": "x"}])},
        "value and valueFrom exclude each other: leave one of them out",
    ),
    "variable with the keys of a daemon": (
        {"workload": workload(env=[variable(secretKeyRef=KEY | {"name": "build-0a1b2-tls"})])},
        "has the keys of a daemon, which no workload gets",
    ),
    "variable from another namespace": (
        {"workload": workload(env=[variable(secretKeyRef=KEY | {"namespace": "other"})])},
        'unknown field "spec.workload.containers[0].env[0].valueFrom.secretKeyRef.namespace"',
    ),
    "variable from a file": (
        {"workload": workload(env=[variable(fileKeyRef={"volumeName": "v", "path": "p", "key": "k"})])},
        'unknown field "spec.workload.containers[0].env[0].valueFrom.fileKeyRef"',
    ),
    "variable from a field that is not the pod's": (
        {"workload": workload(env=[variable(fieldRef={"fieldPath": "spec.serviceAccountName"})])},
        "spec.workload.containers[0].env[0].valueFrom.fieldRef.fieldPath",
    ),
    "variable with a divisor for another resource": (
        {"workload": workload(env=[variable(resourceFieldRef={"resource": "limits.memory", "divisor": "1m"})])},
        "divisor of cpu is 1 or 1m, and 1m is for cpu only: choose another one",
    ),
    "variables from two places": (
        {"workload": workload(envFrom=[{"secretRef": {"name": "s"}, "configMapRef": {"name": "c"}}])},
        "set exactly one of secretRef, configMapRef",
    ),
    "variables with the keys of a daemon": (
        {"workload": workload(envFrom=[{"secretRef": {"name": "build-0a1b2-tls"}}])},
        "has the keys of a daemon, which no workload gets",
    ),
    "volume of two kinds": (
        {"workload": workload() | {"volumes": [{"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}]}},
        "set exactly one of secret, configMap, projected, emptyDir",
    ),
    "volume of a token": (
        {"workload": workload() | {"volumes": [projected(serviceAccountToken={"path": "token"})]}},
        'unknown field "spec.workload.volumes[0].projected.sources[0].serviceAccountToken"',
    ),
    "volume of certificates": (
        {"workload": workload() | {"volumes": [projected(clusterTrustBundle={"path": "x", "name": "y"})]}},
        'unknown field "spec.workload.volumes[0].projected.sources[0].clusterTrustBundle"',
    ),
    "volume of the node": (
        {"workload": workload() | {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}},
        'unknown field "spec.workload.volumes[0].hostPath"',
    ),
    "volume with the keys of a daemon": (
        {"workload": workload() | {"volumes": [{"name": "v", "secret": {"secretName": "build-0a1b2-tls"}}]}},
        "has the keys of a daemon, which no workload gets",
    ),
    "volumes of one name": (
        {"workload": workload() | {"volumes": [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]}},
        'spec.workload.volumes[1]: Duplicate value: {"name":"v"}',
    ),
    "shared Secret": (
        {"workload": workload() | {"volumes": [{"name": "v", "secret": {"secretName": "s"}, "sharedPath": "/builds"}]}},
        "sharedPath is for an emptyDir only, since the daemon gets no Secret and no ConfigMap",
    ),
    "shared volume over the certificates": (
        {"workload": workload() | {"volumes": [{"name": "v", "emptyDir": {}, "sharedPath": "/certs/server"}]}},
        "a daemon has its files in /bin, /boot, /certs",
    ),
    "shared volume over the data-root": (
        {"workload": workload() | {"volumes": [{"name": "v", "emptyDir": {}, "sharedPath": "/var/lib/docker"}]}},
        "a daemon has its files in /bin, /boot, /certs",
    ),
    "shared volume by a detour": (
        {"workload": workload() | {"volumes": [{"name": "v", "emptyDir": {}, "sharedPath": "/a/../var"}]}},
        'spec.workload.volumes[0].sharedPath: Invalid value: "/a/../var"',
    ),
    "mount over the socket": (
        {"workload": workload(volumeMounts=[{"name": "v", "mountPath": "/run/nested-docker"}])},
        "with the daemon's socket, are mounted anyway: use another path",
    ),
    "mount that leaves its volume": (
        {"workload": workload(volumeMounts=[{"name": "v", "mountPath": "/a", "subPath": "../b"}])},
        'spec.workload.containers[0].volumeMounts[0].subPath: Invalid value: "../b"',
    ),
    "mount with an expression": (
        {"workload": workload(volumeMounts=[{"name": "v", "mountPath": "/a", "subPathExpr": "$(A)"}])},
        'unknown field "spec.workload.containers[0].volumeMounts[0].subPathExpr"',
    ),
    "mount that is propagated": (
        {"workload": workload(volumeMounts=[{"name": "v", "mountPath": "/a", "mountPropagation": "Bidirectional"}])},
        'unknown field "spec.workload.containers[0].volumeMounts[0].mountPropagation"',
    ),
    "working directory": (
        {"workload": workload(workingDir="src")},
        'spec.workload.containers[0].workingDir: Invalid value: "src"',
    ),
    "restart policy": (
        {"workload": workload() | {"restartPolicy": "OnFailure"}},
        'spec.workload.restartPolicy: Unsupported value: "OnFailure": supported values: "Always", "Never"',
    ),
    "privileged workload": (
        {"workload": workload(securityContext={"privileged": True})},
        'unknown field "spec.workload.containers[0].securityContext"',
    ),
    "suspend as text": ({"suspend": "yes"}, 'spec.suspend: Invalid value: "string"'),
    "no deadline": (
        {"activeDeadlineSeconds": 0},
        "spec.activeDeadlineSeconds in body should be greater than or equal to 1",
    ),
    "deadline beyond a year": (
        {"activeDeadlineSeconds": YEAR + 1},
        "spec.activeDeadlineSeconds in body should be less than or equal to 31536000",
    ),
    "idle at once": (
        {"idleTimeoutSeconds": 9},
        "spec.idleTimeoutSeconds in body should be greater than or equal to 10",
    ),
    "idle beyond a year": (
        {"idleTimeoutSeconds": YEAR + 1},
        "spec.idleTimeoutSeconds in body should be less than or equal to 31536000",
    ),
    "negative time to live": (
        {"ttlSecondsAfterFinished": -1},
        "spec.ttlSecondsAfterFinished in body should be greater than or equal to 0",
    ),
    "time to live beyond a year": (
        {"ttlSecondsAfterFinished": YEAR + 1},
        "spec.ttlSecondsAfterFinished in body should be less than or equal to 31536000",
    ),
    "label of the operator on the pod": (
        {"scheduling": {"podLabels": {"nesteddocker.dev/uid": "x"}}},
        RESERVED_LABELS,
    ),
    "managed-by on the pod": (
        {"scheduling": {"podLabels": {"app.kubernetes.io/managed-by": "me"}}},
        RESERVED_LABELS,
    ),
    "annotation of the operator on the pod": (
        {"scheduling": {"podAnnotations": {"nesteddocker.dev/effective": "x"}}},
        RESERVED_ANNOTATIONS,
    ),
    "label of the operator on the Secrets": (
        {"connection": {"secretTemplate": {"labels": {"nesteddocker.dev/name": "x"}}}},
        RESERVED_LABELS,
    ),
    "annotation of the operator on the Secrets": (
        {"connection": {"secretTemplate": {"annotations": {"nesteddocker.dev/probed": "x"}}}},
        RESERVED_ANNOTATIONS,
    ),
    "too many labels": (
        {"scheduling": {"podLabels": {f"l{n}": "" for n in range(33)}}},
        "spec.scheduling.podLabels: Too many: 33: must have at most 32 items",
    ),
    "label too long": (
        {"scheduling": {"nodeSelector": {"a": "b" * 64}}},
        "spec.scheduling.nodeSelector.a: Too long: may not be more than 63",
    ),
    "too many tolerations": (
        {"scheduling": {"tolerations": [{"operator": "Exists"}] * 33}},
        "spec.scheduling.tolerations: Too many: 33: must have at most 32 items",
    ),
    "too many clients": (
        {"connection": {"clients": [{}] * 33}},
        "spec.connection.clients: Too many: 33: must have at most 32 items",
    ),
    "selector's operator": (
        {"connection": {"clients": [{"podSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}]}},
        'operator: Unsupported value: "Is": supported values: "In", "NotIn", "Exists", "DoesNotExist"',
    ),
    "kind of affinity": (
        {"scheduling": {"affinity": {"clusterAffinity": {}}}},
        'unknown field "spec.scheduling.affinity.clusterAffinity"',
    ),
    "affinity as a list": (
        {"scheduling": {"affinity": {"podAffinity": []}}},
        'spec.scheduling.affinity.podAffinity: Invalid value: "array"',
    ),
    "field that does not exist": ({"modus": "Dind"}, 'unknown field "spec.modus"'),
    "field that belongs to the class": ({"podTemplate": {}}, 'unknown field "spec.podTemplate"'),
}


NAMES_ACCEPTED = ["a", "build-1", "a" * 52, "x0"]


NAMES_REFUSED = ["a" * 53, "1st", "my.build", "0"]
