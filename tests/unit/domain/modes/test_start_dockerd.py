"""The start script, run by a real shell in a folder that plays the container, with programs that only record."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nested_docker.api.daemon_config import OPERATOR_OWNED_CONFIG, DaemonFlag
from nested_docker.domain.modes.dockerd import START_SCRIPT, dockerd_flags
from nested_docker.domain.modes.trial_run import PROGRAMS

TOOLS = ("cat", "chmod", "env", "grep", "ln", "mkdir", "rm", "sed", "sh", "sleep", "sort", "tail", "uname")
"""Programs that the script finds in every image; the rest is what a test puts there."""

NEW_FLAGS = ("--default-network-opt", "--http-proxy")
"""Flags that Docker 20.10 does not have."""

DOCKERD = """#!/bin/sh
case ${1:-} in
    --version) echo "Docker version $(cat ROOT/version), build abc" ;;
    --help) cat ROOT/help ;;
    *) printf '%s\\n' "$@" >ROOT/flags; env >ROOT/environment ;;
esac
"""
MOUNT = """#!/bin/sh
echo "$@" >>ROOT/mounts
for word in $(cat ROOT/unmountable); do
    case "$*" in *"$word"*) echo "mount: $word: invalid argument" >&2; exit 32 ;; esac
done
"""
MADE_NOTHING = "mkdir: cannot create directory"
FULL_DISK = f"""#!/bin/sh
case "$*" in *nested-docker-trial*) echo "{MADE_NOTHING}: WORDS" >&2; exit 1 ;; esac
exec {shutil.which("mkdir")} "$@"
"""
IPTABLES = """#!/bin/sh
[ -e ROOT/broken/NAME ] && { echo "NAME: Protocol not supported" >&2; exit 3; }
echo "NAME $*" >>ROOT/iptables
"""
RUNTIME = """#!/bin/sh
echo "$@" >>ROOT/runtime
[ ! -f ROOT/data/nested-docker-trial/config.json ] || cat ROOT/data/nested-docker-trial/config.json >ROOT/config.json
for root in lower merged; do
    [ ! -f ROOT/data/nested-docker-trial/$root/trial ] || cat ROOT/data/nested-docker-trial/$root/trial >ROOT/trial
done
exit 42
"""
INIT = '#!/bin/sh\necho NAME >ROOT/init\nshift\nexec "$@"\n'
IP = """#!/bin/sh
[ "$*" = "link show dev eth0" ] || exit 1
echo "2: eth0@if9: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UP qlen 1000"
echo "    link/ether 0a:58:0a:f4:01:05 brd ff:ff:ff:ff:ff:ff"
"""
CNI = "eth0 00000000 0101F40A 0003\neth0 0001F40A 00000000 0001\n"
"""Routes of a pod in 10.244.1.0/24."""


@dataclass
class Run:
    """What the script did."""

    code: int
    stderr: str
    flags: list[str]
    environment: dict[str, str]


@dataclass
class Container:
    """A folder that plays a container's root, with an image's programs."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    def write(self, path: str, text: str = "") -> Path:
        """A file in the container."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def read(self, path: str) -> str:
        """A file's text; empty: there is none."""
        file = self.root / path.lstrip("/")
        return file.read_text() if file.exists() else ""

    def program(self, name: str, source: str, folder: str = "bin") -> None:
        """A program of the image, instead of the one that it may have there, which can be a link to this machine's."""
        (self.root / folder / name).unlink(missing_ok=True)
        text = source.replace("ROOT", str(self.root)).replace("NAME", name)
        self.write(f"{folder}/{name}", text).chmod(0o755)

    def engine(self, version: str, flags: Iterable[str] = NEW_FLAGS) -> None:
        """The image's dockerd."""
        self.write("version", version)
        self.write("help", "Usage: dockerd\n" + "".join(f"      {flag} map   Words\n" for flag in ("--mtu", *flags)))

    def iptables(self, *variants: str, broken: Iterable[str] = (), folder: str = "bin") -> None:
        """The image's iptables, each with the six programs that dockerd and its users run."""
        for variant in variants:
            for tool in ("iptables", "ip6tables"):
                for suffix in ("", "-save", "-restore"):
                    self.program(f"{tool}{'-' + variant if variant else ''}{suffix}", IPTABLES, folder)
        for name in broken:
            self.write(f"broken/{name}")

    @property
    def script(self) -> str:
        """The script with the container's paths."""
        folders = r"(?<![\w/}])/((?:etc|proc|sys|run|var|usr/local)/|dev/termination-log)"
        return re.sub(folders, rf"{self.root}/\1", START_SCRIPT)

    def start(self, *arguments: str, **env: str) -> Run:
        """Run the script to its end."""
        done = subprocess.run(
            ["/bin/sh", "-ec", self.script, "start-dockerd", f"--data-root={self.root}/data", *arguments],
            env={"PATH": str(self.root / "bin"), "HOSTNAME": "build-1"} | self.env | env,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        lines = self.read("environment").splitlines()
        environment = dict(line.split("=", 1) for line in lines if "=" in line)
        return Run(done.returncode, done.stderr, self.read("flags").splitlines(), environment)


@pytest.fixture
def container(tmp_path: Path) -> Container:
    """A container of a current engine, on a node with cgroup v1, in a pod of a usual cluster."""
    made = Container(tmp_path)
    for name in TOOLS:
        (tmp_path / "bin").mkdir(exist_ok=True)
        found = next(path for folder in ("/usr/bin", "/bin") if (path := Path(folder, name)).exists())
        (tmp_path / "bin" / name).symlink_to(found)
    for name, source in (("dockerd", DOCKERD), ("mount", MOUNT), ("docker-init", INIT), ("umount", "#!/bin/sh\n")):
        made.program(name, source)
    made.program("modprobe", '#!/bin/sh\necho "$1" >>ROOT/modules\n')
    made.program("runc", RUNTIME)
    made.engine("28.5.1")
    made.iptables("")
    made.write("unmountable")
    made.write("proc/self/mounts", "overlay / overlay rw 0 0\n")
    made.write("proc/uptime", "100.25 0\n")
    made.write("proc/net/route", "Iface Destination Gateway Flags\n" + CNI)
    made.write("etc/resolv.conf", "search svc.cluster.local\nnameserver 10.96.0.10\n")
    made.write("etc/hosts", "127.0.0.1\tlocalhost\n10.244.1.5\tbuild-1\n")
    made.write("run/keep")
    made.program("ip", IP)
    (tmp_path / "data").mkdir()
    made.env["KUBERNETES_SERVICE_HOST"] = "10.96.0.1"
    return made


def test_the_kubelet_expands_nothing_in_it() -> None:
    """In a command, two dollar signs become one, and a variable's name in parentheses its value."""
    assert re.findall(r"\$\$|\$\(\w+\)", START_SCRIPT) == []


def test_it_starts_dockerd_with_the_flags_that_it_gets(container: Container) -> None:
    done = container.start("--flag=a b")
    assert (done.code, done.stderr) == (0, "")
    mtu = ["--mtu=1450", "--default-network-opt=bridge=com.docker.network.driver.mtu=1450"]
    assert done.flags == [f"--data-root={container.root}/data", "--flag=a b", *mtu]


# --- the first process ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["docker-init", "tini", "catatonit"])
def test_an_init_is_the_first_process(container: Container, name: str) -> None:
    (container.root / "bin/docker-init").unlink()
    container.program(name, INIT)
    assert container.start().code == 0
    assert container.read("init") == f"{name}\n"


AS_REAPER = """
import ctypes, os, sys
PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Starts a program that gets the orphans of its children, as the first process of a container does."""


@contextmanager
def as_first_process(container: Container, dockerd: str) -> Iterator[subprocess.Popen[str]]:
    """The script, with a parent's duty to reap like that of a container's first process."""
    (container.root / "bin/docker-init").unlink()
    container.program("dockerd", DOCKERD.replace("*) ", f"*) {dockerd}\n"))
    child = subprocess.Popen(
        [sys.executable, "-c", AS_REAPER, "/bin/sh", "-ec", container.script, "start-dockerd"],
        env={"PATH": str(container.root / "bin")},
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def children(pid: int) -> dict[int, str]:
    """The state of each child of a process, by its number."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue  # it has ended
            if int(parent) == pid:
                found[int(folder.name)] = state
    return found


def within(seconds: float, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


ORPHANS = "for i in 1 2 3; do (sleep 0.1 & echo $! >>ROOT/orphans); done; touch ROOT/up; "


def test_without_an_init_the_shell_reaps_what_containers_leave(container: Container) -> None:
    container.program("touch", '#!/bin/sh\n: >"$1"\n')
    with as_first_process(container, ORPHANS + "exec sleep 30") as shell:
        within(10, (container.root / "up").exists)
        within(10, lambda: len(children(shell.pid)) == 1)
        assert "Z" not in children(shell.pid).values()
        (dockerd,) = children(shell.pid)
        os.kill(dockerd, signal.SIGKILL)
        assert shell.wait(10) == 128 + signal.SIGKILL


def test_without_an_init_a_stop_reaches_dockerd_and_waits_for_it(container: Container) -> None:
    container.program("touch", '#!/bin/sh\n: >"$1"\n')
    stopping = "trap 'sleep 0.3; echo stopped >ROOT/stopped; exit 7' TERM; touch ROOT/up; while :; do sleep 0.05; done"
    with as_first_process(container, stopping) as shell:
        within(10, (container.root / "up").exists)
        shell.terminate()
        assert shell.wait(10) == 7
        assert container.read("stopped") == "stopped\n"


# --- a pod with a user namespace --------------------------------------------------------------------

REQUIRED = {"NESTED_DOCKER_USER_NAMESPACE": "required"}


@pytest.fixture
def namespaced(container: Container) -> Container:
    """The same as mode UserNamespace requests it, on a node with cgroup v2."""
    container.env |= REQUIRED
    container.write("proc/self/uid_map", "         0     131072      65536\n")
    container.write("proc/sys/net/ipv4/ip_forward", "1\n")
    container.write("proc/self/cgroup", "0::/\n")
    container.write("sys/fs/cgroup/cgroup.procs")
    container.write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
    return container


def test_a_daemon_in_a_user_namespace_has_the_pods_cgroup(namespaced: Container) -> None:
    run = namespaced.start()
    assert run.code == 0, run.stderr
    assert "--cgroup-parent=/" in run.flags
    assert namespaced.read("sys/fs/cgroup/cgroup.subtree_control") == "+memory\n"


def no_user_namespace(container: Container) -> None:
    container.write("proc/self/uid_map", "         0          0 4294967295\n")


def masked_proc(container: Container) -> None:
    (container.root / "proc/sys/net/ipv4/ip_forward").unlink()
    (container.root / "proc/sys/net/ipv4/ip_forward").symlink_to("/proc/version")


def old_cgroups(container: Container) -> None:
    (container.root / "sys/fs/cgroup/cgroup.controllers").unlink()


def read_only_cgroup(container: Container) -> None:
    container.write("sys/fs/cgroup/init")


def denied_mounts(container: Container) -> None:
    container.write("unmountable", "--make-rshared")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_user_namespace, "the pod has no user namespace, so dockerd does not start"),
        (masked_proc, "/proc is read-only in the container, so inner containers could have no network"),
        (old_cgroups, "the node has cgroup v1"),
        (read_only_cgroup, "the pod's cgroup cannot be written: mkdir: "),
        (denied_mounts, "mounts are denied: mount: --make-rshared: invalid argument"),
    ],
)
def test_a_daemon_that_could_run_nothing_or_too_much_does_not_start(
    namespaced: Container, spoil: Callable[[Container], None], message: str
) -> None:
    spoil(namespaced)
    run = namespaced.start()
    assert run.code == 1
    assert f"nested-docker: {message}" in run.stderr
    assert run.flags == []


def test_other_modes_need_no_user_namespace(namespaced: Container) -> None:
    for spoil in (no_user_namespace, old_cgroups, denied_mounts):
        spoil(namespaced)
    namespaced.env.clear()
    run = namespaced.start()
    assert run.code == 0
    assert "docker run -v with rshared or rslave does not work (mount: --make-rshared: invalid argument)" in run.stderr


# --- a user namespace within that of the pod ---------------------------------------------------------


@pytest.fixture
def nested(namespaced: Container) -> Container:
    """The same as start-rootless.sh runs the script, with a cgroup that may not be written."""
    namespaced.env["NESTED_DOCKER_USER_NAMESPACE"] = "nested"
    namespaced.write("proc/self/uid_map", "         0          0          1\n         1          1      65535\n")
    namespaced.program("umount", '#!/bin/sh\necho "$@" >>ROOT/unmounted\n')
    read_only_cgroup(namespaced)
    return namespaced


def test_a_nested_daemon_is_rootless_and_makes_no_cgroups(nested: Container) -> None:
    run = nested.start("--flag")
    assert (run.code, run.stderr) == (0, "")
    assert run.flags[:2] == ["--rootless", f"--data-root={nested.root}/data"]
    assert not [flag for flag in run.flags if flag.startswith("--cgroup-parent")]
    assert not (nested.root / "sys/fs/cgroup/cgroup.subtree_control").exists()
    assert json.loads(nested.read("config.json"))["linux"]["cgroupsPath"] == ""


def test_a_nested_daemon_needs_no_init_and_no_version_2_of_cgroups(nested: Container) -> None:
    old_cgroups(nested)
    assert nested.start().code == 0
    assert nested.read("init") == ""


def test_a_nested_daemon_resolves_names_as_other_pods_do(nested: Container) -> None:
    nested.start()
    unmounted = [line.removeprefix(str(nested.root)) for line in nested.read("unmounted").splitlines()]
    assert unmounted[:2] == ["/etc/resolv.conf", "/etc/hosts"]
    nested.program("umount", "#!/bin/sh\nexit 32\n")
    run = nested.start()
    assert run.code == 0
    assert "/etc/resolv.conf is hidden, so names of Services may not be found" in run.stderr


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (masked_proc, "/proc is read-only in the container, so inner containers could have no network"),
        (denied_mounts, "mounts are denied: mount: --make-rshared: invalid argument"),
    ],
)
def test_a_nested_daemon_that_could_run_nothing_does_not_start(
    nested: Container, spoil: Callable[[Container], None], message: str
) -> None:
    spoil(nested)
    run = nested.start()
    assert run.code == 1
    assert f"nested-docker: {message}" in run.stderr


# --- mounts that Sysbox does not answer any more ----------------------------------------------------

WITHOUT_MOUNT = """
import ctypes, os, platform, struct, sys
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ENOSYS = 38, 22, 2, 38
LOAD, EQUAL, RETURN, ERRNO, ALLOW = 0x20, 0x15, 0x06, 0x00050000, 0x7FFF0000
number = {"x86_64": 165, "aarch64": 40}[platform.machine()]
steps = [(LOAD, 0, 0, 0), (EQUAL, 0, 1, number), (RETURN, 0, 0, ERRNO | ENOSYS), (RETURN, 0, 0, ALLOW)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0)):
    if libc.prctl(*arguments):
        sys.exit(os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Starts a program for which mount(2) fails as it does once the service has gone that answers it."""

ENOSYS = "mount: mounting /dev/null/none on / failed: Function not implemented"


@contextmanager
def watched(
    container: Container, dockerd: str, *, under: str = "", init: bool = True
) -> Iterator[subprocess.Popen[str]]:
    """The script with its watch, which looks at once instead of after a second.

    Args:
        container: the container.
        dockerd: what dockerd does.
        under: a Python program that starts the script.
        init: whether the image has an init, and not only its shell.
    """
    for file in (container.root / "proc/self").iterdir():
        file.unlink()
    (container.root / "proc/self").rmdir()
    (container.root / "proc/self").symlink_to("/proc/self")
    container.write("dev/termination-log")
    container.program("touch", '#!/bin/sh\n: >"$1"\n')
    (container.root / "bin/sleep").rename(container.root / "bin/really-sleep")
    # The first look waits for dockerd, which a loaded machine may start later.
    wait = "while [ ! -e ROOT/up ]; do really-sleep 0.05; done"
    container.program("sleep", f"#!/bin/sh\necho . >>ROOT/looks\n{wait}\nexec really-sleep 0.05\n")
    container.program("dockerd", DOCKERD.replace("*) ", f"*) echo $$ >ROOT/var/run/docker.pid; {dockerd}\n"))
    container.write("var/run/docker.pid")
    if not init:
        (container.root / "bin/docker-init").unlink()
    start = [sys.executable, "-c", under] if under else []
    with (container.root / "stderr").open("w") as stderr:
        child = subprocess.Popen(
            [*start, "/bin/sh", "-ec", container.script, "start-dockerd"],
            env={"PATH": str(container.root / "bin"), "NESTED_DOCKER_WATCH_MOUNT": "1"},
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    try:
        within(60, (container.root / "up").exists)
        yield child
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


RUNS = "trap 'exit 0' TERM; touch ROOT/up; while :; do really-sleep 0.05; done"
HANGS = "trap '' TERM; touch ROOT/up; while :; do really-sleep 0.05; done"


@pytest.mark.parametrize("init", [True, False])
def test_a_daemon_whose_mounts_nobody_answers_any_more_ends(container: Container, init: bool) -> None:
    """With the machine's own mount program, so that its words are those that the script looks for."""
    (container.root / "bin/mount").unlink()
    (container.root / "bin/mount").symlink_to(
        next(path for path in ("/usr/bin/mount", "/bin/mount") if Path(path).exists())
    )
    with watched(container, RUNS, under=WITHOUT_MOUNT, init=init) as child:
        assert child.wait(60) == 0
    lost = "nested-docker: mount(2) is not implemented any more, so no inner container can start\n"
    assert container.read("dev/termination-log") == lost
    assert lost in container.read("stderr")


def test_a_daemon_that_does_not_end_then_is_killed(container: Container) -> None:
    container.program("mount", f"#!/bin/sh\necho '{ENOSYS}' >&2; exit 1\n")
    with watched(container, HANGS) as child:
        assert child.wait(60) in {-signal.SIGKILL, 128 + signal.SIGKILL}


def test_the_words_of_other_mount_programs_count(container: Container) -> None:
    words = "mount: /: mount(2) system call failed: Function not implemented."
    container.program("mount", f"#!/bin/sh\necho '{words}' >&2; exit 32\n")
    with watched(container, RUNS) as child:
        assert child.wait(60) == 0


EVERY_OTHER = "[ -e ROOT/odd ] && { rm ROOT/odd; exit 0; }; : >ROOT/odd; "
HEALTHY = {
    "a bind of what cannot exist": "echo 'mount: mounting /dev/null/none on / failed: Not a directory' >&2; exit 1",
    "a security module": "echo 'mount: permission denied (are you root?)' >&2; exit 1",
    "a full disk, or too many mounts": "echo 'mount: /: mount failed: No space left on device.' >&2; exit 32",
    "a memory limit": "echo 'mount: /: mount failed: Cannot allocate memory.' >&2; exit 32",
    "a memory limit that kills": "kill -KILL $$",
    "a limit of processes": "echo 'sh: cannot fork: Resource temporarily unavailable' >&2; exit 2",
    "a filesystem with errors": "echo 'mount: /: mount failed: Input/output error.' >&2; exit 32",
    "a mount namespace in which it works": "exit 0",
    "an image without the program": "echo 'sh: mount: not found' >&2; exit 127",
    "a failure now and then": f"{EVERY_OTHER} echo '{ENOSYS}' >&2; exit 1",
}


@pytest.mark.parametrize("mount", HEALTHY.values(), ids=HEALTHY)
def test_nothing_else_ends_a_daemon(container: Container, mount: str) -> None:
    container.program("mount", f"#!/bin/sh\n{mount}\n")
    with watched(container, RUNS) as child:
        within(60, lambda: len(container.read("looks").splitlines()) > 8)
        assert child.poll() is None
    assert container.read("dev/termination-log") == ""


def test_a_mount_that_hangs_on_a_slow_node_ends_no_daemon(container: Container) -> None:
    source = '#!/bin/sh\ncase "$*" in *none*) : >ROOT/hangs; exec really-sleep 60 ;; esac\n'
    container.program("mount", source)
    with watched(container, RUNS) as child:
        within(60, (container.root / "hangs").exists)
        time.sleep(0.5)
        assert child.poll() is None


def test_a_watch_that_the_kernel_kills_ends_no_daemon(container: Container) -> None:
    with watched(container, RUNS, init=False) as child:
        dockerd = int(container.read("var/run/docker.pid"))
        within(60, lambda: bool(container.read("looks")))
        (watch,) = set(children(child.pid)) - {dockerd}
        os.kill(watch, signal.SIGKILL)
        time.sleep(0.5)
        assert child.poll() is None


def test_only_sysbox_has_a_watch(container: Container) -> None:
    container.program("mount", f"#!/bin/sh\necho \"$@\" >>ROOT/mounts; echo '{ENOSYS}' >&2; exit 1\n")
    assert container.start().code == 0
    assert "--bind" not in container.read("mounts")


# --- engines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "major"),
    [("18.09.9", "18"), ("19.03.15", "19"), ("20.09.1", "20"), ("17.12.1-ce", "17"), ("1.13.1", "1")],
)
def test_an_engine_that_is_too_old_is_refused(container: Container, version: str, major: str) -> None:
    container.engine(version)
    done = container.start()
    assert done.code == 1
    assert f"the image has Docker {major}, which is too old" in done.stderr
    assert "spec.engine.image to an image with Docker 20.10 or newer" in done.stderr
    assert done.flags == []


@pytest.mark.parametrize("version", ["20.10.24+dfsg1", "23.0.6", "24.0.9", "26.1.5+dfsg1", "29.9.3", "library-import"])
def test_every_newer_engine_gets_only_flags_that_it_knows(container: Container, version: str) -> None:
    old = version.startswith(("20", "23"))
    container.engine(version, () if old else NEW_FLAGS)
    done = container.start(NESTED_DOCKER_MTU="1400")
    assert done.code == 0
    assert "--mtu=1400" in done.flags
    opt = "--default-network-opt=bridge=com.docker.network.driver.mtu=1400"
    assert (opt in done.flags) is not old


def test_an_image_without_dockerd_is_refused(container: Container) -> None:
    (container.root / "bin/dockerd").unlink()
    done = container.start()
    assert done.code == 1
    assert "the image has no dockerd: set spec.engine.image" in done.stderr


@pytest.mark.parametrize("path", ["var/run/docker.pid", "var/run/docker/containerd/containerd.pid"])
def test_what_a_killed_daemon_has_left_is_removed(container: Container, path: str) -> None:
    left = container.write(path, "7")
    assert container.start().code == 0
    assert not left.exists()


# --- mounts -----------------------------------------------------------------------------------------


def test_mounts_are_shared_with_inner_containers(container: Container) -> None:
    container.start()
    assert container.read("mounts").splitlines()[0] == "--make-rshared /"


def test_a_container_that_may_not_share_its_mounts_starts_and_says_so(container: Container) -> None:
    container.write("unmountable", "--make-rshared")
    done = container.start()
    assert done.code == 0
    assert "docker run -v with rshared or rslave does not work" in done.stderr


@pytest.mark.parametrize("file", ["attr/apparmor/current", "attr/current"])
@pytest.mark.parametrize(
    ("label", "refused"),
    [
        ("cri-containerd.apparmor.d (enforce)\n", True),
        ("docker-default (enforce)\n", True),
        ("crio-default (enforce)\n", True),
        ("ci/dockerd//child (enforce)\n", True),
        ("cri-containerd.apparmor.d (complain)\n", False),
        ("unconfined\n", False),
        ("system_u:system_r:container_t:s0:c1,c2\n", False),
        ("", False),
    ],
)
def test_a_profile_that_denies_mounts_is_named_with_the_remedy(
    container: Container, file: str, label: str, refused: bool
) -> None:
    container.write(f"proc/self/{file}", label)
    container.write("unmountable", "tmpfs")
    done = container.start()
    assert (done.code == 1) is refused
    assert (f"AppArmor profile {label.split(maxsplit=1)[0] if label else ''} denies mounts" in done.stderr) is refused
    assert ("in the class's securityModules, set the mode's appArmorProfile" in done.stderr) is refused


def test_a_profile_that_allows_mounts_leaves_none_behind(container: Container) -> None:
    container.write("proc/self/attr/current", "ci-dockerd (enforce)\n")
    container.program("umount", '#!/bin/sh\necho "$@" >>ROOT/unmounted\n')
    assert container.start().code == 0
    assert container.read("mounts").splitlines()[0] == f"-t tmpfs tmpfs {container.root}/run/nested-docker-mount"
    assert container.read("unmounted").splitlines() == [f"{container.root}/run/nested-docker-mount"]


@pytest.mark.parametrize(
    ("enabled", "mounts", "expected"),
    [
        ("Y\n", "", True),
        ("N\n", "", False),
        (None, "", False),
        ("Y\n", "securityfs {root}/sys/kernel/security securityfs rw 0 0\n", False),
    ],
)
def test_apparmor_is_seen_where_the_kernel_has_it(
    container: Container, enabled: str | None, mounts: str, expected: bool
) -> None:
    if enabled is not None:
        container.write("sys/module/apparmor/parameters/enabled", enabled)
    container.write("proc/self/mounts", mounts.format(root=container.root))
    assert container.start().code == 0
    assert ("-t securityfs" in container.read("mounts")) is expected


def test_securityfs_that_cannot_be_mounted_is_said(container: Container) -> None:
    container.write("sys/module/apparmor/parameters/enabled", "Y\n")
    container.write("unmountable", "securityfs")
    done = container.start()
    assert done.code == 0
    assert "AppArmor does not confine inner containers" in done.stderr


@pytest.mark.parametrize(
    ("version", "config", "refused"),
    [
        ("29.0.0", "{}", True),
        ("29.9.3", '{"storage-driver":"overlay2"}', True),
        ("29.9.3", '{"features":{"containerd-snapshotter":true}}', True),
        ("29.9.3", '{"features":{"containerd-snapshotter":true},"storage-driver":"overlayfs"}', True),
        ("28.5.1", '{"features":{"containerd-snapshotter":true}}', True),
        ("26.1.5", '{"storage-driver":"overlay2"}', True),
        ("29.9.3", '{"storage-driver":"vfs"}', False),
        ("29.9.3", '{"features":{"containerd-snapshotter":true},"storage-driver":"native"}', False),
        ("29.9.3", '{"features":{"containerd-snapshotter":false}}', False),
        ("28.5.1", "{}", False),
        ("20.10.24", '{"storage-driver":"fuse-overlayfs"}', False),
    ],
)
def test_a_data_root_on_which_no_container_could_start_is_refused(
    container: Container, version: str, config: str, refused: bool
) -> None:
    container.engine(version)
    container.write("unmountable", "lowerdir")
    done = container.start(NESTED_DOCKER_CONFIG=config)
    assert done.code == (1 if refused else 0)
    message = "the data-root's filesystem does not support overlay mounts"
    assert (message in done.stderr) is refused
    assert ("invalid argument" in done.stderr and "storageDriver to vfs" in done.stderr) is refused


@pytest.mark.parametrize(
    "words",
    [
        "No space left on device",
        "Disk quota exceeded",
        "Cannot allocate memory",
        "Too many open files",
        "Resource temporarily unavailable",
    ],
)
def test_docker_29_starts_on_a_full_data_root_so_that_somebody_can_clear_it(container: Container, words: str) -> None:
    container.engine("29.9.3")
    container.program("mkdir", FULL_DISK.replace("WORDS", words))
    done = container.start()
    assert done.code == 0
    assert container.read("flags")
    assert "the trial of an overlay mount met a limit, so nothing shows that the data-root supports them" in done.stderr
    assert f"{MADE_NOTHING}: {words}" in done.stderr


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        ("overlay2/l/A", False),
        ("fuse-overlayfs/a/diff", False),
        ("btrfs/subvolumes/a", False),
        ("zfs/graph/a", False),
        ("vfs/dir/a", True),
        ("image/vfs/repositories.json", True),
        ("image/overlay2/repositories.json", True),
        ("containerd/daemon/io.containerd.snapshotter.v1.overlayfs/metadata.db", True),
        ("volumes/metadata.db", True),
    ],
)
def test_docker_29_goes_on_with_an_older_engines_data_except_for_those_of_vfs(
    container: Container, data: str, refused: bool
) -> None:
    container.engine("29.9.3")
    container.write("unmountable", "lowerdir")
    container.write(f"data/{data}")
    assert container.start().code == (1 if refused else 0)


def test_an_empty_folder_of_a_graph_driver_does_not_count(container: Container) -> None:
    container.engine("29.9.3")
    container.write("unmountable", "lowerdir")
    (container.root / "data/overlay2").mkdir(parents=True)
    assert container.start().code == 1


def test_the_trial_leaves_nothing(container: Container) -> None:
    container.engine("29.9.3")
    assert container.start().code == 0
    assert "lowerdir" in container.read("mounts")
    assert list((container.root / "data").iterdir()) == []


# --- trial run --------------------------------------------------------------------------------------

RUNTIME_FAILS = """#!/bin/sh
echo "$@" >>ROOT/runtime
[ "$(grep -c . ROOT/runtime)" -lt FROM ] || exit 42
cat ROOT/words
exit CODE
"""
READ_ONLY = "runc create failed: mkdir /sys/fs/cgroup/cpuset/docker: read-only file system: unknown"


def runtime_says(container: Container, words: str, code: int = 1, until_start: int = 100) -> None:
    """A runtime that fails, up to one of its starts."""
    container.write("words", words)
    container.program("runc", RUNTIME_FAILS.replace("CODE", str(code)).replace("FROM", str(until_start)))
    container.program("sleep", '#!/bin/sh\necho "$1" >>ROOT/sleeps\n')


def test_dockerd_starts_after_its_runtime_has_run_a_container(container: Container) -> None:
    assert container.start().code == 0
    state, folder = f"{container.root}/run/nested-docker-trial", f"{container.root}/data/nested-docker-trial"
    assert container.read("runtime").split() == ["--root", state, "run", "--bundle", folder, "nested-docker-trial"]
    configuration = json.loads(container.read("config.json"))
    assert configuration["root"]["path"] == "lower"
    assert configuration["linux"]["cgroupsPath"] == "/nested-docker-trial"
    assert {"type": "cgroup"} not in configuration["linux"]["namespaces"]
    machine = os.uname().machine
    assert (container.root / "trial").read_bytes() == PROGRAMS[machine]


def test_on_cgroup_v2_the_trial_is_under_the_pod_in_a_cgroup_namespace(container: Container) -> None:
    cgroup(container, "/kubepods/pod1/c1")
    assert container.start().code == 0
    linux = json.loads(container.read("config.json"))["linux"]
    assert linux["cgroupsPath"] == "/kubepods/pod1/c1/nested-docker-trial"
    assert linux["namespaces"][-1] == {"type": "cgroup"}


def test_its_root_is_an_overlay_mount_where_dockerd_needs_one(container: Container) -> None:
    container.engine("29.9.3")
    assert container.start().code == 0
    assert json.loads(container.read("config.json"))["root"]["path"] == "merged"


def test_a_daemon_in_which_no_container_can_run_does_not_start(container: Container) -> None:
    container.write("dev/termination-log")
    runtime_says(container, f"a line\n{READ_ONLY}\n")
    done = container.start()
    assert done.code == 1
    assert container.read("flags") == ""
    assert f"nested-docker: the trial container did not run: a line\n{READ_ONLY}" in done.stderr
    assert READ_ONLY in container.read("dev/termination-log")
    assert container.read("sleeps").split() == ["1", "4"]
    assert list((container.root / "data").iterdir()) == []


def test_a_failure_that_passes_is_not_reported(container: Container) -> None:
    runtime_says(container, READ_ONLY, until_start=3)
    done = container.start()
    assert (done.code, "trial" in done.stderr) == (0, False)
    assert container.read("flags")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("open /var/lib/docker/x: no space left on device", 1),
        ("mkdir /var/lib/docker/x: disk quota exceeded", 1),
        ("fork/exec /proc/self/exe: cannot allocate memory", 1),
        ("fatal error: runtime: out of memory", 2),
        ("fork/exec /proc/self/exe: resource temporarily unavailable", 1),
        ("runtime: may need to increase max user processes (ulimit -u)\nfatal error: newosproc", 2),
        ("open /proc/self/fd: too many open files", 1),
        ("sh: can't fork", 2),
        ("", 137),
    ],
)
def test_a_limit_keeps_no_daemon_from_starting(container: Container, words: str, code: int) -> None:
    runtime_says(container, words, code)
    done = container.start()
    assert done.code == 0
    assert container.read("flags")
    assert "the trial container met a limit, so nothing shows that containers can run: " in done.stderr
    assert (words or "it was killed") in done.stderr


@pytest.mark.parametrize("code", [0, 1, 127])
def test_a_runtime_that_says_nothing_has_run_nothing(container: Container, code: int) -> None:
    runtime_says(container, "", code)
    done = container.start()
    assert (done.code, container.read("flags")) == (1, "")
    assert f"the trial container did not run: runc ended with code {code} and said nothing" in done.stderr


def test_an_image_without_the_runtime_is_refused(container: Container) -> None:
    container.program("sleep", "#!/bin/sh\n")
    (container.root / "bin/runc").unlink()
    done = container.start()
    assert (done.code, container.read("flags")) == (1, "")
    assert "not found" in done.stderr


def test_a_runtime_that_hangs_is_ended(container: Container) -> None:
    runtime_says(container, "")
    container.program("runc", "#!/bin/sh\nexec sleep 1000\n")
    later = 'read -r now _ <ROOT/proc/uptime; echo "$((${now%.*} + 60)).5 0" >ROOT/proc/uptime'
    container.program("timeout", f'#!/bin/sh\necho "$*" >>ROOT/timeouts\n{later}\nexit 137\n')
    done = container.start()
    assert (done.code, container.read("flags")) == (1, "")
    assert "the trial container did not run: the runtime did not end within 60 s" in done.stderr
    assert container.read("timeouts").startswith("-s KILL 60 runc --root ")


def test_what_a_runtime_that_was_ended_has_left_is_deleted_before_the_next_attempt(container: Container) -> None:
    runtime_says(container, "")
    leftover = "mkdir -p ROOT/run/nested-docker-trial/nested-docker-trial"
    container.program("runc", f'#!/bin/sh\necho "$@" >>ROOT/runtime\n{leftover}\nexit 1\n')
    assert container.start().code == 1
    commands = [line.split()[2] for line in container.read("runtime").splitlines()]
    assert commands == ["run", "delete", "run", "delete", "run"]


def test_the_trial_is_of_the_default_runtime(container: Container) -> None:
    container.program("own", RUNTIME)
    assert container.start(NESTED_DOCKER_TRIAL_RUNTIME="own\n--log a b\n--debug").code == 0
    assert container.read("runtime").startswith("--log a b --debug --root ")


def test_the_trial_can_be_left_out(container: Container) -> None:
    runtime_says(container, READ_ONLY)
    done = container.start(NESTED_DOCKER_TRIAL="Off")
    assert (done.code, container.read("runtime")) == (0, "")
    assert "no trial container runs, so nothing shows that containers can run" in done.stderr
    assert list((container.root / "data").iterdir()) == []


@pytest.mark.parametrize("machine", ["riscv64", "s390x", ""])
def test_on_another_architecture_there_is_no_trial(container: Container, machine: str) -> None:
    container.program("uname", f"#!/bin/sh\necho {machine}\n")
    done = container.start()
    assert (done.code, container.read("runtime")) == (0, "")
    assert "no trial container for this architecture" in done.stderr


def test_what_a_killed_trial_has_left_is_removed(container: Container) -> None:
    container.write("data/nested-docker-trial/upper/old")
    container.write("run/nested-docker-trial/nested-docker-trial/state.json")
    assert container.start().code == 0
    assert list((container.root / "data").iterdir()) == []
    assert not (container.root / "run/nested-docker-trial").exists()


# --- cgroups ----------------------------------------------------------------------------------------


def cgroup(container: Container, own: str) -> Path:
    container.write("sys/fs/cgroup/cgroup.procs")
    container.write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
    here = f"sys/fs/cgroup{own.rstrip('/')}"
    container.write(f"{here}/cgroup.controllers", "cpu memory\n")
    container.write(f"{here}/cgroup.procs", "1\n7\n")
    container.write("proc/self/cgroup", f"0::{own}\n")
    return container.root / here


def test_on_cgroup_v2_inner_containers_stay_under_the_pod(container: Container) -> None:
    here = cgroup(container, "/kubepods/pod1/c1")
    done = container.start()
    assert (done.code, done.stderr) == (0, "")
    assert "--cgroup-parent=/kubepods/pod1/c1" in done.flags
    assert (here / "init/cgroup.procs").read_text() == "7\n"  # the kernel moves each pid that is written
    assert (here / "cgroup.subtree_control").read_text() == "+memory\n"  # and enables each that is written


def test_in_its_own_cgroup_namespace_the_root_is_the_pod(container: Container) -> None:
    cgroup(container, "/")
    assert "--cgroup-parent=/" in container.start().flags


def test_a_controller_that_cannot_be_handed_out_is_named(container: Container) -> None:
    (cgroup(container, "/") / "cgroup.subtree_control").mkdir()
    done = container.start()
    assert done.code == 0
    assert "cgroup controllers that are not available to inner containers: cpu memory" in done.stderr


def test_on_cgroup_v1_nothing_is_moved(container: Container) -> None:
    assert not [flag for flag in container.start().flags if flag.startswith("--cgroup-parent")]


# --- networks ---------------------------------------------------------------------------------------


SYSFS = """#!/bin/sh
echo "$@" >>ROOT/mounts
[ "$2" != sysfs ] || { mkdir -p "$4/class/net/eth0"; echo 1440 >"$4/class/net/eth0/mtu"; }
"""
"""A mount that shows the interfaces of the pod's network namespace."""


def test_the_mtu_is_that_of_the_pods_interface(container: Container) -> None:
    done = container.start()
    assert "--mtu=1450" in done.flags
    assert (done.stderr, "sysfs" in container.read("mounts")) == ("", False)


@pytest.mark.parametrize("ip", [None, "#!/bin/sh\necho 'ip: applet not found' >&2; exit 127\n", "#!/bin/sh\n"])
def test_without_netlink_a_sysfs_of_the_pods_network_says_it(container: Container, ip: str | None) -> None:
    (container.root / "bin/ip").unlink()
    if ip:
        container.program("ip", ip)
    container.program("mount", SYSFS)
    container.program("umount", '#!/bin/sh\necho "$@" >>ROOT/unmounted\n')
    done = container.start()
    assert "--mtu=1440" in done.flags
    assert container.read("unmounted") == f"{container.root}/run/nested-docker-sysfs\n"


def test_without_both_ipv6_says_it(container: Container) -> None:
    (container.root / "bin/ip").unlink()
    container.write("unmountable", "sysfs")
    container.write("proc/sys/net/ipv6/conf/eth0/mtu", "1430\n")
    done = container.start()
    assert "--mtu=1430" in done.flags
    assert done.stderr == ""


@pytest.mark.parametrize("unmountable", ["sysfs", ""])
def test_the_interfaces_of_the_node_are_not_the_pods(container: Container, unmountable: str) -> None:
    (container.root / "bin/ip").unlink()
    container.write("sys/class/net/eth0/mtu", "9001\n")
    container.write("unmountable", unmountable)
    done = container.start()
    assert done.code == 0
    assert not [flag for flag in done.flags if "mtu" in flag]
    assert "the MTU of eth0 cannot be read" in done.stderr
    assert "set spec.engine.mtu" in done.stderr


def test_the_users_mtu_needs_no_interface(container: Container) -> None:
    done = container.start(NESTED_DOCKER_MTU="1300")
    assert "--mtu=1300" in done.flags
    assert (done.stderr, "sysfs" in container.read("mounts")) == ("", False)


def pools(done: Run) -> list[str]:
    return [flag.removeprefix("--default-address-pool=base=") for flag in done.flags if "address-pool" in flag]


DOCKERS = {
    "172.17.0.0/16,size=16",
    "172.18.0.0/16,size=16",
    "172.19.0.0/16,size=16",
    "172.20.0.0/14,size=16",
    "172.24.0.0/14,size=16",
    "172.28.0.0/14,size=16",
    "192.168.0.0/16,size=20",
}
"""Docker's own pools."""


@pytest.mark.parametrize(
    ("services", "dns", "pod", "lost"),
    [
        ("10.96.0.1", "10.96.0.10", "10.244.1.5", set()),
        ("fd00::1", "fd00::a", "fd00:1::5", set()),
        ("172.20.0.1", "172.20.0.10", "10.0.4.7", {"172.20.0.0/14,size=16"}),
        ("10.100.0.1", "10.100.0.10", "172.31.44.7", {"172.28.0.0/14,size=16"}),
        ("10.96.0.1", "10.96.0.10", "192.168.117.66", {"192.168.0.0/16,size=20"}),
        ("10.96.0.1", "172.19.3.4", "10.244.1.5", {"172.19.0.0/16,size=16"}),
        ("172.24.0.1", "172.24.0.10", "10.0.4.7", {"172.24.0.0/14,size=16", "172.28.0.0/14,size=16"}),
        ("172.16.0.1", "172.16.0.10", "10.0.4.7", DOCKERS - {"192.168.0.0/16,size=20"}),
        ("172.17.0.1", "172.17.0.10", "192.168.1.7", {"172.17.0.0/16,size=16", "192.168.0.0/16,size=20"}),
    ],
)
def test_inner_networks_stay_apart_from_the_clusters(
    container: Container, services: str, dns: str, pod: str, lost: set[str]
) -> None:
    container.write("etc/resolv.conf", f"nameserver {dns}\n")
    container.write("etc/hosts", f"127.0.0.1\tlocalhost\n{pod}\tbuild-1.sub.team.svc\tbuild-1\n")
    done = container.start(KUBERNETES_SERVICE_HOST=services)
    assert set(pools(done)) == (DOCKERS - lost if lost else set())
    assert ("apart from what the cluster uses" in done.stderr) is bool(lost)


@pytest.mark.parametrize(
    ("node", "lost"),
    [
        ("172.18.0.2", {"172.18.0.0/16,size=16", "172.19.0.0/16,size=16"}),
        ("172.31.44.7", {"172.28.0.0/14,size=16"}),
        ("192.168.1.20", {"192.168.0.0/16,size=20"}),
        ("172.17.3.4", {"172.17.0.0/16,size=16"}),
        ("10.0.4.7", set()),
        ("fd00::7", set()),
        ("", set()),
    ],
)
def test_inner_networks_stay_apart_from_the_node_s(container: Container, node: str, lost: set[str]) -> None:
    assert set(pools(container.start(NESTED_DOCKER_NODE=node))) == (DOCKERS - lost if lost else set())


def test_a_route_counts_and_a_bridge_of_the_last_run_does_not(container: Container) -> None:
    lines = CNI + "eth0 00001CAC 00000000 0001\ndocker0 000011AC 00000000 0001\nbr-0a1b 000012AC 00000000 0001\n"
    container.write("proc/net/route", "Iface Destination Gateway Flags\n" + lines)
    assert set(pools(container.start())) == DOCKERS - {"172.28.0.0/14,size=16"}


def test_where_the_cluster_uses_all_of_dockers_ranges_another_one_is_used(container: Container) -> None:
    container.write("etc/hosts", "192.168.7.5\tbuild-1\n")
    container.write("etc/resolv.conf", "nameserver 10.210.0.10\n")
    assert pools(container.start(KUBERNETES_SERVICE_HOST="172.16.0.1")) == ["10.224.0.0/12,size=20"]


def test_the_users_own_pools_are_left_alone(container: Container) -> None:
    config = '{"default-address-pools":[{"base":"172.20.0.0/16","size":24}]}'
    assert pools(container.start(KUBERNETES_SERVICE_HOST="172.20.0.1", NESTED_DOCKER_CONFIG=config)) == []


# --- iptables ---------------------------------------------------------------------------------------


def uses(done: Run, container: Container) -> str:
    """The iptables that dockerd finds first."""
    for folder in done.environment["PATH"].split(":"):
        if (found := Path(folder, "iptables")).exists():
            return found.resolve().name
    return ""


def test_an_iptables_that_works_is_kept(container: Container) -> None:
    container.iptables("legacy", "nft")
    assert uses(container.start(), container) == "iptables"
    assert container.read("modules") == ""


@pytest.mark.parametrize(("backend", "other"), [("legacy", "nft"), ("nft", "legacy")])
def test_one_that_does_not_work_is_replaced(container: Container, backend: str, other: str) -> None:
    container.iptables("legacy", "nft", broken=("iptables", f"iptables-{other}"))
    done = container.start()
    assert uses(done, container) == f"iptables-{backend}"
    assert f"uses iptables-{backend}, since the image's own iptables does not work" in done.stderr
    assert container.read("modules").split() == ["nf_tables", "ip_tables", "ip6_tables"]


def test_a_legacy_variant_in_the_folder_of_dockers_images_is_found(container: Container) -> None:
    container.iptables("", folder="usr/local/sbin/.iptables-legacy")
    container.program("iptables", "#!/bin/sh\nexit 3\n")
    done = container.start()
    assert done.code == 0
    first = done.environment["PATH"].split(":")[0]
    assert Path(first, "iptables").resolve() == container.root / "usr/local/sbin/.iptables-legacy/iptables"


@pytest.mark.parametrize("family", ["ip", "ip6", "arp"])
def test_legacy_rules_that_are_there_already_decide(container: Container, family: str) -> None:
    container.iptables("legacy", "nft")
    container.write(f"proc/net/{family}_tables_names", "nat\n")
    assert uses(container.start(), container) == "iptables-legacy"


def test_without_one_that_works_dockerd_has_the_last_word(container: Container) -> None:
    container.iptables("legacy", broken=("iptables", "iptables-legacy"))
    done = container.start()
    assert done.code == 0
    assert "no iptables of the image works on this node: iptables: Protocol not supported" in done.stderr
    assert uses(done, container) == "iptables"


@pytest.mark.parametrize("backend", ["legacy", "nft"])
def test_the_users_choice_is_not_judged(container: Container, backend: str) -> None:
    container.iptables("legacy", "nft", broken=(f"iptables-{backend}",))
    done = container.start(NESTED_DOCKER_IPTABLES=backend)
    assert uses(done, container) == f"iptables-{backend}"


def test_a_choice_that_the_image_lacks_is_refused(container: Container) -> None:
    done = container.start(NESTED_DOCKER_IPTABLES="nft")
    assert done.code == 1
    assert "the image has no iptables-nft, which spec.engine.iptables asks for: choose Auto" in done.stderr


# --- certificates and configuration -----------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "etc/ssl/certs/ca-certificates.crt",
        "etc/pki/tls/certs/ca-bundle.crt",
        "etc/ssl/ca-bundle.pem",
        "etc/pki/tls/cacert.pem",
        "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "etc/ssl/cert.pem",
    ],
)
def test_a_bundle_is_added_to_the_images_own_in_every_distribution(container: Container, path: str) -> None:
    container.write(path, "the image's")
    bundle = container.write("bundle", "the user's\n")
    done = container.start(NESTED_DOCKER_CA_BUNDLE=str(bundle))
    assert (done.code, done.stderr) == (0, "")
    assert Path(done.environment["SSL_CERT_FILE"]).read_text() == "the image's\nthe user's\n"


def test_a_bundle_is_enough_for_an_image_without_authorities(container: Container) -> None:
    bundle = container.write("bundle", "the user's\n")
    done = container.start(NESTED_DOCKER_CA_BUNDLE=str(bundle))
    assert Path(done.environment["SSL_CERT_FILE"]).read_text().strip() == "the user's"
    assert "dockerd trusts only those of spec.engine.caBundleRef" in done.stderr


def test_the_configuration_is_written(container: Container) -> None:
    container.start(NESTED_DOCKER_CONFIG='{"a":"b c"}')
    assert container.read("etc/docker/daemon.json") == '{"a":"b c"}'
    container.start()
    assert container.read("etc/docker/daemon.json") == "{}"


MIRRORS = """# docker.io
[host."http://m.example:5000"]
capabilities = ["pull", "resolve"]
# r.example:5000
server = "http://r.example:5000"
skip_verify = true
[host."https://m.example"]
capabilities = ["pull", "resolve"]
"""


def test_each_registry_with_mirrors_has_its_file(container: Container) -> None:
    for _ in range(2):  # the folder may be on a volume, which outlives the container
        done = container.start(NESTED_DOCKER_MIRRORS=MIRRORS)
        assert (done.code, done.stderr) == (0, "")
    hub, other = (tomllib.loads(container.read(f"etc/docker/certs.d/{name}/hosts.toml")) for name in REGISTRIES)
    assert [*hub["host"]] == ["http://m.example:5000"]
    assert (other["server"], [*other["host"]]) == ("http://r.example:5000", ["https://m.example"])


REGISTRIES = ("docker.io", "r.example:5000")


def test_mirrors_that_cannot_be_written_are_an_error(container: Container) -> None:
    container.write("etc/docker/certs.d", "not a folder")
    done = container.start(NESTED_DOCKER_MIRRORS=MIRRORS)
    assert done.code == 1
    assert "spec.engine.mirrors cannot be written to" in done.stderr
    assert "mount folders of registries instead of the whole folder" in done.stderr
    assert done.flags == []


# --- the keys of daemon.json that flags take --------------------------------------------------------


def every_flag(container: Container) -> Mapping[str, str]:
    """Every flag that dockerd can get, by its name, with the key of daemon.json that means the same."""
    cgroup(container, "/")
    done = container.start(*dockerd_flags(), KUBERNETES_SERVICE_HOST="172.20.0.1", NESTED_DOCKER_MTU="1400")
    found = {flag.split("=")[0].removeprefix("--") for flag in done.flags}
    return {name: DaemonFlag(name).key for name in sorted(found)}


def test_no_key_is_both_a_flag_and_free(container: Container) -> None:
    """dockerd ends when a key is in its configuration and among its flags."""
    flags = every_flag(container)
    assert set(flags) >= {"host", "mtu", "default-network-opt", "default-address-pool", "cgroup-parent", "exec-opt"}
    assert set(flags.values()) - set(OPERATOR_OWNED_CONFIG) == set()
