"""The real GitLab Runner, on the machine of the test, with the rights that its documentation asks for."""

from __future__ import annotations

import base64
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile

import yaml
from hack.go_tool import gitlab_runner
from tests.e2e.environment import Environment
from tests.e2e.injecting import let_use_classes
from tests.support.cluster import ROOT, TOOL, run
from tests.support.gitlab import GitLab

FOLDER = ROOT / "examples/ci/gitlab"
HELPER = "gitlab-runner-helper:test"
RULES = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "delete", "get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["pods/attach", "pods/exec"], "verbs": ["create", "delete", "get", "patch"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get", "list"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "delete", "get", "update"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list", "watch"]},
    {"apiGroups": [""], "resources": ["services"], "verbs": ["create", "get"]},
    {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get"]},
]
"""The role of its documentation, without features that are off."""
_DOCKERFILE = r"""
FROM python:3.13-slim-trixie
COPY gitlab-runner-helper /usr/bin/
RUN printf '#!/bin/sh\nexec bash\n' >/usr/bin/gitlab-runner-build && chmod +x /usr/bin/gitlab-runner-build
"""


def build_helper(cluster: str) -> None:
    """Build the image of the helper, which has bash and the runner's program, and load it."""
    program = gitlab_runner()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Dockerfile").write_text(_DOCKERFILE)
        Path(folder, "gitlab-runner-helper").touch(mode=0o755)
        copyfile(program, Path(folder, "gitlab-runner-helper"))
        run(str(TOOL), "image", "build", "--name", cluster, "--tag", HELPER, folder, timeout=600)


def configuration(recipe: str, url: str, namespace: str) -> str:
    """The config.toml that the runner's chart makes of a recipe, for images that are on the node."""
    config: str = yaml.safe_load((FOLDER / recipe).read_text())["runners"]["config"]
    runner = f'[[runners]]\n  name = "test"\n  url = "{url}"\n  token = "glrt-test"\n  executor = "kubernetes"\n'
    images = f'[runners.kubernetes]\n    helper_image = "{HELPER}"\n    pull_policy = "if-not-present"\n'
    changed = (
        config.replace("[[runners]]\n", runner)
        .replace("[runners.kubernetes]\n", images)
        .replace('namespace = "gitlab"', f'namespace = "{namespace}"')
    )
    return f"concurrent = 8\ncheck_interval = 1\nshutdown_timeout = 20\n{changed}"


@contextmanager
def running(env: Environment, gitlab: GitLab, recipe: str, folder: Path) -> Iterator[Path]:
    """A runner that takes the server's jobs, for as long as the block lasts; its log."""
    config, log = folder / "config.toml", folder / "runner.log"
    config.write_text(configuration(recipe, gitlab.url, env.namespace))
    (folder / "kubeconfig").write_text(_kubeconfig(env))
    environment = {**os.environ, "KUBECONFIG": str(folder / "kubeconfig"), "HOME": str(folder)}
    command = [str(gitlab_runner()), "run", "--config", str(config)]
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=output)
        try:
            yield log
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _kubeconfig(env: Environment) -> str:
    """Of a ServiceAccount that may do what the runner does, and use the classes of the namespace's policies."""
    env.kubectl("create", "serviceaccount", "gitlab-runner")
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "gitlab-runner"}}
    env.apply(role | {"rules": RULES})
    account = f"--serviceaccount={env.namespace}:gitlab-runner"
    env.kubectl("create", "rolebinding", "gitlab-runner", "--role=gitlab-runner", account)
    let_use_classes(env, "gitlab-runner")
    config = yaml.safe_load(Path(env.kubeconfig).read_text())
    token = env.kubectl("create", "token", "gitlab-runner").strip()
    for user in config["users"]:
        user["user"] = {"token": token}
    for cluster in config["clusters"]:
        authority = cluster["cluster"].pop("certificate-authority", None)
        if authority:
            data = Path(env.kubeconfig).parent.joinpath(authority).read_bytes()
            cluster["cluster"]["certificate-authority-data"] = base64.b64encode(data).decode()
    return yaml.safe_dump(config)
