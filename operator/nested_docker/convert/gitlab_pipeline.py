"""A `.gitlab-ci.yml` with the service `docker:dind`, as one whose jobs get a daemon by their pod's label."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from nested_docker.api.v1alpha1.nested_docker_class import InjectionForm
from nested_docker.convert.daemon_container import Surroundings, read_service
from nested_docker.convert.difference import UnconvertibleError, joined, mapping_at
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.manifests_conversion import Conversion, ConversionOptions, ConvertedForm
from nested_docker.convert.pod_template import ADDRESSES, BESIDE, EMPTY_BIND_MOUNTS, PUBLISHED, of_class
from nested_docker.convert.recognition import CLIENT_VARIABLES, LOCAL_HOST, Replaced, replaced_kind
from nested_docker.domain import names
from nested_docker.domain.shown import shorten

SCRIPTS = ("before_script", "script", "after_script")
GLOBAL_KEYS = frozenset({"stages", "include", "workflow", "spec", "pages"})
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
        "stages" in document or "services" in document or any({"script", "services"} & each.keys() for each in members)
    )


def convert_pipeline(document: Mapping[str, Any], options: ConversionOptions) -> Conversion:
    """Replace the service in the pipeline's defaults and in each job.

    Raises:
        UnconvertibleError: the options do not fit, or it cannot be converted as it is.
    """
    if options.form is ConvertedForm.NESTED_DOCKER:
        raise UnconvertibleError(
            ".gitlab-ci.yml: a job cannot choose the Secret of a NestedDocker: the runner does not expand names",
            "use --as label --class CLASS, or mount the Secret in the runner's configuration",
        )
    pipeline, draft = copy.deepcopy(dict(document)), SpecDraft()
    count = 0
    for name, section in [("", pipeline), *((key, each) for key, each in pipeline.items() if isinstance(each, dict))]:
        if name not in GLOBAL_KEYS | {"variables"}:
            count += _convert_section(section, name, draft, options)
            if name and _has_label(pipeline) and "services" in document[name]:
                path = joined(".gitlab-ci.yml: ", name, "services")
                draft.differs(path, document[name]["services"], HAS_LABEL_TOO)
    if "include" in pipeline:
        draft.differs(
            ".gitlab-ci.yml: include", pipeline["include"], "included files are not read: convert each of them"
        )
    if count:
        draft.differs(".gitlab-ci.yml", POD_LABEL_VARIABLE, FOR_RUNNER)
        if options.form is ConvertedForm.SIDECAR:
            draft.differs(".gitlab-ci.yml", POD_ANNOTATION_VARIABLE, FOR_ANNOTATION)
            draft.differs(".gitlab-ci.yml", "services", BESIDE)
        else:
            draft.differs(".gitlab-ci.yml", "services", PUBLISHED)
            draft.differs(".gitlab-ci.yml", "script", EMPTY_BIND_MOUNTS)
    return Conversion([pipeline], [*draft.differences, *of_class(draft, options.class_name)], count)


def _convert_section(section: dict[str, Any], name: str, draft: SpecDraft, options: ConversionOptions) -> int:
    path = joined(".gitlab-ci.yml: ", name) if name else ".gitlab-ci.yml: "
    services = section.get("services")
    found = [each for each in services if _is_dind(each)] if isinstance(services, list) else []
    variables = mapping_at(section.get("variables"), joined(path, "variables"))
    for key in sorted(CLIENT_VARIABLES & variables.keys()):
        _remove_variable(variables, key, joined(path, "variables", key), draft)
    if found and isinstance(services, list):
        for number, service in enumerate(services):
            if _is_dind(service):
                _read_service(service, joined(path, "services", number), draft)
        section["services"] = [each for each in services if not _is_dind(each)]
        if not section["services"]:
            del section["services"]
        _add_label(section, name, variables, options, path)
    elif "variables" in section:
        section["variables"] = variables
        if not variables:
            del section["variables"]
    _name_addresses(section, path, draft)
    return len(found)


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


def _remove_variable(variables: dict[str, Any], key: str, path: str, draft: SpecDraft) -> None:
    value = variables[key]
    if key == "DOCKER_HOST" and not LOCAL_HOST.match(str(value)):
        raise UnconvertibleError(
            f"{path} is {shorten(str(value))!r}, which is not the service `docker`",
            "remove the variable if the job shall use the new daemon",
        )
    draft.differs(path, value, "removed: the connection has its own value")
    del variables[key]


def _is_dind(service: Any) -> bool:
    name = service.get("name") if isinstance(service, dict) else service
    return replaced_kind({"image": name}) is Replaced.DIND


def _read_service(service: Any, path: str, draft: SpecDraft) -> None:
    """A service of GitLab is a container with other names for its fields."""
    whole = {"name": service} if not isinstance(service, dict) else service
    container = {"image": whole["name"]}
    if isinstance(whole.get("command"), list):
        container["args"] = whole["command"]
    elif "command" in whole:
        draft.differs(joined(path, "command"), whole["command"], "it is no list: set what it configures in the class")
    if isinstance(whole.get("variables"), dict):
        container["env"] = [{"name": key, "value": str(value)} for key, value in whole["variables"].items()]
    words = {"image": "name", "args": "command", "env": "variables"}
    read_service(container, path, words, Surroundings({}), draft)
    for key, value in whole.items():
        if key not in {"name", "command"} and not (key == "variables" and "env" in container):
            what = (
                "hosts of this name are gone; the daemon's is in DOCKER_HOST" if key == "alias" else "not carried over"
            )
            draft.differs(joined(path, key), value, what)


def _name_addresses(section: Mapping[str, Any], path: str, draft: SpecDraft) -> None:
    for field in SCRIPTS:
        lines = section.get(field)
        for number, line in enumerate(lines if isinstance(lines, list) else [lines] if lines else []):
            if any(address in str(line) for address in (*ADDRESSES, "tcp://docker", "//docker:")):
                draft.differs(joined(path, field, number), line, "it may mean the old daemon: check it")
