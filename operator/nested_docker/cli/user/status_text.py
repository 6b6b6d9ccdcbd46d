"""Everything about one NestedDocker, as text."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from nested_docker.cli.user.durations import age_of, format_duration, parse_moment
from nested_docker.client.progress import condition
from nested_docker.domain.objects import Manifest
from nested_docker.domain.shown import printable_strings

LABEL_WIDTH = 14
MAX_EVENTS = 10
ISOLATION_MEANINGS = {
    "None": "none: root in a container is root on the node",
    "SharedDaemon": "shared daemon: the node's own, which runs the containers of others too",
    "UserNamespace": "user namespace: root in a container is nobody on the node",
}


def status_text(nested_docker: Manifest, events: Iterable[Manifest], now: datetime) -> str:
    """Summary, hazards, conditions and events.

    Args:
        nested_docker: the object.
        events: of it, in any order.
        now: the time that ages are relative to.
    """
    nested_docker, events = printable_strings(nested_docker), map(printable_strings, events)
    status: Manifest = nested_docker.get("status") or {}
    parts = [_summary(nested_docker, status, now), _hazards(status), _conditions(status, now), _events(events, now)]
    return "\n\n".join(part for part in parts if part)


def _summary(nested_docker: Manifest, status: Manifest, now: datetime) -> str:
    metadata, engine = nested_docker["metadata"], status.get("engine") or {}
    ready = condition(nested_docker, "Ready")
    state = f"{ready.get('reason', 'Unknown')}: {ready.get('message', 'the operator has not looked at it yet')}"
    isolation = str(status.get("isolation") or "")
    driver = f", {engine['storageDriver']}" if engine.get("storageDriver") else ""
    lines = {
        "Name": f"{metadata.get('namespace', '')}/{metadata['name']}",
        "State": state,
        "Endpoint": status.get("endpoint"),
        "Mode": status.get("mode"),
        "Isolation": ISOLATION_MEANINGS.get(isolation, isolation),
        "Class": status.get("className") or (nested_docker.get("spec") or {}).get("className"),
        "Policy": status.get("policyName"),
        "Pod": "/".join(filter(None, (status.get("podNamespace"), status.get("podName")))),
        "Node": status.get("nodeName"),
        "Docker": f"{engine['version']}{driver}" if engine.get("version") else "",
        "Certificate": _expiry(status.get("certificateExpirationTime"), now),
        "Stops": _expiry(status.get("expirationTime"), now),
        "Finished": status.get("completionTime"),
        "Age": age_of(metadata.get("creationTimestamp"), now),
    }
    return "\n".join(f"{label + ':':{LABEL_WIDTH}}{value}" for label, value in lines.items() if value)


def _expiry(timestamp: object, now: datetime) -> str:
    moment = parse_moment(timestamp)
    if moment is None:
        return ""
    left = (moment - now).total_seconds()
    return f"expired at {timestamp}" if left < 0 else f"{format_duration(left)} left, until {timestamp}"


def _hazards(status: Manifest) -> str:
    lines = []
    for each in status.get("hazards") or []:
        lines += [f"  {each.get('type')}: {each.get('message')}", f"    -> {each.get('remedy')}"]
    return "\n".join(["Hazards:", *lines]) if lines else ""


def _conditions(status: Manifest, now: datetime) -> str:
    lines = [
        f"  {each.get('type', ''):16} {each.get('status', ''):8} {each.get('reason', '')} "
        f"({age_of(each.get('lastTransitionTime'), now)} ago): {each.get('message', '')}"
        for each in status.get("conditions") or []
    ]
    return "\n".join(["Conditions:", *lines]) if lines else ""


def _events(events: Iterable[Manifest], now: datetime) -> str:
    newest = sorted(events, key=event_time)[-MAX_EVENTS:]
    lines = [
        f"  {age_of(event_time(each), now):>6} ago  {each.get('type', ''):8} "
        f"{each.get('reason', '')}: {event_note(each)}"
        for each in newest
    ]
    return "\n".join(["Events:", *lines]) if lines else ""


def event_time(event: Manifest) -> str:
    """When an Event happened last, in either API's form."""
    series = event.get("series") or {}
    keys = ("lastTimestamp", "deprecatedLastTimestamp", "eventTime", "firstTimestamp")
    found = series.get("lastObservedTime") or next((event[key] for key in keys if event.get(key)), "")
    return str(found or (event.get("metadata") or {}).get("creationTimestamp") or "")


def event_note(event: Manifest) -> str:
    """What an Event says, in either API's form, on one line."""
    return " ".join(str(event.get("message") or event.get("note") or "").split())
