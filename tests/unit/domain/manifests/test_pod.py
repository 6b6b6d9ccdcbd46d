"""Whole manifests, for every mode, and the rules that hold for all of them."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from tests.support.certificates import key_set_of
from tests.support.factory import DEFAULTS, FULL_ENGINE, HOME, WORKLOAD, class_spec, observed
from tests.unit.snapshot import matches_snapshot

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import NestedDockerSpec
from nested_docker.domain import names, pki
from nested_docker.domain.admission.acceptance import Accepted, accept
from nested_docker.domain.effective import OperatorDefaults, resolve
from nested_docker.domain.manifests import secrets, storage
from nested_docker.domain.manifests.network_policy import network_policy
from nested_docker.domain.manifests.pod import pod
from nested_docker.domain.manifests.service import service
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import PodContext
from nested_docker.domain.modes.dockerd import START_SCRIPT


def without_script(manifest: dict[str, Any]) -> dict[str, Any]:
    """A pod in which a mark is in the place of the start script, which has its own tests."""
    text = json.dumps(manifest)
    return dict(json.loads(text.replace(json.dumps(START_SCRIPT), json.dumps("the start script"))))


def make_pod(spec: dict[str, Any], **class_fields: Any) -> dict[str, Any]:
    accepted = accept(observed(spec, classes={"standard": class_spec(**class_fields)}), DEFAULTS)
    assert isinstance(accepted, Accepted), accepted
    context = PodContext(HOME, accepted.effective, DEFAULTS)
    return pod(context, MODES[accepted.effective.mode], "0123456789")


@pytest.mark.parametrize("mode", list(Mode))
def test_the_plain_pod_of_a_mode(mode: Mode) -> None:
    matches_snapshot(f"pod-{mode.lower()}", without_script(make_pod({"mode": mode})))


def test_a_pod_with_everything() -> None:
    spec = {
        "mode": "Dind",
        "engine": FULL_ENGINE,
        "workload": WORKLOAD,
        "resources": {"limits": {"memory": "2Gi"}, "requests": {"cpu": 1}},
        "storage": {"type": "Ephemeral", "ephemeral": {"size": "10Gi", "storageClassName": "fast"}},
        "idleTimeoutSeconds": 600,
        "scheduling": {
            "nodeSelector": {"pool": "ci"},
            "tolerations": [{"key": "ci", "operator": "Exists"}],
            "priorityClassName": "low",
            "podLabels": {"team": "a"},
            "podAnnotations": {"note": "x"},
        },
    }
    template = {
        "metadata": {"labels": {"from": "class"}},
        "spec": {"serviceAccountName": "daemon", "nodeSelector": {"zone": "z"}, "volumes": [{"name": "extra"}]},
    }
    matches_snapshot("pod-everything", without_script(make_pod(spec, podTemplate=template, hostSocket={"gid": 999})))


def test_the_other_children() -> None:
    claim = accept(
        observed({"storage": {"type": "Claim", "claim": {"size": "1Gi", "whenDeleted": "Delete"}}}), DEFAULTS
    )
    assert isinstance(claim, Accepted)
    matches_snapshot(
        "children",
        service(HOME, "0123456789"),
        network_policy(HOME, [], "operator-system", published_ports=True),
        storage.data_claim(HOME, claim.effective.storage),
        secrets.tls(HOME, key_set_of(dict.fromkeys(pki.KEYS, b"x"))).filled(dict.fromkeys(pki.KEYS, b"x")),
        secrets.env(HOME, claim.spec.connection.secret_template).filled({}),
        secrets.files(HOME, claim.spec.connection.secret_template, "uid/0").filled(dict.fromkeys(pki.KEYS, b"x")),
    )


@pytest.mark.parametrize("mode", list(Mode))
def test_nothing_in_the_daemons_pod_waits_for_a_connection_secret(mode: Mode) -> None:
    text = str(make_pod({"mode": mode, "workload": WORKLOAD, "idleTimeoutSeconds": 60}))
    assert names.env_secret("build") not in text
    assert f"'secretName': '{names.files_secret('build')}'" not in text


def test_sysbox_has_nothing_privileged() -> None:
    made = make_pod({"mode": "Sysbox"})
    assert "privileged" not in str(made)
    assert "hostPath" not in str(made)
    assert daemon_of(made)["securityContext"] == {
        "runAsUser": 0,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_a_user_namespace_is_where_the_capabilities_count() -> None:
    made = make_pod({"mode": "UserNamespace"})
    assert "privileged" not in str(made)
    assert "hostPath" not in str(made)
    assert made["spec"]["hostUsers"] is False
    assert "runtimeClassName" not in made["spec"]
    assert daemon_of(made)["securityContext"] == {
        "runAsUser": 0,
        "procMount": "Unmasked",
        "capabilities": {"add": ["SYS_ADMIN", "NET_ADMIN"]},
        "appArmorProfile": {"type": "Unconfined"},
        "seccompProfile": {"type": "Localhost", "localhostProfile": "nested-docker/dockerd.json"},
    }
    assert {"name": "NESTED_DOCKER_USER_NAMESPACE", "value": "required"} in daemon_of(made)["env"]


def test_a_rootless_daemon_has_no_more_than_baseline_and_all_of_proc() -> None:
    made = make_pod({"mode": "Rootless"})
    assert "privileged" not in str(made)
    assert "hostPath" not in str(made)
    assert made["spec"]["hostUsers"] is False
    assert daemon_of(made)["securityContext"] == {
        "runAsUser": 0,
        "procMount": "Unmasked",
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETUID"]},
        "seccompProfile": {"type": "Localhost", "localhostProfile": "nested-docker/dockerd.json"},
    }
    assert {"name": "NESTED_DOCKER_USER_NAMESPACE", "value": "required"} in daemon_of(made)["env"]


@pytest.mark.parametrize(
    ("default", "spec", "offered", "image"),
    [
        ("docker:28-dind", {}, {}, "docker:28-dind-rootless"),
        ("mirror.example:5000/docker:29.1-dind", {}, {}, "mirror.example:5000/docker:29.1-dind-rootless"),
        ("docker:28-dind-rootless", {}, {}, "docker:28-dind-rootless"),
        ("engines/ours:7", {}, {}, "engines/ours:7"),
        ("docker:28-dind", {}, {"image": "ours:1-dind"}, "ours:1-dind"),
        ("docker:28-dind", {"image": "mine:1-dind"}, {"image": "ours:1-dind"}, "mine:1-dind"),
    ],
)
def test_only_the_operators_image_becomes_its_rootless_variant(
    default: str, spec: dict[str, Any], offered: dict[str, Any], image: str
) -> None:
    asked = NestedDockerSpec.model_validate({"engine": spec})
    found = resolve(asked, class_spec(engine=offered), MODES[Mode.ROOTLESS], OperatorDefaults(engine_image=default))
    assert found.engine.image == image
    plain = resolve(asked, class_spec(engine=offered), MODES[Mode.USER_NAMESPACE], OperatorDefaults(default))
    assert plain.engine.image == (spec.get("image") or offered.get("image") or default)


def test_only_the_relay_has_the_nodes_socket() -> None:
    spec = make_pod({"mode": "HostSocket", "workload": WORKLOAD, "idleTimeoutSeconds": 60})["spec"]
    holders = [
        container["name"]
        for container in spec["containers"] + spec["initContainers"]
        if any(mount["name"] == "node-socket" for mount in container.get("volumeMounts", []))
    ]
    assert holders == ["daemon"]


MORE = {
    "env": [{"name": "TZ", "value": "UTC"}, {"name": "DOCKER_MIN_API_VERSION", "value": "1.24"}],
    "volumeMounts": [{"name": "certs", "mountPath": "/etc/docker/certs.d"}, {"name": "data", "mountPath": "/share"}],
    "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
    "securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}},
}
"""What a class may say of the daemon's container."""


def daemon_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """The only container of that name."""
    spec = manifest["spec"]
    (daemon,) = [each for each in spec["containers"] + spec.get("initContainers", []) if each["name"] == "daemon"]
    return dict(daemon)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("workload", [None, WORKLOAD])
def test_what_the_class_says_of_the_daemons_container_is_in_the_pod(mode: Mode, workload: Any) -> None:
    own_profiles = mode in {Mode.USER_NAMESPACE, Mode.ROOTLESS}
    more = MORE | {"securityContext": {"seLinuxOptions": {"level": "s0:c1"}}} if own_profiles else MORE
    template = {"spec": {"containers": [more | {"name": "daemon"}, {"name": "logs", "image": "i"}]}}
    spec = {"mode": mode, "resources": {"limits": {"memory": "2Gi"}}} | ({"workload": workload} if workload else {})
    plain, made = daemon_of(make_pod(spec)), make_pod(spec, podTemplate=template)
    daemon = daemon_of(made)
    for field in ("env", "volumeMounts"):
        assert daemon[field] == plain.get(field, []) + MORE[field]
    assert daemon["resources"]["limits"] == {"cpu": "1", "memory": "2Gi"}
    assert daemon["securityContext"] == plain["securityContext"] | more["securityContext"]
    assert [each["name"] for each in made["spec"]["containers"]].count("logs") == 1
    assert daemon | dict.fromkeys(MORE) == plain | dict.fromkeys(MORE)


def test_a_class_decides_how_long_the_daemon_may_take_to_stop() -> None:
    assert make_pod({"mode": "Dind"})["spec"]["terminationGracePeriodSeconds"] == 30
    template = {"spec": {"terminationGracePeriodSeconds": 120}}
    assert make_pod({"mode": "Dind"}, podTemplate=template)["spec"]["terminationGracePeriodSeconds"] == 120


def test_a_template_gives_the_idle_watch_more_but_has_no_idle_watch_itself() -> None:
    template = {"spec": {"containers": [{"name": "idle-watch", "env": [{"name": "TZ", "value": "UTC"}]}]}}
    made = make_pod({"mode": "Dind", "idleTimeoutSeconds": 60}, podTemplate=template)
    (watch,) = [each for each in made["spec"]["containers"] if each["name"] == "idle-watch"]
    assert watch["env"] == [{"name": "TZ", "value": "UTC"}]
    without = make_pod({"mode": "Dind"}, podTemplate=template)
    assert [each["name"] for each in without["spec"]["containers"]] == ["daemon"]


@pytest.mark.parametrize("mode", list(Mode))
def test_a_class_decides_the_runtime_in_every_mode(mode: Mode) -> None:
    assert make_pod({"mode": mode}, runtimeClassName="sysbox-runc")["spec"]["runtimeClassName"] == "sysbox-runc"


@pytest.mark.parametrize("mode", [Mode.DIND, Mode.SYSBOX, Mode.USER_NAMESPACE, Mode.ROOTLESS])
def test_dockerd_runs_as_root_whatever_user_the_image_names(mode: Mode) -> None:
    assert daemon_of(make_pod({"mode": mode}))["securityContext"]["runAsUser"] == 0


def test_names_fit() -> None:
    longest = "a" * 52
    for name in (
        names.pod_name(longest, "0123456789"),
        names.tls_secret(longest, "0123456789"),
        names.files_secret(longest),
        names.env_secret(longest),
        names.data_claim_name(longest),
    ):
        assert len(name) <= 63
    made = [
        names.tls_secret("a", "0123456789"),
        names.files_secret("a"),
        names.env_secret("a"),
        names.data_claim_name("a"),
    ]
    assert all(left != right for left, right in itertools.combinations(made, 2))
