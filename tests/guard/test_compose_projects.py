"""docker compose through the guard: the life of a project, and denials with their rules."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.guard.compose import Project
from tests.guard.conftest import RULES
from tests.guard.dockerd import Dockerd
from tests.guard.owner import Owner
from tests.guard.plugins import installed


@pytest.fixture
def projects(tmp_path: Path, alice: Owner, bob: Owner) -> Iterator[Callable[[Owner], Project]]:
    """A function that creates projects; all are removed in the end."""
    made: list[Project] = []
    env = installed(tmp_path / "config", "compose", "buildx")

    def make(owner: Owner) -> Project:
        name = f"project-{uuid.uuid4().hex[:8]}"
        (tmp_path / name).mkdir()
        made.append(Project(owner, name, tmp_path / name, env))
        return made[-1]

    yield make
    for project in made:
        project.run("down", "--volumes", "--timeout", "0")


@pytest.fixture
def project(projects: Callable[[Owner], Project], alice: Owner) -> Project:
    return projects(alice)


def pair(project: Project) -> dict[str, Any]:
    """Two services: one is built, waits for the other's health, and uses its volume and network."""
    (project.folder / "web").mkdir()
    (project.folder / "web" / "Dockerfile").write_text("FROM busybox\nARG WORD\nRUN echo $WORD > /word\n")
    return {
        "services": {
            "data": {
                "image": "busybox",
                "command": ["sh", "-c", "echo from-data > /shared/file; echo data-is-up; sleep 300"],
                "volumes": ["shared:/shared"],
                "networks": ["inner"],
                "healthcheck": {"test": ["CMD", "test", "-f", "/shared/file"], "interval": "1s"},
                "stop_grace_period": "0s",
            },
            "web": {
                "image": f"localhost/{project.name}:1",
                "build": {"context": "web", "args": {"WORD": "built"}},
                "command": ["sh", "-c", "cat /word /shared/file; sleep 300"],
                "depends_on": {"data": {"condition": "service_healthy"}},
                "volumes": ["shared:/shared:ro"],
                "networks": {"inner": {"aliases": ["front"]}},
                "environment": {"KEY": "value"},
                "ports": ["80"],
                "stop_grace_period": "0s",
            },
        },
        "networks": {"inner": {}},
        "volumes": {"shared": {}},
    }


def left(dockerd: Dockerd, name: str) -> list[str]:
    """All objects of a project on the node."""
    label = f"--filter=label=com.docker.compose.project={name}"
    kinds = (("ps", "-aq"), ("network", "ls", "-q"), ("volume", "ls", "-q"))
    return [line for kind in kinds for line in dockerd.docker(*kind, label).split()]


def test_a_project_starts_works_and_leaves_nothing(project: Project, dockerd: Dockerd) -> None:
    project.write(pair(project))
    project.compose("up", "-d", "--build")
    listed = [json.loads(line) for line in project.compose("ps", "--format", "json").splitlines()]
    assert {each["Service"]: each["State"] for each in listed} == {"data": "running", "web": "running"}
    assert "data-is-up" in project.compose("logs", "data")
    assert "data-is-up" not in project.compose("logs", "web")
    assert project.compose("exec", "-T", "web", "cat", "/word", "/shared/file") == "built\nfrom-data"
    assert project.compose("exec", "-T", "web", "sh", "-c", "echo $KEY") == "value"
    assert project.run("exec", "-T", "web", "sh", "-c", "exit 3").returncode == 3
    assert project.compose("port", "web", "80").startswith("0.0.0.0:")
    assert project.compose("run", "--rm", "-T", "--no-deps", "web", "cat", "/word") == "built"
    assert {each["Name"] for each in json.loads(project.compose("ls", "--format", "json"))} == {project.name}
    assert len(left(dockerd, project.name)) == 4
    project.compose("down", "--volumes")
    assert left(dockerd, project.name) == []


def test_a_project_is_changed_scaled_restarted_and_stopped(project: Project) -> None:
    document = pair(project)
    project.write(document)
    project.compose("up", "-d", "--build")
    before = project.compose("ps", "-q").split()
    project.compose("up", "-d")
    assert project.compose("ps", "-q").split() == before, "nothing has changed, so nothing is recreated"
    document["services"]["web"]["environment"] = {"KEY": "other"}
    project.write(document)
    project.compose("up", "-d", "--scale", "web=2", "--wait")
    assert project.compose("exec", "-T", "--index", "2", "web", "sh", "-c", "echo $KEY") == "other"
    assert len(project.compose("ps", "-q").split()) == 3
    project.compose("restart", "--timeout", "0", "data")
    project.compose("cp", "web:/word", str(project.folder / "copied"))
    assert (project.folder / "copied").read_text() == "built\n"
    assert "built" in project.compose("logs", "--no-log-prefix", "web")
    project.compose("pause", "data")
    project.compose("unpause", "data")
    project.compose("stop", "--timeout", "0")
    assert project.compose("ps", "-q") == ""
    project.compose("start")
    project.compose("kill", "web")
    project.compose("rm", "--force", "--stop", "web")
    assert [json.loads(line)["Service"] for line in project.compose("ps", "--format", "json").splitlines()] == ["data"]


def test_another_owners_project_sees_nothing_of_it(
    projects: Callable[[Owner], Project], alice: Owner, bob: Owner
) -> None:
    first, second = projects(alice), projects(bob)
    for project in (first, second):
        project.write(pair(project))
        project.compose("up", "-d", "--build")
    assert {each["Name"] for each in json.loads(second.compose("ls", "--format", "json"))} == {second.name}
    imitation = Project(bob, first.name, first.folder, first.env)
    assert imitation.compose("ps", "-aq") == ""
    assert imitation.compose("logs") == ""
    assert imitation.run("exec", "-T", "web", "true").returncode != 0
    imitation.compose("down", "--volumes")
    assert len(first.compose("ps", "-q").split()) == 2
    assert first.compose("exec", "-T", "web", "cat", "/shared/file") == "from-data"


def test_owned_images_are_removed_and_shared_ones_stay(project: Project, dockerd: Dockerd) -> None:
    project.write(pair(project))
    project.compose("up", "-d", "--build")
    ran = project.run("down", "--volumes", "--rmi", "all")
    assert b"image busybox:latest is shared" in ran.stderr
    assert left(dockerd, project.name) == []
    assert not dockerd.docker("images", "-q", f"localhost/{project.name}")
    assert dockerd.docker("images", "-q", "busybox")


def test_a_built_service_without_an_allowed_image_name_is_denied(project: Project) -> None:
    (project.folder / "Dockerfile").write_text("FROM busybox\n")
    project.write({"services": {"one": {"build": "."}}})
    ran = project.run("build")
    assert ran.returncode != 0
    assert f"image {project.name}-one:latest matches no pattern in images.tags".encode() in ran.stderr


def test_services_find_each_other_by_name(project: Project) -> None:
    project.write(pair(project))
    project.compose("up", "-d", "--build")
    assert "front" in project.compose("exec", "-T", "data", "nslookup", "front")
    assert "web" in project.compose("exec", "-T", "data", "nslookup", "web")


@pytest.mark.parametrize(
    ("service", "rule"),
    [
        ({"privileged": True}, "HostConfig.Privileged"),
        ({"network_mode": "host"}, "networks"),
        ({"pid": "host"}, "HostConfig.PidMode"),
        ({"ipc": "host"}, "HostConfig.IpcMode"),
        ({"userns_mode": "host"}, "HostConfig.UsernsMode"),
        ({"cgroup": "host"}, "HostConfig.CgroupnsMode"),
        ({"cgroup_parent": "/elsewhere"}, "HostConfig.CgroupParent"),
        ({"cap_add": ["SYS_ADMIN"]}, "containers.capabilities"),
        ({"devices": ["/dev/kmsg"]}, "containers.devices"),
        ({"security_opt": ["seccomp:unconfined"]}, "containers.securityOpt"),
        ({"sysctls": {"kernel.shmmax": "1"}}, "containers.sysctls"),
        ({"volumes": ["/etc:/host"]}, "containers.binds"),
        ({"volumes": ["./inside:/host"]}, "containers.binds"),
        ({"volumes": ["/var/run/docker.sock:/var/run/docker.sock"]}, "containers.binds"),
        ({"ports": ["8080:80"]}, "containers.publish"),
        ({"image": "postgres:17"}, "images.pull"),
        ({"labels": {"nesteddocker.dev/uid": "another"}}, "owner"),
        ({"gpus": "all"}, "HostConfig.DeviceRequests"),
    ],
    ids=str,
)
def test_a_forbidden_service_is_denied_with_its_rule(
    project: Project, dockerd: Dockerd, service: dict[str, Any], rule: str
) -> None:
    said = project.refused(service)
    assert "denied by the guard: " in said, said
    assert f"(rule: {rule})" in said, said
    assert dockerd.docker("ps", "-aq", f"--filter=label=com.docker.compose.project={project.name}") == ""


@pytest.mark.parametrize(
    ("top", "rule"),
    [
        ({"networks": {"default": {"driver": "macvlan"}}}, "Driver"),
        ({"networks": {"default": {"driver_opts": {"parent": "eth0"}}}}, "networks"),
        ({"networks": {"default": {"ipam": {"config": [{"subnet": "10.0.0.0/8"}]}}}}, "networks.subnets"),
    ],
    ids=str,
)
def test_a_forbidden_network_is_denied_with_its_rule(project: Project, top: dict[str, Any], rule: str) -> None:
    assert f"(rule: {rule})" in project.refused({}, **top)


def test_a_forbidden_volume_is_denied_with_its_rule(project: Project) -> None:
    options = {"driver_opts": {"type": "none", "o": "bind", "device": "/etc"}}
    assert "(rule: DriverOpts)" in project.refused({"volumes": ["it:/it"]}, volumes={"it": options})


def test_compose_without_a_rule_for_networks_is_denied(
    owners: Callable[[dict[str, Any]], Owner], projects: Callable[[Owner], Project]
) -> None:
    project = projects(owners({**RULES, "networks": {}}))
    assert "(rule: networks.create)" in project.refused({})
    project.write({"services": {"one": {"image": "busybox", "command": "echo alone", "network_mode": "none"}}})
    assert "alone" in project.compose("up", "--no-log-prefix")


def test_a_build_with_buildkit_ends_with_the_remedy(project: Project) -> None:
    project.write(pair(project))
    bake = Project(project.owner, project.name, project.folder, {**project.env, "DOCKER_BUILDKIT": "1"})
    for env in ({"COMPOSE_BAKE": "true"}, {"COMPOSE_BAKE": "false"}):
        ran = Project(bake.owner, bake.name, bake.folder, {**bake.env, **env}).run("build")
        assert ran.returncode != 0
        assert b"set DOCKER_BUILDKIT=0" in ran.stderr, ran.stderr
