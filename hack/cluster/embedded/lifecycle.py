"""Starting a cluster until pods can be scheduled, and ending it without a trace."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from embedded import cgroups, config, hostdocker, images, kubernetes, machine, network, node, pki, slots, sysctls, vm
from embedded.api import Api, objects, schedulable
from embedded.components import CONTROL_PLANE, REST, command
from embedded.layout import VM_NODE, Cluster, Home
from embedded.locks import locked
from embedded.node_client import Node, environment_inside
from embedded.report import Clock, ClusterError, tail

START_SECONDS = 240.0


class NotInTimeError(ClusterError):
    """Something is not reached within its time, and no component has ended."""


@dataclass(frozen=True)
class Options:
    """How to start a cluster.

    Attributes:
        keep: Whether to keep the objects and volumes of the last run.
        docker: Whether to start the node's own dockerd.
        audit: Whether to write the API server's audit log.
        vm: Whether to start the second node, in a virtual machine.
        owner: Who starts it; `down --owner` ends the clusters of one owner. Empty: nobody in particular.
        release: Which Kubernetes, as `kubernetes.wanted` gives it.
    """

    keep: bool = False
    docker: bool = False
    audit: bool = False
    vm: bool = False
    owner: str = ""
    release: str = kubernetes.NEWEST


def up(home: Home, name: str, options: Options, clock: Clock) -> Cluster:
    """Start a cluster, or give the one that is up what the options ask for beyond what it has.

    A cluster that is up keeps its owner.

    Raises:
        ClusterError: It didn't become ready; what was started has been ended.
    """
    state = home.state(name)
    state.mkdir(parents=True, exist_ok=True)
    with locked(state / "lock", clock.say):
        running = find(home, name)
        if running is not None and _complete(running.cluster).exists():
            kubernetes.require(running.cluster, options.release)
            clock.say(f"cluster {name} is up already")
            _supplement(running, options, clock)
            return running.cluster
        if running is not None:
            clock.say("an earlier start was cut short, ending what it left")
            _end(running.cluster, clock)
        with locked(slots.MACHINE_LOCK):
            cluster, slot_lock = slots.take(home, name, same=options.keep)
            sysctls.save()
            sysctls.make_room()
        try:
            if options.keep:
                kubernetes.require(cluster, options.release)
            kubernetes.record(cluster, options.release)
            _start(cluster, options, clock, slot_lock)
        except BaseException:
            clock.say("start failed, cleaning up")
            _end(cluster, clock, slot_lock)
            raise
        os.close(slot_lock)  # the node's first process holds it now
        return cluster


def down(home: Home, name: str, clock: Clock) -> None:
    """End a cluster and what a crashed one left; nothing to end is no failure."""
    if slots.remembered(home, name) is None:
        clock.say(f"cluster {name} was never up")
        return
    with locked(home.state(name) / "lock", clock.say):
        cluster = slots.remembered(home, name)
        if cluster is not None:
            _end(cluster, clock)


def owned_by(home: Home, owner: str) -> list[str]:
    """Names of the clusters that this owner started last."""
    files = {name: _owner_file(home.state(name)) for name in home.clusters()}
    return [name for name, file in files.items() if file.exists() and file.read_text() == owner]


def record_owner(state: Path, owner: str) -> None:
    """Write down who starts the cluster whose folder this is, in place of who started it before."""
    _owner_file(state).write_text(owner)


def find(home: Home, name: str) -> Node | None:
    """The node of the cluster of that name, if it is up."""
    cluster = slots.remembered(home, name)
    return None if cluster is None else Node.find(cluster)


def require(home: Home, name: str) -> Node:
    """The node of the cluster of that name.

    Raises:
        ClusterError: It is down.
    """
    running = find(home, name)
    if running is None:
        raise ClusterError(f"cluster {name} is down; start it with `cluster up --name {name}`")
    return running


def wait(what: str, reached: Callable[[], bool], running: Node, patience: float = START_SECONDS) -> None:
    """Wait until something is reached.

    Raises:
        NotInTimeError: It isn't within `patience` seconds.
        ClusterError: A component ended meanwhile.
    """
    deadline = time.monotonic() + patience
    logs = running.cluster.logs
    while not reached():
        for component in running.ended():
            log = logs / f"{component.name}.log"
            said = tail(log.read_text(errors="replace")) if log.exists() else ""
            raise ClusterError(f"{component.name} ended ({component.ended}) before {what}; see {log}\n{said}")
        if time.monotonic() > deadline:
            raise NotInTimeError(f"not within {patience:.0f} s: {what}; see the logs in {logs}")
        time.sleep(0.05)


def _owner_file(state: Path) -> Path:
    """The file with the owner's name."""
    return state / "owner"


def _complete(cluster: Cluster) -> Path:
    """The file that is there once a start has come to its end: without it, a node is only half a cluster."""
    return cluster.state / "complete"


def _supplement(running: Node, options: Options, clock: Clock) -> None:
    if options.audit and not (running.cluster.logs / "audit.log").exists():
        argv = command(running.cluster, "kube-apiserver", audit=True)
        running.ask("restart", "kube-apiserver", argv=argv)
        wait("the API server's readiness", Api(running.cluster).ready, running)
        clock.say("audit log on")
    if options.docker:
        hostdocker.start(running, clock)
    if options.vm:
        start_vm(running, clock)


def start_vm(running: Node, clock: Clock, *, keep: bool = False) -> None:
    """Start the node in a virtual machine, unless it runs, and wait until it takes pods.

    An emulated machine can hang for good: one that is not ready in time loses its power and starts again.

    Args:
        running: The first node.
        clock: For progress.
        keep: Whether it has the disk as its last run left it.

    Raises:
        ClusterError: It does not.
    """
    api = Api(running.cluster)
    for left in reversed(range(vm.STARTS)):
        if not vm.alive(running):
            vm.start(running, keep=keep)
            for path, manifest in vm.objects().items():
                api.apply(path, manifest)
        try:
            wait(f"the node {VM_NODE}", lambda: vm.ready(api), running, vm.SECONDS)
        except NotInTimeError as late:
            said = f"{late}\n{vm.last_words(running.cluster)}"
            if not left:
                raise ClusterError(said) from late
            clock.say(said)
            clock.say(f"cutting its power and starting it again; starts left: {left}")
            running.ask("stop", vm.NAME)
        else:
            break
    clock.say(f"node {VM_NODE} ready")


def _start(cluster: Cluster, options: Options, clock: Clock, slot_lock: int) -> None:
    _complete(cluster).unlink(missing_ok=True)
    record_owner(cluster.state, options.owner)
    _clear_leftovers(cluster)
    if not options.keep:
        for folder in (*node.VOLATILE, "logs"):
            shutil.rmtree(cluster.state / folder, ignore_errors=True)
    cluster.logs.mkdir(exist_ok=True)
    pki.ensure(cluster)
    config.write(cluster)
    cgroups.make(cluster)
    clock.say(f"slot {cluster.slot}: machine {cluster.machine_ip}, node {cluster.node_ip}, link {cluster.link}")
    running = _spawn(cluster, clock, slot_lock)
    network.connect(cluster, running.pid)
    for name in CONTROL_PLANE:
        running.ask("start", name, argv=command(cluster, name, audit=options.audit))
    images.wait_for_containerd(running)
    if not options.keep:
        images.forget_docker(running)
        if images.forget_containers(running):
            # its CRI service read the containers of the last run at its start, and would tell the kubelet
            running.ask("restart", "containerd")
            images.wait_for_containerd(running)
    with ThreadPoolExecutor(1) as pool:
        importing = pool.submit(images.load_changed, running, clock)
        _start_rest(running, clock)
    importing.result()
    if options.docker:
        hostdocker.start(running, clock)
    if options.vm:
        start_vm(running, clock)
    _complete(cluster).touch()
    clock.say(f"cluster {cluster.name} ready")


def _start_rest(running: Node, clock: Clock) -> None:
    """Start what needs the API server, and wait until pods can be scheduled."""
    cluster, api = running.cluster, Api(running.cluster)
    wait("the API server's readiness", api.ready, running)
    clock.say("API server ready")
    for name in REST:
        running.ask("start", name, argv=command(cluster, name))
    for path, manifest in objects().items():
        api.apply(path, manifest)
    wait("a schedulable node", lambda: schedulable(api.get("/api/v1/nodes")), running)
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    wait("the default service account", lambda: api.get(account) is not None, running)


def _spawn(cluster: Cluster, clock: Clock, slot_lock: int) -> Node:
    """Start the node's first process and wait until it listens."""
    package = Path(__file__).resolve().parent.parent
    machine_net = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    log_path = cluster.logs / "node.log"
    with log_path.open("ab") as log:
        outer = subprocess.Popen(
            [
                *("unshare", *machine.NAMESPACES, "--fork", "--kill-child", sys.executable, "-m", "embedded.node"),
                *(str(cluster.state), str(clock.origin), str(slot_lock), str(machine_net)),
            ],
            cwd="/",
            env={**os.environ, **environment_inside(cluster), "PYTHONPATH": str(package), "PYTHONSAFEPATH": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(slot_lock, machine_net),
        )
    os.close(machine_net)
    try:
        return _listening(cluster, outer, log_path)
    except BaseException:
        outer.kill()  # its child, the node's first process, goes with it
        outer.wait()
        raise


def _listening(cluster: Cluster, outer: subprocess.Popen[bytes], log: Path) -> Node:
    while (running := Node.find(cluster)) is None:
        if outer.poll() is not None:
            said = tail(log.read_text(errors="replace"))
            raise ClusterError(f"the node's first process ended at once; its log: {log}\n{said}")
        time.sleep(0.01)
    return running


def _end(cluster: Cluster, clock: Clock, slot_lock: int | None = None) -> None:
    """End a node and remove what outlives it.

    Args:
        cluster: Whose.
        clock: For progress.
        slot_lock: Descriptor of the slot's lock, if this process has it; it gets closed.
    """
    running = Node.find(cluster)
    if running is not None and not running.end():
        clock.say("the node didn't end within its time and was killed")
    if slot_lock is None:
        slot_lock = slots.reclaim(cluster.slot)
    if slot_lock is None:
        clock.say(f"cluster {cluster.name} is down; its slot {cluster.slot} is another cluster's by now")
        return
    try:
        _clear_leftovers(cluster)
        with locked(slots.MACHINE_LOCK):
            if not slots.others_up(cluster.slot):
                sysctls.restore()
    finally:
        os.close(slot_lock)
    clock.say(f"cluster {cluster.name} is down")


def _clear_leftovers(cluster: Cluster) -> None:
    """Remove what outlives a node that was killed; only for the holder of the slot's lock."""
    network.disconnect(cluster)
    cgroups.remove(cluster)
    cluster.vm_disk.unlink(missing_ok=True)
