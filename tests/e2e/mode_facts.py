"""What a client and an admin observe of a daemon, in the words of the table in docs/modes.md."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from tests.e2e.environment import Environment
from tests.support.cluster import CommandFailed

LIMIT = 64 << 20
FIND = """
file=$(grep -lszxe "$1[$2]" /proc/[0-9]*/cmdline | head -n 1)
path=$(sed -n 's/^0:://p; s/^[0-9]*:memory://p' "${file%cmdline}cgroup" | sort | tail -n 1)
echo "$path"
cat "/sys/fs/cgroup/memory$path/memory.limit_in_bytes" 2>/dev/null || cat "/sys/fs/cgroup$path/memory.max"
"""
"""On the node: cgroup and limit of memory of the process with an argument, whose last character is apart from the rest
so that this search does not find itself."""

BUILD = """
cd $(mktemp -d) && printf 'FROM busybox\\nRUN true\\n' >Dockerfile
if DOCKER_BUILDKIT=1 docker build --progress plain . 2>&1 | grep -q 'load build definition'; then echo BuildKit
elif DOCKER_BUILDKIT=0 docker build . >/dev/null 2>&1; then echo the classic builder; fi
"""

PUBLISH = """
container=$(docker run -d -p 80 busybox sh -c 'echo reached >/f; exec httpd -f -p 80 -h /')
port=$(docker port $container 80 | head -n 1)
own=${DOCKER_HOST#tcp://}
ask() { busybox wget -T 5 -q -O- "http://$1:${port##*:}/f" 2>/dev/null | grep -q reached; }
for _ in $(seq 60); do
    if ask "${own%:*}"; then echo 'the host of `DOCKER_HOST`'; exit
    elif [ "${TESTCONTAINERS_HOST_OVERRIDE:-}" ] && ask "$TESTCONTAINERS_HOST_OVERRIDE"; then
        echo 'the node, `TESTCONTAINERS_HOST_OVERRIDE`'; exit; fi
    sleep 1
done
"""

BIND = "/srv/bound"

OnNode = Callable[..., str]
"""Runs a script with arguments as root on the node of the daemon."""


def facts(
    env: Environment, nested_docker: str, client: str, on_node: OnNode, node_containers: Callable[[], str]
) -> dict[str, str]:
    """Everything that the table says and that a client of a daemon with the image busybox can observe.

    Args:
        env: the namespace.
        nested_docker: a name; it is Ready.
        client: a pod that uses it.
        on_node: runs a script with arguments on its node.
        node_containers: the identifiers of the containers of the node's own dockerd.
    """
    seconds = str(10**6 + secrets.randbelow(10**6))  # nothing else on the node sleeps so long
    inner = env.exec(client, "docker", "run", "-d", "-m", str(LIMIT), "busybox", "sleep", seconds).strip()
    pod = env.get("pod", env.get("nd", nested_docker)["status"]["podName"])
    cgroup, _, limit = on_node(FIND, seconds[:-1], seconds[-1]).strip().partition("\n")
    uid = pod["metadata"]["uid"]
    return {
        "privilege": privilege(pod["spec"]),
        "dockerPs": docker_ps(env.exec(client, "docker", "ps", "-q", "--no-trunc").split(), inner, node_containers()),
        "build": script(env, client, BUILD),
        "publish": script(env, client, PUBLISH),
        "bind": bind(env, nested_docker, client, on_node),
        "limit": "holds" if limit == str(LIMIT) else "is ignored",
        "cgroup": "the pod" if uid in cgroup or uid.replace("-", "_") in cgroup else "the node",
    }


def privilege(spec: dict[str, Any]) -> str:
    """Which fields of a stored pod give its containers more than a plain pod's, or less."""
    found = ["`hostUsers: false`"] if spec.get("hostUsers") is False else []
    found += [f"the node's `{each['hostPath']['path']}`" for each in spec["volumes"] if "hostPath" in each]
    for container in (*spec.get("initContainers", []), *spec["containers"]):
        context = container.get("securityContext", {})
        found += ["`privileged`"] if context.get("privileged") else []
        found += [f"`{name}`" for name in context.get("capabilities", {}).get("add", [])]
        found += ["an unmasked `/proc`"] if context.get("procMount") == "Unmasked" else []
    return ", ".join(found)


def docker_ps(shown: list[str], inner: str, of_node: str) -> str:
    """Whose containers a client sees, after it has started one."""
    own = "its own containers" if shown == [inner] else "the node's containers"
    return f"{own}, on the node's dockerd" if inner in of_node else own


def script(env: Environment, client: str, text: str) -> str:
    """What a script prints in the client's container."""
    return env.kubectl("exec", client, "--", "sh", "-ec", text, timeout=600).strip()


def bind(env: Environment, nested_docker: str, client: str, on_node: OnNode) -> str:
    """Where a path in `docker run -v` is, by a file that a container makes there."""
    try:
        env.exec(client, "docker", "run", "--rm", "-v", f"{BIND}:/bound", "busybox", "touch", f"/bound/{env.namespace}")
    except CommandFailed as failure:
        if "containers.binds" in str(failure):
            return "the node, where the guard's rules allow it"
        raise
    if on_node(f"test -e {BIND}/{env.namespace} && echo found || true").strip():
        return "the node"
    env.daemon(nested_docker, "test", "-e", f"{BIND}/{env.namespace}")
    return "the daemon's container"
