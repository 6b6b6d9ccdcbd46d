"""A signature holds for what one class gave to one requester a moment ago, and nobody can make one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.factory import DEFAULTS, class_spec
from tests.unit.domain.injection.pods import Pod
from tests.unit.domain.injection.sidecars import accepted, asking, daemon, inject

from nested_docker.domain.injection.sidecar import class_sidecar
from nested_docker.domain.injection.sidecar_signature import LONGEST_SIGNATURE, SidecarTerms
from nested_docker.domain.injection.signature import FRESH_SECONDS, Injection, requester_digest
from nested_docker.domain.names import ANNOTATION_INJECTION_SIGNATURE, ANNOTATION_SIDECAR_SIGNATURE

KEY, NOW = b"k" * 32, datetime(2026, 3, 1, tzinfo=UTC)
TERMS = SidecarTerms("team-a", "standard", requester_digest("alice"))
GIVEN = class_sidecar("team-a", accepted(), DEFAULTS)
SIGNATURE = TERMS.sign(GIVEN, NOW, KEY)


def signed(signature: str = SIGNATURE) -> Pod:
    injected = inject(asking())
    injected["metadata"]["annotations"][ANNOTATION_SIDECAR_SIGNATURE] = signature
    return injected


def test_what_was_signed_is_read_back() -> None:
    assert TERMS.signed(signed(), NOW, KEY) == GIVEN


def test_what_the_pod_s_container_has_besides_is_no_part_of_it() -> None:
    pod = signed()
    daemon(pod).update(image="other", env=[])
    assert TERMS.signed(pod, NOW, KEY) == GIVEN


@pytest.mark.parametrize(
    "signature",
    [
        "",
        SIGNATURE + "\n",
        SIGNATURE + " ",
        SIGNATURE.replace("docker:29", "docker:28"),
        SIGNATURE.replace('"all"', '"of-others"'),
        SIGNATURE.replace("v1.", "v2."),
        SIGNATURE.replace(f".{SIGNATURE.split('.')[2]}.", f".{'0' * 64}."),
        SIGNATURE.replace(f".{int(NOW.timestamp())}.", f".{int(NOW.timestamp()) + 1}."),
        TERMS.sign(GIVEN, NOW, b"K" * 32),
        "x" * 100_000,
        f"v1.{int(NOW.timestamp())}.{'0' * 64}." + "[" * 200_000 + "]",
    ],
)
def test_a_signature_of_nobody_holds_for_nothing(signature: str) -> None:
    assert signature != SIGNATURE
    assert TERMS.signed(signed(signature), NOW, KEY) is None


@pytest.mark.parametrize(
    "terms",
    [
        replace(TERMS, namespace="team-b"),
        replace(TERMS, class_name="large"),
        replace(TERMS, requester=requester_digest("bob")),
    ],
    ids=["another namespace", "another class", "another requester"],
)
def test_it_holds_for_nobody_else(terms: SidecarTerms) -> None:
    assert terms.signed(signed(), NOW, KEY) is None


def test_it_holds_for_as_long_as_a_request_takes() -> None:
    for seconds, holds in ((0, True), (FRESH_SECONDS, True), (FRESH_SECONDS + 1, False), (-FRESH_SECONDS - 1, False)):
        assert (TERMS.signed(signed(), NOW + timedelta(seconds=seconds), KEY) is not None) is holds


def _other_command(pod: Pod) -> None:
    daemon(pod)["command"] = ["/bin/sh", "-c", "sleep inf"]


def _no_command(pod: Pod) -> None:
    del daemon(pod)["command"]


def _no_container(pod: Pod) -> None:
    del pod["spec"]["initContainers"]


def _among_the_others(pod: Pod) -> None:
    pod["spec"]["containers"].append(pod["spec"]["initContainers"].pop(0))


@pytest.mark.parametrize("change", [_other_command, _no_command, _no_container, _among_the_others])
def test_it_holds_for_the_start_script_too(change: Callable[[Pod], None]) -> None:
    pod = copy.deepcopy(signed())
    change(pod)
    assert TERMS.signed(pod, NOW, KEY) is None


def test_the_signature_of_an_id_is_none_of_a_sidecar() -> None:
    injection = Injection("0" * 20, TERMS.namespace, TERMS.class_name, TERMS.requester, int(NOW.timestamp()))
    pod = signed(injection.signature(KEY))
    assert TERMS.signed(pod, NOW, KEY) is None
    pod["metadata"]["annotations"] = {ANNOTATION_INJECTION_SIGNATURE: SIGNATURE}
    assert TERMS.signed(pod, NOW, KEY) is None


def test_it_is_short_enough_for_a_pod() -> None:
    assert len(SIGNATURE) < 4096
    variable = {"name": "LONG", "value": "x" * LONGEST_SIGNATURE}
    long = class_spec(podTemplate={"spec": {"containers": [{"name": "daemon", "env": [variable]}]}})
    assert TERMS.sign(class_sidecar("team-a", accepted(long), DEFAULTS), NOW, KEY) == ""
