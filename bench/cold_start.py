"""From request to the daemon's first TLS answer: a NestedDocker against its own objects applied as plain YAML.

    .venv/bin/python bench/cold_start.py [ROUNDS]

Real kubelet, real dockerd; the two take turns, so that the machine's mood meets both. The plain pod is
the very pod that the operator makes, with keys made beforehand.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lab import SYSTEM, ensure, grant, laboratory, namespace, ours, spread
from tests.support.api import Api
from tests.support.certificates import certificate_maker, key_set_of
from tests.support.factory import class_spec, observed
from tests.support.manifests import nested_docker

from nested_docker.adapters.dockerd import DaemonClient
from nested_docker.domain import names, pki
from nested_docker.domain.admission.acceptance import accept
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.manifests import secrets
from nested_docker.domain.manifests.network_policy import network_policy
from nested_docker.domain.manifests.pod import pod as pod_manifest
from nested_docker.domain.manifests.service import service
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import PodContext
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Owner

POLL = 0.02
CLASS = "cold"


@dataclass
class Times:
    """Seconds since the request was sent."""

    answer: float
    ready: float
    files: float = 0.0


def plain_objects(where: str, keys: dict[str, bytes]) -> list[dict[str, Any]]:
    """What the operator would make, without owner."""
    owner = Owner("plain", where, "00000000-0000-0000-0000-000000000000")
    object_names, defaults = ObjectNames(owner), OperatorDefaults(operator_namespace=SYSTEM)
    accepted = accept(observed({"mode": "Dind"}, owner=owner, classes={"standard": class_spec()}), defaults)
    context = PodContext(object_names, accepted.effective, defaults)
    template = accepted.spec.connection.secret_template
    key_set = key_set_of(keys)
    objects = [
        secrets.tls(object_names, key_set).filled(keys),
        pod_manifest(context, MODES[accepted.effective.mode], key_set.id),
        service(object_names, key_set.id),
        network_policy(object_names, [], SYSTEM, published_ports=True),
        secrets.env(object_names, template).filled({}),
        secrets.files(object_names, template, "none").filled(keys),
    ]
    for manifest in objects:
        del manifest["metadata"]["ownerReferences"]
        manifest["metadata"]["labels"].pop(names.MANAGED_BY)
    return objects


async def first_answer(api: Api, where: str, host: str, keys: dict[str, bytes] | None, started: float) -> float:
    """Dial the namespace's one pod until it answers."""
    client = DaemonClient()
    while True:
        pods = await api.list("Pod", where)
        address = pods[0].get("status", {}).get("podIP") if pods else None
        if address:
            keys = keys or await key_set(api, where)
            try:
                await client.ask(address, f"{host}.{where}.svc", keys)
                return time.monotonic() - started
            except OSError:
                pass
        await asyncio.sleep(POLL)


async def key_set(api: Api, where: str) -> dict[str, bytes]:
    import base64

    secret = await api.get("Secret", where, "nested-tls")
    return {key: base64.b64decode(value) for key, value in secret["data"].items()}


async def pod_ready(api: Api, where: str, started: float) -> float:
    while True:
        for pod in await api.list("Pod", where):
            if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", [])):
                return time.monotonic() - started
        await asyncio.sleep(POLL)


async def files_secret(api: Api, where: str, started: float) -> float:
    while await api.get("Secret", where, "nested-docker") is None:
        await asyncio.sleep(POLL)
    return time.monotonic() - started


async def plain(api: Api, change: Callable[[dict[str, Any]], dict[str, Any]] = lambda manifest: manifest) -> Times:
    """The objects, applied by hand, each after a change."""
    async with namespace(api) as where:
        now = datetime.now(UTC)
        object_names = ObjectNames(Owner("plain", where, ""))
        request = pki.certificate_request(object_names, cluster_domain="cluster.local", now=now, deadline=None)
        keys = certificate_maker().issue(request)
        started = time.monotonic()
        for manifest in plain_objects(where, keys):
            await api.create(change(manifest))
        answer, ready = await asyncio.gather(
            first_answer(api, where, "plain", keys, started), pod_ready(api, where, started)
        )
        return Times(answer, ready)


async def nested(api: Api) -> Times:
    """The same by a NestedDocker."""
    async with namespace(api) as where:
        started = time.monotonic()
        await api.create(nested_docker(where, "nested", mode="Dind", className=CLASS))
        answer, ready, files = await asyncio.gather(
            first_answer(api, where, "nested", None, started),
            pod_ready(api, where, started),
            files_secret(api, where, started),
        )
        return Times(answer, ready, files)


async def main(rounds: int) -> None:
    async with laboratory() as (cluster, api):
        await grant(api, CLASS)
        await ensure(api)
        async with ours(cluster.kubeconfig):
            plains, nesteds = [], []
            for number in range(rounds + 1):
                pair = (await plain(api), await nested(api))
                if number:  # the first round warms the node
                    plains.append(pair[0])
                    nesteds.append(pair[1])
    answers = [times.answer for times in plains], [times.answer for times in nesteds]
    print(f"{rounds} rounds, median [min-max]")
    print(f"plain YAML    first TLS answer {spread(answers[0])}   pod Ready {spread([t.ready for t in plains])}")
    print(f"NestedDocker  first TLS answer {spread(answers[1])}   pod Ready {spread([t.ready for t in nesteds])}")
    print(f"NestedDocker  files Secret     {spread([t.files for t in nesteds])}")
    first = statistics.median(answers[1]) / statistics.median(answers[0])
    gate = statistics.median(t.files for t in nesteds) / statistics.median(t.ready for t in plains)
    print(f"ratio of first TLS answers {first:.2f} (goal 1.05 at most)")
    print(f"files Secret against the plain pod's Ready {gate:.2f} (goal below 1)")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7))
