"""Rules as people write them."""

from __future__ import annotations

from nested_docker.api.v1alpha1.guard import GuardRules


def load(text: str | bytes) -> GuardRules:
    """Read rules that people wrote.

    Raises:
        ValueError: they are not JSON, or name what the guard does not know; the message says where.
    """
    return GuardRules.model_validate_json(text, extra="forbid")
