"""The start script of mode Rootless, run by a real shell in a folder that plays the container."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nested_docker.domain.modes.rootless import ROOTLESS_SCRIPT

ROOTLESSKIT = """#!/bin/sh
for word in "$@"; do echo "$word"; done >ROOT/arguments
env >ROOT/environment
"""
START = "echo '$1' started\n"


class Pod:
    """A container of a pod with a user namespace, in an image for rootless dockerd."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("cat", "env", "grep", "rm"):
            self.program(
                name, f'#!/bin/sh\nexec {next(p for p in ("/usr/bin", "/bin") if Path(p, name).exists())}/{name} "$@"\n'
            )
        for name in ("slirp4netns", "newuidmap", "newgidmap", "ip"):
            self.program(name, "#!/bin/sh\n")
        self.program("rootlesskit", ROOTLESSKIT)
        self.program("unshare", "#!/bin/sh\ncat ROOT/unshare >&2\n")
        self.write("unshare")
        self.write("proc/self/uid_map", "         0     131072      65536\n")
        self.write("proc/self/status", "Name:\tsh\nNoNewPrivs:\t0\n")
        self.write("dev/net/tun")
        self.write("run/nested-docker-rootless/lock", "left over")
        (root / "etc").mkdir()

    def write(self, path: str, text: str = "") -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def program(self, name: str, source: str) -> None:
        self.write(f"bin/{name}", source.replace("ROOT", str(self.root))).chmod(0o755)

    def start(self) -> subprocess.CompletedProcess[str]:
        script = re.sub(r"(?<![\w/}.])/((?:etc|proc|run|dev/net)/)", rf"{self.root}/\1", ROOTLESS_SCRIPT)
        return subprocess.run(
            ["/bin/sh", "-ec", script, "start-rootless", START, "--flag=a b", "--other"],
            env={"PATH": str(self.root / "bin"), "NESTED_DOCKER_PORT": "2376", "TZ": "UTC"},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def test_the_kubelet_expands_nothing_in_it() -> None:
    """In a command, two dollar signs become one, and a variable's name in parentheses its value."""
    assert re.findall(r"\$\$|\$\(\w+\)", ROOTLESS_SCRIPT) == []


def test_it_runs_the_start_script_in_namespaces_of_rootlesskit(pod: Pod) -> None:
    done = pod.start()
    assert (done.returncode, done.stderr) == (0, "")
    arguments = pod.read("arguments").splitlines()
    script = f"{pod.root}/run/nested-docker-start"
    assert arguments[-5:] == ["/bin/sh", "-e", script, "--flag=a b", "--other"]
    assert pod.read("run/nested-docker-start") == START
    assert {"--net=slirp4netns", "--disable-host-loopback", "--port-driver=builtin", "--pidns"} <= {*arguments}
    assert "--publish=0.0.0.0:2376:2376/tcp" in arguments
    assert f"--state-dir={pod.root}/run/nested-docker-rootless" in arguments
    assert not (pod.root / "run/nested-docker-rootless/lock").exists()


def test_every_id_of_the_pod_is_mapped_to_itself(pod: Pod) -> None:
    pod.start()
    assert pod.read("etc/subuid") == pod.read("etc/subgid") == "root:1:65535\n"


def test_dockerd_finds_the_files_that_the_start_script_writes(pod: Pod) -> None:
    pod.start()
    environment = {*pod.read("environment").splitlines()}
    assert {"XDG_CONFIG_HOME=/etc", "XDG_RUNTIME_DIR=/run", "HOME=/root", "TZ=UTC"} <= environment
    assert "NESTED_DOCKER_USER_NAMESPACE=nested" in environment


def without(name: str) -> Callable[[Pod], None]:
    return lambda pod: (pod.root / "bin" / name).unlink()


def on_the_nodes_users(pod: Pod) -> None:
    pod.write("proc/self/uid_map", "         0          0 4294967295\n")


def without_device(pod: Pod) -> None:
    (pod.root / "dev/net/tun").unlink()


def without_escalation(pod: Pod) -> None:
    pod.write("proc/self/status", "NoNewPrivs:\t1\n")


def apparmor(said: str) -> Callable[[Pod], None]:
    def confine(pod: Pod) -> None:
        pod.write("proc/self/attr/apparmor/current", "cri-containerd.apparmor.d (enforce)\n")
        pod.write("unshare", said)

    return confine


DENIED = "unshare: cannot change root filesystem propagation: Permission denied\n"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            without("rootlesskit"),
            "the image has no rootlesskit: set spec.engine.image to an image for rootless dockerd",
        ),
        (without("slirp4netns"), "the image has no slirp4netns: "),
        (without("newgidmap"), "the image has no newgidmap: "),
        (on_the_nodes_users, "the pod has no user namespace, so dockerd does not start"),
        (without_device, "/dev/net/tun is missing, or may not be opened"),
        (without_escalation, "privilege escalation is denied, so rootlesskit would hang"),
        (apparmor(DENIED), "AppArmor profile cri-containerd.apparmor.d denies mounts, so no container could start"),
        (apparmor("unshare: can't mount none on / (flags:0x44000): Permission denied\n"), "denies mounts"),
    ],
)
def test_a_daemon_that_could_run_nothing_or_too_much_does_not_start(
    pod: Pod, spoil: Callable[[Pod], None], message: str
) -> None:
    spoil(pod)
    done = pod.start()
    assert done.returncode == 1
    assert done.stderr.startswith("nested-docker: ")
    assert message in done.stderr
    assert not (pod.root / "arguments").exists()


@pytest.mark.parametrize("said", ["", "unshare: unshare failed: Operation not permitted\n", "unshare: not found\n"])
def test_a_profile_that_allows_mounts_and_what_others_deny_is_left_to_rootlesskit(pod: Pod, said: str) -> None:
    apparmor(said)(pod)
    done = pod.start()
    assert (done.returncode, done.stderr) == (0, "")
