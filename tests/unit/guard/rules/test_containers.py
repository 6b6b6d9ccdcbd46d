"""Containers: what the rules allow, and what the daemon gets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.guard.decisions import OPEN, UID, created, denial, forwarded, not_created, rules

from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard.model import ContainerLimits, Reservation
from nested_docker.guard.ownership import OWNER_ANNOTATION, UID_LABEL, ObjectKind, Reference, Requirement
from nested_docker.guard.rules.containers import BUILT_IN_LOG_DRIVERS, LOG_DRIVERS

CREATE_OF_THE_CLI: dict[str, Any] = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": True,
    "AttachStderr": True,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": ["true"],
    "Image": "busybox",
    "Volumes": {},
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": {},
    "HostConfig": {
        "Binds": None,
        "ContainerIDFile": "/tmp/id",
        "LogConfig": {"Type": "", "Config": {}},
        "NetworkMode": "default",
        "PortBindings": {},
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "AutoRemove": False,
        "VolumeDriver": "",
        "VolumesFrom": None,
        "ConsoleSize": [24, 80],
        "CapAdd": None,
        "CapDrop": None,
        "CgroupnsMode": "",
        "Dns": [],
        "DnsOptions": [],
        "DnsSearch": [],
        "ExtraHosts": None,
        "GroupAdd": None,
        "IpcMode": "",
        "Cgroup": "",
        "Links": None,
        "OomScoreAdj": 0,
        "PidMode": "",
        "Privileged": False,
        "PublishAllPorts": False,
        "ReadonlyRootfs": False,
        "SecurityOpt": None,
        "UTSMode": "",
        "UsernsMode": "",
        "ShmSize": 0,
        "Isolation": "",
        "CpuShares": 0,
        "Memory": 0,
        "NanoCpus": 0,
        "CgroupParent": "",
        "BlkioWeight": 0,
        "BlkioWeightDevice": [],
        "BlkioDeviceReadBps": [],
        "CpuPeriod": 0,
        "CpuQuota": 0,
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "CpusetCpus": "",
        "CpusetMems": "",
        "Devices": [],
        "DeviceCgroupRules": None,
        "DeviceRequests": None,
        "MemoryReservation": 0,
        "MemorySwap": 0,
        "MemorySwappiness": -1,
        "OomKillDisable": False,
        "PidsLimit": None,
        "Ulimits": [],
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
        "MaskedPaths": None,
        "ReadonlyPaths": None,
    },
    "NetworkingConfig": {"EndpointsConfig": {"default": {"IPAMConfig": None, "Links": None, "Aliases": None}}},
}


def test_a_request_of_the_cli_is_allowed_and_gets_the_owner_label() -> None:
    forward_plan = forwarded("POST", "/containers/create", CREATE_OF_THE_CLI)
    assert forward_plan.body is not None
    assert forward_plan.body["Labels"] == {UID_LABEL: UID}
    assert "ContainerIDFile" not in forward_plan.body["HostConfig"]
    assert "Privileged" not in forward_plan.body["HostConfig"]
    assert forward_plan.references == (Reference(ObjectKind.IMAGE, "busybox", Requirement.VISIBLE),)
    assert forward_plan.reservation == Reservation(ObjectKind.CONTAINER)


def test_empty_rules_allow_next_to_nothing() -> None:
    nothing = GuardRules()
    assert not_created(by=nothing).rule == "networks.bridge"
    assert created({"NetworkMode": "none"}, by=nothing).body
    for method, path in (("POST", "/build"), ("POST", "/networks/create"), ("POST", "/images/load")):
        assert denial(method, path, by=nothing).status == 403
    assert denial("POST", "/images/create", by=nothing, fromImage="busybox", tag="latest").rule == "images.pull"
    assert denial("POST", "/images/x/tag", by=nothing, repo="localhost/x", tag="y").rule == "images.tags"
    assert not_created({"NetworkMode": "none", "PublishAllPorts": True}, by=nothing).rule == "containers.publish"


@pytest.mark.parametrize(
    "host",
    [
        {"Init": True, "ReadonlyRootfs": True, "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"]},
        {"Tmpfs": {"/t": "size=64m,mode=1777,noexec", "/u": ""}, "ShmSize": 67108864},
        {"Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 1024}], "OomScoreAdj": 500},
        {"Mounts": [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1, "Mode": 493}}]},
        {"LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}, "RestartPolicy": {"Name": "always"}},
        {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": ""}], "81/udp": None}},
        {"Binds": ["/anonymous"], "IpcMode": "private", "CgroupnsMode": "private"},
        {"ExtraHosts": ["a:1.2.3.4"], "Dns": ["1.1.1.1"]},
    ],
)
def test_fields_that_affect_only_the_container_are_allowed(host: dict[str, Any]) -> None:
    body = created(host).body
    assert body is not None
    assert body["HostConfig"] == {key: value for key, value in host.items() if key != "PortBindings"} | (
        {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": ""}], "81/udp": []}} if "PortBindings" in host else {}
    ) | {"Annotations": {OWNER_ANNOTATION: UID}}


def test_no_container_can_pose_as_a_build_step() -> None:
    assert not_created({"ExtraHosts": [f"{UID}.build.nesteddocker.dev:127.0.0.1"]}).rule == "owner"


def test_named_objects_must_be_owned() -> None:
    forward_plan = created(
        {
            "Binds": ["cache:/cache:ro"],
            "Mounts": [
                {"Type": "volume", "Source": "data", "Target": "/d"},
                {"Type": "image", "Source": "tools", "Target": "/t"},
            ],
            "VolumesFrom": ["other:ro"],
            "NetworkMode": "mine",
            "PidMode": "container:other",
        },
        NetworkingConfig={"EndpointsConfig": {"mine": {"Aliases": ["web"]}}},
    )
    host = ("body", "HostConfig")
    assert set(forward_plan.references) == {
        Reference(ObjectKind.IMAGE, "busybox", Requirement.VISIBLE),
        Reference(ObjectKind.IMAGE, "tools", Requirement.VISIBLE, location=(*host, "Mounts", 1, "Source")),
        Reference(ObjectKind.VOLUME, "cache", Requirement.CREATED_IF_ABSENT),
        Reference(ObjectKind.VOLUME, "data", Requirement.CREATED_IF_ABSENT),
        Reference(ObjectKind.CONTAINER, "other", location=(*host, "VolumesFrom", 0), id_format="{}:ro"),
        Reference(ObjectKind.CONTAINER, "other", location=(*host, "PidMode"), id_format="container:{}"),
        Reference(ObjectKind.NETWORK, "mine", location=(*host, "NetworkMode")),
        Reference(
            ObjectKind.NETWORK, "mine", location=("body", "NetworkingConfig", "EndpointsConfig", "mine"), is_key=True
        ),
    }
    assert forward_plan.references[0].kind is ObjectKind.IMAGE
    assert forward_plan.body is not None
    assert forward_plan.body["HostConfig"]["Mounts"][0]["VolumeOptions"]["Labels"] == {UID_LABEL: UID}


ALLOWING = rules(
    containers={
        "binds": [{"path": "/cache"}, {"path": "/scratch", "readOnly": False}],
        "capabilities": ["NET_ADMIN"],
        "devices": ["/dev/kvm"],
        "sysctls": ["net.core.somaxconn"],
        "runtimes": ["runsc"],
    }
)


@pytest.mark.parametrize(
    "host",
    [
        {"Binds": ["/cache:/c:ro"]},
        {"Binds": ["/scratch:/s"]},
        {"Mounts": [{"Type": "bind", "Source": "/cache", "Target": "/c", "ReadOnly": True}]},
        {"CapAdd": ["NET_ADMIN"]},
        {"CapAdd": ["CAP_NET_ADMIN", "net_admin"]},
        {"Devices": [{"PathOnHost": "/dev/kvm", "PathInContainer": "/dev/kvm", "CgroupPermissions": "rwm"}]},
        {"Sysctls": {"net.core.somaxconn": "1024"}},
        {"Runtime": "runsc"},
    ],
)
def test_values_that_a_rule_names_are_allowed(host: dict[str, Any]) -> None:
    assert created(host, by=ALLOWING).body
    assert not_created(host).status == 403


@pytest.mark.parametrize(
    "host",
    [
        {"Binds": ["/cache:/c"]},
        {"Binds": ["/cache:/c:ro,rw"]},
        {"Binds": ["/cache/:/c:ro"]},
        {"Binds": ["/cache/sub:/c:ro"]},
        {"Binds": ["/cache/../etc:/c:ro"]},
        {"Binds": ["/cachet:/c:ro"]},
        {"Mounts": [{"Type": "bind", "Source": "/cache", "Target": "/c"}]},
        {"CapAdd": ["ALL"]},
        {"Devices": [{"PathOnHost": "/dev/kvm/..", "PathInContainer": "/dev/sda"}]},
    ],
)
def test_near_misses_of_a_rule_are_denied(host: dict[str, Any]) -> None:
    assert not_created(host, by=ALLOWING).status == 403


LIMITED = rules(
    limits={"perContainer": {"cpu": "2", "memory": "1Gi", "pids": 100}, "total": {}, "cgroupParent": "/pods/x"}
)


def test_a_container_without_a_limit_gets_the_maximum() -> None:
    body = created({}, by=LIMITED).body
    assert body is not None
    assert body["HostConfig"] == {
        "Memory": 2**30,
        "MemorySwap": 2**30,
        "NanoCpus": 2 * 10**9,
        "PidsLimit": 100,
        "CgroupParent": "/pods/x",
        "Annotations": {OWNER_ANNOTATION: UID},
    }
    assert created({}, by=LIMITED).reservation == Reservation(ObjectKind.CONTAINER, ContainerLimits(2.0, 2**30, 100))


@pytest.mark.parametrize(
    ("host", "rule"),
    [
        ({"Memory": 2**31}, "memory"),
        ({"MemorySwap": -1}, "memory"),
        ({"Memory": 2**20, "MemorySwap": 2**31}, "memory"),
        ({"NanoCpus": 3 * 10**9}, "cpu"),
        ({"CpuQuota": 300_000}, "cpu"),
        ({"CpuQuota": 100_000, "CpuPeriod": 10_000}, "cpu"),
        ({"PidsLimit": -1}, "pids"),
        ({"PidsLimit": 101}, "pids"),
    ],
)
def test_limits_above_the_maximum_are_denied(host: dict[str, Any], rule: str) -> None:
    assert not_created(host, by=LIMITED).rule == f"limits.perContainer.{rule}"
    assert denial("POST", "/containers/x1/update", host, by=LIMITED).status == 403


@pytest.mark.parametrize("body", [{"PidsLimit": 0}, {"CpuPeriod": 1000}, {"CpuQuota": 1}])
def test_an_update_may_not_remove_a_limit(body: dict[str, Any]) -> None:
    assert denial("POST", "/containers/x1/update", body, by=LIMITED).status == 403
    assert forwarded("POST", "/containers/x1/update", body).body == body


def test_an_update_within_the_limits_passes() -> None:
    forward_plan = forwarded(
        "POST", "/containers/x1/update", {"Memory": 2**20, "RestartPolicy": {"Name": "no"}}, by=LIMITED
    )
    assert forward_plan.reservation == Reservation(ObjectKind.CONTAINER, ContainerLimits(None, 2**20, None), "x1")


def test_a_container_is_removed_with_its_anonymous_volumes() -> None:
    assert forwarded("DELETE", "/containers/x1", v="0").query == {"v": ("1",)}
    assert denial("DELETE", "/containers/x1", link="1").status == 403


@pytest.mark.parametrize(
    ("part", "method", "path"),
    [
        ("exec", "POST", "/containers/x1/exec"),
        ("attach", "POST", "/containers/x1/attach"),
        ("copyFiles", "GET", "/containers/x1/archive"),
        ("copyFiles", "GET", "/containers/x1/export"),
        ("commit", "POST", "/commit"),
    ],
)
def test_a_disabled_feature_is_denied_with_its_rule(part: str, method: str, path: str) -> None:
    assert denial(method, path, by=rules(containers={part: False})).rule == f"containers.{part}"


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b" {} "])
def test_an_empty_body_on_a_route_without_a_body_is_ignored(body: bytes) -> None:
    assert forwarded("POST", "/containers/x1/start", body).body is None


def test_clients_cannot_use_reserved_labels() -> None:
    for labels in ({"nesteddocker.dev/uid": UID}, {"nesteddocker.dev/x": ""}, {"NESTEDDOCKER.DEV/uid": "x"}):
        assert not_created(Labels=labels).rule == "owner"
        assert denial("POST", "/volumes/create", {"Labels": labels}).rule == "owner"
        assert denial("POST", "/networks/create", {"Name": "net1", "Labels": labels}).rule == "owner"
        assert denial("POST", "/build", labels=json.dumps(labels)).rule == "owner"


def test_the_default_network_needs_a_rule() -> None:
    without = rules(networks={"bridge": False})
    for host in ({}, {"NetworkMode": ""}, {"NetworkMode": "default"}, {"NetworkMode": "bridge"}):
        assert not_created(host, by=without).rule == "networks.bridge"
        assert created(host, by=OPEN).body
    assert created({"NetworkMode": "none"}, by=without).body
    assert denial("POST", "/build", by=without).rule == "networks.bridge"
    assert denial("POST", "/networks/bridge/connect", {"Container": "x1"}, by=without).rule == "networks.bridge"


@pytest.mark.parametrize("name", ["asdf", "loki", "grafana/loki-docker-driver:latest", "SYSLOG", "jsonfile"])
def test_a_log_driver_that_is_a_plugin_does_not_exist_for_clients(name: str) -> None:
    refused = not_created({"LogConfig": {"Type": name}})
    assert (refused.rule, refused.status) == ("HostConfig.LogConfig.Type", 400)
    text = f'error looking up logging plugin {name}: plugin "{name}" not found'
    assert json.loads(refused.body()) == {"message": text}, "the daemon's own words"


@pytest.mark.parametrize("name", sorted(BUILT_IN_LOG_DRIVERS - {*LOG_DRIVERS}))
def test_a_log_driver_that_sends_logs_elsewhere_is_denied(name: str) -> None:
    refused = not_created({"LogConfig": {"Type": name}})
    assert (refused.rule, refused.status) == ("HostConfig.LogConfig.Type", 403)
    assert refused.message == (
        f"HostConfig.LogConfig.Type may not be '{name}'; allowed: '', 'json-file', 'local', 'none'"
    )
