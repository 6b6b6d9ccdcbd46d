"""The few requests to the API server that starting a cluster takes."""

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

from embedded.config import SYSBOX_HANDLER, SYSBOX_LABEL
from embedded.layout import Cluster
from embedded.pki import KUBELET_CLIENTS
from embedded.report import ClusterError

Json = dict[str, Any]


class Api:
    """A client with the administrator's certificate."""

    def __init__(self, cluster: Cluster) -> None:
        self.url = cluster.api
        context = ssl.create_default_context(cafile=str(cluster.pki / "ca.crt"))
        context.load_cert_chain(cluster.pki / "admin.crt", cluster.pki / "admin.key")
        # no proxy: the address is this machine's own
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def get(self, path: str) -> Json | None:
        """What is at a path; None if the server doesn't answer (yet) or has nothing there."""
        try:
            with self.opener.open(self.url + path, timeout=5) as response:
                return dict(json.load(response))
        except OSError:
            return None

    def ready(self) -> bool:
        """Whether the server says that it is ready."""
        try:
            with self.opener.open(self.url + "/readyz", timeout=5):
                return True
        except OSError:
            return False

    def apply(self, path: str, manifest: Json) -> None:
        """Make the object at a path what the manifest says, new or not.

        Raises:
            ClusterError: The server refused.
        """
        request = urllib.request.Request(  # noqa: S310 - the URL is this cluster's
            f"{self.url}{path}?fieldManager=nested-docker-cluster&force=true",
            data=json.dumps(manifest).encode(),
            headers={"Content-Type": "application/apply-patch+yaml"},
            method="PATCH",
        )
        try:
            with self.opener.open(request, timeout=10):
                return
        except urllib.error.HTTPError as error:
            raise ClusterError(f"PATCH {path}: {error.code} {error.read().decode(errors='replace')}") from error


def schedulable(nodes: Json | None) -> bool:
    """Whether a list of nodes has one that takes pods: ready, without taints."""
    for node in (nodes or {}).get("items", []):
        conditions = {condition["type"]: condition["status"] for condition in node["status"].get("conditions", [])}
        if conditions.get("Ready") == "True" and not node["spec"].get("taints"):
            return True
    return False


def objects() -> dict[str, Json]:
    """What every cluster has beyond Kubernetes' own, by path."""
    key, value = SYSBOX_LABEL.split("=")
    rbac = "rbac.authorization.k8s.io"
    return {
        f"/apis/{rbac}/v1/clusterrolebindings/{KUBELET_CLIENTS}": {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": KUBELET_CLIENTS},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "system:kubelet-api-admin"},
            "subjects": [{"apiGroup": rbac, "kind": "Group", "name": KUBELET_CLIENTS}],
        },
        f"/apis/node.k8s.io/v1/runtimeclasses/{SYSBOX_HANDLER}": {
            "apiVersion": "node.k8s.io/v1",
            "kind": "RuntimeClass",
            "metadata": {
                "name": SYSBOX_HANDLER,
                "annotations": {
                    "kubernetes.io/description": "A stand-in, not Sysbox: it proves wiring only. "
                    "Containers run privileged in the node's user namespace, with no isolation at all."
                },
            },
            "handler": SYSBOX_HANDLER,
            "scheduling": {"nodeSelector": {key: value}},
        },
    }
