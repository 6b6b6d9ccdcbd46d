"""Which conversion an object of Kubernetes needs, by its kind."""

from __future__ import annotations

from typing import Any

from nested_docker.convert import argo_workflows, summerwind_runners, tekton_tasks, workloads
from nested_docker.convert.connection import GivenConnection
from nested_docker.convert.daemon_container import Surroundings
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.embedded_documents import convert_embedded


def convert_object(
    manifest: dict[str, Any], head: str, connection: GivenConnection, around: Surroundings, draft: SpecDraft
) -> int:
    """Replace each daemon in an object, in place; how many were replaced.

    The object is empty afterwards if it has nothing but a daemon.

    Args:
        manifest: with a kind, which is text.
        head: begins its paths.
        connection: what containers get.
        around: claims and ConfigMaps of the input.
        draft: what grows.

    Raises:
        UnconvertibleError: one cannot be converted as it is.
    """
    version, kind = str(manifest.get("apiVersion")), manifest["kind"]
    if version.startswith(tekton_tasks.TEKTON_GROUP):
        return tekton_tasks.convert_tasks(manifest, head, connection, around, draft)
    if version.startswith(argo_workflows.ARGO_GROUP) and kind in argo_workflows.SPEC_OF_KIND:
        return argo_workflows.convert_workflow(manifest, head, connection, around, draft)
    if summerwind_runners.has_own_daemon(manifest):
        return summerwind_runners.convert_runners(manifest, head, connection, draft)
    if kind in workloads.TEMPLATE_OF_KIND:
        return workloads.convert_workload(manifest, head, connection, around, draft)
    return convert_embedded(manifest, head, connection, around, draft, convert_object=convert_object)
