"""Files of the virtual machine's node, as text by path; its disk has programs and images only."""

import json

from embedded import config
from embedded.config import Json
from embedded.layout import VM_NODE, Cluster

LABEL = "nested-docker.test/node=cgroup-v2"
TAINT = {"key": "nested-docker.test/node", "value": "cgroup-v2", "effect": "NoSchedule"}
"""On the node from its start, so that only pods that tolerate it go there."""

HANDLERS = {
    "runc": ("/usr/local/bin/runc", False),
    "crun": ("/usr/bin/crun", False),
    "writable-cgroups": ("/usr/local/bin/runc", True),
    "writable-cgroups-crun": ("/usr/bin/crun", True),
    "tun": ("/usr/local/bin/runc", False),
}
"""Handlers of its containerd: the runtime's program, and whether containers may make cgroups in their own."""

TUN = "tun"
"""Handler whose containers have /dev/net/tun, as if a device plugin had given it to them."""

RUNTIME_CLASSES = {"cgroup-v2": "runc", **{name: name for name in HANDLERS if name != "runc"}}
"""RuntimeClasses whose pods go to this node, and their handlers."""

FOLDER = "/etc/nested-docker"
SHELL = "shell"
"""A static pod in the node's namespaces; programs are run on the node through it."""

DOCKERD = "docker"
"""The unit of the node's dockerd, which starts when it is asked for."""

UNIT_FOLDER = "/etc/systemd/system"
UNITS = ("containerd", "kubelet", "kube-proxy")
_SETUP = "nested-docker-setup.service"
_MODULES = ("overlay", "br_netfilter", "nf_conntrack", "fuse", "tun")


def files(cluster: Cluster) -> dict[str, str]:
    """All files with their contents; the cluster's certificates must have been made."""
    pki = ("ca.crt", "kubelet-v2-server.crt", "kubelet-v2-server.key")
    return {
        "/etc/hostname": f"{VM_NODE}\n",
        "/etc/hosts": f"127.0.0.1 localhost\n{cluster.vm_ip} {VM_NODE}\n",
        "/etc/resolv.conf": f"nameserver {cluster.node_ip}\n",
        "/etc/cni/net.d/10-bridge.conflist": _json(config.cni(cluster, cluster.vm_pods)),
        f"{FOLDER}/setup.sh": setup(cluster),
        f"{FOLDER}/containerd.toml": containerd(),
        f"{FOLDER}/dockerd.json": _json(config.dockerd(cluster)),
        f"{FOLDER}/{TUN}.json": _json(base_spec()),
        f"{FOLDER}/kubelet.json": _json(kubelet(cluster)),
        f"{FOLDER}/kubelet.kubeconfig": config.kubeconfig(cluster, "kubelet-v2"),
        f"{FOLDER}/proxy.json": _json(proxy(cluster)),
        f"{FOLDER}/proxy.kubeconfig": config.kubeconfig(cluster, "proxy"),
        f"{FOLDER}/pods/{SHELL}.json": _json(shell()),
        **{f"{FOLDER}/pki/{name}": (cluster.pki / name).read_text() for name in pki},
        **{f"{UNIT_FOLDER}/{name}": text for name, text in units(cluster).items()},
        # at its first start, a Debian enables what it finds
        "/etc/systemd/system-preset/00-nested-docker.preset": f"disable {DOCKERD}.service\n",
    }


def setup(cluster: Cluster) -> str:
    """What udev, ifupdown and sysctl.d would do, in a tenth of the time that they take in emulation."""
    return f"""\
set -e
modprobe --all {" ".join(_MODULES)}
chmod 666 /dev/net/tun
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
ip link set lo up
ip addr replace {cluster.vm_ip}/24 dev eth0
ip link set eth0 up
ip route replace default via {cluster.vm_gateway}
"""


def containerd() -> str:
    """Configuration of containerd, with systemd's cgroups as on most nodes."""
    runtimes = "plugins.'io.containerd.cri.v1.runtime'"
    handlers = "".join(_handler(name, *how) for name, how in HANDLERS.items())
    return f"""\
version = 3

[grpc]
  address = "{config.CONTAINERD_SOCKET}"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{config.PAUSE_IMAGE}"

[{runtimes}.cni]
  bin_dirs = ["{config.CNI_PLUGINS}"]

[{runtimes}.containerd]
  default_runtime_name = "runc"
{handlers}"""


def _handler(name: str, program: str, writable: bool) -> str:  # noqa: FBT001 - a row of HANDLERS
    table = f"plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.{name}"
    return f"""
[{table}]
  runtime_type = "io.containerd.runc.v2"
  cgroup_writable = {str(writable).lower()}
{f'  base_runtime_spec = "{FOLDER}/{TUN}.json"' if name == TUN else ""}
  [{table}.options]
    BinaryName = "{program}"
    SystemdCgroup = true
"""


def base_spec() -> Json:
    """What containers of the handler TUN have before the CRI adds to it: containerd's own, and the device."""
    device = {"type": "c", "major": 10, "minor": 200}
    places = {
        "/proc": ("proc", ["nosuid", "noexec", "nodev"]),
        "/dev": ("tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        "/dev/pts": ("devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        "/dev/mqueue": ("mqueue", ["nosuid", "noexec", "nodev"]),
        "/sys": ("sysfs", ["nosuid", "noexec", "nodev", "ro"]),
    }
    return {
        "ociVersion": "1.2.0",
        "process": {"cwd": "/", "user": {"uid": 0, "gid": 0}},
        "root": {"path": "rootfs"},
        "mounts": [
            {"destination": place, "type": kind, "source": kind, "options": options}
            for place, (kind, options) in places.items()
        ],
        "linux": {
            "devices": [device | {"path": "/dev/net/tun", "fileMode": 0o666, "uid": 0, "gid": 0}],
            "resources": {"devices": [{"allow": False, "access": "rwm"}, device | {"allow": True, "access": "rw"}]},
            "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "network")],
        },
    }


def kubelet(cluster: Cluster) -> Json:
    """The kubelet's configuration, like the other node's but for cgroups and paths."""
    common = {key: value for key, value in config.kubelet(cluster).items() if key not in {"cgroupRoot", "failCgroupV1"}}
    client_ca = {"x509": {"clientCAFile": f"{FOLDER}/pki/ca.crt"}}
    return {
        **common,
        "authentication": {**common["authentication"], **client_ca},
        "tlsCertFile": f"{FOLDER}/pki/kubelet-v2-server.crt",
        "tlsPrivateKeyFile": f"{FOLDER}/pki/kubelet-v2-server.key",
        "cgroupDriver": "systemd",
        "resolvConf": "/etc/resolv.conf",
        "logging": {"verbosity": 0},
        "staticPodPath": f"{FOLDER}/pods",
        "registerWithTaints": [TAINT],
    }


def proxy(cluster: Cluster) -> Json:
    """Configuration of kube-proxy."""
    return {
        **config.proxy(cluster),
        "clientConnection": {"kubeconfig": f"{FOLDER}/proxy.kubeconfig"},
        "hostnameOverride": VM_NODE,
    }


def shell() -> Json:
    """The static pod: it sleeps, and `nsenter` in it reaches the node's first process."""
    container = {
        "name": SHELL,
        "image": "docker.io/library/busybox:1.37",
        "imagePullPolicy": "Never",
        "command": ["sleep", "infinity"],
        "securityContext": {"privileged": True},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": SHELL, "namespace": "kube-system"},
        "spec": {
            "hostPID": True,
            "hostNetwork": True,
            "priorityClassName": "system-node-critical",
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
        },
    }


def units(cluster: Cluster) -> dict[str, str]:
    """Units of systemd."""
    kubelet_flags = (
        f"--config={FOLDER}/kubelet.json --kubeconfig={FOLDER}/kubelet.kubeconfig --hostname-override={VM_NODE} "
        f"--node-ip={cluster.vm_ip} --node-labels={LABEL}"
    )
    return {
        _SETUP: _unit(f"/bin/sh {FOLDER}/setup.sh", "Type=oneshot\nRemainAfterExit=yes\n"),
        "containerd.service": _unit(
            f"/usr/local/bin/containerd --config {FOLDER}/containerd.toml",
            "Type=notify\nDelegate=yes\nKillMode=process\nTasksMax=infinity\nLimitNOFILE=infinity\nLimitNPROC=infinity\n",
            _SETUP,
        ),
        f"{DOCKERD}.service": _unit(
            f"/usr/local/bin/dockerd --config-file {FOLDER}/dockerd.json",
            # the socket is the group's, which Debian's package would make
            "ExecStartPre=groupadd --force --system docker\nType=notify\nDelegate=yes\nKillMode=process\n"
            "TasksMax=infinity\n\n[Install]\nWantedBy=multi-user.target\n",
            "containerd.service",
        ),
        "kubelet.service": _unit(f"/usr/local/bin/kubenode kubelet {kubelet_flags}", "", "containerd.service"),
        "kube-proxy.service": _unit(f"/usr/local/bin/kubenode kube-proxy --config={FOLDER}/proxy.json", "", _SETUP),
    }


def _unit(command: str, service: str, after: str = "") -> str:
    """A unit that starts as often as it fails: one that gave up, or waited for one that did, would not come back."""
    order = f"Wants={after}\nAfter={after}\n" if after else ""
    return f"""\
[Unit]
StartLimitIntervalSec=0
{order}
[Service]
ExecStart={command}
TimeoutStartSec=infinity
Restart=on-failure
RestartSec=1
StandardOutput=journal+console
{service}"""


def _json(value: Json) -> str:
    return json.dumps(value, indent=1) + "\n"
