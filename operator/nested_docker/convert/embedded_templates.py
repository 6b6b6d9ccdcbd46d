"""Pods that objects of other kinds make, such as custom resources: wherever one has a template of a pod, or a spec."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from nested_docker.convert.connection import GivenConnection
from nested_docker.convert.daemon_container import Surroundings
from nested_docker.convert.difference import Difference, UnconvertibleError
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import joined
from nested_docker.convert.pod_template import converted_template, has_daemon

RUNNER_KINDS = frozenset({"AutoscalingRunnerSet", "RunnerDeployment", "RunnerSet"})
"""Kinds of Actions Runner Controller whose pods run the jobs of workflows."""
CONTAINER_JOBS = (
    "`container:` jobs and Docker actions mount the runner's directories _work and externals, which the daemon has "
    "only if it is in the pod (--as sidecar) and both are volumes"
)
USE_OF_CONTROLLER = "a controller makes the pods, so their ServiceAccount needs the permission to use the class"


@dataclass(frozen=True)
class _Found:
    """A pod in an object.

    Attributes:
        holder: the mapping or list that has it.
        key: under which it has it.
        path: where it is, for messages.
        is_spec: whether it is a pod's spec without metadata.
    """

    holder: Any
    key: Any
    path: str
    is_spec: bool


def convert_templates(
    manifest: dict[str, Any], head: str, connection: GivenConnection, around: Surroundings, draft: SpecDraft
) -> int:
    """Replace the daemon of each pod in an object of a kind that is not known, in place; how many were replaced.

    Raises:
        UnconvertibleError: one cannot be converted as it is.
    """
    count = sum(_convert(found, connection, around, draft) for found in [*_pods(manifest, head)])
    if count and manifest.get("kind") in RUNNER_KINDS:
        draft.differs(head.rstrip(" :"), manifest["kind"], CONTAINER_JOBS)
    return count


def _pods(node: Any, path: str) -> Iterator[_Found]:
    """The outermost pods: what is within a pod is not searched."""
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, member in members:
        where = joined(path, key if isinstance(key, int) else str(key))
        if _is_template(member):
            yield _Found(node, key, where, is_spec=False)
        elif _is_spec(member):
            yield _Found(node, key, where, is_spec=True)
        else:
            yield from _pods(member, where)


def _is_template(node: Any) -> bool:
    return isinstance(node, dict) and _is_spec(node.get("spec")) and "kind" not in node


def _is_spec(node: Any) -> bool:
    containers = node.get("containers") if isinstance(node, dict) else None
    return isinstance(containers, list) and bool(containers) and all(map(_is_container, containers))


def _is_container(node: Any) -> bool:
    return isinstance(node, dict) and isinstance(node.get("name"), str) and isinstance(node.get("image", ""), str)


def _convert(found: _Found, connection: GivenConnection, around: Surroundings, draft: SpecDraft) -> int:
    pod = found.holder[found.key]
    template, path = ({"spec": pod} if found.is_spec else pod), found.path
    if not has_daemon(template, path):
        return 0
    by_label = not connection.nested_docker
    if by_label and found.is_spec:
        raise UnconvertibleError(
            f"{found.path} has no metadata beside it, so nothing can have the label",
            "use --as nesteddocker, or let the controller give its pods the label",
        )
    done = converted_template(template, path, connection, around)
    if done.template is None:
        raise UnconvertibleError(
            f"{found.path} has no container but the daemon", "delete the object, and ask for a NestedDocker instead"
        )
    draft.add(done.draft, lambda each: _moved(each, found))
    if by_label:
        draft.differs(found.path, connection.class_name, USE_OF_CONTROLLER)
    found.holder[found.key] = done.template["spec"] if found.is_spec else done.template
    return 1


def _moved(difference: Difference, found: _Found) -> Difference:
    """A difference of a bare spec, which was read as that of a template."""
    if not found.is_spec:
        return difference
    return replace(difference, path=difference.path.replace(joined(found.path, "spec"), found.path, 1))
