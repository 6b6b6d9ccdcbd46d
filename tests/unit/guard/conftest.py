from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.relay.peers import Neighbourhood


@pytest.fixture
async def hood(tmp_path: Path) -> AsyncIterator[Neighbourhood]:
    made = Neighbourhood(tmp_path)
    yield made
    await made.stop()
