"""Clients that need a word more than the two Secrets: compose, and buildx with its own builder."""

from __future__ import annotations

import textwrap

import pytest
from tests.e2e.environment import Environment
from tests.e2e.images import give_busybox
from tests.support.cluster import HOME, CommandFailed

COMPOSE = """
    services:
      web:
        image: busybox
        command: sh -c 'echo from compose > /f; exec httpd -f -p 80 -h /'
        ports: ["8080:80"]
        healthcheck:
          test: ["CMD", "wget", "-q", "-O-", "http://localhost/f"]
          interval: 200ms
          start_period: 5s
      job:
        image: busybox
        command: wget -q -O- http://web/f
        depends_on: {web: {condition: service_healthy}}
"""
CONTEXT = (
    "docker context create nd --docker "
    '"host=$DOCKER_HOST,ca=$DOCKER_CERT_PATH/ca.pem,cert=$DOCKER_CERT_PATH/cert.pem,key=$DOCKER_CERT_PATH/key.pem"'
)


@pytest.fixture
def client(env: Environment) -> str:
    """A client pod of a daemon that has busybox."""
    client_of(env, "Dind")
    return "client"


def client_of(env: Environment, mode: str) -> None:
    env.nested_docker("build", mode=mode)
    env.client("client", "build")
    env.ready("build")
    env.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    give_busybox(env, "client")


def shell(env: Environment, script: str, stdin: str | None = None) -> str:
    return env.exec("client", "sh", "-ec", script, stdin=stdin)


def give_plugin(env: Environment, name: str) -> None:
    """Install a plugin of the docker CLI in the client."""
    shell(env, "mkdir -p /root/.docker/cli-plugins")
    env.kubectl("cp", str(HOME / "bin" / name), f"client:/root/.docker/cli-plugins/{name}")


def test_compose_from_a_client_pod(env: Environment, client: str) -> None:
    give_plugin(env, "docker-compose")
    shell(env, "cat > /tmp/compose.yaml", stdin=textwrap.dedent(COMPOSE))
    shell(env, "docker compose -f /tmp/compose.yaml up --detach --wait web")
    assert shell(env, "docker compose -f /tmp/compose.yaml run --rm job 2>/dev/null").strip() == "from compose"
    host = shell(env, "echo ${DOCKER_HOST#tcp://}").strip().removesuffix(":2376")
    assert shell(env, f"busybox wget -T 5 -q -O- http://{host}:8080/f") == "from compose\n"
    shell(env, "docker compose -f /tmp/compose.yaml down --volumes")
    assert shell(env, "docker ps --all --quiet") == ""


def test_buildx_needs_a_context_for_its_own_builder(env: Environment, client: str) -> None:
    with pytest.raises(CommandFailed, match="TLS data loaded from environment"):
        shell(env, "docker buildx create --name from-environment")
    shell(env, CONTEXT)
    assert shell(env, "docker buildx create --name builder nd").strip() == "builder"
    assert "Driver:" in shell(env, "docker buildx inspect builder")


def test_buildx_builds_with_the_daemon_s_own_builder(env: Environment, client: str) -> None:
    script = "printf 'FROM busybox\\nRUN echo built > /f\\n' | docker buildx build --quiet --tag app -"
    shell(env, script)
    assert shell(env, "docker run --rm app cat /f") == "built\n"


def test_inner_containers_reach_the_docker_host_in_the_usual_ways(env: Environment, client: str) -> None:
    shell(env, "docker run -d -p 8080:80 busybox sh -c 'echo reached > /f; exec httpd -f -p 80 -h /'")
    run = "docker run --rm --interactive --add-host host.docker.internal:host-gateway busybox sh -e"
    gateway = "$(ip route | awk '/^default/ {print $3}')"
    for host in ("build", f"build.{env.namespace}.svc", "host.docker.internal", gateway):
        assert shell(env, run, stdin=f"wget -T 5 -q -O- http://{host}:8080/f\n") == "reached\n", host


@pytest.mark.parametrize("mode", ["Dind", "Sysbox"])
def test_an_inner_container_can_have_the_socket_of_the_daemon(env: Environment, mode: str) -> None:
    """The recipe for Gitea's runner gives it to jobs."""
    client_of(env, mode)
    run = "docker run --rm -v /var/run/docker.sock:/var/run/docker.sock"
    assert shell(env, f"{run} busybox test -S /var/run/docker.sock && echo there").strip() == "there"
