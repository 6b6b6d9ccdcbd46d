"""Registry credentials for clients: the form that Docker's client takes, and their way into the env Secret."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tests.support.factory import WORKLOAD, policy_spec
from tests.unit.world import World, message, ready

from nested_docker.domain.registry_credentials import LONGEST, CredentialsError, auth_config
from nested_docker.domain.status.reasons import Type

Json = dict[str, Any]
ALICE = base64.b64encode(b"alice:secret").decode()
SPEC: Json = {"mode": "Dind", "connection": {"registryCredentials": {"name": "regcred"}}}


def secret(auths: Any, type_: str = "kubernetes.io/dockerconfigjson") -> Json:
    return {"type": type_, "data": {".dockerconfigjson": encoded(json.dumps({"auths": auths}))}}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "entry",
    [
        {"username": "alice", "password": "secret", "email": "a@example.com", "auth": ALICE},
        {"username": "alice", "password": "secret"},
        {"auth": ALICE},
        {"auth": ALICE, "identitytoken": "x"},
        {"auth": "", "username": "alice", "password": "secret"},
    ],
)
def test_the_variable_has_nothing_but_auth(entry: Json) -> None:
    assert json.loads(auth_config(secret({"ghcr.io": entry}), "regcred")) == {"auths": {"ghcr.io": {"auth": ALICE}}}


def test_registries_without_a_password_are_left_out_and_others_stay() -> None:
    entries = {"a": {"identitytoken": "x"}, "b": {"auth": ALICE}, "c": {"username": "u"}, "d": None, "e": {"auth": 1}}
    assert json.loads(auth_config(secret(entries), "regcred")) == {"auths": {"b": {"auth": ALICE}}}


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        (None, "does not exist: create it with kubectl create secret docker-registry regcred"),
        ({"type": "Opaque", "data": {}}, "has type Opaque: use one of type kubernetes.io/dockerconfigjson"),
        (secret({}, "kubernetes.io/tls"), "has type kubernetes.io/tls: use one of type"),
        (
            {"type": "kubernetes.io/dockerconfigjson"},
            "has no JSON object with auths: correct its key .dockerconfigjson",
        ),
        ({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": encoded("{")}}, "has no JSON object"),
        ({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "*"}}, "has no JSON object"),
        ({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": encoded("[" * 9999)}}, "has no JSON"),
        (secret([]), "has no JSON object with auths"),
        (secret({}), "has no registry with a user name and a password"),
        (secret({"a": {"identitytoken": "x"}}), "has no registry with a user name and a password"),
        (secret({"a": {"auth": "x" * LONGEST}}), "a variable takes 100000: leave registries out"),
    ],
)
def test_what_clients_cannot_use_is_named(found: Json | None, complaint: str) -> None:
    with pytest.raises(CredentialsError) as error:
        auth_config(found, "regcred")
    assert complaint in str(error.value)


def world(spec: Json | None = None, *, exists: bool = True) -> World:
    made = World(SPEC | (spec or {}), policies={"p": policy_spec()})
    if exists:
        put(made, {"ghcr.io": {"auth": ALICE}})
    made.settle()
    return made


def put(world: World, auths: Json) -> None:
    metadata = {"name": "regcred", "namespace": "team-a"}
    head = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    world.server._store("", ("Secret", "team-a", "regcred"), head | secret(auths))


def published(world: World) -> Any:
    env = world.secret("build-docker-env")
    assert env is not None
    value = env["data"].get("DOCKER_AUTH_CONFIG")
    return json.loads(base64.b64decode(value))["auths"] if value else None


@pytest.mark.parametrize("mode", ["Dind", "Sysbox", "HostSocket"])
def test_they_are_in_the_env_secret(mode: str) -> None:
    made = world({"mode": mode})
    assert ready(made) == ("True", "Ready")
    assert published(made) == {"ghcr.io": {"auth": ALICE}}
    assert "DOCKER_HOST" in (made.secret("build-docker-env") or {})["data"]


def test_without_the_field_there_are_none() -> None:
    assert published(world({"connection": {}})) is None


def test_a_changed_secret_reaches_clients_within_minutes() -> None:
    made = world()
    put(made, {"quay.io": {"auth": ALICE}})
    assert made.plan().requeue_at is not None
    made.advance(minutes=2)
    made.settle()
    assert published(made) == {"quay.io": {"auth": ALICE}}
    assert len(made.created_pods) == 1, "no pod is replaced for it"


def test_a_missing_secret_is_named_and_clients_wait_for_it() -> None:
    made = world(exists=False)
    assert ready(made) == ("False", "CredentialsUnusable")
    assert message(made) == (
        "Secret regcred of spec.connection.registryCredentials does not exist: create it with kubectl create secret "
        "docker-registry regcred"
    )
    assert made.secret("build-docker-env") is None
    put(made, {"ghcr.io": {"auth": ALICE}})
    made.advance(seconds=15)
    made.settle()
    assert ready(made) == ("True", "Ready")
    assert published(made) == {"ghcr.io": {"auth": ALICE}}


def test_clients_keep_what_they_have_when_the_secret_is_gone() -> None:
    made = world()
    made.server._drop(("Secret", "team-a", "regcred"))
    made.settle()
    assert ready(made) == ("False", "CredentialsUnusable")
    assert made.status.holds(Type.DAEMON_REACHABLE)
    assert published(made) == {"ghcr.io": {"auth": ALICE}}
    assert len(made.created_pods) == 1


def test_somebody_elses_value_is_put_right() -> None:
    made = world()
    env = made.secret("build-docker-env")
    assert env is not None
    env["data"]["DOCKER_AUTH_CONFIG"] = encoded("{}")
    made.settle()
    assert published(made) == {"ghcr.io": {"auth": ALICE}}


def test_a_workload_has_them_from_its_own_secret() -> None:
    made = world({"workload": WORKLOAD})
    (container,) = made.pod()["spec"]["containers"]
    (variable,) = [each for each in container["env"] if each["name"] == "DOCKER_AUTH_CONFIG"]
    source = {"name": "build-docker-env", "key": "DOCKER_AUTH_CONFIG"}
    assert variable == {"name": "DOCKER_AUTH_CONFIG", "valueFrom": {"secretKeyRef": source}}
    without = world({"connection": {}, "workload": WORKLOAD})
    assert "DOCKER_AUTH_CONFIG" not in str(without.pod())


def test_a_workload_does_not_wait_for_the_daemon_to_get_them() -> None:
    made = World(SPEC | {"workload": WORKLOAD}, policies={"p": policy_spec()})
    put(made, {"ghcr.io": {"auth": ALICE}})
    made.step()
    writes = [write for write in made.server.writes if write.startswith("create")]
    pod = f"create Pod/{made.pod()['metadata']['name']}"
    assert writes.index("create Secret/build-docker-env") < writes.index(pod)
    assert made.secret("build-docker") is None, "other clients wait until the daemon answers"


def test_only_the_workload_has_them_in_the_pod() -> None:
    made = world({"workload": WORKLOAD, "idleTimeoutSeconds": 60})
    holders = [
        container["name"]
        for part in ("initContainers", "containers")
        for container in made.pod()["spec"][part]
        if "DOCKER_AUTH_CONFIG" in str(container.get("env"))
    ]
    assert holders == ["builder"]
