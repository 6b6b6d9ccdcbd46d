"""Images in the node's containerd: what is imported when, and what is left over from a run before."""

import json
import subprocess
import time
from pathlib import Path

from embedded import oci
from embedded.node_client import Node
from embedded.report import Clock, ClusterError
from embedded.shell import output

CONTAINERD_SECONDS = 30.0


def wait_for_containerd(running: Node) -> None:
    """Wait until the node's containerd serves.

    Raises:
        ClusterError: It doesn't within CONTAINERD_SECONDS.
    """
    deadline = time.monotonic() + CONTAINERD_SECONDS
    while subprocess.run(running.enter(["ctr", "version"]), capture_output=True, check=False).returncode:
        if time.monotonic() > deadline:
            log = running.cluster.logs / "containerd.log"
            raise ClusterError(f"containerd doesn't answer after {CONTAINERD_SECONDS:.0f} s; see {log}")
        time.sleep(0.05)


def load(running: Node, archive: Path) -> list[str]:
    """Import an image archive, of docker or OCI form, and give the names of its images.

    Raises:
        ClusterError: There is no such file, or containerd refuses it.
    """
    if not archive.is_file():
        raise ClusterError(f"no image archive {archive}; make one with `docker save -o {archive} IMAGE`")
    names = oci.tags_of(archive)
    with archive.open("rb") as content:  # by stdin: the node may have mounts of its own over the path
        output(running.enter(["ctr", "images", "import", "-"]), stdin=content)
    return names


def load_changed(running: Node, clock: Clock) -> None:
    """Import every archive of the home that containerd hasn't got in its present form."""
    record = running.cluster.state / "containerd" / "nested-docker-loaded.json"  # goes when containerd's store goes
    loaded: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
    for archive in sorted(running.cluster.home.images.glob("*.tar")):
        version = oci.identity(archive)
        if loaded.get(archive.name) != version:
            load(running, archive)
            loaded[archive.name] = version
            record.write_text(json.dumps(loaded, indent=1))
            clock.say("imported", archive.name)


def forget_containers(running: Node) -> bool:
    """Remove containers and sandboxes that a former run left in containerd; whether there were any."""
    removed = [_remove_all(running, kind, "k8s.io") for kind in ("containers", "sandboxes")]
    return any(removed)


def forget_docker(running: Node) -> None:
    """Remove what the node's dockerd of a former run left in containerd: it starts with an empty data-root."""
    for kind in ("containers", "leases", "images"):
        _remove_all(running, kind, "moby")


def _remove_all(running: Node, kind: str, namespace: str) -> bool:
    command = ["ctr", "--namespace", namespace, kind]
    table = output(running.enter([*command, "list"])).splitlines()[1:]
    names = [line.split()[0] for line in table if line.strip()]
    if names:
        output(running.enter([*command, "remove", *names]))
    return bool(names)
