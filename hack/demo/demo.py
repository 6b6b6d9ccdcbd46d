"""The demo: a cluster, the operator, and in each mode a build from a pod that mounts two Secrets."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from providers import IMAGE, ROOT, Cluster, provide
from rich.console import Console
from rich.table import Table

SYSTEM, NAMESPACE, RELEASE = "nested-docker-system", "demo", "nested-docker"
MODES = {"dind": ("standard", "Dind"), "sysbox": ("standard", "Sysbox"), "host": ("host-socket", "HostSocket")}
TIMEOUT_SECONDS = 120.0

BUILD = r"""
cd $(mktemp -d)
busybox=$(command -v busybox)
for file in $busybox $(ldd $busybox | grep -o '/[^ )]*'); do
    mkdir -p root$(dirname $file) && cp -L $file root$file
done
printf 'FROM scratch\nCOPY root /\nCMD ["%s", "echo", "WORDS"]\n' $busybox > Dockerfile
docker build -q -t localhost/demo-app . >/dev/null
docker run --rm localhost/demo-app
docker run -d --rm localhost/demo-app $busybox sleep 60 >/dev/null
"""

console = Console(stderr=True, highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Outcome:
    """The results in one mode.

    Attributes:
        mode: name of the mode.
        seconds: from the NestedDocker's creation until this script saw it Ready.
        engine: status.engine.
        built: output of the image that was built and run through the NestedDocker.
        inside: number of containers that `docker ps` shows through the NestedDocker.
        shared: how many of these `docker ps` on the node's daemon shows too.
    """

    mode: str
    seconds: float
    engine: dict[str, Any]
    built: str
    inside: int
    shared: int


class Demo:
    """Runs the steps of the demo."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._env = {**os.environ, "KUBECONFIG": cluster.kubeconfig}

    def run(self) -> list[Outcome]:
        """Install the operator, apply the examples, build in each mode; the results of each mode."""
        console.rule("the operator, installed with its chart")
        repository, tag = IMAGE.split(":")
        self._helm(
            *("upgrade", "--install", RELEASE, str(ROOT / "charts/nested-docker"), "--create-namespace"),
            f"--set=image.repository={repository},image.tag={tag},image.pullPolicy=IfNotPresent",
            *("--wait", "--timeout=180s"),
        )
        console.rule("the admin's part: classes and policies (examples/class.yaml, examples/policy.yaml)")
        for manifest in ("class", "policy"):
            self._kubectl("apply", "-f", str(ROOT / f"examples/{manifest}.yaml"))
        gid = json.dumps({"spec": {"hostSocket": {"gid": self._cluster.socket_gid}}})
        self._kubectl("patch", "nestedDockerClass", "host-socket", "--type=merge", "-p", gid)
        self._apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {"ci": "true"}}}
        )
        self._kubectl("delete", "nesteddockers,pods", "--all", "--ignore-not-found", "--wait", "--timeout=90s")
        self._await_webhook()
        console.rule("clients first (examples/client-pod.yaml): the kubelet starts them when their daemon is ready")
        modes = self._modes()
        for name in modes:
            self._apply(self._client(name))
        console.rule("the NestedDockers")
        return [self._show(name, *of) for name, of in modes.items()]

    def _modes(self) -> dict[str, tuple[str, str]]:
        """Those that the cluster can do: Sysbox cannot be installed inside kind's nodes."""
        if self._kubectl("get", "runtimeclass", "sysbox-runc", "--ignore-not-found").strip():
            return MODES
        console.print("  without Sysbox: there is no RuntimeClass sysbox-runc")
        return {name: of for name, of in MODES.items() if of[1] != "Sysbox"}

    def _await_webhook(self) -> None:
        """Wait until the webhook answers: a Service routes to its pods some time after they are ready."""
        probe = json.dumps(
            {"apiVersion": "nesteddocker.dev/v1alpha1", "kind": "NestedDocker", "metadata": {"name": "x"}, "spec": {}}
        )
        command = [self._cluster.kubectl, "-n", NAMESPACE, "create", "--dry-run=server", "-f", "-"]
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            tried = subprocess.run(command, input=probe, capture_output=True, text=True, env=self._env, check=False)
            if not tried.returncode:
                return
            if time.monotonic() > deadline:
                raise SystemExit(f"no NestedDocker can be created: {tried.stderr}")
            time.sleep(0.2)

    def _show(self, name: str, class_name: str, mode: str) -> Outcome:
        started = time.monotonic()
        self._apply(
            {
                "apiVersion": "nesteddocker.dev/v1alpha1",
                "kind": "NestedDocker",
                "metadata": {"name": name},
                "spec": {"className": class_name, "mode": mode},
            }
        )
        self._await_ready(name, mode, started)
        seconds = time.monotonic() - started
        self._kubectl("wait", "--for=condition=Ready", f"pod/{name}-client", "--timeout=60s")
        built = self._build(name)
        console.print(f"  {name}: {built}")
        inside = self._ps(("exec", f"{name}-client", "--", "docker"))
        node = set(
            subprocess.run(
                [*self._cluster.node_docker, "ps", "-q", "--no-trunc"], capture_output=True, text=True, check=True
            ).stdout.split()
        )
        engine = json.loads(self._kubectl("get", "nd", name, "-o", "json"))["status"]["engine"]
        return Outcome(mode, seconds, engine, built, len(inside), len(inside & node))

    def _await_ready(self, name: str, mode: str, started: float) -> None:
        reported = ""
        while time.monotonic() - started < TIMEOUT_SECONDS:
            status = json.loads(self._kubectl("get", "nd", name, "-o", "json")).get("status", {})
            conditions: list[dict[str, str]] = status.get("conditions", [])
            ready = next((each for each in conditions if each["type"] == "Ready"), {})
            if ready.get("reason", "") != reported:
                reported = ready.get("reason", "")
                console.print(f"  {name} ({mode}) {time.monotonic() - started:5.1f} s  {reported}: {ready['message']}")
            if ready.get("status") == "True":
                return
            time.sleep(0.1)
        raise SystemExit(self._kubectl("describe", "nd", name))

    def _build(self, name: str) -> str:
        """Build an image from the client's busybox, and run it, through the NestedDocker."""
        script = BUILD.replace("WORDS", f"built and run in {name}")
        return self._kubectl("exec", f"{name}-client", "--", "sh", "-ec", script).strip()

    def _ps(self, through: tuple[str, ...]) -> set[str]:
        return set(self._kubectl(*through, "ps", "-q", "--no-trunc").split())

    def _client(self, name: str) -> dict[str, Any]:
        """The example's client, for this NestedDocker; it waits for commands."""
        text = (ROOT / "examples/client-pod.yaml").read_text()
        pod: dict[str, Any] = next(doc for doc in yaml.safe_load_all(text) if doc["kind"] == "Pod")
        container, spec = pod["spec"]["containers"][0], pod["spec"]
        pod["metadata"] = {"name": f"{name}-client"}
        container["envFrom"] = [{"secretRef": {"name": f"{name}-docker-env"}}]
        container["command"] = ["sleep", "3600"]
        container.pop("args", None)
        for volume in spec["volumes"]:
            volume["secret"]["secretName"] = f"{name}-docker"
        spec["terminationGracePeriodSeconds"] = 0
        return pod

    def _apply(self, manifest: dict[str, Any]) -> None:
        self._kubectl("apply", "-f", "-", stdin=yaml.safe_dump(manifest))

    def _kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self._call([self._cluster.kubectl, "-n", NAMESPACE, *arguments], stdin)

    def _helm(self, *arguments: str) -> str:
        return self._call([self._cluster.helm, "-n", SYSTEM, *arguments], None)

    def _call(self, command: list[str], stdin: str | None) -> str:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, env=self._env, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout


def table(outcomes: list[Outcome]) -> Table:
    """The results as a table."""
    made = Table(title="The same interface in every mode")
    for column in ("mode", "ready after", "daemon", "driver", "built and ran", "docker ps inside", "the node's daemon"):
        made.add_column(column)
    for outcome in outcomes:
        made.add_row(
            outcome.mode,
            f"{outcome.seconds:.1f} s",
            outcome.engine["version"],
            outcome.engine["storageDriver"],
            outcome.built,
            f"{outcome.inside} running",
            "shows them too" if outcome.shared == outcome.inside else "shows none of them",
        )
    return made


def main() -> None:
    """Run the demo and print its table."""
    cluster = provide()
    console.rule(f"cluster: {cluster.title}")
    outcomes = Demo(cluster).run()
    Console(width=max(120, console.width)).print(table(outcomes))
    if cluster.title == "embedded":
        print("Sysbox ran on a stand-in without isolation, which tests the wiring only. See docs/modes.md.")
    kubectl = Path(cluster.kubectl).name if cluster.kubectl == "kubectl" else cluster.kubectl
    print(f"Look around:  export KUBECONFIG={cluster.kubeconfig}; {kubectl} -n {NAMESPACE} get nested-docker")
    print("Remove it:    make down")


if __name__ == "__main__":
    main()
