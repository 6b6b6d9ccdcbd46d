"""A workflow of Woodpecker with the service `docker:dind`, as one whose steps get a daemon by their pod's label."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from nested_docker.convert.daemon_container import Surroundings, read_service
from nested_docker.convert.difference import UnconvertibleError, joined, mapping_at
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.manifests_conversion import Conversion, ConversionOptions, ConvertedForm
from nested_docker.convert.pod_template import (
    ADDRESSES,
    BESIDE,
    EMPTY_BIND_MOUNTS,
    NODE_IS_ELSEWHERE,
    PUBLISHED,
    GivenConnection,
    annotations_of_label,
    of_class,
)
from nested_docker.convert.recognition import CLIENT_VARIABLES, LOCAL_HOST, SOCKETS, Replaced, replaced_kind
from nested_docker.domain import names
from nested_docker.domain.shown import shorten

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
        isinstance(each, dict) and "image" in each for each in _members(document, "steps")
    )


def _members(document: Mapping[str, Any], field: str) -> list[Any]:
    """Steps or services; they are a list, or a mapping by their names."""
    found = document.get(field)
    return [*found.values()] if isinstance(found, dict) else found if isinstance(found, list) else []


def convert_workflow_file(document: Mapping[str, Any], options: ConversionOptions) -> Conversion:
    """Replace the service, and the steps' connections to it or to the node's socket.

    Raises:
        UnconvertibleError: the options do not fit, or it cannot be converted as it is.
    """
    if options.form is ConvertedForm.NESTED_DOCKER:
        raise UnconvertibleError(
            f"{WORKFLOW_FILE}a step cannot mount the Secret of a NestedDocker",
            "use --as label --class CLASS, or --as sidecar",
        )
    workflow, draft = copy.deepcopy(dict(document)), SpecDraft()
    count = sum(_remove_daemons(workflow, field, draft) for field in MEMBERS)
    steps = [*_steps(workflow)]
    clients = [(step, path) for step, path in steps if _is_client(step, path)] or (steps if count else [])
    for step, path in clients:
        _disconnect(step, path, draft)
        _connect(step, path, options)
    if clients:
        draft.differs(f"{WORKFLOW_FILE}steps", names.LABEL_INJECT, FOR_AGENT)
        draft.differs(f"{WORKFLOW_FILE}steps", len(clients), PODS)
        if options.form is ConvertedForm.SIDECAR:
            draft.differs(f"{WORKFLOW_FILE}steps", names.ANNOTATION_INJECT_FORM, FOR_ANNOTATIONS)
            draft.differs(f"{WORKFLOW_FILE}steps", options.class_name, BESIDE)
        else:
            draft.differs(f"{WORKFLOW_FILE}services", len(clients), PUBLISHED)
            draft.differs(f"{WORKFLOW_FILE}steps", "commands", EMPTY_BIND_MOUNTS)
    return Conversion([workflow], [*draft.differences, *of_class(draft, options.class_name)], max(count, len(clients)))


def _named(workflow: Mapping[str, Any], field: str) -> Iterator[tuple[str | int, dict[str, Any], str]]:
    found = workflow.get(field)
    members = [*found.items()] if isinstance(found, dict) else [*enumerate(found)] if isinstance(found, list) else []
    for key, member in members:
        path = joined(f"{WORKFLOW_FILE}{field}", key)
        yield key, mapping_at(member, path), path


def _steps(workflow: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    for _, step, path in _named(workflow, "steps"):
        yield step, path


def _remove_daemons(workflow: dict[str, Any], field: str, draft: SpecDraft) -> int:
    removed = []
    for key, member, path in _named(workflow, field):
        if replaced_kind({"image": member.get("image")}) is Replaced.DIND and (
            field == "services" or member.get("detach")
        ):
            _read_service(member, path, draft)
            removed.append(key)
    for key in reversed(removed):
        del workflow[field][key]
    if removed and not workflow[field]:
        del workflow[field]
    return len(removed)


def _read_service(service: Mapping[str, Any], path: str, draft: SpecDraft) -> None:
    container: dict[str, Any] = {"image": service["image"]}
    commands = service.get("commands")
    if isinstance(commands, list) and len(commands) == 1 and isinstance(commands[0], str):
        container["command"] = ["sh", "-c", commands[0]]
    if isinstance(service.get("environment"), dict):
        container["env"] = [{"name": key, "value": value} for key, value in service["environment"].items()]
    words = {"command": "commands", "env": "environment"}
    read_service(container, path, words, Surroundings({}), draft)
    for key, value in service.items():
        if (
            key == "image"
            or (key == "commands" and "command" in container)
            or (key == "environment" and "env" in container)
        ):
            continue
        what = (
            "hosts of this name are gone; the daemon's is in DOCKER_HOST" if key == "name" else "it is not carried over"
        )
        draft.differs(joined(path, key), value, what)


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
        if name == "DOCKER_HOST" and not (isinstance(value, str) and LOCAL_HOST.match(value)):
            raise UnconvertibleError(
                f"{joined(where, name)} is {shorten(str(value))!r}, which is not the service `docker`",
                "remove the variable if the step shall use the new daemon",
            )
        draft.differs(joined(where, name), value, "removed: the connection has its own value")
    if "environment" in step and not environment:
        del step["environment"]
    for number in reversed([*_socket_volumes(step)]):
        draft.differs(joined(path, "volumes", number), step["volumes"].pop(number), NODE_IS_ELSEWHERE)
    if "volumes" in step and not step["volumes"]:
        del step["volumes"]
    commands = step.get("commands")
    for number, line in enumerate(commands if isinstance(commands, list) else [commands] if commands else []):
        if any(address in str(line) for address in (*ADDRESSES, "//docker:")):
            draft.differs(joined(path, "commands", number), line, "it may mean the old daemon: check it")


def _connect(step: dict[str, Any], path: str, options: ConversionOptions) -> None:
    where = joined(path, "backend_options")
    backends = mapping_at(step.get("backend_options"), where)
    kubernetes = mapping_at(backends.get("kubernetes"), joined(where, "kubernetes"))
    labels = mapping_at(kubernetes.get("labels"), joined(where, "kubernetes", "labels"))
    made = {**kubernetes, "labels": {**labels, names.LABEL_INJECT: options.class_name}}
    connection = GivenConnection(class_name=options.class_name, is_beside=options.form is ConvertedForm.SIDECAR)
    annotations = annotations_of_label(connection, [])
    if annotations:
        given = mapping_at(kubernetes.get("annotations"), joined(where, "kubernetes", "annotations"))
        made["annotations"] = {**given, **annotations}
    step["backend_options"] = {**backends, "kubernetes": made}
