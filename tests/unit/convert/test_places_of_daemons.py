"""Less usual places of daemons in the files of CI systems, and what is beside them."""

from __future__ import annotations

from typing import Any

from nested_docker.convert.clients import HAS_ITS_OWN, NO_SOCKET
from nested_docker.convert.conversion import Conversion, ConversionOptions, ConvertedForm
from nested_docker.convert.gitlab_runner import OF_ALL_SERVICES, convert_runner_config
from nested_docker.convert.manifests_conversion import convert_manifests

LABEL = ConversionOptions(ConvertedForm.LABEL, class_name="standard")
DAEMON = {"name": "dind", "image": "docker:29-dind"}
SERVICE = {"name": "docker:29-dind"}


def manifest(version: str, kind: str, spec: dict[str, Any], options: ConversionOptions = LABEL) -> Conversion:
    return convert_manifests([{"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": spec}], options)


def test_a_runner_with_another_executor_stays() -> None:
    config = {"runners": [{"executor": "docker", "kubernetes": {"services": [SERVICE]}}]}
    result = convert_runner_config(config, LABEL)
    assert (result.converted, result.documents) == (0, [config])


def test_resources_of_services_are_named_and_the_service_account_is_none() -> None:
    executor = {"services": [SERVICE], "service_cpu_limit": "1", "service_account": "ci"}
    result = convert_runner_config({"runners": [{"kubernetes": executor}]}, LABEL)
    named = [each.path.rpartition(".")[2] for each in result.differences if each.what == OF_ALL_SERVICES]
    assert named == ["service_cpu_limit"]


def test_a_volume_of_a_workflow_may_be_the_data_root_of_a_template() -> None:
    mount = {"name": "graph", "mountPath": "/var/lib/docker"}
    template = {"container": {"image": "a"}, "sidecars": [DAEMON | {"volumeMounts": [mount]}]}
    volumes = [{"name": "graph", "emptyDir": {"sizeLimit": "4Gi"}}]
    spec = {"volumes": volumes, "templates": [template]}
    nested_docker, _ = manifest("argoproj.io/v1alpha1", "Workflow", spec, ConversionOptions()).documents
    assert nested_docker["spec"]["storage"] == {"type": "EmptyDir", "emptyDir": {"sizeLimit": "4Gi"}}


def test_the_defaults_of_templates_may_have_a_daemon() -> None:
    spec = {"templateDefaults": {"container": {"image": "a"}, "sidecars": [DAEMON]}, "templates": []}
    result = manifest("argoproj.io/v1alpha1", "Workflow", spec)
    assert result.converted == 1
    assert "sidecars" not in result.documents[0]["spec"]["templateDefaults"]


def test_a_task_at_the_end_of_a_pipeline_with_steps_without_names() -> None:
    task = {"steps": [{"image": "a"}, {"image": "b"}], "sidecars": [DAEMON]}
    result = manifest("tekton.dev/v1", "Pipeline", {"finally": [{"name": "last", "taskSpec": task}]})
    assert result.converted == 1
    converted = result.documents[0]["spec"]["finally"][0]["taskSpec"]
    assert converted["steps"] == [{"image": "a"}, {"image": "b"}]
    chosen = converted["metadata"]["annotations"]["nesteddocker.dev/inject-containers"]
    assert chosen == "step-unnamed-0,step-unnamed-1"


def test_certificates_that_a_client_has_at_another_path_are_no_socket() -> None:
    of_daemon = [{"name": "certs", "mountPath": "/certs/client"}, {"name": "run", "mountPath": "/var/run"}]
    of_client = [{"name": "certs", "mountPath": "/root/.docker"}, {"name": "run", "mountPath": "/docker"}]
    daemon, client = DAEMON | {"volumeMounts": of_daemon}, {"name": "a", "image": "a", "volumeMounts": of_client}
    volumes = [{"name": "certs", "emptyDir": {}}, {"name": "run", "emptyDir": {}}]
    result = manifest("v1", "Pod", {"containers": [client, daemon], "volumes": volumes})
    removed = {each.path.rpartition("volumeMounts")[2]: each.what for each in result.differences}
    assert (removed["[0]"], removed["[1]"]) == (HAS_ITS_OWN, NO_SOCKET)
