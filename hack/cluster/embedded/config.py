"""The configuration files of the components, as text: nothing here touches the machine."""

import base64
import json
from pathlib import Path
from typing import Any

from embedded.layout import DOMAIN, NODE, Cluster

Json = dict[str, Any]

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
CNI_PLUGINS = "/usr/lib/cni"
PAUSE_IMAGE = "nested-docker.test/pause:1"
SYSBOX_HANDLER = "sysbox-runc"
SYSBOX_LABEL = "sysbox-runtime=running"


def files(cluster: Cluster) -> dict[Path, str]:
    """All configuration files with their contents, kubeconfigs excepted."""
    return {
        cluster.conf / "containerd.toml": containerd(cluster),
        cluster.conf / "cni/10-bridge.conflist": _json(cni(cluster, cluster.node_pods)),
        cluster.conf / "kubelet.json": _json(kubelet(cluster)),
        cluster.conf / "proxy.json": _json(proxy(cluster)),
        cluster.conf / "audit-policy.json": _json(audit_policy()),
        cluster.conf / "dockerd.json": _json({**dockerd(cluster), "cgroup-parent": f"{cluster.cgroup}/docker"}),
        cluster.conf / "resolv.conf": "nameserver 127.0.0.1\n",
    }


def containerd(cluster: Cluster) -> str:
    """Configuration of containerd: the handlers runc and sysbox-runc, the latter by the stand-in."""
    runtimes = "plugins.'io.containerd.cri.v1.runtime'"
    return f"""\
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "{CONTAINERD_SOCKET}"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{PAUSE_IMAGE}"

[{runtimes}]
  # every sandbox asks for -998, and a machine without CAP_SYS_RESOURCE refuses to lower the score
  restrict_oom_score_adj = true

[{runtimes}.cni]
  bin_dirs = ["{CNI_PLUGINS}"]
  conf_dir = "{cluster.conf / "cni"}"

[{runtimes}.containerd]
  default_runtime_name = "runc"

[{runtimes}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  [{runtimes}.containerd.runtimes.runc.options]
    BinaryName = "{cluster.home.bin / "runc"}"
    SystemdCgroup = false

[{runtimes}.containerd.runtimes.{SYSBOX_HANDLER}]
  runtime_type = "io.containerd.runc.v2"
  [{runtimes}.containerd.runtimes.{SYSBOX_HANDLER}.options]
    BinaryName = "{cluster.home.bin / "sysbox-stand-in"}"
    SystemdCgroup = false
"""


def cni(cluster: Cluster, subnet: str) -> Json:
    """A node's pod network: a bridge without NAT, as the machine routes to pods; it enforces no NetworkPolicy.

    Args:
        cluster: Whose.
        subnet: The node's part of the pods' network.
    """
    return {
        "cniVersion": "0.4.0",
        "name": cluster.context,
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": True,
                "ipMasq": False,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": subnet}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def kubelet(cluster: Cluster) -> Json:
    """The kubelet's configuration; disk never makes it evict, as the disk is the machine's."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(cluster.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(cluster.pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(cluster.pki / "kubelet-server.key"),
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cluster.cgroup,
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDomain": DOMAIN,
        "clusterDNS": [cluster.node_ip],
        "resolvConf": str(cluster.conf / "resolv.conf"),
        "serializeImagePulls": False,
        "nodeStatusUpdateFrequency": "4s",
        "syncFrequency": "10s",
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
        },
        "logging": {"verbosity": 1},
    }


def proxy(cluster: Cluster) -> Json:
    """Configuration of kube-proxy."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(cluster.conf / "proxy.kubeconfig")},
        "clusterCIDR": cluster.pods,
        "hostnameOverride": NODE,
        # the kernel lets no network namespace but the first change these; 0 leaves them alone
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def audit_policy() -> Json:
    """Who asked for what and how it ended, one line per request, without bodies."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted", "Panic"],
        "rules": [{"level": "Metadata"}],
    }


def dockerd(cluster: Cluster) -> Json:
    """A node's own dockerd: it shares containerd with the kubelet, as on nodes that had both."""
    return {
        "hosts": ["unix:///run/docker.sock"],
        "data-root": "/var/lib/docker",
        "exec-root": "/run/docker",
        "pidfile": "/run/docker.pid",
        "containerd": CONTAINERD_SOCKET,
        "bip": cluster.docker_bridge,
    }


def kubeconfig(cluster: Cluster, identity: str) -> str:
    """A kubeconfig for one identity, self-contained; its certificates must be there."""

    def embed(file: str) -> str:
        return base64.b64encode((cluster.pki / file).read_bytes()).decode()

    name = cluster.context
    user = {"client-certificate-data": embed(f"{identity}.crt"), "client-key-data": embed(f"{identity}.key")}
    return _json(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": name, "cluster": {"server": cluster.api, "certificate-authority-data": embed("ca.crt")}}
            ],
            "users": [{"name": identity, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": identity}}],
            "current-context": name,
        }
    )


def write(cluster: Cluster) -> None:
    """Write every configuration file; those with keys inside are the owner's alone."""
    texts = files(cluster)
    for identity in ("controller-manager", "dns", "kubelet", "kubelet-v2", "proxy", "scheduler"):
        texts[cluster.conf / f"{identity}.kubeconfig"] = kubeconfig(cluster, identity)
    texts[cluster.kubeconfig] = kubeconfig(cluster, "admin")
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)


def _json(value: Json) -> str:
    return json.dumps(value, indent=1) + "\n"
