"""Ways into a pod that runs."""

from __future__ import annotations

from collections.abc import Callable

from tests.contract.guardrails.site import Request, Site

from nested_docker.adapters.resources import RESOURCES

SHELL = {"name": "debug", "image": "busybox:1"}
EPHEMERAL = {"spec": {"ephemeralContainers": [SHELL]}}
NOT_THE_GUARDRAIL = ("does not have a host assigned",)
"""What the API server says to whoever is let into a pod that runs nowhere."""


def enters(name: str, how: str, where: str = "name", **query: str) -> Callable[[Site], Request]:
    query |= {"stdout": "true"} | ({"command": "true"} if how == "exec" else {})
    return lambda site: Request("POST", RESOURCES["Pod"].path(getattr(site, where), name, how), query=query)
