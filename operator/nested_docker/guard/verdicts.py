"""How many requests the guard has allowed and denied, for Prometheus."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard.errors import GuardDenied

OTHER = "fields"
"""The rule of what a client may not set, whose path may contain the client's words."""

OTHER_RULES = frozenset(
    {"auth", "body", "buildkit", "checkpoints", "daemon", "debug", "filters", "http", "method", "owner", "plugins"}
    | {"query", "routes", "swarm", "target", "version", "volumes"}
)
"""Rules outside of GuardRules."""

COUNTED_RULES = frozenset(GuardRules.model_fields) | OTHER_RULES
"""First words of rules that are counted apart; a client cannot add to them."""

REQUESTS_METRIC = "nested_docker_guard_requests_total"


class GuardVerdict(StrEnum):
    """What the guard did with a request."""

    ALLOWED = "allowed"
    WAIVED = "waived"
    DENIED = "denied"


class Verdicts:
    """Counts of requests by verdict and rule, without any word of a client."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[GuardVerdict, str]] = Counter()

    def count(self, verdict: GuardVerdict, denied: GuardDenied | None = None) -> None:
        """Count a request, with the rule that it violates if there is one."""
        self._counts[verdict, _rule(denied)] += 1

    def metrics(self) -> str:
        """The counts in Prometheus' text format, without its library, which the guard has no memory for."""
        lines = [
            f"# HELP {REQUESTS_METRIC} Requests to the guard, by verdict and rule.",
            f"# TYPE {REQUESTS_METRIC} counter",
        ]
        lines += [
            f'{REQUESTS_METRIC}{{rule="{rule}",verdict="{verdict}"}} {count}'
            for (verdict, rule), count in sorted(self._counts.items())
        ]
        return "\n".join(lines) + "\n"


def _rule(denied: GuardDenied | None) -> str:
    """The first word of a rule; empty: the request violates none."""
    if denied is None:
        return ""
    word = denied.rule.partition(".")[0]
    return word if word in COUNTED_RULES else OTHER
