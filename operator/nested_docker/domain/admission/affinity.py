"""Whose pods the affinity of a NestedDocker is about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nested_docker.api.v1alpha1.nested_docker import AffinitySpec


def selects_other_namespaces(affinity: AffinitySpec, namespace: str) -> bool:
    """Whether a term of a pod affinity or anti-affinity selects pods of other namespaces than this one.

    Preferred terms count like required ones, since the scheduler applies both to the other pods too. A value of an
    unexpected form counts as selecting them.
    """
    return any(
        not _is_own(term, namespace)
        for kind in (affinity.pod_affinity, affinity.pod_anti_affinity)
        for term in _terms(kind or {})
    )


def _terms(kind: dict[str, Any]) -> Iterator[Any]:
    """Required terms, and preferred ones without their weight."""
    for terms in kind.values():
        for term in terms if isinstance(terms, list) else [terms] if terms else []:
            yield term.get("podAffinityTerm", term) if isinstance(term, dict) else term


def _is_own(term: Any, namespace: str) -> bool:
    if not isinstance(term, dict):
        return False
    return term.get("namespaceSelector") is None and (term.get("namespaces") or []) in ([], [namespace])
