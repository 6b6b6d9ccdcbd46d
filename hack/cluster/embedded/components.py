"""Command lines of the components."""

from embedded import kubernetes, vm
from embedded.config import SYSBOX_LABEL
from embedded.layout import NODE, Cluster

CONTROL_PLANE = ("etcd", "containerd", "kube-apiserver")
"""Started first, at once: the API server waits for etcd by itself."""

REST = ("kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "dns")
"""Started when the API server is ready: some of them give up without it."""

DOCKERD = "dockerd"

NAMES = (*CONTROL_PLANE, *REST, DOCKERD, vm.NAME)

_ETCD = "http://127.0.0.1:2379"


def command(cluster: Cluster, name: str, *, audit: bool = False) -> list[str]:
    """Program and arguments of one component.

    Args:
        cluster: Whose.
        name: One of NAMES.
        audit: Whether the API server writes an audit log.
    """
    conf = cluster.conf
    if name == "containerd":
        return [str(cluster.home.bin / "containerd"), "--config", f"{conf}/containerd.toml"]
    if name == DOCKERD:
        return [str(cluster.home.bin / "dockerd"), "--config-file", f"{conf}/dockerd.json"]
    if name == vm.NAME:
        return vm.command(cluster)
    if name == "kubelet":
        flags = [
            f"--config={conf}/kubelet.json",
            f"--kubeconfig={conf}/kubelet.kubeconfig",
            f"--hostname-override={NODE}",
            f"--node-ip={cluster.node_ip}",
            f"--node-labels={SYSBOX_LABEL}",
        ]
    elif name == "kube-proxy":
        flags = [f"--config={conf}/proxy.json"]
    elif name == "dns":
        flags = [f"--kubeconfig={conf}/dns.kubeconfig", f"--listen={cluster.node_ip}:53"]
    elif name == "etcd":
        flags = _etcd(cluster)
    elif name == "kube-apiserver":
        flags = [*_apiserver(cluster), *(_audit(cluster) if audit else [])]
    elif name == "kube-controller-manager":
        flags = _controller_manager(cluster)
    else:
        flags = [*_client(cluster, "scheduler"), "--leader-elect=false", "--bind-address=127.0.0.1"]
    programs = kubernetes.programs(cluster.home, kubernetes.recorded(cluster))
    return [str(programs / "kubenode"), name, *flags]


def _etcd(cluster: Cluster) -> list[str]:
    return [
        f"--data-dir={cluster.state}/etcd",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--unsafe-no-fsync",  # what a machine's crash loses is a test's
        "--log-level=warn",
    ]


def _apiserver(cluster: Cluster) -> list[str]:
    pki = cluster.pki
    return [
        f"--etcd-servers={_ETCD}",
        "--bind-address=0.0.0.0",
        "--secure-port=6443",
        f"--advertise-address={cluster.node_ip}",
        f"--cert-dir={cluster.state}/apiserver",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-key-file={pki}/service-accounts.pub",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-cluster-ip-range={cluster.services}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
    ]


def _audit(cluster: Cluster) -> list[str]:
    return [
        f"--audit-policy-file={cluster.conf}/audit-policy.json",
        f"--audit-log-path={cluster.logs}/audit.log",
        "--audit-log-mode=blocking-strict",  # a line is there before the response is
    ]


def _controller_manager(cluster: Cluster) -> list[str]:
    pki = cluster.pki
    return [
        *_client(cluster, "controller-manager"),
        f"--root-ca-file={pki}/ca.crt",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
        f"--service-account-private-key-file={pki}/service-accounts.key",
        "--use-service-account-credentials=true",
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={cluster.pods}",
        f"--service-cluster-ip-range={cluster.services}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        # with the default of 20 a second the node keeps its not-ready taint for four more seconds
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]


def _client(cluster: Cluster, identity: str) -> list[str]:
    kubeconfig = f"{cluster.conf}/{identity}.kubeconfig"
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
    ]
