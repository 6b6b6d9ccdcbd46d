"""What the API says of nodes and RuntimeClasses, as far as it is readable: a kubelet, or a cloud's, writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from nested_docker.api.v1alpha1.node import NestedDockerNodeStatus
from nested_docker.domain.objects import NodeFacts, RuntimeClassFacts, Taint
from nested_docker.domain.shown import shorten

FACT_LENGTH = 128
"""Characters of a fact that are kept."""

MOST_HANDLERS = 64
"""Handlers of a node that are read; a node with more of them counts as one that does not say which it has."""

MOST_TAINTS = 64
"""Taints of a node that are read."""

PASSING_TAINT = re.compile(
    r"node\.(cloudprovider\.)?kubernetes\.io/|node\.cluster\.x-k8s\.io/|node\.gardener\.cloud/|karpenter\.sh/"
    r"|aws-node-termination-handler/|cloud\.google\.com/impending-node-termination$|\w+ClusterAutoscaler$"
    r"|[\w.-]+/agent-not-ready$"
)
"""Keys of taints that Kubernetes, an autoscaler, a network or storage driver sets while a node starts, is troubled,
cordoned or ends."""

_RUNTIME = re.compile(r"([a-z][a-z-]*)://")
_VERSION = re.compile(r"v?(\d{1,6})\.(\d{1,6})")
_ENTERPRISE_KERNEL = re.compile(r"\.el(?:9|[1-9]\d)(?![\da-z])")


def node_facts(node: Mapping[str, Any]) -> NodeFacts:
    """The facts of a node; what is missing or has another form than the API's is not known."""
    status = mapping_or_empty(node.get("status"))
    info = mapping_or_empty(status.get("nodeInfo"))
    return NodeFacts(
        ready=any(
            each.get("type") == "Ready" and each.get("status") == "True"
            for each in mappings_in(status.get("conditions"))
        ),
        name=_text(node["metadata"].get("name")),
        labels=node["metadata"].get("labels") or {},
        taints=tuple(_taints(mapping_or_empty(node.get("spec")).get("taints"))),
        kernel=_text(info.get("kernelVersion")),
        kubelet=_text(info.get("kubeletVersion")),
        runtime=_text(info.get("containerRuntimeVersion")),
        operating_system=_text(info.get("operatingSystem")),
        architecture=_text(info.get("architecture")),
        handlers=_handlers(status.get("runtimeHandlers")),
        boot_id=_text(info.get("bootID")),
    )


def with_probe(facts: NodeFacts, status: NestedDockerNodeStatus | None) -> NodeFacts:
    """The facts of a node with what a probe has found out, if that was in this boot."""
    if status is None or status.facts is None or status.facts.boot_id != facts.boot_id:
        return facts
    return replace(facts, probed=status.facts)


def runtime_class_facts(runtime_class: Mapping[str, Any]) -> RuntimeClassFacts:
    """The facts of a RuntimeClass; what has another form than the API's is not known."""
    scheduling = mapping_or_empty(runtime_class.get("scheduling"))
    selector = mapping_or_empty(scheduling.get("nodeSelector"))
    return RuntimeClassFacts(
        handler=_text(runtime_class.get("handler")),
        node_selector={key: value for key, value in selector.items() if isinstance(value, str)},
        tolerations=tuple(mappings_in(scheduling.get("tolerations"))),
    )


def version(text: str) -> tuple[int, int] | None:
    """Major and minor version at the start of a text, such as 6.12 of `6.12.117+deb13`; None: there is none."""
    found = _VERSION.match(text)
    return (int(found[1]), int(found[2])) if found else None


def kernel_version(text: str) -> tuple[int, int] | None:
    """Major and minor version of a kernel, whose features are those of that version; None: they are not known.

    Kernels of Red Hat Enterprise Linux 9 and newer, and so of OpenShift, have what Red Hat added of later versions:
    pods can have user namespaces there with 5.14.
    """
    return None if _ENTERPRISE_KERNEL.search(text) else version(text)


def container_runtime(text: str) -> tuple[str, tuple[int, int] | None]:
    """Name and version of a container runtime, such as containerd and 2.1 of `containerd://2.1.9`.

    Returns:
        The name, or an empty text, and the version; None: it is not known.
    """
    found = _RUNTIME.match(text)
    return (found[1], version(text[found.end() :])) if found else ("", None)


def _taints(taints: Any) -> Iterator[Taint]:
    for each in mappings_in(taints)[:MOST_TAINTS]:
        taint = Taint(_text(each.get("key")), _text(each.get("value")), _text(each.get("effect")))
        if taint.effect in {"NoSchedule", "NoExecute"} and not PASSING_TAINT.match(taint.key):
            yield taint


def _handlers(handlers: Any) -> dict[str, bool | None] | None:
    if not isinstance(handlers, list) or not 0 < len(handlers) <= MOST_HANDLERS:
        return None
    found: dict[str, bool | None] = {}
    for each in mappings_in(handlers):
        supported = mapping_or_empty(each.get("features")).get("userNamespaces")
        found[_text(each.get("name"))] = supported if isinstance(supported, bool) else None
    return found


def mapping_or_empty(value: Any) -> Mapping[str, Any]:
    """A value that should be an object; empty: it is none."""
    return value if isinstance(value, Mapping) else {}


def mappings_in(value: Any) -> list[Mapping[str, Any]]:
    """The objects in a value that should be a list of them."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return shorten(value, FACT_LENGTH) if isinstance(value, str) else ""
