"""Pods with a sidecar: a pod that asks for one, what it gets, and the judgement of what would be stored."""

from __future__ import annotations

from typing import Any

from tests.support.factory import DEFAULTS, class_spec
from tests.unit.domain.injection.pods import Pod, patched, pod

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerSpec
from nested_docker.domain.admission.acceptance import Accepted
from nested_docker.domain.effective import resolve
from nested_docker.domain.injection.request import ChosenContainer, chosen_containers, injection_request
from nested_docker.domain.injection.sidecar import Sidecar, class_sidecar, sidecar
from nested_docker.domain.injection.sidecar_patch import judge_persisted, sidecar_patch
from nested_docker.domain.modes import MODES
from nested_docker.domain.status.reasons import Reason

WORKSPACE = {"name": "workspace", "mountPath": "/builds"}
SOCKET = {"name": "nested-docker-socket", "mountPath": "/run/nested-docker"}
HOST = {"name": "DOCKER_HOST", "value": "unix:///run/nested-docker/docker.sock"}
NO_TLS = [{"name": name, "value": ""} for name in ("DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")]


def accepted(offered: NestedDockerClassSpec | None = None) -> Accepted:
    offered = offered or class_spec()
    mode = MODES[Mode.DIND]
    effective = resolve(NestedDockerSpec(), offered, mode, DEFAULTS)
    return Accepted(NestedDockerSpec(), "standard", offered, effective, "all", Reason.GRANTED, "")


def inject(asking: Pod, offered: NestedDockerClassSpec | None = None) -> Pod:
    clients = chosen_containers(asking, injection_request(asking))
    made = _sidecar_of(asking, accepted(offered), clients)
    return patched(asking, sidecar_patch(asking, made, clients))


def judged(stored: Pod, offered: NestedDockerClassSpec | None = None) -> str:
    clients = chosen_containers(stored, injection_request(stored))
    return judge_persisted(stored, _sidecar_of(stored, accepted(offered), clients), clients)


def _sidecar_of(pod: Pod, outcome: Accepted, clients: list[ChosenContainer]) -> Sidecar:
    return sidecar(pod, outcome, clients, class_sidecar(pod["metadata"]["namespace"], outcome, DEFAULTS))


def asking(**spec: Any) -> Pod:
    """A pod with a workspace in its containers and in an init container."""
    default = {
        "volumes": [{"name": "workspace", "emptyDir": {}}],
        "initContainers": [
            {"name": "mesh", "restartPolicy": "Always"},
            {"name": "clone", "volumeMounts": [WORKSPACE]},
        ],
        "containers": [{"name": "build", "volumeMounts": [WORKSPACE]}, {"name": "helper"}],
    }
    return pod(**(default | spec))


def daemon(injected: Pod) -> dict[str, Any]:
    """The daemon's container, as it is in the pod."""
    found: dict[str, Any]
    (found,) = (each for each in injected["spec"]["initContainers"] if each["name"] == "nested-docker")
    return found
