"""A CI pod with one label: it builds with its own daemon, and nothing is left when it has ended."""

from __future__ import annotations

from typing import Any

import pytest
from tests.e2e.environment import Environment, until
from tests.e2e.images import BUILD_AND_RUN
from tests.e2e.injecting import injected_secrets, let_use_classes, refused
from tests.support.cluster import CommandFailed

LABEL = {"nesteddocker.dev/inject": "standard"}
ID = "nesteddocker.dev/injection-id"


def client(name: str, script: str, **metadata: Any) -> dict[str, Any]:
    """A pod with the label."""
    container = {
        "name": "build",
        "image": "docker:29-cli",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-ec", script],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": LABEL} | metadata,
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container]},
    }


def test_a_pod_with_one_label_has_a_daemon_and_leaves_nothing(enabled: Environment) -> None:
    enabled.apply(client("job", BUILD_AND_RUN))
    assert "built and run" in enabled.output("job", 180)
    until(lambda: not enabled.list("nesteddockers"), 60, lambda: str(enabled.list("nesteddockers")))
    until(lambda: len(enabled.list("pods")) == 1, 60, lambda: str(enabled.list("pods")))
    until(lambda: injected_secrets(enabled) == [], 60, lambda: str(injected_secrets(enabled)))


def test_more_jobs_than_the_node_holds_all_end(enabled: Environment) -> None:
    cpu = enabled.list("nodes")[0]["status"]["allocatable"]["cpu"]
    millicores = int(cpu.removesuffix("m")) * (1 if cpu.endswith("m") else 1000)
    for number in range(3):
        job = client(f"job-{number}", "docker info >/dev/null")
        job["spec"]["containers"][0]["resources"] = {"requests": {"cpu": f"{millicores * 6 // 10}m"}}
        enabled.apply(job)
    for number in range(3):
        enabled.output(f"job-{number}", 180)
    until(lambda: not enabled.list("nesteddockers"), 60, lambda: str(enabled.list("nesteddockers")))


def test_the_pods_of_a_job_are_judged_by_their_account(enabled: Environment) -> None:
    pod = client("", "docker info >/dev/null")
    template = {"metadata": {"labels": LABEL}, "spec": pod["spec"]}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "tests"},
        "spec": {"completions": 2, "parallelism": 2, "backoffLimit": 0, "template": template},
    }
    enabled.apply(job)
    until(
        lambda: "default may not use" in enabled.kubectl("get", "events"), 60, lambda: enabled.kubectl("get", "events")
    )
    let_use_classes(enabled)
    enabled.kubectl("wait", "--for=condition=complete", "job/tests", "--timeout=180s", timeout=200)
    until(lambda: not enabled.list("nesteddockers"), 60, lambda: str(enabled.list("nesteddockers")))


def test_a_namespace_must_be_enabled(env: Environment) -> None:
    message = refused(env, client("job", "true"))
    assert f"pods of namespace {env.namespace} get no daemon" in message
    assert "nesteddocker.dev/injection=enabled" in message


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("label", "pod", "job", "--overwrite", f"{ID}=00000000000000000000"), ID),
        (("label", "pod", "job", f"{ID}-"), ID),
        (("label", "pod", "job", "--overwrite", "nesteddocker.dev/inject=host"), "nesteddocker.dev/inject"),
        (
            ("annotate", "pod", "job", "--overwrite", "nesteddocker.dev/injection-signature=x"),
            "nesteddocker.dev/injection-signature",
        ),
    ],
    ids=["another id", "no id", "another class", "another signature"],
)
def test_nobody_changes_the_marks_of_a_pod(enabled: Environment, command: tuple[str, ...], key: str) -> None:
    enabled.apply(client("job", "sleep 3600"))
    with pytest.raises(CommandFailed) as failure:
        enabled.kubectl(*command)
    assert key in str(failure.value)
    assert "reserved" in str(failure.value)


def test_an_id_without_the_label_is_denied(enabled: Environment) -> None:
    other = client("job", "true")
    other["metadata"]["labels"] = {ID: "0" * 20}
    assert "reserved" in refused(enabled, other)
