"""What GitLab Runner is configured with: its config.toml, or values of its chart with the same in `config`."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping
from typing import Any

import tomli_w

from nested_docker.convert.ci_service import is_dind_service, read_service
from nested_docker.convert.client_environment import remove_variable
from nested_docker.convert.clients import name_new_place
from nested_docker.convert.connection import GivenConnection, annotations_of_label
from nested_docker.convert.conversion import Conversion, ConversionOptions, labelled
from nested_docker.convert.daemon_container import CERTIFICATES, DATA_ROOTS
from nested_docker.convert.difference import UnconvertibleError
from nested_docker.convert.dockerd_settings import KEYS_ARE_MADE
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import joined, mapping_at, objects_at, set_or_remove, text_at, texts_at
from nested_docker.convert.pod_template import NODE_IS_ELSEWHERE, REST_OF_DIRECTORY
from nested_docker.convert.recognition import CLIENT_VARIABLES, NODE_DIRECTORIES, SOCKETS
from nested_docker.domain import names

RUNNER_VALUES, RUNNER_CONFIG = "values.yaml: ", "config.toml: "
BUILD = "build"
KINDS_OF_VOLUMES = frozenset({"config_map", "csi", "empty_dir", "ephemeral", "host_path", "nfs", "pvc", "secret"})
"""Lists of volumes of the Kubernetes executor."""
NO_PRIVILEGE = (
    "removed: the containers of jobs need no privilege for the daemon; set it again if they need it for something else"
)
POLL = (
    "a job ends when its pod waits longer than this for its daemon, 180 seconds by default: set it to the longest queue"
)
OF_ALL_SERVICES = "it stays, since it is of all services: set the daemon's resources in the class"
PIPELINES = (
    "every job of this runner has a daemon: remove `services: docker:dind` from their .gitlab-ci.yml, or convert it"
)
USE_OF_RUNNER = "the permission to use the class may be the runner's own, or that of the jobs' ServiceAccount"


def is_runner_values(document: Mapping[str, Any]) -> bool:
    """Whether a document is values of the runner's chart."""
    runners = document.get("runners")
    return (
        isinstance(runners, dict) and bool({"config", "privileged"} & runners.keys()) and "apiVersion" not in document
    )


def parse_runner_config(text: str, path: str) -> dict[str, Any]:
    """The text of a config.toml.

    Raises:
        UnconvertibleError: it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        remedy = "correct it; if the chart renders it as a template, convert what is rendered"
        raise UnconvertibleError(f"{path}not valid TOML: {error or 'nested too deeply'}", remedy) from error


def convert_runner_values(
    document: Mapping[str, Any], options: ConversionOptions, head: str = RUNNER_VALUES
) -> Conversion:
    """Replace the daemons of runners in the values of the chart.

    Raises:
        UnconvertibleError: the options do not fit, or it cannot be converted as it is.
    """
    values = copy.deepcopy(dict(document))
    runners, path = values["runners"], joined(head, "runners")
    draft, where = SpecDraft(), joined(path, "config")
    text = text_at(runners.get("config"), where)
    config = parse_runner_config(text, f"{where}: ")
    count = _convert_config(config, where, options, draft)
    if count and "privileged" in runners:
        draft.differs(joined(path, "privileged"), runners.pop("privileged"), NO_PRIVILEGE)
    if count:
        runners["config"] = tomli_w.dumps(config)
    return labelled(values, draft, options, count)


def convert_runner_config(
    config: Mapping[str, Any], options: ConversionOptions, head: str = RUNNER_CONFIG
) -> Conversion:
    """Replace the daemons of runners in a config.toml.

    Raises:
        UnconvertibleError: the options do not fit, or it cannot be converted as it is.
    """
    converted, draft = copy.deepcopy(dict(config)), SpecDraft()
    count = _convert_config(converted, head, options, draft)
    return labelled(converted, draft, options, count)


def _convert_config(config: dict[str, Any], path: str, options: ConversionOptions, draft: SpecDraft) -> int:
    options.require_label(f"{path.rstrip(' :')} has no NestedDocker beside it")
    where = joined(path, "runners")
    runners = objects_at(config.get("runners"), where)
    return sum(_convert_runner(each, joined(where, number), options, draft) for number, each in enumerate(runners))


def _convert_runner(runner: dict[str, Any], path: str, options: ConversionOptions, draft: SpecDraft) -> int:
    executor = text_at(runner.get("executor"), joined(path, "executor"))
    if "kubernetes" not in runner or executor not in {"", "kubernetes"}:
        draft.differs(joined(path, "executor"), executor, "it stays as it is: only executor kubernetes makes pods")
        return 0
    where = joined(path, "kubernetes")
    executor_config = mapping_at(runner["kubernetes"], where)
    services = _remove_services(executor_config, where, draft)
    volumes = _remove_volumes(executor_config, where, draft)
    if not services and not volumes:
        return 0
    _remove_variables(runner, path, draft)
    if services:
        _name_resources(executor_config, where, draft)
    if executor_config.get("privileged"):
        draft.differs(joined(where, "privileged"), executor_config.pop("privileged"), NO_PRIVILEGE)
    connection = options.connection()
    _connect(executor_config, where, connection)
    draft.differs(joined(where, "poll_timeout"), executor_config.get("poll_timeout"), POLL)
    draft.differs(where, options.class_name, USE_OF_RUNNER)
    draft.differs(where, options.class_name, PIPELINES)
    name_new_place(where, BUILD, draft, is_beside=connection.is_beside)
    return 1


def _remove_services(executor: dict[str, Any], path: str, draft: SpecDraft) -> int:
    where = joined(path, "services")
    services, kept = objects_at(executor.get("services"), where), []
    for number, service in enumerate(services):
        if is_dind_service(service.get("name")):
            _read_service(service, joined(where, number), draft)
        else:
            kept.append(service)
    if len(kept) < len(services):
        set_or_remove(executor, "services", kept)
    return len(services) - len(kept)


def _read_service(service: Mapping[str, Any], path: str, draft: SpecDraft) -> None:
    """A service is a container with other names for its fields."""
    container: dict[str, Any] = {"image": service["name"]}
    for field, target in (("entrypoint", "command"), ("command", "args")):
        if field in service:
            container[target] = texts_at(service[field], joined(path, field))
    if "environment" in service:
        pairs = (each.partition("=") for each in texts_at(service["environment"], joined(path, "environment")))
        container["env"] = [{"name": name, "value": value} for name, _, value in pairs]
    words = {"image": "name", "command": "entrypoint", "args": "command", "env": "environment"}
    read_service(service, container, words, path, draft, host_field="alias")


def _remove_volumes(executor: dict[str, Any], path: str, draft: SpecDraft) -> int:
    """Remove what was mounted for the daemon, or for the node's own; the number of volumes."""
    where, removed = joined(path, "volumes"), 0
    volumes = mapping_at(executor.get("volumes"), where)
    for kind, members in [*volumes.items()]:
        if kind not in KINDS_OF_VOLUMES:
            continue
        kept = []
        for number, volume in enumerate(objects_at(members, joined(where, kind))):
            at = joined(where, kind, number)
            what = _why_removed(kind, volume)
            if what:
                removed += 1
                draft.differs(at, volume, what)
            else:
                kept.append(volume)
        set_or_remove(volumes, kind, kept)
    if "volumes" in executor and not volumes:
        del executor["volumes"]
    return removed


def _why_removed(kind: str, volume: Mapping[str, Any]) -> str:
    """Why a volume goes; empty: it stays."""
    target = str(volume.get("mount_path", "")).rstrip("/")
    source = str(volume.get("host_path") or target).rstrip("/") if kind == "host_path" else ""
    if source in SOCKETS:
        return NODE_IS_ELSEWHERE
    if source in NODE_DIRECTORIES and target in NODE_DIRECTORIES:
        return NODE_IS_ELSEWHERE + REST_OF_DIRECTORY
    if target in CERTIFICATES:
        return f"removed: {KEYS_ARE_MADE}"
    return "removed: only the daemon used it; set spec.storage in the class" if target in DATA_ROOTS else ""


def _remove_variables(runner: dict[str, Any], path: str, draft: SpecDraft) -> None:
    where, kept = joined(path, "environment"), []
    for number, variable in enumerate(texts_at(runner.get("environment"), where)):
        name, _, value = variable.partition("=")
        if name not in CLIENT_VARIABLES:
            kept.append(variable)
            continue
        remove_variable(name, value, joined(where, number), variable, draft)
    if "environment" in runner:
        set_or_remove(runner, "environment", kept)


def _name_resources(executor: Mapping[str, Any], path: str, draft: SpecDraft) -> None:
    for name, value in executor.items():
        if name.startswith("service_") and name != "service_account":
            draft.differs(joined(path, name), value, OF_ALL_SERVICES)


def _connect(executor: dict[str, Any], path: str, connection: GivenConnection) -> None:
    labels = mapping_at(executor.get("pod_labels"), joined(path, "pod_labels"))
    annotations = mapping_at(executor.get("pod_annotations"), joined(path, "pod_annotations"))
    executor["pod_labels"] = {**labels, names.LABEL_INJECT: connection.class_name}
    executor["pod_annotations"] = {**annotations, **annotations_of_label(connection, [BUILD])}


def runner_config_text(config: Mapping[str, Any]) -> str:
    """The text of a config.toml."""
    return tomli_w.dumps(config)
