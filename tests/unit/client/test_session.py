"""The Python API against an API server and a daemon on real sockets."""

from __future__ import annotations

import asyncio
import base64
import gc
import os
import signal
import socket
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.user_world import CREDENTIALS, HOST, NAMESPACE, TOKEN, Manifest, UserWorld, conditions

from nested_docker.adapters.user_cluster import connect_as_user
from nested_docker.client import (
    ClusterError,
    DeniedError,
    InvalidRequestError,
    NestedDocker,
    NestedDockerError,
    NotFoundError,
    NotReadyError,
    Progress,
    Reach,
    UnreachableError,
)
from nested_docker.client.dialing import Dialer
from nested_docker.client.patience import PatientCluster, is_passing
from nested_docker.domain.ports import KubeError
from nested_docker.net.streams import Stream


def names_of(world: UserWorld) -> list[str]:
    return [each["metadata"]["name"] for path, each in world.objects.items() if "/nesteddockers/" in path]


def socket_path(nested_docker: NestedDocker) -> Path:
    return Path(nested_docker.docker_host.removeprefix("unix://"))


def test_a_block_has_a_daemon_and_leaves_nothing(world: UserWorld) -> None:
    threads = threading.active_count()
    with NestedDocker(class_name="standard") as nested_docker:
        assert nested_docker.created
        assert nested_docker.client().version()["Version"] == "29.1.0"
        (name,) = names_of(world)
        spec = world.objects[world.path("nesteddockers", name)]["spec"]
        assert spec == {"idleTimeoutSeconds": 900, "ttlSecondsAfterFinished": 60, "className": "standard"}
        path = socket_path(nested_docker)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert [each.name for each in path.parent.iterdir()] == ["docker.sock"]
        assert nested_docker.environment() == {
            "DOCKER_AUTH_CONFIG": CREDENTIALS.decode(),
            "DOCKER_HOST": f"unix://{path}",
        }
    assert names_of(world) == []
    assert not path.parent.exists()
    assert world.server.authorization == {f"Bearer {TOKEN}"}
    assert threading.active_count() == threads


async def test_async_works_with_a_client_that_blocks(world: UserWorld) -> None:
    async with NestedDocker() as nested_docker:
        assert nested_docker.client().ping()  # without a thread: the bridge must not need this event loop
    assert names_of(world) == []


def test_one_that_exists_is_used_and_stays(world: UserWorld) -> None:
    world.nested_docker("build")
    with NestedDocker("build") as nested_docker:
        assert not nested_docker.created
        assert nested_docker.client().ping()
    assert names_of(world) == ["build"]


def test_a_name_that_is_new_is_created_without_limits_and_kept_on_request(world: UserWorld) -> None:
    with NestedDocker("cache", keep=True, spec={"suspend": False}, mode="Dind"):
        pass
    assert names_of(world) == ["cache"]
    assert world.objects[world.path("nesteddockers", "cache")]["spec"] == {"mode": "Dind", "suspend": False}


def test_an_error_in_the_block_deletes_it_too(world: UserWorld) -> None:
    with pytest.raises(ZeroDivisionError), NestedDocker():
        _ = 1 / 0
    assert names_of(world) == []


async def test_a_cancellation_while_it_starts_deletes_it(world: UserWorld) -> None:
    world.on_create = lambda _: None  # it never becomes ready

    async def use() -> None:
        async with NestedDocker():
            pytest.fail("it is not ready")

    task = asyncio.create_task(use())
    while not names_of(world):
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert names_of(world) == []


async def test_a_cancellation_in_the_block_deletes_it(world: UserWorld) -> None:
    inside = asyncio.Event()

    async def use() -> None:
        async with NestedDocker():
            inside.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(use())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert names_of(world) == []


def test_what_cannot_be_deleted_is_named(world: UserWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nested_docker.client.session.DELETE_SECONDS", 0.3)
    created: list[Manifest] = []

    def refuse(method: str, path: str) -> tuple[int, str] | None:
        return (500, "the answer is lost") if method == "GET" and created and not path.endswith("docker") else None

    world.on_create = created.append
    world.refuse = refuse
    with pytest.raises(NestedDockerError) as caught, NestedDocker("mine", timeout=0.3):
        pytest.fail("the API server fails")
    assert caught.value.message.startswith("NestedDocker mine could not be deleted: ")
    assert caught.value.remedy == "nested-docker rm mine -n team-a"
    world.refuse = lambda _method, _path: None
    assert names_of(world) == ["mine"], "what cannot be looked at cannot be deleted"


def test_a_creation_that_is_refused_needs_no_deletion(world: UserWorld) -> None:
    world.refuse = lambda method, _: (403, {"reason": "Forbidden", "message": f"cannot {method}"})
    with pytest.raises(ClusterError, match=r"cannot create NestedDocker tmp-.*: cannot POST"):
        NestedDocker().__enter__()
    assert [method for method, _ in world.requests] == ["POST"]


def failing(world: UserWorld, status: int, times: int) -> list[str]:
    """Let reads of NestedDockers and Secrets fail so many times, and collect their paths."""
    seen: list[str] = []

    def refuse(method: str, path: str) -> tuple[int, Manifest] | None:
        if method == "POST":
            return None
        seen.append(path)
        return (status, {"reason": "Busy", "message": "the server is busy"}) if len(seen) <= times else None

    world.refuse = refuse
    return seen


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_an_api_server_that_is_busy_ends_no_wait(
    world: UserWorld, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr("nested_docker.client.patience.FIRST_PAUSE_SECONDS", 0.01)
    failing(world, status, 3)
    with NestedDocker(timeout=20) as nested_docker:
        failing(world, status, 3)
        assert nested_docker.client().ping(), "neither a new connection"
        failing(world, status, 3)
    assert names_of(world) == [], "nor the deletion"


@pytest.mark.parametrize(("status", "error"), [(401, ClusterError), (403, ClusterError)])
def test_a_refusal_ends_a_wait_at_once(world: UserWorld, status: int, error: type[Exception]) -> None:
    world.on_create = lambda _: None
    seen = failing(world, status, 10**6)
    with pytest.raises(NestedDockerError) as caught:
        NestedDocker(timeout=60, keep=True).__enter__()
    assert isinstance(caught.value, error)
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("status", "reason", "passing"),
    [
        (0, "NoAnswer", True),
        (0, "InvalidAnswer", False),
        (429, "", True),
        (504, "", True),
        (404, "", False),
        (409, "", False),
    ],
)
def test_what_passes_by_itself(status: int, reason: str, passing: bool) -> None:
    assert is_passing(KubeError(status, reason, "")) == passing


async def test_retry_after_and_the_deadline_are_obeyed() -> None:
    class Busy:
        asked = 0

        async def get(self, *_: object) -> None:
            self.asked += 1
            raise KubeError(429, "TooManyRequests", "later", retry_after=0.3)

    kube, started = Busy(), time.monotonic()
    with pytest.raises(KubeError):
        await PatientCluster(kube, started + 0.8).get("NestedDocker", None, "x")  # type: ignore[arg-type]
    assert kube.asked <= 3
    assert time.monotonic() - started < 0.8


# --- signals ------------------------------------------------------------------------------------------------


def slow_deletion(world: UserWorld, *then: int) -> None:
    """Send this process signals while the API server deletes."""

    def refuse(method: str, _: str) -> None:
        if method == "DELETE":
            for number in then:
                os.kill(os.getpid(), number)
                time.sleep(0.1)

    world.refuse = refuse


def test_ctrl_c_during_the_deletion_waits_for_it(world: UserWorld) -> None:
    slow_deletion(world, signal.SIGINT, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), NestedDocker() as nested_docker:
        assert nested_docker.created
    assert names_of(world) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_twice_while_it_starts_deletes_it(world: UserWorld) -> None:
    world.on_create = lambda _: None  # it never becomes ready
    slow_deletion(world, signal.SIGINT)
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt), NestedDocker(timeout=60):
        pytest.fail("it is not ready")
    assert names_of(world) == []


def test_a_handler_that_goes_on_interrupts_nothing(world: UserWorld) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    try:
        threading.Timer(0.02, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
        with NestedDocker() as nested_docker:
            slow_deletion(world, signal.SIGTERM)
            assert nested_docker.client().ping()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == 2 * [signal.SIGTERM]
    assert names_of(world) == []


def test_somebody_elses_of_the_same_name_is_not_deleted(world: UserWorld) -> None:
    def refuse(method: str, path: str) -> tuple[int, Manifest] | None:
        if method == "POST":  # somebody else is faster
            world.nested_docker("mine")
            return 409, {"reason": "AlreadyExists", "message": 'nesteddockers "mine" already exists'}
        return None

    world.refuse = refuse
    with pytest.raises(InvalidRequestError, match="already exists"), NestedDocker("mine"):
        pytest.fail("it is somebody else's")
    assert names_of(world) == ["mine"]


def test_progress_is_reported_once_per_step(world: UserWorld) -> None:
    steps: list[Progress] = []
    with NestedDocker(on_progress=steps.append):
        pass
    assert [(step.stage, step.reason, step.message) for step in steps] == [("Ready", "Ready", "clients can connect")]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [("Accepted", "False", "NotGranted", "no policy grants mode Dind"),
             ("Ready", "False", "NotGranted", "no policy grants mode Dind")],
            r"NestedDocker build is not ready \(NotGranted\): no policy grants mode Dind",
        ),
        (
            [("Ready", "False", "DaemonCrashed", "exit code 1: bad flag"), ("Stalled", "True", "DaemonCrashed", "")],
            r"NestedDocker build is not ready \(DaemonCrashed\): exit code 1: bad flag",
        ),
        (
            [("Ready", "False", "Suspended", "spec.suspend is true")],
            r"NestedDocker build is not ready \(Suspended\): spec.suspend is true",
        ),
        (
            [("Ready", "False", "Unschedulable", "0/3 nodes"), ("Reconciling", "True", "Unschedulable", "")],
            r"is not ready \(Unschedulable\): 0/3 nodes \(waited 0.3 s\): wait longer by --timeout",
        ),
        ([], r"the operator has not looked at it yet; is it running\? \(waited 0.3 s\)"),
    ],
    ids=["denied", "stalled", "suspended", "waits", "silent"],
)  # fmt: skip
def test_a_daemon_that_does_not_come_has_its_conditions_message(
    world: UserWorld, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[str, str, str, str]], message: str
) -> None:
    monkeypatch.setattr("nested_docker.client.lifecycle.STALLED_SECONDS", 0.1)
    world.nested_docker("build", conditions=conditions(*rows))
    with pytest.raises(NotReadyError, match=message), NestedDocker("build", timeout=0.3):
        pytest.fail("it is not ready")


def test_what_is_requested_has_to_be_what_exists(world: UserWorld) -> None:
    world.nested_docker("build")
    with pytest.raises(InvalidRequestError, match=r"exists with spec.className 'standard', not 'other'"):
        NestedDocker("build", class_name="other").__enter__()


def test_attach_creates_nothing_and_names_what_exists(world: UserWorld) -> None:
    world.nested_docker("build")
    with pytest.raises(NotFoundError, match=f"bild does not exist in namespace {NAMESPACE}: there are build"):
        NestedDocker("bild", attach=True).__enter__()


@pytest.mark.parametrize("name", ["Build", "-a", "a" * 60, "a/b"])
def test_an_invalid_name_needs_no_cluster(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="is not a name of a NestedDocker"):
        NestedDocker(name)


DENIALS = [
    (
        403,
        'admission webhook "nesteddockers.nesteddocker.dev" denied the request: NotGranted: ask for a policy',
        "NotGranted: ask for a policy",
        "",
    ),
    (403, 'admission webhook "x.example.com" denied the request: no', "x.example.com", "whoever manages that rule"),
    (400, 'admission webhook "x.example.com" denied the request: no', "x.example.com", "whoever manages that rule"),
    (422, "ValidatingAdmissionPolicy 'x' with binding 'y' denied request: no", "'x'", "whoever manages that rule"),
    (403, 'nesteddockers "x" is forbidden: exceeded quota: q, used: 1', "exceeded quota: q", "a larger ResourceQuota"),
]


@pytest.mark.parametrize(("status", "message", "shown", "remedy"), DENIALS)
def test_a_denial_is_not_a_missing_permission(
    world: UserWorld, status: int, message: str, shown: str, remedy: str
) -> None:
    world.refuse = lambda method, _: (status, {"reason": "No", "message": message}) if method == "POST" else None
    with pytest.raises(DeniedError) as caught:
        NestedDocker().__enter__()
    assert shown in caught.value.message
    assert "nesteddockers.nesteddocker.dev" not in caught.value.message
    assert bool(remedy) == bool(caught.value.remedy)
    assert remedy in caught.value.remedy


def test_nobody_gets_the_permissions_of_a_user_without_credentials(world: UserWorld) -> None:
    message = 'nesteddockers.nesteddocker.dev is forbidden: User "system:anonymous" cannot create resource'
    world.refuse = lambda *_: (403, {"reason": "Forbidden", "message": message})
    with pytest.raises(ClusterError, match="does not accept your credentials: log in again"):
        NestedDocker().__enter__()


# --- connections --------------------------------------------------------------------------------------------


def attach(path: Path, data: bytes) -> bytes:
    """A hijacked connection: the client ends its half, and reads on."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"POST /attach HTTP/1.1\r\nHost: x\r\n\r\n" + data)
        client.shutdown(socket.SHUT_WR)
        received = bytearray()
        while block := client.recv(65536):
            received += block
    return bytes(received.partition(b"\r\n\r\n")[2])


def test_half_of_a_connection_can_end(world: UserWorld) -> None:
    with NestedDocker() as nested_docker:
        assert attach(socket_path(nested_docker), b"x" * 5) == b"after the end: xxxxx5"


def test_fifty_connections_at_once(world: UserWorld) -> None:
    with NestedDocker() as nested_docker, ThreadPoolExecutor(50) as pool:
        path = socket_path(nested_docker)
        answers = list(pool.map(lambda number: attach(path, b"%02d" % number * 100_000), range(50)))
    assert answers == [b"after the end: " + b"%02d" % number * 50 + b"200000" for number in range(50)]


def test_a_replaced_pod_is_followed(world: UserWorld) -> None:
    with NestedDocker() as nested_docker:
        client = nested_docker.client()
        assert client.ping()
        (name,) = names_of(world)
        world.server.pods = {"build-2"}
        client.close()
        world.objects[world.path("nesteddockers", name)]["status"]["podName"] = "build-2"
        assert client.ping()


def test_a_daemon_that_is_lost_is_an_answer_of_docker(world: UserWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nested_docker.client.dialing.REPLACED_SECONDS", 0.1)
    with NestedDocker(keep=True) as nested_docker:
        client = nested_docker.client()
        (name,) = names_of(world)
        del world.objects[world.path("nesteddockers", name)]
        world.server.pods.clear()
        client.close()
        with pytest.raises(Exception, match=f"nested-docker: NestedDocker {name} does not exist"):
            client.ping()


def test_port_forwarding_that_is_forbidden_is_said(world: UserWorld) -> None:
    world.nested_docker("build")
    world.server.refuse = 403
    with pytest.raises(ClusterError, match="you need the permissions get and create on pods/portforward"):
        NestedDocker("build").__enter__()


def test_a_pod_that_refuses_is_said(world: UserWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nested_docker.client.session.OPEN_SECONDS", 0.1)
    world.nested_docker("build")
    world.server.error = b"connection refused"
    with pytest.raises(UnreachableError, match=r"no connection to NestedDocker build \(port-forward\): .*refused"):
        NestedDocker("build").__enter__()


def test_inside_the_cluster_it_connects_directly(world: UserWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def look_up(host: str, *arguments: object, **options: object) -> object:
        return real("127.0.0.1" if host == HOST else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    world.nested_docker("build")
    world.objects[world.path("secrets", "build-docker")]["data"]["port"] = encoded(str(world.tls_port))
    with NestedDocker("build", reach="direct") as nested_docker:
        assert nested_docker.client().ping()
    assert world.server.connections == 0


async def test_where_the_direct_way_is_closed_a_port_is_forwarded(world: UserWorld) -> None:
    world.nested_docker("build")

    class Forwarder:
        connected = 0

        async def connect(self, namespace: str, pod: str, port: int) -> Stream:
            self.connected += 1
            raise KubeError(0, "NoAnswer", f"{namespace}/{pod}:{port}")

    forwarder = Forwarder()
    cluster = await connect_as_user(str(world.kubeconfig))
    dialer = Dialer(cluster.kube, forwarder, NAMESPACE, "build", reach=Reach.AUTO, in_cluster=True)
    with pytest.raises(UnreachableError, match=r"\(port-forward\): team-a/build-1:2376"):
        await dialer.connect(seconds=0)
    assert forwarder.connected == 1
    await cluster.close()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("ca.pem", None, "key 'ca.pem' is missing"),
        ("port", "x", "invalid literal"),
        ("cert.pem", "no certificate", "PEM"),
    ],
)
def test_a_secret_that_cannot_be_used_is_named(world: UserWorld, key: str, value: str | None, message: str) -> None:
    world.nested_docker("build")
    data = world.objects[world.path("secrets", "build-docker")]["data"]
    del data[key]
    if value is not None:
        data[key] = encoded(value)
    with pytest.raises(NestedDockerError, match=rf"the Secret build-docker cannot be used: .*{message}"):
        NestedDocker("build").__enter__()


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_no_client_outside_the_block(world: UserWorld) -> None:
    nested_docker = NestedDocker()
    with pytest.raises(RuntimeError, match="outside the with block"):
        nested_docker.client()
    with nested_docker:
        pass
    with pytest.raises(RuntimeError, match="outside the with block"):
        nested_docker.client()
    gc.collect()
