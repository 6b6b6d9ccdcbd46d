"""A workflow of Woodpecker with the service `docker:dind`, as one whose steps get a daemon by their pod's label."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from nested_docker.convert.ci_service import is_dind_service, read_service
from nested_docker.convert.client_environment import SERVICE_ADDRESSES, name_old_address, remove_variable, script_lines
from nested_docker.convert.clients import name_new_place
from nested_docker.convert.connection import GivenConnection, with_label
from nested_docker.convert.conversion import Conversion, ConversionOptions, labelled
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import joined, mapping_at, set_or_remove
from nested_docker.convert.pod_template import NODE_IS_ELSEWHERE
from nested_docker.convert.recognition import CLIENT_VARIABLES, SOCKETS
from nested_docker.domain import names

WORKFLOW_FILE = ".woodpecker.yaml: "
FOR_AGENT = "the agent must have WOODPECKER_BACKEND_K8S_POD_LABELS_ALLOW_FROM_STEP=true for the label of a step"
FOR_ANNOTATIONS = "the agent must have WOODPECKER_BACKEND_K8S_POD_ANNOTATIONS_ALLOW_FROM_STEP=true for form Sidecar"
PODS = (
    "each step is a pod with its own daemon: what one step builds is not there for the next; to share a NestedDocker, "
    f"use the label {names.LABEL_INJECT_FROM}"
)
MEMBERS = ("steps", "services")


def is_workflow(document: Mapping[str, Any]) -> bool:
    """Whether a document is a workflow of Woodpecker."""
    if "apiVersion" in document or "kind" in document:
        return False
    return "steps" in document and any(
        isinstance(each, dict) and "image" in each for _, each in _members(document, "steps")
    )


def _members(document: Mapping[str, Any], field: str) -> list[tuple[str | int, Any]]:
    """Steps or services with their keys; they are a list, or a mapping by their names."""
    found = document.get(field)
    return [*found.items()] if isinstance(found, dict) else [*enumerate(found)] if isinstance(found, list) else []


def convert_workflow_file(
    document: Mapping[str, Any], options: ConversionOptions, head: str = WORKFLOW_FILE
) -> Conversion:
    """Replace the service, and the steps' connections to it or to the node's socket.

    Raises:
        UnconvertibleError: the options do not fit, or it cannot be converted as it is.
    """
    options.require_label(f"{head.rstrip(' :')}: a step cannot mount the Secret of a NestedDocker")
    workflow, draft, connection = copy.deepcopy(dict(document)), SpecDraft(), options.connection()
    count = sum(_remove_daemons(workflow, field, head, draft) for field in MEMBERS)
    steps = [(step, path) for _, step, path in _named(workflow, "steps", head)]
    clients = [(step, path) for step, path in steps if _is_client(step, path)] or (steps if count else [])
    for step, path in clients:
        _disconnect(step, path, draft)
        _connect(step, path, connection)
    if clients:
        where = joined(head, "steps")
        draft.differs(where, names.LABEL_INJECT, FOR_AGENT)
        draft.differs(where, len(clients), PODS)
        if connection.is_beside:
            draft.differs(where, names.ANNOTATION_INJECT_FORM, FOR_ANNOTATIONS)
        name_new_place(where, len(clients), draft, is_beside=connection.is_beside)
    return labelled(workflow, draft, options, max(count, len(clients)))


def _named(workflow: Mapping[str, Any], field: str, head: str) -> Iterator[tuple[str | int, dict[str, Any], str]]:
    for key, member in _members(workflow, field):
        path = joined(head, field, key)
        yield key, mapping_at(member, path), path


def _remove_daemons(workflow: dict[str, Any], field: str, head: str, draft: SpecDraft) -> int:
    removed = []
    for key, member, path in _named(workflow, field, head):
        if is_dind_service(member.get("image")) and (field == "services" or member.get("detach")):
            _read_service(member, path, draft)
            removed.append(key)
    for key in reversed(removed):
        del workflow[field][key]
    if removed:
        set_or_remove(workflow, field, workflow[field])
    return len(removed)


def _read_service(service: Mapping[str, Any], path: str, draft: SpecDraft) -> None:
    container: dict[str, Any] = {"image": service["image"]}
    commands = service.get("commands")
    if isinstance(commands, list) and len(commands) == 1 and isinstance(commands[0], str):
        container["command"] = ["sh", "-c", commands[0]]
    if isinstance(service.get("environment"), dict):
        container["env"] = [{"name": key, "value": value} for key, value in service["environment"].items()]
    words = {"image": "image", "command": "commands", "env": "environment"}
    read_service(service, container, words, path, draft, host_field="name")


def _is_client(step: Mapping[str, Any], path: str) -> bool:
    return "DOCKER_HOST" in mapping_at(step.get("environment"), joined(path, "environment")) or bool(
        {*_socket_volumes(step)}
    )


def _socket_volumes(step: Mapping[str, Any]) -> Iterator[int]:
    volumes = step.get("volumes")
    for number, volume in enumerate(volumes if isinstance(volumes, list) else []):
        if isinstance(volume, str) and volume.partition(":")[0].rstrip("/") in SOCKETS:
            yield number


def _disconnect(step: dict[str, Any], path: str, draft: SpecDraft) -> None:
    where = joined(path, "environment")
    environment = mapping_at(step.get("environment"), where)
    for name in sorted(CLIENT_VARIABLES & environment.keys()):
        value = environment.pop(name)
        remove_variable(name, value, joined(where, name), value, draft)
    set_or_remove(step, "environment", environment)
    for number in reversed([*_socket_volumes(step)]):
        draft.differs(joined(path, "volumes", number), step["volumes"].pop(number), NODE_IS_ELSEWHERE)
    set_or_remove(step, "volumes", step.get("volumes"))
    for number, line in enumerate(script_lines(step.get("commands"))):
        name_old_address(line, joined(path, "commands", number), draft, SERVICE_ADDRESSES)


def _connect(step: dict[str, Any], path: str, connection: GivenConnection) -> None:
    where = joined(path, "backend_options")
    backends = mapping_at(step.get("backend_options"), where)
    made = with_label(backends.get("kubernetes"), connection, [], joined(where, "kubernetes"))
    step["backend_options"] = {**backends, "kubernetes": made}
