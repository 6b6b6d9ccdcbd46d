"""What is kept of a pod: enough to clean up after it, and no more than that where nothing is owed."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.factory import DEFAULTS, HOME, NOW, class_spec, policy_spec

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import NestedDockerSpec
from nested_docker.controller.trim import trim
from nested_docker.domain import names
from nested_docker.domain.effective import resolve
from nested_docker.domain.manifests.pod import pod
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import PodContext
from nested_docker.domain.names import (
    ANNOTATION_DENIAL,
    ANNOTATION_GRANTED_BY,
    ANNOTATION_INJECT_FORM,
    ANNOTATION_SIDECAR_SIGNATURE,
    LABEL_INJECT,
    LABEL_INJECTION_ID,
)
from nested_docker.domain.objects import CLIENT_POD
from nested_docker.domain.planning import node_cleanup as cleanup
from nested_docker.domain.planning.node_cleanup import Start

WORKLOAD = {"workload": {"containers": [{"name": "job", "image": "i", "args": ["--owner-uid=forged"]}]}}


def ended(spec: dict[str, Any] | None = None, gid: int | None = 999) -> dict[str, Any]:
    """A guarded pod that has run, as the API server has it."""
    asked = NestedDockerSpec.model_validate({"mode": "HostSocket"} | (spec or {}))
    effective = resolve(asked, class_spec(hostSocket={"gid": gid}), MODES[Mode.HOST_SOCKET], DEFAULTS)
    effective = MODES[Mode.HOST_SOCKET].apply_policy(effective, policy_spec())
    made = pod(PodContext(HOME, effective, DEFAULTS), MODES[Mode.HOST_SOCKET], "12345fffff")
    made["metadata"] |= {"uid": "uid", "creationTimestamp": "2026-03-01T00:00:00Z", "managedFields": []}
    made["spec"]["nodeName"] = "node-1"
    status = {"name": "daemon", "restartCount": 1, "imageID": "x"}
    beside = "initContainerStatuses" if spec else "containerStatuses"
    return made | {"status": {"phase": "Failed", "startTime": "2026-03-01T00:00:00Z", beside: [status]}}


@pytest.mark.parametrize("spec", [None, WORKLOAD], ids=["alone", "with a workload"])
@pytest.mark.parametrize("gid", [None, 999])
def test_an_owing_pod_keeps_what_its_cleaning_goes_by(spec: dict[str, Any] | None, gid: int | None) -> None:
    whole = ended(spec, gid)
    steps = [
        cleanup.step(each, None, owner=("team-a", "build"), others=[], node_exists=True, now=NOW, defaults=DEFAULTS)
        for each in (whole, trim(whole, "Pod"), trim(trim(whole, "Pod"), "Pod"))
    ]
    assert isinstance(steps[0], Start)
    assert steps[0] == steps[1] == steps[2]
    assert steps[0].manifest["spec"]["containers"][0]["args"][-1] == f"--owner-uid={HOME.owner.uid}"


def test_the_rules_are_not_kept_and_no_environment() -> None:
    kept = trim(ended(WORKLOAD), "Pod")
    assert "guard-rules" not in str(kept)
    assert "env" not in str(kept["spec"])
    assert [volume["name"] for volume in kept["spec"]["volumes"]] == ["node-socket"]


def test_of_one_that_owes_nothing_only_images_and_node_are_kept() -> None:
    whole = ended()
    del whole["metadata"]["finalizers"]
    assert trim(whole, "Pod")["spec"] == {
        "containers": [{"name": "daemon", "image": DEFAULTS.operator_image}],
        "nodeName": "node-1",
    }


def test_the_finalizer_decides_and_not_the_label() -> None:
    whole = ended()
    whole["metadata"] |= {"labels": {}, "finalizers": ["example.com/other", names.FINALIZER]}
    assert "volumes" in trim(whole, "Pod")["spec"]


def test_of_a_pod_that_asks_for_a_daemon_nothing_is_kept_that_may_be_secret() -> None:
    container = {"name": "build", "image": "x", "env": [{"name": "TOKEN", "value": "s"}], "restartPolicy": "Never"}
    whole = {
        "metadata": {"name": "job", "namespace": "team-a", "annotations": {"a": "b"}},
        "spec": {"containers": [container], "restartPolicy": "Never", "volumes": [], "nodeName": "n"},
        "status": {
            "phase": "Running",
            "podIP": "192.0.2.1",
            "containerStatuses": [{"name": "build", "imageID": "x", "state": {}}],
        },
    }
    assert trim(whole, CLIENT_POD) == {
        "kind": CLIENT_POD,
        "metadata": {"name": "job", "namespace": "team-a", "labels": {}, "annotations": {}},
        "spec": {
            "containers": [{"name": "build", "restartPolicy": "Never"}],
            "restartPolicy": "Never",
            "nodeName": "n",
        },
        "status": {"phase": "Running", "containerStatuses": [{"name": "build", "state": {}}]},
    }


def test_of_a_pod_that_asks_for_a_daemon_only_our_marks_are_kept() -> None:
    """Others may be a megabyte, in each of very many pods."""
    marks = {
        "labels": {LABEL_INJECT: "standard", LABEL_INJECTION_ID: "0" * 20},
        "annotations": {ANNOTATION_INJECT_FORM: "Sidecar", ANNOTATION_GRANTED_BY: "all", ANNOTATION_DENIAL: "{}"},
    }
    others = {f"example.com/{number}": "x" * 63 for number in range(10_000)}
    read_at_admission = {ANNOTATION_SIDECAR_SIGNATURE: "x" * 64_000}
    metadata = {
        "name": "job",
        "labels": marks["labels"] | others,
        "annotations": marks["annotations"] | others | read_at_admission,
    }
    assert trim({"metadata": metadata}, CLIENT_POD)["metadata"] == {"name": "job"} | marks
