"""Pods that objects of other kinds have, such as custom resources: a template of a pod, or a spec."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nested_docker.convert.connection import GivenConnection
from nested_docker.convert.daemon_container import Surroundings
from nested_docker.convert.difference import Difference, UnconvertibleError
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import joined, moved_paths
from nested_docker.convert.pod_template import converted_template, has_daemon

RUNNER_KINDS = frozenset({"AutoscalingRunnerSet", "RunnerDeployment", "RunnerSet"})
"""Kinds of Actions Runner Controller whose pods run the jobs of workflows."""
USE_OF_CONTROLLER = "a controller makes the pods, so their ServiceAccount needs the permission to use the class"


def is_template(node: Any) -> bool:
    """Whether a value is a template of a pod."""
    return isinstance(node, dict) and is_bare_spec(node.get("spec")) and "kind" not in node


def is_bare_spec(node: Any) -> bool:
    """Whether a value is the spec of a pod."""
    containers = node.get("containers") if isinstance(node, dict) else None
    return isinstance(containers, list) and bool(containers) and all(map(_is_container, containers))


def _is_container(node: Any) -> bool:
    return isinstance(node, dict) and isinstance(node.get("name"), str) and isinstance(node.get("image", ""), str)


def convert_template(
    template: dict[str, Any], path: str, connection: GivenConnection, around: Surroundings, draft: SpecDraft
) -> dict[str, Any] | None:
    """A template of a pod without its daemon; None: it has none.

    Raises:
        UnconvertibleError: it cannot be converted as it is.
    """
    return _converted(template, path, connection, around, draft) if has_daemon(template, path) else None


def _converted(
    template: dict[str, Any], path: str, connection: GivenConnection, around: Surroundings, draft: SpecDraft
) -> dict[str, Any]:
    done = converted_template(template, path, connection, around)
    if done.template is None:
        raise UnconvertibleError(
            f"{path.rstrip(' :')} has no container but the daemon",
            "delete the object, and ask for a NestedDocker instead",
        )
    draft.add(done.draft)
    if not connection.nested_docker:
        draft.differs(path.rstrip(" :"), connection.class_name, USE_OF_CONTROLLER)
    return done.template


def convert_bare_spec(
    spec: dict[str, Any], path: str, connection: GivenConnection, around: Surroundings, draft: SpecDraft
) -> dict[str, Any] | None:
    """The spec of a pod without its daemon; None: it has none.

    Raises:
        UnconvertibleError: it cannot be converted as it is.
    """
    template, own = {"spec": spec}, SpecDraft()
    with moved_paths(lambda text: _without_spec(text, path)):
        if not has_daemon(template, path):
            return None
    if not connection.nested_docker:
        raise UnconvertibleError(
            f"{path.rstrip(' :')} has no metadata beside it, so nothing can have the label",
            "use --as nesteddocker, or let the controller give its pods the label",
        )
    with moved_paths(lambda text: _without_spec(text, path)):
        converted = _converted(template, path, connection, around, own)
    draft.add(own, lambda each: _moved(each, path))
    return dict(converted["spec"])


def _moved(difference: Difference, path: str) -> Difference:
    return replace(difference, path=_without_spec(difference.path, path))


def _without_spec(text: str, path: str) -> str:
    """A text about the template that a bare spec was read as."""
    inner = joined(path, "spec")
    if f"{inner}." in text:
        return text.replace(f"{inner}.", joined(path, ""), 1)
    return text.replace(inner, path.rstrip(" :"), 1)
