"""Storage and life: what stays, what goes, and when."""

from __future__ import annotations

import time

from tests.e2e.environment import Environment, until
from tests.e2e.images import give_busybox


def test_a_claims_cache_survives_suspension_and_deletion(env: Environment) -> None:
    env.volume("data")
    spec = {
        "mode": "Dind",
        "storage": {"type": "Claim", "claim": {"size": "1Gi", "storageClassName": env.namespace}},
    }
    env.nested_docker("build", **spec)
    env.ready("build")
    env.client("client", "build")
    env.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    give_busybox(env, "client")

    env.nested_docker("build", suspend=True, **spec)
    env.settles("build", "Suspended")
    until(lambda: env.list("pods", "nesteddocker.dev/name=build") == [], 60, lambda: str(env.list("pods")))
    assert env.get("secret", "build-docker") == {}

    env.nested_docker("build", suspend=False, **spec)
    env.ready("build")
    assert "busybox" in env.daemon("build", "docker", "images")

    env.kubectl("delete", "nd", "build")
    until(lambda: env.list("pods", "nesteddocker.dev/name=build") == [], 60, lambda: str(env.list("pods")))
    assert env.get("pvc", "build-data")["status"]["phase"] == "Bound"
    env.nested_docker("build", **spec)
    env.ready("build")
    assert "busybox" in env.daemon("build", "docker", "images")
    env.kubectl("delete", "pv", f"{env.namespace}-data", "--wait=false")


def test_an_ephemeral_claim_goes_with_the_pod(env: Environment) -> None:
    env.volume("data")
    storage = {"type": "Ephemeral", "ephemeral": {"size": "1Gi", "storageClassName": env.namespace}}
    env.nested_docker("build", mode="Dind", storage=storage)
    pod = env.ready("build")["podName"]
    assert env.get("pvc", f"{pod}-data")["status"]["phase"] == "Bound"
    env.kubectl("delete", "nd", "build")
    until(lambda: env.list("pvc") == [], 60, lambda: str(env.list("pvc")))
    env.kubectl("delete", "pv", f"{env.namespace}-data", "--wait=false")


def test_an_empty_dir_in_memory(env: Environment) -> None:
    storage = {"type": "EmptyDir", "emptyDir": {"medium": "Memory", "sizeLimit": "512Mi"}}
    env.nested_docker("build", mode="Dind", storage=storage)
    env.ready("build")
    assert env.daemon("build", "stat", "-f", "-c", "%T", "/var/lib/docker").strip() == "tmpfs"


def test_the_deadline_stops_it_and_time_to_live_deletes_it(env: Environment) -> None:
    env.nested_docker("build", mode="Dind", activeDeadlineSeconds=600, ttlSecondsAfterFinished=3)
    env.ready("build")
    env.change("build", activeDeadlineSeconds=1)
    env.settles("build", "DeadlineExceeded", timeout=30)
    until(lambda: env.get("nesteddocker", "build") == {}, 30, lambda: str(env.get("nesteddocker", "build")))
    until(lambda: env.list("pods") == [], 60, lambda: str(env.list("pods")))


def test_an_idle_daemon_is_stopped_and_a_busy_one_is_not(env: Environment) -> None:
    env.nested_docker("idle", mode="Dind", idleTimeoutSeconds=10)
    env.nested_docker("busy", mode="Dind", idleTimeoutSeconds=10)
    env.client("client", "busy")
    env.ready("idle")
    env.ready("busy")
    env.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    give_busybox(env, "client")
    env.exec("client", "docker", "run", "-d", "--name", "work", "busybox", "sleep", "25")
    started = time.monotonic()
    assert "no running container" in env.settles("idle", "IdleTimeout", timeout=40)
    while time.monotonic() - started < 18:
        assert env.condition("busy")["reason"] == "Ready"
        time.sleep(1)
    env.settles("busy", "IdleTimeout", timeout=60)


def test_an_open_stream_keeps_a_relay_from_being_idle(env: Environment) -> None:
    env.nested_docker("relay", className="host", idleTimeoutSeconds=10)
    env.client("client", "relay", "timeout 20 docker events; sleep 3600")
    env.ready("relay")
    env.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    started = time.monotonic()
    while time.monotonic() - started < 15:
        assert env.condition("relay")["reason"] == "Ready"
        time.sleep(1)
    env.settles("relay", "IdleTimeout", timeout=60)
