"""Other admission plugins change what the operator writes: no loop, at most one replacement, a condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.support.factory import DEFAULTS, WORKLOAD, class_spec, policy_spec
from tests.unit.world import World, change, message, ready

from nested_docker.domain import names
from nested_docker.domain.status.reasons import Type

Manifest = dict[str, Any]
Mutate = Callable[[Manifest], None]
DIND = {"mode": "Dind"}


def daemon(pod: Manifest) -> Manifest:
    containers: list[Manifest] = [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    return next(each for each in containers if each["name"] == "daemon")


def mutated(kind: str, mutate: Mutate, *operations: str) -> Callable[[str, Manifest], Manifest]:
    def webhook(operation: str, manifest: Manifest) -> Manifest:
        if manifest["kind"] == kind and operation in operations:
            mutate(manifest)
        return manifest

    return webhook


def world_with(kind: str, mutate: Mutate, *operations: str, spec: Manifest | None = None, **fields: Any) -> World:
    world = World(spec or DIND, **fields)
    world.server.webhook = mutated(kind, mutate, *(operations or ("CREATE", "UPDATE")))
    world.settle()
    return world


def days_later(world: World) -> None:
    """Everything that is due within two days happens, with a new operator after each hour."""
    for _ in range(48):
        world.advance(hours=1)
        world.restart_operator()
        world.settle()


def pods_made(world: World) -> int:
    return sum(write.startswith("create Pod/") for write in world.server.writes)


def rewrite_image(pod: Manifest, prefix: str = "docker.io/library/") -> None:
    container = daemon(pod)
    container["image"] = prefix + container["image"]


def sidecar(**fields: Any) -> Manifest:
    return {"name": "istio-proxy", "image": "istio/proxyv2:1.26", **fields}


PODS: dict[str, Mutate] = {
    "image, in another spelling": rewrite_image,
    "image, pinned": lambda pod: daemon(pod).update(image=f"{daemon(pod)['image']}@sha256:{'a' * 64}"),
    "env": lambda pod: daemon(pod).setdefault("env", []).append({"name": "HTTP_PROXY", "value": "http://proxy"}),
    "labels added": lambda pod: pod["metadata"]["labels"].update(team="a"),
    "tolerations": lambda pod: pod["spec"].setdefault("tolerations", []).append({"operator": "Exists"}),
    "resources": lambda pod: daemon(pod).update(resources={"limits": {"cpu": "9"}}),
    "sidecar": lambda pod: pod["spec"]["containers"].append(sidecar()),
    "native sidecar": lambda pod: (
        pod["spec"].setdefault("initContainers", []).insert(0, sidecar(restartPolicy="Always"))
    ),
    "volumes": lambda pod: pod["spec"]["volumes"].append({"name": "theirs", "emptyDir": {}}),
    "securityContext": lambda pod: pod["spec"].update(securityContext={"fsGroup": 1}),
    "finalizer": lambda pod: pod["metadata"].update(finalizers=["example.com/theirs"]),
    "annotations removed": lambda pod: pod["metadata"].pop("annotations"),
    "annotations changed": lambda pod: pod["metadata"]["annotations"].update({names.ANNOTATION_EFFECTIVE: "{}"}),
    "owner removed": lambda pod: pod["metadata"].pop("ownerReferences", None),
    "owner added": lambda pod: (
        pod["metadata"]
        .setdefault("ownerReferences", [])
        .insert(0, {"apiVersion": "v1", "kind": "ConfigMap", "name": "theirs", "uid": "theirs"})
    ),
}


@pytest.mark.parametrize("mutate", PODS.values(), ids=PODS)
@pytest.mark.parametrize("operations", [("CREATE",), ("CREATE", "UPDATE")], ids=["at creation", "always"])
def test_a_pod_is_what_was_stored(mutate: Mutate, operations: tuple[str, ...]) -> None:
    world = world_with("Pod", mutate, *operations)
    assert pods_made(world) == 1
    days_later(world)
    assert pods_made(world) == 1, "the daemon's pod is replaced for what an admission plugin has made of it"
    assert daemon_answers(world), message(world)


def daemon_answers(world: World) -> bool:
    return world.status.holds(Type.DAEMON_REACHABLE)


@pytest.mark.parametrize("mode", ["Dind", "HostSocket", "Sysbox"])
def test_rewritten_images_in_every_mode_and_workload(mode: str) -> None:
    def rewrite(pod: Manifest) -> None:
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            container["image"] = f"mirror.example/{container['image']}"

    workload = WORKLOAD | {"restartPolicy": "Always"}
    world = world_with("Pod", rewrite, spec={"mode": mode, "workload": workload})
    days_later(world)
    assert (pods_made(world), ready(world)) == (1, ("True", "Ready"))


def test_a_restart_is_one_replacement_although_the_annotation_is_removed() -> None:
    world = world_with("Pod", lambda pod: pod["metadata"].pop("annotations"))
    change(world, annotations={names.ANNOTATION_RESTART: "1"})
    world.settle()
    days_later(world)
    assert (pods_made(world), ready(world)) == (2, ("True", "Ready"))


# --- what policy says of it -----------------------------------------------------------------------


NOT_ALLOWED = {
    "another registry": ("docker:29-dind", "mirror.example/docker:29-dind"),
    "another repository": ("docker:29-dind", "evil:29-dind"),
    "another tag": ("docker:29-dind", "docker:27-dind"),
    "another digest": (f"docker@sha256:{'a' * 64}", f"docker@sha256:{'b' * 64}"),
    "a tag instead of a digest": (f"docker@sha256:{'a' * 64}", "docker:29-dind"),
    "the digest of another tag": ("docker:29-dind", f"docker:27-dind@sha256:{'a' * 64}"),
    "no image": ("docker:29-dind", "???"),
}


@pytest.mark.parametrize(("asked", "stored"), NOT_ALLOWED.values(), ids=NOT_ALLOWED)
def test_an_image_that_policy_does_not_allow_never_stays(asked: str, stored: str) -> None:
    fields: dict[str, Any] = {
        "classes": {"standard": class_spec(engine={"image": asked})},
        "policies": {"strict": policy_spec(allowedImages={"patterns": []})},
    }
    world = world_with("Pod", lambda pod: daemon(pod).update(image=stored), **fields)
    assert (pods_made(world), ready(world)) == (1, ("False", "ImageNotAllowed"))
    assert [each.kind for each in world.children if each.kind == "Pod"] == []
    assert message(world).startswith(
        f"an admission plugin of the cluster changed the image of container daemon from {asked} to {stored}, which "
        "NestedDockerPolicy strict does not allow: set engine.image to"
    )
    assert world.status.holds(Type.STALLED)
    world.advance(minutes=59)
    world.settle()
    assert pods_made(world) == 1
    world.server.webhook = lambda _operation, manifest: manifest
    change(world, policies={"strict": policy_spec(allowedImages={"patterns": ["**"]})})
    world.settle()
    assert (pods_made(world), ready(world)) == (2, ("True", "Ready")), "a change of the policy starts it again"


def test_a_workloads_image_is_judged_by_the_rules_for_workloads() -> None:
    def rewrite(pod: Manifest) -> None:
        pod["spec"]["containers"][0]["image"] = "evil:1"

    workload = WORKLOAD | {"restartPolicy": "Always"}
    rules = policy_spec(workload={"allowed": True, "images": {"patterns": ["docker"]}})
    world = world_with("Pod", rewrite, spec=DIND | {"workload": workload}, policies={"strict": rules})
    assert (pods_made(world), ready(world)) == (1, ("False", "ImageNotAllowed"))
    assert "container builder from docker:29-cli to evil:1" in message(world)
    assert "workload.images.patterns" in message(world)


def test_an_allowed_image_is_as_good_as_the_one_asked_for() -> None:
    rules = policy_spec(allowedImages={"patterns": ["docker", "mirror.example/**"]})
    rewrite: Mutate = lambda pod: rewrite_image(pod, "mirror.example/")  # noqa: E731
    world = world_with("Pod", rewrite, policies={"mirrored": rules})
    days_later(world)
    assert (pods_made(world), ready(world)) == (1, ("True", "Ready"))


def test_a_policy_that_wants_digests_gets_them() -> None:
    rules = policy_spec(allowedImages={"patterns": ["**"], "requireDigest": True})
    asked = f"docker@sha256:{'a' * 64}"
    world = world_with(
        "Pod",
        lambda pod: daemon(pod).update(image="mirror.example/docker:28"),
        spec=DIND | {"engine": {"image": asked}},
        policies={"pinned": rules},
    )
    assert ready(world) == ("False", "ImageNotAllowed")


@pytest.mark.parametrize("known", [True, False], ids=["answer known", "answer lost"])
def test_an_image_that_somebody_changes_later_is_replaced(known: bool) -> None:
    world = world_with("Pod", rewrite_image) if known else World(DIND)
    world.settle()
    if not known:
        world.status = world.status.model_copy(update={"admitted_pod": None})
    daemon(world.pod())["image"] = "evil:latest"
    world.settle()
    assert (pods_made(world), ready(world)) == (2, ("True", "Ready"))
    assert "evil" not in daemon(world.pod())["image"]


def test_a_relays_image_that_somebody_changes_is_replaced_too() -> None:
    world = World({"mode": "HostSocket"})
    world.settle()
    daemon(world.pod())["image"] = "evil:latest"
    world.settle()
    assert daemon(world.pod())["image"] == DEFAULTS.operator_image
    assert pods_made(world) == 2
