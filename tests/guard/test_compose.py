"""docker compose through the guard: allowed services, and projects with the same name but different owners."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.guard.compose import SLEEP, Project
from tests.guard.owner import Owner
from tests.guard.plugins import installed

SERVICE = {"image": "busybox", "command": SLEEP, "stop_grace_period": "0s"}


@pytest.fixture
def project_of(tmp_path: Path) -> Iterator[Callable[[Owner], Project]]:
    """A function that creates the same project for any owner; all are removed in the end."""
    name = f"same-{uuid.uuid4().hex[:8]}"
    env = installed(tmp_path / "config", "compose")
    (tmp_path / name).mkdir()
    made: list[Project] = []

    def make(owner: Owner) -> Project:
        made.append(Project(owner, name, tmp_path / name, env))
        return made[-1]

    yield make
    for project in made:
        project.run("down", "--volumes", "--timeout", "0")


MAY_HAVE: dict[str, dict[str, Any]] = {
    "confined": {
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "read_only": True,
        "cgroup": "private",
    },
    "limited": {"cpus": 0.5, "mem_limit": "64m", "memswap_limit": "64m", "mem_reservation": "16m", "pids_limit": 50},
    "deployed": {"deploy": {"resources": {"limits": {"cpus": "0.5", "memory": "64M", "pids": 50}}}},
    "weighed": {"cpu_shares": 512, "cpuset": "0", "oom_score_adj": 100, "shm_size": "32m", "ulimits": {"nproc": 100}},
    "configured": {"environment": {"KEY": "value"}, "labels": {"key": "value"}, "hostname": "host", "user": "1000"},
    "started": {"working_dir": "/tmp", "stdin_open": True, "tty": True, "init": True, "stop_signal": "SIGKILL"},
    "logged": {"restart": "on-failure:3", "logging": {"driver": "json-file", "options": {"max-size": "1m"}}},
    "resolving": {"dns": ["10.0.0.53"], "dns_search": ["example.com"], "dns_opt": ["ndots:2"]},
    "knowing": {"extra_hosts": ["one:10.0.0.1", "host.docker.internal:host-gateway"], "expose": ["80"]},
    "published": {"ports": ["80", "127.0.0.1::81", "82/udp", "83-84"]},
    "alone": {"network_mode": "none"},
    "connected": {"networks": {"one": {"aliases": ["alias"]}, "two": {"mac_address": "02:42:ac:11:00:03"}}},
    "joined": {"network_mode": "service:connected", "pid": "service:connected"},
    "keeping": {"volumes": ["kept:/kept:ro", "/nameless"], "ipc": "shareable"},
    "mounting": {"volumes": [{"type": "volume", "source": "kept", "target": "/kept", "volume": {"nocopy": True}}]},
    "forgetting": {"volumes": [{"type": "tmpfs", "target": "/t", "tmpfs": {"size": 1048576}}], "tmpfs": ["/u:size=1m"]},
    "borrowing": {"volumes_from": ["keeping:ro"], "ipc": "service:keeping"},
    "provided": {"configs": [{"source": "text", "target": "/etc/text"}], "secrets": ["path"]},
    "checked": {
        "healthcheck": {"test": ["CMD", "true"], "interval": "1s", "start_period": "1s", "start_interval": "1s"}
    },
    "hooked": {
        "post_start": [{"command": ["touch", "/started"]}],
        "depends_on": {"checked": {"condition": "service_healthy"}},
    },
}


def test_allowed_services(alice: Owner, project_of: Callable[[Owner], Project]) -> None:
    project = project_of(alice)
    project.write(
        {
            "services": {name: {**SERVICE, **options} for name, options in MAY_HAVE.items()},
            "networks": {
                "one": {},
                "two": {"internal": True, "driver_opts": {"com.docker.network.driver.mtu": "1400"}},
            },
            "volumes": {"kept": {"labels": {"key": "value"}}},
            "configs": {"text": {"content": "text"}},
            "secrets": {"path": {"environment": "PATH"}},
        }
    )
    project.compose("up", "-d", "--wait")
    assert set(project.compose("ps", "--services", "--status", "running").split()) == MAY_HAVE.keys()
    assert project.compose("exec", "-T", "provided", "cat", "/etc/text") == "text"


def test_binds_of_client_files_are_denied(alice: Owner, project_of: Callable[[Owner], Project]) -> None:
    project = project_of(alice)
    (project.folder / "file").write_text("secret")
    for kind in ("secrets", "configs"):
        said = project.refused({kind: ["it"]}, **{kind: {"it": {"file": "./file"}}})
        assert f"would bind the node's {project.folder}/file" in said
        assert "(rule: containers.binds)" in said


ALONE = {**SERVICE, "network_mode": "none"}


@pytest.mark.parametrize(
    ("document", "conflict"),
    [
        ({"services": {"one": ALONE}}, 'The container name "/NAME-one-1" is already in use by container "another"'),
        ({"services": {"one": SERVICE}}, "network with name NAME_default already exists"),
        (
            {"services": {"one": {**ALONE, "volumes": ["kept:/kept"]}}, "volumes": {"kept": {}}},
            "the name NAME_kept is taken: choose another (rule: owner)",
        ),
    ],
    ids=["a container's", "a network's", "a volume's"],
)
def test_a_name_of_another_owners_project_is_a_conflict_and_both_stay_separate(
    alice: Owner, bob: Owner, project_of: Callable[[Owner], Project], document: dict[str, Any], conflict: str
) -> None:
    first, second = project_of(alice), project_of(bob)
    first.write(document)
    first.compose("up", "-d")
    ran = second.run("up", "-d")
    assert ran.returncode != 0
    assert conflict.replace("NAME", second.name) in ran.stderr.decode(), ran.stderr
    assert second.compose("ps", "-aq") == ""
    second.compose("down", "--volumes")
    assert first.compose("ps", "-q", "--status", "running")
    assert second.name in first.compose("ls", "-q")
    assert second.compose("ls", "-q") == ""
