"""What a CI job does with Docker, in a pod with one label, and many such jobs at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e import ci_jobs
from tests.e2e.ci_jobs import CLASS, TOOLS, load_tools, run_at_once, template
from tests.e2e.environment import Environment
from tests.e2e.injecting import let_use_classes
from tests.e2e.installation import govern

FORMS = ["Remote", "Sidecar"]
COUNT = 10
"""Jobs at once; bench/many_jobs.py has 50."""

JOB = """
echo checked out > file
# An image of the client's own busybox: there is no registry to pull another from.
busybox=$(command -v busybox)
mkdir -p context/root/bin
for file in $busybox $(ldd $busybox | grep -o '/[^ )]*'); do
    mkdir -p context/root$(dirname $file) && cp -L $file context/root$file
done
for tool in sh cat httpd ls; do ln -s $busybox context/root/bin/$tool; done
printf 'FROM scratch\\nCOPY root /\\n' > context/Dockerfile
cat > compose.yaml <<'END'
services:
  web:
    image: busybox
    command: sh -c 'echo from compose > /page; exec httpd -f -p 80 -h /'
    ports: ["8080:80"]
END

docker build -q -t busybox context
docker run --rm -v $PWD:/src busybox sh -c 'echo run sees $(ls /src)'
docker compose up --detach
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    $busybox wget -q -O- http://$HOST:8080/page && break
    sleep 1
done
docker compose down
TESTCONTAINERS_RYUK_DISABLED=true testcontainers-probe
"""
"""Runs without a change in both forms, where HOST is the place of published ports."""

HOSTS = {"Remote": "$(echo ${DOCKER_HOST#tcp://} | cut -d: -f1)", "Sidecar": "localhost"}


@pytest.fixture(scope="module", autouse=True)
def _class(cluster: Environment) -> Iterator[None]:
    govern(cluster, *ci_jobs.governing())
    yield
    cluster.kubectl("delete", f"nesteddockerpolicy/{CLASS}", f"nesteddockerclass/{CLASS}")


@pytest.fixture(scope="module")
def tools(cluster: Environment) -> str:
    """The image of a team's jobs."""
    load_tools(cluster.cluster)
    return TOOLS


@pytest.mark.parametrize(
    ("form", "seen"), [("Remote", "run sees"), ("Sidecar", "run sees compose.yaml context file")], ids=FORMS
)
def test_a_job_builds_runs_composes_and_tests(enabled: Environment, tools: str, form: str, seen: str) -> None:
    """Only in form Sidecar a mount of the job's directory has the job's files."""
    pod = template(form, f"HOST={HOSTS[form]}\n{JOB}", tools)
    pod["metadata"]["name"] = "job"
    enabled.apply({"apiVersion": "v1", "kind": "Pod"} | pod)
    output = enabled.output("job", 180).splitlines()
    assert seen in output
    assert "from compose" in output
    assert output[-1].endswith(" reached")


@pytest.mark.parametrize("form", FORMS)
def test_many_jobs_at_once_all_complete(enabled: Environment, form: str) -> None:
    let_use_classes(enabled)
    assert len(run_at_once(enabled, form, COUNT, 600)) == COUNT
