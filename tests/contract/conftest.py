"""Offering manifests to the real API server, which judges them and keeps nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.support.api import Api

from nested_docker.domain.ports import KubeError

Offer = Callable[[dict[str, Any]], Awaitable[str]]
"""The message with which a manifest is refused; empty: it is taken."""


@pytest.fixture
def offer(api: Api) -> Offer:
    """Creates without storing."""

    async def ask(manifest: dict[str, Any]) -> str:
        try:
            await api.create(manifest, dryRun="All", fieldValidation="Strict")
        except KubeError as error:
            return error.message
        return ""

    return ask
