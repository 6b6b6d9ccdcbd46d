"""Ownership rests on what an image cannot carry, and names mean the same before and after an operation."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.guard.conftest import RULES
from tests.guard.dockerd import Dockerd
from tests.guard.owner import Owner, filters

from nested_docker.guard.daemon.removal import remove_all


@pytest.fixture
def lure(dockerd: Dockerd, alice: Owner, tmp_path: Path) -> Iterator[str]:
    """An image with Alice's labels and a volume, as it comes from a registry: nobody has built it here."""
    name = f"localhost/lure:{uuid.uuid4().hex[:8]}"
    yield image_from_elsewhere(
        dockerd,
        tmp_path,
        name,
        Labels={"nesteddocker.dev/uid": alice.uid, "nesteddocker.dev/image-uid": alice.uid},
    )
    subprocess.run(dockerd.command("rmi", "--force", name), capture_output=True, check=False)


@pytest.fixture
def others(dockerd: Dockerd, lure: str) -> Iterator[str]:
    """A container that the node's admin has started from this image."""
    container = dockerd.docker("run", "-d", "--name", f"others-{uuid.uuid4().hex[:8]}", lure, "sleep", "6000")
    assert dockerd.docker("inspect", "--format", '{{index .Config.Labels "nesteddocker.dev/uid"}}', container)
    yield container
    dockerd.docker("rm", "-f", container)


def image_from_elsewhere(dockerd: Dockerd, folder: Path, name: str, **config: Any) -> str:
    """Load an image with this configuration; such an image has no parent, as one from a registry."""
    saved = folder / "busybox.tar"
    dockerd.docker("save", "-o", str(saved), "busybox")
    with tarfile.open(saved) as archive:
        members = {each.name: archive.extractfile(each).read() for each in archive if each.isfile()}  # type: ignore[union-attr]
    (manifest,) = json.loads(members["manifest.json"])
    image = json.loads(members[manifest["Config"]])
    image["config"].update(config)
    image["created"] = "2020-01-01T00:00:00Z"
    layers = {each: members[each] for each in manifest["Layers"]}
    files = {
        **layers,
        "config.json": json.dumps(image).encode(),
        "manifest.json": json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": [*layers]}]).encode(),
    }
    with tarfile.open(folder / "image.tar", "w") as archive:
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    dockerd.docker("load", "--quiet", "--input", str(folder / "image.tar"))
    return name


REQUESTS: list[tuple[str, str, Any]] = [
    ("GET", "/containers/{others}/json", None),
    ("GET", "/containers/{others}/logs?stdout=1", None),
    ("GET", "/containers/{others}/export", None),
    ("POST", "/containers/{others}/exec", {"Cmd": ["id"]}),
    ("POST", "/containers/{others}/kill", None),
    ("DELETE", "/containers/{others}?force=1", None),
    ("POST", "/commit?container={others}", None),
    ("POST", "/build?networkmode=container:{others}", b"\0" * 1024),
    ("POST", "/containers/create", {"Image": "busybox", "HostConfig": {"VolumesFrom": ["{others}"]}}),
    ("POST", "/containers/create", {"Image": "busybox", "HostConfig": {"NetworkMode": "container:{others}"}}),
    ("POST", "/containers/create", {"Image": "busybox", "HostConfig": {"PidMode": "container:{others}"}}),
]


@pytest.mark.parametrize(("method", "target", "body"), REQUESTS, ids=lambda value: str(value)[:60])
def test_a_label_of_an_image_gives_its_containers_no_owner(
    alice: Owner, others: str, method: str, target: str, body: Any
) -> None:
    if isinstance(body, dict):
        body = json.loads(json.dumps(body).replace("{others}", others))
    answer = alice.request(method, target.replace("{others}", others), body)
    assert answer.status == 404
    assert answer.message == f"No such container: {others}"


def test_nor_do_lists_and_disk_usage_show_them(alice: Owner, others: str) -> None:
    assert others not in alice.request("GET", "/containers/json?all=1").body.decode()
    assert others not in alice.request("GET", f"/containers/json?filters={filters(id=[others])}").body.decode()
    assert others not in alice.request("GET", "/system/df").body.decode()


def test_a_prune_removes_only_the_owners_containers(alice: Owner, dockerd: Dockerd, others: str) -> None:
    dockerd.docker("kill", others)
    running = alice.docker("run", "-d", "busybox", "sleep", "600")
    kept = alice.docker("create", "--label", "keep=1", "busybox")
    stopped = alice.docker("create", "busybox")
    assert not alice.request("POST", f"/containers/prune?filters={filters(until=['1h'])}").json["ContainersDeleted"]
    pruned = alice.request("POST", f"/containers/prune?filters={filters(label__=['keep'])}").json
    assert pruned["ContainersDeleted"] == [stopped]
    left = set(dockerd.docker("ps", "-aq", "--no-trunc").split())
    assert {others, running, kept} <= left
    assert "Total reclaimed space" in alice.docker("container", "prune", "--force")
    assert kept not in dockerd.docker("ps", "-aq", "--no-trunc")
    alice.docker("rm", "-f", running)


def test_events_of_others_containers_do_not_pass(alice: Owner, dockerd: Dockerd, lure: str) -> None:
    command = ["docker", "--host", f"unix://{alice.socket}", "events", "--format", "{{.Action}} {{.Actor.ID}}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
        time.sleep(1)
        others = dockerd.docker("run", "-d", lure, "sleep", "600")
        dockerd.docker("exec", others, "echo", "a-secret")
        mine = alice.docker("run", "-d", "busybox", "sleep", "600")
        dockerd.docker("rm", "-f", others)
        alice.docker("rm", "-f", mine)
        time.sleep(1)
        client.terminate()
        assert client.stdout is not None
        received = client.stdout.read().decode()
    assert others not in received
    actions = [line.split()[0] for line in received.splitlines() if mine in line]
    assert actions == ["create", "start", "kill", "die", "destroy"]


def test_nor_do_they_count_toward_limits(owners: Callable[[dict[str, Any]], Owner], dockerd: Dockerd,
                                         tmp_path: Path) -> None:  # fmt: skip
    carol = owners({**RULES, "limits": {"containers": 1}})
    name = f"localhost/lure:{uuid.uuid4().hex[:8]}"
    image_from_elsewhere(dockerd, tmp_path, name, Labels={"nesteddocker.dev/uid": carol.uid})
    others = dockerd.docker("create", name)
    mine = carol.docker("create", "busybox")
    assert b"1 of 1 allowed containers exist" in carol.run("create", "busybox").stderr
    dockerd.docker("rm", others)
    dockerd.docker("rmi", name)
    carol.docker("rm", mine)


def test_node_cleanup_goes_by_the_same_evidence(alice: Owner, dockerd: Dockerd, others: str, lure: str) -> None:
    mine = alice.docker("create", "busybox")
    remove_all(str(dockerd.socket), alice.uid)
    left = dockerd.docker("ps", "-aq", "--no-trunc").split()
    assert others in left
    assert mine not in left
    assert lure in dockerd.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()


def test_an_image_from_elsewhere_is_nobodys(alice: Owner, lure: str) -> None:
    assert alice.request("GET", f"/images/{lure}/json").status == 404
    assert lure not in alice.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert alice.request("DELETE", f"/images/{lure}?force=1").status == 404


def test_the_owner_outlives_the_guards_process(alice: Owner, dockerd: Dockerd) -> None:
    mine = alice.docker("run", "-d", "busybox", "sleep", "600")
    alice.stop()
    alice.socket.unlink(missing_ok=True)
    alice.start(dockerd.socket)
    assert mine in alice.docker("ps", "-q", "--no-trunc").split()
    alice.docker("rm", "-f", mine)


@pytest.mark.parametrize(
    "label",
    [
        "io.kubernetes.container.logpath",
        "IO.kubernetes.pod.name",
        "annotation.io.kubernetes.container.hash",
        "io.cri-containerd.kind",
        "com.docker.swarm.service.id",
        "com.docker.stack.namespace",
    ],
)
def test_an_image_with_a_reserved_label_is_denied(dockerd: Dockerd, owners: Any, tmp_path: Path, label: str) -> None:
    carol = owners({**RULES, "images": {**RULES["images"], "use": ["busybox", "localhost/labelled"]}})
    image_from_elsewhere(dockerd, tmp_path, "localhost/labelled:1", Labels={label: "/etc/passwd"})
    answer = carol.request("POST", "/containers/create", {"Image": "localhost/labelled:1"})
    assert answer.status == 403
    assert f"image localhost/labelled:1 has the label {label}, and labels with the prefix " in answer.message
    dockerd.docker("rmi", "localhost/labelled:1")


def test_an_image_gives_no_devices_of_the_node(dockerd: Dockerd, owners: Any, tmp_path: Path) -> None:
    carol = owners({**RULES, "images": {**RULES["images"], "use": ["localhost/cuda"]}})
    image_from_elsewhere(
        dockerd, tmp_path, "localhost/cuda:1", Env=["PATH=/bin", "CUDA_VERSION=12", "NVIDIA_VISIBLE_DEVICES=all"]
    )
    seen = carol.docker("run", "--rm", "localhost/cuda:1", "env").splitlines()
    assert [each for each in seen if each.startswith("NVIDIA")] == ["NVIDIA_VISIBLE_DEVICES=void"]
    dockerd.docker("rmi", "localhost/cuda:1")


def test_anonymous_volumes_have_an_owner_and_count(dockerd: Dockerd, owners: Any, tmp_path: Path) -> None:
    carol = owners({**RULES, "images": {**RULES["images"], "use": ["busybox", "localhost/data"]},
                    "limits": {"volumes": 3}})  # fmt: skip
    image_from_elsewhere(dockerd, tmp_path, "localhost/data:1", Volumes={"/etc": {}, "/b/": {}})
    container = carol.docker("run", "-d", "-v", "/c", "localhost/data:1", "sleep", "600")
    assert len(carol.docker("volume", "ls", "-q").split()) == 3
    assert "root" in carol.docker("exec", container, "cat", "/etc/passwd"), "a volume has the files of the image"
    for options in (["-v", "/d"], ["--mount", "type=volume,target=/d"]):
        assert b"3 of 3 allowed volumes exist" in carol.run("create", *options, "busybox").stderr
    assert (
        b"3 of 3 allowed volumes exist, and the container needs 2 more"
        in carol.run("create", "localhost/data:1").stderr
    )
    other = carol.docker("create", "--volumes-from", container, "localhost/data:1")
    assert mounts(dockerd, other) == mounts(dockerd, container)
    carol.docker("rm", "-f", other, container)
    assert not carol.docker("volume", "ls", "-q")
    named = carol.docker("create", "-v", "mine:/etc/", "--tmpfs", "/b", "localhost/data:1")
    assert set(mounts(dockerd, named)) == {"/etc/", "/etc"} & set(mounts(dockerd, named))
    carol.docker("rm", named)
    carol.docker("volume", "rm", "mine")
    dockerd.docker("rmi", "localhost/data:1")


def mounts(dockerd: Dockerd, container: str) -> dict[str, str]:
    """Names of volumes by target."""
    inspected = json.loads(dockerd.docker("inspect", container))[0]
    return {each["Destination"]: each["Name"] for each in inspected["Mounts"]}


def test_a_shared_image_gets_no_tag_that_would_stay(alice: Owner, dockerd: Dockerd) -> None:
    name = f"localhost/stays:{uuid.uuid4().hex[:8]}"
    ran = alice.run("tag", "busybox", name)
    assert b"image busybox is shared: you may use it, but neither tag nor remove it; build one FROM it" in ran.stderr
    alice.docker("build", "-t", name, "-", stdin="FROM busybox\n")
    alice.docker("tag", name, f"{name}-2")
    remove_all(str(dockerd.socket), alice.uid)
    assert "localhost/stays" not in dockerd.docker("images")


def test_a_repository_of_hex_digits_is_not_exported_as_a_whole(
    alice: Owner, bob: Owner, dockerd: Dockerd, tmp_path: Path
) -> None:
    repository = "localhost/x", "deadbeefcafe"
    secret = f"secret-{uuid.uuid4().hex}"
    alice.docker("build", "-t", "localhost/hex:1", "-", stdin=f"FROM busybox\nLABEL x={uuid.uuid4().hex}\n")
    bob.docker("build", "-t", "localhost/hex:2", "-", stdin=f"FROM busybox\nRUN echo {secret} > /s\n")
    dockerd.docker("tag", "localhost/hex:1", f"{repository[1]}:latest")
    dockerd.docker("tag", "localhost/hex:2", f"{repository[1]}:theirs")
    for number, path in enumerate((f"/images/{repository[1]}/get", f"/images/get?names={repository[1]}")):
        answer = alice.request("GET", path)
        assert answer.status == 200, answer
        (tmp_path / f"{number}.tar").write_bytes(answer.body)
        with tarfile.open(tmp_path / f"{number}.tar") as archive:
            manifest = json.loads(archive.extractfile("manifest.json").read())  # type: ignore[union-attr]
        assert len(manifest) == 1
        assert "theirs" not in json.dumps(manifest)
    short = dockerd.docker("images", "-q", "localhost/hex:1")
    alice.docker("save", "-o", str(tmp_path / "short.tar"), short)
    dockerd.docker("rmi", f"{repository[1]}:latest", f"{repository[1]}:theirs")
    alice.docker("rmi", "localhost/hex:1")
    bob.docker("rmi", "localhost/hex:2")


@pytest.mark.parametrize("quiet", [False, True])
def test_a_build_gives_its_names_at_the_end(alice: Owner, tmp_path: Path, quiet: bool) -> None:
    one, two = f"localhost/named:{uuid.uuid4().hex[:8]}", f"localhost/named2:{uuid.uuid4().hex[:8]}"
    options = ["-q"] if quiet else []
    stages = "FROM busybox AS first\nRUN echo sha256:" + "a" * 64 + "\nFROM busybox\nRUN true\n"
    output = alice.docker("build", *options, "-t", one, "-t", two, "-", stdin=stages)
    if not quiet:
        assert output.splitlines()[-2:] == [f"Successfully tagged {one}", f"Successfully tagged {two}"]
    images = {alice.docker("image", "inspect", "--format", "{{.Id}}", each) for each in (one, two)}
    assert len(images) == 1
    assert not quiet or images == {output}
    failed = alice.run(
        "build", *options, "-t", f"{one}-3", "-", stdin="FROM busybox AS a\nRUN true\nFROM a\nRUN false\n"
    )
    assert failed.returncode
    assert alice.request("GET", f"/images/{one}-3/json").status == 404
    alice.docker("rmi", one, two)


def test_a_name_that_is_taken_during_a_build_stays_with_its_owner(
    alice: Owner, bob: Owner, dockerd: Dockerd, tmp_path: Path
) -> None:
    name = f"localhost/race:{uuid.uuid4().hex[:8]}"
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN sleep 5\n")
    command = ["docker", "--host", f"unix://{alice.socket}", "build", "--no-cache", "-t", name, str(tmp_path)]
    environment = os.environ | {"DOCKER_BUILDKIT": "0"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as client:
        assert client.stdout is not None
        next(line for line in iter(client.stdout.readline, b"") if b"Running in" in line)
        bob.docker("build", "-t", name, "-", stdin=f"FROM busybox\nLABEL y={uuid.uuid4().hex}\n")
        theirs = dockerd.docker("image", "inspect", "--format", "{{.Id}}", name)
        _, error = client.communicate()
    assert client.returncode != 0
    assert f"another owner's image has the name {name}: choose another" in error.decode()
    assert dockerd.docker("image", "inspect", "--format", "{{.Id}}", name) == theirs
    bob.docker("rmi", name)


def test_a_request_names_at_most_64_objects_and_each_once(alice: Owner) -> None:
    volumes = [f"many{number}:/v{number}" for number in range(64)]
    answer = alice.request("POST", "/containers/create", {"Image": "busybox", "HostConfig": {"Binds": volumes}})
    assert answer.status == 400
    assert "the request names 65 containers, networks, volumes and images: name at most 64" in answer.message
    same = ["nobodys1"] * 10_000
    started = time.monotonic()
    answer = alice.request("POST", "/containers/create", {"Image": "busybox", "HostConfig": {"VolumesFrom": same}})
    assert answer.status == 404
    assert time.monotonic() - started < 5
    container = alice.docker("create", "busybox")
    answer = alice.request(
        "POST", "/containers/create", {"Image": "busybox", "HostConfig": {"VolumesFrom": [container[:12]] * 10_000}}
    )
    assert answer.status == 201, answer
    alice.docker("rm", "-f", container, answer.json["Id"])
