"""Operations of the SDK for Python, by the SDK itself."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from docker import APIClient
from tests.guard.clients.call import build_context

Names = Mapping[str, str]
"""Names of the objects, as in `Call`."""

Operation = Callable[[APIClient, Names], Any]


def _build(client: APIClient, names: Names, **options: Any) -> None:
    for _ in client.build(
        fileobj=io.BytesIO(build_context()), custom_context=True, tag=f"localhost/{names['new']}:1", **options
    ):
        pass


def _build_folder(client: APIClient, names: Names, *, dockerfile_outside: bool, **options: Any) -> None:
    with tempfile.TemporaryDirectory() as context, tempfile.TemporaryDirectory() as elsewhere:
        dockerfile = Path(elsewhere if dockerfile_outside else context, "Dockerfile")
        dockerfile.write_text("FROM busybox\nCOPY a /a\n")
        Path(context, "a").write_text("a")
        for _ in client.build(path=context, dockerfile=str(dockerfile), tag=f"localhost/{names['new']}:1", **options):
            pass


def _create(client: APIClient, host: dict[str, Any] | None = None, **options: Any) -> Any:
    host_config = client.create_host_config(**host) if host is not None else None
    return client.create_container("busybox", ["sleep", "60"], host_config=host_config, **options)


def _in_network(client: APIClient, names: Names) -> Any:
    """As `containers.run(network=…)`."""
    return _create(client, {"network_mode": names["network"]}, networking_config={names["network"]: None})


def _with_endpoint(client: APIClient, names: Names) -> Any:
    endpoint = client.create_endpoint_config(aliases=["web"])
    return _create(client, {}, networking_config=client.create_networking_config({names["network"]: endpoint}))


def _exec_with_keys(client: APIClient, names: Names) -> Any:
    """With detachKeys in config.json, which the SDK sends in lower case."""
    client._general_configs["detachKeys"] = "ctrl-p,ctrl-q"
    return client.exec_create(names["container"], ["true"])


OPERATIONS: Mapping[str, Operation] = {
    "containers.create": lambda client, _: _create(client),
    "containers.create in a network": _in_network,
    "containers.create with an endpoint": _with_endpoint,
    "containers.create with a runtime": lambda client, _: _create(client, runtime="runc"),
    "containers.create with options": lambda client, names: _create(
        client,
        {"binds": [f"{names['volume']}:/data"], "mem_limit": "64m", "restart_policy": {"Name": "no"}, "init": True,
         "tmpfs": {"/t": "size=1m"}, "ulimits": [{"Name": "nofile", "Soft": 64, "Hard": 64}], "cap_drop": ["NET_RAW"],
         "port_bindings": {80: None}, "log_config": {"Type": "json-file", "Config": {}}},
        ports=[80], environment={"A": "b"}, labels={"a": "b"}, user="0", working_dir="/tmp", stop_signal="TERM",
        healthcheck={"test": ["CMD", "true"], "interval": 10**9}, hostname="h", tty=True, stdin_open=True,
    ),
    "container.start": lambda client, names: client.start(names["stopped"]),
    "container.stop": lambda client, names: client.stop(names["container"], timeout=0),
    "container.restart": lambda client, names: client.restart(names["container"], timeout=0),
    "container.kill": lambda client, names: client.kill(names["container"], "SIGKILL"),
    "container.pause": lambda client, names: client.pause(names["container"]),
    "container.rename": lambda client, names: client.rename(names["stopped"], names["new"]),
    "container.remove": lambda client, names: client.remove_container(names["container"], v=True, force=True),
    "container.logs": lambda client, names: client.logs(names["container"], tail=5, since=1),
    "container.top": lambda client, names: client.top(names["container"], "aux"),
    "container.stats": lambda client, names: client.stats(names["container"], stream=False),
    "container.diff": lambda client, names: client.diff(names["container"]),
    "container.update": lambda client, names: client.update_container(names["container"], cpu_shares=512),
    "container.resize": lambda client, names: client.resize(names["container"], 40, 120),
    "container.get_archive": lambda client, names: client.get_archive(names["container"], "/etc/passwd"),
    "container.put_archive": lambda client, names: client.put_archive(names["container"], "/tmp", build_context()),
    "container.commit": lambda client, names: client.commit(names["container"], f"localhost/{names['new']}", "1"),
    "containers.list": lambda client, _: client.containers(all=True, filters={"status": "running"}, limit=5),
    "containers.prune": lambda client, _: client.prune_containers({"until": "24h"}),
    "exec_create": lambda client, names: client.exec_create(names["container"], ["true"], environment={"A": "b"}),
    "exec_create with detachKeys": _exec_with_keys,
    "exec_inspect": lambda client, names: client.exec_inspect(names["exec"]),
    "exec_start": lambda client, names: client.exec_start(names["exec"], detach=True),
    "images.list": lambda client, _: client.images(all=True, filters={"reference": "busybox"}),
    "images.get": lambda client, names: client.inspect_image(names["image"]),
    "image.history": lambda client, names: client.history(names["image"]),
    "image.save": lambda client, names: client.get_image(names["image"]),
    "image.tag": lambda client, names: client.tag(names["image"], f"localhost/{names['new']}", "1"),
    "image.tag with force": lambda client, names: client.tag(names["image"], f"localhost/{names['new']}", "1",
                                                             force=True),
    "images.remove": lambda client, names: client.remove_image(names["image"]),
    "images.prune": lambda client, _: client.prune_images({"dangling": True}),
    "images.build": _build,
    "images.build with options": lambda client, names: _build(
        client, names, rm=True, nocache=True, pull=False, forcerm=True, buildargs={"A": "b"}, labels={"a": "b"},
        cache_from=["busybox"], squash=False, extra_hosts={"db": "10.0.0.5"}, platform="linux/amd64",
        container_limits={"memory": 2**26},
    ),
    "images.build with the default isolation": lambda client, names: _build(client, names, isolation="default"),
    "images.build of a folder": lambda client, names: _build_folder(client, names, dockerfile_outside=False),
    "images.build with gzip": lambda client, names: _build_folder(client, names, dockerfile_outside=False, gzip=True),
    "images.build with a Dockerfile outside": lambda client, names: _build_folder(
        client, names, dockerfile_outside=True
    ),
    "networks.create": lambda client, names: client.create_network(
        names["new"], driver="bridge", labels={"a": "b"}, attachable=True, check_duplicate=True
    ),
    "networks.list": lambda client, _: client.networks(names=["x"]),
    "network.inspect": lambda client, names: client.inspect_network(names["network"], verbose=False),
    "network.connect": lambda client, names: client.connect_container_to_network(
        names["container"], names["network"], aliases=["web"]
    ),
    "networks.prune": lambda client, _: client.prune_networks({}),
    "volumes.create": lambda client, names: client.create_volume(names["new"], driver="local", labels={"a": "b"}),
    "volumes.list": lambda client, _: client.volumes(filters={"dangling": True}),
    "volume.inspect": lambda client, names: client.inspect_volume(names["volume"]),
    "volume.remove": lambda client, names: client.remove_volume(names["volume"]),
    "volumes.prune": lambda client, _: client.prune_volumes(),
    "info": lambda client, _: client.info(),
    "version": lambda client, _: client.version(api_version=False),
    "ping": lambda client, _: client.ping(),
    "df": lambda client, _: client.df(),
    "events": lambda client, _: list(client.events(since=0, until=1)),
}  # fmt: skip
