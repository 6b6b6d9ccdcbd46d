"""The cluster under test and what a user does to it: kubectl, helm, the node's own docker."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml
from tests.support.cluster import HOME, KUBECTL, TOOL, CommandFailed, run

NAME = "e2e"
SYSTEM = "nested-docker-system"
RELEASE = "nested-docker"
API = {"apiVersion": "nesteddocker.dev/v1alpha1"}
RULES: dict[str, Any] = {
    "containers": {"publish": "Ephemeral"},
    "networks": {"bridge": True, "create": True},
    "images": {"use": ["busybox"], "tags": ["localhost/**"]},
    "build": {"allowed": True},
}
"""What the guard lets through in this ring."""


@dataclass(frozen=True)
class Environment:
    """A cluster, seen from one namespace."""

    kubeconfig: str
    namespace: str = "default"
    cluster: str = NAME

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 120) -> str:
        """Run kubectl in the namespace."""
        return run(str(KUBECTL), "-n", self.namespace, *arguments, stdin=stdin, timeout=timeout, env=self._env())

    def helm(self, *arguments: str) -> str:
        """Run helm in the operator's namespace."""
        return run(str(HOME / "bin/helm"), "-n", SYSTEM, *arguments, timeout=300, env=self._env())

    def node(self, *command: str, timeout: float = 60) -> str:
        """Run a program on the node."""
        return run(str(TOOL), "exec", "--name", self.cluster, "--", *command, timeout=timeout)

    def apply(self, *manifests: dict[str, Any]) -> None:
        """Apply manifests, as `kubectl apply -f -` does."""
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(manifests))

    def nested_docker(self, name: str, **spec: Any) -> None:
        """Apply a NestedDocker."""
        self.apply(
            {
                "apiVersion": "nesteddocker.dev/v1alpha1",
                "kind": "NestedDocker",
                "metadata": {"name": name},
                "spec": spec,
            }
        )

    def change(self, nested_docker: str, **spec: Any) -> None:
        """Change fields of a NestedDocker."""
        self.kubectl("patch", "nesteddocker", nested_docker, "--type=merge", "-p", json.dumps({"spec": spec}))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """An object; empty: there is none."""
        text = self.kubectl("get", kind, name, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text else {}

    def list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """Objects of a kind."""
        return json.loads(self.kubectl("get", kind, "-l", selector, "-o", "json"))["items"]

    def condition(self, name: str, type_: str = "Ready") -> dict[str, Any]:
        """A condition of a NestedDocker; empty: not set yet."""
        conditions = self.get("nesteddocker", name).get("status", {}).get("conditions", [])
        return next((each for each in conditions if each["type"] == type_), {})

    def ready(self, name: str, timeout: int = 90) -> dict[str, Any]:
        """Wait until a NestedDocker is ready; its status."""
        try:
            self.kubectl("wait", "--for=condition=Ready", f"nd/{name}", f"--timeout={timeout}s", timeout=timeout + 30)
        except CommandFailed as failure:
            raise CommandFailed(f"{failure}\n{self.kubectl('describe', 'nd,pods')}") from failure
        return self.get("nesteddocker", name)["status"]

    def settles(self, name: str, reason: str, timeout: float = 60) -> str:
        """Wait until a NestedDocker is not ready for that reason; the message, although the reason may pass at once."""
        seen: dict[str, Any] = {}

        def is_seen() -> bool:
            seen.clear()
            seen.update(self.condition(name))
            return seen.get("reason") == reason

        until(is_seen, timeout, lambda: f"{name} has {seen} instead of {reason}")
        return str(seen["message"])

    def client(self, name: str, nested_docker: str, script: str = "sleep 3600", **fields: Any) -> None:
        """A pod that mounts the two connection Secrets, and nothing else of ours."""
        container = {
            "name": "client",
            "image": "docker:29-cli",
            "imagePullPolicy": "IfNotPresent",
            "command": ["sh", "-ec", script],
            "envFrom": [{"secretRef": {"name": f"{nested_docker}-docker-env"}}],
            "volumeMounts": [{"name": "docker", "mountPath": "/certs/client", "readOnly": True}],
        }
        self.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name},
                "spec": {
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 0,
                    "containers": [container],
                    "volumes": [{"name": "docker", "secret": {"secretName": f"{nested_docker}-docker"}}],
                }
                | fields,
            }
        )

    def volume(self, name: str) -> None:
        """A PersistentVolume on the node, as a provisioner would make it, in a StorageClass named as the namespace."""
        self.apply(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": f"{self.namespace}-{name}"},
                "spec": {
                    "capacity": {"storage": "1Gi"},
                    "accessModes": ["ReadWriteOnce"],
                    "persistentVolumeReclaimPolicy": "Delete",
                    "storageClassName": self.namespace,
                    "hostPath": {
                        "path": f"/var/lib/docker-volumes/{self.namespace}-{name}",
                        "type": "DirectoryOrCreate",
                    },
                },
            }
        )

    def output(self, pod: str, timeout: float = 90) -> str:
        """Wait until a pod has run to its end with success; what it printed."""
        until(lambda: self.phase(pod) in {"Succeeded", "Failed"}, timeout, lambda: self.kubectl("describe", "pod", pod))
        logs = self.kubectl("logs", pod)
        assert self.phase(pod) == "Succeeded", logs
        return logs

    def phase(self, pod: str) -> str:
        """A pod's phase."""
        return self.get("pod", pod).get("status", {}).get("phase", "")

    def exec(self, pod: str, *command: str, container: str = "", stdin: str | None = None) -> str:
        """Run a program in a pod."""
        where = ["-c", container] if container else []
        flags = ["-i"] if stdin is not None else []
        return self.kubectl("exec", *flags, pod, *where, "--", *command, stdin=stdin)

    def daemon(self, nested_docker: str, *command: str) -> str:
        """Run a program in the daemon's container."""
        pod = self.get("nesteddocker", nested_docker)["status"]["podName"]
        return self.exec(pod, *command, container="daemon")

    def docker_info(self, nested_docker: str) -> dict[str, Any]:
        """What the running daemon says of itself."""
        return json.loads(self.daemon(nested_docker, "docker", "info", "-f", "{{json .}}"))

    def _env(self) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": self.kubeconfig}


def until(holds: Callable[[], bool], timeout: float, otherwise: Callable[[], str]) -> float:
    """Wait until something holds; the seconds that it took."""
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > timeout:
            raise AssertionError(f"not within {timeout} s: {otherwise()}")
        time.sleep(0.1)
    return time.monotonic() - started
