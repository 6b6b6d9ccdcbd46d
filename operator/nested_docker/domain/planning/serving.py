"""Serving: every object exists, and the connection Secrets exist while the daemon answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from nested_docker.api.meta import Status
from nested_docker.domain import names, pki
from nested_docker.domain.effective import Origin
from nested_docker.domain.key_set import KeySet
from nested_docker.domain.manifests import metadata, secrets, storage
from nested_docker.domain.manifests.disruption_budget import disruption_budget
from nested_docker.domain.manifests.metadata import with_metadata
from nested_docker.domain.manifests.pod import pod as pod_manifest
from nested_docker.domain.manifests.service import service
from nested_docker.domain.modes.base import PodContext
from nested_docker.domain.modes.preflight import incapable_nodes
from nested_docker.domain.planning import exposure
from nested_docker.domain.planning import node_cleanup as cleanup
from nested_docker.domain.planning.blocked import Blocked, leave_out
from nested_docker.domain.planning.child_diff import Create, Stage, action_identity, nonempty
from nested_docker.domain.planning.contested import Withheld, withhold
from nested_docker.domain.planning.exposure import wanted_network_policy
from nested_docker.domain.planning.patience import Grace
from nested_docker.domain.planning.planned import Plan, ProbeTarget, if_changed
from nested_docker.domain.planning.reachability import Reachability, assess
from nested_docker.domain.planning.replacement import DESCRIPTIONS, LOSSES, REQUESTED, cause_of, is_stalled
from nested_docker.domain.planning.situation import Situation
from nested_docker.domain.planning.status import status_of, truth
from nested_docker.domain.planning.waiting import restart_command, why_it_waits
from nested_docker.domain.status.conditions import Conditions, parse_timestamp, timestamp
from nested_docker.domain.status.reasons import Reason, Type

DIAGNOSE_AFTER = timedelta(seconds=4)
"""How long a pod may start without news in its status before the operator reads the kubelet's Events."""

CLAIM_INTERVAL = timedelta(seconds=5)
"""Time between two looks at the pods that use a claim: the operator does not watch other people's pods."""

CREDENTIALS_REFRESH, CREDENTIALS_RETRY = timedelta(minutes=2), timedelta(seconds=15)
"""How often the operator looks at registry credentials, which it does not watch, and at those that are unusable."""

PENDING_UPDATES = {
    Origin.SPEC: (Reason.CLASS_UPDATED, "the class"),
    Origin.CLASS: (Reason.CLASS_UPDATED, "the class"),
    Origin.POLICY: (Reason.POLICY_UPDATED, "the policy"),
    Origin.OPERATOR: (Reason.DEFAULTS_UPDATED, "the operator's defaults"),
}
"""Reason and subject of a pending update, by who has changed the value. A change of the spec takes effect at once."""


def serve(at: Situation, conditions: Conditions, key_set: KeySet) -> Plan:
    """The plan of a NestedDocker that has its daemon, or gets it."""
    reach = assess(at.observed, at.pod, at.mode, at.defaults.operator_namespace)
    held, released = (at.children.add_finalizer(), ()) if at.outlives_owner else ((), at.children.remove_finalizer())
    stages = nonempty(held, *_gated(at, reach, *_provision(at, key_set)), released)
    stages, blocked = leave_out(stages, at.blocked, at.nested_docker)
    if any(each.matters for each in blocked):
        stages = _unpublished(at, stages)
    stages, withheld = withhold(stages, at.observed.corrections, at.now)
    grace = exposure.grace_left(at) if exposure.is_exposed(at) else None
    conditions.set(Type.PROVISIONED, *_provisioned(at, [*blocked, *withheld], grace))
    conditions.assess(Type.DAEMON_REACHABLE, reach.reason, _with_context(at, reach), holds=reach.reachable)
    if reach.reachable and blocked and not withheld and _can_connect(at, blocked):
        conditions.set(Type.READY, Status.TRUE, Reason.READY, "clients can connect")
    _set_update_pending(at, conditions, key_set)
    planned = at.replacement
    if planned is not None and at.cause in REQUESTED and not is_stalled(planned.cause, planned.same_cause):
        # Clients may go on with the old pod, but who asked for another one waits for that.
        waits = (blocked[0].reason, blocked[0].message) if blocked else why_it_waits(at, planned)
        conditions.set(Type.READY, Status.FALSE, *waits)
    return Plan(
        stages=stages,
        status=if_changed(at.observed, status_of(at, conditions, serving=True, reach=reach, grace=grace)),
        probe=_probe(at, reach),
        keep_answer=reach.fresh and bool(blocked or withheld),
        diagnose=_diagnose(at),
        requeue_at=_next_look(at, key_set, withheld, grace),
        claim=at.unchecked_claim,
    )


def _with_context(at: Situation, reach: Reachability) -> str:
    """The message, with what is known of the nodes, or of what happened to the pod before."""
    if reach.reason == Reason.UNSCHEDULABLE:
        obstacle = at.mode.obstacle(at.effective, at.observed.cluster)
        return f"{reach.message}; {obstacle.message}" if obstacle is not None else reach.message
    lost, latest = at.lost_pod, at.latest_replacement
    if reach.reason != Reason.DAEMON_STARTING or lost is None or latest is None or cause_of(latest) not in LOSSES:
        return reach.message
    return f"{reach.message}; Pod {lost.name} was lost before: {lost.message}"


def _unpublished(at: Situation, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The stages without the creation of the files Secret: new clients wait until everything else is there."""
    files = at.object_names.files_secret
    return nonempty(
        *(
            tuple(each for each in stage if not (isinstance(each, Create) and action_identity(each) == files))
            for stage in stages
        )
    )


def _can_connect(at: Situation, blocked: list[Blocked]) -> bool:
    """Whether clients have what they need, although not everything can be written."""
    location = at.object_names
    needed = {location.service, location.env_secret, location.files_secret}
    wrong = {each.identity for each in blocked if each.matters}
    there = {each for each, _ in at.observed.ours()}
    return needed <= there and not any(each in needed or each.kind == "Pod" for each in wrong)


def _provisioned(
    at: Situation, missing: Sequence[Blocked | Withheld], grace: Grace | None
) -> tuple[Status, Reason, str]:
    if at.unclean is not None:
        message = cleanup.describe(at.unclean, at.defaults, at.observed.cluster.nodes, at.observed.cleanup_failure)
        return Status.FALSE, Reason.CLEANING_UP, message
    if at.claim_user:
        claim = at.object_names.data_claim.name
        message = (
            f"pod {at.claim_user} uses PersistentVolumeClaim {claim}, so the daemon waits until that pod has ended"
        )
        return Status.FALSE, Reason.WAITING_FOR_PREVIOUS, message
    credentials = at.observed.registry_credentials
    if credentials is not None and credentials.problem:
        return Status.FALSE, Reason.CREDENTIALS_UNUSABLE, credentials.problem
    if not missing:
        stuck = at.pod.stuck_container if at.pod else ""
        return Status.TRUE, Reason.PROVISIONED, f"every object exists, but {stuck}" if stuck else "every object exists"
    worst = max(missing, key=lambda each: each.matters)
    message = worst.message
    if others := [f"{each.identity.kind} {each.identity.name}" for each in missing if each is not worst]:
        message = f"{message}. The same applies to {', '.join(others)}"
    if grace is not None:
        end = timestamp(grace.until)
        message = f"others than the declared clients may connect, so the operator stops the daemon at {end}: {message}"
    return truth(holds=not worst.matters), worst.reason, message


def _provision(at: Situation, key_set: KeySet) -> tuple[Stage, Stage]:
    """Everything but the connection Secrets, and the pod unless it waits; what it mounts precedes it."""
    object_names, children = at.object_names, at.children
    claim = storage.data_claim(object_names, at.effective.storage) if at.mode.runs_own_daemon else None
    shared = metadata.of_children(at.effective)
    claim = with_metadata(claim, metadata.of_claim(at.effective)) if claim else None
    waits = at.unclean is not None or bool(at.claim_user)
    restart = at.observed.annotations.get(names.ANNOTATION_RESTART)
    context = PodContext(object_names, at.effective, at.defaults, _avoided_nodes(at, key_set))
    wanted_pod = None if waits else pod_manifest(context, at.mode, key_set.id, restart)
    key_secret = secrets.tls(object_names, key_set)
    return (
        children.ensure(claim, with_metadata(key_secret, shared)),
        children.remove_pods(but=object_names.pod(key_set.id))
        + children.remove_key_sets(but=object_names.tls_secret(key_set.id))
        + children.remove_others(object_names)
        + children.ensure(wanted_pod, with_metadata(service(object_names, key_set.id), shared))
        + _network(at)
        + _evictions(at),
    )


def _avoided_nodes(at: Situation, key_set: KeySet) -> tuple[str, ...]:
    """Nodes that a new pod must avoid. One that is there keeps what it has, so thousands of nodes are not looked at."""
    if at.object_names.pod(key_set.id) in at.observed.children:
        return ()
    cluster = at.observed.cluster
    return incapable_nodes(at.mode.node_needs(at.effective, cluster), cluster)


def _evictions(at: Situation) -> Stage:
    if not at.evictions_denied:
        return at.children.remove(at.object_names.disruption_budget)
    return at.children.ensure(with_metadata(disruption_budget(at.object_names), metadata.of_children(at.effective)))


def _network(at: Situation) -> Stage:
    if not at.manages_network:
        return at.children.remove(at.object_names.network_policy)
    return at.children.ensure(wanted_network_policy(at))


def _gated(at: Situation, reach: Reachability, mounted: Stage, rest: Stage) -> tuple[Stage, ...]:
    """The connection Secrets: written last if the daemon has answered, the files removed first if it has not.

    Nothing is removed for a new pod whose keys cannot be stored.
    A workload that takes registry credentials from the env Secret could not start without it, so there it comes first.
    """
    env = _env(at)
    early = env if at.effective.workload_credentials else ()
    if not reach.probe_result:
        return (mounted, at.children.withdraw(), early, rest)
    template, shared = at.accepted.spec.connection.secret_template, metadata.of_children(at.effective)
    files = secrets.files(at.object_names, template, reach.probe_result)
    return (early, mounted, rest, () if early else env, at.children.ensure(with_metadata(files, shared)))


def _env(at: Situation) -> Stage:
    """The env Secret; one whose registry credentials are unusable stays as it is."""
    credentials = at.observed.registry_credentials
    if credentials is not None and credentials.problem:
        return ()
    node = at.pod.host_ip if at.pod else ""
    further = at.mode.client_env(at.effective, node)
    env = secrets.env(at.object_names, at.accepted.spec.connection.secret_template, further, credentials)
    return at.children.ensure(with_metadata(env, metadata.of_children(at.effective)))


def _set_update_pending(at: Situation, conditions: Conditions, key_set: KeySet) -> None:
    how = restart_command(at)
    if at.grace is not None and at.cause is not None:
        end = timestamp(at.grace.until)
        message = f"{DESCRIPTIONS[at.cause]}: the operator replaces the pod at {end}, unless the policy changes back"
        conditions.set(Type.UPDATE_PENDING, Status.TRUE, Reason.POLICY_UPDATED, message)
    elif at.replacement is not None:
        reason, message = why_it_waits(at, at.replacement)
        conditions.set(Type.UPDATE_PENDING, Status.TRUE, reason, message)
    elif at.change is not None:
        reason, who = PENDING_UPDATES[at.change.origin]
        message = f"{who} changed {at.change.path}; the running pod has the previous value until you restart it: {how}"
        conditions.set(Type.UPDATE_PENDING, Status.TRUE, reason, message)
    elif at.deadline is None and key_set.not_after - at.now < pki.RENEW_BEFORE:
        expiry = timestamp(key_set.not_after)
        message = f"the operator replaces the pod before its certificates expire at {expiry}; to do it earlier: {how}"
        conditions.set(Type.UPDATE_PENDING, Status.TRUE, Reason.CERTIFICATE_EXPIRING, message)


def _probe(at: Situation, reach: Reachability) -> ProbeTarget | None:
    if at.pod is None or not reach.needs_probe:
        return None
    since = at.pod.ready_since if reach.probe_result else ""  # the first contact goes on when the pod becomes ready
    return ProbeTarget(at.pod.uid, at.pod.restarts, at.pod.ip, at.object_names.host, since)


def _diagnose(at: Situation) -> str:
    since = at.silent_since
    return at.pod.uid if at.pod and since and at.now - since >= DIAGNOSE_AFTER else ""


def _next_look(at: Situation, key_set: KeySet, withheld: list[Withheld], grace: Grace | None) -> datetime | None:
    credentials = at.observed.registry_credentials
    moments = [
        at.now + (CREDENTIALS_RETRY if credentials.problem else CREDENTIALS_REFRESH) if credentials else None,
        *(each.until for each in withheld),
        at.deadline,
        at.grace.until if at.grace else None,
        grace.until if grace else None,
        at.now + CLAIM_INTERVAL if at.claim_user else None,
        parse_timestamp(at.replacement.time) if at.replacement else None,
        key_set.not_after - pki.RENEW_BEFORE,
        at.observed.failed_renewal.until if at.observed.failed_renewal else None,
        key_set.not_after - pki.MARGIN / 2,
        at.silent_since + DIAGNOSE_AFTER if at.silent_since else None,
    ]
    return min((moment for moment in moments if moment and moment > at.now), default=None)
