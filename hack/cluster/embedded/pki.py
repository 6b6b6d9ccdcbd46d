"""The cluster's certificate authority and the certificates of its components, by the openssl program."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedded.layout import DOMAIN, NODE, VM_NODE, Cluster
from embedded.shell import output

DAYS = 3650
KUBELET_CLIENTS = "nested-docker:kubelet-clients"
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(DAYS))


@dataclass(frozen=True)
class Identity:
    """Whom one certificate is for; with `names` it is a server's, else a client's.

    `organization` is what Kubernetes takes as the user's group, `common_name` as the user.
    """

    file: str
    common_name: str
    organization: str = ""
    names: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The subject as openssl takes it."""
        organization = f"/O={self.organization}" if self.organization else ""
        return f"{organization}/CN={self.common_name}"

    @property
    def extensions(self) -> list[str]:
        """X.509 extensions as openssl takes them."""
        usage = "serverAuth" if self.names else "clientAuth"
        lines = [
            "basicConstraints=critical,CA:FALSE",
            "keyUsage=critical,digitalSignature",
            f"extendedKeyUsage={usage}",
        ]
        return [*lines, f"subjectAltName={','.join(self.names)}"] if self.names else lines


def identities(cluster: Cluster) -> list[Identity]:
    """Every certificate that the cluster's components need."""
    node, vm_node = f"system:node:{NODE}", f"system:node:{VM_NODE}"
    service = "kubernetes.default.svc"
    api_names = ("localhost", "kubernetes", "kubernetes.default", service, f"{service}.{DOMAIN}")
    api_addresses = ("127.0.0.1", cluster.node_ip, cluster.api_service_ip)
    return [
        Identity(
            "apiserver",
            "kube-apiserver",
            names=(*(f"DNS:{name}" for name in api_names), *(f"IP:{address}" for address in api_addresses)),
        ),
        Identity("apiserver-kubelet-client", "kube-apiserver", KUBELET_CLIENTS),
        Identity("kubelet-server", node, "system:nodes", (f"DNS:{NODE}", f"IP:{cluster.node_ip}")),
        Identity("kubelet", node, "system:nodes"),
        Identity("kubelet-v2-server", vm_node, "system:nodes", (f"DNS:{VM_NODE}", f"IP:{cluster.vm_ip}")),
        Identity("kubelet-v2", vm_node, "system:nodes"),
        Identity("controller-manager", "system:kube-controller-manager"),
        Identity("scheduler", "system:kube-scheduler"),
        Identity("proxy", "system:kube-proxy"),
        Identity("dns", "nested-docker:dns", "system:masters"),
        Identity("admin", "admin", "system:masters"),
    ]


def ensure(cluster: Cluster) -> None:
    """Make all keys and certificates, unless those there are of the same names and addresses.

    Files: ca.crt, ca.key, service-accounts.key, service-accounts.pub, and a .crt and .key per identity.
    """
    wanted = [[identity.subject, *identity.extensions] for identity in identities(cluster)]
    description = json.dumps(wanted, indent=1)
    mark = cluster.pki / "made.json"  # written last, so a run cut short starts over
    if mark.exists() and mark.read_text() == description:
        return
    shutil.rmtree(cluster.pki, ignore_errors=True)
    cluster.pki.mkdir(parents=True, mode=0o700)
    ca = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,digitalSignature,keyCertSign,cRLSign"]
    _certificate(cluster.pki, "ca", f"/CN={cluster.context}", ca, signer=())
    signer = ("-CA", str(cluster.pki / "ca.crt"), "-CAkey", str(cluster.pki / "ca.key"))
    for identity in identities(cluster):
        _certificate(cluster.pki, identity.file, identity.subject, identity.extensions, signer)
    accounts = cluster.pki / "service-accounts.key"
    output(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", accounts])
    output(["openssl", "pkey", "-in", accounts, "-pubout", "-out", accounts.with_suffix(".pub")])
    accounts.chmod(0o600)
    mark.write_text(description)


def _certificate(folder: Path, file: str, subject: str, extensions: Sequence[str], signer: Sequence[str]) -> None:
    key, certificate = folder / f"{file}.key", folder / f"{file}.crt"
    added = [word for extension in extensions for word in ("-addext", extension)]
    # without a configuration file: the machine's own could add extensions
    request = ["openssl", "req", "-x509", "-config", "/dev/null", *_NEW_KEY, "-subj", subject]
    output([*request, *signer, *added, "-keyout", key, "-out", certificate])
    key.chmod(0o600)
