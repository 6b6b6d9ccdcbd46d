"""A cluster and a daemon for the tests of the Python API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.user_world import UserWorld


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UserWorld]:
    """A cluster that `KUBECONFIG` leads to."""
    runtime = tmp_path / "run"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime) if len(str(runtime)) < 50 else "")
    monkeypatch.setattr("nested_docker.client.lifecycle.POLL_SECONDS", 0.02)
    monkeypatch.setattr("nested_docker.client.dialing.RETRY_SECONDS", 0.02)
    with UserWorld(tmp_path) as world:
        monkeypatch.setenv("KUBECONFIG", str(world.kubeconfig))
        yield world
