"""A user with nothing but the right to NestedDockers tries to become more, at the door and with the door gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.e2e import escalations
from tests.e2e.environment import RELEASE, SYSTEM, Environment, until
from tests.e2e.escalations import CHANGES, CLASS, CREATIONS, Attempt
from tests.support.cluster import CommandFailed

USER = "mallory"
NAMESPACE = "escalations"
API = {"apiVersion": "nesteddocker.dev/v1alpha1"}
WEBHOOK = f"validatingwebhookconfiguration/{RELEASE}-operator"
GRANTED = {
    "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
    "storage": {"type": "EmptyDir", "emptyDir": {"sizeLimit": "2Gi"}},
    "activeDeadlineSeconds": 600,
    "className": CLASS,
    "mode": "Dind",
}
"""What policy does grant; each attempt starts from here, so that what it adds is what it fails by."""


def a_class(name: str, **spec: Any) -> dict[str, Any]:
    return API | {"kind": "NestedDockerClass", "metadata": {"name": name}, "spec": spec}


TEMPLATE = {
    "metadata": {"labels": {"team": "class"}},
    "spec": {"affinity": {"podAntiAffinity": {}}, "nodeSelector": {"nested-docker-test/pool": "ci"}},
}
GOVERNING = [
    a_class(CLASS, modes=["Dind", "Sysbox"], podTemplate=TEMPLATE),
    a_class(escalations.GOLD, modes=["Dind"]),
    a_class(escalations.UNLISTED, modes=["Dind"]),
    a_class(escalations.SOCKET, modes=["HostSocket"]),
    a_class(escalations.ELSEWHERE, modes=["HostSocket"], hostSocket={"path": "/run/containerd/containerd.sock"}),
    API
    | {
        "kind": "NestedDockerPolicy",
        "metadata": {"name": "escalation"},
        "spec": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
            "allowedClasses": [CLASS, escalations.GOLD, escalations.SOCKET, escalations.ELSEWHERE],
            "allowedModes": ["Dind", "HostSocket"],
            "allowedImages": {"patterns": ["docker:29-dind"]},
            "workload": {
                "allowed": True,
                "images": {"patterns": ["docker:29-cli"]},
                "references": ["Secrets", "ConfigMaps"],
                "sharedPaths": ["/builds"],
            },
            "scheduling": {"podLabels": ["team"]},
            "max": {"cpu": "2", "memory": "2Gi", "storage": "5Gi", "lifetimeSeconds": 3600},
        },
    },
]
CLASSES_TO_USE = [CLASS, escalations.UNLISTED, escalations.SOCKET, escalations.ELSEWHERE, "none"]
ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "nested-dockers", "namespace": NAMESPACE},
    "rules": [
        {"apiGroups": ["nesteddocker.dev"], "resources": ["nesteddockers"], "verbs": ["*"]},
        {
            "apiGroups": ["nesteddocker.dev"],
            "resources": ["nesteddockerclasses"],
            "verbs": ["use"],
            "resourceNames": CLASSES_TO_USE,
        },
    ],
}
BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "nested-dockers", "namespace": NAMESPACE},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "nested-dockers"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}],
}


@pytest.fixture(scope="module")
def prison(cluster: Environment) -> Iterator[Environment]:
    """A namespace with a narrow policy, and a user in it."""
    cluster.kubectl("create", "namespace", NAMESPACE)
    cluster.apply(*GOVERNING)
    environment = Environment(cluster.kubeconfig, NAMESPACE)
    environment.apply(ROLE, BINDING)
    yield environment
    cluster.kubectl("delete", "-f", "-", stdin=yaml.safe_dump_all(GOVERNING))
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def manifest(attempt: Attempt, name: str = "attempt") -> str:
    spec = GRANTED | attempt.spec
    if "className" in attempt.spec:
        del spec["mode"]
    return json.dumps(API | {"kind": "NestedDocker", "metadata": {"name": name}, "spec": spec})


def refused(prison: Environment, *arguments: str, stdin: str | None = None) -> str:
    """What kubectl prints when the user tries that."""
    with pytest.raises(CommandFailed) as failure:
        prison.kubectl("--as", USER, *arguments, stdin=stdin)
    return str(failure.value)


def test_there_are_enough_of_them() -> None:
    assert len(CREATIONS) + len(CHANGES) >= 60


def test_what_is_granted_is_had(prison: Environment) -> None:
    prison.kubectl("create", "-f", "-", "--as", USER, stdin=manifest(Attempt("nothing", {}, ()), "granted"))
    until(
        lambda: prison.condition("granted", "Accepted").get("status") == "True",
        20,
        lambda: prison.kubectl("describe", "nd"),
    )


@pytest.mark.parametrize("attempt", CREATIONS, ids=lambda attempt: attempt.title)
def test_is_refused_at_the_door(prison: Environment, attempt: Attempt) -> None:
    answer = refused(prison, "create", "-f", "-", stdin=manifest(attempt))
    for words in attempt.words:
        assert words in answer
    assert prison.get("nesteddocker", "attempt") == {}


@pytest.mark.parametrize("attempt", CHANGES, ids=lambda attempt: attempt.title)
def test_a_change_is_refused_at_the_door(prison: Environment, attempt: Attempt) -> None:
    before = prison.get("nesteddocker", "granted")["spec"]
    answer = refused(prison, "patch", "nd", "granted", "--type=merge", "-p", json.dumps({"spec": attempt.spec}))
    for words in attempt.words:
        assert words in answer
    assert prison.get("nesteddocker", "granted")["spec"] == before


BESIDE: dict[str, tuple[list[str], str]] = {
    "a status of one's own": (
        ["patch", "nd", "granted", "--subresource=status", "--type=merge", "-p", '{"status":{}}'],
        'resource "nesteddockers/status"',
    ),
    "a policy of one's own": (["delete", "ndp", "escalation"], "cannot delete resource"),
    "a class of one's own": (["patch", "ndc", CLASS, "--type=merge", "-p", '{"spec":{}}'], "cannot get resource"),
    "a namespace that is let off": (
        ["label", "namespace", NAMESPACE, "nesteddocker.dev/enforcement=Audit"],
        "cannot get resource",
    ),
    "the key set": (["get", "secret", "granted-abcde-tls"], "cannot get resource"),
    "the pod": (["exec", "granted", "--", "sh"], 'cannot get resource "pods"'),
}


@pytest.mark.parametrize(("arguments", "words"), BESIDE.values(), ids=BESIDE)
def test_the_way_around_is_closed_by_rbac(prison: Environment, arguments: list[str], words: str) -> None:
    assert words in refused(prison, *arguments)


@pytest.fixture(scope="module")
def open_door(prison: Environment) -> Iterator[Environment]:
    """The webhook is gone, as somebody with that right might have it."""
    configuration = json.loads(prison.kubectl("get", WEBHOOK, "-o", "json"))
    metadata = configuration["metadata"]
    configuration["metadata"] = {key: metadata[key] for key in ("name", "labels", "annotations") if key in metadata}
    prison.kubectl("delete", WEBHOOK)
    until(lambda: passes(prison), 20, lambda: "the webhook is still asked")
    yield prison
    prison.apply(configuration)
    until(lambda: not passes(prison), 20, lambda: "the webhook is not asked again")


def passes(prison: Environment) -> bool:
    """Whether a NestedDocker that the webhook would refuse is let in."""
    attempt = CLASSES_AND_MODES_PROBE
    try:
        prison.kubectl("create", "-f", "-", "--dry-run=server", "--as", USER, stdin=manifest(attempt, "probe"))
    except CommandFailed:
        return False
    return True


CLASSES_AND_MODES_PROBE = next(attempt for attempt in CREATIONS if attempt.again == "NotGranted")


@pytest.mark.parametrize(
    "attempt", [attempt for attempt in CREATIONS if attempt.again], ids=lambda attempt: attempt.title
)
def test_is_refused_by_the_reconciler_too(open_door: Environment, attempt: Attempt) -> None:
    open_door.kubectl("create", "-f", "-", "--as", USER, stdin=manifest(attempt))
    try:
        message = open_door.settles("attempt", attempt.again)
        for words in attempt.words[1:]:
            assert words in message
        assert open_door.list("pods", "nesteddocker.dev/name=attempt") == []
        assert open_door.list("secrets", "nesteddocker.dev/name=attempt") == []
    finally:
        open_door.kubectl("delete", "nd", "attempt", "--as", USER)


def test_the_operator_itself_was_never_in_doubt(cluster: Environment) -> None:
    pods = json.loads(cluster.kubectl("-n", SYSTEM, "get", "pods", "-o", "json"))["items"]
    assert all(status["restartCount"] == 0 for pod in pods for status in pod["status"]["containerStatuses"])
