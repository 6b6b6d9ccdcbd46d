"""A `.gitlab-ci.yml` with the service `docker:dind`, as one whose jobs get a daemon by their pod's label."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from nested_docker.api.v1alpha1.nested_docker_class import InjectionForm
from nested_docker.convert.ci_service import is_dind_service, read_service
from nested_docker.convert.client_environment import SERVICE_ADDRESSES, name_old_address, remove_variable, script_lines
from nested_docker.convert.clients import name_new_place
from nested_docker.convert.conversion import Conversion, ConversionOptions, ConvertedForm, labelled
from nested_docker.convert.difference import UnconvertibleError
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import joined, mapping_at, set_or_remove
from nested_docker.convert.recognition import CLIENT_VARIABLES
from nested_docker.domain import names
from nested_docker.domain.shown import shorten

PIPELINE_FILE = ".gitlab-ci.yml: "
SCRIPTS = ("before_script", "script", "after_script")
GLOBAL_KEYS = frozenset({"stages", "include", "workflow", "spec"})
POD_LABEL_VARIABLE = "KUBERNETES_POD_LABELS_1"
POD_ANNOTATION_VARIABLE = "KUBERNETES_POD_ANNOTATIONS_1"
SIDECAR_ANNOTATION = f"{names.ANNOTATION_INJECT_FORM}={InjectionForm.SIDECAR}"
FOR_ANNOTATION = f"the runner must have pod_annotations_overwrite_allowed for {names.ANNOTATION_INJECT_FORM}"
HAS_LABEL_TOO = "the job has the pipeline's variables, and so its daemon, also without the service"
FOR_RUNNER = (
    "the runner must have the Kubernetes executor, pod_labels_overwrite_allowed for the label, the annotation "
    f"{names.ANNOTATION_INJECT_CONTAINERS}=build, and a poll_timeout that is long enough; `privileged` is not needed"
)


def is_pipeline(document: Mapping[str, Any]) -> bool:
    """Whether a document is a pipeline, and not a manifest."""
    if "apiVersion" in document or "kind" in document:
        return False
    members = [each for each in document.values() if isinstance(each, dict)]
    return (
        _is_header(document)
        or "stages" in document
        or isinstance(document.get("services"), list)
        or any({"script", "services"} & each.keys() for each in members)
    )


def _is_header(document: Mapping[str, Any]) -> bool:
    """Whether a document is what precedes the pipeline in a file with inputs."""
    spec = document.get("spec")
    return document.keys() == {"spec"} and isinstance(spec, dict) and "inputs" in spec


def convert_pipeline(document: Mapping[str, Any], options: ConversionOptions, head: str = PIPELINE_FILE) -> Conversion:
    """Replace the service in the pipeline's defaults and in each job.

    Raises:
        UnconvertibleError: the options do not fit, or it cannot be converted as it is.
    """
    if _is_header(document):
        return Conversion([dict(document)])
    options.require_label(
        f"{head.rstrip(' :')}: a job cannot choose the Secret of a NestedDocker: the runner does not expand names"
    )
    pipeline, draft = copy.deepcopy(dict(document)), SpecDraft()
    count = 0
    for name, section in [("", pipeline), *((key, each) for key, each in pipeline.items() if isinstance(each, dict))]:
        if name not in GLOBAL_KEYS | {"variables"}:
            count += _convert_section(section, head, name, draft, options)
            if name and _has_label(pipeline) and "services" in document[name]:
                draft.differs(joined(head, name, "services"), document[name]["services"], HAS_LABEL_TOO)
    if "include" in pipeline:
        what = "included files are not read: convert each of them"
        draft.differs(joined(head, "include"), pipeline["include"], what)
    if count:
        connection, where = options.connection(), head.rstrip(" :")
        draft.differs(where, POD_LABEL_VARIABLE, FOR_RUNNER)
        if connection.is_beside:
            draft.differs(where, POD_ANNOTATION_VARIABLE, FOR_ANNOTATION)
        name_new_place(where, "services", draft, is_beside=connection.is_beside)
    return labelled(pipeline, draft, options, count)


def _convert_section(
    section: dict[str, Any], head: str, name: str, draft: SpecDraft, options: ConversionOptions
) -> int:
    path = joined(head, name) if name else head
    variables = mapping_at(section.get("variables"), joined(path, "variables"))
    for key in sorted(CLIENT_VARIABLES & variables.keys()):
        value = variables.pop(key)
        remove_variable(key, value, joined(path, "variables", key), value, draft)
    count = _remove_services(section, path, draft)
    if count:
        _add_label(section, name, variables, options, path)
    elif "variables" in section:
        set_or_remove(section, "variables", variables)
    for field in SCRIPTS:
        for number, line in enumerate(script_lines(section.get(field))):
            name_old_address(line, joined(path, field, number), draft, SERVICE_ADDRESSES)
    return count


def _remove_services(section: dict[str, Any], path: str, draft: SpecDraft) -> int:
    services = section.get("services")
    if not isinstance(services, list):
        return 0
    kept = []
    for number, service in enumerate(services):
        if is_dind_service(service.get("name") if isinstance(service, dict) else service):
            _read_service(service, joined(path, "services", number), draft)
        else:
            kept.append(service)
    if len(kept) < len(services):
        set_or_remove(section, "services", kept)
    return len(services) - len(kept)


def _has_label(section: Mapping[str, Any]) -> bool:
    return POD_LABEL_VARIABLE in (section.get("variables") or {})


def _add_label(
    section: dict[str, Any], name: str, variables: dict[str, Any], options: ConversionOptions, path: str
) -> None:
    """Variables of a pipeline stand at its top, also those for `default`, which may not have any."""
    if name == "default":
        raise UnconvertibleError(
            f"{joined(path, 'services')} is for every job, and `default` cannot have variables",
            "move `services` to the top of the file, or to the jobs that need it",
        )
    added = {POD_LABEL_VARIABLE: f"{names.LABEL_INJECT}={options.class_name}"}
    if options.form is ConvertedForm.SIDECAR:
        added[POD_ANNOTATION_VARIABLE] = SIDECAR_ANNOTATION
    for taken in sorted(added.keys() & variables.keys()):
        raise UnconvertibleError(
            f"{joined(path, 'variables', taken)} is {shorten(str(variables[taken]))!r}",
            f"rename it to {taken.removesuffix('1')}2",
        )
    section["variables"] = {**variables, **added}


def _read_service(service: Any, path: str, draft: SpecDraft) -> None:
    """A service of GitLab is a container with other names for its fields, or only its image."""
    whole = dict(service) if isinstance(service, dict) else {"name": service}
    container: dict[str, Any] = {"image": whole["name"]}
    if isinstance(whole.get("command"), list):
        container["args"] = whole["command"]
    elif "command" in whole:
        what = "it is no list: set what it configures in the class"
        draft.differs(joined(path, "command"), whole.pop("command"), what)
    if isinstance(whole.get("variables"), dict):
        container["env"] = [{"name": key, "value": str(value)} for key, value in whole["variables"].items()]
    words = {"image": "name", "args": "command", "env": "variables"}
    read_service(whole, container, words, path, draft, host_field="alias")
