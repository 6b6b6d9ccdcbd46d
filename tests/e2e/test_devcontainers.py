"""The CLI of dev containers, in Jobs of the recipes: it builds a repository's container, and runs commands there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hack.node_tool import devcontainers_cli
from tests.e2e import ci_jobs
from tests.e2e.ci_jobs import CLASS
from tests.e2e.environment import Environment, until
from tests.e2e.injecting import let_use_classes
from tests.e2e.installation import govern
from tests.support.ci_pods import recipe
from tests.support.cluster import TOOL, run

from nested_docker.domain import names

_DOCKERFILE = """
FROM docker:29-cli
COPY node /usr/local/bin/
COPY cli /opt/devcontainers
RUN ln -s /opt/devcontainers/devcontainer.js /usr/local/bin/devcontainer
"""
CLONE = r"""
mkdir -p /src/app/.devcontainer
cd /src/app
echo '{"build": {"dockerfile": "Dockerfile", "context": ".."}, "postCreateCommand": "echo created > /created"}' \
    > .devcontainer/devcontainer.json
printf 'FROM base\nCOPY ci.sh /built\n' > .devcontainer/Dockerfile
echo 'cat /created && test -f /built && echo in $(pwd) && echo written > result' > ci.sh
"""
"""Makes what a clone would bring."""
BASE = r"""
busybox=$(command -v busybox)
mkdir -p /base/root/bin /base/root/etc /base/root/tmp
for file in $busybox $(ldd $busybox | grep -o '/[^ )]*'); do
    mkdir -p /base/root$(dirname $file) && cp -L $file /base/root$file
done
for tool in $($busybox --list); do ln -sf $busybox /base/root/bin/$tool; done
echo 'root:x:0:0:root:/root:/bin/sh' > /base/root/etc/passwd
printf 'FROM scratch\nCOPY root /\n' > /base/Dockerfile
docker build -q -t base /base
"$@"
"""
"""Builds the image that the repository's Dockerfile starts from, since there is no registry to pull it from."""


@pytest.fixture(scope="module", autouse=True)
def _image_and_class(cluster: Environment) -> Iterator[None]:
    program = devcontainers_cli()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Dockerfile").write_text(_DOCKERFILE)
        shutil.copy(program.node, folder)
        shutil.copytree(program.package, Path(folder, "cli"))
        image = recipe("devcontainers/daemon-per-job.yaml")["spec"]["template"]["spec"]["containers"][0]["image"]
        run(str(TOOL), "image", "build", "--name", cluster.cluster, "--tag", image, folder, timeout=600)
    govern(cluster, *ci_jobs.governing())
    yield
    cluster.kubectl("delete", f"nesteddockerpolicy/{CLASS}", f"nesteddockerclass/{CLASS}")


def ended(env: Environment, path: str, then: str = "true") -> str:
    """Run the Job of a recipe to its end; what its container printed.

    Args:
        env: a namespace.
        path: of the recipe.
        then: what its container runs afterwards.

    Raises:
        AssertionError: it failed.
    """
    env.kubectl("create", "serviceaccount", "ci")
    let_use_classes(env, "ci")
    env.apply(_here(recipe(path), then))
    pods = "batch.kubernetes.io/job-name=devcontainer"
    until(
        lambda: any(pod["status"].get("phase") in {"Succeeded", "Failed"} for pod in env.list("pods", pods)),
        300,
        lambda: env.kubectl("describe", "pods"),
    )
    (pod,) = env.list("pods", pods)
    printed = env.kubectl("logs", pod["metadata"]["name"], "--container", "build")
    assert pod["status"]["phase"] == "Succeeded", printed
    return printed


def _here(job: dict[str, Any], then: str) -> dict[str, Any]:
    """The Job of a recipe with what is here: a class, images on the node, and files instead of a clone."""
    job["spec"]["backoffLimit"] = 0
    template = job["spec"]["template"]
    template["metadata"]["labels"][names.LABEL_INJECT] = CLASS
    (clone,), (build,) = template["spec"]["initContainers"], template["spec"]["containers"]
    del clone["args"]
    clone |= {"image": "docker:29-cli", "command": ["sh", "-ec", CLONE]}
    command = [*build["command"], *build.pop("args", [])]
    build |= {"imagePullPolicy": "IfNotPresent", "command": ["sh", "-ec", f"{BASE}\n{then}", "sh", *command]}
    return job


def test_the_image_of_a_dev_container_is_built(enabled: Environment) -> None:
    printed = ended(enabled, "devcontainers/daemon-per-job.yaml", then="docker run --rm app cat /built")
    assert '"outcome":"success"' in printed
    assert printed.splitlines()[-1].startswith("cat /created")


def test_commands_run_in_a_dev_container_with_the_workspace(enabled: Environment) -> None:
    """The container has the job's files at its own path, and what it writes there is the job's."""
    printed = ended(enabled, "devcontainers/workspace.yaml", then="cat /src/app/result").splitlines()
    assert printed[-3:] == ["created", "in /workspaces/app", "written"]
