"""What a container's start must do for dockerd, seen in a real one: the image's entrypoint is not used."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trustme
from tests.e2e.environment import API, Environment, until
from tests.e2e.images import ODD_ENGINE, give_busybox, odd_engine


def daemon_with_client(env: Environment, name: str = "build", **spec: object) -> None:
    """A daemon that has busybox, and a client pod that is up."""
    env.nested_docker(name, **({"mode": "Dind"} | spec))
    env.client(f"{name}-client", name)
    env.ready(name)
    env.kubectl("wait", "--for=condition=Ready", f"pod/{name}-client", "--timeout=60s")
    give_busybox(env, f"{name}-client")


def docker(env: Environment, *arguments: str, name: str = "build") -> str:
    """Run docker in the client pod."""
    return env.exec(f"{name}-client", "docker", *arguments)


ZOMBIES = "for stat in /proc/[0-9]*/stat; do sed -n 's/.*) \\(Z\\) .*/\\1/p' $stat 2>/dev/null; done | wc -l"


@pytest.mark.parametrize("mode", ["Dind", "Sysbox"])
def test_containers_that_have_ended_leave_no_zombies(env: Environment, mode: str) -> None:
    daemon_with_client(env, mode=mode)
    for _ in range(5):
        docker(env, "run", "--rm", "busybox", "true")
    assert "docker-init" in env.daemon("build", "cat", "/proc/1/cmdline")
    until(
        lambda: env.daemon("build", "sh", "-c", ZOMBIES).strip() == "0",
        10,
        lambda: env.daemon("build", "cat", "/proc/1/status"),
    )


@pytest.mark.parametrize("mount", ["/:/host:ro,rslave", "/tmp:/t:rshared", "/run:/t:shared"])
def test_a_bind_mount_can_be_shared(env: Environment, mount: str) -> None:
    daemon_with_client(env)
    assert docker(env, "run", "--rm", "-v", mount, "busybox", "echo", "ran").strip() == "ran"


def test_a_mount_in_an_inner_container_is_seen_outside_if_it_is_shared(env: Environment) -> None:
    daemon_with_client(env)
    env.daemon("build", "mkdir", "-p", "/tmp/shared/inner")
    script = "mount -t tmpfs none /t/inner && touch /t/inner/seen"
    docker(env, "run", "--rm", "--privileged", "-v", "/tmp/shared:/t:rshared", "busybox", "sh", "-c", script)
    assert env.daemon("build", "ls", "/tmp/shared/inner").strip() == "seen"


def test_an_image_of_another_distribution_for_rootless_dockerd_starts(env: Environment) -> None:
    """It names another user, has its authorities elsewhere, no iptables that works, and no init."""
    odd_engine()
    authority = trustme.CA().cert_pem.bytes().decode()
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca"}, "data": {"ca.crt": authority}}
    env.apply(config)
    daemon_with_client(env, engine={"image": ODD_ENGINE, "caBundleRef": {"name": "ca"}})
    for _ in range(3):
        assert docker(env, "run", "--rm", "busybox", "echo", "ran").strip() == "ran"
    until(
        lambda: env.daemon("build", "sh", "-c", ZOMBIES).strip() == "0",
        10,
        lambda: env.daemon("build", "cat", "/proc/1/status"),
    )
    bundle = env.daemon("build", "cat", "/run/nested-docker-ca.crt")
    assert authority.strip() in bundle
    assert bundle.count("BEGIN CERTIFICATE") > 50
    pod = env.get("nesteddocker", "build")["status"]["podName"]
    assert "uses iptables-legacy" in env.kubectl("logs", pod, "-c", "daemon")


@pytest.fixture
def layered_volume(cluster: Environment) -> Iterator[str]:
    """A PersistentVolume on overlayfs; the name of its StorageClass."""
    name, folder = "layered", "/run/layered"
    options = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
    folders = " ".join(f"{folder}/{each}" for each in ("lower", "upper", "work", "merged"))
    cluster.node("sh", "-ec", f"mkdir -p {folders}; mount -t overlay overlay -o {options} {folder}/merged")
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": f"{folder}/merged"},
        "storageClassName": name,
    }
    cluster.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec})
    yield name
    cluster.kubectl("delete", "pv", name, "--wait=false")
    cluster.node("umount", "-l", f"{folder}/merged")


def test_a_data_root_on_which_no_container_can_start_is_refused(env: Environment, layered_volume: str) -> None:
    storage = {"type": "Claim", "claim": {"size": "1Gi", "storageClassName": layered_volume}}
    store = {"features": {"containerd-snapshotter": True}}
    env.nested_docker("build", mode="Dind", storage=storage, engine={"config": store})
    message = env.settles("build", "DaemonCrashed")
    assert "the data-root's filesystem does not support overlay mounts, so no container could start" in message
    assert "set spec.engine.storageDriver to vfs" in message


def test_a_daemon_in_which_no_container_can_run_is_not_ready_and_says_why(env: Environment) -> None:
    runtimes = {"default-runtime": "own", "runtimes": {"own": {"path": "/bin/false"}}}
    env.nested_docker("build", mode="Dind", engine={"config": runtimes})
    message = env.settles("build", "TrialRunFailed")
    assert "/bin/false ended with code 1 and said nothing" in message


def test_the_trial_container_leaves_nothing_in_the_daemon(env: Environment) -> None:
    env.nested_docker("build", mode="Dind")
    env.ready("build")
    events = ["events", "--since=0", "--until=0s", "--filter=type=container", "--filter=type=image"]
    for command in (["ps", "-aq"], ["images", "-q"], events):
        assert env.daemon("build", "docker", *command).strip() == ""
    assert "nested-docker-trial" not in env.daemon("build", "ls", "/var/lib/docker", "/run")
    assert "nested-docker-trial" not in env.daemon("build", "cat", "/proc/self/mounts")


def test_the_default_networks_are_dockers_where_nothing_collides(env: Environment) -> None:
    daemon_with_client(env)
    docker(env, "network", "create", "own")
    for network, subnet in (("bridge", "172.17.0.0/16"), ("own", "172.18.0.0/16")):
        found = docker(env, "network", "inspect", network, "-f", "{{(index .IPAM.Config 0).Subnet}}")
        assert found.strip() == subnet


def test_pools_on_the_services_range_are_a_hazard(env: Environment) -> None:
    service = env.kubectl("get", "service", "-n", "default", "kubernetes", "-o", "jsonpath={.spec.clusterIP}")
    base = f"{service.rpartition('.')[0]}.0/24"
    env.nested_docker("build", mode="Dind", engine={"addressPools": [{"base": base, "size": 28}]})
    hazards = {hazard["type"]: hazard["message"] for hazard in env.ready("build")["hazards"]}
    assert f"{base} ({service})" in hazards["NetworkOverlap"]


def a_class(env: Environment, spec: dict[str, object]) -> str:
    """A class of the test's own, which the policy allows by its name."""
    env.apply(
        API | {"kind": "NestedDockerClass", "metadata": {"name": "entrypoint"}, "spec": {"modes": ["Dind"]} | spec}
    )
    return "entrypoint"


def test_what_the_class_says_of_the_daemons_container_has_its_effect(env: Environment) -> None:
    daemon = {
        "name": "daemon",
        "env": [{"name": "TZ", "value": "Asia/Tokyo"}],
        "volumeMounts": [{"name": "certs", "mountPath": "/etc/docker/certs.d"}],
    }
    template = {
        "spec": {
            "containers": [daemon],
            "volumes": [{"name": "certs", "emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}}],
            "terminationGracePeriodSeconds": 45,
        }
    }
    name = a_class(env, {"podTemplate": template})
    env.nested_docker("build", mode="Dind", className=name)
    pod = env.get("pod", env.ready("build")["podName"])
    assert pod["spec"]["terminationGracePeriodSeconds"] == 45
    assert "TZ=Asia/Tokyo" in env.daemon("build", "sh", "-c", "tr '\\0' '\\n' </proc/1/environ")
    assert " /etc/docker/certs.d tmpfs " in env.daemon("build", "cat", "/proc/self/mounts")


def test_what_the_operator_overrides_is_refused_by_name(env: Environment) -> None:
    template = {"spec": {"containers": [{"name": "daemon", "command": ["sleep", "1000"]}]}}
    name = a_class(env, {"podTemplate": template})
    with pytest.raises(AssertionError, match=r"ClassInvalid.*spec.containers\[daemon\].command"):
        env.nested_docker("build", mode="Dind", className=name)


def test_a_crash_is_reported_by_its_cause_alone(env: Environment) -> None:
    env.nested_docker("build", mode="Dind", engine={"config": {"bridge": "nosuch0"}})
    message = env.settles("build", "DaemonCrashed")
    assert "nosuch0" in message
    assert "level=info" not in message
    assert len(message) < 500


def test_a_killed_daemon_starts_again_and_the_signal_is_named(env: Environment) -> None:
    env.nested_docker("build", mode="Dind")
    env.ready("build")
    # In the background: the container ends with its dockerd, and a command that still runs in it fails.
    killing = "(sleep 1; kill -9 $(cat /var/run/docker.pid)) </dev/null >/dev/null 2>&1 &"
    env.daemon("build", "sh", "-c", killing)
    assert "killed by SIGKILL" in env.settles("build", "DaemonCrashed", timeout=30)
    env.ready("build")
