"""The daemon's configuration file, from `engine`."""

from __future__ import annotations

import json
from typing import Any

from nested_docker.api.v1alpha1.engine import EngineSpec
from nested_docker.domain.registry_mirrors import hub_mirrors


def daemon_json(engine: EngineSpec) -> str:
    """daemon.json of a daemon; typed fields override the free `config`.

    It has no MTU: if `engine.mtu` is empty, the MTU is known only in the pod, so the start script passes
    it as a flag. It has no proxies either: dockerd reads them from it since Docker 23 only, and from its
    environment in every version.
    """
    config: dict[str, Any] = dict(engine.config or {})
    typed = {
        "storage-driver": engine.storage_driver,
        "registry-mirrors": hub_mirrors(engine),
        "insecure-registries": engine.insecure_registries,
        "dns": engine.dns,
        "default-address-pools": [pool.dump() for pool in engine.address_pools] if engine.address_pools else None,
    }
    config |= {key: value for key, value in typed.items() if value}
    return json.dumps(config, sort_keys=True, separators=(",", ":"))


def proxy_environment(engine: EngineSpec) -> dict[str, str]:
    """Environment variables from which dockerd reads its proxies."""
    if engine.proxy is None:
        return {}
    proxies = {
        "HTTP_PROXY": engine.proxy.http_proxy,
        "HTTPS_PROXY": engine.proxy.https_proxy,
        "NO_PROXY": engine.proxy.no_proxy,
    }
    return {name: value for name, value in proxies.items() if value}
