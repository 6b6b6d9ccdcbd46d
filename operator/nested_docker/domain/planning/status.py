"""The status of an accepted NestedDocker."""

from __future__ import annotations

from nested_docker.api.meta import Condition, Status
from nested_docker.api.v1alpha1 import NestedDockerStatus
from nested_docker.api.v1alpha1.nested_docker import AdmittedPod, BindingReference, EngineStatus, Hazard
from nested_docker.domain.admission.denial_clock import granted
from nested_docker.domain.modes.networks import pool_hazards
from nested_docker.domain.planning.ignored import ignored_hazards
from nested_docker.domain.planning.patience import Grace
from nested_docker.domain.planning.reachability import Reachability
from nested_docker.domain.planning.situation import Situation
from nested_docker.domain.status.conditions import Conditions, timestamp
from nested_docker.domain.status.reasons import Type


def status_of(
    at: Situation,
    conditions: Conditions,
    *,
    serving: bool,
    reach: Reachability | None = None,
    grace: Grace | None = None,
) -> NestedDockerStatus:
    """The whole status; `grace` is what is left to a pod that the policy grants and that others may reach.

    Node and daemon facts are written together when the daemon has answered: a write for each step of the start would
    be too many.
    """
    engine, ending = _engine(at, reach), at.grace or grace
    pod = at.pod if serving else None
    completed = conditions.complete()
    key_set = at.key_set if serving else None
    return NestedDockerStatus(
        observed_generation=at.observed.generation,
        observed_restart=at.observed.restart,
        conditions=completed,
        binding=BindingReference(name=at.object_names.files_secret.name) if serving else None,
        endpoint=at.object_names.endpoint if serving else "",
        class_name=at.accepted.class_name,
        mode=at.effective.mode,
        modes_not_chosen=list(at.accepted.modes_not_chosen),
        policy_name=at.observed.status.policy_name if at.grace else at.accepted.policy,
        pod_namespace=at.object_names.pod_namespace if serving else "",
        pod_name=at.object_names.pod(key_set.id).name if key_set else "",
        node_name=pod.node if pod and engine else "",
        admitted_pod=_admitted(at, completed) if serving else None,
        replacement=at.latest_replacement,
        lost_pod=at.lost_pod,
        denial=ending.denial if ending else granted(at.observed.latest_denial, at.now),
        engine=engine,
        isolation=at.mode.isolation,
        hazards=[*at.mode.hazards(at.effective, engine), *_network_hazards(at), *ignored_hazards(at)],
        expiration_time=timestamp(at.deadline) if at.deadline else None,
        certificate_expiration_time=timestamp(key_set.not_after) if key_set else None,
    )


def _admitted(at: Situation, conditions: list[Condition]) -> AdmittedPod | None:
    ready = any(each.type == Type.READY and each.status == Status.TRUE for each in conditions)
    return at.admitted.model_copy(update={"served": at.has_served or ready}) if at.admitted else None


def truth(*, holds: bool) -> Status:
    """True or False as the status of a condition."""
    return Status.TRUE if holds else Status.FALSE


def _network_hazards(at: Situation) -> list[Hazard]:
    if not at.mode.runs_own_daemon:
        return []
    service, *servers = at.defaults.cluster_addresses or ("",)
    own = (at.pod.ip, at.pod.host_ip) if at.pod else ()
    return pool_hazards(at.effective.engine.address_pools or (), service, (*servers, *own))


def _engine(at: Situation, reach: Reachability | None) -> EngineStatus | None:
    if reach is None or not reach.probe_result:
        return None
    return at.observed.probe_result.engine if reach.fresh and at.observed.probe_result else at.observed.status.engine
