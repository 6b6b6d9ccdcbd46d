"""What another system makes a pod of: its containers stand elsewhere there, and have other names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nested_docker.convert.connection import GivenConnection
from nested_docker.convert.daemon_container import Surroundings
from nested_docker.convert.difference import Difference, UnconvertibleError
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import moved_paths
from nested_docker.convert.pod_template import converted_template, has_daemon

_POD = "\0pod: "
"""Is the pod in paths, until they are those of the input."""
ONLY_THE_DAEMON = "has no container but the daemon, so nothing can have the connection"


@dataclass(frozen=True)
class Part:
    """A container of the pod.

    Attributes:
        pod_name: its name in the pod, which no other part has.
        container: as the input has it; its name may be absent.
        path: where it is in the input.
    """

    pod_name: str
    container: Mapping[str, Any]
    path: str


@dataclass(frozen=True)
class PodParts:
    """What the pod is made of.

    Attributes:
        parts: containers.
        fields: other fields of the pod's spec, by their names there, such as `volumes`.
        metadata: labels and annotations of the pod, among others.
        path: where all this is in the input.
        metadata_path: where the metadata is.
    """

    parts: Sequence[Part]
    fields: Mapping[str, Any]
    metadata: Any
    path: str
    metadata_path: str

    @property
    def template(self) -> dict[str, Any]:
        """The pod, as a template."""
        containers = [{**each.container, "name": each.pod_name} for each in self.parts]
        return {"metadata": self.metadata, "spec": {**self.fields, "containers": containers}}


@dataclass(frozen=True)
class ConvertedParts:
    """What the parts become.

    Attributes:
        containers: those that stay, by their names in the pod.
        fields: as given, without volumes that only the daemon had.
        metadata: with the label, if the connection is by label.
        draft: of the NestedDocker.
    """

    containers: dict[str, dict[str, Any]]
    fields: dict[str, Any]
    metadata: Any
    draft: SpecDraft = field(default_factory=SpecDraft)


def parts_have_daemon(pod: PodParts) -> bool:
    """Whether there is something that is to be converted.

    Raises:
        UnconvertibleError: a field has a type that no pod can have.
    """
    with moved_paths(lambda text: _of_input(text, pod)):
        return has_daemon(pod.template, _POD)


def converted_parts(pod: PodParts, connection: GivenConnection, around: Surroundings) -> ConvertedParts:
    """The parts without the daemon, and with the connection.

    Raises:
        UnconvertibleError: they cannot be converted as they are.
    """
    pod_names = [each.pod_name for each in pod.parts]
    for each in pod.parts:
        if pod_names.count(each.pod_name) > 1:
            raise UnconvertibleError(f"{each.path} has the name of another container of the pod", "rename it")
    with moved_paths(lambda text: _of_input(text, pod)):
        done = converted_template(pod.template, _POD, replace(connection, names_clients=True), around)
    if done.template is None:
        raise UnconvertibleError(f"{pod.path} {ONLY_THE_DAEMON}", "remove it by hand, and use a NestedDocker")
    draft = SpecDraft()
    draft.add(done.draft, lambda each: _moved(each, pod))
    original = {each.pod_name: each.container for each in pod.parts}
    spec = dict(done.template["spec"])
    staying = {each["name"]: _named_as(original[each["name"]], each) for each in spec.pop("containers")}
    return ConvertedParts(staying, spec, done.template.get("metadata"), draft)


def _named_as(original: Mapping[str, Any], container: Mapping[str, Any]) -> dict[str, Any]:
    without = {key: value for key, value in container.items() if key != "name"}
    return {"name": original["name"], **without} if "name" in original else without


def _moved(difference: Difference, pod: PodParts) -> Difference:
    value = difference.value
    for each in pod.parts:
        if value == each.pod_name:
            value = each.container.get("name")
    return replace(difference, path=_of_input(difference.path, pod), value=value)


def _of_input(text: str, pod: PodParts) -> str:
    for number, each in enumerate(pod.parts):
        text = text.replace(f"{_POD}spec.containers[{number}]", each.path)
    text = text.replace(f"{_POD}metadata", pod.metadata_path).replace(f"{_POD}spec", pod.path)
    return text.replace(_POD.rstrip(" :"), pod.path).replace("\0pod", pod.path)
