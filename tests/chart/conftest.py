"""What the chart's tests share: helm, a cluster of their own, and questions about rights."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.cluster import HOME, KUBECTL, OWNER, ROOT, TOOL, VARIABLE, Cluster, refuse_strangers, run
from tests.support.manifests import nested_docker

CHART = ROOT / "charts/nested-docker"
NAME = "chart"
SYSTEM = "nested-docker-system"
RELEASE = "nested-docker"
OPERATOR = "nested-docker-operator"
RENDER = "webhook.certificate.renderWithoutCluster=true"
"""Lets helm create a certificate where it cannot read a cluster."""

MONITORING = tuple(f"monitoring.coreos.com/v1/{kind}" for kind in ("ServiceMonitor", "PodMonitor", "PrometheusRule"))
"""Kinds of the Prometheus operator, for renderings without a cluster."""

IMAGE, TAG = OPERATOR, "dev"
CI, OTHER = "chart-ci", "chart-other"
"""Namespaces of users."""

Manifest = dict[str, Any]


def is_hook(manifest: Manifest) -> bool:
    """Whether helm creates it beside the release, at an uninstall or a test."""
    return "helm.sh/hook" in manifest["metadata"].get("annotations", {})


def wait_while(trouble: Callable[[], str], seconds: float) -> None:
    """Wait until there is no trouble any more."""
    deadline = time.monotonic() + seconds
    while found := trouble():
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


@dataclass(frozen=True)
class Helm:
    """helm, without or with a cluster."""

    kubeconfig: str = os.devnull

    def __call__(self, *arguments: str, timeout: float = 300) -> str:
        """Run helm; its standard output."""
        return run(str(HOME / "bin/helm"), *arguments, timeout=timeout, env=self._environment)

    def render(
        self,
        *sets: str,
        files: Sequence[str] = (),
        presets: Sequence[Path] = (),
        release: str = RELEASE,
        chart: Path = CHART,
        kinds: Sequence[str] = MONITORING,
        hooks: bool = False,
    ) -> list[Manifest]:
        """The chart's objects with these values (`key=value`), those in files (`key=path`) and presets.

        Hooks and tests are no objects of a release: `hooks` renders these alone. `kinds` are what the cluster has
        besides Kubernetes' own.
        """
        values = [*(f"--set={value}" for value in (RENDER, *sets)), *(f"--set-file={value}" for value in files)]
        values += [f"--values={path}" for path in presets]
        cluster = ["--kube-version=1.34.0", *(f"--api-versions={kind}" for kind in kinds)]
        text = self("template", release, str(chart), "--namespace", SYSTEM, *cluster, *values)
        manifests = [manifest for manifest in yaml.safe_load_all(text) if manifest]
        return [each for each in manifests if is_hook(each) == hooks]

    def install(self, *sets: str, chart: Path = CHART, wait: bool = True) -> None:
        """Install or upgrade the release with these values, and the image under test."""
        values = [f"--set={value}" for value in (f"image.repository={IMAGE}", f"image.tag={TAG}", *sets)]
        waiting = ["--wait", "--timeout=180s"] if wait else []
        self("upgrade", "--install", RELEASE, str(chart), "--namespace", SYSTEM, *values, *waiting)
        if wait:
            self.wait_for_the_webhook()
            self.wait_for_the_replaced()

    def wait_for_the_webhook(self) -> None:
        """Return when NestedDockers are judged: a Service reaches its pods some time after they are ready."""
        probe = yaml.safe_dump(nested_docker(CI, "probe"))
        command = [str(KUBECTL), "create", "--dry-run=server", "-f", "-"]

        def failure() -> str:
            tried = subprocess.run(
                command, input=probe, capture_output=True, text=True, env=self._environment, check=False
            )
            return tried.stderr if "failed calling webhook" in tried.stderr else ""

        wait_while(failure, 30)

    def wait_for_the_replaced(self) -> None:
        """Return when replaced replicas are gone: a connection that one closes while it is used costs a request."""
        pods = ("-n", SYSTEM, "get", "pods", "-l", "app.kubernetes.io/name=nested-docker", "-o", "json")

        def leaving() -> str:
            found = json.loads(run(str(KUBECTL), *pods, env=self._environment))["items"]
            return ", ".join(pod["metadata"]["name"] for pod in found if "deletionTimestamp" in pod["metadata"])

        wait_while(leaving, 60)

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": self.kubeconfig}

    def uninstall(self, *, check: bool = False) -> str:
        """Remove the release, if it is there, and wait until its objects are gone; with `check` only if no daemon runs.

        Returns:
            What helm says.
        """
        hooks = [] if check else ["--no-hooks"]
        return self(
            "uninstall", RELEASE, "--namespace", SYSTEM, "--ignore-not-found", "--wait", "--timeout=120s", *hooks
        )


@pytest.fixture(scope="session")
def offline() -> Helm:
    """helm for what needs no cluster."""
    return Helm()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster of this ring's own, as it installs and removes CRDs, with the operator's image in it."""
    named = os.environ.get(VARIABLE)
    program = str(KUBECTL)
    if named:
        refuse_strangers(named)
        yield Cluster(named, program)
        return
    archive = run(str(ROOT / "hack/image.sh"), f"{IMAGE}:{TAG}", timeout=1800).strip()
    was_up = subprocess.run([TOOL, "status", "--name", NAME], capture_output=True, check=False).returncode == 0
    kubeconfig = run(str(TOOL), "up", "--name", NAME, "--owner", OWNER, timeout=1800).strip()
    try:
        run(str(TOOL), "load", "--name", NAME, archive, timeout=900)
        yield Cluster(kubeconfig, program)
    finally:
        if not was_up:
            run(str(TOOL), "down", "--name", NAME, timeout=120)


@pytest.fixture(scope="session")
def helm(cluster: Cluster) -> Helm:
    """helm for the cluster."""
    return Helm(cluster.kubeconfig)


@pytest.fixture(scope="module")
def system(cluster: Cluster, helm: Helm) -> Iterator[str]:
    """The operator's namespace, in which nothing but restricted pods may run; gone with its release afterwards."""
    enforce = {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
    }
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM, "labels": enforce}})
    yield SYSTEM
    helm.uninstall()
    cluster.kubectl("delete", "crd", "--selector=app.kubernetes.io/name=nested-docker", "--timeout=60s")
    cluster.kubectl("delete", "namespace", SYSTEM, "--timeout=60s")


@dataclass(frozen=True)
class Right:
    """Something that one may or may not do.

    Attributes:
        verb: get, list, …
        resource: `resource[/subresource][.group]`.
        namespace: where; empty: in all, or cluster-scoped.
        name: on which object; empty: on all.
    """

    verb: str
    resource: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.verb, self.resource, self.name, self.namespace and f"in {self.namespace}")))

    def review(self, user: str) -> Manifest:
        """The question whether the ServiceAccount `namespace:name` has it."""
        resource, _, group = self.resource.partition(".")
        resource, _, subresource = resource.partition("/")
        asked = {"verb": self.verb, "resource": resource, "subresource": subresource, "group": group}
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": f"system:serviceaccount:{user}",
                "groups": ["system:serviceaccounts", "system:authenticated"],
                "resourceAttributes": asked | {"namespace": self.namespace, "name": self.name},
            },
        }


def granted(cluster: Cluster, user: str, rights: Sequence[Right]) -> set[Right]:
    """Those of the rights that the ServiceAccount `namespace:name` has."""
    questions = yaml.safe_dump_all(right.review(user) for right in rights)
    answers = yaml.safe_load_all(cluster.kubectl("create", "-f", "-", "-o", "yaml", stdin=questions))
    reviews = [review for answer in answers for review in answer.get("items", [answer])]
    return {right for right, review in zip(rights, reviews, strict=True) if review["status"]["allowed"]}
