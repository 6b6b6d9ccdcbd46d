"""The daemon's configuration file: typed and free fields, and nothing that is empty."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nested_docker.api.v1alpha1.engine import EngineSpec
from nested_docker.domain.daemon_json import daemon_json, proxy_environment


def config(**engine: Any) -> dict[str, Any]:
    return dict(json.loads(daemon_json(EngineSpec.model_validate(engine))))


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        ({}, {}),
        ({"image": "docker:30-dind", "mtu": 1300}, {}),
        ({"storageDriver": "overlay2"}, {"storage-driver": "overlay2"}),
        ({"mirrors": {"docker.io": ["https://mirror.example"]}}, {"registry-mirrors": ["https://mirror.example"]}),
        ({"mirrors": {"docker.io": ["https://mirror.example/"]}}, {"registry-mirrors": ["https://mirror.example/"]}),
        ({"mirrors": {"docker.io": ["https://mirror.example/v2/hub"]}}, {}),
        ({"mirrors": {"ghcr.io": ["https://mirror.example"]}}, {}),
        ({"mirrors": {}}, {}),
        ({"insecureRegistries": ["registry.example:5000"]}, {"insecure-registries": ["registry.example:5000"]}),
        ({"dns": ["192.0.2.1"]}, {"dns": ["192.0.2.1"]}),
        (
            {"addressPools": [{"base": "10.200.0.0/16", "size": 24}]},
            {"default-address-pools": [{"base": "10.200.0.0/16", "size": 24}]},
        ),
        ({"config": {"debug": True}, "dns": ["192.0.2.1"]}, {"debug": True, "dns": ["192.0.2.1"]}),
    ],
)
def test_fields(engine: dict[str, Any], expected: dict[str, Any]) -> None:
    assert config(**engine) == expected


def test_equal_configurations_are_the_same_text() -> None:
    one, other = ({"debug": True, "ip": "192.0.2.1"}, {"ip": "192.0.2.1", "debug": True})
    assert daemon_json(EngineSpec(config=one)) == daemon_json(EngineSpec(config=other))


def test_proxies_are_in_the_environment_which_every_version_reads() -> None:
    proxy = {"httpProxy": "http://proxy.example:3128", "httpsProxy": "http://proxy.example:3129", "noProxy": ".svc"}
    engine = EngineSpec.model_validate({"proxy": proxy})
    assert proxy_environment(engine) == {
        "HTTP_PROXY": "http://proxy.example:3128",
        "HTTPS_PROXY": "http://proxy.example:3129",
        "NO_PROXY": ".svc",
    }
    assert daemon_json(engine) == "{}"
    assert proxy_environment(EngineSpec()) == {}
