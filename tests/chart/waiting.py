"""Waiting for what the installed operator does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from tests.chart.conftest import Manifest
from tests.support.cluster import Cluster


def ready(cluster: Cluster, namespace: str, name: str) -> Manifest:
    """The condition Ready of a NestedDocker; empty: there is none yet."""
    obj = json.loads(cluster.kubectl("-n", namespace, "get", "nesteddocker", name, "-o", "json"))
    conditions = obj.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == "Ready"), {})


def until(look: Callable[[], object], wanted: object, seconds: float = 30) -> None:
    """Wait until a look shows what is wanted."""
    deadline = time.monotonic() + seconds
    while (seen := look()) != wanted:
        assert time.monotonic() < deadline, f"not {wanted!r} within {seconds:g} s, but {seen!r}"
        time.sleep(0.2)
