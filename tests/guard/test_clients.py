"""Real clients through the guard: what the rules allow works."""

from __future__ import annotations

import io
import subprocess
import tarfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.guard.dockerd import Dockerd
from tests.guard.owner import Owner

MIB = 2**20


@pytest.fixture
def sleeper(alice: Owner) -> Iterator[str]:
    """A running container's name."""
    name = f"sleeper-{uuid.uuid4().hex[:8]}"
    alice.docker("run", "-d", "--name", name, "busybox", "sleep", "300")
    yield name
    alice.docker("rm", "-f", name)


def test_run_shows_its_output_and_its_exit_code(alice: Owner) -> None:
    assert alice.docker("run", "--rm", "busybox", "echo", "hello") == "hello"
    assert alice.run("run", "--rm", "busybox", "sh", "-c", "exit 7").returncode == 7


def test_input_reaches_its_end(alice: Owner) -> None:
    lines = "".join(f"{number}\n" for number in range(100_000))
    assert alice.docker("run", "--rm", "-i", "busybox", "wc", "-l", stdin=lines) == "100000"


def test_exec_with_input_and_exit_code(alice: Owner, sleeper: str) -> None:
    assert alice.docker("exec", "-i", sleeper, "cat", stdin="hello") == "hello"
    assert alice.run("exec", sleeper, "sh", "-c", "exit 3").returncode == 3
    assert alice.docker("exec", "-d", sleeper, "true") == ""


def test_a_terminal(alice: Owner) -> None:
    command = ["docker", "--host", f"unix://{alice.socket}", "run", "--rm", "-it", "busybox", "tty"]
    ran = subprocess.run(
        ["script", "-qec", " ".join(command), "/dev/null"], capture_output=True, check=False, timeout=60
    )
    assert b"/dev/pts/0" in ran.stdout, ran


def test_attach_and_followed_logs(alice: Owner) -> None:
    name = f"ticker-{uuid.uuid4().hex[:8]}"
    alice.docker("run", "-d", "--name", name, "busybox", "sh", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.4; done")
    attached: list[str] = []
    attaching = threading.Thread(target=lambda: attached.append(alice.docker("attach", name)))
    attaching.start()
    assert alice.docker("logs", "-f", name).split() == ["1", "2", "3", "4", "5"]
    attaching.join()
    assert attached[0].endswith("5")
    alice.docker("rm", name)


def test_files_are_copied_both_ways(alice: Owner, sleeper: str, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(range(256)) * 4096 * 8)
    alice.docker("cp", str(tmp_path / "big"), f"{sleeper}:/tmp/big")
    alice.docker("cp", f"{sleeper}:/tmp/big", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == (tmp_path / "big").read_bytes()


def test_a_build_and_its_image(alice: Owner, dockerd: Dockerd, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox\nCOPY file /file\nRUN cat /file > /copy\nLABEL nesteddocker.dev/image-uid=forged\nCMD cat /copy\n"
    )
    (tmp_path / "file").write_text("built")
    tag = f"localhost/app:{uuid.uuid4().hex[:8]}"
    built = alice.docker(
        "build", "-t", tag, "--build-arg", "http_proxy=a", "--build-arg", "HTTP_PROXY=b", str(tmp_path)
    )
    assert "Successfully tagged" in built
    assert alice.docker("run", "--rm", tag) == "built"
    labels = dockerd.docker("image", "inspect", "--format", "{{json .Config.Labels}}", tag)
    assert f'"nesteddocker.dev/image-uid":"{alice.uid}"' in labels
    assert tag in alice.docker("images", "--format", "{{.Repository}}:{{.Tag}}")
    assert "Untagged" in alice.docker("rmi", tag)


def test_buildkit_gets_the_remedy(alice: Owner) -> None:
    for path in ("/session", "/grpc"):
        answer = alice.request("POST", path, headers={"Connection": "Upgrade, close", "Upgrade": "h2c"})
        assert answer.status == 403
        assert "DOCKER_BUILDKIT=0" in answer.message
    assert alice.request("GET", "/_ping").headers["builder-version"] == "1"


def test_images_are_tagged_saved_and_committed(alice: Owner, sleeper: str, tmp_path: Path) -> None:
    tag = f"localhost/saved:{uuid.uuid4().hex[:8]}"
    alice.docker("exec", sleeper, "touch", "/made")
    alice.docker("commit", sleeper, tag)
    assert alice.docker("run", "--rm", tag, "ls", "/made") == "/made"
    alice.docker("save", "-o", str(tmp_path / "saved.tar"), tag)
    with tarfile.open(tmp_path / "saved.tar") as archive:
        assert "manifest.json" in archive.getnames()
    again = f"localhost/again:{uuid.uuid4().hex[:8]}"
    alice.docker("tag", tag, again)
    alice.docker("rmi", again, tag)


def test_networks_and_volumes(alice: Owner) -> None:
    network, volume = f"net-{uuid.uuid4().hex[:8]}", f"vol-{uuid.uuid4().hex[:8]}"
    alice.docker("network", "create", network)
    alice.docker("run", "--rm", "-v", f"{volume}:/data", "--network", network, "busybox", "sh", "-c", "echo x >/data/x")
    assert alice.docker("run", "--rm", "--mount", f"type=volume,src={volume},dst=/d", "busybox", "cat", "/d/x") == "x"
    assert alice.docker("volume", "ls", "-q").split().count(volume) == 1
    assert network in alice.docker("network", "ls", "--format", "{{.Name}}").split()
    server = alice.docker("run", "-d", "--network", network, "--network-alias", "web", "busybox", "sleep", "60")
    alice.docker("network", "disconnect", network, server)
    alice.docker("network", "connect", "--alias", "web", network, server)
    assert alice.docker("run", "--rm", f"--network=container:{server}", f"--pid=container:{server}", "busybox", "ps")
    alice.docker("rm", "-f", server)
    alice.docker("volume", "rm", volume)
    alice.docker("network", "rm", network)


def test_the_daemon_chooses_the_numbers_of_published_ports(alice: Owner) -> None:
    name = alice.docker("run", "-d", "-p", "80", "busybox", "sleep", "60")
    assert alice.docker("port", name, "80").startswith("0.0.0.0:")
    alice.docker("rm", "-f", name)


def test_info_version_and_disk_usage_work(alice: Owner, dockerd: Dockerd) -> None:
    assert "Storage Driver: overlayfs" in alice.docker("info")
    assert "29." in alice.docker("version", "--format", "{{.Server.Version}}")
    assert alice.docker("system", "df")
    assert alice.docker("ps", "-a", "--filter", "status=exited", "--filter", "label=a") is not None


def test_life_of_a_container(alice: Owner, sleeper: str) -> None:
    alice.docker("pause", sleeper)
    alice.docker("unpause", sleeper)
    top = alice.request("GET", f"/containers/{sleeper}/top?ps_args=-ef")
    assert top.status == 200 or "ps: exec" in top.message  # the daemon's image has no ps
    assert sleeper in alice.docker("stats", "--no-stream", sleeper)
    alice.docker("update", "--restart", "no", sleeper)
    assert alice.docker("diff", sleeper) == ""
    alice.docker("rename", sleeper, f"{sleeper}-x")
    alice.docker("rename", f"{sleeper}-x", sleeper)
    alice.docker("restart", "-t", "0", sleeper)
    alice.docker("kill", sleeper)
    assert alice.docker("wait", sleeper) == "137"
    alice.docker("start", sleeper)


def test_prune_removes_owned_objects_and_denies_the_build_cache(alice: Owner, bob: Owner, dockerd: Dockerd) -> None:
    ended = {owner.uid: owner.docker("create", "busybox", "true") for owner in (alice, bob)}
    ran = alice.run("system", "prune", "--force")
    assert b"(rule: build.prune)" in ran.stderr
    there = dockerd.docker("ps", "-aq", "--no-trunc").split()
    assert ended[alice.uid] not in there
    assert ended[bob.uid] in there
    bob.docker("rm", ended[bob.uid])


def test_events_are_of_owned_containers_only(alice: Owner, bob: Owner) -> None:
    since = str(int(time.time()) - 1)
    hers, his = f"alice-{uuid.uuid4().hex[:8]}", f"bob-{uuid.uuid4().hex[:8]}"
    bob.docker("run", "--rm", "--name", his, "busybox", "true")
    alice.docker("run", "--rm", "--name", hers, "busybox", "true")
    lines = alice.docker("events", "--since", since, "--until", str(int(time.time()) + 1)).splitlines()
    assert any(hers in line for line in lines)
    assert not any(his in line for line in lines)
    assert not any(uid in line for line in lines for uid in (alice.uid, bob.uid))


def test_the_sdk_for_python(alice: Owner) -> None:
    client = alice.sdk()
    assert client.ping()
    assert client.containers.run("busybox", "echo hello", remove=True) == b"hello\n"
    container = client.containers.run("busybox", "sleep 60", detach=True)
    assert container.exec_run("echo inside").output == b"inside\n"
    _, socket = container.exec_run("cat", stdin=True, socket=True)
    socket._sock.sendall(b"through")
    socket._sock.shutdown(1)
    assert socket.read().endswith(b"through")
    assert container.put_archive("/tmp", _archive("file", b"content"))
    stream, _ = container.get_archive("/tmp/file")
    assert b"content" in b"".join(stream)
    assert [each.id for each in client.containers.list()].count(container.id) == 1
    image, _ = client.images.build(
        fileobj=io.BytesIO(b"FROM busybox\nRUN true\n"), tag=f"localhost/sdk:{uuid.uuid4().hex[:8]}", rm=True
    )
    client.images.remove(image.id, force=True)
    volume = client.volumes.create(f"sdk-{uuid.uuid4().hex[:8]}")
    volume.remove()
    network = client.networks.create(f"sdk-{uuid.uuid4().hex[:8]}")
    network.remove()
    container.remove(force=True)
    socket._sock.close()
    socket.close()
    client.close()


def test_a_missing_image_gives_the_daemons_error(alice: Owner) -> None:
    answer = alice.request("POST", "/v1.41/containers/create", {"Image": "nothing:here"})
    assert (answer.status, answer.message) == (404, "No such image: nothing:here")


def test_old_clients_hijack_without_an_upgrade(alice: Owner, sleeper: str) -> None:
    made = alice.request("POST", f"/v1.24/containers/{sleeper}/exec", {"Cmd": ["cat"], "AttachStdin": True,
                                                                       "AttachStdout": True})  # fmt: skip
    body = b'{"Detach":false,"Tty":false}'
    head = f"POST /v1.24/exec/{made.json['Id']}/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
    with alice.connect() as client:
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        received = client.recv(65536)
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        client.sendall(b"raw")
        client.shutdown(1)
        while data := client.recv(65536):
            received += data
    assert received.endswith(b"raw")


def _archive(name: str, data: bytes) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return whole.getvalue()


def test_a_container_is_replaced_by_one_with_the_inspected_settings(alice: Owner) -> None:
    """As tools do that update containers: the settings of its networks are those of the answer to an inspection."""
    network = f"net-{uuid.uuid4().hex[:8]}"
    alice.docker("network", "create", network)
    old = alice.docker("run", "-d", "--network", network, "--network-alias", "web", "busybox", "sleep", "300")
    inspected = alice.request("GET", f"/containers/{old}/json").json
    alice.docker("rm", "-f", old)
    endpoints = inspected["NetworkSettings"]["Networks"]
    assert endpoints[network]["NetworkID"]
    assert endpoints[network]["IPAddress"]
    body = {
        "Image": "busybox",
        "Cmd": ["sleep", "300"],
        "HostConfig": {"NetworkMode": inspected["HostConfig"]["NetworkMode"]},
        "NetworkingConfig": {"EndpointsConfig": endpoints},
    }
    created = alice.request("POST", "/containers/create", body)
    assert created.status == 201, created.message
    new = created.json["Id"]
    alice.docker("start", new)
    joined = alice.request("GET", f"/containers/{new}/json").json["NetworkSettings"]["Networks"]
    assert "web" in joined[network]["Aliases"]
    alice.docker("rm", "-f", new)
    alice.docker("network", "rm", network)


def test_a_network_with_spaces_in_its_name(alice: Owner, bob: Owner) -> None:
    name = f"my network {uuid.uuid4().hex[:8]}"
    alice.docker("network", "create", name)
    assert alice.docker("network", "ls", "--filter", f"name={name}", "--format", "{{.Name}}") == name
    assert alice.docker("run", "--rm", "--network", name, "busybox", "echo", "hello") == "hello"
    assert alice.docker("network", "inspect", "--format", "{{.Name}}", name) == name
    assert b"not found" in bob.run("network", "inspect", name).stderr
    assert b"not found" in bob.run("network", "rm", name).stderr
    assert alice.docker("network", "rm", name) == name
