"""Engines besides the default one, and a data-root that goes from one to another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e.environment import NAME, Environment
from tests.e2e.images import give_busybox
from tests.support.cluster import HOME, TOOL, run

DEFAULT, OLD, OLDEST = "docker:29-dind", "docker:26-dind", "docker:20-dind"


@pytest.fixture(scope="module", autouse=True)
def _old_engines(cluster: Environment) -> None:
    archives = [str(HOME / f"images/on-request/docker-{major}.tar") for major in ("26", "20")]
    run(str(TOOL), "load", "--name", NAME, *archives, timeout=120)


@pytest.fixture
def claim(env: Environment) -> Iterator[dict[str, object]]:
    """Storage that outlives the pod."""
    env.volume("data")
    yield {"type": "Claim", "claim": {"size": "1Gi", "storageClassName": env.namespace}}
    env.kubectl("delete", "pv", f"{env.namespace}-data", "--wait=false")


def starts(
    env: Environment, image: str, *, config: dict[str, object] | None = None, **spec: object
) -> tuple[str, str, list[str]]:
    """Run the daemon from this image; its major version, its image store, and its hazards."""
    env.nested_docker("build", mode="Dind", engine={"image": image, "config": config or {}}, **spec)
    generation = env.get("nesteddocker", "build")["metadata"]["generation"]
    observed = f"--for=jsonpath={{.status.observedGeneration}}={generation}"
    env.kubectl("wait", observed, "nd/build", "--timeout=30s")
    status = env.ready("build", 120)
    engine = status["engine"]
    return engine["version"].partition(".")[0], engine["imageStore"], [each["type"] for each in status["hazards"]]


@pytest.mark.parametrize(
    ("image", "version", "old"), [(DEFAULT, "29", False), (OLD, "26", False), (OLDEST, "20", True)]
)
def test_an_engine_starts_and_runs_containers(env: Environment, image: str, version: str, old: bool) -> None:
    found, store, hazards = starts(env, image)
    assert (found, store) == (version, "Containerd" if image == DEFAULT else "GraphDriver")
    assert ("MtuOfDefaultNetworkOnly" in hazards) is old
    pod = env.get("nesteddocker", "build")["status"]["podName"]
    give_busybox(env, pod, "daemon")
    assert env.daemon("build", "docker", "run", "--rm", "-m", "64m", "busybox", "echo", "ran").strip() == "ran"


def fill(env: Environment) -> None:
    """An image and a container."""
    give_busybox(env, env.get("nesteddocker", "build")["status"]["podName"], "daemon")
    env.daemon("build", "docker", "run", "--name", "made", "busybox", "true")


def has_both(env: Environment) -> bool:
    """Whether dockerd sees what `fill` made; it sees both or neither."""
    image = bool(env.daemon("build", "docker", "images", "-q", "busybox").strip())
    assert ("made" in env.daemon("build", "docker", "ps", "-a").split()) is image
    return image


def test_a_claim_of_docker_26_keeps_its_images_under_29_and_back(env: Environment, claim: dict[str, object]) -> None:
    """Docker 29 goes on with the graph driver of a data-root that has one."""
    assert starts(env, OLD, storage=claim)[:2] == ("26", "GraphDriver")
    fill(env)
    for image, version in ((DEFAULT, "29"), (OLD, "26")):
        assert starts(env, image, storage=claim)[:2] == (version, "GraphDriver")
        assert has_both(env)


def test_a_claim_of_docker_29_hides_its_images_once_26_has_used_it(env: Environment, claim: dict[str, object]) -> None:
    """Docker 26 does not know the store, and Docker 29 then prefers the graph driver that 26 leaves behind."""
    assert starts(env, DEFAULT, storage=claim)[:2] == ("29", "Containerd")
    fill(env)
    for image, version in ((OLD, "26"), (DEFAULT, "29")):
        assert starts(env, image, storage=claim)[:2] == (version, "GraphDriver")
        assert not has_both(env)
    store = {"features": {"containerd-snapshotter": True}}
    assert starts(env, DEFAULT, config=store, storage=claim)[:2] == ("29", "Containerd")
    assert has_both(env)
