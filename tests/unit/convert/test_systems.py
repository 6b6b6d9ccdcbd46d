"""What a file of a CI system says of its daemon is carried over or named, field by field."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from nested_docker.convert.conversion import Conversion, ConversionOptions, ConvertedForm
from nested_docker.convert.files import conversion_of
from nested_docker.convert.gitlab_runner import convert_runner_config, convert_runner_values
from nested_docker.convert.manifests_conversion import convert_manifests

LABEL = ConversionOptions(ConvertedForm.LABEL, class_name="standard")
SIDECAR = ConversionOptions(ConvertedForm.SIDECAR, class_name="standard")
NESTED_DOCKER = ConversionOptions(name="daemon")
CONTAINER = {
    "args": ["--label=mark=01", "--unheard-of=mark-02", "mark-03"],
    "env": [{"name": "DOCKER_TLS_CERTDIR", "value": "/mark-04"}, {"name": "HTTP_PROXY", "value": "http://mark-05:1"}],
    "ports": [{"containerPort": 40006}],
    "resources": {"limits": {"cpu": "40007m", "mark-08": "1"}},
    "securityContext": {"privileged": True, "runAsUser": 40009},
    "workingDir": "/mark-10",
    "volumeMounts": [{"name": "scratch", "mountPath": "/mark-11"}, {"name": "graph", "mountPath": "/var/lib/docker"}],
    "script": "mark-12",
    "mirrorVolumeMounts": True,
    "future": {"any": "mark-13"},
}
SERVICE = {
    "alias": "mark-01",
    "entrypoint": ["dockerd", "--label=mark=02"],
    "command": ["--mtu=1404", "--unheard-of=mark-03"],
    "environment": ["DOCKER_TLS_CERTDIR=/mark-04", "mark_05=mark-06"],
    "pull_policy": ["mark-07"],
    "future": "mark-08",
}
JOB_SERVICE = {**SERVICE, "variables": {"HTTPS_PROXY": "http://mark-09:1", "mark_10": "mark-11"}}
STEP_SERVICE = {
    "name": "mark-01",
    "privileged": True,
    "environment": {"mark_02": "mark-03", "HTTP_PROXY": "http://mark-04:1"},
    "commands": ["dockerd --label=mark=05 --unheard-of=mark-06"],
    "ports": [40007],
    "volumes": ["mark-08:/mark-09"],
    "backend_options": {"kubernetes": {"nodeSelector": {"mark-10": "mark-11"}}},
    "future": ["mark-12"],
}
NAME_A_FIELD = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "/var/lib/docker", "graph"})
"""What is carried over into a field of its own, such as spec.engine.proxy."""
IMAGE = "registry.example.com/docker:29-dind"
SCRATCH = [{"name": "scratch", "emptyDir": {}}, {"name": "graph", "emptyDir": {"sizeLimit": "44Gi"}}]

Convert = Callable[[dict[str, Any], ConversionOptions], Conversion]


def task(service: dict[str, Any], options: ConversionOptions) -> Conversion:
    spec = {"steps": [{"name": "s", "image": "a"}], "sidecars": [{"image": IMAGE, **service}], "volumes": SCRATCH}
    named = {"apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": "x"}}
    return convert_manifests([{**named, "spec": spec}], options)


def pipeline_run(service: dict[str, Any], options: ConversionOptions) -> Conversion:
    task_spec = {"steps": [{"image": "a"}], "sidecars": [{"image": IMAGE, **service}], "volumes": SCRATCH}
    named = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"generateName": "x-"}}
    spec = {"pipelineSpec": {"tasks": [{"name": "t", "taskSpec": task_spec}]}}
    return convert_manifests([{**named, "spec": spec}], options)


def workflow(service: dict[str, Any], options: ConversionOptions) -> Conversion:
    daemon = {"name": "d", "image": IMAGE, **service}
    template = {"name": "t", "container": {"image": "a"}, "sidecars": [daemon], "volumes": SCRATCH}
    named = {"apiVersion": "argoproj.io/v1alpha1", "kind": "CronWorkflow", "metadata": {"name": "x"}}
    return convert_manifests([{**named, "spec": {"workflowSpec": {"templates": [template]}}}], options)


def scale_set(service: dict[str, Any], options: ConversionOptions) -> Conversion:
    containers = [{"name": "runner", "image": "a"}, {"name": "dind", "image": IMAGE, **service}]
    return of_file(
        {"githubConfigUrl": "u", "template": {"spec": {"containers": containers, "volumes": SCRATCH}}}, options
    )


def woodpecker(service: dict[str, Any], options: ConversionOptions) -> Conversion:
    return of_file({"steps": {"build": {"image": "a"}}, "services": {"docker": {"image": IMAGE, **service}}}, options)


def job(service: dict[str, Any], options: ConversionOptions) -> Conversion:
    return of_file({"build": {"script": ["a"], "services": [{"name": IMAGE, **service}]}}, options)


def runner(service: dict[str, Any], options: ConversionOptions) -> Conversion:
    kubernetes = {"services": [{"name": IMAGE, **service}]}
    return convert_runner_config({"runners": [{"executor": "kubernetes", "kubernetes": kubernetes}]}, options)


def runner_values(service: dict[str, Any], options: ConversionOptions) -> Conversion:
    config = {"runners": [{"kubernetes": {"services": [{"name": IMAGE, **service}]}}]}
    return convert_runner_values({"runners": {"config": tomli_w.dumps(config)}}, options)


def of_file(document: dict[str, Any], options: ConversionOptions) -> Conversion:
    convert = conversion_of(document)
    assert convert
    return convert(document, options)


SYSTEMS: dict[str, tuple[Convert, Mapping[str, Any], list[ConversionOptions]]] = {
    "task": (task, CONTAINER, [LABEL, SIDECAR, NESTED_DOCKER]),
    "pipeline run": (pipeline_run, CONTAINER, [LABEL, SIDECAR, NESTED_DOCKER]),
    "workflow": (workflow, CONTAINER, [LABEL, SIDECAR, NESTED_DOCKER]),
    "scale set": (scale_set, CONTAINER, [LABEL, SIDECAR]),
    "woodpecker": (woodpecker, STEP_SERVICE, [LABEL, SIDECAR]),
    "job of GitLab": (job, JOB_SERVICE, [LABEL, SIDECAR]),
    "runner of GitLab": (runner, SERVICE, [LABEL, SIDECAR]),
    "values of the runner": (runner_values, SERVICE, [LABEL, SIDECAR]),
}


def leaves(value: Any) -> Iterator[str]:
    """What somebody wrote, without the names of fields."""
    if isinstance(value, dict):
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each)
    else:
        yield json.dumps(value).strip('"')


def words(leaf: str) -> Iterator[str]:
    """The parts of a text that may stand apart from each other in the result."""
    for word in leaf.removeprefix("dockerd").split():
        if word.startswith("--"):
            yield word.partition("=")[2] or word
        else:
            yield from word.split("=")


@pytest.mark.parametrize("system", SYSTEMS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_field_of_a_daemon_is_carried_over_or_named(system: str, data: st.DataObject) -> None:
    convert, fields, forms = SYSTEMS[system]
    chosen = data.draw(st.lists(st.sampled_from(sorted(fields)), unique=True))
    options = data.draw(st.sampled_from(forms))
    service = {name: fields[name] for name in chosen}
    result = convert(service, options)
    assert result.converted == 1
    kept = json.dumps(result.documents)
    named = [json.dumps(each.value) for each in result.differences]
    said = " ".join([kept, *named, *(each.path for each in result.differences)])
    lost = [word for leaf in leaves(service) for word in words(leaf) if word not in said]
    assert set(lost) <= NAME_A_FIELD
    assert IMAGE in said


@pytest.mark.parametrize("system", SYSTEMS)
def test_form_sidecar_is_asked_for_where_the_pod_is_made(system: str) -> None:
    convert, _, _ = SYSTEMS[system]
    text = json.dumps(convert({}, SIDECAR).documents).replace("\\", "")
    assert "nesteddocker.dev/inject-form" in text
    assert "nesteddocker.dev/inject-form" not in json.dumps(convert({}, LABEL).documents)


@pytest.mark.parametrize(
    ("volume", "removed"),
    [
        ({"host_path": "/run/", "mount_path": "/var/run"}, True),
        ({"host_path": "/run", "mount_path": "/host/run"}, False),
        ({"mount_path": "/run/docker.sock"}, True),
        ({"host_path": "/data", "mount_path": "/data"}, False),
    ],
    ids=["the directory", "the directory elsewhere", "the socket", "another"],
)
def test_a_runner_that_mounts_the_socket_of_the_node(volume: dict[str, str], removed: bool) -> None:
    kubernetes = {"volumes": {"host_path": [{"name": "v", **volume}]}}
    result = convert_runner_config({"runners": [{"executor": "kubernetes", "kubernetes": kubernetes}]}, LABEL)
    assert result.converted == removed
    assert ("volumes" in result.documents[0]["runners"][0]["kubernetes"]) is not removed


@pytest.mark.parametrize(
    ("path", "mount_path", "docker_host", "converted"),
    [
        ("/var/run", "/var/run", "", 1),
        ("/run/", "/run", "", 1),
        ("/run", "/host/run", "unix:///host/run/docker.sock", 1),
        ("/run", "/host/run", "", 0),
        ("/run", "/run", "unix:///elsewhere/docker.sock", 0),
        ("/var", "/var/run", "", 0),
    ],
)
def test_a_directory_of_the_node_with_its_socket(path: str, mount_path: str, docker_host: str, converted: int) -> None:
    env = [{"name": "DOCKER_HOST", "value": docker_host}] if docker_host else []
    container = {"name": "c", "image": "a", "env": env, "volumeMounts": [{"name": "v", "mountPath": mount_path}]}
    spec = {"containers": [container], "volumes": [{"name": "v", "hostPath": {"path": path}}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}
    result = convert_manifests([pod], LABEL)
    assert result.converted == converted
    assert ("volumes" not in result.documents[0]["spec"]) == bool(converted)


@pytest.mark.parametrize(
    ("data", "prefix", "is_named"),
    [
        (None, "", True),
        ({"DOCKER_HOST": "x"}, "", True),
        ({"HOST": "x"}, "", False),
        ({"HOST": "x"}, "DOCKER_", True),
        ({"DOCKER_HOST": "x"}, "MY_", False),
    ],
    ids=str,
)
def test_variables_of_a_config_map_are_named_unless_they_are_seen(data: Any, prefix: str, is_named: bool) -> None:
    source = {"configMapRef": {"name": "settings"}} | ({"prefix": prefix} if prefix else {})
    containers = [{"name": "c", "image": "a", "envFrom": [source]}, {"name": "d", "image": IMAGE}]
    objects = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": containers}}]
    if data is not None:
        objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data})
    named = [each.value for each in convert_manifests(objects, LABEL).differences if "cannot be seen" in each.what]
    assert named == ([source] if is_named else [])


def test_a_native_sidecar_is_no_client_and_no_helper_of_the_daemon() -> None:
    mount = [{"name": "graph", "mountPath": "/var/lib/docker"}]
    proxy = {"name": "proxy", "image": "a", "restartPolicy": "Always", "volumeMounts": mount}
    containers = [{"name": "c", "image": "a"}, {"name": "d", "image": IMAGE, "volumeMounts": mount}]
    spec = {"initContainers": [proxy], "containers": containers, "volumes": [{"name": "graph", "emptyDir": {}}]}
    result = convert_manifests([{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}], LABEL)
    (pod,) = result.documents
    assert pod["spec"]["initContainers"] == [proxy]
    assert pod["metadata"]["annotations"] == {"nesteddocker.dev/inject-containers": "c"}


def test_a_step_of_woodpecker_with_the_image_of_a_daemon_is_a_client_unless_it_is_detached() -> None:
    client = {"name": "client", "image": IMAGE, "environment": {"DOCKER_HOST": "tcp://docker:2375"}}
    detached = {"name": "docker", "image": IMAGE, "detach": True}
    result = of_file({"steps": [client, detached]}, LABEL)
    assert [each["name"] for each in result.documents[0]["steps"]] == ["client"]
    assert result.converted == 1


def test_a_step_of_woodpecker_that_mounts_the_socket_of_the_node() -> None:
    step = {"image": "a", "volumes": ["/var/run/docker.sock:/var/run/docker.sock", "/data:/data"]}
    result = of_file({"steps": {"build": step, "other": {"image": "b"}}}, LABEL)
    steps = result.documents[0]["steps"]
    assert result.converted == 1
    assert steps["build"]["volumes"] == ["/data:/data"]
    assert steps["other"] == {"image": "b"}
