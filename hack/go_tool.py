"""Programs and files from Go modules that a folder here pins; programs are built once for each version.

Usage: go_tool.py builds those that tests use, which also build them by themselves if they are missing.

Of these programs the package registries have the source only, or a package that fetches the program from elsewhere
while it is installed. They are built by the Go that the embedded cluster is built with.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "hack/cluster"))

from embedded import golang  # noqa: E402 - only after the path is set
from embedded.layout import Home  # noqa: E402
from embedded.report import Clock  # noqa: E402
from embedded.shell import logged  # noqa: E402
from embedded.stamps import Step, digest  # noqa: E402


def build(name: str, package: str, tags: Sequence[str] = (), module: str = "") -> Path:
    """The program `name` of a Go package that a module in `hack` pins, built if there is none of that version.

    Args:
        name: of the program.
        package: of its main function.
        tags: for the build.
        module: folder of the module; empty: it has the program's name.

    Raises:
        ClusterError: It cannot be built.
    """
    sources, folder = ROOT / "hack" / (module or name), ROOT / "build" / name
    program, clock = folder / name, Clock()

    def action() -> None:
        clock.say(f"building {name} ...")
        go = golang.toolchain(Home.from_environment(), clock)
        flags = ("-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-tags", ",".join(tags))
        # the toolchain was chosen above; `auto` would download another behind our back
        settings = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""}
        logged([go, "build", *flags, "-o", str(program), package], folder / "build.log", env=settings, cwd=sources)

    step = Step("stamp", lambda: digest([sources]), (program,), action)
    if step.due(folder):
        step.run(folder)
    return program


def monitoring_crds() -> list[Path]:
    """Files with the CustomResourceDefinitions of the Prometheus operator, in the cache of Go's modules.

    Raises:
        ClusterError: The module cannot be fetched.
    """
    sources, log = ROOT / "hack/monitoring-crds", ROOT / "build/monitoring-crds/download.log"
    go = golang.toolchain(Home.from_environment(), Clock())
    settings = {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    logged(
        [go, "mod", "download", "-json", "github.com/prometheus-operator/prometheus-operator"],
        log,
        env=settings,
        cwd=sources,
    )
    told = log.read_text().partition("\n")[2]  # the first line is the command
    return sorted(Path(json.loads(told)["Dir"], "example/prometheus-operator-crd").glob("*.yaml"))


def promtool() -> Path:
    """Prometheus' program that checks and tests rules, without service discovery: that is half of its build.

    Raises:
        ClusterError: It cannot be built.
    """
    return build("promtool", "github.com/prometheus/prometheus/cmd/promtool", tags=["remove_all_sd"])


def gitlab_runner() -> Path:
    """GitLab Runner with its Kubernetes executor, which also is the helper in the pod of a job.

    Raises:
        ClusterError: It cannot be built.
    """
    return build("gitlab_runner", ".")


def buildkit() -> dict[str, Path]:
    """BuildKit's daemon and its client, by their names.

    Raises:
        ClusterError: One cannot be built.
    """
    names = ("buildkitd", "buildctl")
    return {name: build(name, f"github.com/moby/buildkit/cmd/{name}", module="buildkit") for name in names}


def main() -> None:
    """Build what tests use."""
    for make in (promtool, gitlab_runner, monitoring_crds):
        make()


if __name__ == "__main__":
    main()
