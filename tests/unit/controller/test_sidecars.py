"""Running sidecars that nothing grants any more: announced, noted, confirmed by a fresh read, and ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.factory import DEFAULTS, class_spec
from tests.unit.domain.injection.sidecars import asking, inject
from tests.unit.fakes import START, FakeClock, WatchedKube
from tests.unit.remembered import remembered

from nested_docker.controller.fresh_look import FreshLook
from nested_docker.controller.outcome import Settled
from nested_docker.controller.routing import Router
from nested_docker.controller.sidecars import MOST_REPORTS, SHARED_LOOK_SECONDS, Sidecars
from nested_docker.controller.workqueue import WorkQueue
from nested_docker.domain.admission.acceptance import Accepted, NotAccepted
from nested_docker.domain.injection.sidecar_verdict import SIDECAR_STOP_SECONDS
from nested_docker.domain.names import ANNOTATION_DENIAL, ANNOTATION_GRANTED_BY
from nested_docker.domain.objects import CLIENT_POD
from nested_docker.domain.ports import KubeError
from nested_docker.domain.status.conditions import timestamp
from nested_docker.domain.status.reasons import Reason

KEY = ("team-a", "job")
GRACE = 30
OFFERED: dict[str, Any] = {"modes": ["Dind"], "injection": {"forms": ["Sidecar"]}}
GRANT: dict[str, Any] = {"namespaceSelector": {}, "allowedClasses": ["standard"], "allowedModes": ["Dind"]}


class Lab:
    """An operator with a job's pod."""

    def __init__(self) -> None:
        self.kube, self.clock = WatchedKube(), FakeClock()
        self.events: list[tuple[str, str]] = []
        self.judgements: list[Reason] = []
        self.kube.put("NestedDockerClass", "", "standard", spec=OFFERED)
        self.grant()
        self.kube.put("Namespace", "", "team-a")
        self.job()
        self.restart()

    def restart(self) -> None:
        """A new operator, which knows only what the API server has."""
        look = FreshLook(self.kube, self.kube.cache, Router(self.kube.cache, WorkQueue()))
        defaults = replace(DEFAULTS, denial_grace_seconds=GRACE)
        self.sidecars = Sidecars(self.kube.cache, self.kube, look, self.clock, self, self.judged, defaults)
        self.kube.writes.clear()
        self.kube.reads.clear()

    def record(self, regarding: Mapping[str, Any], _type: str, reason: str, message: str) -> None:
        """Record an Event."""
        assert regarding["kind"] == "Pod"
        assert regarding["namespace"].startswith("team-")
        self.events.append((reason, message))

    def judged(self, _pod: Mapping[str, Any], outcome: Accepted | NotAccepted) -> None:
        self.judgements.append(outcome.reason)

    @property
    def reasons(self) -> list[str]:
        return [reason for reason, _ in self.events]

    def grant(self, **fields: Any) -> None:
        self.kube.put("NestedDockerPolicy", "", "all", spec=GRANT | fields)

    def revoke(self) -> None:
        """An admin deletes the policy; the watch brings it."""
        policy = self.kube.objects.pop(("NestedDockerPolicy", "", "all"))
        self.kube.cache.remove(policy, "NestedDockerPolicy")

    def job(self, **metadata: Any) -> None:
        """Store the pod that the webhook has completed."""
        made = inject(asking(), class_spec(**OFFERED))
        given = {key: made["metadata"][key] for key in ("labels", "annotations")} | metadata
        given = {"creationTimestamp": timestamp(START)} | given
        self.kube.put(CLIENT_POD, *KEY, metadata=given, spec=made["spec"], status={"phase": "Running"})

    def another_job(self, name: str) -> None:
        """Store the same pod under another name, without a denial."""
        metadata = {**self.metadata(), "name": name, "uid": name}
        self.kube.again(self.kube.objects[CLIENT_POD, *KEY] | {"metadata": metadata})

    @property
    def fresh_reads(self) -> int:
        return self.kube.reads.count("list NestedDockerPolicy")

    def metadata(self) -> dict[str, Any]:
        """Of the pod, without a denial."""
        found = self.kube.objects[CLIENT_POD, *KEY]["metadata"]
        marks = {key: value for key, value in found["annotations"].items() if key != ANNOTATION_DENIAL}
        return found | {"annotations": marks}

    def pod(self) -> dict[str, Any] | None:
        return self.kube.objects.get((CLIENT_POD, *KEY))

    async def settle(self, seconds: float = 0) -> Settled:
        self.clock.seconds += seconds
        return await self.sidecars.settle(KEY)


async def test_what_is_granted_costs_nothing() -> None:
    lab = Lab()
    assert await lab.settle() == Settled()
    assert (lab.kube.writes, lab.kube.reads, lab.events, lab.judgements) == ([], [], [], [])


async def test_a_revoked_policy_ends_the_pod_when_the_grace_time_is_over() -> None:
    lab = Lab()
    lab.revoke()
    settled = await lab.settle()
    assert settled.requeue_at == START + timedelta(seconds=GRACE)
    assert lab.reasons == ["SidecarDenied"]
    assert lab.events[0][1].startswith(f"the operator deletes the pod at {timestamp(settled.requeue_at)}, unless this")
    assert "cluster admin" in lab.events[0][1]
    assert (await lab.settle(GRACE - 1)).requeue_at == settled.requeue_at
    assert lab.pod() is not None
    assert lab.kube.writes == ["annotate ClientPod/job"], "nothing is written or told again"
    assert await lab.settle(1) == Settled()
    assert lab.pod() is None
    assert lab.reasons == ["SidecarDenied", "SidecarStopped"]
    assert lab.judgements == [Reason.NOT_GRANTED]
    assert await lab.settle(1) == Settled()


async def test_a_policy_that_is_back_in_time_saves_the_pod_and_does_not_set_the_clock_back() -> None:
    lab = Lab()
    lab.revoke()
    await lab.settle()
    lab.grant()
    assert await lab.settle(20) == Settled()
    assert lab.reasons == ["SidecarDenied", "SidecarGranted"]
    lab.revoke()
    assert (await lab.settle(100)).requeue_at == START + timedelta(seconds=120 + GRACE - 21)


async def test_a_restart_in_the_grace_time_neither_restarts_nor_skips_it() -> None:
    lab = Lab()
    lab.revoke()
    before = await lab.settle()
    lab.restart()
    assert await lab.settle(GRACE - 1) == before
    assert lab.reasons == ["SidecarDenied"], "it is told once"
    await lab.settle(1)
    assert lab.pod() is None


async def test_a_watch_that_lags_behind_ends_nothing() -> None:
    lab = Lab()
    policy = lab.kube.objects["NestedDockerPolicy", "", "all"]
    lab.revoke()
    lab.kube.objects["NestedDockerPolicy", "", "all"] = policy | {
        "metadata": policy["metadata"] | {"uid": "another", "resourceVersion": "999"}
    }
    assert await lab.settle() == Settled()
    assert (lab.events, lab.kube.writes) == ([], [])


@pytest.mark.parametrize("seconds", [0, GRACE], ids=["at the denial", "at the end"])
async def test_what_cannot_be_read_denies_and_ends_nothing(seconds: int) -> None:
    lab = Lab()
    lab.revoke()
    if seconds:
        await lab.settle()
    written = [*lab.kube.writes]
    lab.kube.failing = {"list NestedDockerPolicy"}
    with pytest.raises(KubeError):
        await lab.settle(seconds)
    assert lab.kube.writes == written
    assert lab.pod() is not None
    lab.kube.failing = set()
    await lab.settle()
    assert (lab.pod() is None) == bool(seconds)


async def test_without_permission_to_read_the_watch_decides() -> None:
    lab = Lab()
    lab.revoke()
    lab.kube.forbidden = {"list NestedDockerPolicy"}
    await lab.settle()
    await lab.settle(GRACE)
    assert lab.pod() is None


async def test_a_clock_that_cannot_be_written_goes_on_and_is_written_later() -> None:
    lab = Lab()
    lab.revoke()
    lab.kube.forbidden = {"annotate ClientPod"}
    for _ in range(2):
        with pytest.raises(KubeError, match="cannot annotate"):
            await lab.settle(1)
    assert lab.reasons == ["SidecarDenied"]
    lab.kube.forbidden = set()
    assert (await lab.settle(1)).requeue_at == START + timedelta(seconds=1 + GRACE)
    assert timestamp(START + timedelta(seconds=1)) in (lab.pod() or {})["metadata"]["annotations"][ANNOTATION_DENIAL]
    lab.kube.forbidden = {"annotate ClientPod"}
    await lab.settle(GRACE)
    assert lab.pod() is None


async def test_a_grant_that_cannot_be_written_after_a_restart_is_told_once() -> None:
    lab = Lab()
    lab.revoke()
    await lab.settle()
    lab.grant()
    lab.restart()
    lab.kube.forbidden = {"annotate ClientPod"}
    for _ in range(2):
        with pytest.raises(KubeError, match="cannot annotate"):
            await lab.settle(1)
    assert lab.reasons == ["SidecarDenied", "SidecarGranted"]
    lab.kube.forbidden = set()
    assert await lab.settle(1) == Settled()
    assert remembered(lab.sidecars) == 0


async def test_the_end_does_not_wait_for_the_annotation() -> None:
    lab = Lab()
    lab.revoke()
    lab.kube.forbidden = {"annotate ClientPod"}
    for seconds in (0, GRACE):
        with pytest.raises(KubeError, match="cannot annotate"):
            await lab.settle(seconds)
    assert lab.pod() is None


async def test_a_deletion_that_is_refused_is_told_once_and_tried_again() -> None:
    lab = Lab()
    lab.revoke()
    await lab.settle()
    lab.kube.forbidden = {"delete ClientPod"}
    for _ in range(3):
        with pytest.raises(KubeError, match="cannot delete"):
            await lab.settle(GRACE)
    assert lab.reasons == ["SidecarDenied", "SidecarStopped", "SidecarNotStopped"]
    assert "permission to delete" in lab.events[-1][1]
    lab.kube.forbidden = set()
    await lab.settle()
    assert lab.pod() is None


async def test_another_pod_of_the_name_has_a_clock_of_its_own() -> None:
    lab = Lab()
    lab.revoke()
    lab.kube.forbidden = {"annotate ClientPod"}
    with pytest.raises(KubeError):
        await lab.settle()
    lab.kube.forbidden = set()
    await lab.kube.delete(CLIENT_POD, *KEY, "")
    lab.job(uid="uid-of-another")
    assert (await lab.settle(GRACE)).requeue_at == START + timedelta(seconds=2 * GRACE)


async def test_a_policy_that_only_reports_is_told_once() -> None:
    lab = Lab()
    lab.grant(allowedModes=["Rootless"], onViolation="Report")
    for _ in range(2):
        assert await lab.settle(GRACE) == Settled()
    assert lab.reasons == ["SidecarGrantRevoked"]
    assert lab.kube.writes == ["put NestedDockerPolicy/all"], "that of the admin"
    lab.job(annotations={**(lab.pod() or {})["metadata"]["annotations"], ANNOTATION_GRANTED_BY: "other"})
    assert (await lab.settle()).requeue_at is not None


async def test_a_grant_that_is_revoked_again_is_told_again() -> None:
    lab = Lab()
    for _ in range(2):
        lab.grant(allowedModes=["Rootless"], onViolation="Report")
        await lab.settle()
        lab.grant()
        await lab.settle()
    assert lab.reasons == ["SidecarGrantRevoked"] * 2


async def test_a_pod_that_asks_for_a_long_end_does_not_get_it() -> None:
    lab = Lab()
    year = timedelta(days=365)
    lab.job(deletionTimestamp=timestamp(START + year), finalizers=["example.com/kept"])
    lab.revoke()
    await lab.settle()
    graces: list[int | None] = []
    delete = lab.kube.delete

    async def noted(*place: str, grace_seconds: int | None = None) -> None:
        graces.append(grace_seconds)
        await delete(*place, grace_seconds=grace_seconds)

    lab.kube.delete = noted  # type: ignore[method-assign,assignment]
    await lab.settle(GRACE)
    assert graces == [SIDECAR_STOP_SECONDS]


async def test_a_pod_without_the_sidecar_is_left_alone() -> None:
    lab = Lab()
    pod = lab.pod() or {}
    lab.kube.again(pod | {"spec": {"containers": [{"name": "build"}], "initContainers": []}})
    lab.revoke()
    assert await lab.settle() == Settled()
    assert (lab.events, lab.kube.writes) == ([], [])


async def test_pods_of_a_namespace_share_a_fresh_read_and_an_end_needs_one_of_its_own() -> None:
    lab = Lab()
    others = [f"job-{number}" for number in range(20)]
    for name in others:
        lab.another_job(name)
    lab.revoke()
    for seconds, read in ((0, 1), (GRACE, 2)):
        await lab.settle(seconds)
        for name in others:
            await lab.sidecars.settle(("team-a", name))
        assert lab.fresh_reads == read
    assert lab.pod() is None


async def test_a_fresh_read_of_before_the_end_does_not_confirm_it() -> None:
    lab = Lab()
    lab.another_job("other")
    lab.revoke()
    await lab.settle()
    lab.clock.seconds += GRACE - 1
    await lab.sidecars.settle(("team-a", "other"))
    assert lab.fresh_reads == 2
    await lab.settle(1)
    assert lab.fresh_reads == 3
    assert lab.pod() is None


async def test_a_fresh_read_does_not_count_when_what_governs_has_changed() -> None:
    lab = Lab()
    lab.another_job("other")
    lab.revoke()
    await lab.settle()
    lab.kube.put("NestedDockerClass", "", "standard", spec=OFFERED | {"evictions": "Denied"})
    await lab.sidecars.settle(("team-a", "other"))
    assert lab.fresh_reads == 2


async def test_a_pod_that_a_fresh_read_has_not_known_needs_another_one() -> None:
    lab = Lab()
    lab.revoke()
    await lab.settle()
    lab.another_job("late")
    await lab.sidecars.settle(("team-a", "late"))
    assert lab.fresh_reads == 2


async def test_a_policy_with_names_must_name_those_of_injected_daemons() -> None:
    lab = Lab()
    lab.grant(allowedNames=["ci-*", "injected-*"])
    await lab.settle()
    assert lab.events == []
    lab.grant(allowedNames=["ci-*"])
    await lab.settle()
    assert lab.reasons == ["SidecarDenied"]
    assert "allowedNames has ci-*" in lab.events[0][1]


async def test_nothing_is_remembered_of_a_pod_that_is_granted() -> None:
    lab = Lab()
    await lab.settle()
    lab.grant(allowedModes=["Rootless"], onViolation="Report")
    await lab.settle()
    assert remembered(lab.sidecars) == 2, "the pod, and what was told"
    lab.grant()
    await lab.settle()
    assert remembered(lab.sidecars) == 0


async def test_nothing_is_remembered_of_a_pod_whose_clock_is_in_its_annotation() -> None:
    lab = Lab()
    lab.revoke()
    before = remembered(lab.sidecars)
    await lab.settle()
    looks = remembered(lab.sidecars) - before
    assert looks == 1, "the fresh read of the namespace"
    lab.kube.forbidden = {"annotate ClientPod"}
    lab.another_job("unwritten")
    with pytest.raises(KubeError):
        await lab.sidecars.settle(("team-a", "unwritten"))
    assert remembered(lab.sidecars) == looks + 1
    lab.kube.forbidden = set()
    await lab.sidecars.settle(("team-a", "unwritten"))
    assert remembered(lab.sidecars) == looks


async def test_nothing_is_remembered_of_pods_that_were_stopped() -> None:
    lab = Lab()
    lab.revoke()
    for number in range(3):
        lab.job(uid=f"uid-{number}")
        await lab.settle()
        await lab.settle(GRACE)
        assert lab.pod() is None
        await lab.settle()
        assert remembered(lab.sidecars) == 1, "the fresh read of the namespace"


async def test_fresh_reads_that_are_old_are_not_remembered() -> None:
    lab = Lab()
    lab.revoke()
    stored = lab.kube.objects[CLIENT_POD, *KEY]
    for number in range(5):
        namespace = f"team-{number}"
        lab.kube.put("Namespace", "", namespace)
        lab.kube.again(stored | {"metadata": {**lab.metadata(), "namespace": namespace, "uid": namespace}})
        lab.clock.seconds += SHARED_LOOK_SECONDS
        await lab.sidecars.settle((namespace, KEY[1]))
        assert remembered(lab.sidecars) == 1


async def test_few_of_very_many_events_of_a_pod_are_remembered() -> None:
    lab = Lab()
    for number in range(2 * MOST_REPORTS):
        lab.grant(allowedClasses=["standard", f"other-{number}"], allowedModes=["Rootless"], onViolation="Report")
        lab.kube.put("NestedDockerPolicy", "", "second", spec=GRANT | {"allowedClasses": [f"no-{number}"]})
        await lab.settle()
    assert len({message for _, message in lab.events}) == 2 * MOST_REPORTS
    assert remembered(lab.sidecars) <= 1 + MOST_REPORTS
