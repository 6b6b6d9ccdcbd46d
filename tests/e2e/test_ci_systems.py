"""The pod that each CI system makes of its recipe builds an image with a daemon of its own, and leaves nothing.

Its programs are replaced: that of the container which gets the connection builds, and the others end at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tests.e2e import ci_jobs
from tests.e2e.ci_jobs import CLASS
from tests.e2e.environment import Environment, until
from tests.e2e.images import BUILD_AND_RUN
from tests.e2e.injecting import enable
from tests.e2e.installation import govern, namespace_of
from tests.support.ci_pods import SYSTEMS

from nested_docker.domain import names

PATIENCE = 400
"""Seconds for all of them: they start at once, and the node holds four daemons."""


def made_by(system: str) -> dict[str, Any]:
    """The pod of a system, which runs here: with images that are here, and without what only its cluster has."""
    make, clients = SYSTEMS[system]
    pod = make()
    pod["metadata"] |= {"name": system}
    pod["metadata"]["labels"] |= {names.LABEL_INJECT: CLASS}
    spec = pod["spec"] | {"restartPolicy": "Never"}
    spec.pop("serviceAccountName", None)
    for each in (*spec.get("initContainers", []), *spec["containers"]):
        script = BUILD_AND_RUN if each["name"] in clients else "true"
        each |= {"image": "docker:29-cli", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-ec", script]}
        each.pop("args", None)
        each["env"] = [variable for variable in each.get("env", []) if "valueFrom" not in variable]
    spec["volumes"] = [_here(volume) for volume in spec.get("volumes", [])]
    return pod | {"spec": spec}


def _here(volume: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": volume["name"], "emptyDir": {}}


@pytest.fixture(scope="module")
def jobs(cluster: Environment) -> Iterator[Environment]:
    """A namespace with the pod of each system, all made at once."""
    govern(cluster, *ci_jobs.governing())
    with namespace_of(cluster) as env:
        enable(env)
        env.apply(*map(made_by, SYSTEMS))
        yield env
    cluster.kubectl("delete", f"nesteddockerpolicy/{CLASS}", f"nesteddockerclass/{CLASS}")


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_pod_of_a_system_builds_and_runs_an_image(jobs: Environment, system: str) -> None:
    _, (client,) = SYSTEMS[system]
    until(
        lambda: jobs.phase(system) in {"Succeeded", "Failed"},
        PATIENCE,
        lambda: jobs.kubectl("describe", "pod", system),
    )
    logs = jobs.kubectl("logs", system, "--container", client)
    assert jobs.phase(system) == "Succeeded", logs
    assert logs.splitlines()[-1] == "built and run"


def test_nothing_is_left(jobs: Environment) -> None:
    until(lambda: jobs.list("nesteddockers") == [], 60, lambda: jobs.kubectl("get", "nesteddockers"))
