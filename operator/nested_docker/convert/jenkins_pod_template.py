"""`podTemplate(containers: [containerTemplate(...)])` of a Jenkinsfile: a pod that is written in Groovy."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from nested_docker.convert.client_environment import ADDRESSES, name_old_address
from nested_docker.convert.connection import GivenConnection
from nested_docker.convert.daemon_container import DATA_ROOTS, NOT_CARRIED, Surroundings
from nested_docker.convert.difference import Difference, UnconvertibleError
from nested_docker.convert.documents_in_text import documents_in, written_like
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import moved_paths, set_or_remove
from nested_docker.convert.groovy import Call, GroovyList, Node, Text, Word, assigned, calls
from nested_docker.convert.pod_template import converted_template, has_daemon
from nested_docker.convert.recognition import OF_A_DAEMON, replaced_kind
from nested_docker.convert.source_edits import Edit, line_of, without_members
from nested_docker.yaml_text.reading import UnreadableError
from nested_docker.yaml_text.writing import to_yaml

_POD = "\0pod: "
_PLACE = re.compile(
    r"\0pod(: )?(spec\.)?(?P<list>containers|volumes)?(\[(?P<number>\d+)\])?"
    r"(\.(?P<inner>env|volumeMounts)\[(?P<at>\d+)\])?(\.?(?P<rest>[\w.]+(\[\d+\])*))?"
)
CONTAINER_CALL = "containerTemplate"
RESOURCE_OF_ARGUMENT = {
    "resourceLimitCpu": ("limits", "cpu"),
    "resourceLimitMemory": ("limits", "memory"),
    "resourceRequestCpu": ("requests", "cpu"),
    "resourceRequestMemory": ("requests", "memory"),
}
WORD_OF_FIELD = {"securityContext": "privileged"} | {
    f"resources.{kind}.{resource}": name for name, (kind, resource) in RESOURCE_OF_ARGUMENT.items()
}
READ_OF_CONTAINER = frozenset({"name", "image", "command", "args", "privileged", "envVars", *RESOURCE_OF_ARGUMENT})
USE_OF_AGENTS = (
    "Jenkins makes the pods, so its ServiceAccount, or that of the pods, needs the permission to use the class"
)
OLD_WORDS = (*ADDRESSES, "DOCKER_HOST")
ARGUMENTS_OF_POD = ("nodeSelector", "hostNetwork", "imagePullSecrets", "runAsUser", "runAsGroup")
POD_KEEPS_IT = "the pod keeps it, and the daemon's pod does not have it"


@dataclass(frozen=True)
class ConvertedPod:
    """What becomes of a pod.

    Attributes:
        call: the whole of it.
        lists: of its containers and volumes, which may be elsewhere.
        edits: of the source.
        draft: of the NestedDocker.
        gone: names of the containers that are removed.
    """

    call: Call
    lists: list[Node]
    edits: list[Edit]
    draft: SpecDraft
    gone: list[str]


def converted_pods(source: str, connection: GivenConnection, file: str) -> list[ConvertedPod]:
    """The pods with a daemon that can be read.

    It reads a `podTemplate` whose `containers` is a list of `containerTemplate`s, or a variable that is set once, to
    one. Names are strings, and so are the images of daemons.

    Args:
        source: the file.
        connection: by label.
        file: its name, for messages.

    Raises:
        UnconvertibleError: one cannot be converted as it is.
    """
    found = (_Pod(source, call, file) for call in calls(source, "podTemplate"))
    return [pod.converted(connection) for pod in found if pod.is_readable and pod.has_daemon]


class _Pod:
    """A pod in Groovy, and the same as a template of Kubernetes."""

    def __init__(self, source: str, call: Call, file: str) -> None:
        self._source, self._call, self._file = source, call, file
        self._list_of_containers, self._list_of_volumes = self._list("containers"), self._list("volumes")
        self._containers = _calls_of(self._list_of_containers) or []
        self._volumes = _calls_of(self._list_of_volumes) or []
        self.is_readable = bool(self._containers) and all(
            each.name == CONTAINER_CALL and each.text("name") and self._has_image(each) for each in self._containers
        )

    def _list(self, argument: str) -> Node | None:
        """An argument, or the list that a variable in it is."""
        value = self._call.argument(argument)
        return assigned(self._source, value.text) or value if isinstance(value, Word) else value

    def _has_image(self, call: Call) -> bool:
        """Whether an image is text, or else an expression that cannot be that of a daemon."""
        image = call.argument("image")
        return image is not None and (isinstance(image, Text) or not OF_A_DAEMON.search(self._written(image)))

    @property
    def has_daemon(self) -> bool:
        """Whether there is something that is to be converted."""
        yaml = self._call.argument("yaml")
        with moved_paths(self._of_input):
            return has_daemon(self._template(), _POD) and (yaml is None or self._yaml_text() is not None)

    def converted(self, connection: GivenConnection) -> ConvertedPod:
        """The edits by which the daemon goes.

        Raises:
            UnconvertibleError: it cannot be converted as it is.
        """
        with moved_paths(self._of_input):
            done = converted_template(self._template(), _POD, connection, Surroundings({}))
        if done.template is None:
            raise UnconvertibleError(
                f"{self._line(self._call)}: podTemplate has no container but the daemon",
                "add one whose image has the docker command, and run the steps there",
            )
        draft, kept = SpecDraft(), {each["name"]: each for each in done.template["spec"]["containers"]}
        draft.add(done.draft, self._moved)
        draft.name_once()
        volumes = {each["name"] for each in done.template["spec"].get("volumes", [])}
        gone = [number for number, each in enumerate(self._containers) if each.text("name") not in kept]
        edits = self._removed(self._list_of_containers, gone)
        unused = [number for number in range(len(self._volumes)) if _volume_name(number) not in volumes]
        edits += self._removed(self._list_of_volumes, unused)
        edits += self._without_variables(self._call, [*kept.values()])
        for number, each in enumerate(self._containers):
            if number in gone:
                self._name_the_rest(each, draft)
            else:
                self._name_unread(each, draft)
                edits += self._without_variables(each, [kept[str(each.text("name"))]])
        edits.append(self._label(done.template["metadata"]))
        self._name_unread(self._call, draft)
        for field in ARGUMENTS_OF_POD:
            value = self._call.argument(field)
            if value is not None:
                draft.differs(f"{self._line(value)}: {field}", self._written(value), POD_KEEPS_IT)
        lists = [each for each in (self._list_of_containers, self._list_of_volumes) if each is not None]
        return ConvertedPod(
            self._call, lists, edits, draft, [str(self._containers[each].text("name")) for each in gone]
        )

    def _template(self) -> dict[str, Any]:
        containers = [self._container(each) for each in self._containers]
        for each in containers:
            set_or_remove(each, "volumeMounts", [mount for _, mount in self._mounted(each)])
        volumes = [{"name": _volume_name(number), **_volume(each)} for number, each in enumerate(self._volumes)]
        return {"metadata": self._metadata(), "spec": {"containers": containers, "volumes": volumes}}

    def _container(self, call: Call) -> dict[str, Any]:
        container = _container(call)
        set_or_remove(container, "env", [*self._variables(self._call), *self._variables(call)])
        return container

    def _variables(self, call: Call) -> Iterator[dict[str, Any]]:
        for each in _variable_calls(call):
            value, text = each.argument("value"), each.text("value")
            yield {"name": each.text("key") or "", "value": self._written(value) if value and text is None else text}

    def _mounted(self, container: dict[str, Any]) -> Iterator[tuple[Call, dict[str, Any]]]:
        """Every container of the pod mounts every volume; one at the data-root is the daemon's."""
        for number, each in enumerate(self._volumes):
            path = each.text("mountPath") or "/"
            if path.rstrip("/") not in DATA_ROOTS or replaced_kind(container):
                yield each, {"name": _volume_name(number), "mountPath": path}

    def _metadata(self) -> dict[str, Any]:
        return dict((self._yaml_mapping or {}).get("metadata") or {})

    def _yaml_text(self) -> Text | None:
        """The argument with further fields of the pod, if it can be edited."""
        value = self._call.argument("yaml")
        return value if isinstance(value, Text) and value.is_block and self._yaml_mapping is not None else None

    @cached_property
    def _yaml_mapping(self) -> dict[str, Any] | None:
        value = self._call.argument("yaml")
        if not isinstance(value, Text):
            return None
        try:
            documents = documents_in(self._source[value.start + 3 : value.end - 3])
        except UnreadableError:
            return None
        content = documents[0].content if len(documents) == 1 else None
        return content if isinstance(content, dict) and isinstance(content.get("metadata") or {}, dict) else None

    def _without_variables(self, call: Call, containers: Sequence[dict[str, Any]]) -> list[Edit]:
        """Remove the variables that one of the containers may not have."""
        names = set[str].intersection(*({each["name"] for each in kept.get("env", [])} for kept in containers))
        gone = [number for number, each in enumerate(_variable_calls(call)) if (each.text("key") or "") not in names]
        return self._removed(call.argument("envVars"), gone)

    def _removed(self, node: Node | None, gone: Sequence[int]) -> list[Edit]:
        if not isinstance(node, GroovyList):
            return []
        members = [(each.start, each.end) for each in node.members]
        return without_members(self._source, (node.start, node.end), members, gone)

    def _label(self, metadata: dict[str, Any]) -> Edit:
        """The argument `yaml`, by which a pod gets a label; the plugin merges it with the rest."""
        text = self._yaml_text()
        if text is not None:
            start, end = text.start + 3, text.end - 3
            content = {**(self._yaml_mapping or {}), "metadata": metadata}
            return Edit(start, end, written_like(self._source[start:end], content))
        argument = next(each for each in self._call.arguments if each.name == "containers")
        line = self._source[: argument.start].rpartition("\n")[2]
        indent = " " * (len(line) - len(line.lstrip()) + (2 if line.strip() else 0))
        body = "".join(f"{indent}  {each}\n" for each in to_yaml([{"metadata": metadata}]).splitlines())
        return Edit(argument.end, argument.end, f",\n{indent}yaml: '''\n{body}{indent}'''")

    def _name_the_rest(self, call: Call, draft: SpecDraft) -> None:
        """What of a daemon's arguments nothing carries over."""
        for each in call.arguments:
            is_read = each.name in READ_OF_CONTAINER and _is_read(each.name, each.value)
            if not is_read:
                draft.differs(
                    f"{self._line(each)}: {each.name or CONTAINER_CALL}", self._written(each.value), NOT_CARRIED
                )

    def _name_unread(self, call: Call, draft: SpecDraft) -> None:
        """What may lead to the old daemon, and is an expression."""
        for each in call.arguments:
            if not isinstance(each.value, Text) and _calls_of(each.value) is None:
                name_old_address(self._written(each.value), f"{self._line(each)}: {each.name}", draft, OLD_WORDS)

    def _written(self, node: Node) -> str:
        return self._source[node.start : node.end]

    def _line(self, node: Node) -> str:
        return f"{self._file}, line {line_of(self._source, node.start)}"

    def _moved(self, difference: Difference) -> Difference:
        found = _PLACE.match(difference.path)
        node = self._node(found) if found else self._call
        path = self._of_input(difference.path)
        if node is not self._call and found is not None and (found["list"] == "volumes" or found["inner"]):
            return replace(difference, path=path, value=self._written(node))
        if isinstance(difference.value, list):  # of containers or volumes
            written = {_volume_name(number): self._written(each) for number, each in enumerate(self._volumes)}
            return replace(difference, path=path, value=list({written.get(each, each): 0 for each in difference.value}))
        return replace(difference, path=path)

    def _of_input(self, text: str) -> str:
        """A text that begins with a path of the template, with the input's line and argument."""
        found = _PLACE.match(text)
        if found is None:
            return text
        node, rest = self._node(found), found["rest"] or ""
        word = node.name if isinstance(node, Call) else "podTemplate"
        inner = "" if found["inner"] else WORD_OF_FIELD.get(rest, rest)
        return f"{self._line(node)}: {'.'.join(filter(None, (word, inner)))}" + text[found.end() :]

    def _node(self, found: re.Match[str]) -> Call:
        """What a path leads to."""
        number = int(found["number"] or 0)
        if found["list"] == "volumes" and found["number"]:
            return self._volumes[number]
        if found["list"] != "containers" or not found["number"]:
            return self._call
        container = self._containers[number]
        if found["inner"] == "volumeMounts":
            return [each for each, _ in self._mounted(self._container(container))][int(found["at"])]
        variables = [*_variable_calls(self._call), *_variable_calls(container)]
        return variables[int(found["at"])] if found["inner"] == "env" else container


def _calls_of(node: Node | None) -> list[Call] | None:
    """The members of a list of calls; None: it is something else."""
    members = node.members if isinstance(node, GroovyList) else None
    if members is None or not all(isinstance(each, Call) for each in members):
        return None
    return [each for each in members if isinstance(each, Call)]


def _container(call: Call) -> dict[str, Any]:
    container: dict[str, Any] = {"name": call.text("name"), "image": call.text("image") or ""}
    for field in ("command", "args"):
        words = words_of(call.text(field))
        if words:
            container[field] = words
    privileged = call.argument("privileged")
    if isinstance(privileged, Word):
        container["securityContext"] = {"privileged": privileged.text == "true"}
    for name, (kind, resource) in RESOURCE_OF_ARGUMENT.items():
        amount = call.text(name)
        if amount:
            container.setdefault("resources", {}).setdefault(kind, {})[resource] = amount
    return container


def _variable_calls(call: Call) -> list[Call]:
    return _calls_of(call.argument("envVars")) or []


def words_of(text: str | None) -> list[str]:
    """The words of a command, as Jenkins splits it."""
    try:
        return shlex.split(text or "")
    except ValueError:
        return [text or ""]


def _is_read(field: str, value: Node) -> bool:
    if field == "privileged":
        return isinstance(value, Word)
    return _calls_of(value) is not None if field == "envVars" else isinstance(value, Text)


def _volume_name(number: int) -> str:
    return f"volume-{number}"


def _volume(call: Call) -> dict[str, Any]:
    if call.name == "hostPathVolume":
        return {"hostPath": {"path": call.text("hostPath") or ""}}
    if call.name == "persistentVolumeClaim":
        return {"persistentVolumeClaim": {"claimName": call.text("claimName")}}
    if call.name != "emptyDirVolume":
        return {}
    memory = call.argument("memory")
    return {"emptyDir": {"medium": "Memory"} if isinstance(memory, Word) and memory.text == "true" else {}}
