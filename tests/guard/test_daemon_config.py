"""What the models take and refuse is what a real dockerd takes and refuses."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.guard.dockerd import ROOT
from tests.support.daemon_values import (
    CONFIGS,
    IGNORED_KEYS,
    NAME_SERVERS,
    NOT_CONFIGS,
    NOT_NAME_SERVERS,
    NOT_REGISTRIES,
    REGISTRIES,
)

DOCKERD = ROOT / "usr/local/bin/dockerd"
START_SECONDS = 60.0


def written(config: dict[str, Any], folder: Path) -> str:
    path = folder / "daemon.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return f"--config-file={path}"


def validated(config: dict[str, Any], folder: Path) -> bool:
    done = subprocess.run([DOCKERD, "--validate", written(config, folder)], check=False, capture_output=True)
    return done.returncode == 0


def starts(config: dict[str, Any], folder: Path) -> bool:
    """Whether a daemon with that configuration starts, in a network of its own."""
    flags = [f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
    flags += [f"--host=unix://{folder}/socket", "--bridge=none", "--iptables=false", "--storage-driver=vfs"]
    path = f"{os.environ['PATH']}:{ROOT}/usr/local/bin:{ROOT}/usr/sbin:{ROOT}/usr/bin"
    log = folder / "log"
    with log.open("wb") as output:
        command = ["unshare", "--net", "--mount", "--", DOCKERD, written(config, folder), *flags]
        process = subprocess.Popen(command, env=os.environ | {"PATH": path}, stdout=output, stderr=output)
    end = time.monotonic() + START_SECONDS
    try:
        while process.poll() is None and time.monotonic() < end:
            if b"Daemon has completed initialization" in log.read_bytes():
                return True
            time.sleep(0.1)
        assert process.poll() is not None, log.read_text(encoding="utf-8")
        return False
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in CONFIGS.items() for value in values])
def test_dockerd_takes_what_the_models_take(key: str, value: Any, tmp_path: Path) -> None:
    assert validated({key: value}, tmp_path)


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in NOT_CONFIGS.items() for value in values])
def test_dockerd_refuses_what_the_models_refuse(key: str, value: Any, tmp_path: Path) -> None:
    assert not validated({key: value}, tmp_path)


@pytest.mark.parametrize("key", IGNORED_KEYS)
def test_dockerd_says_nothing_of_a_key_that_it_ignores(key: str, tmp_path: Path) -> None:
    assert validated({key: IGNORED_KEYS[key]}, tmp_path)
    assert validated({key: [1]}, tmp_path), "it does not even look at the value"


def test_dockerd_takes_the_same_name_servers(tmp_path: Path) -> None:
    taken = [each for each in NAME_SERVERS + NOT_NAME_SERVERS if validated({"dns": [each]}, tmp_path)]
    assert taken == NAME_SERVERS


def test_dockerd_starts_with_the_registries_that_the_models_take(tmp_path: Path) -> None:
    assert starts({"insecure-registries": REGISTRIES}, tmp_path)


@pytest.mark.parametrize("registry", NOT_REGISTRIES)
def test_dockerd_does_not_start_with_others(registry: str, tmp_path: Path) -> None:
    assert not starts({"insecure-registries": [registry]}, tmp_path)
