"""Jobs of the real GitLab Runner, configured by the recipes: each has its own daemon, which ends with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests.e2e.environment import Environment, until
from tests.e2e.gitlab_runner import build_helper, running
from tests.e2e.images import BUILD_AND_RUN
from tests.e2e.injecting import granting, injected_secrets
from tests.e2e.installation import govern
from tests.support.gitlab import GitLab, Job
from tests.support.manifests import nested_docker_class

pytestmark = pytest.mark.timeout(900)
"""The runner may have to be built first."""
EXEC = {"FF_USE_LEGACY_KUBERNETES_EXECUTION_STRATEGY": "true"}
"""The runner runs scripts by exec; its default is to attach."""
JOB_PODS = "job.runner.gitlab.com/pod"
ONLY_BUILD = BUILD_AND_RUN.replace("docker run --rm app", "true")

Runner = Callable[[str], AbstractContextManager[Path]]


@pytest.fixture(scope="module", autouse=True)
def _helper(cluster: Environment) -> Iterator[None]:
    """The helper's image, and the class of the recipe with form Sidecar."""
    build_helper(cluster.cluster)
    govern(
        cluster,
        nested_docker_class("workspace", modes=["Dind"], injection={"forms": ["Sidecar"]}),
        granting("workspace"),
    )
    yield
    cluster.kubectl("delete", "nesteddockerpolicy/workspace", "nesteddockerclass/workspace")


@pytest.fixture
def gitlab() -> Iterator[GitLab]:
    """A server without jobs."""
    with GitLab.serve() as server:
        yield server


@pytest.fixture
def runner(enabled: Environment, gitlab: GitLab, tmp_path: Path) -> Runner:
    """Starts a runner with a recipe."""
    return lambda recipe: running(enabled, gitlab, recipe, tmp_path)


def ended(env: Environment, job: Job, log: Path, seconds: float = 180) -> Job:
    def report() -> str:
        return f"{job.output}\n{log.read_text()}\n{env.kubectl('describe', 'pods')}"

    until(lambda: job.has_ended, seconds, report)
    return job


def succeeded(env: Environment, job: Job, log: Path) -> str:
    """What a job printed."""
    assert ended(env, job, log).state == "success", f"{job.output}\n{log.read_text()}"
    return job.output


def nothing_is_left(env: Environment) -> None:
    def left_over() -> list[str]:
        return [each["metadata"]["name"] for kind in ("pods", "nesteddockers") for each in env.list(kind)]

    until(lambda: not left_over(), 60, lambda: str(left_over()))
    until(lambda: injected_secrets(env) == [], 60, lambda: str(injected_secrets(env)))


def lines(output: str) -> list[str]:
    """The lines of a trace, without the runner's times and colours."""
    return [line.rpartition("\x1b[0;m")[2].partition("O ")[2] for line in output.splitlines()]


@pytest.mark.parametrize("variables", [{}, EXEC], ids=["attach", "exec"])
def test_a_job_builds_and_runs_with_its_own_daemon_and_leaves_nothing(
    enabled: Environment, gitlab: GitLab, runner: Runner, variables: dict[str, str]
) -> None:
    with runner("daemon-per-job.yaml") as log:
        output = succeeded(enabled, gitlab.add(BUILD_AND_RUN, **variables), log)
    assert "built and run" in output
    assert "Using attach strategy" in output or variables
    nothing_is_left(enabled)


def test_a_daemon_in_the_pod_has_the_project(enabled: Environment, gitlab: GitLab, runner: Runner) -> None:
    script = [
        ONLY_BUILD,
        "mkdir -p $CI_PROJECT_DIR; cd $CI_PROJECT_DIR; echo of the project > file",
        "docker run --rm -v $PWD:/src app busybox sh -c 'busybox cat /src/file; echo from inside > /src/result'",
        "cat result",
    ]
    with runner("workspace.yaml") as log:
        output = succeeded(enabled, gitlab.add(*script), log)
    assert "of the project\n" in output, output
    assert "from inside\n" in output
    nothing_is_left(enabled)


def test_several_jobs_at_once_have_a_daemon_each(enabled: Environment, gitlab: GitLab, runner: Runner) -> None:
    with runner("daemon-per-job.yaml") as log:
        jobs = [gitlab.add("docker info -f 'daemon {{.Name}}'; sleep 5") for _ in range(4)]
        outputs = [succeeded(enabled, job, log) for job in jobs]
    daemons = {line for output in outputs for line in lines(output) if line.startswith("daemon ")}
    assert len(daemons) == len(jobs), outputs
    nothing_is_left(enabled)


def test_the_daemon_of_a_cancelled_job_goes(enabled: Environment, gitlab: GitLab, runner: Runner) -> None:
    with runner("daemon-per-job.yaml") as log:
        job = gitlab.add("docker info >/dev/null", "echo it $((1 + 1)) runs", "sleep 3600")
        until(lambda: "it 2 runs" in job.output, 180, lambda: job.output + log.read_text())
        assert len(enabled.list("nesteddockers")) == 1
        job.cancel()
        assert ended(enabled, job, log, 60).state == "canceled"
        nothing_is_left(enabled)


def test_a_job_that_is_tried_again_has_a_new_daemon(enabled: Environment, gitlab: GitLab, runner: Runner) -> None:
    script = [f"docker image inspect app >/dev/null 2>&1 && exit 7\n{ONLY_BUILD}\nexit 3"]
    with runner("daemon-per-job.yaml") as log:
        for _attempt in range(2):
            job = ended(enabled, gitlab.add(*script), log)
            assert (job.state, job.failure) == ("failed", "script_failure"), job.output
            assert "exit code 3" in job.output
    nothing_is_left(enabled)


def test_a_job_chooses_its_class_and_reads_why_it_may_not(enabled: Environment, gitlab: GitLab, runner: Runner) -> None:
    with runner("daemon-per-job.yaml") as log:
        chosen = gitlab.add("docker info", KUBERNETES_POD_LABELS_1="nesteddocker.dev/inject=no-such-class")
        job = ended(enabled, chosen, log)
    assert (job.state, job.failure) == ("failed", "runner_system_failure"), job.output
    assert "no-such-class" in job.output
    nothing_is_left(enabled)


def test_the_pod_is_what_the_recipes_are_checked_with(enabled: Environment, gitlab: GitLab, runner: Runner) -> None:
    with runner("daemon-per-job.yaml") as log:
        job = gitlab.add("echo it $((1 + 1)) runs", "sleep 3600")
        until(lambda: "it 2 runs" in job.output, 180, lambda: job.output + log.read_text())
        (pod,) = enabled.list("pods", JOB_PODS)
        job.cancel()
        ended(enabled, job, log, 60)
    spec = pod["spec"]
    mounts = {"scripts", "logs", "repo"}
    assert [each["name"] for each in spec["containers"]] == ["build", "helper"]
    assert [each["name"] for each in spec["initContainers"]] == ["init-permissions"]
    for container in [*spec["containers"], *spec["initContainers"]]:
        assert mounts <= {each["name"] for each in container["volumeMounts"]}
        assert container["securityContext"] == {"capabilities": {"drop": ["NET_RAW"]}}
    assert {each["name"] for each in spec["volumes"] if "emptyDir" in each} == mounts
    connected = [each["name"] for each in spec["containers"] if "/certs/client" in str(each["volumeMounts"])]
    assert connected == ["build"]
