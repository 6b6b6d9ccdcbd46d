"""A pod template of a Jenkins cloud, as configuration as code and the chart's values have it."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nested_docker.convert.client_environment import remove_variable
from nested_docker.convert.conversion import Conversion, ConversionOptions, labelled
from nested_docker.convert.daemon_container import DATA_ROOTS, NOT_CARRIED, Surroundings
from nested_docker.convert.difference import Difference, UnconvertibleError
from nested_docker.convert.documents_in_text import documents_in, written_like
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import joined, mapping_at, moved_paths, objects_at, set_or_remove, text_at
from nested_docker.convert.jenkins_pod_template import (
    READ_OF_CONTAINER,
    RESOURCE_OF_ARGUMENT,
    USE_OF_AGENTS,
    WORD_OF_FIELD,
    words_of,
)
from nested_docker.convert.pod_parts import Part, PodParts, converted_parts, parts_have_daemon
from nested_docker.convert.recognition import CLIENT_VARIABLES, replaced_kind
from nested_docker.yaml_text.reading import UnreadableError
from nested_docker.yaml_text.writing import to_yaml

OF_AGENTS = frozenset(
    {"idleMinutes", "idleMinutesStr", "inheritFrom", "instanceCap", "instanceCapStr", "label", "nodeUsageMode"}
    | {"podRetention", "slaveConnectTimeout", "slaveConnectTimeoutStr", "yaml", "yamlMergeStrategy", "yamls"}
)
"""Fields by which such a template differs from the spec of a pod."""
_VARIABLE = "envVar"
_VARIABLE_PATH = re.compile(r"containers\[(\d+)\]\.envVars\[(\d+)\]$")
_VOLUME = re.compile(r"volume-(\d+)")


def is_agent_template(part: Mapping[str, Any]) -> bool:
    """Whether a part of a document is one."""
    containers = part.get("containers")
    return (
        bool(OF_AGENTS & part.keys())
        and isinstance(containers, list)
        and bool(containers)
        and all(_has_texts(each, "name", "image") for each in containers)
    )


def _has_texts(value: Any, *fields: str) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(each), str) for each in fields)


def convert_agent_template(part: Mapping[str, Any], options: ConversionOptions, head: str = "") -> Conversion:
    """Replace the daemon of its pod, which gets the label by `yaml`: the plugin merges it with the rest.

    Raises:
        UnconvertibleError: the options do not fit, or it cannot be converted as it is.
    """
    return _AgentTemplate(copy.deepcopy(dict(part)), head).converted(options)


@dataclass(frozen=True)
class _AgentTemplate:
    """The template, and the start of its paths."""

    fields: dict[str, Any]
    head: str

    def converted(self, options: ConversionOptions) -> Conversion:
        volumes = {"volumes": [{"name": f"volume-{n}", **_source(each)} for n, each in enumerate(self._volumes)]}
        yaml = self._yaml()
        metadata = yaml.get("metadata") if yaml is not None else None
        pod = PodParts(
            [*self._parts()], volumes, metadata, self.head.rstrip(" :"), f"{joined(self.head, 'yaml')}: metadata"
        )
        with moved_paths(_in_words):
            if not parts_have_daemon(pod):
                return Conversion([self.fields])
        options.require_label(f"{self.head.rstrip(' :')}: an agent has no NestedDocker beside it")
        if yaml is None:
            raise UnconvertibleError(
                f"{joined(self.head, 'yaml')} is no pod, so nothing can have the label", "correct it"
            )
        if all(replaced_kind(each.container) for each in pod.parts):
            raise UnconvertibleError(
                f"{joined(self.head, 'containers')} has no container but the daemon",
                "add one whose image has the docker command, and run the steps there",
            )
        draft = SpecDraft()
        with moved_paths(_in_words):
            done = converted_parts(pod, options.connection(), Surroundings({}))
        draft.add(done.draft, self._moved)
        gone = [each for each in self._containers if each["name"] not in done.containers]
        self._name_the_rest(gone, draft)
        self._disconnect(self.fields, self.head, draft)
        for each in self._containers:
            _keep_variables(each, done.containers.get(each["name"], {}))
        kept = {each["name"] for each in done.fields["volumes"]} if "volumes" in done.fields else set()
        set_or_remove(self.fields, "volumes", [each for n, each in enumerate(self._volumes) if f"volume-{n}" in kept])
        self.fields["containers"] = [each for each in self._containers if each not in gone]
        text, content = str(self.fields.get("yaml") or ""), {**yaml, "metadata": done.metadata}
        self.fields["yaml"] = written_like(text, content) if text.strip() else to_yaml([content])
        draft.differs(self.head.rstrip(" :"), options.class_name, USE_OF_AGENTS)
        draft.name_once()
        return labelled(self.fields, draft, options, 1)

    @property
    def _containers(self) -> list[dict[str, Any]]:
        return objects_at(self.fields.get("containers"), joined(self.head, "containers"))

    @property
    def _volumes(self) -> list[dict[str, Any]]:
        return objects_at(self.fields.get("volumes"), joined(self.head, "volumes"))

    def _yaml(self) -> dict[str, Any] | None:
        """What the template's YAML says; None: it is no mapping that can be read."""
        text = self.fields.get("yaml") or ""
        try:
            documents = documents_in(text) if isinstance(text, str) else []
        except UnreadableError:
            return None
        content = documents[0].content if len(documents) == 1 else {} if not text else None
        return content if isinstance(content, dict) else None

    def _parts(self) -> Iterator[Part]:
        for number, each in enumerate(self._containers):
            path = joined(self.head, "containers", number)
            container = _container(each, path)
            mounts = [
                {"name": f"volume-{n}", "mountPath": target}
                for n, target in enumerate(self._targets())
                if target.rstrip("/") not in DATA_ROOTS or replaced_kind(container)
            ]
            set_or_remove(container, "volumeMounts", mounts)
            yield Part(text_at(each.get("name"), joined(path, "name")), container, path)

    def _targets(self) -> Iterator[str]:
        """Where each volume is in all containers."""
        for number, each in enumerate(self._volumes):
            for kind, source in each.items():
                where = joined(self.head, "volumes", number, kind)
                yield text_at(mapping_at(source, where).get("mountPath"), joined(where, "mountPath")) or "/"
                break

    def _moved(self, difference: Difference) -> Difference:
        value, path = difference.value, _in_words(difference.path)
        name = value.get("name") if isinstance(value, dict) else None
        found = _VOLUME.fullmatch(name) if isinstance(name, str) else None
        if found:
            return replace(
                difference, path=joined(self.head, "volumes", int(found[1])), value=self._volumes[int(found[1])]
            )
        variable = _VARIABLE_PATH.search(path)
        if variable:
            written = self._containers[int(variable[1])]["envVars"]
            return replace(difference, path=path, value=written[int(variable[2])])
        if isinstance(value, list):
            volumes = {f"volume-{n}": target for n, target in enumerate(self._targets())}
            value = [volumes.get(each, each) if isinstance(each, str) else each for each in value]
            value = [each for n, each in enumerate(value) if each not in value[:n]]
        return replace(difference, path=path, value=value)

    def _name_the_rest(self, gone: Sequence[Mapping[str, Any]], draft: SpecDraft) -> None:
        """What of a daemon nothing carries over."""
        for number, each in enumerate(self._containers):
            for field, value in each.items() if each in gone else ():
                if field not in READ_OF_CONTAINER:
                    draft.differs(joined(self.head, "containers", number, field), value, NOT_CARRIED)

    def _disconnect(self, holder: dict[str, Any], path: str, draft: SpecDraft) -> None:
        """What all containers have leads to the old daemon too."""
        for number, each in enumerate(_variables(holder, path)):
            if each["name"] in CLIENT_VARIABLES:
                where = joined(path, "envVars", number)
                remove_variable(each["name"], each.get("value", ""), where, holder["envVars"][number], draft)
        _keep_variables(
            holder, {"env": [each for each in _variables(holder, path) if each["name"] not in CLIENT_VARIABLES]}
        )


def _in_words(text: str) -> str:
    """A text about a container, in the words of the template."""
    for field, word in WORD_OF_FIELD.items():
        text = re.sub(rf"(containers\[\d+\])\.{re.escape(field)}\b", rf"\1.{word}", text)
    return re.sub(r"(containers\[\d+\])\.env\b", r"\1.envVars", text)


def _container(written: Mapping[str, Any], path: str) -> dict[str, Any]:
    container: dict[str, Any] = {"name": written.get("name"), "image": written["image"]}
    for field in ("command", "args"):
        set_or_remove(container, field, words_of(text_at(written.get(field), joined(path, field))))
    if written.get("privileged") is not None:
        container["securityContext"] = {"privileged": written["privileged"] is True}
    for name, (kind, resource) in RESOURCE_OF_ARGUMENT.items():
        if written.get(name):
            container.setdefault("resources", {}).setdefault(kind, {})[resource] = written[name]
    set_or_remove(container, "env", _variables(written, path))
    return container


def _variables(holder: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
    """Its variables, in the words of Kubernetes."""
    found = []
    for number, each in enumerate(objects_at(holder.get("envVars"), joined(path, "envVars"))):
        kind, value = next(iter(each.items()), ("", {}))
        where = joined(path, "envVars", number, str(kind))
        variable = mapping_at(value, where)
        name = text_at(variable.get("key"), joined(where, "key"))
        found.append(
            {"name": name} | ({"value": variable.get("value", "")} if kind == _VARIABLE else {"valueFrom": each})
        )
    return found


def _keep_variables(holder: dict[str, Any], container: Mapping[str, Any]) -> None:
    names = {each["name"] for each in container.get("env", [])}
    kept = [each for each in holder.get("envVars") or [] if _key(each) in names]
    set_or_remove(holder, "envVars", kept)


def _key(variable: Mapping[str, Any]) -> str:
    """The name of a variable, whatever its kind."""
    value = next(iter(variable.values()), None)
    return str(value.get("key") or "") if isinstance(value, dict) else ""


def _source(volume: Mapping[str, Any]) -> dict[str, Any]:
    kind, value = next(iter(volume.items()), ("", None))
    fields = value if isinstance(value, dict) else {}
    if kind == "hostPathVolume":
        return {"hostPath": {"path": fields.get("hostPath", "")}}
    if kind == "persistentVolumeClaim":
        return {"persistentVolumeClaim": {"claimName": fields.get("claimName")}}
    if kind != "emptyDirVolume":
        return {}
    return {"emptyDir": {"medium": "Memory"} if fields.get("memory") is True else {}}
