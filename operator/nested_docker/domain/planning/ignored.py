"""Fields that have no effect in the mode, the class or the combination that they are in: their user must know."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from nested_docker.api.v1alpha1.nested_docker import Hazard
from nested_docker.api.v1alpha1.policy import PublishedPorts
from nested_docker.domain.effective import Origin
from nested_docker.domain.modes import MODES, host_socket
from nested_docker.domain.planning import lifetime
from nested_docker.domain.planning.situation import Situation
from nested_docker.domain.shown import shorten

OF_THE_POD = frozenset({"engine.imagePullSecrets"})
"""Fields of `engine` that shape the pod in every mode; the others, and `storage`, shape a daemon in the pod."""

OWN_DAEMON = tuple(mode.value for mode, behaviour in MODES.items() if behaviour.runs_own_daemon)
"""Modes in which the pod runs a daemon."""

TEXT_LENGTH = 1000


@dataclass(frozen=True)
class Ignored:
    """Fields without an effect.

    Attributes:
        fields: their paths, and whose they are.
        count: how many.
        because: why they have none.
        remedy: what to do about it.
    """

    fields: str
    count: int
    because: str
    remedy: str

    @property
    def message(self) -> str:
        """The fields, and why they have no effect."""
        return f"{self.fields} {'has' if self.count == 1 else 'have'} no effect: {self.because}."


Rule = Callable[[Situation], Iterator[Ignored]]


def ignored_hazards(at: Situation) -> list[Hazard]:
    """The hazard of fields that are set and have no effect; empty: every field has one.

    It is a hazard and not a denial, since a NestedDocker that serves must not end because of a field that does
    nothing.
    """
    found = [each for rule in RULES for each in rule(at)]
    if not found:
        return []
    return [
        Hazard(
            type="IgnoredFields",
            message=shorten(" ".join(each.message for each in found), TEXT_LENGTH),
            remedy=shorten(" ".join(each.remedy for each in found), TEXT_LENGTH),
        )
    ]


def _daemon_settings(at: Situation) -> Iterator[Ignored]:
    """Settings of a daemon in the pod, where there is none; those of a class may be for another of its modes."""
    if at.mode.runs_own_daemon:
        return
    because = f"in mode {at.effective.mode} clients use the node's daemon, and the pod runs none"
    own = [f"spec.{path}" for path in _set_by(Origin.SPEC, at)]
    if own:
        remedy = f"Remove {_them(own)}, or choose mode {' or '.join(OWN_DAEMON)} at creation."
        yield Ignored(", ".join(own), len(own), because, remedy)
    theirs = _set_by(Origin.CLASS, at)
    if theirs and not any(MODES[mode].runs_own_daemon for mode in at.accepted.class_spec.modes):
        remedy = f"Ask a cluster admin to remove {_them(theirs)} from the class."
        yield Ignored(f"{', '.join(theirs)} of {_class(at)}", len(theirs), because, remedy)


def _set_by(origin: Origin, at: Situation) -> list[str]:
    """Paths of the daemon's settings that the spec or the class sets."""
    return [
        path
        for path, setter in sorted(at.effective.origins.items())
        if setter == origin and (path == "storage" or (path.startswith("engine.") and path not in OF_THE_POD))
    ]


def _clients(at: Situation) -> Iterator[Ignored]:
    """Without a NetworkPolicy nothing keeps clients out but their certificates."""
    if at.manages_network:
        return
    policy = at.observed.policies.get(at.accepted.policy)
    denied = policy is not None and policy.published_ports == PublishedPorts.DENIED and at.mode.runs_own_daemon
    fields = [
        *(["spec.connection.clients"] if at.accepted.spec.connection.clients else []),
        *([f"publishedPorts of NestedDockerPolicy {at.accepted.policy}"] if denied else []),
    ]
    if fields:
        yield Ignored(
            ", ".join(fields),
            len(fields),
            f"networkPolicy of {_class(at)} is Unmanaged, so the operator writes no NetworkPolicy and every pod can "
            "connect to the daemon's pod, though only those with the connection Secret can use Docker",
            "Write a NetworkPolicy for the daemon's pod, or ask a cluster admin for a class with networkPolicy: "
            "Managed.",
        )


def _time_to_live(at: Situation) -> Iterator[Ignored]:
    """A time after the end of what never ends; a class's is for those that do."""
    spec, effective = at.accepted.spec, at.effective
    ends = at.accepted.lifetime_seconds or effective.idle_timeout_seconds or lifetime.one_shot(at.accepted)
    if spec.ttl_seconds_after_finished is not None and not ends:
        yield Ignored(
            "spec.ttlSecondsAfterFinished",
            1,
            "nothing ends this daemon, so it never finishes",
            "Set spec.activeDeadlineSeconds, spec.idleTimeoutSeconds or a workload with restartPolicy: Never, or "
            "remove spec.ttlSecondsAfterFinished.",
        )


def _host_socket(at: Situation) -> Iterator[Ignored]:
    if host_socket.is_unused(at.accepted.class_spec):
        mode = host_socket.HostSocket.mode
        yield Ignored(
            f"hostSocket of {_class(at)}",
            1,
            f"its modes do not have {mode}",
            f"Ask a cluster admin to remove hostSocket from the class, or to add mode {mode}.",
        )


RULES: tuple[Rule, ...] = (_daemon_settings, _clients, _time_to_live, _host_socket)


def _class(at: Situation) -> str:
    return f"NestedDockerClass {at.accepted.class_name}"


def _them(fields: Sequence[str]) -> str:
    return "it" if len(fields) == 1 else "them"
