"""Whose a container is, and names that change their meaning during a request."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.guard.owner import parse
from tests.unit.guard.decisions import UID, rules
from tests.unit.guard.fake_daemon import (
    BUSYBOX,
    FULL,
    INHERITED,
    MINE,
    NEW,
    THEIRS,
    FakeDaemon,
    InTurn,
    guarded,
    request,
)
from tests.unit.relay.peers import Neighbourhood, read_all

from nested_docker.guard.daemon.preconditions import MAX_REFERENCES
from nested_docker.guard.daemon.references import NO_IMAGE
from nested_docker.guard.ownership import IMAGE_LABEL, UID_LABEL
from nested_docker.net.streams import Stream

OTHER = "d" * 64
OWNED = {"Labels": {UID_LABEL: UID}}
FOREIGN = {"Labels": {UID_LABEL: "other"}}
GONE = {"message": "no such thing"}


def image(number: int, owner: str = UID) -> dict[str, Any]:
    """An image that somebody has built."""
    return {"Id": f"sha256:{number:064x}", "Parent": BUSYBOX, "Config": {"Labels": {IMAGE_LABEL: owner}}}


async def answer(hood: Neighbourhood, method: str, target: str, body: Any = None) -> tuple[int, bytes]:
    """Status and body of the response."""
    client = await hood.unix()
    await client.write(request(method, target, b"" if body is None else json.dumps(body).encode(), "Connection: close"))
    received = parse(await read_all(client))
    client.close()
    return received.status, received.body


async def fail(client: Stream, _headers: Any, _body: bytes) -> None:
    """An answer."""
    await client.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}")


NAMED = [
    ("GET", "/containers/x1/json", None),
    ("POST", "/containers/x1/kill", None),
    ("DELETE", "/containers/x1", None),
    ("POST", "/containers/x1/exec", {"Cmd": ["id"]}),
    ("GET", "/containers/x1/archive?path=/", None),
    ("POST", "/commit?container=x1", None),
    ("POST", "/build?networkmode=container:x1", None),
    ("POST", "/containers/create", {"Image": "busybox", "HostConfig": {"VolumesFrom": ["x1"]}}),
    ("POST", "/containers/create", {"Image": "busybox", "HostConfig": {"IpcMode": "container:x1"}}),
    ("POST", "/networks/net/connect", {"Container": "x1"}),
]


@pytest.mark.parametrize("container", [INHERITED, THEIRS], ids=["label of an image", "other owner"])
@pytest.mark.parametrize(("method", "target", "body"), NAMED)
async def test_the_label_of_a_container_gives_it_no_owner(
    hood: Neighbourhood, method: str, target: str, body: Any, container: dict[str, Any]
) -> None:
    daemon = FakeDaemon(**{"/containers/x1/json": container, "/networks/net": {"Id": OTHER, **OWNED}})
    guarded(hood, daemon)
    status, data = await answer(hood, method, target, body)
    assert (status, json.loads(data)) == (404, {"message": "No such container: x1"})
    assert all("GET " in line and "archive" not in line for line in daemon.forwarded())


async def test_lists_have_only_the_owners_containers(hood: Neighbourhood) -> None:
    listed = [{"Id": FULL, **OWNED}, {"Id": OTHER, **OWNED}]
    daemon = FakeDaemon(**{
        "/containers/json": listed, "/system/df": {"Containers": listed}, f"/containers/{OTHER}/json": INHERITED,
    })  # fmt: skip
    guarded(hood, daemon)
    mine = [{"Id": FULL, "Labels": {}}]
    assert json.loads((await answer(hood, "GET", "/containers/json"))[1]) == mine
    assert json.loads((await answer(hood, "GET", "/system/df"))[1])["Containers"] == mine
    assert daemon.forwarded().count(f"GET /containers/{FULL}/json HTTP/1.1") == 1, "its annotations never change"


async def test_a_prune_removes_by_id(hood: Neighbourhood) -> None:
    old, new = {"Created": 1000, "SizeRw": 5}, {"Created": 4000, "Labels": {"keep": "1"}}
    ids = [f"{number:064x}" for number in range(4)]
    daemon = FakeDaemon(**{
        "/containers/json": [{"Id": each, **(new if each == ids[1] else old)} for each in ids],
        **{f"/containers/{each}/json": MINE for each in ids[:3]},
        f"/containers/{ids[3]}/json": INHERITED,
        f"/containers/{ids[0]}": {},
        f"/containers/{ids[1]}": {},
    })  # fmt: skip
    guarded(hood, daemon)
    filters = "%7B%22until%22%3A%5B%222000%22%5D%7D"
    pruned = json.loads((await answer(hood, "POST", f"/containers/prune?filters={filters}"))[1])
    assert pruned == {"ContainersDeleted": [ids[0]], "SpaceReclaimed": 5}
    assert sum("prune" in line for line in daemon.forwarded()) == 0
    filters = "%7B%22label%21%22%3A%5B%22keep%3D1%22%5D%7D"
    pruned = json.loads((await answer(hood, "POST", f"/containers/prune?filters={filters}"))[1])
    assert ids[1] not in pruned["ContainersDeleted"]


async def test_events_have_only_the_owners_containers(hood: Neighbourhood) -> None:
    events = [{"Type": "container", "Action": "x", "Actor": {"ID": each}} for each in (FULL, OTHER, "e" * 64)]
    events += [{"Type": "image", "Actor": {"ID": FULL}}, {"Type": "container"}, {"Type": "container", "Actor": 1}]

    async def stream(client: Stream, _headers: Any, _body: bytes) -> None:
        data = b"".join(json.dumps(each).encode() + b"\n" for each in events)
        await client.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + data[:40])
        await client.write(data[40:] + b"not JSON\n")

    guarded(hood, FakeDaemon(**{"/events": stream, f"/containers/{OTHER}/json": INHERITED}))
    assert [json.loads(line) for line in (await answer(hood, "GET", "/events"))[1].splitlines()] == events[:1]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (OWNED, FOREIGN, "the volume that has the name v1 has changed during the request"),
        (OWNED, {"Labels": None}, "the volume that has the name v1 has changed during the request"),
    ],
)
async def test_a_container_with_a_volume_that_has_changed_is_removed(
    hood: Neighbourhood, before: Any, after: Any, message: str
) -> None:
    volume = InTurn([{"Name": "v1", **before}, {"Name": "v1", **after}])
    daemon = FakeDaemon(**{"/containers/create": {"Id": NEW}, "/volumes/v1": volume, f"/containers/{NEW}": {}})
    guarded(hood, daemon)
    body = {"Image": "busybox", "HostConfig": {"Binds": ["v1:/v"]}}
    status, data = await answer(hood, "POST", "/containers/create", body)
    assert status == 409
    assert message in json.loads(data)["message"]
    assert daemon.forwarded()[-1] == f"DELETE /containers/{NEW}?force=1&v=1 HTTP/1.1"


@pytest.mark.parametrize(
    ("stored", "status", "message"),
    [
        ({"Image": f"sha256:{'9' * 64}"}, 409, "the image that has the name busybox has changed during the request"),
        ({"HostConfig": {}}, 502, "does not store annotations, which say who owns a container: it must be Docker 24"),
    ],
)
async def test_a_container_that_is_not_as_requested_is_removed(
    hood: Neighbourhood, stored: dict[str, Any], status: int, message: str
) -> None:
    async def create(client: Stream, _headers: Any, body: bytes) -> None:
        daemon.store(NEW, body)
        daemon.answers[f"/containers/{NEW}/json"].update(stored)
        data = json.dumps({"Id": NEW}).encode()
        await client.write(f"HTTP/1.1 201 Created\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)

    daemon = FakeDaemon(**{"/containers/create": create, f"/containers/{NEW}": {}})
    guarded(hood, daemon)
    found, data = await answer(hood, "POST", "/containers/create", {"Image": "busybox"})
    assert found == status
    assert message in json.loads(data)["message"]
    assert daemon.forwarded()[-1] == f"DELETE /containers/{NEW}?force=1&v=1 HTTP/1.1"


@pytest.mark.parametrize("stays", [False, True])
async def test_a_container_does_not_exist_before_it_is_verified(hood: Neighbourhood, *, stays: bool) -> None:
    created, checked = asyncio.Event(), asyncio.Event()

    async def create(client: Stream, _headers: Any, body: bytes) -> None:
        daemon.store(NEW, body, image="sha256:" + "9" * 64)
        created.set()
        await checked.wait()
        data = json.dumps({"Id": NEW}).encode()
        await client.write(f"HTTP/1.1 201 Created\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)

    daemon = FakeDaemon(**{"/containers/create": create, f"/containers/{NEW}": fail if stays else GONE})
    guarded(hood, daemon)
    creating = asyncio.create_task(answer(hood, "POST", "/containers/create?name=x1", {"Image": "busybox"}))
    await created.wait()
    daemon.answers["/containers/x1/json"] = daemon.answers[f"/containers/{NEW}/json"]
    started = asyncio.create_task(answer(hood, "POST", "/containers/x1/start"))
    await asyncio.sleep(0.1)
    assert not started.done()
    checked.set()
    assert (await creating)[0] == 409
    assert (await started)[0] == 404
    if stays:
        assert (await answer(hood, "POST", "/containers/x1/start"))[0] == 404
    assert f"POST /containers/{NEW}/start HTTP/1.1" not in daemon.forwarded()


async def test_a_client_that_disconnects_does_not_escape_the_check(hood: Neighbourhood) -> None:
    created = asyncio.Event()

    async def create(client: Stream, _headers: Any, body: bytes) -> None:
        daemon.store(NEW, body, image="sha256:" + "9" * 64)
        created.set()
        await asyncio.sleep(1)
        data = json.dumps({"Id": NEW}).encode()
        await client.write(f"HTTP/1.1 201 Created\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)

    daemon = FakeDaemon(**{"/containers/create": create, f"/containers/{NEW}": {}})
    guarded(hood, daemon)
    client = await hood.unix()
    await client.write(request("POST", "/containers/create", b'{"Image":"busybox"}'))
    await created.wait()
    client.close()
    async with asyncio.timeout(5):
        while f"DELETE /containers/{NEW}?force=1&v=1 HTTP/1.1" not in daemon.forwarded():
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/images/get?names=localhost/mine:1"),
        ("GET", "/images/localhost/mine:1/get"),
        ("POST", "/images/localhost/mine/push?tag=1"),
    ],
)
async def test_an_image_whose_name_has_changed_is_not_sent(hood: Neighbourhood, method: str, target: str) -> None:

    async def content(client: Stream, _headers: Any, _body: bytes) -> None:
        await client.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsecret")

    path = target.partition("?")[0]
    for after, status in ((image(1), 200), (image(2), 409), (image(2, "other"), 404)):
        names = InTurn([image(1), after])
        guard_hood = FakeDaemon(**{"/images/localhost/mine:1/json": names, path: content})
        guarded(hood, guard_hood, rules=rules(images={"push": ["localhost/**"]}))
        found, data = await answer(hood, method, target)
        assert found == status
        assert (b"secret" in data) is (status == 200)
        await hood.stop()


async def test_info_counts_the_owners_containers_and_images(hood: Neighbourhood) -> None:
    listed = [{"Id": FULL, "State": "running"}, {"Id": "b" * 64, "State": "exited"}]
    daemon = FakeDaemon(**{
        "/info": {"Containers": 40, "Images": 90}, "/containers/json": listed,
        f"/containers/{'b' * 64}/json": {**MINE, "Id": "b" * 64, "HostConfig": {"Annotations": None}},
        "/images/json": [{"RepoTags": ["busybox:1"]}, {"RepoTags": ["localhost/theirs:1"]}],
    })  # fmt: skip
    guarded(hood, daemon)
    status, data = await answer(hood, "GET", "/info")
    shown = json.loads(data)
    assert status == 200
    assert (shown["Containers"], shown["ContainersRunning"], shown["Images"]) == (1, 1, 1)


async def test_what_reads_an_image_gets_its_id(hood: Neighbourhood) -> None:
    full = image(1)["Id"]
    daemon = FakeDaemon(**{
        "/images/localhost/mine:1/json": image(1), "/images/0000000000000/json": image(1), "/images/get": {},
        f"/images/{full}/history": {}, f"/images/{full}/json": image(1), f"/images/{full}/get": {}, "/build": {},
    })  # fmt: skip
    guarded(hood, daemon)
    for method, target, expected in (
        ("GET", "/images/localhost/mine:1/json", f"/images/{full}/json"),
        ("GET", "/images/localhost/mine:1/history", f"/images/{full}/history"),
        ("GET", "/images/0000000000000/get", f"/images/{full}/get"),
        ("GET", "/images/get?names=0000000000000", f"/images/get?names={full.replace(':', '%3A')}"),
    ):
        await answer(hood, method, target)
        assert daemon.forwarded()[-1] == f"{method} /v1.51{expected} HTTP/1.1"
    await answer(hood, "POST", "/build?cachefrom=%5B%22busybox%22,%22localhost/mine:1%22%5D")
    (line,) = [each for each in daemon.forwarded() if "/build" in each]
    ids = f"%5B%22{BUSYBOX}%22%2C%22{full}%22%5D".replace(":", "%3A")
    assert f"cachefrom={ids}" in line


@pytest.mark.parametrize("names", [["absent"], ["theirs"], ["not a name"], ["a//b"], ["absent", "theirs", ""]])
@pytest.mark.parametrize("more", [[], ["busybox"]])
async def test_a_cache_image_that_the_client_does_not_see_is_absent_for_the_daemon(
    hood: Neighbourhood, names: list[str], more: list[str]
) -> None:
    """As at the daemon, where the first build of a pipeline names an image that does not exist yet."""
    theirs = {"Id": f"sha256:{'e' * 64}", "Parent": BUSYBOX, "Config": {"Labels": {IMAGE_LABEL: "other"}}}
    daemon = FakeDaemon(**{"/build": {}, "/images/theirs/json": theirs})
    guarded(hood, daemon)
    await answer(hood, "POST", f"/build?{urlencode({'cachefrom': json.dumps([*names, *more])})}")
    (line,) = [each for each in daemon.forwarded() if "/build" in each]
    ids = [*[NO_IMAGE] * len(names), *[BUSYBOX] * len(more)]
    assert urlencode({"cachefrom": json.dumps(ids, separators=(",", ":"))}) in line


@pytest.mark.parametrize(
    ("method", "target", "body", "answers", "message"),
    [
        ("POST", "/volumes/create", {"Name": "v1"}, {"/volumes/create": {}, "/volumes/v1": InTurn([GONE, FOREIGN])},
         "the volume that has the name v1 has changed during the request"),
        ("GET", "/volumes/v1", None, {"/volumes/v1": InTurn([{"Name": "v1", **OWNED}, {"Name": "v1", **FOREIGN}])},
         "the volume that has the name v1 has changed during the request"),
        ("POST", "/images/localhost/mine:1/tag?repo=localhost/new&tag=1", None,
         {f"/images/{image(1)['Id']}/tag": {}, "/images/localhost/new:1/json": InTurn([GONE, image(2, "other")])},
         "another owner's image has the name localhost/new:1: choose another"),
    ],
)  # fmt: skip
async def test_names_are_checked_again_after_the_operation(
    hood: Neighbourhood, method: str, target: str, body: Any, *, answers: dict[str, Any], message: str
) -> None:
    answers = {path: InTurn(each) if isinstance(each, InTurn) else each for path, each in answers.items()}
    guarded(hood, FakeDaemon(**{"/images/localhost/mine:1/json": image(1), **answers}))
    status, data = await answer(hood, method, target, body)
    assert status == 409, data
    assert message in json.loads(data)["message"]
    assert b"Labels" not in data


async def test_a_look_up_that_fails_is_not_an_absent_name(hood: Neighbourhood) -> None:
    daemon = FakeDaemon(**{"/volumes/v1": fail, "/volumes/create": {}, "/networks/create": {}, "/networks": fail})
    guarded(hood, daemon)
    status, data = await answer(hood, "POST", "/volumes/create", {"Name": "v1"})
    assert status == 502
    assert "cannot look up the volume v1 (status 500)" in json.loads(data)["message"]
    status, data = await answer(hood, "POST", "/networks/create", {"Name": "n1"})
    assert status == 502
    assert "does not list /networks (status 500)" in json.loads(data)["message"]


def naming(host: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Image": "busybox", "HostConfig": host, **more}


MANY = range(MAX_REFERENCES)


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/containers/create", naming({"Binds": [f"v{each}x:/v{each}" for each in MANY]})),
        ("/containers/create", naming({"VolumesFrom": [f"c{each}x" for each in MANY]})),
        ("/containers/create", naming({"Mounts": [
            {"Type": "volume", "Source": f"v{each}x", "Target": f"/{each}"} for each in MANY]})),
        ("/containers/create", naming({"Mounts": [
            {"Type": "image", "Source": f"i{each}x", "Target": f"/{each}"} for each in MANY]})),
        ("/containers/create", naming({}, NetworkingConfig={"EndpointsConfig": {f"n{each}x": {} for each in MANY}})),
        ("/build?" + "&".join(f"t=localhost/{each}" for each in [*MANY, "more"]), None),
        ("/build?cachefrom=" + json.dumps([f"i{each}" for each in [*MANY, "x"]]).replace('"', "%22").replace(" ", ""),
         None),
    ],
)  # fmt: skip
async def test_a_request_names_at_most_64_objects(hood: Neighbourhood, target: str, body: Any) -> None:
    daemon = FakeDaemon()
    guarded(hood, daemon)
    status, data = await answer(hood, "POST", target, body)
    assert status == 400
    assert "the request names 65 containers, networks, volumes and images: name at most 64" in data.decode()
    assert daemon.forwarded() == [], "nothing is looked up or created"


async def test_each_object_is_looked_up_once(hood: Neighbourhood) -> None:
    daemon = FakeDaemon(**{"/containers/create": {"Id": NEW}})
    guarded(hood, daemon)
    status, data = await answer(hood, "POST", "/containers/create", naming({"VolumesFrom": ["mine:ro"] * 5000}))
    assert status == 200, data
    assert daemon.forwarded().count("GET /containers/mine/json HTTP/1.1") == 1
    sent = json.loads(max(daemon.bodies, key=len))
    assert sent["HostConfig"]["VolumesFrom"] == [f"{FULL}:ro"] * 5000


async def test_an_update_counts_the_container_that_it_changes(hood: Neighbourhood) -> None:
    daemon = FakeDaemon(**{
        "/containers/json": [{"Id": FULL}, {"Id": OTHER}],
        "/containers/small/json": InTurn([MINE, {**MINE, "Id": OTHER}]),
        f"/containers/{OTHER}/json": {**MINE, "Id": OTHER, "HostConfig": {**MINE["HostConfig"], "Memory": 6 * 2**30}},
        f"/containers/{FULL}/update": {},
    })  # fmt: skip
    guarded(hood, daemon, rules=rules(limits={"total": {"memory": "7Gi"}}))
    status, data = await answer(hood, "POST", "/containers/small/update", {"Memory": 6 * 2**30})
    assert status == 403, data
    assert "limits.total.memory" in data.decode()
    assert daemon.forwarded().count("GET /containers/small/json HTTP/1.1") == 1


async def test_an_image_gets_its_names_after_the_build(hood: Neighbourhood) -> None:
    built = image(1)
    lines = [{"stream": "Step 1\n"}, {"aux": {"ID": built["Id"]}}, {"stream": "Successfully built 0\n"}]

    async def build(client: Stream, _headers: Any, _body: bytes) -> None:
        data = b"".join(json.dumps(each).encode() + b"\r\n" for each in lines)
        await client.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)

    daemon = FakeDaemon(**{
        "/build": build, f"/images/{built['Id']}/json": built, f"/images/{built['Id']}/tag": {},
        "/images/localhost/a:latest/json": InTurn([GONE, GONE, built]),
        "/images/localhost/b:1/json": InTurn([GONE, image(2, "other")]),
    })  # fmt: skip
    guarded(hood, daemon)
    status, data = await answer(hood, "POST", "/build?t=localhost/a&t=localhost/b:1")
    assert status == 200
    assert b"Successfully tagged localhost/a:latest" in data
    assert b"another owner's image has the name localhost/b:1: choose another" in data
    tags = [line for line in daemon.forwarded() if "/tag?" in line]
    assert tags == [f"POST /images/{built['Id']}/tag?repo=localhost%2Fa&tag=latest HTTP/1.1"]


async def test_a_commit_whose_name_is_taken_is_undone(hood: Neighbourhood) -> None:
    made = image(1)

    async def commit(client: Stream, _headers: Any, _body: bytes) -> None:
        data = json.dumps({"Id": made["Id"]}).encode()
        await client.write(f"HTTP/1.1 201 Created\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)

    for after, status in ((GONE, 201), (image(2, "other"), 409)):
        names = InTurn([GONE, after, made])
        daemon = FakeDaemon(**{
            "/commit": commit, f"/images/{made['Id']}/json": made, f"/images/{made['Id']}/tag": {},
            f"/images/{made['Id']}": {}, "/images/localhost/a:1/json": names,
        })  # fmt: skip
        guarded(hood, daemon)
        found, data = await answer(hood, "POST", "/commit?container=mine&repo=localhost/a&tag=1")
        assert found == status, data
        assert (f"DELETE /images/{made['Id']} HTTP/1.1" in daemon.forwarded()) is (status == 409)
        await hood.stop()
