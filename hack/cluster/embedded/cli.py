"""The commands; results go to stdout, progress and failures to stderr."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from embedded import hostdocker, imagebuild, images, kubernetes, lifecycle, machine, status, vm, vmdocker
from embedded.api import Api
from embedded.build import build
from embedded.components import NAMES
from embedded.layout import Home
from embedded.node_client import Node
from embedded.report import Clock, ClusterError
from embedded.shell import output

DEFAULT_NAME = "default"


class Command:
    """One invocation: its arguments, its home and its clock."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.home = Home.from_environment()
        self.clock = Clock()

    @property
    def name(self) -> str:
        """Name of the cluster meant."""
        return str(self.args.name)

    def node(self) -> Node:
        """The node of the cluster meant, which must be up; warns of components that have ended."""
        machine.require_root()
        running = lifecycle.require(self.home, self.name)
        if kubernetes.wanted() != kubernetes.NEWEST:
            kubernetes.require(running.cluster, kubernetes.wanted())
        for warning in status.warn_of_ended(running):
            print(warning, file=sys.stderr)
        return running

    def build(self) -> int:
        """Make what `up` needs."""
        machine.require()
        build(self.home, self.clock, self._release(), vm=self.args.vm)
        self.clock.say("all built")
        return 0

    def up(self) -> int:
        """Start, and print the kubeconfig's path."""
        machine.require()
        args, release = self.args, self._release()
        build(self.home, self.clock, release, vm=args.vm)
        options = lifecycle.Options(args.keep, args.docker, args.audit, args.vm, args.owner, release)
        cluster = lifecycle.up(self.home, self.name, options, self.clock)
        self.node()
        print(cluster.kubeconfig)
        return 0

    def down(self) -> int:
        """End one cluster, those of one owner, or all of this home."""
        machine.require_root()
        names = [self.name]
        if self.args.all:
            names = self.home.clusters()
        elif self.args.owner:
            names = lifecycle.owned_by(self.home, self.args.owner)
        for name in names:
            lifecycle.down(self.home, name, self.clock)
        return 0

    def status(self) -> int:
        """Show one cluster; 1 unless it is up and sound."""
        machine.require_root()
        return 0 if status.show(self.home, self.name) else 1

    def restart(self) -> int:
        """Stop a component and start it again, and wait until the API server serves."""
        running = self.node()
        running.ask("restart", self.args.component)
        lifecycle.wait("the API server's readiness", Api(running.cluster).ready, running)
        self.clock.say(f"restarted {self.args.component}")
        return 0

    def signal(self) -> int:
        """Send a component a signal; its end, if it ends by it, is shown by `status`."""
        self.node().ask("signal", self.args.component, signal=parse_signal(self.args.signal))
        return 0

    def kubeconfig(self) -> int:
        """Print the kubeconfig's path."""
        print(self.node().cluster.kubeconfig)
        return 0

    def kubectl(self) -> int:
        """Become kubectl."""
        cluster = self.node().cluster
        environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
        program = kubernetes.programs(cluster.home, kubernetes.recorded(cluster)) / "kubectl"
        os.execve(program, ["kubectl", *self.args.words], environment)  # noqa: S606

    def _release(self) -> str:
        """Which Kubernetes the environment names.

        Raises:
            ClusterError: There is none of that name, or the virtual machine does not have it.
        """
        release = kubernetes.wanted()
        if self.args.vm and release != kubernetes.NEWEST:
            raise ClusterError(f"--vm: the virtual machine has the newest Kubernetes only; unset {kubernetes.VARIABLE}")
        return release

    def exec(self) -> int:
        """Become a program inside a node."""
        words = self.args.words or ["sh"]
        argv = vm.enter(self.node(), words) if self.args.vm else self.node().enter(words)
        os.execvp(argv[0], argv)  # noqa: S606

    def vm(self) -> int:
        """Start the node in a virtual machine, or cut its power."""
        running = self.node()
        if self.args.action == "start":
            build(self.home, self.clock, vm=True)
            lifecycle.start_vm(running, self.clock, keep=self.args.keep)
        else:
            running.ask("stop", vm.NAME)
            self.clock.say("the virtual machine has lost its power; Kubernetes does not know that yet")
        return 0

    def docker(self) -> int:
        """Start or stop a node's own dockerd."""
        where = vmdocker if self.args.vm else hostdocker
        act = where.start if self.args.action == "start" else where.stop
        act(self.node(), self.clock)
        return 0

    def load(self) -> int:
        """Import image archives, and print the names of their images."""
        running = self.node()
        for archive in self.args.archives:
            print("\n".join(images.load(running, archive)))
            if self.args.vm:
                self._load_into_vm(running, archive)
        return 0

    def _load_into_vm(self, running: Node, archive: Path) -> None:
        """Import an image archive into the containerd of the node in a virtual machine."""
        with archive.open("rb") as content:
            output(vm.enter(running, ["ctr", "images", "import", "-"]), stdin=content)
        self.clock.say(f"imported {archive} in the virtual machine")

    def image_build(self) -> int:
        """Build an image, import it, and print the path of its archive."""
        order = imagebuild.Order(self.args.context, self.args.tag, self.args.file, tuple(self.args.build_arg))
        print(imagebuild.build(self.node(), order, self.clock))
        return 0


def parse_signal(text: str) -> int:
    """A signal by number or name, with or without SIG.

    Raises:
        ClusterError: There is no such signal.
    """
    if text.isdigit():
        return int(text)
    name = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
    try:
        return signal.Signals[name].value
    except KeyError as error:
        raise ClusterError(f"no signal {text!r}; use a number or a name such as KILL or SIGTERM") from error


def split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part our own words from those of another program's command line, which argparse mustn't see.

    Args:
        argv: For example `kubectl --name NAME get pods -A` or `exec --vm -- CMD -x`.

    Returns:
        Our words, and the other program's: all after our own options and a `--`.
    """
    if argv[:1] not in (["kubectl"], ["exec"]):
        return list(argv), []
    end = 1
    own = ("--name", "-h", "--help", *(["--vm"] if argv[0] == "exec" else []))
    while end < len(argv) and (argv[end] in own or argv[end].startswith("--name=")):
        end += 2 if argv[end] == "--name" else 1
    words = list(argv[end:])
    return list(argv[:end]), words[1:] if words[:1] == ["--"] else words


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("--name", default=DEFAULT_NAME, help="which cluster (default: %(default)s)")
    top = argparse.ArgumentParser(prog="cluster", description="A Kubernetes inside this machine.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, act: Callable[[Command], int], text: str, into: Any = commands) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = into.add_parser(name, parents=[named], help=text, description=text)
        made.set_defaults(act=act)
        return made

    made = add("build", Command.build, "make all that `up` needs: packages, programs, images")
    made.add_argument("--vm", action="store_true", help="what `up --vm` needs, too")
    up = add("up", Command.up, "start a cluster and print its kubeconfig's path")
    up.add_argument("--keep", action="store_true", help="go on with the objects and volumes of the last run")
    up.add_argument("--docker", action="store_true", help="start the node's own dockerd too")
    up.add_argument("--audit", action="store_true", help="write the API server's audit log")
    up.add_argument("--vm", action="store_true", help="start a second node, in a virtual machine, too")
    up.add_argument(
        "--owner", default="", help="who starts it, for `down --owner`; a cluster that is up keeps its owner"
    )
    which = add("down", Command.down, "end a cluster").add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="end all clusters of this home")
    which.add_argument("--owner", default="", help="end the clusters that were started with `up --owner OWNER`")
    add("status", Command.status, "show components, node and memory; status 1 if anything is down")
    restart = add("restart", Command.restart, "restart a component")
    restart.add_argument("component", choices=NAMES)
    kill = add("signal", Command.signal, "send a component a signal")
    kill.add_argument("component", choices=NAMES)
    kill.add_argument("signal")
    add("kubeconfig", Command.kubeconfig, "print the kubeconfig's path")
    add("kubectl", Command.kubectl, "run kubectl on a cluster").usage = "cluster kubectl [--name NAME] [--] ARG..."
    inside = add("exec", Command.exec, "run a program inside the node")
    inside.usage = "cluster exec [--name NAME] [--vm] [--] ARG..."
    inside.add_argument("--vm", action="store_true", help="inside the node in the virtual machine")
    machine_of = add("vm", Command.vm, "start the node in a virtual machine, or cut its power")
    machine_of.add_argument("action", choices=("start", "kill"))
    machine_of.add_argument("--keep", action="store_true", help="start with the disk as the last run left it")
    docker = add("docker", Command.docker, "start or stop the node's own dockerd")
    docker.add_argument("action", choices=("start", "stop"))
    docker.add_argument("--vm", action="store_true", help="that of the node in the virtual machine")
    load = add("load", Command.load, "import image archives")
    load.add_argument("--vm", action="store_true", help="into the node in the virtual machine, too")
    load.add_argument("archives", nargs="+", type=Path, metavar="TAR")
    image = commands.add_parser("image", help="make images").add_subparsers(required=True, metavar="COMMAND")
    made = add("build", Command.image_build, "build an image and import it", image)
    made.add_argument("--tag", required=True, help="the image's name")
    made.add_argument("--build-arg", action="append", default=[], metavar="KEY=VALUE")
    made.add_argument("-f", "--file", type=Path, metavar="DOCKERFILE", help="default: CONTEXT/Dockerfile")
    made.add_argument("context", type=Path)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was begun is undone
    own, words = split(sys.argv[1:] if argv is None else argv)
    args = parser().parse_args(own, argparse.Namespace(words=words))
    try:
        return int(args.act(Command(args)))
    except ClusterError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("cluster: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read stdout wanted no more; nor must the interpreter flush it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
