"""Where everything lies: the shared home, each cluster's folder, and the addresses that a slot gives."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from embedded.report import ClusterError

HOME_VARIABLE = "NESTED_DOCKER_CLUSTER_HOME"
NODE = "nested-docker-node"
VM_NODE = "nested-docker-v2"
DOMAIN = "cluster.local"
SLOTS = 32
_FIRST_NET = 220
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True)
class Home:
    """The folder that all clusters share: programs, images, and one folder per cluster."""

    path: Path

    @classmethod
    def from_environment(cls) -> "Home":
        """The home that the environment names, else the one in the user's cache."""
        named = os.environ.get(HOME_VARIABLE)
        return cls(Path(named).absolute() if named else Path.home() / ".cache/nested-docker/cluster")

    @property
    def bin(self) -> Path:
        """Programs built from Go modules; first on the node's PATH."""
        return self.path / "bin"

    @property
    def images(self) -> Path:
        """Image archives that `up` imports."""
        return self.path / "images"

    @property
    def built(self) -> Path:
        """Archives of images that `image build` made; imported on request only."""
        return self.images / "built"

    @property
    def on_request(self) -> Path:
        """Archives of images that only some tests want; imported on request only."""
        return self.images / "on-request"

    @property
    def roots(self) -> Path:
        """Root folders from which the Debian images are packed."""
        return self.path / "roots"

    @property
    def stamps(self) -> Path:
        """One file per build step: the hash of the inputs of its last success."""
        return self.path / "stamps"

    @property
    def logs(self) -> Path:
        """Output of the build steps."""
        return self.path / "logs"

    @property
    def toolchain(self) -> Path:
        """A Go of our own, for machines without one that is new enough."""
        return self.path / "toolchain"

    @property
    def vm(self) -> Path:
        """Kernel and disk of the node in a virtual machine; what a cluster writes to the disk is its own."""
        return self.path / "vm"

    def state(self, name: str) -> Path:
        """The folder of the cluster of that name.

        Raises:
            ClusterError: The name can't be a folder's and a kubeconfig context's.
        """
        if not _NAME.fullmatch(name):
            raise ClusterError(f"cluster name {name!r}: use up to 32 lower-case letters, digits and inner hyphens")
        return self.path / "clusters" / name

    def clusters(self) -> list[str]:
        """Names of all clusters that were ever up and whose folders still exist."""
        return sorted(path.name for path in (self.path / "clusters").glob("*") if path.is_dir())


@dataclass(frozen=True)
class Cluster:
    """One cluster's names, paths and addresses.

    The slot, 0 to SLOTS - 1, is what keeps clusters that run side by side apart: it numbers the IPv4
    /16 network, the machine's end of the veth pair and the cgroup.
    """

    home: Home
    name: str
    slot: int

    @property
    def state(self) -> Path:
        """This cluster's folder."""
        return self.home.state(self.name)

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.state / "pki"

    @property
    def conf(self) -> Path:
        """Configuration of the components."""
        return self.state / "conf"

    @property
    def vm_disk(self) -> Path:
        """What the node in the virtual machine has written to its disk."""
        return self.state / "vm-disk.qcow2"

    @property
    def logs(self) -> Path:
        """One log per component, node.log of the node's first process, and audit.log if asked for."""
        return self.state / "logs"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.state / "kubeconfig"

    @property
    def context(self) -> str:
        """Name of the kubeconfig's context, its cluster and the CNI network."""
        return f"nested-docker-{self.name}"

    @property
    def link(self) -> str:
        """The machine's end of the veth pair; at most 15 characters, hence by slot, not by name."""
        return f"ndc{self.slot}"

    @property
    def cgroup(self) -> str:
        """Cgroup, in every hierarchy, under which all pods and the node's Docker containers are."""
        return f"/ndc{self.slot}"

    @property
    def net(self) -> str:
        """The /16 of everything: machine, node, pods, Services, the node's Docker bridge."""
        return f"{self._prefix}.0.0/16"

    @property
    def machine_ip(self) -> str:
        """The machine as the node and its pods see it."""
        return f"{self._prefix}.0.1"

    @property
    def node_ip(self) -> str:
        """The node as the machine sees it; the name server answers there too."""
        return f"{self._prefix}.0.2"

    @property
    def pods(self) -> str:
        """Network of all pods."""
        return f"{self._prefix}.64.0/18"

    @property
    def node_pods(self) -> str:
        """The node's part of the pods' network."""
        return f"{self._prefix}.64.0/24"

    @property
    def vm_net(self) -> str:
        """Network between the node and the virtual machine's node."""
        return f"{self._prefix}.1.0/24"

    @property
    def vm_gateway(self) -> str:
        """The node as the virtual machine's node sees it."""
        return f"{self._prefix}.1.1"

    @property
    def vm_ip(self) -> str:
        """The virtual machine's node, as everybody sees it."""
        return f"{self._prefix}.1.2"

    @property
    def vm_pods(self) -> str:
        """The virtual machine's part of the pods' network."""
        return f"{self._prefix}.65.0/24"

    @property
    def services(self) -> str:
        """Network of all ClusterIPs."""
        return f"{self._prefix}.128.0/18"

    @property
    def api_service_ip(self) -> str:
        """ClusterIP of the Service `kubernetes`, always the network's first address."""
        return f"{self._prefix}.128.1"

    @property
    def docker_bridge(self) -> str:
        """Address of the bridge of the node's own dockerd."""
        return f"{self._prefix}.192.1/24"

    @property
    def api(self) -> str:
        """URL of the API server."""
        return f"https://{self.node_ip}:6443"

    @property
    def _prefix(self) -> str:
        return f"10.{_FIRST_NET + self.slot}"
