"""The commands of docs/quickstart.md, as they are there, in their order, after an install."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chart.conftest import Helm
from tests.chart.waiting import ready, until
from tests.support.cluster import HOME, KUBECTL, ROOT, Cluster, run

PAGE = (ROOT / "docs/quickstart.md").read_text(encoding="utf-8")
TEAM = "team-a"


def commands(title: str) -> list[str]:
    """The commands of a section."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return [line for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL) for line in block.splitlines()]


@pytest.fixture(scope="module")
def variables(
    cluster: Cluster, helm: Helm, system: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The environment of a person, in the namespace that the page creates; the operator is installed."""
    del system
    helm.install()
    home = tmp_path_factory.mktemp("home")
    (home / "kubeconfig").write_text(Path(cluster.kubeconfig).read_text())
    programs = [KUBECTL.parent, Path(sys.executable).parent, os.environ["PATH"], HOME / "roots/docker/usr/bin"]
    path = ":".join(map(str, programs))
    yield {"HOME": str(home), "KUBECONFIG": f"{home}/kubeconfig", "PATH": path, "XDG_RUNTIME_DIR": str(home)}
    cluster.kubectl("delete", "nesteddockers", "--all", "--all-namespaces", "--timeout=60s")
    cluster.kubectl("delete", "-f", str(ROOT / "examples/access.yaml"), "--ignore-not-found")
    cluster.kubectl("delete", "namespace", TEAM, "--ignore-not-found", "--timeout=90s")
    cluster.kubectl("delete", "nesteddockerclasses,nesteddockerpolicies", "--all", "--timeout=60s")


def test_an_admin_a_pod_and_a_person(cluster: Cluster, variables: dict[str, str], tmp_path: Path) -> None:
    install, *grants = commands("As the admin of a cluster")
    assert install.split()[:4] == ["helm", "install", "nested-docker", "oci://ghcr.io/OWNER/charts/nested-docker"]
    for command in grants:  # the chart of this commit is installed, which is published nowhere
        run("sh", "-ec", f"cd {ROOT}; {command}", env=variables)
    apply, logs = commands("In a pod")
    run("sh", "-ec", f"cd {ROOT}; {apply}", env=variables)
    until(lambda: ready(cluster, TEAM, "build").get("status"), "True", 120)
    phase = ("-n", TEAM, "get", "pod", "client", "-o=jsonpath={.status.containerStatuses[0].state}")
    until(lambda: "waiting" in cluster.kubectl(*phase), False, 60)
    assert "Dockerfile" in run("sh", "-ec", f"{logs} 2>&1", env=variables)

    run("kubectl", "config", "set-context", "--current", f"--namespace={TEAM}", env=variables)
    install, build = commands("In a cluster that has NestedDocker")
    assert install == "uv tool install nested-docker"  # of the version under test, which no registry has
    (tmp_path / "file").write_text("x")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY file /\n")
    run("sh", "-ec", f"cd {tmp_path}; {build}", env=variables)
    assert cluster.kubectl("-n", TEAM, "get", "nesteddockers", "-o", "name").split() == [
        "nesteddocker.nesteddocker.dev/build"
    ]
