"""What each test of the start script begins with."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.domain.modes.start_dockerd.container import CNI, DOCKERD, INIT, IP, MOUNT, RUNTIME, TOOLS, Container


@pytest.fixture
def container(tmp_path: Path) -> Container:
    """A container of a current engine, on a node with cgroup v1, in a pod of a usual cluster."""
    made = Container(tmp_path)
    for name in TOOLS:
        (tmp_path / "bin").mkdir(exist_ok=True)
        found = next(path for folder in ("/usr/bin", "/bin") if (path := Path(folder, name)).exists())
        (tmp_path / "bin" / name).symlink_to(found)
    for name, source in (("dockerd", DOCKERD), ("mount", MOUNT), ("docker-init", INIT), ("umount", "#!/bin/sh\n")):
        made.program(name, source)
    made.program("modprobe", '#!/bin/sh\necho "$1" >>ROOT/modules\n')
    made.program("runc", RUNTIME)
    made.engine("28.5.1")
    made.iptables("")
    made.write("unmountable")
    made.write("proc/self/mounts", "overlay / overlay rw 0 0\n")
    made.write("proc/uptime", "100.25 0\n")
    made.write("proc/net/route", "Iface Destination Gateway Flags\n" + CNI)
    made.write("etc/resolv.conf", "search svc.cluster.local\nnameserver 10.96.0.10\n")
    made.write("etc/hosts", "127.0.0.1\tlocalhost\n10.244.1.5\tbuild-1\n")
    made.write("run/keep")
    made.program("ip", IP)
    (tmp_path / "data").mkdir()
    made.env["KUBERNETES_SERVICE_HOST"] = "10.96.0.1"
    return made


REQUIRED = {"NESTED_DOCKER_USER_NAMESPACE": "required"}


@pytest.fixture
def namespaced(container: Container) -> Container:
    """The same as mode UserNamespace requests it, on a node with cgroup v2."""
    container.env |= REQUIRED
    container.write("proc/self/uid_map", "         0     131072      65536\n")
    container.write("proc/sys/net/ipv4/ip_forward", "1\n")
    container.write("proc/self/cgroup", "0::/\n")
    container.write("sys/fs/cgroup/cgroup.procs")
    container.write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
    return container
