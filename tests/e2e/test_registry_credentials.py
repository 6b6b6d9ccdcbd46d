"""Clients that pull from and push to a registry with a password, by `spec.connection.registryCredentials`."""

from __future__ import annotations

import re
import textwrap

import pytest
from tests.e2e.environment import Environment
from tests.e2e.images import give_busybox
from tests.e2e.registry import credentials, registry
from tests.support.cluster import HOME

WRITE_CONFIG = "mkdir -p ~/.docker && printenv DOCKER_AUTH_CONFIG > ~/.docker/config.json"
"""What docs/clients.md has for clients that do not read the variable."""

REFUSED = "no basic auth credentials"
COMPOSE = """
    services:
      app:
        image: {host}/app:1
        build:
          context: /tmp
          dockerfile_inline: FROM {host}/base:1
"""


@pytest.fixture
def host(env: Environment) -> str:
    """A registry with a password, which has the image `base:1`, and the client of a daemon with its credentials."""
    address, _ = registry(env, password=True)
    credentials(env, "regcred", address)
    env.nested_docker(
        "build",
        mode="Dind",
        engine={"insecureRegistries": [address]},
        connection={"registryCredentials": {"name": "regcred"}},
    )
    env.ready("build")
    env.client("client", "build")
    env.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    give_busybox(env, "client")
    base = f"{address}/base:1"
    shell(env, f"docker tag busybox {base}; {WRITE_CONFIG}; docker push -q {base}; rm ~/.docker/config.json")
    forget(env, base)
    return address


def shell(env: Environment, script: str, stdin: str | None = None) -> str:
    return env.exec("client", "sh", "-ec", script, stdin=stdin)


def forget(env: Environment, *images: str) -> None:
    """Leave the daemon with no image, so that it must pull."""
    shell(
        env,
        f"docker rmi -f {' '.join(images)} busybox:latest busybox:1.37 >/dev/null; docker builder prune -af >/dev/null",
    )
    assert shell(env, "docker images -q") == ""


def give_plugin(env: Environment, name: str) -> None:
    """Install a plugin of the docker CLI in the client."""
    shell(env, "mkdir -p ~/.docker/cli-plugins")
    env.kubectl("cp", str(HOME / "bin" / name), f"client:/root/.docker/cli-plugins/{name}")


def test_the_docker_cli_takes_them_from_the_variable_or_its_file(env: Environment, host: str) -> None:
    version = re.findall(r"\d+", shell(env, "docker version --format '{{.Client.Version}}'"))
    reads_variable = (int(version[0]), int(version[1])) >= (28, 3)
    answer = shell(env, f"docker pull -q {host}/base:1 2>&1 || true")
    assert (REFUSED in answer) != reads_variable
    shell(env, f"{WRITE_CONFIG}; docker pull -q {host}/base:1; docker tag {host}/base:1 {host}/mine:1")
    shell(env, f"docker push -q {host}/mine:1")
    forget(env, f"{host}/base:1", f"{host}/mine:1")
    assert shell(env, f"docker run --quiet --rm {host}/mine:1 echo pulled").strip() == "pulled"


def test_a_client_without_them_is_refused(env: Environment, host: str) -> None:
    assert REFUSED in shell(env, f"unset DOCKER_AUTH_CONFIG; docker pull {host}/base:1 2>&1 || true")


def test_compose_takes_them_from_the_variable(env: Environment, host: str) -> None:
    give_plugin(env, "docker-compose")
    give_plugin(env, "docker-buildx")
    shell(env, "cat > /tmp/compose.yaml", stdin=textwrap.dedent(COMPOSE).format(host=host))
    compose = "docker compose -f /tmp/compose.yaml"
    shell(env, f"{compose} build -q && {compose} push -q")
    forget(env, f"{host}/app:1")
    shell(env, f"{compose} pull -q")
    assert shell(env, f"{compose} run --rm app echo from compose 2>/dev/null").strip() == "from compose"


def test_buildx_takes_them_from_the_variable(env: Environment, host: str) -> None:
    """For `FROM`, which BuildKit in the daemon pulls, and for what it pushes."""
    give_plugin(env, "docker-buildx")
    dockerfile = f"FROM {host}/base:1\nRUN echo built > /f\n"
    shell(env, f"docker buildx build --quiet --push --tag {host}/built:1 -", stdin=dockerfile)
    forget(env, f"{host}/built:1")
    script = f"{WRITE_CONFIG}; docker run --quiet --rm {host}/built:1 cat /f"
    assert shell(env, script).strip() == "built"


def test_a_workload_has_them_too(env: Environment, host: str) -> None:
    script = f"{WRITE_CONFIG}; docker run --quiet --rm {host}/base:1 echo pulled"
    container = {"name": "job", "image": "docker:29-cli", "command": ["sh", "-ec", script]}
    env.nested_docker(
        "job",
        mode="Dind",
        engine={"insecureRegistries": [host]},
        connection={"registryCredentials": {"name": "regcred"}},
        workload={"restartPolicy": "Never", "containers": [container]},
    )
    env.kubectl("wait", "--for=condition=Complete", "nd/job", "--timeout=90s")
    (pod,) = env.list("pods", "nesteddocker.dev/name=job")
    assert "pulled" in env.kubectl("logs", pod["metadata"]["name"], "-c", "job")
