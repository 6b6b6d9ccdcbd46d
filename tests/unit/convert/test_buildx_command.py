"""A `docker buildx create` becomes a NestedDocker, and each of its options is carried over or named."""

from __future__ import annotations

from nested_docker.convert.buildx_command import convert_buildx_command
from nested_docker.convert.conversion import ConversionOptions

COMMAND = (
    "docker buildx create --bootstrap --use --name=kube --driver kubernetes --platform linux/amd64 "
    "--driver-opt namespace=ci,replicas=3,requests.cpu=500m,limits.memory=4Gi,rootless=true "
    "--driver-opt '\"nodeselector=a=b,c=d\"' --driver-opt '\"tolerations=key=ci,operator=Exists\"' "
    "--buildkitd-flags --debug"
)


def test_options_become_fields_or_are_named() -> None:
    result = convert_buildx_command(COMMAND, ConversionOptions(class_name="standard"))
    (made,) = result.documents
    assert made["metadata"] == {"name": "kube", "namespace": "ci"}
    assert made["spec"] == {
        "className": "standard",
        "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "4Gi"}},
        "scheduling": {"nodeSelector": {"a": "b", "c": "d"}, "tolerations": [{"key": "ci", "operator": "Exists"}]},
    }
    named = {each.path.rpartition(" ")[2] for each in result.differences}
    assert {"--bootstrap", "--use", "--name", "--platform", "replicas", "rootless", "--buildkitd-flags"} <= named
