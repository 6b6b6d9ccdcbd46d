"""All attacks of the corpus against a real daemon: they change nothing and reveal nothing."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import docker
import pytest
from tests.guard.corpus import ATTACKS, Attack
from tests.guard.dockerd import Dockerd
from tests.guard.owner import Owner

CANARY = f"canary-{uuid.uuid4().hex}"


@dataclass(frozen=True)
class Node:
    """The objects on the node, and a client that bypasses the guard."""

    names: dict[str, str]
    client: docker.APIClient

    def state(self) -> dict[str, Any]:
        """The state that an attack could change."""
        containers = {}
        for each in self.client.containers(all=True):
            found = self.client.inspect_container(each["Id"])
            containers[each["Id"]] = (
                found["Name"],
                found["State"]["Status"],
                found["State"]["StartedAt"],
                found["ExecIDs"],
                found["HostConfig"],
                sorted(found["NetworkSettings"]["Networks"]),
                self.client.diff(each["Id"]),
            )
        return {
            "containers": containers,
            "networks": sorted((each["Id"], each["Name"]) for each in self.client.networks()),
            "volumes": sorted(each["Name"] for each in self.client.volumes()["Volumes"] or ()),
            "images": sorted((each["Id"], *sorted(each["RepoTags"] or ())) for each in self.client.images(all=True)),
            "plugins": self.client.plugins(),
            "swarm": self.client.info()["Swarm"]["LocalNodeState"],
        }

    def fill(self, text: str) -> str:
        for name, value in self.names.items():
            text = text.replace(f"{{{name}}}", value)
        return text


@pytest.fixture(scope="module")
def node(dockerd: Dockerd, alice: Owner, bob: Owner) -> Iterator[Node]:
    """Objects of Bob and of the node, and one container of Alice."""
    tag = uuid.uuid4().hex[:8]
    bob.docker("volume", "create", f"{CANARY}-volume")
    bob.docker("network", "create", f"{CANARY}-network")
    victim = bob.docker(
        *("run", "-d", "--name", f"{CANARY}-victim", "-e", f"SECRET={CANARY}", "-v", f"{CANARY}-volume:/v"),
        *("busybox", "sh", "-c", f"echo {CANARY}; sleep 6000"),
    )
    bob.docker("build", "-t", f"localhost/{CANARY}:{tag}", "-", stdin=f"FROM busybox\nLABEL x={CANARY}\nRUN true\n")
    client = docker.APIClient(base_url=f"unix://{dockerd.socket}", version="auto")
    exec_ = client.exec_create(victim, ["echo", CANARY])["Id"]
    raw = dockerd.docker("run", "-d", "--name", f"{CANARY}-raw", "--privileged", "busybox", "sleep", "6000")
    dockerd.docker("volume", "create", f"{CANARY}-rawvolume")
    mine = alice.docker("run", "-d", "busybox", "sleep", "6000")
    yield Node(
        {
            "victim": victim,
            "victimpart": victim[:12],
            "victimname": f"{CANARY}-victim",
            "exec": exec_,
            "volume": f"{CANARY}-volume",
            "network": f"{CANARY}-network",
            "image": f"localhost/{CANARY}:{tag}",
            "imagerepo": f"localhost/{CANARY}",
            "imagetag": tag,
            "raw": raw,
            "rawvolume": f"{CANARY}-rawvolume",
            "mine": mine,
            "bob": bob.uid,
        },
        client,
    )
    client.close()
    dockerd.docker("rm", "-f", victim, raw, mine)


def test_the_corpus_is_large_and_has_unique_names() -> None:
    assert len(ATTACKS) >= 150
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_changes_nothing_and_reveals_nothing(attack: Attack, node: Node, alice: Owner) -> None:
    before = node.state()
    received, status = _send(attack, node, alice)
    after = node.state()
    assert before == after
    if not attack.harmless:
        assert 400 <= status < 500, received
    # Names that the client has sent are no secret.
    for sent in (node.names["victimname"], node.names["volume"], node.names["network"], node.names["image"]):
        received = received.replace(sent, "")
    for sent in (node.names["rawvolume"], node.names["imagerepo"]):
        received = received.replace(sent, "")
    assert CANARY not in received
    if attack.harmless:
        assert node.names["victim"] not in received
        assert node.names["raw"] not in received
        assert node.names["victim"][:12] not in received


def _send(attack: Attack, node: Node, alice: Owner) -> tuple[str, int]:
    if attack.raw is not None:
        received = alice.raw(attack.raw)
        return received.decode("latin-1"), 0
    body = attack.body
    if body is not None and not isinstance(body, bytes):
        body = node.fill(json.dumps(body, ensure_ascii=False)).encode()
    answer = alice.request(attack.method, node.fill(attack.target), body, attack.headers)
    return answer.body.decode("latin-1"), answer.status
