"""From an empty terminal to the first image that the cluster has built: `nested-docker run`, and buildx's own driver.

    .venv/bin/python bench/first_build.py [ROUNDS]

Real kubelet, dockerd and buildkitd; the operator runs in the cluster, as users install it. The two take turns. Docker's
CLI, buildx and all images are there before, so nothing is pulled. The commands are counted as a person types them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab import NAME, ROOT, spread
from tests.e2e.environment import Environment
from tests.e2e.installation import govern, install, namespace_of, started
from tests.guard.plugins import installed
from tests.support.cluster import HOME, TOOL, run
from tests.support.manifests import GENEROUS, nested_docker_class, policy

from nested_docker.api.v1alpha1.nested_docker_class import DEFAULT_CLASS_ANNOTATION

CLASS, BUILDKIT, BASE = "bench", "buildkitd:bench", "docker:29-cli"
SECONDS = 600.0
BIN = Path(sys.executable).parent

INSTALL = "uv tool install nested-docker"
WAYS = {
    "nested-docker": ("nested-docker run -- docker build .",),
    "buildx": (
        "docker buildx create --name builder --driver kubernetes --use",
        "docker buildx build .",
    ),
}
"""What a person types in a cluster that has the operator, and in any cluster."""

OPTIONS = {
    "docker buildx create": f"--driver-opt=image={BUILDKIT},namespace=$NAMESPACE",
    "nested-docker run": "--progress=quiet --namespace=$NAMESPACE",
}
"""What only the benchmark adds to a command: an image that nobody has to pull, and where the pods are."""

REMOVALS = {"nested-docker": (), "buildx": ("docker buildx rm builder",)}
"""What a person types besides, so that nothing is left in the cluster: `run` does so itself."""

_BUILDKIT_DOCKERFILE = f"""
FROM {BASE}
COPY buildkitd buildctl /usr/bin/
COPY runc /usr/bin/buildkit-runc
ENTRYPOINT ["buildkitd"]
"""


def load_buildkit(cluster: str) -> None:
    """Build buildkitd's image from its Go module, and load it."""
    from hack import go_tool  # only after `lab` has set the path

    with tempfile.TemporaryDirectory(dir=HOME) as folder:
        for name, program in (*go_tool.buildkit().items(), ("runc", HOME / "bin/runc")):
            Path(folder, name).write_bytes(program.read_bytes())
            Path(folder, name).chmod(0o755)
        Path(folder, "Dockerfile").write_text(_BUILDKIT_DOCKERFILE)
        run(str(TOOL), "image", "build", "--name", cluster, "--tag", BUILDKIT, folder, timeout=600)


@contextmanager
def project() -> Iterator[Path]:
    """A folder with a Dockerfile that needs no registry."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "hello").write_text("hello\n")
        Path(folder, "Dockerfile").write_text("FROM scratch\nCOPY hello /\n")
        yield Path(folder)


def typed(commands: Sequence[str], variables: Mapping[str, str], folder: Path) -> float:
    """Seconds that commands take, one after the other.

    Raises:
        SystemExit: one fails; what it printed is shown.
    """
    began = time.monotonic()
    for command in commands:
        more = next((each for start, each in OPTIONS.items() if command.startswith(start)), "")
        begin, dashes, end = command.partition(" -- ")
        script = f"{begin} {more}{dashes}{end}"
        done = subprocess.run(
            ["bash", "-ec", script],
            cwd=folder,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{script} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.monotonic() - began


def installation() -> float:
    """Seconds that uv takes to install this checkout as a tool, with the packages that it has in its cache."""
    with tempfile.TemporaryDirectory() as folder:
        run(str(BIN / "uv"), "build", "--quiet", "--wheel", "--out-dir", folder, str(ROOT))
        (wheel,) = Path(folder).glob("*.whl")
        variables = {"UV_TOOL_DIR": f"{folder}/tools", "UV_TOOL_BIN_DIR": f"{folder}/bin"}
        return typed([f"{BIN / 'uv'} tool install --quiet {wheel}"], variables, Path(folder))


def measure(cluster: Environment, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Times of each way, until the image is built and until nothing is left, in turn, each in an empty namespace."""
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, commands in WAYS.items():
            with namespace_of(cluster) as env, project() as folder, tempfile.TemporaryDirectory() as docker:
                variables = {
                    **installed(Path(docker), "buildx"),
                    "KUBECONFIG": cluster.kubeconfig,
                    "NAMESPACE": env.namespace,
                    "PATH": f"{BIN}:{HOME / 'bin'}:{os.environ['PATH']}",
                }
                built = typed(commands, variables, folder)
                found[way].append((built, built + typed(REMOVALS[way], variables, folder)))
    return found


def main(rounds: int) -> None:
    """Measure and print."""
    seconds = installation()
    cluster = started(NAME)
    try:
        load_buildkit(NAME)
        install(cluster)
        by_default = nested_docker_class(CLASS, modes=["Dind"])
        by_default["metadata"]["annotations"] = {DEFAULT_CLASS_ANNOTATION: "true"}
        govern(
            cluster,
            by_default,
            policy(
                CLASS,
                namespaceSelector={"matchLabels": {"ci": "true"}},
                allowedClasses=[CLASS],
                allowedModes=["Dind"],
                **GENEROUS,
            ),
        )
        found = measure(cluster, rounds)
    finally:
        run(str(TOOL), "down", "--name", NAME, timeout=120)
    print(f"{seconds:.2f} s: {INSTALL}")
    for way, times in found.items():
        built, removed = zip(*times, strict=True)
        print(f"built after {spread(built)}, nothing left after {spread(removed)}: {'; '.join(WAYS[way])}")
    for index, what in enumerate(("built", "nothing left")):
        pairs = zip(found["nested-docker"], found["buildx"], strict=True)
        print(f"{what}, ratio of pairs: {spread([ours[index] / theirs[index] for ours, theirs in pairs], '')}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 5)
