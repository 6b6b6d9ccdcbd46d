"""What the operator knows of its cluster from its own pod."""

from __future__ import annotations

from pathlib import Path

import pytest

from nested_docker import settings as module
from nested_docker.settings import Settings


@pytest.mark.parametrize(
    ("service", "resolv_conf", "expected"),
    [
        (
            "10.96.0.1",
            "search svc.cluster.local\nnameserver 10.96.0.10\nnameserver fd00::a\n",
            ("10.96.0.1", "10.96.0.10", "fd00::a"),
        ),
        ("10.96.0.1", "nameserver \noptions ndots:5\n", ("10.96.0.1",)),
        ("10.96.0.1", None, ("10.96.0.1",)),
        ("", "nameserver 192.168.1.1\n", ()),
    ],
)
def test_addresses_of_the_cluster_are_those_that_its_pod_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: str, resolv_conf: str | None, expected: tuple[str, ...]
) -> None:
    file = tmp_path / "resolv.conf"
    if resolv_conf is not None:
        file.write_text(resolv_conf)
    monkeypatch.setattr(module, "RESOLV_CONF", file)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", service)
    assert Settings().cluster_addresses == expected
    assert Settings().defaults().cluster_addresses == expected
