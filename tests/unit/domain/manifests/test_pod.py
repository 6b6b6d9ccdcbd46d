"""Whole manifests, for every mode, and the rules that hold for all of them."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.support.factory import DEFAULTS, FULL_ENGINE, HOME, WORKLOAD, class_spec, observed
from tests.unit.snapshot import matches_snapshot

from nested_docker.api.meta import Mode
from nested_docker.domain import names, pki
from nested_docker.domain.admission.acceptance import Accepted, accept
from nested_docker.domain.manifests import secrets, storage
from nested_docker.domain.manifests.network_policy import network_policy
from nested_docker.domain.manifests.pod import overlay, pod
from nested_docker.domain.manifests.service import service
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import PodContext
from nested_docker.domain.modes.dockerd import START_SCRIPT


def make_pod(spec: dict[str, Any], **class_fields: Any) -> dict[str, Any]:
    accepted = accept(observed(spec, classes={"standard": class_spec(**class_fields)}), DEFAULTS)
    assert isinstance(accepted, Accepted), accepted
    context = PodContext(HOME, accepted.effective, DEFAULTS)
    return pod(context, MODES[accepted.effective.mode], "0123456789")


@pytest.mark.parametrize("mode", list(Mode))
def test_the_plain_pod_of_a_mode(mode: Mode) -> None:
    matches_snapshot(f"pod-{mode.lower()}", make_pod({"mode": mode}))


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
    matches_snapshot("pod-everything", make_pod(spec, podTemplate=template, hostSocket={"gid": 999}))


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
        secrets.tls(HOME, "0123456789", "2027-01-01T00:00:00Z", 1).filled(dict.fromkeys(pki.KEYS, b"x")),
        secrets.env(HOME, claim.spec.connection.secret_template).filled({}),
        secrets.files(HOME, claim.spec.connection.secret_template, "uid/0").filled(dict.fromkeys(pki.KEYS, b"x")),
    )


@pytest.mark.parametrize("mode", list(Mode))
def test_nothing_in_the_daemons_pod_waits_for_a_connection_secret(mode: Mode) -> None:
    text = str(make_pod({"mode": mode, "workload": WORKLOAD, "idleTimeoutSeconds": 60}))
    assert names.env_secret("build") not in text
    assert f"'secretName': '{names.files_secret('build')}'" not in text


def test_sysbox_has_nothing_privileged() -> None:
    text = str(make_pod({"mode": "Sysbox"}))
    assert "privileged" not in text
    assert "capabilities" not in text
    assert "hostPath" not in text


def test_only_the_relay_has_the_nodes_socket() -> None:
    spec = make_pod({"mode": "HostSocket", "workload": WORKLOAD, "idleTimeoutSeconds": 60})["spec"]
    holders = [
        container["name"]
        for container in spec["containers"] + spec["initContainers"]
        if any(mount["name"] == "node-socket" for mount in container.get("volumeMounts", []))
    ]
    assert holders == ["daemon"]


def test_the_template_lies_beneath() -> None:
    own = {"a": {"x": 1}, "list": [{"name": "m", "v": 1}], "scalar": 1}
    template = {"a": {"x": 2, "y": 3}, "list": [{"name": "m", "v": 2}, {"name": "n"}], "scalar": 2, "more": 3}
    assert overlay(template, own) == {
        "a": {"x": 1, "y": 3},
        "list": [{"name": "m", "v": 1}, {"name": "n"}],
        "scalar": 1,
        "more": 3,
    }


class TestStartScript:
    """The start script, run by a real shell, with a dockerd that only tells its arguments."""

    def run(self, tmp_path: Path, env: dict[str, str], *args: str) -> str:
        fake = tmp_path / "bin" / "dockerd"
        fake.parent.mkdir(exist_ok=True)
        fake.write_text('#!/bin/sh\necho "$@"\n')
        fake.chmod(0o755)
        script = START_SCRIPT.replace("/etc/docker", f"{tmp_path}/etc-docker").replace("/run/", f"{tmp_path}/run-")
        done = subprocess.run(
            ["/bin/sh", "-ec", script, "start-dockerd", *args],
            env={"PATH": f"{fake.parent}:/usr/sbin:/usr/bin:/bin"} | env,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def cgroup(self, tmp_path: Path, own: str) -> dict[str, str]:
        root, proc = tmp_path / "cgroup", tmp_path / "proc"
        here = root / own.lstrip("/")
        here.mkdir(parents=True)
        proc.mkdir()
        (root / "cgroup.controllers").write_text("cpu memory\n")
        (here / "cgroup.controllers").write_text("cpu memory\n")
        (here / "cgroup.procs").write_text("1\n7\n")
        (proc / "cgroup").write_text(f"0::{own}\n")
        return {"NESTED_DOCKER_CGROUP_ROOT": str(root), "NESTED_DOCKER_PROC_SELF": str(proc)}

    def test_on_cgroup_v2_inner_containers_stay_beneath_the_pod(self, tmp_path: Path) -> None:
        env = self.cgroup(tmp_path, "/kubepods/pod1/c1")
        assert "--cgroup-parent=/kubepods/pod1/c1" in self.run(tmp_path, env, "--flag")
        here = tmp_path / "cgroup/kubepods/pod1/c1"
        assert (here / "init/cgroup.procs").read_text() == "7\n"  # the kernel moves each pid that is written
        assert (here / "cgroup.subtree_control").read_text() == "+memory\n"  # and enables each that is written

    def test_in_a_cgroup_namespace_of_its_own_the_root_is_the_pod(self, tmp_path: Path) -> None:
        assert "--cgroup-parent=/" in self.run(tmp_path, self.cgroup(tmp_path, "/"))

    def test_on_cgroup_v1_nothing_is_moved(self, tmp_path: Path) -> None:
        env = {"NESTED_DOCKER_CGROUP_ROOT": str(tmp_path)}
        assert "--cgroup-parent" not in self.run(tmp_path, env, "--flag")

    def test_the_mtu_is_for_every_network(self, tmp_path: Path) -> None:
        env = {"NESTED_DOCKER_CGROUP_ROOT": str(tmp_path), "NESTED_DOCKER_MTU": "1234"}
        assert self.run(tmp_path, env, "--flag") == (
            "--flag --mtu=1234 --default-network-opt=bridge=com.docker.network.driver.mtu=1234"
        )

    def test_the_configuration_is_written(self, tmp_path: Path) -> None:
        env = {"NESTED_DOCKER_CGROUP_ROOT": str(tmp_path), "NESTED_DOCKER_CONFIG": '{"a":"b c"}'}
        self.run(tmp_path, env)
        assert (tmp_path / "etc-docker/daemon.json").read_text() == '{"a":"b c"}'
        self.run(tmp_path, {"NESTED_DOCKER_CGROUP_ROOT": str(tmp_path)})
        assert (tmp_path / "etc-docker/daemon.json").read_text() == "{}"

    def test_an_iptables_that_the_image_lacks_is_named(self, tmp_path: Path) -> None:
        env = {"NESTED_DOCKER_CGROUP_ROOT": str(tmp_path), "NESTED_DOCKER_IPTABLES": "nosuch"}
        with pytest.raises(subprocess.CalledProcessError) as failure:
            self.run(tmp_path, env)
        assert "the image has no iptables-nosuch" in failure.value.stderr


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
