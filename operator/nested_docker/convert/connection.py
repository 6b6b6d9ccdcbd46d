"""How containers get the connection to a daemon: by the Secrets of a NestedDocker, or by the label of their pod."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from nested_docker.api.v1alpha1.nested_docker_class import InjectionForm
from nested_docker.convert.containers import PlacedContainer
from nested_docker.convert.difference import Difference, UnconvertibleError
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import joined, mapping_at, objects_at
from nested_docker.domain import names
from nested_docker.domain.injection.patch import VOLUME
from nested_docker.domain.manifests.secrets import CERT_PATH
from nested_docker.domain.shown import shorten


@dataclass(frozen=True)
class GivenConnection:
    """How containers get the connection.

    Attributes:
        nested_docker: name of the NestedDocker whose Secrets they get; empty: by the label.
        class_name: NestedDockerClass of the label.
        is_beside: whether the label asks for a daemon in the pod (form Sidecar).
        names_clients: whether the label always names the containers that get the connection, since the pod has others
            that cannot be seen.
    """

    nested_docker: str = ""
    class_name: str = ""
    is_beside: bool = False
    names_clients: bool = False


def connect_clients(
    template: dict[str, Any],
    clients: Sequence[PlacedContainer],
    others: Sequence[PlacedContainer],
    connection: GivenConnection,
    path: str,
) -> None:
    """Give containers the connection, in place.

    Args:
        template: of the pod.
        clients: containers that get it.
        others: the other containers of the pod.
        connection: what they get.
        path: of the template, for messages.

    Raises:
        UnconvertibleError: something else is where a part of it belongs.
    """
    if not connection.is_beside:
        _require_free_places(template["spec"], clients, path)
    if connection.nested_docker:
        _connect_by_secrets(template["spec"], clients, connection.nested_docker, path)
    else:
        # GitHub's runner writes a `$` before the name of a container that it makes, in the template of its hooks.
        named = [str(each.name).removeprefix("$") for each in clients]
        chosen = named if others or connection.names_clients else []
        template["metadata"] = with_label(template.get("metadata"), connection, chosen, joined(path, "metadata"))


def _require_free_places(spec: dict[str, Any], clients: Sequence[PlacedContainer], path: str) -> None:
    for each in clients:
        taken = [mount for mount in each.mounts if str(mount.get("mountPath", "")).rstrip("/") == CERT_PATH]
        if taken:
            raise UnconvertibleError(
                f"{joined(each.path, 'volumeMounts')} has {shorten(str(taken[0].get('name')))!r} at {CERT_PATH}",
                "mount it elsewhere: the client's certificate is there",
            )
    where = joined(path, "spec", "volumes")
    if any(each.get("name") == VOLUME for each in objects_at(spec.get("volumes"), where)):
        raise UnconvertibleError(f"{where} has {VOLUME!r} already", "rename that volume")


def _connect_by_secrets(spec: dict[str, Any], clients: Sequence[PlacedContainer], name: str, path: str) -> None:
    volumes = objects_at(spec.get("volumes"), joined(path, "spec", "volumes"))
    spec["volumes"] = [*volumes, {"name": VOLUME, "secret": {"secretName": names.files_secret(name)}}]
    for each in clients:
        sources = objects_at(each.container.get("envFrom"), joined(each.path, "envFrom"))
        each.container["envFrom"] = [*sources, {"secretRef": {"name": names.env_secret(name)}}]
        mount = {"name": VOLUME, "mountPath": CERT_PATH, "readOnly": True}
        each.container["volumeMounts"] = [*each.mounts, mount]


def with_label(metadata: Any, connection: GivenConnection, containers: Sequence[str], path: str) -> dict[str, Any]:
    """The metadata of a pod that asks for a daemon.

    Args:
        metadata: of the pod.
        connection: by label.
        containers: names of those that get the connection; empty: all.
        path: of the metadata, for messages.

    Raises:
        UnconvertibleError: a field has a type that no metadata can have.
    """
    whole = mapping_at(metadata, path)
    labels = {**mapping_at(whole.get("labels"), joined(path, "labels")), names.LABEL_INJECT: connection.class_name}
    options = annotations_of_label(connection, containers)
    if not options:
        return {**whole, "labels": labels}
    annotations = {**mapping_at(whole.get("annotations"), joined(path, "annotations")), **options}
    return {**whole, "labels": labels, "annotations": annotations}


def annotations_of_label(connection: GivenConnection, containers: Sequence[str]) -> dict[str, str]:
    """What a pod with the label says further."""
    options = {names.ANNOTATION_INJECT_FORM: InjectionForm.SIDECAR.value} if connection.is_beside else {}
    return options | ({names.ANNOTATION_INJECT_CONTAINERS: ",".join(containers)} if containers else {})


def of_class(draft: SpecDraft, class_name: str) -> list[Difference]:
    """What a NestedDocker would have, and the label cannot say."""
    what = "the label has only a class: an admin sets {} in NestedDockerClass {}"
    return [replace(each, what=what.format(each.what, class_name)) for each in draft.origins]
